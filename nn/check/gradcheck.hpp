#pragma once
/// \file
/// Gradient checks of operations, cells, layers and whole models: see core/check/gradcheck.hpp for the rule and the report.
///
///     Rng rng(1);
///     LSTMCell<double> cell(3, 4, rng);
///     const auto x = check_input("x", Shape{5, 2, 3}, 7), h = check_input("h0", Shape{2, 4}, 8);
///     CHECK(gradcheck([&](auto x, auto h0) { ... return y; }, cell, x, h));
///     CHECK(gradcheck(Rnn<LSTMCell<double>>(3, 4, rng), x));        // a layer is a callable and a module

#include <string>
#include <type_traits>
#include <vector>

#include "../../core/check/gradcheck.hpp"
#include "../layer.hpp"

namespace unroll {

/// An input of a check: handed to the function as a differentiable Variable<double>.
struct CheckInput {
  std::string name;
  Shape shape;
  std::vector<double> values;
};

/// A named input with normal values times `scale`.
CheckInput check_input(std::string name, const Shape& shape, std::uint64_t seed, double scale = 1);
/// A named input with these values, row-major. Throws ShapeError when their number does not fit.
CheckInput check_input(std::string name, const Shape& shape, std::vector<double> values);

namespace detail {

/// sum_k sum_i w_ki y_ki over all elements of all outputs; the w_ki are all different, since a plain sum would let a
/// transposed or permuted gradient pass.
Variable<double> weighted_sum(const std::vector<Variable<double>>& outputs);

/// Runs the check: `f` gets the inputs as Variables and returns everything the gradient is taken of.
GradcheckReport run_gradcheck(const std::function<std::vector<Variable<double>>(const std::vector<Variable<double>>&)>& f,
                              const std::vector<NamedParameter<double>>& parameters, std::vector<CheckInput> inputs,
                              const GradcheckOptions& options);

template <class X>
concept ArrayLike = requires(const X& x) {
  x.shape().size();
  x.begin();
  typename X::value_type;
};

/// Appends the Variables in what a checked function returned.
template <class R>
UNROLL_PER_ISA void collect_outputs(R result, std::vector<Variable<double>>& outputs) {
  visit_result(
      result,
      [&]<class T>(const Variable<T>& v) {
        static_assert(std::is_same_v<T, double>,
                      "gradcheck needs double, float resolves no differences: build the model with double and take the "
                      "values over with copy_parameters(float_model, double_model)");
        outputs.push_back(v);
      },
      [](const SequenceLayout*) {});
}

struct GradcheckArguments {
  std::vector<NamedParameter<double>> parameters;
  std::vector<CheckInput> inputs;
  GradcheckOptions options;
  int modules = 0;

  template <class A>
  UNROLL_PER_ISA void take(const A& a) {
    if constexpr (std::is_same_v<A, GradcheckOptions>) {
      options = a;
    } else if constexpr (std::is_same_v<A, CheckInput>) {
      inputs.push_back(a);
    } else if constexpr (is_parameter<A> || NamesMembers<A>) {
      static_assert(std::is_same_v<scalar_of<A>, double>,
                    "gradcheck needs double, float resolves no differences: build the model with double and take the "
                    "values over with copy_parameters(float_model, double_model)");
      // Two modules with the same names are told apart by their place in the call.
      const std::string prefix = modules++ == 0 ? "" : "module " + std::to_string(modules) + ": ";
      for (auto& p : parameters_of<double>(a)) {
        p.name = prefix + (p.name.empty() ? "parameter" : p.name);
        bool known = false;
        for (const auto& q : parameters) known = known || q.storage == p.storage;
        if (!known) parameters.push_back(p);
      }
    } else if constexpr (ArrayLike<A>) {
      static_assert(std::is_same_v<typename A::value_type, double>, "gradcheck needs double inputs");
      Index dims[Shape::max_rank + 1];
      int rank = 0;
      for (const auto d : a.shape())
        if (rank <= Shape::max_rank) dims[rank++] = static_cast<Index>(d);
      inputs.push_back(check_input("input " + std::to_string(inputs.size()), Shape(dims, rank),
                                   std::vector<double>(a.begin(), a.end())));
    } else {
      static_assert(not_a_member<A>,
                    "gradcheck takes, after the function: modules and Parameters, xt::xarray<double> or check_input() "
                    "inputs, and GradcheckOptions");
    }
  }
};

template <class F, std::size_t... I>
UNROLL_PER_ISA auto call_with(const F& f, const std::vector<Variable<double>>& x, std::index_sequence<I...>) {
  return f(x[I]...);
}

}  // namespace detail

/// Checks the gradient of `f` over parameters, inputs and initial states, in double precision.
///
/// `f`: a callable, a layer or a model. It is called with one differentiable Variable<double> for each input among
/// `arguments`, in order, and returns a Variable of any shape (or several: an array, a state, the result of a layer's
/// run()), reduced to one number with weights that are all different.
///
/// `arguments`, in any order: inputs (`check_input(...)` or `xt::xarray<double>`); modules and Parameters that `f` uses,
/// whose every element is checked under its dotted name (those of `f` itself are, when it is a module);
/// GradcheckOptions. The generator of the tape starts alike for every evaluation, so dropout does not disturb.
template <class F, class... Arguments>
UNROLL_PER_ISA GradcheckReport gradcheck(const F& f, const Arguments&... arguments) {
  detail::GradcheckArguments all;
  if constexpr (Module<F>) all.take(f);
  (all.take(arguments), ...);
  constexpr std::size_t n =
      (std::size_t{0} + ... + std::size_t{std::is_same_v<Arguments, CheckInput> || detail::ArrayLike<Arguments>});
  return detail::run_gradcheck(
      [&](const std::vector<Variable<double>>& x) {
        std::vector<Variable<double>> outputs;
        detail::collect_outputs(detail::call_with(f, x, std::make_index_sequence<n>{}), outputs);
        return outputs;
      },
      all.parameters, std::move(all.inputs), all.options);
}

}  // namespace unroll
