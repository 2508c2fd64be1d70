#pragma once
/// \file
/// L-BFGS.

#include <cstdint>
#include <optional>
#include <type_traits>
#include <vector>

#include "optimizer.hpp"

namespace unroll {

/// How far L-BFGS goes along a direction.
enum class LineSearch {
  none,          ///< lr, whatever comes of it
  strong_wolfe,  ///< until the loss has fallen enough and the slope has flattened enough
};

struct LBFGSOptions {
  double lr = 1;                       ///< length of a step, with a line search: of the first try
  Index max_iter = 20;                 ///< directions in one step()
  std::optional<Index> max_eval = {};  ///< evaluations in one step() after which it ends; none: 5/4 max_iter
  double tolerance_grad = 1e-7;        ///< ends when no gradient is larger
  double tolerance_change = 1e-9;      ///< ends when neither loss nor any value changes by more
  Index history_size = 100;            ///< pairs (y, s) that make up the inverse Hessian
  LineSearch line_search = LineSearch::none;
};

/// PyTorch's L-BFGS: for small models and whole batches, where a loss can be evaluated several times a step.
///
///     LBFGS lbfgs(parameters(model), {.line_search = LineSearch::strong_wolfe});
///     const double before = lbfgs.step([&] {
///       Recording recording(tape);
///       const auto loss = ...;
///       tape.backward(loss);
///       return loss.item();
///     });
///
/// With x all parameters in a row, g their gradient, each iteration goes from x to x + t d, where d = -H g is computed
/// from the last pairs y = g' - g, s = x' - x with y's > 1e-10 by the two loops of Nocedal ("Updating quasi-Newton
/// matrices with limited storage", 1980), beginning from y's / y'y times the identity. The very first t is
/// lr min(1, 1 / |g|_1), later ones are lr. The strong Wolfe search brackets and then narrows t by cubic interpolation
/// (Nocedal and Wright, "Numerical optimization", algorithms 3.5 and 3.6, as minFunc and PyTorch do it), at most 25
/// times, until f(t) <= f(0) + 1e-4 t f'(0) and |f'(t)| <= 0.9 |f'(0)|.
///
/// Keeps 2 history_size + 4 vectors as long as the parameters. Frozen parameters and those that no gradient reaches
/// count with a gradient of 0. Numbers are doubles, vectors are T.
template <class T = float>
class LBFGS : public Optimizer<T> {
 public:
  /// Throws ValueError on numbers outside their range.
  explicit LBFGS(const ParameterList<T>& parameters, const LBFGSOptions& options = {});
  const LBFGSOptions& options() const { return options_; }

  /// Makes up to `max_iter` iterations. `closure()` computes the loss, calls backward() and returns the loss as a
  /// number; gradients are forgotten before each call. Returns the first loss, that of the values before.
  template <class F>
  UNROLL_PER_ISA double step(F&& closure) {
    using Closure = std::remove_reference_t<F>;
    const auto call = [](void* f) { return static_cast<double>((*static_cast<Closure*>(f))()); };
    return run(call, const_cast<void*>(static_cast<const void*>(&closure)));
  }
  /// Directions computed and losses evaluated so far.
  Index iterations() const { return counts_[0]; }
  Index evaluations() const { return counts_[1]; }

  /// Shows "lr", "counts" (iterations, evaluations, pairs kept), and after the first iteration "numbers" (t, the scale
  /// of H, the loss), "ro", "d", "prev_flat_grad" and for each pair k "old_dirs.k", "old_stps.k", oldest first.
  void each_state(StateVisitor& visitor) override;

 private:
  using Vector = std::vector<T>;

  double run(double (*closure)(void*), void* f);
  /// Always throws ValueError: step() wants a closure.
  void update(std::size_t i, ParameterStorage<T>& p, Index step) override;
  void remember(const Vector& grad);
  void next_direction(const Vector& grad);

  LBFGSOptions options_;
  std::size_t size_ = 0;
  Index counts_[3] = {0, 0, 0};              // iterations, evaluations, pairs
  double numbers_[3] = {0, 1, 0};            // t, scale of H, loss before
  std::vector<Vector> old_dirs_, old_stps_;  // y and s, oldest first
  std::vector<double> ro_;                   // 1 / y's
  Vector d_, prev_grad_;
};

extern template class LBFGS<float>;
extern template class LBFGS<double>;

}  // namespace unroll
