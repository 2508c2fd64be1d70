#pragma once
/// \file
/// Gradient check for any function in double, whatever computes its gradient. Nothing here knows the tape.
///
/// The rule:
/// 1. The slope of each element is measured by central differences at steps h, h/4, h/16..., extrapolated to h = 0.
/// 2. The measurement has a bound of its own error, `resolution`: how much the extrapolation still moves, plus the
///    rounding error of the function (measured, and at least 2^-52 |f|) divided by the step.
/// 3. Steps start at `eps` times the size of the element. They shrink while the function bends or has a kink within
///    them and grow while rounding drowns the slope, so that the bound becomes as small as it can be.
/// 4. An element is right when |analytic - numeric| <= rtol * max(|analytic|, |numeric|) + resolution, and a rounding
///    allowance of 2^-49 of the largest gradient times input in its tensor. There is no absolute bar: zero where the
///    truth is 1e-9 is wrong, zero where it is zero is right.
/// 5. Elements whose slope even the best step cannot tell from zero are counted as `unresolved` and shown; all those of
///    a tensor are checked once more as one sum along the signs of the analytic gradient.
/// 6. Where left and right slopes differ by more than their error the point is a kink. It passes, and is shown, when
///    the analytic value lies between them, ends included: any such value is a subgradient. Otherwise it is wrong. A
///    kink beside the point is none: smaller steps leave it outside.
/// 7. Two evaluations at one point must agree to the bit, before and after; otherwise nondeterministic: fails.
/// 8. A NaN or infinity in inputs, value or gradient is non-finite: fails.

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "../shape.hpp"

namespace unroll {

/// How a gradient is checked. The defaults suit any function computed in double.
struct GradcheckOptions {
  /// Largest relative difference between a right gradient and the measured one.
  double rtol = 1e-6;
  /// First step, relative to the size of the element (to its tensor's root mean square where that is larger,
  /// to 1 in a tensor of zeros).
  double eps = 1e-3;
  /// Relative rounding error of the value, at least; what is measured beyond that is added. A value that
  /// passes through float somewhere needs 1e-7 here, and only large errors are then seen.
  double precision = std::numeric_limits<double>::epsilon();
  /// Random projections instead of single elements: a few evaluations a tensor, whatever its size. A failing
  /// projection is halved until the element is found. Errors far below `rtol` times the tensor's gradient are
  /// missed.
  bool fast = false;
  /// Projections a tensor in the fast mode.
  int projections = 3;
  /// Seed of the projections.
  std::uint64_t seed = 1;
};

/// What became of a tensor or of a whole check, from best to worst. `ok` and `kink` pass.
enum class Verdict { ok, kink, wrong, nondeterministic, non_finite };

/// "ok", "kink", "wrong", "nondeterministic", "non-finite".
const char* to_string(Verdict verdict);

/// One tensor's result. The numbers belong to the worst element: the one with the largest error / tolerance.
struct TensorReport {
  std::string name;
  Shape shape;
  Verdict verdict = Verdict::ok;
  /// Elements in the tensor.
  Index elements = 0;
  /// False when the check ended before this tensor: a value, input or gradient was not finite or not steady.
  bool measured = false;
  /// Elements the differences could not tell from zero even at the best step (rule 5).
  Index unresolved = 0;
  /// Worst element, row-major; -1 for an empty tensor and where the numbers belong to a projection or a sum.
  Index worst_index = -1;
  /// The same element by its position in `shape`; empty for a scalar.
  std::vector<Index> worst_position;
  double analytic = 0, numeric = 0;
  /// Slopes to the left and right at a kink; NaN elsewhere.
  double left = std::numeric_limits<double>::quiet_NaN(), right = left;
  /// |analytic - numeric|, the bound of the numeric value's own error, and what `error` was allowed to be.
  double error = 0, resolution = 0, tolerance = 0;
  /// One remark for the reader: why it is not finite, what differed, what was not resolvable. May be empty.
  std::string note;
};

/// Result of a check: true when every tensor passes. `CHECK(check_gradient(...))` of doctest prints it.
struct GradcheckReport {
  std::vector<TensorReport> tensors;
  /// What is wrong with the value itself: ok, nondeterministic or non_finite; the tensors are then
  /// unmeasured.
  Verdict value_verdict = Verdict::ok;
  /// In words, when `value_verdict` is not ok.
  std::string value_note;
  /// Value at the point, and how often it was evaluated.
  double value = 0;
  Index evaluations = 0;

  /// The worst of all.
  Verdict verdict() const;
  /// The tensor to look at: the worst verdict, of those the largest error / tolerance. May be null.
  const TensorReport* worst() const;
  /// Passes: `ok`, or `kink` with every analytic value between the slopes.
  bool ok() const { return verdict() <= Verdict::kink; }
  explicit operator bool() const { return ok(); }
  /// A line with the verdict and the tensor to look at, then an aligned table, one line a tensor.
  std::string str() const;
  friend std::ostream& operator<<(std::ostream& out, const GradcheckReport& report);
};

/// A tensor whose gradient is checked: `values` is perturbed in place, and restored to the bit.
struct CheckedTensor {
  std::string name;
  Shape shape;
  std::span<double> values;
};

/// Checks the gradient of a scalar function with respect to several tensors.
///
/// `value()` evaluates the function at what the tensors hold now. `gradient()` returns the analytic gradient
/// there, one vector a tensor in the order of `tensors`, row-major. Both see every change made to
/// `tensors[i].values`; neither may change them. Their contents are restored exactly, also when a callable
/// throws; what it throws at steps up to the first one reaches the caller, what it throws at enlarged steps
/// only ends the enlarging.
///
/// Cost: 4 evaluations an element, 20 to 80 at elements that are suspicious, zero or unresolved.
/// Throws ShapeError when `values` or a gradient has not as many elements as `shape`, ValueError on options
/// that are not positive.
GradcheckReport check_gradient(const std::function<double()>& value,
                          const std::function<std::vector<std::vector<double>>()>& gradient,
                          std::span<const CheckedTensor> tensors, const GradcheckOptions& options = {});

/// The simplest form, for anybody's code: `value(x)` is the function, `gradient(x)` its gradient, both at the
/// point `x`. The callables may take `const std::vector<double>&` or `std::span<const double>`.
///
///     CHECK(check_gradient([](std::span<const double> x) { return x[0] * x[1]; },
///                     [](std::span<const double> x) { return std::vector{x[1], x[0]}; }, {2.0, 3.0}));
GradcheckReport check_gradient(const std::function<double(const std::vector<double>&)>& value,
                          const std::function<std::vector<double>(const std::vector<double>&)>& gradient,
                          std::vector<double> x, const GradcheckOptions& options = {});

}  // namespace unroll
