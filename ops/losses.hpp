#pragma once
/// \file
/// Losses: from predictions and targets to one number, or to one number an element.

#include <cstdint>
#include <optional>
#include <span>

#include "../core/variable.hpp"

namespace unroll {

/// What a loss does with its elements: their mean, their sum, or nothing.
enum class Reduction { mean, sum, none };

/// How softmax_cross_entropy counts its rows: `softmax_cross_entropy(logits, targets, {.ignore_index = -100})`.
template <class T>
struct CrossEntropyOptions {
  /// mean divides by `denominator`, see there; none gives one loss a row.
  Reduction reduction = Reduction::mean;
  /// Rows whose target is this number count nothing, in loss, gradient and mean. Integer targets only. None
  /// by default (PyTorch: -100).
  std::optional<Index> ignore_index = {};
  /// v_c, one number a class; empty: all 1.
  std::span<const T> class_weights = {};
  /// s in [0,1]: the target distribution becomes (1 - s) q_c + s / C (Szegedy and others, "Rethinking the
  /// Inception architecture", 2016).
  double label_smoothing = 0;
  /// w_n, one number a row: its loss is multiplied by it, the mean's divisor is not. Empty: all 1.
  std::span<const T> weights = {};
  /// What the mean divides by, when it is not the rows at hand: the shards of a batch are given the divisor
  /// of the whole batch, and their losses then add up to its loss. By default PyTorch's: with integer targets
  /// the sum of v_(t_n) over the rows that count, which is their number without class weights; with soft
  /// targets the number of rows.
  std::optional<double> denominator = {};
};

/// Softmax and cross-entropy in one, from integer targets t_n in 0 .. C-1 (PyTorch: cross_entropy):
///
///     loss_n = w_n v_(t_n) (log sum_c exp(x_nc) - x_n(t_n))
///     d loss_n / d x_nc = w_n v_(t_n) (softmax(x_n)_c - [c = t_n])
///
/// `logits` (N,C), (T,B,C), or any leading dimensions with the classes last; `targets` one class a row, in
/// row-major order. They are copied to the tape. Returns a scalar (), or with Reduction::none the leading
/// dimensions.
///
/// When nothing counts (every row ignored, no rows, weights that add up to zero) the mean is 0 and so is the
/// gradient, where PyTorch gives NaN. Exact for logits of any size, and a class of logit -inf has probability
/// 0.
///
/// Throws ShapeError on logits without a class, or on another number of targets or weights; ValueError on a
/// class outside 0 .. C-1, which it names with its position, on a smoothing outside [0,1], and on a
/// denominator that is not positive or comes with another reduction than mean.
template <class T>
Variable<T> softmax_cross_entropy(Variable<T> logits, std::span<const Index> targets,
                                  const CrossEntropyOptions<T>& options = {});
template <class T>
Variable<T> softmax_cross_entropy(Variable<T> logits, std::span<const std::int32_t> targets,
                                  const CrossEntropyOptions<T>& options = {});
/// The same with a distribution q_n over the classes as each row's target: `targets` has the shape of
/// `logits`, and gets a gradient where it wants one. Rows need not add up to 1.
///
///     loss_n = - w_n sum_c v_c q_nc log softmax(x_n)_c
template <class T>
Variable<T> softmax_cross_entropy(Variable<T> logits, Variable<T> targets,
                                  const CrossEntropyOptions<T>& options = {});

/// How the elementwise losses count. `squared_error(y, t, {.reduction = Reduction::sum})`.
template <class T>
struct LossOptions {
  /// mean divides by the number of all elements, or by `denominator`; none gives the shape of the operands.
  Reduction reduction = Reduction::mean;
  /// One number an element, row-major, multiplied in; the mean's divisor is not changed. Empty: all 1.
  std::span<const T> weights = {};
  /// What the mean divides by instead of the number of elements (shards of a batch; the elements a mask
  /// left).
  std::optional<double> denominator = {};
};

/// LossOptions with the width of Huber's parabola.
template <class T>
struct HuberOptions {
  double delta = 1;  ///< positive
  Reduction reduction = Reduction::mean;
  std::span<const T> weights = {};
  std::optional<double> denominator = {};
};

/// LossOptions with a weight of positive targets.
template <class T>
struct BinaryCrossEntropyOptions {
  /// Multiplies the loss of positive targets: one number, or one for each of the last dimension. Empty: 1.
  std::span<const T> pos_weight = {};
  Reduction reduction = Reduction::mean;
  std::span<const T> weights = {};
  std::optional<double> denominator = {};
};

/// An elementwise loss of one's own, counted as those below are: `y` is its value element by element, which `map` makes.
///
///     reduce_loss(map([](auto x, auto t) { return abs(x - t) / (abs(t) + 1); }, x, t), {.reduction = Reduction::sum})
template <class T>
Variable<T> reduce_loss(Variable<T> y, const LossOptions<T>& options = {});

// All of these take x and its target t of one shape, which may be slices with rows apart; both get a gradient
// where they want one. The mean of no elements is 0. They throw ShapeError when the shapes differ or the
// number of weights is another, ValueError on a denominator that is not positive or comes with another
// reduction than mean.

/// (x - t)^2. PyTorch: mse_loss.
template <class T>
Variable<T> squared_error(Variable<T> x, Variable<T> target, const LossOptions<T>& options = {});
/// sqrt(mean (x - t)^2), the mean as in squared_error; its gradient where all of x equals t is 0.
/// Reduction::mean only, else ValueError.
template <class T>
Variable<T> root_mean_square_error(Variable<T> x, Variable<T> target, const LossOptions<T>& options = {});
/// |x - t|; slope 0 at 0. PyTorch: l1_loss.
template <class T>
Variable<T> absolute_error(Variable<T> x, Variable<T> target, const LossOptions<T>& options = {});
/// 0.5 (x - t)^2 up to |x - t| = delta, delta (|x - t| - 0.5 delta) beyond. PyTorch: huber_loss. Throws
/// ValueError unless delta > 0. (Huber, "Robust estimation of a location parameter", 1964.)
template <class T>
Variable<T> huber_error(Variable<T> x, Variable<T> target, const HuberOptions<T>& options = {});
/// - t log p - (1 - t) log(1 - p) of probabilities p; slope (p - t) / (p (1 - p)). Both logarithms stop at -100, and
/// the slope's divisor at 1e-12, as in PyTorch's binary_cross_entropy. Throws ValueError unless 0 <= p <= 1, naming the
/// element. From logits use binary_cross_entropy_with_logits: it loses no digits.
template <class T>
Variable<T> binary_cross_entropy(Variable<T> probabilities, Variable<T> target,
                                 const LossOptions<T>& options = {});
/// The same from logits x, exact for any size of them (PyTorch: binary_cross_entropy_with_logits):
///
///     loss = (1 - t) softplus(x) + pos_weight t softplus(-x)
///     d loss / d x = (1 - t) sigmoid(x) - pos_weight t sigmoid(-x)
///
/// Throws ShapeError also when `pos_weight` has neither one element nor as many as the last dimension.
template <class T>
Variable<T> binary_cross_entropy_with_logits(Variable<T> logits, Variable<T> target,
                                             const BinaryCrossEntropyOptions<T>& options = {});

}  // namespace unroll
