#pragma once
/// \file
/// The model with which RLtools (github.com/rl-tools/rl-tools) measures its GRU on text, and who trains it.

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace text_gru {

/// Bytes -> Embedding(256, 32) -> GRU(64) -> Linear(32) -> Linear(256) -> cross-entropy at every step, averaged; Adam
/// with the rate 0.003. The sizes are those of the README beside RLtools' GRU tests ("Performance").
inline constexpr std::ptrdiff_t classes = 256, batch = 32, steps = 64, embedding = 32, hidden = 64;

/// Parameters as unroll keeps them, in its order, which both start from.
using Weights = std::vector<std::vector<float>>;

/// One way of training it.
class Contender {
 public:
  virtual ~Contender() = default;
  /// One update by a batch: bytes (steps, batch) and those that follow them.
  virtual void step(const std::vector<std::ptrdiff_t>& bytes, const std::vector<std::ptrdiff_t>& next) = 0;
  /// The loss of that batch before the update.
  virtual double loss() = 0;
};

/// `weights` is filled with what it starts from.
std::unique_ptr<Contender> make_unroll(Weights& weights);
/// With tanh and sigmoid as they are, or as RLtools approximates them (by a fraction, off by up to 0.02).
std::unique_ptr<Contender> make_rltools(const Weights& weights);
std::unique_ptr<Contender> make_rltools_approximate(const Weights& weights);
/// The same with RLtools' products by OpenBLAS.
std::unique_ptr<Contender> make_rltools_blas(const Weights& weights);
std::unique_ptr<Contender> make_rltools_blas_approximate(const Weights& weights);

}  // namespace text_gru
