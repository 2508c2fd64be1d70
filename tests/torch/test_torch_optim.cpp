// Every optimizer step for step beside LibTorch's.

#include <torch/torch.h>
#undef CHECK
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>

#include "lbfgs_cases.hpp"
#include "optim_cases.hpp"
#include "unroll/optim/clip.hpp"

using namespace unroll;
using namespace unroll::test;

namespace {

/// The same optimizer of LibTorch; null where 1.13 has none in C++.
struct MakeTorch {
  std::vector<torch::Tensor> list;
  using Made = std::unique_ptr<torch::optim::Optimizer>;

  Made operator()(const SGDOptions& o) const {
    return std::make_unique<torch::optim::SGD>(list, torch::optim::SGDOptions(o.lr)
                                                         .momentum(o.momentum)
                                                         .dampening(o.dampening)
                                                         .weight_decay(o.weight_decay)
                                                         .nesterov(o.nesterov));
  }
  template <class Options>
  static Options adam(const auto& o) {
    Options options(o.lr);
    options.betas({o.beta1, o.beta2});
    options.eps(o.eps);
    options.weight_decay(o.weight_decay);
    options.amsgrad(o.amsgrad);
    return options;
  }
  Made operator()(const AdamOptions& o) const {
    return std::make_unique<torch::optim::Adam>(list, adam<torch::optim::AdamOptions>(o));
  }
  Made operator()(const AdamWOptions& o) const {
    return std::make_unique<torch::optim::AdamW>(list, adam<torch::optim::AdamWOptions>(o));
  }
  Made operator()(const RMSpropOptions& o) const {
    return std::make_unique<torch::optim::RMSprop>(list, torch::optim::RMSpropOptions(o.lr)
                                                             .alpha(o.alpha)
                                                             .eps(o.eps)
                                                             .weight_decay(o.weight_decay)
                                                             .momentum(o.momentum)
                                                             .centered(o.centered));
  }
  Made operator()(const AdagradOptions& o) const {
    return std::make_unique<torch::optim::Adagrad>(list, torch::optim::AdagradOptions(o.lr)
                                                             .lr_decay(o.lr_decay)
                                                             .weight_decay(o.weight_decay)
                                                             .initial_accumulator_value(o.initial_accumulator_value)
                                                             .eps(o.eps));
  }
  Made operator()(const auto&) const { return nullptr; }  // those that LibTorch has not
};

}  // namespace

TEST_CASE_TEMPLATE("the optimizers walk LibTorch's path", T, float, double) {
  const double tolerance = std::is_same_v<T, float> ? 1e-6 : 1e-12;
  for (const OptimCase& c : optim_cases()) {
    CAPTURE(c.name);
    auto p = torch::empty({optim_rows, optim_cols}, torch::CppTypeToScalarType<T>::value);
    for (Index i = 0; i < p.numel(); ++i) p.template data_ptr<T>()[i] = static_cast<T>(start_value(i));
    p.set_requires_grad(true);
    auto optimizer = std::visit(MakeTorch{{p}}, c.options);
    if (!optimizer) continue;
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

TEST_CASE("L-BFGS walks LibTorch's path") {
  for (const LbfgsCase& c : lbfgs_cases()) {
    CAPTURE(c.name);
    auto x = torch::tensor(c.problem.start(), torch::kDouble);
    x.set_requires_grad(true);
    auto options = torch::optim::LBFGSOptions(c.options.lr)
                       .max_iter(c.options.max_iter)
                       .tolerance_grad(c.options.tolerance_grad)
                       .tolerance_change(c.options.tolerance_change)
                       .history_size(c.options.history_size);
    if (c.options.max_eval) options.max_eval(*c.options.max_eval);
    if (c.options.line_search == LineSearch::strong_wolfe) options.line_search_fn("strong_wolfe");
    torch::optim::LBFGS lbfgs({x}, options);
    Index evaluations = 0, our_evaluations = 0;
    double worst = 0;
    for (const auto& ours : lbfgs_trajectory<double>(c, &our_evaluations)) {
      lbfgs.step([&] {
        ++evaluations;
        const double* at = x.data_ptr<double>();
        std::vector<double> g;
        const double loss = c.problem.loss(std::vector<double>(at, at + x.numel()), g);
        x.mutable_grad() = torch::tensor(g, torch::kDouble);
        return torch::tensor(loss, torch::kDouble);
      });
      for (std::size_t i = 0; i < ours.size(); ++i)
        worst = std::max(worst, std::abs(ours[i] - x.data_ptr<double>()[i]));
    }
    // Along the valley a rounding grows a thousandfold before the walls bring it back.
    CHECK(worst <= (c.problem.kind == LbfgsProblem::rosenbrock ? 1e-8 : 1e-12));
    CHECK(evaluations == our_evaluations);
    if (std::getenv("UNROLL_PRINT_RECORDED"))  // the numbers of test_lbfgs.cpp
      std::printf("{\"%s\", %ld},\n", c.name.c_str(), static_cast<long>(evaluations));
  }
}
