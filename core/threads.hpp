#pragma once
/// \file
/// How many threads the library uses where nobody says.

namespace unroll {

/// The number of threads that `Shards` without a count start: what `set_num_threads` said last; before that the
/// environment variable UNROLL_NUM_THREADS; without one the cores that this process may run on. Throws ValueError when
/// the variable is no whole number from 1 to 1024.
///
/// A step is cut into parts of its batch, one a thread, and matrix products stay on one thread each: there are never
/// more threads at work than this, whatever BLAS is underneath and whatever *its* number of threads is. Outside of
/// shards products run on `blas_threads()` threads, 1 unless the calling thread asks for more (core/gemm.hpp).
int get_num_threads();

/// Sets that number for the whole process and returns the old one. `Shards` that exist keep theirs. May be called from
/// any thread. Throws ValueError on n < 1.
int set_num_threads(int n);

}  // namespace unroll
