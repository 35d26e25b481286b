// SPDX-License-Identifier: Apache-2.0
// The tool dialects that are known. A new one is a source file in this folder that defines a
// ToolDialect, and its name in both lines below.
#pragma once

#include "ember/text/tool_dialect.h"

namespace ember {

extern const ToolDialect kLlama3, kHermes, kGlm4, kMistral, kQwen3Coder, kSeedOss, kGlm45,
    kDeepseekV31, kDeepseekV3, kHarmony;

// Where several recognise a template, the last of them is meant: those whose marks are more
// particular stand behind the others.
inline constexpr const ToolDialect* kToolDialects[] = {
    &kLlama3,  &kHermes, &kGlm4,        &kMistral,    &kQwen3Coder,
    &kSeedOss, &kGlm45,  &kDeepseekV31, &kDeepseekV3, &kHarmony};

}  // namespace ember
