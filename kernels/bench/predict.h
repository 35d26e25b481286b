// SPDX-License-Identifier: Apache-2.0
// How long a kernel takes at least, by what it moves and computes: a model to hold measurements
// against, made of published limits and of estimates.
#pragma once

#include <algorithm>

namespace ember::kernels::bench {

struct DeviceModel {
  const char* name;
  int sms;
  double clock;            // Hz
  double dram, l2;         // bytes per second that reads reach, of all multiprocessors together
  double dram_latency;     // seconds
  double flops_per_clock;  // of a multiprocessor's tensor cores, 16-bit
};
inline constexpr DeviceModel kH100{"H100", 132, 1.755e9, 3.0e12, 5.5e12, 0.9e-6, 4096},
    kH200{"H200", 132, 1.755e9, 4.2e12, 5.5e12, 0.9e-6, 4096};

struct KernelModel {
  double bytes_dram = 0, bytes_l2 = 0;  // that all blocks read and write
  double bytes_smem = 0, flops = 0;     // of the multiprocessor that has most to do
  int blocks = 0, blocks_per_sm = 0;    // CTAs, and how many run on a multiprocessor at a time
  double block_bytes_in_flight = 0;     // from memory
  double fixed_us = 0;                  // what nothing overlaps with
};

struct Prediction {
  double us = 0;
  const char* bound = "";  // by what
};

inline Prediction predict(const DeviceModel& device, const KernelModel& k) {
  const int running = std::min(k.blocks, device.sms * k.blocks_per_sm),
            busy = std::min(device.sms, running);
  const double in_flight = running * k.block_bytes_in_flight / device.dram_latency,
               ports = busy * 64.0 * device.clock;  // bytes a multiprocessor takes from L2
  const struct {
    const char* name;
    double seconds;
  } limits[] = {{"memory", k.bytes_dram / std::min(device.dram, in_flight)},
                {"L2", k.bytes_l2 / std::min(device.l2, ports)},
                {"shared memory", k.bytes_smem / (128 * device.clock)},
                {"tensor cores", k.flops / (device.flops_per_clock * device.clock)}};
  Prediction p;
  for (const auto& limit : limits)
    if (limit.seconds * 1e6 > p.us) p = {limit.seconds * 1e6, limit.name};
  p.us += k.fixed_us;
  return p;
}

}  // namespace ember::kernels::bench
