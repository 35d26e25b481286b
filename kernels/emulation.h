// SPDX-License-Identifier: Apache-2.0
// Where the kernels meet the emulated machine that tests run them on: with EMBER_EMULATE, what they
// take from the device and its runtime comes from tests/kernels/emulator. Without it, this header
// is empty.
#pragma once

#if defined(EMBER_EMULATE)
#include "tests/kernels/emulator/ptx.h"
#include "tests/kernels/emulator/runtime/fake_runtime.h"
#include "tests/kernels/emulator/tensor.h"
#include "tests/kernels/emulator/wgmma.h"
#endif
