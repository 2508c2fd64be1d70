#pragma once
/// \file
/// A stack of layers in which every layer reads fewer, wider steps than the one below.

#include <string>
#include <utility>
#include <vector>

#include "../ops/dropout.hpp"
#include "join_frames.hpp"
#include "rnn.hpp"
#include "sizes_detail.hpp"

namespace unroll {

struct PyramidOptions {
  Index levels = 2;                      ///< joins, each followed by a layer; 0: the bottom layer alone
  Index factor = 2;                      ///< neighbouring steps joined on each level
  JoinFrames join = JoinFrames::concat;  ///< how
  double dropout = 0;                    ///< on the outputs of every layer but the last, while training
};

/// A pyramid of layers (Listen, Attend and Spell: Chan et al., 2016): a bottom layer at the input's rate, then `levels`
/// times: join `factor` neighbouring steps into one, and run a layer over what is left.
///
/// A sequence of length L leaves with ceil(...ceil(L / factor).../ factor) steps: with a factor of 2 and two levels a
/// quarter, rounded up; no frame is lost (see join_frames). Step s of the outputs stands for input frames
/// s * frames_per_step() .. (s + 1) * frames_per_step() - 1, as far as there are any; `expand_frames(outputs,
/// frames_per_step(), input)` gives every frame its step.
template <class L>
class UNROLL_PER_ISA Pyramid {
 public:
  static_assert(detail::check_is_layer<L>());
  using Layer = detail::LayerOrNone<L>;
  using scalar = typename Layer::scalar;
  using state = typename Layer::states;  ///< of one layer
  using states = std::vector<state>;
  static constexpr bool runs_forward = false;

  /// Builds the layers from (width of what they read, hidden_size, rng). Throws ValueError on negative levels, a factor
  /// below 1, or a dropout outside 0 .. 1.
  Pyramid(Index input_size, Index hidden_size, Rng& rng, PyramidOptions options = {})
      : factor(options.factor), join(options.join), dropout(options.dropout) {
    detail::check_sizes("Pyramid", {{"levels + 1", options.levels + 1}, {"factor", options.factor}});
    detail::check_probability("Pyramid", "dropout", dropout);
    layers.reserve(static_cast<std::size_t>(options.levels + 1));
    layers.emplace_back(input_size, hidden_size, rng);
    for (Index i = 0; i < options.levels; ++i) {
      const Index width = layers.back().output_size();
      layers.emplace_back(join == JoinFrames::concat ? factor * width : width, hidden_size, rng);
    }
  }

  /// Outputs, from the layers' own initial states; (T, B, I) to (ceil(T / frames_per_step()), B, O).
  template <SequenceLike<scalar> X>
  X operator()(const X& x) const {
    return run(x).outputs;
  }
  /// Outputs and final states, one a layer, from the layers' own initial states.
  LayerResult<states, Sequence<scalar>> run(const Sequence<scalar>& x) const {
    return run_layers(x, nullptr);
  }
  /// Outputs and final states, from given states, one a layer. Throws ShapeError on another number of states.
  LayerResult<states, Sequence<scalar>> run(const Sequence<scalar>& x, const states& initial) const {
    detail::check_states("Pyramid", initial, layers);
    return run_layers(x, &initial);
  }
  template <class... Initial>
  LayerResult<states, Variable<scalar>> run(const Variable<scalar>& x, const Initial&... initial) const {
    detail::batch_of("Pyramid", x);
    auto r = run(sequence(x), initial...);
    return {padded(r.outputs), std::move(r.final_states)};
  }

  /// Input frames that one output step stands for: factor ^ levels.
  Index frames_per_step() const {
    Index n = 1;
    for (std::size_t i = 1; i < layers.size(); ++i) n *= factor;
    return n;
  }
  Index output_size() const { return layers.back().output_size(); }
  states initial_states(Index batch) const { return detail::initial_states_of(layers, batch); }
  void check_runs_forward(const char*) const {
    static_assert(detail::not_a_member<L>,
                  "a Pyramid has fewer steps above than below: it cannot be run piece by piece");
  }
  void each(auto&& visit) {
    visit("layers", layers), visit("factor", factor), visit("join", join), visit("dropout", dropout);
  }

  std::vector<Layer> layers;
  Index factor;
  JoinFrames join;
  double dropout;

 private:
  Sequence<scalar> joined(const Sequence<scalar>& y) const {
    return join_frames(dropout > 0 ? y.with(unroll::dropout(y.rows, dropout)) : y, factor, join);
  }

  LayerResult<states, Sequence<scalar>> run_layers(const Sequence<scalar>& x, const states* initial) const {
    LayerResult<states, Sequence<scalar>> result{x, {}};
    result.final_states.reserve(layers.size());
    for (std::size_t i = 0; i < layers.size(); ++i) {
      const Sequence<scalar> below = i == 0 ? x : joined(result.outputs);
      const auto r = initial ? layers[i].run(below, (*initial)[i]) : detail::run_layer("Pyramid", layers[i], below);
      result.outputs = r.outputs;
      result.final_states.push_back(final_states(r));
    }
    return result;
  }
};

}  // namespace unroll
