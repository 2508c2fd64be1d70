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
/// shards products run on `blas_threads()` threads, 1 unless the calling thread asks for more.
int get_num_threads();

/// Sets that number for the whole process and returns the old one. `Shards` that exist keep theirs. May be called from
/// any thread. Throws ValueError on n < 1, and as `get_num_threads` does when there is no old one yet.
int set_num_threads(int n);

/// How many threads one matrix product called from *this* thread may use; 1 unless `set_blas_threads` said
/// otherwise.
int blas_threads() noexcept;

/// Sets the number of threads of the products that the calling thread starts, and returns the old number.
///
/// The number belongs to the thread, and every new thread starts with 1. So a program whose main thread asks
/// for two can still hand shards of a batch to other threads: their products stay single-threaded with
/// nothing to set or restore (several small products side by side beat one product on several threads by
/// far). Products with little work stay on one thread whatever was asked for.
///
/// oneDNN takes its number from OpenMP's setting for the calling thread, which is put back after each
/// product. OpenBLAS has one number for the whole process: it follows the product called last, so a program
/// that also calls OpenBLAS by itself should set its own number before its own calls. Two threads that ask
/// for different numbers at the same time get right results, but one may run on the other's number of
/// threads.
///
/// Throws ValueError on n < 1.
int set_blas_threads(int n);

}  // namespace unroll
