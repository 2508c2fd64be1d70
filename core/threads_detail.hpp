#pragma once
/// \file
/// Internal: what get_num_threads() says as long as nobody has called set_num_threads.

#include <filesystem>
#include <string>

namespace unroll::detail {

/// UNROLL_NUM_THREADS; without it the CPUs that the calling thread may run on, at most those of `quota_cpus`. At least
/// 1. Throws ValueError when the variable is no whole number from 1 to 1024.
int default_threads();

/// The CPUs whose time Linux' control groups leave to a process, quota over period, rounded up; 0 when they set no
/// limit. The least of the process's own groups (`groups`, the text of /proc/self/cgroup) and all those above them;
/// `root` is where cgroup v2 is mounted, and v1's as the folder `cpu`.
int quota_cpus(const std::filesystem::path& root, const std::string& groups);

}  // namespace unroll::detail
