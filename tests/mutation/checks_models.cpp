// Layers put together: stacks, the classical network, a language model.

#include "checks.hpp"
#include "unroll/nn/bidirectional.hpp"
#include "unroll/nn/bptt/recompute.hpp"
#include "unroll/nn/cells/classic_rnn.hpp"
#include "unroll/nn/embedding.hpp"
#include "unroll/nn/gru.hpp"
#include "unroll/nn/linear.hpp"
#include "unroll/nn/lstm.hpp"
#include "unroll/nn/pyramid.hpp"
#include "unroll/nn/sequence.hpp"
#include "unroll/nn/stack.hpp"
#include "unroll/ops/elementwise.hpp"
#include "unroll/ops/linear.hpp"
#include "unroll/ops/losses.hpp"
#include "unroll/ops/reduce.hpp"

namespace unroll::mutation {
namespace {

GradcheckReport stack_of_two() {
  Rng rng(1);
  const Stack<Rnn<GRUCell<double>>> stack(3, 2, rng, {.layers = 2});
  return gradcheck(
      [&](Var x, Var a, Var b) {
        return stack.run(x, {a, b});
      },
      stack, check_input("x", Shape{3, 2, 3}, 2), check_input("state 0", Shape{2, 2}, 3),
      check_input("state 1", Shape{2, 2}, 4));
}

GradcheckReport stack_with_dropout() {
  Rng rng(5);
  return gradcheck(Stack<Rnn<LSTMCell<double>>>(3, 4, rng, {.layers = 2, .dropout = 0.4}),
                   check_input("x", Shape{3, 2, 3}, 6));
}

GradcheckReport classic() {
  Rng rng(7);
  const ClassicRnn<double, Tanh, Sigmoid> net(3, 2, 4, rng);
  return gradcheck(
      [&](Var x, Var a) {
        const auto r = net(x, a);
        return std::vector{r.states, r.outputs, r.final_state};
      },
      net, check_input("x", Shape{4, 2, 3}, 8), check_input("a0", Shape{2, 2}, 9));
}

// Sequences of different lengths, both directions, neighbouring steps joined.
GradcheckReport pyramid() {
  Rng rng(11);
  const Pyramid<Rnn<GRUCell<double>>> net(3, 2, rng, {.levels = 1});
  return gradcheck([&](Var x) { return net(sequence(x, {3, 4, 1})).rows; }, net, check_input("x", Shape{4, 3, 3}, 12));
}

GradcheckReport both_directions() {
  Rng rng(13);
  const Bidirectional<Rnn<LSTMCell<double>>> net(3, 2, rng);
  return gradcheck(
      [&](Var x) {
        const auto y = net(sequence(x, {3, 4, 1}));
        return std::vector{y.rows, last(y), pool(y, Pool::mean), padded(y)};
      },
      net, check_input("x", Shape{4, 3, 3}, 14));
}

struct LanguageModel {
  using scalar = double;

  explicit LanguageModel(Rng& rng) : embedding(5, 3, rng), lstm(3, 4, rng), output(4, 5, rng) {}
  void each(auto&& visit) { visit("embedding", embedding), visit("lstm", lstm), visit("output", output); }

  Embedding<double> embedding;
  Rnn<LSTMCell<double>> lstm;
  Linear<double> output;
};

GradcheckReport language_model() {
  Rng rng(10);
  const LanguageModel m(rng);
  return gradcheck(
      [&] {
        const Index text[] = {0, 3, 1, 3, 4, 2, 2, 0}, next[] = {1, 3, 4, 2, 2, 0, 1, 4};
        const Var y = m.output(m.lstm(m.embedding(Indices(std::span<const Index>(text)), Shape{4, 2})));
        return softmax_cross_entropy(y, std::span<const Index>(next));
      },
      m);
}

// Segments that are computed again; with dropout, a loss in each, and the input captured.
GradcheckReport segments() {
  Rng rng(15);
  const Stack<Rnn<LSTMCell<double>>> stack(3, 2, rng, {.layers = 2, .dropout = 0.3});
  return gradcheck(
      [&](Var x, Var h, Var c) {
        const std::vector<LSTMState<double>> start{{h, c}, {c, h}};
        const auto [loss, last] =
            recompute_over_time(5, start, [&stack, x](Index begin, Index end, const std::vector<LSTMState<double>>& s) {
              const auto r = stack.run(narrow(x, 0, begin, end - begin), s);
              return std::pair{sum(r.outputs * r.outputs), r.final_states};
            });
        return std::vector{loss, last[0].c, last[1].h};
      },
      stack, check_input("x", Shape{5, 2, 3}, 16), check_input("h0", Shape{2, 2}, 17),
      check_input("c0", Shape{2, 2}, 18));
}

// Of what is computed again only the second result is used.
GradcheckReport second_result() {
  const Weights w(2, 3, 19);
  return gradcheck(
      [&](Var x) {
        const auto both = [&w](const Var& v) {
          const Var y = linear(v, use(w.weight), use(w.bias));
          return std::array{y, y * y};
        };
        return recompute(both, x)[1];
      },
      w, check_input("x", Shape{4, 3}, 20));
}

}  // namespace

void model_checks(Checks& checks) {
  const Check all[] = {
      {"model/stack", stack_of_two},
      {"model/stack_with_dropout", stack_with_dropout},
      {"model/classic", classic},
      {"model/pyramid", pyramid},
      {"model/bidirectional", both_directions},
      {"model/language_model", language_model},
      {"model/recompute", segments},
      {"model/recompute_second_result", second_result},
  };
  checks.insert(checks.end(), std::begin(all), std::end(all));
}

}  // namespace unroll::mutation
