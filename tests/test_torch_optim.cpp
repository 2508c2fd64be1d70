// Every optimizer step for step beside LibTorch's.

#include <torch/torch.h>
#undef CHECK
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>

#include "optim_cases.hpp"
#include "unroll/optim/clip.hpp"

using namespace unroll;
using namespace unroll::test;

namespace {

std::unique_ptr<torch::optim::Optimizer> make_torch(const OptimCase& c, const torch::Tensor& p) {
  const std::vector<torch::Tensor> list = {p};
  const AdamOptions& a = c.adam;
  if (c.kind == Kind::sgd)
    return std::make_unique<torch::optim::SGD>(list, torch::optim::SGDOptions(c.sgd.lr)
                                                         .momentum(c.sgd.momentum)
                                                         .dampening(c.sgd.dampening)
                                                         .weight_decay(c.sgd.weight_decay)
                                                         .nesterov(c.sgd.nesterov));
  if (c.kind == Kind::adam)
    return std::make_unique<torch::optim::Adam>(list, torch::optim::AdamOptions(a.lr)
                                                          .betas({a.beta1, a.beta2})
                                                          .eps(a.eps)
                                                          .weight_decay(a.weight_decay)
                                                          .amsgrad(a.amsgrad));
  return std::make_unique<torch::optim::AdamW>(list, torch::optim::AdamWOptions(a.lr)
                                                         .betas({a.beta1, a.beta2})
                                                         .eps(a.eps)
                                                         .weight_decay(a.weight_decay)
                                                         .amsgrad(a.amsgrad));
}

}  // namespace

TEST_CASE_TEMPLATE("the optimizers walk LibTorch's path", T, float, double) {
  const double tolerance = std::is_same_v<T, float> ? 1e-6 : 1e-12;
  for (const OptimCase& c : optim_cases()) {
    CAPTURE(c.name);
    auto p = torch::empty({optim_rows, optim_cols}, torch::CppTypeToScalarType<T>::value);
    for (Index i = 0; i < p.numel(); ++i) p.template data_ptr<T>()[i] = static_cast<T>(start_value(i));
    p.set_requires_grad(true);
    auto optimizer = make_torch(c, p);
    const auto ours = trajectory<T>(c);
    double worst = 0;
    for (int t = 1; t <= optim_steps; ++t) {
      auto g = torch::empty_like(p);
      for (Index i = 0; i < p.numel(); ++i)
        g.template data_ptr<T>()[i] = static_cast<T>(gradient(t, i, static_cast<double>(p.template data_ptr<T>()[i])));
      p.mutable_grad() = g;
      optimizer->step();
      for (Index i = 0; i < p.numel(); ++i) {
        const double theirs = static_cast<double>(p.template data_ptr<T>()[i]);
        const double mine = static_cast<double>(ours[static_cast<std::size_t>(t - 1)][static_cast<std::size_t>(i)]);
        worst = std::max(worst, std::abs(theirs - mine) / std::max(1.0, std::abs(theirs)));
      }
    }
    CHECK(worst <= tolerance);
    if (std::is_same_v<T, double> && std::getenv("UNROLL_PRINT_RECORDED")) {  // the numbers of test_optim.cpp
      std::printf("{\"%s\", %.17g, %.17g, %.17g},\n", c.name.c_str(), static_cast<double>(p.template data_ptr<T>()[0]),
                  static_cast<double>(p.template data_ptr<T>()[16]), static_cast<double>(p.template data_ptr<T>()[34]));
    }
  }
}

TEST_CASE("clip_grad_norm scales as LibTorch does") {
  Parameter<double> a(Shape{3}), b(Shape{2, 2});
  auto ta = torch::zeros({3}, torch::kDouble), tb = torch::zeros({2, 2}, torch::kDouble);
  const auto set = [](Parameter<double>& p, torch::Tensor& t, double start) {
    t.mutable_grad() = torch::empty_like(t);
    for (std::size_t i = 0; i < p.mutable_grads().size(); ++i)
      t.mutable_grad().data_ptr<double>()[i] = p.mutable_grads()[i] = start - static_cast<double>(i);
  };
  for (const double limit : {0.5, 2.0, 100.0}) {
    set(a, ta, 2);
    set(b, tb, 1.5);
    const double theirs = torch::nn::utils::clip_grad_norm_(std::vector<torch::Tensor>{ta, tb}, limit);
    CHECK(clip_grad_norm(ParameterList<double>{{"a", a.share()}, {"b", b.share()}}, limit) ==
          doctest::Approx(theirs).epsilon(1e-14));
    for (std::size_t i = 0; i < 4; ++i)
      CHECK(b.grads()[i] == doctest::Approx(tb.grad().data_ptr<double>()[i]).epsilon(1e-14));
  }
}
