// SPDX-License-Identifier: Apache-2.0
// A GPU of this machine.
#pragma once

#include <cstddef>
#include <string>

namespace ember::cuda {

struct DeviceInfo {
  std::string name;
  std::string bus_id;  // of PCI: "0000:1B:00.0"
  int sm = 0;          // compute capability, 10 * major + minor
  int num_sms = 0;
  size_t shared_per_sm = 0;  // bytes of shared memory of a multiprocessor
  bool integrated = false;   // its memory is the host's
  std::string version;       // "13.0 (driver 13.0)"
};

// Makes the device this thread's: every call of the CUDA runtime on this thread is for it from here
// on. `index` is one of the devices that CUDA shows to this process. Throws StartError(kNoDevice):
// no driver or one below 12.3 (naming the version there is), no such device, one that cannot be
// used (saying what is known of the cause), a compute capability below 8.0.
DeviceInfo open_device(int index);

// Once everything has been used that takes memory of the driver's when it is first used: logs how
// much was taken of what was free before. Throws StartError(kNoDevice) when too little is left.
void check_free_memory(size_t before_bytes, size_t after_bytes);

}  // namespace ember::cuda
