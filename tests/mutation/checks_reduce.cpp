// Reductions and softmax, over all elements and along every axis, also of slices with rows apart.

#include "checks.hpp"
#include "unroll/ops/elementwise.hpp"
#include "unroll/ops/layout.hpp"
#include "unroll/ops/reduce.hpp"
#include "unroll/ops/softmax.hpp"

namespace unroll::mutation {
namespace {

// `f(x, axis)` along each axis of x and of a slice of it. Every use but the last one of x adds to what is there.
template <class F>
GradcheckReport along(F f) {
  return gradcheck(
      [=](Var x) {
        const Var y = 1.5 * x, part = narrow(y, -1, 1, 3);
        return std::vector{f(y, 0), f(y, 1), f(y, -1), f(part, 0), f(part, 1), f(part, -1)};
      },
      check_input("x", Shape{3, 2, 5}, 1));
}

// One use alone: what it writes is all there is.
template <class F>
GradcheckReport alone(F f, int axis) {
  return gradcheck([=](Var x) { return f(1.5 * x, axis); }, check_input("x", Shape{3, 2, 5}, 2));
}

template <class F>
GradcheckReport over_all(F f) {
  return gradcheck(
      [=](Var x) {
        const Var y = 1.5 * x;
        return std::vector{f(y), f(narrow(y, -1, 1, 3)), f(y)};
      },
      check_input("x", Shape{3, 2, 5}, 3));
}

#define UNROLL_ALONG(name) [](const Var& x, int axis) { return name(x, axis); }
#define UNROLL_OVER_ALL(name) [](const Var& x) { return name(x); }
#define UNROLL_REDUCTION(name)                                                   \
  {"reduce/" #name, [] { return over_all(UNROLL_OVER_ALL(name)); }},             \
      {"reduce/" #name "_along", [] { return along(UNROLL_ALONG(name)); }},      \
      {"reduce/" #name "_rows", [] { return alone(UNROLL_ALONG(name), -1); }}, { \
    "reduce/" #name "_columns", [] { return alone(UNROLL_ALONG(name), 0); }      \
  }
#define UNROLL_SOFTMAX(name)                                                      \
  {"softmax/" #name "_along", [] { return along(UNROLL_ALONG(name)); }},          \
      {"softmax/" #name "_rows", [] { return alone(UNROLL_ALONG(name), -1); }}, { \
    "softmax/" #name "_columns", [] { return alone(UNROLL_ALONG(name), 0); }      \
  }

}  // namespace

void reduce_checks(Checks& checks) {
  const Check all[] = {
      UNROLL_REDUCTION(sum),       UNROLL_REDUCTION(mean),  UNROLL_REDUCTION(max),       UNROLL_REDUCTION(min),
      UNROLL_REDUCTION(logsumexp), UNROLL_SOFTMAX(softmax), UNROLL_SOFTMAX(log_softmax),
  };
  checks.insert(checks.end(), std::begin(all), std::end(all));
}

}  // namespace unroll::mutation
