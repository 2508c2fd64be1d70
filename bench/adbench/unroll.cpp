// In unroll, as a user writes it: the layer is a cell whose step is one `map`, everything else is done for all steps at
// once.

#include <algorithm>

#include "problem.hpp"
#include "unroll/core/from_blob.hpp"
#include "unroll/nn/lstm.hpp"
#include "unroll/nn/module.hpp"
#include "unroll/nn/rnn.hpp"
#include "unroll/ops/map.hpp"
#include "unroll/ops/reduce.hpp"

namespace adbench {
namespace {

using namespace unroll;

using Vector = Parameter<double>;

struct Cell {
  using scalar = double;
  using state = LSTMState<double>;

  Vector w_f, w_i, w_o, w_g, b_f, b_i, b_o, b_g;

  explicit Cell(Index units)
      : w_f(Shape{units}),
        w_i(Shape{units}),
        w_o(Shape{units}),
        w_g(Shape{units}),
        b_f(Shape{units}),
        b_i(Shape{units}),
        b_o(Shape{units}),
        b_g(Shape{units}) {}
  Index output_size() const { return w_f.size(); }
  state step(Variable<double> x, const state& s) const {
    const auto [h, c] = map(
        [](auto x, auto h, auto c, auto wf, auto wi, auto wo, auto wg, auto bf, auto bi, auto bo, auto bg) {
          const auto next = c * sigmoid(x * wf + bf) + sigmoid(h * wi + bi) * tanh(h * wg + bg);
          return std::pair(sigmoid(x * wo + bo) * tanh(next), next);
        },
        x, s.h, s.c, w_f, w_i, w_o, w_g, b_f, b_i, b_o, b_g);
    return {h, c};
  }
  void each(auto&& visit) {
    visit("w_f", w_f), visit("w_i", w_i), visit("w_o", w_o), visit("w_g", w_g);
    visit("b_f", b_f), visit("b_i", b_i), visit("b_o", b_o), visit("b_g", b_g);
  }
};

struct Model {
  using scalar = double;
  std::vector<Rnn<Cell>> layers;
  Vector w_in, w_out, b_out;

  explicit Model(const Problem& p) : w_in(Shape{p.units}), w_out(Shape{p.units}), b_out(Shape{p.units}) {
    for (Index k = 0; k < p.layers; ++k) layers.emplace_back(Cell(p.units));
  }
  void each(auto&& visit) {
    visit("layers", layers), visit("w_in", w_in), visit("w_out", w_out), visit("b_out", b_out);
  }
};

class Unroll : public Contender {
 public:
  explicit Unroll(const Problem& p) : p_(p), model_(p), parameters_(parameters(model_)) {
    const double* from = p.weights.data();
    for (const auto& parameter : parameters_) {
      std::copy_n(from, parameter.storage->shape.size(), parameter.storage->value);
      from += parameter.storage->shape.size();
    }
    bits_.resize(static_cast<std::size_t>(p.steps - 1));  // of each vector but the first
    const auto b = static_cast<std::size_t>(p.units);
    for (std::size_t k = b; k < p.sequence.size(); ++k) bits_[k / b - 1] += p.sequence[k];
  }

  double loss() override {
    const Evaluation<double> look(tape_);
    return record().item();
  }

  double gradient(std::vector<double>& gradient) override {
    const Recording<double> step(tape_);
    const Variable<double> loss = record();
    tape_.backward(loss);
    double* to = gradient.data();
    for (const auto& parameter : parameters_) {
      to = std::copy_n(parameter.storage->grad, parameter.storage->shape.size(), to);
      parameter.storage->clear_grad();
    }
    return loss.item();
  }

 private:
  Variable<double> record() const {
    const Index steps = p_.steps - 1, b = p_.units;
    const auto there = [](const std::vector<double>& all, Index from, const Shape& shape) {
      return from_blob(std::span(all).subspan(static_cast<std::size_t>(from), static_cast<std::size_t>(shape.size())),
                       shape);
    };
    Variable<double> x =
        map([](auto s, auto w) { return s * w; }, there(p_.sequence, 0, Shape{steps, 1, b}), model_.w_in);
    Index from = 0;
    for (const Rnn<Cell>& layer : model_.layers) {
      const LSTMState<double> initial = {there(p_.state, from, Shape{1, b}), there(p_.state, from + b, Shape{1, b})};
      x = layer.run(x, initial).outputs;
      from += 2 * b;
    }
    const auto y = map([](auto h, auto w, auto bias) { return h * w + bias; }, x, model_.w_out, model_.b_out);
    const auto next = there(p_.sequence, b, y.shape());
    const auto log_sum = map([](auto sum, auto bits) { return bits * log(2.0 + exp(sum)); }, logsumexp(y, -1),
                             from_blob(bits_, Shape{steps, 1}));
    return (sum(log_sum) - sum(next * y)) * (1 / static_cast<double>(steps * b));
  }

  const Problem& p_;
  Model model_;
  ParameterList<double> parameters_;
  std::vector<double> bits_;
  mutable Tape<double> tape_;
};

}  // namespace

std::unique_ptr<Contender> make_unroll(const Problem& p) { return std::make_unique<Unroll>(p); }

}  // namespace adbench
