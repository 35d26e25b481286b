// SPDX-License-Identifier: Apache-2.0
// What `ember COMMAND` does. Each returns the exit code or throws StartError.
#pragma once

#include <iosfwd>

#include "config.h"

namespace ember {

ExitCode serve(const Settings& settings);  // until a signal ends it
ExitCode plan(const Settings& settings, std::ostream& out);
ExitCode check(const Settings& settings, std::ostream& out);
ExitCode tokenize(const Settings& settings, std::istream& in, std::ostream& out);
// Reads lines and streams the answers. /clear forgets the conversation, /exit or the end of input
// leaves.
ExitCode chat(const Settings& settings, std::istream& in, std::ostream& out);
// A load of random prompts on a running server. Ends with kNoDevice when not one was answered.
ExitCode bench_serve(const Settings& settings, std::ostream& out);
ExitCode bench_model(const Settings& settings, std::ostream& out);
// Ends with kEngineFailed when a request was lost.
ExitCode bench_fleet(const Settings& settings, std::ostream& out);
// Both end with kEngineFailed when a result was wrong.
ExitCode bench_kernels(const Settings& settings, std::ostream& out);
ExitCode bench_check(const Settings& settings, std::ostream& out);

}  // namespace ember
