// SPDX-License-Identifier: Apache-2.0
#include "ember/model/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace ember {

namespace {

constexpr double kTwoPi = 2 * std::numbers::pi;

// theta^(-2i/d)
std::vector<double> plain_frequencies(double theta, int dim) {
  std::vector<double> frequencies(static_cast<size_t>(dim / 2));
  for (size_t i = 0; i < frequencies.size(); ++i)
    frequencies[i] = std::pow(theta, -2.0 * static_cast<double>(i) / dim);
  return frequencies;
}

// Long waves are stretched by the factor, short ones kept, and those between blended.
void scale_llama3(const RopeConfig& rope, std::vector<double>& frequencies) {
  const double original = rope.original_max_position;
  const double low_wavelength = original / rope.low_freq_factor,
               high_wavelength = original / rope.high_freq_factor;
  for (double& f : frequencies) {
    const double wavelength = kTwoPi / f;
    if (wavelength < high_wavelength) continue;
    const double smooth = (original / wavelength - rope.low_freq_factor) /
                          (rope.high_freq_factor - rope.low_freq_factor);
    f = wavelength > low_wavelength ? f / rope.factor : (1 - smooth) * f / rope.factor + smooth * f;
  }
}

// The dimension whose wave turns `rotations` times within the original context.
double correction_dim(const RopeConfig& rope, double rotations) {
  return rope.rotary_dim * std::log(rope.original_max_position / (rotations * kTwoPi)) /
         (2 * std::log(rope.theta));
}

void scale_yarn(const RopeConfig& rope, std::vector<double>& frequencies) {
  double low = correction_dim(rope, rope.beta_fast), high = correction_dim(rope, rope.beta_slow);
  if (rope.truncate) low = std::floor(low), high = std::ceil(high);
  low = std::max(low, 0.0);
  high = std::min(high, rope.rotary_dim - 1.0);
  if (low == high) high += 0.001;
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const double ramp = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    frequencies[i] = frequencies[i] / rope.factor * ramp + frequencies[i] * (1 - ramp);
  }
}

double yarn_mscale(double scale, double mscale) {
  return scale <= 1 ? 1.0 : 0.1 * mscale * std::log(scale) + 1.0;
}

// What cosines and sines are multiplied by, to keep the attention's temperature.
double attention_factor(const RopeConfig& rope) {
  if (rope.attention_factor) return *rope.attention_factor;
  if (rope.scaling == RopeScaling::kLongRope && rope.factor > 1)
    return std::sqrt(1 + std::log(rope.factor) / std::log(rope.original_max_position));
  if (rope.scaling != RopeScaling::kYarn) return 1;
  if (rope.mscale != 0 && rope.mscale_all_dim != 0)
    return yarn_mscale(rope.factor, rope.mscale) / yarn_mscale(rope.factor, rope.mscale_all_dim);
  return yarn_mscale(rope.factor, 1);
}

// The base for the longest text that the scaling carries, original_max_position * factor tokens.
double dynamic_theta(const RopeConfig& rope) {
  const double stretch = rope.factor * rope.factor - (rope.factor - 1);
  return rope.theta * std::pow(stretch, rope.rotary_dim / (rope.rotary_dim - 2.0));
}

std::vector<double> scaled_frequencies(const RopeConfig& rope, int num_positions) {
  const double theta = rope.scaling == RopeScaling::kDynamic ? dynamic_theta(rope) : rope.theta;
  std::vector<double> frequencies = plain_frequencies(theta, rope.rotary_dim);
  if (rope.scaling == RopeScaling::kLinear)
    for (double& f : frequencies) f /= rope.factor;
  if (rope.scaling == RopeScaling::kLlama3) scale_llama3(rope, frequencies);
  if (rope.scaling == RopeScaling::kYarn) scale_yarn(rope, frequencies);
  const bool beyond = !rope.long_divisors.empty() && num_positions > rope.original_max_position;
  const std::vector<float>& divisors = beyond ? rope.long_divisors : rope.divisors;
  for (size_t i = 0; i < divisors.size(); ++i) frequencies[i] /= static_cast<double>(divisors[i]);
  return frequencies;
}

}  // namespace

std::vector<float> rope_table(const RopeConfig& rope, int num_positions) {
  const auto half = static_cast<size_t>(rope.rotary_dim / 2);
  const double factor = attention_factor(rope);
  std::vector<float> table(static_cast<size_t>(num_positions) * 2 * half);
  const std::vector<double> frequencies = scaled_frequencies(rope, num_positions);
  for (int p = 0; p < num_positions; ++p) {
    float* row = table.data() + static_cast<size_t>(p) * 2 * half;
    for (size_t i = 0; i < half; ++i) {
      // The angle is rounded to float as transformers does: at large positions that rounding is
      // part of what the model learned.
      const auto angle =
          static_cast<double>(static_cast<float>(p) * static_cast<float>(frequencies[i]));
      row[i] = static_cast<float>(std::cos(angle) * factor);
      row[half + i] = static_cast<float>(std::sin(angle) * factor);
    }
  }
  return table;
}

}  // namespace ember
