// Runs the named gradient checks, all or those whose names are given, and prints one line for each that fails:
//
//     FAIL <check>: <tensor>=<verdict>, <tensor>=<verdict>
//
// `--list` prints the names, `--report` the whole report of each failure. Status 1 when a check fails.

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>
#include <string>
#include <vector>

#include "checks.hpp"

// Memory that nobody has set holds NaNs: adjoints that should have been zeroed are then never right by chance.
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  const std::size_t a = static_cast<std::size_t>(alignment);
  void* p = std::aligned_alloc(a, (bytes + a - 1) / a * a);
  if (!p) throw std::bad_alloc();
  return std::memset(p, 0xff, bytes);
}
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }

namespace {

using namespace unroll;

// The tensors that do not pass, as "name=verdict, ..."; of a value that is itself not steady or not finite, that.
std::string failures(const GradcheckReport& report) {
  std::string text;
  const auto add = [&](const std::string& name, Verdict verdict) {
    text += (text.empty() ? "" : ", ") + name + "=" + to_string(verdict);
  };
  if (report.value_verdict > Verdict::kink) add("(value)", report.value_verdict);
  for (const TensorReport& t : report.tensors)
    if (t.verdict > Verdict::kink) add(t.name, t.verdict);
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  mutation::Checks checks;
  mutation::linear_checks(checks);
  mutation::map_checks(checks);
  mutation::elementwise_checks(checks);
  mutation::layout_checks(checks);
  mutation::gather_checks(checks);
  mutation::reduce_checks(checks);
  mutation::loss_checks(checks);
  mutation::layer_checks(checks);
  mutation::model_checks(checks);

  bool list = false, whole = false;
  std::vector<std::string> wanted;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument == "--list") {
      list = true;
    } else if (argument == "--report") {
      whole = true;
    } else {
      wanted.push_back(argument);
    }
  }
  int run = 0, failed = 0;
  for (const mutation::Check& check : checks) {
    if (!wanted.empty() && std::ranges::find(wanted, check.name) == wanted.end()) continue;
    ++run;
    if (list) {
      std::printf("%s\n", check.name.c_str());
      continue;
    }
    try {
      const GradcheckReport report = check.run();
      if (report.ok()) continue;
      std::printf("FAIL %s: %s\n", check.name.c_str(), failures(report).c_str());
      if (whole) std::printf("%s\n", report.str().c_str());
    } catch (const std::exception& e) {
      std::printf("FAIL %s: (exception) %s\n", check.name.c_str(), e.what());
    }
    ++failed;
    std::fflush(stdout);
  }
  if (!list) std::printf("%d checks, %d failed\n", run, failed);
  if (run == 0) return 2;
  return failed ? 1 : 0;
}
