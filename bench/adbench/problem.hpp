#pragma once
/// \file
/// The LSTM objective of ADBench (github.com/microsoft/ADBench): its numbers, and who computes it.

#include <complex>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace adbench {

/// An LSTM whose weights are vectors: each of b units sees itself alone, in each of l layers, over c vectors of b bits.
///
///     x = w_in * s_t                                      (the next vector s_{t+1} is to be told from s_0 .. s_t)
///     f = sigmoid(x w_f + b_f)    i = sigmoid(h w_i + b_i)    o = sigmoid(x w_o + b_o)    g = tanh(h w_g + b_g)
///     c' = f c + i g              h' = o tanh(c')         of each layer; x of the next one is h' of the one before
///     y = w_out h' + b_out
///     loss = - 1/((c - 1) b) sum_t sum_k s_{t+1,k} (y_k - log(2 + sum_j exp(y_j)))
struct Problem {
  std::ptrdiff_t layers = 0, steps = 0, units = 0;
  std::vector<double> weights;   // of each layer w_f, w_i, w_o, w_g, b_f, b_i, b_o, b_g; then w_in, w_out, b_out
  std::vector<double> state;     // of each layer h and c before the first step
  std::vector<double> sequence;  // (steps, units)

  std::size_t size() const { return static_cast<std::size_t>(8 * layers * units + 3 * units); }
};

/// Reads a file of ADBench's data/lstm. Throws std::runtime_error when there is none or it is cut short.
Problem read_problem(const std::string& path);
/// One of the given sizes from random numbers, for those who have no such file.
Problem random_problem(std::ptrdiff_t layers, std::ptrdiff_t steps, std::ptrdiff_t units);

/// The loss, as the equations say it, in any scalar: of those who differentiate by operator overloading.
template <class S>
S loss_of(const Problem& p, const std::vector<S>& weights) {
  using std::exp, std::log, std::tanh;
  const auto sigmoid = [](const S& x) -> S { return 1.0 / (1.0 + exp(-x)); };
  const auto b = static_cast<std::size_t>(p.units), l = static_cast<std::size_t>(p.layers);
  std::vector<S> state(p.state.begin(), p.state.end()), y(b);
  const S* in = weights.data() + 8 * l * b;
  S total = 0.0;
  for (std::size_t t = 0; t + 1 < static_cast<std::size_t>(p.steps); ++t) {
    const double *now = p.sequence.data() + t * b, *next = now + b;
    for (std::size_t k = 0; k < b; ++k) {
      S x = now[k] * in[k];
      for (std::size_t layer = 0; layer < l; ++layer) {
        const S* w = weights.data() + 8 * b * layer + k;
        S &h = state[2 * b * layer + k], &c = state[2 * b * layer + b + k];
        c = c * sigmoid(x * w[0] + w[4 * b]) + sigmoid(h * w[b] + w[5 * b]) * tanh(h * w[3 * b] + w[7 * b]);
        h = sigmoid(x * w[2 * b] + w[6 * b]) * tanh(c);
        x = h;
      }
      y[k] = x * in[b + k] + in[2 * b + k];
    }
    S sum = 2.0;
    for (const S& v : y) sum += exp(v);
    const S log_sum = log(sum);
    for (std::size_t k = 0; k < b; ++k)
      if (next[k] != 0) total += next[k] * (y[k] - log_sum);
  }
  return -total / static_cast<double>((p.steps - 1) * p.units);
}

/// One way of computing the loss and its gradient by all weights.
class Contender {
 public:
  virtual ~Contender() = default;
  virtual double loss() = 0;
  /// Writes the gradient, in the order of Problem::weights; returns the loss.
  virtual double gradient(std::vector<double>& gradient) = 0;
};

using Maker = std::unique_ptr<Contender> (*)(const Problem&);
std::unique_ptr<Contender> make_unroll(const Problem&);
std::unique_ptr<Contender> make_adolc(const Problem&);
std::unique_ptr<Contender> make_cppad(const Problem&);
/// ADBench's own code: its hand-written gradient, and Tapenade's.
std::unique_ptr<Contender> make_manual(const Problem&);
std::unique_ptr<Contender> make_tapenade(const Problem&);

}  // namespace adbench
