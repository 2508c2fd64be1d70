#pragma once
/// \file
/// How gradients flow through time: where they vanish and where they explode (Bengio, Simard and Frasconi, 1994;
/// Pascanu, Mikolov and Bengio, 2013).
///
/// A model (a cell, an Rnn, a Stack, whatever runs in the order of time) reads x_0 .. x_{T-1} from the state s_0:
///
///     s_{t+1} = step(x_t, s_t; theta)        y_t = output(s_{t+1})        E_t = loss(t, y_t)        E = sum_t E_t
///
/// So state 0 is the initial one and state t the one after t steps, of T + 1 states. All functions take
///
///     model        a cell or a layer; it is run one step at a time
///     make_input   a callable that gives the input (T, B, I) as a Variable, in a scope of the function's own:
///                  [&] { return input(x); }
///     loss         (t, y_t), y_t (B, O), to a Variable of one element; one that is not defined (Variable<T>{}) where
///                  step t has no loss. Its own parameters (a readout's) are read, and collect no gradient.
///
/// use a tape of their own, on which dropout and its kin let everything through, leave the parameters' gradients as
/// they were, and return plain numbers. They are for looking at small models: costs are given with each.
///
/// They throw ShapeError for an input that is not (T, B, I); ValueError for a step, state or sequence that is not there
/// and for a layer that runs backwards; NonScalarError for a loss of more than one element.
///
///     const auto table = gradient_contributions(rnn, [&] { return input(x); }, [&](Index t, auto y) {
///       return softmax_cross_entropy(readout(y), labels[t]);
///     });
///     for (Index k = 0; k <= t; ++k) std::cout << table.norms(t, k) << ' ';  // the further back, the smaller?

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "../../ops/elementwise.hpp"
#include "../rnn.hpp"

namespace unroll {

/// A table of numbers, row-major.
struct FlowTable {
  Index rows = 0, cols = 0;
  std::vector<double> values;

  FlowTable() = default;
  FlowTable(Index r, Index c) : rows(r), cols(c), values(static_cast<std::size_t>(r * c)) {}
  double& operator()(Index row, Index col) { return values[static_cast<std::size_t>(row * cols + col)]; }
  double operator()(Index row, Index col) const { return values[static_cast<std::size_t>(row * cols + col)]; }
};

/// What the use of the parameters at each step contributes to the gradient of each step's loss.
struct GradientContributions {
  FlowTable norms;                      ///< (T, T): at (t, k) the norm of dE_t/dtheta through step k; 0 for k > t
  std::vector<double> whole;            ///< (T): the norm of dE_t/dtheta, the sum over k
  std::vector<std::string> parameters;  ///< dotted names; frozen parameters are left out
  std::vector<FlowTable> by_parameter;  ///< `norms` for each of them alone
};

/// The contributions to dE_t/dtheta of one parameter.
struct ParameterContributions {
  std::string name;
  Shape shape;
  std::vector<std::vector<double>> by_step;  ///< (t + 1): dE_t/dtheta_k, row-major
  std::vector<double> whole;                 ///< their sum, dE_t/dtheta
};

/// How much the loss changes with the state at every step.
struct StateGradients {
  std::vector<double> norms;         ///< (T + 1): the norm of dE/ds_t over the batch and all members of the state
  FlowTable by_sequence;             ///< (T + 1, B): of each sequence
  std::vector<std::string> members;  ///< "h", "c"; with the layer in front for several, "1.h"
  std::vector<FlowTable> by_member;  ///< for each member (T + 1, B)
};

namespace detail {

/// A model without its type, its state a list of Variables.
template <class T>
struct FlowModel {
  std::function<Variable<T>()> input;
  std::function<std::vector<Variable<T>>(Index batch)> initial;
  /// One step from `states`, which become those after it; returns the output.
  std::function<Variable<T>(const Variable<T>& x, std::vector<Variable<T>>& states)> step;
  /// What is put out in these states, for the input x of the step that led to them.
  std::function<Variable<T>(const Variable<T>& x, const std::vector<Variable<T>>& states)> output;
  std::vector<std::pair<std::string, const Parameter<T>*>> parameters;
  std::shared_ptr<std::vector<std::string>> members = std::make_shared<std::vector<std::string>>();
};
template <class T>
using FlowLoss = std::function<Variable<T>(Index t, const Variable<T>& y)>;

template <class T>
GradientContributions contributions(const FlowModel<T>& model, const FlowLoss<T>& loss);
template <class T>
std::vector<ParameterContributions> contributions_at(const FlowModel<T>& model, const FlowLoss<T>& loss, Index t);
template <class T>
StateGradients state_gradients(const FlowModel<T>& model, const FlowLoss<T>& loss);
/// ds_to/ds_k for k = from .. to.
template <class T>
std::vector<FlowTable> state_jacobians(const FlowModel<T>& model, Index from, Index to, Index sequence);

/// visit(name, variable) for each Variable of a state, or of a list of states, numbered.
template <class S, class F>
UNROLL_PER_ISA void visit_named_states(S& states, const std::string& prefix, F&& visit) {
  if constexpr (is_list<std::remove_const_t<S>>) {
    for (std::size_t i = 0; i < states.size(); ++i)
      visit_named_states(states[i], prefix + std::to_string(i) + ".", visit);
  } else {
    visit_state(states, [&](const char* name, auto& v) { visit(prefix + name, v); });
  }
}

template <class Model, class Input, class T = typename Model::scalar>
UNROLL_PER_ISA FlowModel<T> flow_model(const Model& model, Input& make_input) {
  using States = StatesOf<Model>;
  check_runs_forward("gradient_flow", model);
  FlowModel<T> flow;
  flow.input = [&make_input] { return Variable<T>(make_input()); };
  const auto shell = std::make_shared<States>();  // what of a state is no Variable
  flow.initial = [&model, shell, members = flow.members](Index batch) {
    *shell = initial_states(model, batch);
    members->clear();
    std::vector<Variable<T>> list;
    visit_named_states(*shell, "", [&](const std::string& name, const Variable<T>& v) {
      members->push_back(name), list.push_back(v);
    });
    return list;
  };
  const auto states_of = [shell](const std::vector<Variable<T>>& list) {
    States states = *shell;
    std::size_t n = 0;
    visit_state(states, [&](const char*, Variable<T>& v) { v = list[n++]; });
    return states;
  };
  flow.step = [&model, states_of](const Variable<T>& x, std::vector<Variable<T>>& list) {
    States states = states_of(list);
    Variable<T> y;
    if constexpr (Cell<Model>) {
      states = model.step(project(model, x), states);
      y = output_of(model, states);
    } else {
      const auto r = model.run(reshape(x, x.shape().insert(0, 1)), states);
      states = final_states(r);
      y = at(r.outputs, 0);
    }
    list.clear();
    visit_state(states, [&](const char*, const Variable<T>& v) { list.push_back(v); });
    return y;
  };
  flow.output = [&model, states_of](const Variable<T>& x, const std::vector<Variable<T>>& list) {
    return output_in(model, x, states_of(list));
  };
  const auto collect = [&]<class X>(const std::string& name, const X& x) {
    if constexpr (is_parameter<X>) {
      if (!x.defined() || x.frozen()) return;
      for (const auto& known : flow.parameters)
        if (known.second->share() == x.share()) return;
      flow.parameters.emplace_back(name, &x);
    }
  };
  visit_tree("", model, collect);
  return flow;
}

}  // namespace detail

/// The temporal components of the gradient: at (t, k) the norm of
///
///     (dE_t/dtheta)_k  =  dE_t/ds_t+1  ds_t+1/ds_k+1  d+s_k+1/dtheta
///
/// where d+ is the immediate derivative, through the use of theta at step k alone (Pascanu et al., equations 3 to 5).
/// Their sum over k is dE_t/dtheta. What the initial state uses of theta counts with step 0, what the loss uses with
/// step t. Norms fall towards small k where gradients vanish, and grow where they explode.
///
/// T passes, of up to T steps; memory of T copies of the gradients.
template <class Model, class Input, class Loss>
UNROLL_PER_ISA GradientContributions gradient_contributions(const Model& model, Input&& make_input, Loss&& loss) {
  return detail::contributions(detail::flow_model(model, make_input),
                               detail::FlowLoss<typename Model::scalar>(std::ref(loss)));
}

/// The components themselves, for the loss of step t: a tensor for each parameter and step k <= t. One pass.
template <class Model, class Input, class Loss> UNROLL_PER_ISA
std::vector<ParameterContributions> gradient_contributions_at(const Model& model, Input&& make_input, Loss&& loss,
                                                              Index t) {
  return detail::contributions_at(detail::flow_model(model, make_input),
                                  detail::FlowLoss<typename Model::scalar>(std::ref(loss)), t);
}

/// Norms of dE/ds_t, the whole derivative: through y_t-1 and everything after it. One pass.
template <class Model, class Input, class Loss>
UNROLL_PER_ISA StateGradients state_gradients(const Model& model, Input&& make_input, Loss&& loss) {
  return detail::state_gradients(detail::flow_model(model, make_input),
                                 detail::FlowLoss<typename Model::scalar>(std::ref(loss)));
}

/// The Jacobian ds_to/ds_from of one sequence's state, all members one after the other as one vector of S numbers:
/// (S, S), at (i, j) the derivative of the i-th number after `to` steps by the j-th after `from`; 0 <= from <= to <= T.
///
/// One pass over a batch of S copies of the sequence, each of which gets another row of the Jacobian.
template <class Model, class Input> UNROLL_PER_ISA
FlowTable state_jacobian(const Model& model, Input&& make_input, Index from, Index to, Index sequence = 0) {
  return detail::state_jacobians(detail::flow_model(model, make_input), from, to, sequence).front();
}

/// ds_to/ds_k for every k = 0 .. to, in one pass.
template <class Model, class Input> UNROLL_PER_ISA
std::vector<FlowTable> state_jacobians(const Model& model, Input&& make_input, Index to, Index sequence = 0) {
  return detail::state_jacobians(detail::flow_model(model, make_input), 0, to, sequence);
}

namespace detail {
FlowTable singular_values_of(const std::vector<FlowTable>& jacobians);
}

/// Singular values of ds_to/ds_k, from large to small, for every k: (to + 1, S), row k. The largest bounds how much a
/// small change of s_k can change s_to; when all of them go to 0 with to - k, nothing that far back can be learned.
template <class Model, class Input>
UNROLL_PER_ISA FlowTable state_singular_values(const Model& model, Input&& make_input, Index to, Index sequence = 0) {
  return detail::singular_values_of(state_jacobians(model, make_input, to, sequence));
}

}  // namespace unroll
