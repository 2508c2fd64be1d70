#pragma once
/// \file
/// How many threads the library uses where nobody says.

namespace unroll {

/// The number of threads that `Shards` without a count start: what `set_num_threads` said last; before that the
/// environment variable UNROLL_NUM_THREADS; without one the CPUs that this process may run on, as `taskset`, cpusets
/// and batch systems have it, and no more than its control groups leave it time of (a container's limit), rounded up.
/// Variable and CPUs are looked at when the number is first needed, on the thread that needs it. Throws ValueError when
/// the variable is no whole number from 1 to 1024.
///
/// A step is cut into parts of its batch, one a thread, and matrix products stay on one thread each: there are never
/// more threads at work than this, whatever BLAS is underneath and whatever *its* number of threads is. Outside of
/// shards products run on `blas_threads()` threads, 1 unless the calling thread asks for more (core/gemm.hpp).
int get_num_threads();

/// Sets that number for the whole process and returns the old one. `Shards` that exist keep theirs. May be called from
/// any thread. Throws ValueError on n < 1, and as `get_num_threads` does when there is no old one yet.
int set_num_threads(int n);

}  // namespace unroll
