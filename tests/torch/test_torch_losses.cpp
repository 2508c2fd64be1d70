// Every loss with every option beside LibTorch's: value and gradient.

#include <torch/torch.h>
#undef CHECK
#include <doctest/doctest.h>

#include <functional>
#include <vector>

#include "unroll/core/random.hpp"
#include "unroll/core/tape.hpp"
#include "unroll/ops/losses.hpp"

using namespace unroll;
namespace F = torch::nn::functional;

namespace {

using Tensor = torch::Tensor;

std::vector<double> numbers(std::size_t n, std::uint64_t seed, double low, double high) {
  Rng rng(seed);
  std::vector<double> x(n);
  for (double& v : x) v = rng.uniform(low, high);
  return x;
}

Tensor tensor(const std::vector<double>& x, std::vector<std::int64_t> shape) {
  return torch::tensor(x, torch::kDouble).reshape(shape);
}

/// Compares values and gradients with respect to `x` of the two losses.
void compare(const std::vector<double>& x, const Shape& shape,
             const std::function<Variable<double>(Variable<double>)>& ours, const std::function<Tensor(Tensor)>& theirs,
             double tolerance = 1e-12) {
  Tape<double> tape;
  Recording<double> step(tape);
  auto vx = input(x, shape, requires_grad);
  auto y = ours(vx);
  tape.backward(y);
  std::vector<std::int64_t> dims;
  for (int a = 0; a < shape.rank(); ++a) dims.push_back(shape[a]);
  Tensor tx = tensor(x, dims).requires_grad_();
  Tensor ty = theirs(tx);
  ty.backward();
  CHECK(y.item() == doctest::Approx(ty.item<double>()).epsilon(1e-12));
  const auto g = vx.grad_to_vector();
  const Tensor tg = tx.grad().contiguous();
  for (std::size_t i = 0; i < g.size(); ++i) {
    CAPTURE(i);
    CHECK(std::abs(g[i] - tg.data_ptr<double>()[i]) <= tolerance * (1 + std::abs(g[i])));
  }
}

}  // namespace

TEST_CASE("softmax cross-entropy beside LibTorch") {
  const Index n = 11, c = 23;
  const auto x = numbers(static_cast<std::size_t>(n * c), 1, -4, 4),
             v = numbers(static_cast<std::size_t>(c), 2, 0.1, 3);
  std::vector<Index> t;
  Rng rng(3);
  for (Index i = 0; i < n; ++i) t.push_back(i % 4 == 1 ? -100 : rng.integer(c));
  const auto q = numbers(static_cast<std::size_t>(n * c), 4, 0, 0.2);
  for (const bool sum : {false, true}) {
    for (const bool weighted : {false, true}) {
      for (const double smoothing : {0.0, 0.15}) {
        CAPTURE(sum);
        CAPTURE(weighted);
        CAPTURE(smoothing);
        CrossEntropyOptions<double> o{.reduction = sum ? Reduction::sum : Reduction::mean,
                                      .label_smoothing = smoothing};
        auto to = F::CrossEntropyFuncOptions().label_smoothing(smoothing);
        if (sum) to.reduction(torch::kSum);
        if (weighted) {
          o.class_weights = v;
          to.weight(tensor(v, {c}));
        }
        auto hard = o;
        hard.ignore_index = -100;
        compare(
            x, Shape{n, c}, [&](auto y) { return softmax_cross_entropy(y, t, hard); },
            [&](Tensor y) { return F::cross_entropy(y, torch::tensor(t), to); });
        compare(
            x, Shape{n, c},
            [&](auto y) {
              return softmax_cross_entropy(y, input(q, Shape{n, c}), o);
            },
            [&](Tensor y) {
              return F::cross_entropy(y, tensor(q, {n, c}), to);
            });
      }
    }
  }
}

TEST_CASE("elementwise losses beside LibTorch") {
  const Shape shape{6, 7};
  const auto x = numbers(42, 5, -3, 3), p = numbers(42, 6, 0, 1), t = numbers(42, 7, 0, 1), w = numbers(42, 8, 0, 2),
             pos = numbers(7, 9, 0.2, 3);
  const Tensor tt = tensor(t, {6, 7}), tw = tensor(w, {6, 7});
  for (const bool sum : {false, true}) {
    const Reduction r = sum ? Reduction::sum : Reduction::mean;
    const auto with = [&](auto options) {
      if (sum) options.reduction(torch::kSum);
      return options;
    };
    const auto target = [&] { return input(t, shape); };
    compare(
        x, shape, [&](auto y) { return squared_error(y, target(), {.reduction = r}); },
        [&](Tensor y) { return F::mse_loss(y, tt, with(F::MSELossFuncOptions())); });
    compare(
        x, shape, [&](auto y) { return absolute_error(y, target(), {.reduction = r}); },
        [&](Tensor y) { return F::l1_loss(y, tt, with(F::L1LossFuncOptions())); });
    compare(
        x, shape, [&](auto y) { return huber_error(y, target(), {.delta = 0.8, .reduction = r}); },
        [&](Tensor y) { return F::huber_loss(y, tt, with(F::HuberLossFuncOptions().delta(0.8))); });
    compare(
        p, shape, [&](auto y) { return binary_cross_entropy(y, target(), {.reduction = r, .weights = w}); },
        [&](Tensor y) { return F::binary_cross_entropy(y, tt, with(F::BinaryCrossEntropyFuncOptions().weight(tw))); });
    compare(
        x, shape,
        [&](auto y) {
          return binary_cross_entropy_with_logits(y, target(), {.pos_weight = pos, .reduction = r, .weights = w});
        },
        [&](Tensor y) {
          return F::binary_cross_entropy_with_logits(
              y, tt, with(F::BinaryCrossEntropyWithLogitsFuncOptions().weight(tw).pos_weight(tensor(pos, {7}))));
        });
  }
  // Where probabilities are at their bounds.
  const std::vector<double> ends = {0, 1, 0, 1, 1e-14, 1 - 1e-14}, targets = {0, 1, 1, 0, 1, 0};
  compare(
      ends, Shape{6}, [&](auto y) { return binary_cross_entropy(y, input(targets, Shape{6})); },
      [&](Tensor y) { return F::binary_cross_entropy(y, tensor(targets, {6})); },
      1e-8);  // its bound is the float nearest to 1e-12
}
