#pragma once
/// \file
/// Measurements beside the table: memory, long sequences, pyramids. Each prints what it finds.

#include "measure.hpp"

namespace bench {

/// Peak memory of a training step, unroll's against the bytes that must be there, and against the others'. Forks: call
/// it before anything has started threads.
void memory_study(const Size& size, Cell cell, bool own_cell);
/// Time per step per T from 100 to 10,000 steps: LSTM and tanh RNN, batch 1, sizes of S otherwise.
void long_study(const Effort& effort);
/// Steps a second of pyramids against the same stack without.
void pyramid_study(int threads, const Effort& effort);

}  // namespace bench
