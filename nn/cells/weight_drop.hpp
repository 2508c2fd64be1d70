#pragma once
/// \file
/// DropConnect on recurrent weights.

#include <string>
#include <string_view>
#include <utility>

#include "../../core/substitutes.hpp"
#include "../../ops/dropout.hpp"
#include "../rnn.hpp"
#include "../sizes_detail.hpp"

namespace unroll {

struct WeightDropOptions {
  double probability = 0.5;
  std::string name = "weight_hh";  ///< parameters of the layer that end in this are dropped
};

/// A layer whose recurrent weights drop out (Merity, Keskar and Socher, "Regularizing and optimizing LSTM language
/// models", 2018; DropConnect, Wan et al., 2013): while the scope trains, every run draws which single weights are
/// zero, the others are divided by 1 - p, and all time steps and sequences of the run share them.
///
/// A wrapper of layers, `WeightDrop<Rnn<LSTMCell<>>>`, and a layer itself, for Stack and Bidirectional; any cell whose
/// recurrent weights are called so will do. Parameters keep their names.
template <class L>
class UNROLL_PER_ISA WeightDrop {
 public:
  static_assert(detail::check_is_layer<L>());
  using Layer = detail::LayerOrNone<L>;
  using scalar = typename Layer::scalar;
  using state = typename Layer::states;
  using states = state;
  static constexpr bool runs_forward = detail::runs_forward<Layer>;

  /// Builds the layer from (input_size, hidden_size, rng). Throws ValueError on a probability outside 0 .. 1, and when
  /// no parameter of the layer has the name.
  WeightDrop(Index input_size, Index hidden_size, Rng& rng, WeightDropOptions options = {})
      : WeightDrop(L(input_size, hidden_size, rng), std::move(options)) {}
  explicit WeightDrop(L layer_, WeightDropOptions options = {})
      : layer(std::move(layer_)), probability(options.probability), name(std::move(options.name)) {
    detail::check_probability("WeightDrop", "probability", probability);
    bool found = false;
    for (const auto& p : parameters(layer)) found = found || is_dropped(p.name);
    if (!found) throw ValueError("[WeightDrop] no parameter of the layer is called '" + name + "'");
  }

  template <SequenceLike<scalar> X>
  X operator()(const X& x) const {
    return run(x).outputs;
  }
  template <SequenceLike<scalar> X, class... More>
  auto run(const X& x, const More&... more) const {
    return with_dropped([&] { return detail::run_layer("WeightDrop", layer, x, more...); });
  }
  Index output_size() const { return layer.output_size(); }
  states initial_states(Index batch) const { return unroll::initial_states(layer, batch); }
  Variable<scalar> output_in(const Variable<scalar>& x, const states& s) const {
    return detail::output_in(layer, x, s);
  }
  void check_runs_forward(const char* op) const { detail::check_runs_forward(op, layer); }
  void each(auto&& visit) { layer.each(visit), visit("weight_drop", probability), visit("weight_drop_name", name); }

  Layer layer;
  double probability;
  std::string name;

 private:
  bool is_dropped(std::string_view parameter) const {
    return parameter.ends_with(name) &&
           (parameter.size() == name.size() || parameter[parameter.size() - name.size() - 1] == '.');
  }

  template <class F>
  auto with_dropped(F&& run) const {
    if (!detail::open_tape<scalar>("WeightDrop").training() || probability == 0) return run();
    detail::Substitutes<scalar> dropped;
    const auto drop = [&]<class P>(const std::string& parameter, const P& p) {
      if constexpr (detail::is_parameter<P>)
        if (p.defined() && is_dropped(parameter)) dropped.add(p, dropout(use(p), probability));
    };
    detail::visit_tree("", layer, drop);
    return run();
  }
};

}  // namespace unroll
