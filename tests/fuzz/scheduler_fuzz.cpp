// SPDX-License-Identifier: Apache-2.0
// Bytes are choices of a configuration and of operations; every invariant is checked after each.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "scheduler/simulation.h"

namespace {

class ByteChoices final : public ember::test::Choices {
 public:
  ByteChoices(const uint8_t* data, size_t size) : data_(data), size_(size) {}
  bool done() const { return used_ >= size_; }
  uint32_t next() override { return done() ? 0 : data_[used_++]; }

 private:
  const uint8_t* data_;
  size_t size_, used_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ByteChoices choices(data, size);
  const ember::test::Setup setup = ember::test::any_setup(choices);
  ember::test::Simulation simulation(setup);
  try {
    while (!choices.done()) simulation.any(choices);
    simulation.drain();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n%s\n", e.what(), setup.text().c_str());
    for (const std::string& line : simulation.trace()) std::fprintf(stderr, "  %s\n", line.c_str());
    std::abort();
  }
  return 0;
}
