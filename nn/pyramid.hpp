#pragma once
/// \file
/// A stack of layers in which every layer reads fewer, wider steps than the one below.

#include <string>
#include <vector>

#include "unroll/nn/join_frames.hpp"
#include "unroll/nn/rnn.hpp"
#include "unroll/nn/sizes_detail.hpp"
#include "unroll/ops/dropout.hpp"

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
template <class Layer>
class Pyramid {
 public:
  using scalar = typename Layer::scalar;

  /// Builds the layers from (width of what they read, hidden_size, rng). Throws ValueError on negative levels, a factor
  /// below 1, or a dropout outside 0 .. 1.
  Pyramid(Index input_size, Index hidden_size, Rng& rng, PyramidOptions options = {})
      : factor(options.factor), join(options.join), dropout(options.dropout) {
    detail::check_sizes("Pyramid", {{"levels + 1", options.levels + 1}, {"factor", options.factor}});
    if (!(dropout >= 0 && dropout <= 1))
      throw ValueError("[Pyramid] dropout is " + std::to_string(dropout) + "; expected 0 .. 1");
    layers.reserve(static_cast<std::size_t>(options.levels + 1));
    layers.emplace_back(input_size, hidden_size, rng);
    for (Index i = 0; i < options.levels; ++i) {
      const Index width = layers.back().output_size();
      layers.emplace_back(join == JoinFrames::concat ? factor * width : width, hidden_size, rng);
    }
  }

  Sequence<scalar> operator()(const Sequence<scalar>& x) const {
    Sequence<scalar> y = layers.front()(x);
    for (std::size_t i = 1; i < layers.size(); ++i) {
      if (dropout > 0) y = y.with(unroll::dropout(y.rows, dropout));
      y = layers[i](join_frames(y, factor, join));
    }
    return y;
  }
  /// (T, B, I) to (ceil(T / frames_per_step()), B, O).
  Variable<scalar> operator()(const Variable<scalar>& x) const {
    detail::batch_of("Pyramid", x);
    return unpad((*this)(sequence(x)));
  }

  /// Input frames that one output step stands for: factor ^ levels.
  Index frames_per_step() const {
    Index n = 1;
    for (std::size_t i = 1; i < layers.size(); ++i) n *= factor;
    return n;
  }
  Index output_size() const { return layers.back().output_size(); }
  void each(auto&& visit) {
    visit("layers", layers), visit("factor", factor), visit("join", join), visit("dropout", dropout);
  }

  std::vector<Layer> layers;
  Index factor;
  JoinFrames join;
  double dropout;
};

}  // namespace unroll
