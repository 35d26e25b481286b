// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdio>

#include "kernels/bench/predict_attention.h"
#include "kernels/bench/predict_gemm.h"
#include "kernels/bench/predictions.h"

namespace ember::kernels::bench {

namespace {

std::string format(const Prediction& h100, const Prediction& h200) {
  char text[200];
  std::snprintf(text, sizeof text,
                "\"predicted_us_h100\": %.1f, \"bound_h100\": \"%s\", \"predicted_us_h200\": "
                "%.1f, \"bound_h200\": \"%s\"",
                h100.us, h100.bound, h200.us, h200.bound);
  return text;
}

void print(const Options& options, const char* family, const std::string& shape,
           const std::string& members) {
  options.print(std::string("{\"kernel\": \"") + family + "\", \"shape\": \"" + shape + "\", " +
                members + "}");
}

}  // namespace

std::string predicted(const GemmCase& c, int tokens) {
  const auto on = [&](const DeviceModel& device) {
    return predict(device, model_gemm(device, c.out, c.in, tokens, c.epilogue));
  };
  return format(on(kH100), on(kH200));
}

std::string predicted(const AttentionShape& shape, const AttentionCase& c) {
  const auto on = [&](const DeviceModel& device) {
    return predict(device, c.q_len == 1 ? model_decode(device, shape, c.seqs, c.kv_len)
                                        : model_prefill(device, shape, c.seqs, c.q_len, c.kv_len));
  };
  return format(on(kH100), on(kH200));
}

void print_predictions(const Options& options) {
  const auto asked = [&](const char* family) {
    return std::ranges::find(options.families, family) != options.families.end();
  };
  const Model model;
  if (asked("gemm"))
    for (const GemmCase& c : products_of(model))
      for (const int tokens : token_counts_of(c))
        print(options, "gemm", name_of(c, tokens), predicted(c, tokens));
  const auto attention = [&](const char* family, const AttentionCase& c) {
    print(options, family, name_of(c), predicted(shape_of(model, options.dtype, c), c));
  };
  const auto variants = [&](const char* family, const std::vector<AttentionVariant>& all) {
    for (const AttentionVariant& v : all)
      print(options, family, name_of(v), predicted(shape_of(model, options.dtype, v), v.c));
  };
  if (asked("decode")) {
    for (const AttentionCase& c : kDecodes) attention("decode", c);
    variants("decode", decode_variants());
  }
  if (asked("prefill")) {
    for (const AttentionCase& c : kPrefills) attention("prefill", c);
    variants("prefill", prefill_variants());
  }
}

}  // namespace ember::kernels::bench
