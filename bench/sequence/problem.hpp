#pragma once
/// \file
/// The workloads: sizes, random data and initial weights, the same for every contender.

#include <string>
#include <vector>

#include "unroll/core/shape.hpp"

namespace bench {

using unroll::Index;
using Floats = std::vector<float>;

struct Size {
  const char* name;
  Index batch, steps, input, hidden, output;
};

inline constexpr Size sizes[] = {{"XS", 1, 50, 32, 32, 16},
                                 {"S", 1, 100, 128, 128, 64},
                                 {"M", 16, 100, 128, 128, 64},
                                 {"L", 32, 100, 256, 256, 128},
                                 {"XL", 64, 100, 512, 512, 256}};
inline constexpr Size sampling_size{"", 1, 1, 128, 512, 128};

/// Gates of the cell: what its weights are stacked of.
enum Cell : Index { tanh_rnn = 1, lstm = 4 };

/// Weights of a recurrent layer in PyTorch's layout: w_ih (G*H, I), w_hh (G*H, H), b_ih and b_hh (G*H).
struct LayerWeights {
  Index gates, input, hidden;
  Floats w_ih, w_hh, b_ih, b_hh;
};
/// w (O, H), b (O).
struct OutputWeights {
  Index hidden, output;
  Floats w, b;
};

/// W1 to W4, W6: a class at every step of B sequences of T steps. The loss is summed over time and a mean over the
/// batch.
struct Labelling {
  Labelling(const Size& size, Cell cell);

  Size size;
  Cell cell;
  Floats x;                   // (T, B, I)
  std::vector<Index> target;  // (T, B)
  LayerWeights layer;
  OutputWeights out;
  double lr = 1e-3;
};

/// W7: a tag for every word of ragged sequences, both directions. The loss is the mean over words.
struct Tagging {
  Tagging();

  Index batch = 32, input = 100, hidden = 128, output = 9, words = 0;
  std::vector<Index> length;               // (B)
  std::vector<Floats> x;                   // (B) of (length, I)
  std::vector<std::vector<Index>> target;  // (B) of (length)
  LayerWeights fwd, bwd;
  OutputWeights out;
  double lr = 0.1;

  std::vector<Index> by_length() const;  ///< which sequence is the longest, the next...
};

}  // namespace bench
