// SPDX-License-Identifier: Apache-2.0
#include "kernels/fresh_machine.h"

namespace ember::kernels {
namespace {

const bool begun = begin_each_test_with({});

}  // namespace
}  // namespace ember::kernels
