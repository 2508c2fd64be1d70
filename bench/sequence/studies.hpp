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
/// T = 10,000; B = 512; 2,048 hidden units; 100,000 words: a step's time beside that of its matrix products and of the
/// bytes it moves.
void large_study(const Effort& effort);
/// Steps a second of pyramids against the same stack without.
void pyramid_study(int threads, const Effort& effort);

}  // namespace bench
