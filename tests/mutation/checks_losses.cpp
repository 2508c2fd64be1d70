// Losses: targets of both kinds, weights, reductions, few and many classes, losses of one tensor added up.

#include <cstdint>

#include "checks.hpp"
#include "unroll/ops/elementwise.hpp"
#include "unroll/ops/layout.hpp"
#include "unroll/ops/losses.hpp"

namespace unroll::mutation {
namespace {

CheckInput between(std::string name, const Shape& shape, std::uint64_t seed, double low, double high) {
  std::vector<double> values(static_cast<std::size_t>(shape.size()));
  Rng rng(seed);
  for (double& v : values) v = rng.uniform(low, high);
  return check_input(std::move(name), shape, std::move(values));
}

constexpr Index targets[] = {2, 0, -1, 2, 1};

GradcheckReport classes(Index count, Reduction reduction) {
  return gradcheck(
      [=](Var x) {
        return softmax_cross_entropy(x, std::span<const Index>(targets), {.reduction = reduction, .ignore_index = -1});
      },
      check_input("logits", Shape{5, count}, 1));
}

// Loss and something else of the same logits, which are a slice of something wider.
GradcheckReport classes_beside(Index count) {
  return gradcheck(
      [=](Var x) {
        const Var logits = narrow(1.5 * x, -1, 1, count);
        const Var loss = softmax_cross_entropy(logits, std::span<const Index>(targets), {.ignore_index = -1});
        return std::vector{loss, square(logits)};
      },
      check_input("logits", Shape{5, count + 2}, 2));
}

GradcheckReport weighted_classes() {
  return gradcheck(
      [](Var x) {
        const double v[] = {0.5, 2, 1.25, 3}, w[] = {1, 0.3, 2, 0.7, 1.5};
        const std::span<const double> vs(v), ws(w);
        const std::span<const Index> t(targets);
        return std::vector{
            softmax_cross_entropy(x, t, {.ignore_index = -1, .class_weights = vs}),
            softmax_cross_entropy(x, t, {.ignore_index = -1, .weights = ws}),
            softmax_cross_entropy(x, t,
                                  {.ignore_index = -1, .class_weights = vs, .label_smoothing = 0.2, .weights = ws}),
        };
      },
      check_input("logits", Shape{5, 4}, 3));
}

GradcheckReport soft_targets() {
  return gradcheck(
      [](Var x, Var q) {
        const double v[] = {0.5, 2, 1.25, 3};
        return std::vector{
            softmax_cross_entropy(x, q, {}),
            softmax_cross_entropy(x, q, {.class_weights = std::span<const double>(v), .label_smoothing = 0.1}),
            softmax_cross_entropy(x, q, {.reduction = Reduction::none}),
        };
      },
      check_input("logits", Shape{3, 4}, 4), between("targets", Shape{3, 4}, 5, 0.1, 0.9));
}

GradcheckReport sliced_soft_targets() {
  return gradcheck(
      [](Var x, Var q) {
        const Var logits = narrow(1.5 * x, -1, 1, 4), targets = narrow(1.5 * q, -1, 0, 4);
        return std::vector{softmax_cross_entropy(logits, targets), square(targets)};
      },
      check_input("logits", Shape{3, 5}, 13), between("targets", Shape{3, 6}, 14, 0.1, 0.9));
}

template <class Loss>
GradcheckReport pair_of(Loss loss, double low = -2, double high = 2) {
  return gradcheck(
      [=](Var x, Var t) {
        const double w[] = {1, 0.3, 2, 0.7, 1.5, 0.9, 1.1, 0.2, 3, 0.6};
        const std::span<const double> ws(w);
        return std::vector{loss(x, t, Reduction::mean, std::span<const double>()), loss(x, t, Reduction::sum, ws),
                           loss(x, t, Reduction::none, ws)};
      },
      between("x", Shape{2, 5}, 6, low, high), between("target", Shape{2, 5}, 7, 0.05, 0.95));
}

GradcheckReport squared() {
  return pair_of([](Var x, Var t, Reduction r, std::span<const double> w) {
    return squared_error(x, t, {.reduction = r, .weights = w});
  });
}
GradcheckReport absolute() {
  return pair_of([](Var x, Var t, Reduction r, std::span<const double> w) {
    return absolute_error(x, t, {.reduction = r, .weights = w});
  });
}
GradcheckReport huber() {
  return pair_of([](Var x, Var t, Reduction r, std::span<const double> w) {
    return huber_error(x, t, {.delta = 0.8, .reduction = r, .weights = w});
  });
}
GradcheckReport binary() {
  return pair_of([](Var x, Var t, Reduction r,
                    std::span<const double> w) { return binary_cross_entropy(x, t, {.reduction = r, .weights = w}); },
                 0.05, 0.95);
}
GradcheckReport binary_logits() {
  return pair_of([](Var x, Var t, Reduction r, std::span<const double> w) {
    const double p[] = {2, 0.5, 1, 3, 0.7};
    return binary_cross_entropy_with_logits(x, t,
                                            {.pos_weight = std::span<const double>(p), .reduction = r, .weights = w});
  });
}

GradcheckReport root_mean_square() {
  return gradcheck([](Var x, Var t) { return root_mean_square_error(x, t); }, check_input("x", Shape{2, 5}, 8),
                   check_input("target", Shape{2, 5}, 9));
}

// Targets are data as a rule.
GradcheckReport constant_target() {
  return gradcheck(
      [](Var x) {
        const Var t = full(Shape{2, 5}, 0.25);
        return std::vector{squared_error(x, t), binary_cross_entropy_with_logits(x, t), softmax_cross_entropy(x, t),
                           squared_error(t, x)};
      },
      check_input("x", Shape{2, 5}, 12));
}

// Slices as operands, both in use elsewhere.
GradcheckReport of_slices() {
  return gradcheck(
      [](Var x, Var t) {
        const Var a = narrow(x, -1, 1, 3), b = narrow(1.5 * t, -1, 0, 3);
        return std::vector{squared_error(a, b), square(a), square(b), squared_error(b, a)};
      },
      check_input("x", Shape{2, 5}, 10), check_input("target", Shape{2, 4}, 11));
}

}  // namespace

void loss_checks(Checks& checks) {
  const Check all[] = {
      {"cross_entropy/mean", [] { return classes(3, Reduction::mean); }},
      {"cross_entropy/sum", [] { return classes(3, Reduction::sum); }},
      {"cross_entropy/each", [] { return classes(3, Reduction::none); }},
      {"cross_entropy/many_classes", [] { return classes(19, Reduction::mean); }},
      {"cross_entropy/each_of_many_classes", [] { return classes(19, Reduction::none); }},
      {"cross_entropy/beside", [] { return classes_beside(3); }},
      {"cross_entropy/many_beside", [] { return classes_beside(19); }},
      {"cross_entropy/weights", weighted_classes},
      {"cross_entropy/soft_targets", soft_targets},
      {"cross_entropy/sliced_soft_targets", sliced_soft_targets},
      {"loss/squared", squared},
      {"loss/absolute", absolute},
      {"loss/huber", huber},
      {"loss/binary", binary},
      {"loss/binary_logits", binary_logits},
      {"loss/root_mean_square", root_mean_square},
      {"loss/slices", of_slices},
      {"loss/constant_target", constant_target},
  };
  checks.insert(checks.end(), std::begin(all), std::end(all));
}

}  // namespace unroll::mutation
