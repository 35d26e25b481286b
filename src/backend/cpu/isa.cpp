// SPDX-License-Identifier: Apache-2.0
#include "cpu/isa.h"

#include <cpuid.h>
#include <fmt/format.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "ember/base/start_error.h"

namespace ember::cpu {

namespace {

// Linux gives the tile registers to those who ask (arch_prctl, ARCH_REQ_XCOMP_PERM,
// XFEATURE_XTILEDATA).
bool may_use_tiles() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0) return false;
  const bool bf16 = (edx & (1u << 22)) != 0, tile = (edx & (1u << 24)) != 0;
  return bf16 && tile && ::syscall(SYS_arch_prctl, 0x1023, 18) == 0;
}

}  // namespace

const char* name_of(Isa isa) {
  switch (isa) {
    case Isa::kAvx2:
      return "avx2";
    case Isa::kAvx512:
      return "avx512";
    case Isa::kAmx:
      return "amx";
  }
  return "?";
}

std::vector<Isa> available_isas() {
  std::vector<Isa> isas;
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") ||
      !__builtin_cpu_supports("f16c"))
    return isas;
  isas.push_back(Isa::kAvx2);
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
      !__builtin_cpu_supports("avx512vl") || !__builtin_cpu_supports("avx512dq"))
    return isas;
  isas.push_back(Isa::kAvx512);
  if (__builtin_cpu_supports("avx512bf16") && may_use_tiles()) isas.push_back(Isa::kAmx);
  return isas;
}

bool machine_has(Isa isa) {
  static const std::vector<Isa> isas = available_isas();
  return std::find(isas.begin(), isas.end(), isa) != isas.end();
}

bool machine_has_vnni() {
  return machine_has(Isa::kAvx512) && __builtin_cpu_supports("avx512vnni") != 0;
}

Isa choose_isa(const std::string& name) {
  const std::vector<Isa> isas = available_isas();
  if (isas.empty())
    throw StartError(ExitCode::kNoDevice,
                     "this processor lacks AVX2, FMA or F16C, which the CPU device needs");
  if (name == "auto") return isas.back();
  std::string known;
  for (const Isa isa : isas) {
    if (name == name_of(isa)) return isa;
    known += (known.empty() ? "" : ", ") + std::string(name_of(isa));
  }
  throw StartError(ExitCode::kNoDevice,
                   fmt::format("--cpu-isa {}: this machine has {}", name, known));
}

}  // namespace ember::cpu
