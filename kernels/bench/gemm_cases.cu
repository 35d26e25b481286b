// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>

#include "ember/base/integers.h"
#include "ember/base/splitmix64.h"
#include "kernels/bench/gemm_cases.h"
#include "kernels/bench/reference.h"
#include "kernels/gemm.h"

namespace ember::kernels::bench {

namespace {

size_t at(int i) { return static_cast<size_t>(i); }

struct Case {
  int tokens = 1, out = 128, in = 64;
  Epilogue epilogue = Epilogue::kStore;
  bool bias = false;
  float scale = 1;
};

const char* name_of(Epilogue epilogue) {
  switch (epilogue) {
    case Epilogue::kStore:
      return "store";
    case Epilogue::kAdd:
      return "add";
    case Epilogue::kSiluMul:
      return "silu_mul";
    case Epilogue::kLogits:
      return "logits";
    case Epilogue::kGeluMul:
      return "gelu_mul";
  }
  return "?";
}

// Of both signs, 2^-8 to 2^8: another order of a sum is another result.
float mixed(uint64_t i) {
  const uint64_t h = splitmix64(i);
  const float fraction = 1.0f + static_cast<float>(h >> 40) * 0x1p-24f;
  return std::ldexp((h & 1) != 0 ? -fraction : fraction, static_cast<int>(h >> 1 & 15) - 8);
}

// Of about one.
float moderate(uint64_t i) { return static_cast<float>(splitmix64(i) >> 40) * 0x1p-23f - 1.0f; }

// One product: its operands on the host, and the same on the device.
class Run {
 public:
  Run(const StreamRef& stream, DType dtype, const Case& c, float (*number)(uint64_t))
      : stream_(stream), dtype_(dtype), c_(c) {
    // Large matrices hold the same numbers again and again; their count has no common factor with
    // a row's.
    constexpr size_t kDistinct = 1'000'003;
    std::vector<uint16_t> numbers(std::min(at(c.out) * at(c.in), kDistinct));
    for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = bits(number(i));
    weights_.resize(at(c.out) * at(c.in));
    for (size_t i = 0; i < weights_.size(); ++i) weights_[i] = numbers[i % numbers.size()];
    x_.resize(at(c.tokens) * at(c.in));
    for (size_t i = 0; i < x_.size(); ++i) x_[i] = bits(number(i + (size_t{1} << 40)));
    before_.assign(at(c.tokens + 1) * stride() * (logits() ? 2 : 1), kCanary);
    if (c.epilogue == Epilogue::kAdd)
      for (int t = 0; t < c.tokens; ++t)
        for (int n = 0; n < columns(); ++n)
          before_[at(t) * stride() + at(n)] = bits(number((uint64_t{2} << 40) + at(t * 1000 + n)));
    for (int n = 0; n < c.out; ++n) bias_.push_back(number((uint64_t{3} << 40) + at(n)));
    weights_there_ = std::make_unique<Buffer>(weights_.size() * 2);
    x_there_ = std::make_unique<Buffer>(x_.size() * 2);
    bias_there_ = std::make_unique<Buffer>(bias_.size() * 4);
    y_there_ = std::make_unique<Buffer>(before_.size() * 2);
    weights_there_->write(stream.handle, weights_);
    x_there_->write(stream.handle, x_);
    bias_there_->write(stream.handle, bias_);
    matrix_ = make_matrix(stream, weights_there_->data, c.bias ? bias_there_->as<float>() : nullptr,
                          dtype, c.out, c.in);
  }

  int split() const { return matrix_.split; }
  bool logits() const { return c_.epilogue == Epilogue::kLogits; }
  int columns() const { return is_gated(c_.epilogue) ? c_.out / 2 : c_.out; }
  size_t row_bytes() const { return stride() * (logits() ? 4 : 2); }

  // `tokens` rows from `first` on, and those that are not computed: as 16-bit words.
  std::vector<uint16_t> multiply(int tokens, int first = 0) const {
    y_there_->write(stream_.handle, before_);
    gemm(stream_, matrix_, {x_there_->half(at(first) * at(c_.in)), c_.in, tokens, c_.in},
         y_there_->half(at(first) * row_bytes() / 2), static_cast<int64_t>(stride()), c_.epilogue,
         c_.scale);
    return y_there_->read<uint16_t>(stream_.handle, before_.size());
  }

  void compare(CaseResult& r) const {
    const std::vector<uint16_t> y = multiply(c_.tokens);
    const double unit = product_unit(dtype_, c_.epilogue);
    for (int t = 0; t < c_.tokens; ++t)
      for (int n = 0; n < columns(); ++n) {
        double magnitude = 0, slope = 1;
        const double exact = expected(t, n, magnitude, slope);
        const double allowed = product_tolerance(unit, exact, magnitude, slope);
        double difference = std::abs(result(y, t, n) - exact);
        if (!(difference <= 1e30)) difference = 1e30;  // a NaN is the worst
        r.right = r.right && difference <= allowed;
        r.largest_difference = std::max(r.largest_difference, difference);
        r.largest = std::max(r.largest, std::abs(exact));
      }
    const size_t words = row_bytes() / 2, used = at(columns()) * (logits() ? 2 : 1);
    for (size_t i = 0; i < y.size(); ++i)
      if (i % words >= used || i / words >= at(c_.tokens)) r.right = r.right && y[i] == kCanary;
  }

 private:
  size_t stride() const { return at(round_up(columns(), 8) + 8); }
  double value(uint16_t b) const { return double{half_value(dtype_, b)}; }
  uint16_t bits(float v) const { return half_bits(dtype_, v); }
  double result(const std::vector<uint16_t>& y, int t, int n) const {
    const size_t i = at(t) * stride() + at(n);
    if (!logits()) return value(y[i]);
    float v = 0;
    std::memcpy(&v, y.data() + 2 * i, sizeof v);
    return double{v};
  }

  // The sum over `in`; adds the magnitudes of what it is made of.
  double product(int t, int n, double& magnitude) const {
    double sum = c_.bias ? double{bias_[at(n)]} : 0;
    for (int k = 0; k < c_.in; ++k) {
      const double v =
          value(x_[at(t) * at(c_.in) + at(k)]) * value(weights_[at(n) * at(c_.in) + at(k)]);
      sum += v;
      magnitude += std::abs(v);
    }
    return sum * double{c_.scale};
  }
  double expected(int t, int n, double& magnitude, double& slope) const {
    if (!is_gated(c_.epilogue))
      return product(t, n, magnitude) +
             (c_.epilogue == Epilogue::kAdd ? value(before_[at(t) * stride() + at(n)]) : 0);
    const int gate = n / 8 * 16 + n % 8;
    const double g = product(t, gate, magnitude), up = product(t, gate + 8, magnitude);
    slope = 2 * (std::abs(g) + std::abs(up) + 1);
    return gated(c_.epilogue, g, up);
  }

  const StreamRef stream_;
  const DType dtype_;
  const Case c_;
  std::vector<uint16_t> weights_, x_, before_;
  std::vector<float> bias_;
  std::unique_ptr<Buffer> weights_there_, x_there_, bias_there_, y_there_;
  Matrix matrix_;
};

CaseResult check_all(const StreamRef& stream, DType dtype, const std::string& shape,
                     const std::vector<Case>& cases) {
  CaseResult r{.kernel = "gemm", .shape = shape, .right = true};
  for (const Case& c : cases) Run(stream, dtype, c, moderate).compare(r);
  return r;
}

// Tokens' bits alone, with fewer and with more tokens beside them.
CaseResult check_company(const StreamRef& stream, DType dtype, Epilogue epilogue, int out, int in) {
  constexpr int kTokens = 260;
  constexpr float kScale = 0x1p-6f;  // sums of 4096 then fit into float16
  const Run run(stream, dtype, {kTokens, out, in, epilogue, false, kScale}, mixed);
  const std::vector<uint16_t> all = run.multiply(kTokens);
  const size_t words = run.row_bytes() / 2, used = at(run.columns()) * (run.logits() ? 2 : 1);
  CaseResult r{.kernel = "gemm",
               .shape = format("%d x %d, split %d, %s, alone as among others", out, in, run.split(),
                               name_of(epilogue))};
  const auto compare = [&](int first, int tokens) {
    const std::vector<uint16_t> fewer = run.multiply(tokens, first);
    for (int t = first; t < first + tokens; ++t)
      r.largest_difference +=
          std::memcmp(fewer.data() + at(t) * words, all.data() + at(t) * words, used * 2) != 0;
  };
  for (const int tokens : {1, 8, 9, 16, 17, 32, 33, 64, 65, 128, 129, 131}) compare(0, tokens);
  for (const int token : {7, 100, 259}) compare(token, 1);  // which have other places in a tile
  r.right = r.largest_difference == 0;
  return r;
}

}  // namespace

void check_gemm_cases(const StreamRef& stream, DType dtype, bool tiny,
                      const std::function<void(const CaseResult&)>& report) {
  for (const auto epilogue : {Epilogue::kStore, Epilogue::kAdd, Epilogue::kSiluMul,
                              Epilogue::kLogits, Epilogue::kGeluMul}) {
    std::vector<Case> cases;
    for (const bool bias : {false, true})
      for (const int tokens : {1, 12, 130})
        cases.push_back({tokens, 272, 256, epilogue, bias, tokens == 12 ? 1.0f : 0.3f});
    report(check_all(stream, dtype, std::string(name_of(epilogue)) + ", with and without bias",
                     cases));
  }
  std::vector<Case> odd;
  for (const int out : {1, 7, 17, 129, 257})
    for (const int in : {8, 56, 328}) odd.push_back({3, out, in});
  odd.push_back({70, 257, 328});
  report(check_all(stream, dtype, "odd numbers of rows and columns", odd));
  std::vector<std::pair<int, int>> shapes = {{144, 576}, {136, 2048}};
  if (!tiny)
    shapes.insert(
        shapes.end(),
        {{6144, 4096}, {4096, 4096}, {12288, 4096}, {28672, 4096}, {4096, 14336}, {3584, 18944}});
  for (const auto& [out, in] : shapes)
    for (const auto epilogue : {Epilogue::kLogits, Epilogue::kAdd})
      report(check_company(stream, dtype, epilogue, out, in));
}

}  // namespace ember::kernels::bench
