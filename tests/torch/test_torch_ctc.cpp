// The CTC loss beside LibTorch's: values and gradients of every reduction over ragged batches.

#include <torch/torch.h>
#undef CHECK
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "unroll/core/random.hpp"
#include "unroll/nn/structured/ctc.hpp"

using namespace unroll;
namespace F = torch::nn::functional;

namespace {

using Labels = std::vector<Index>;

struct Case {
  Index steps, batch, classes, blank;
  std::vector<double> logits;  // (T,B,C)
  std::vector<Index> lengths;
  std::vector<Labels> targets;
};

/// Lengths of 1 .. T; targets of any length that fit, and with `infeasible` some that do not.
Case random_case(std::uint64_t seed, bool infeasible) {
  Rng rng(seed);
  Case c{1 + rng.integer(30), 1 + rng.integer(6), 2 + rng.integer(7), 0, {}, {}, {}};
  c.blank = rng.integer(c.classes);
  c.logits.resize(static_cast<std::size_t>(c.steps * c.batch * c.classes));
  for (double& x : c.logits) x = 3 * rng.normal();
  for (Index b = 0; b < c.batch; ++b) {
    const Index length = 1 + rng.integer(c.steps);
    Labels target;
    Index needed = 0;
    const Index wanted = rng.integer(length + 1);
    while (static_cast<Index>(target.size()) < wanted) {
      Index label;
      do label = rng.integer(c.classes);
      while (label == c.blank);
      needed += 1 + (!target.empty() && target.back() == label);
      if (needed > length) break;
      target.push_back(label);
    }
    if (infeasible && b % 2 == 0) target.assign(static_cast<std::size_t>(length + 1), c.blank == 0 ? 1 : 0);
    c.lengths.push_back(length);
    c.targets.push_back(target);
  }
  return c;
}

struct Result {
  double value;
  std::vector<double> gradient;  // (T,B,C)
};

Result ours(const Case& c, Reduction reduction, bool zero_infinity) {
  Tape<double> tape;
  Recording<double> scope(tape);
  const auto x = input(c.logits, Shape{c.steps, c.batch, c.classes}, requires_grad);
  const auto y = ctc_loss(sequence(x, c.lengths), c.targets,
                          {.blank = c.blank, .reduction = reduction, .zero_infinity = zero_infinity});
  tape.backward(y);
  return {y.item(), x.grad_to_vector()};
}

Result theirs(const Case& c, Reduction reduction, bool zero_infinity) {
  torch::Tensor x = torch::tensor(c.logits, torch::kDouble).reshape({c.steps, c.batch, c.classes}).requires_grad_();
  std::vector<std::int64_t> flat, sizes;
  for (const Labels& target : c.targets) {
    flat.insert(flat.end(), target.begin(), target.end());
    sizes.push_back(static_cast<std::int64_t>(target.size()));
  }
  auto options = F::CTCLossFuncOptions().blank(c.blank).zero_infinity(zero_infinity);
  if (reduction == Reduction::sum) options.reduction(torch::kSum);
  torch::Tensor y = F::ctc_loss(torch::log_softmax(x, 2), torch::tensor(flat, torch::kLong),
                                torch::tensor(c.lengths, torch::kLong), torch::tensor(sizes, torch::kLong), options);
  y.backward();
  const torch::Tensor g = x.grad().contiguous();
  return {y.item<double>(), {g.data_ptr<double>(), g.data_ptr<double>() + g.numel()}};
}

void compare(const Case& c, bool zero_infinity) {
  for (const auto reduction : {Reduction::mean, Reduction::sum}) {
    const Result a = ours(c, reduction, zero_infinity), b = theirs(c, reduction, zero_infinity);
    CHECK(std::abs(a.value - b.value) <= 1e-10 * std::max(1.0, std::abs(b.value)));
    REQUIRE(a.gradient.size() == b.gradient.size());
    double worst = 0;
    for (std::size_t i = 0; i < a.gradient.size(); ++i)
      worst = std::max(worst, std::abs(a.gradient[i] - b.gradient[i]));
    CHECK(worst < 1e-10);
  }
}

}  // namespace

TEST_CASE("CTC beside LibTorch") {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    compare(random_case(seed, false), seed % 2 == 0);
  }
}

TEST_CASE("CTC beside LibTorch: targets that do not fit, with zero_infinity") {
  for (std::uint64_t seed = 101; seed <= 130; ++seed) {
    CAPTURE(seed);
    compare(random_case(seed, true), true);
  }
}

TEST_CASE("CTC beside LibTorch: an infinite loss without zero_infinity") {
  const Case c = random_case(7, true);
  CHECK(std::isinf(ours(c, Reduction::sum, false).value));
  CHECK(std::isinf(theirs(c, Reduction::sum, false).value));
}

TEST_CASE("CTC beside LibTorch: 2,000 steps") {
  Rng rng(5);
  Case c{2000, 2, 12, 0, std::vector<double>(2000 * 2 * 12), {2000, 1700}, {{}, {}}};
  for (double& x : c.logits) x = 2 * rng.normal();
  for (std::size_t b = 0; b < 2; ++b)
    for (int i = 0; i < 150; ++i) c.targets[b].push_back(1 + rng.integer(11));
  compare(c, false);
}
