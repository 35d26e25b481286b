// SPDX-License-Identifier: Apache-2.0
// One product on the emulated machine: inputs from a seed, the kernel's result, and how far it is
// from the exact one.
#pragma once

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "kernels/bench/reference.h"
#include "kernels/emulator_stream.h"
#include "kernels/gemm.h"
#include "kernels/guarded.h"
#include "machine.h"

namespace ember::kernels {

struct GemmCase {
  int sm = 90;
  DType dtype = DType::kF16;
  int tokens = 1, out = 128, in = 64;
  Epilogue epilogue = Epilogue::kStore;
  bool bias = false;
  float scale = 1;
  int num_sms = 3;  // how many CTAs make the parts of a sum depends on it
};

class GemmRun {
 public:
  GemmRun(const GemmCase& c, unsigned seed)
      : c_(c),
        columns_(is_gated(c.epilogue) ? c.out / 2 : c.out),
        stride_((columns_ + 7) / 8 * 8 + 8),
        x_stride_(c.in + 8),
        weights_(static_cast<size_t>(c.out) * static_cast<size_t>(c.in)),
        x_(static_cast<size_t>(c.tokens + 2) * static_cast<size_t>(x_stride_), kNan16),
        bias_(static_cast<size_t>(c.out)),
        y_(static_cast<size_t>(c.tokens + 1) * static_cast<size_t>(stride_), kCanary),
        logits_(static_cast<size_t>(c.tokens + 1) * static_cast<size_t>(stride_), NAN) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal(0, 0.5f);
    for (size_t i = 0; i < weights_.size(); ++i) weights_[i] = half_bits(c.dtype, normal(random));
    for (int t = 0; t < c.tokens; ++t) {
      std::mt19937 row(seed + 1000u * static_cast<unsigned>(t) +
                       7);  // a row is the same for any number of rows
      for (int k = 0; k < c.in; ++k) x(t, k) = half_bits(c.dtype, normal(row));
      for (int n = 0; n < columns_; ++n) y(t, n) = half_bits(c.dtype, normal(row));
    }
    for (size_t i = 0; i < bias_.size(); ++i) bias_[i] = normal(random);
    before_.assign(y_.data(), y_.data() + y_.size());
  }

  uint16_t& x(int t, int k) { return x_[static_cast<size_t>(t * x_stride_ + k)]; }
  uint16_t& y(int t, int n) { return y_[static_cast<size_t>(t * stride_ + n)]; }
  int columns() const { return columns_; }
  bool logits() const { return c_.epilogue == Epilogue::kLogits; }
  double result(int t, int n) {
    return logits() ? logits_[static_cast<size_t>(t * stride_ + n)] : half_value(c_.dtype, y(t, n));
  }

  void run() {
    const StreamRef stream = emulator_stream(c_.sm, c_.num_sms);
    const emu::Chain chain;
    emu::predecessor_writes(x_.data(), x_.size() * 2);
    emu::predecessor_writes(y_.data(), y_.size() * 2);
    const Matrix w = make_matrix(stream, weights_.data(), c_.bias ? bias_.data() : nullptr,
                                 c_.dtype, c_.out, c_.in);
    void* to = logits() ? static_cast<void*>(logits_.data()) : y_.data();
    gemm(stream, w, {x_.data(), x_stride_, c_.tokens, c_.in}, to, stride_, c_.epilogue, c_.scale);
  }

  // Empty, or what is wrong first.
  std::string problem() {
    for (int t = 0; t < c_.tokens; ++t) {
      for (int n = 0; n < columns_; ++n) {
        double magnitude = 0, exact, slope = 1;
        if (is_gated(c_.epilogue)) {
          double m2 = 0;
          const int gate = n / 8 * 16 + n % 8;
          const double a = product(t, gate, &magnitude), b = product(t, gate + 8, &m2);
          exact = gated(c_.epilogue, a, b);
          slope = 2 * (std::abs(a) + std::abs(b) + 1);
          magnitude += m2;
        } else {
          exact = product(t, n, &magnitude);
          if (c_.epilogue == Epilogue::kAdd)
            exact += half_value(c_.dtype, before_[static_cast<size_t>(t * stride_ + n)]);
        }
        const double allowed =
            product_tolerance(product_unit(c_.dtype, c_.epilogue), exact, magnitude, slope);
        const double got = result(t, n);
        if (!(std::abs(got - exact) <= allowed)) {
          return "token " + std::to_string(t) + " column " + std::to_string(n) + ": " +
                 std::to_string(got) + " instead of " + std::to_string(exact);
        }
      }
    }
    for (int t = 0; t <= c_.tokens; ++t) {
      for (int n = t < c_.tokens ? columns_ : 0; n < stride_; ++n) {
        if (y(t, n) != kCanary || !std::isnan(logits_[static_cast<size_t>(t * stride_ + n)]))
          return "stored outside y, at row " + std::to_string(t);
      }
    }
    return "";
  }

 private:
  double product(int t, int n, double* magnitude) {
    double sum = c_.bias ? bias_[static_cast<size_t>(n)] : 0;
    for (int k = 0; k < c_.in; ++k) {
      const double v =
          double{half_value(c_.dtype, x(t, k))} *
          half_value(c_.dtype, weights_[static_cast<size_t>(n) * static_cast<size_t>(c_.in) +
                                        static_cast<size_t>(k)]);
      sum += v;
      *magnitude += std::abs(v);
    }
    return sum * double{c_.scale};
  }

  GemmCase c_;
  int columns_, stride_, x_stride_;
  Guarded<uint16_t> weights_, x_;
  Guarded<float> bias_;
  Guarded<uint16_t> y_;
  Guarded<float> logits_;
  std::vector<uint16_t> before_;
};

}  // namespace ember::kernels
