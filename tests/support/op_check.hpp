#pragma once
// Gradient checks of single operations: any callable from Variables to one Variable, of any shape.

#include <functional>
#include <string>
#include <vector>

#include "unroll/core/check/gradcheck.hpp"
#include "unroll/core/op.hpp"
#include "unroll/core/random.hpp"

namespace unroll::test {

/// A constant input of a check.
struct Input {
  Shape shape;
  std::vector<double> values;
};

/// Normal values, far from zero by at least `gap`, so that kinks at zero stay away.
inline Input normal(const Shape& shape, std::uint64_t seed, double scale = 1, double gap = 0) {
  Input x{shape, std::vector<double>(static_cast<std::size_t>(shape.size()))};
  Rng rng(seed);
  for (double& v : x.values) {
    do v = rng.normal() * scale;
    while (v > -gap && v < gap);
  }
  return x;
}

/// Uniform values between `low` and `high`.
inline Input uniform(const Shape& shape, std::uint64_t seed, double low, double high) {
  Input x{shape, std::vector<double>(static_cast<std::size_t>(shape.size()))};
  Rng rng(seed);
  for (double& v : x.values) v = rng.uniform(low, high);
  return x;
}

using Op = std::function<Variable<double>(const std::vector<Variable<double>>&)>;

/// Checks d sum_i w_i f(x)_i / d x, where the w_i are all different: a plain sum would let a transposed or permuted
/// gradient pass.
inline GradcheckReport check_op(const Op& f, std::vector<Input> inputs, const GradcheckOptions& options = {}) {
  const auto weight = [](std::size_t i) { return 0.7 + 0.31 * static_cast<double>(i % 17) - 0.013 * static_cast<double>(i % 5); };
  Tape<double> tape(1);
  const Rng rng = tape.rng();
  const auto run = [&](bool grads, std::vector<std::vector<double>>* out) {
    tape.rng() = rng;  // the same masks every time
    Recording<double> step(tape);
    std::vector<Variable<double>> x;
    for (const Input& in : inputs) x.push_back(input(in.values, in.shape, requires_grad));
    Variable<double> y = f(x);
    const std::vector<double> values = y.to_vector();
    double total = 0;
    for (std::size_t i = 0; i < values.size(); ++i) total += weight(i) * values[i];
    if (grads) {
      // A scalar on the tape whose adjoint hands `weight` to y.
      detail::Op<double> op("check");
      detail::Node<double>* from = op.use(y);
      detail::Node<double>* loss = op.recorder().new_node(Shape{}, true);
      loss->value[0] = total;
      const Variable<double> sum = op.done(loss, [from, weight](const double*) {
        if (!from->requires_grad) return;
        double* g = from->touch_add();
        for (Index r = 0, i = 0; r < from->rows(); ++r)
          for (Index c = 0; c < from->cols(); ++c, ++i) g[r * from->row_stride + c] += weight(static_cast<std::size_t>(i));
      });
      tape.backward(sum);
      for (const Variable<double>& v : x) out->push_back(v.grad_to_vector());
    }
    return total;
  };
  std::vector<CheckedTensor> tensors;
  for (std::size_t i = 0; i < inputs.size(); ++i)
    tensors.push_back({"input " + std::to_string(i), inputs[i].shape, inputs[i].values});
  return check_gradient([&] { return run(false, nullptr); },
                   [&] {
                     std::vector<std::vector<double>> g;
                     run(true, &g);
                     return g;
                   },
                   tensors, options);
}

}  // namespace unroll::test
