// SPDX-License-Identifier: Apache-2.0
#include "kernels/fresh_machine.h"

namespace ember {
namespace {

// Looking at the order of accesses takes too long for whole models: tests that do so ask for it.
const bool begun = kernels::begin_each_test_with({.ordered = false});

}  // namespace
}  // namespace ember
