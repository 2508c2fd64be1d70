#pragma once
/// \file
/// The library's progress bar and Ctrl-C, for the examples.

#include "unroll/optim/progress.hpp"

namespace unroll::examples {

using unroll::catch_interrupts;
using unroll::duration_text;
using unroll::interrupted;
using unroll::Progress;

}  // namespace unroll::examples
