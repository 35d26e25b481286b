// SPDX-License-Identifier: Apache-2.0
// Which instruction sets this machine can run.
#pragma once

#include <string>
#include <vector>

namespace ember::cpu {

enum class Isa { kAvx2, kAvx512, kAmx };

const char* name_of(Isa isa);
// What processor and operating system offer, slowest first. Empty: not even AVX2 with FMA and F16C.
std::vector<Isa> available_isas();
bool machine_has(Isa isa);
// Whether kAvx512 includes the integer products of AVX-512 VNNI. They change speed, no result.
bool machine_has_vnni();
// "auto" is the fastest. Throws StartError(kNoDevice) for one that this machine lacks, naming those
// it has.
Isa choose_isa(const std::string& name);

}  // namespace ember::cpu
