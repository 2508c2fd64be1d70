// One cell that the library does not know, in ten lines, through everything the library has for cells.

#include <doctest/doctest.h>

#include <cmath>

#include "unroll/nn/bptt/carry.hpp"
#include "unroll/nn/check/check_cell.hpp"
#include "unroll/nn/structured/crf.hpp"
#include "unroll/ops/map.hpp"

using namespace unroll;
namespace {
/// h' = h + sigmoid(W_g x + U_g h) * (tanh(W x + U h) - h): a user's cell.
template <class T = float>
struct MyCell {
  Linear<T> from_x, from_h;
  using scalar = T;
  using state = Variable<T>;
  MyCell(Index input_size, Index hidden_size, Rng& rng)
      : from_x(input_size, 2 * hidden_size, rng), from_h(hidden_size, 2 * hidden_size, rng) {}
  Index output_size() const { return from_h.input_size(); }
  Variable<T> project(Variable<T> x) const { return from_x(x); }
  state step(Variable<T> px, state h) const {
    const auto [xg, xn] = chunk<2>(px);
    const auto [hg, hn] = chunk<2>(from_h(h));
    return map([](auto xg, auto xn, auto hg, auto hn, auto h) { return h + sigmoid(xg + hg) * (tanh(xn + hn) - h); },
               xg, xn, hg, hn, h);
  }
  void each(auto&& visit) { visit("from_x", from_x), visit("from_h", from_h); }
};
/// The same with an error in its step: no gradient flows from one step to the one before.
template <class T = float>
struct CutCell : MyCell<T> {
  using MyCell<T>::MyCell;
  Variable<T> step(Variable<T> px, Variable<T> h) const { return MyCell<T>::step(px, stop_gradient(h)); }
};
}  // namespace

TEST_CASE("a user's cell through stack, both directions, pyramid, ragged, carry, beam search, CRF and check_cell") {
  CHECK(check_cell<MyCell>());
  const CellReport refused = check_cell<CutCell>();
  CHECK(!refused);
  CHECK(refused.find("gradients")->why.find("is 0 by backward") != std::string::npos);
  using Layer = Rnn<MyCell<double>>;
  Rng rng(1);
  const auto x = check_input("x", Shape{6, 4, 3}, 2);
  const std::vector<Index> lengths{4, 0, 6, 1};
  const Stack<Bidirectional<Layer>> stack(3, 4, rng, {.layers = 2, .link = Link::highway});
  const Pyramid<Bidirectional<Layer, SumDirections>> pyramid(8, 4, rng);
  const Linear<double> emit(8, 3, rng);
  const Crf<double> crf(3, rng);
  const std::vector<std::vector<Index>> tags{{0, 1, 2, 1}, {}, {2, 2, 1, 0, 0, 1}, {1}};
  CHECK(gradcheck(  // a tagger and a pyramid over one ragged batch
      [&](auto v) {
        const auto y = stack(sequence(v, lengths));
        return std::vector{crf.negative_log_likelihood(y.with(emit(y.rows)), tags), pool(pyramid(y), Pool::mean)};
      },
      stack, pyramid, emit, crf, x));
  Tape<double> tape;
  const Layer layer(3, 4, rng);
  Carry<Variable<double>> carry;  // three chunks of two steps are one of six
  std::vector<double> chunks, whole;
  for (Index chunk = 0; chunk < 3; ++chunk) {
    const Recording<double> scope(tape);
    const auto part = narrow(input(x.values, x.shape), 0, 2 * chunk, 2);
    const auto r = carry.empty() ? layer.run(part) : layer.run(part, carry.state());
    carry.assign(r.final_state);
    for (const double v : r.outputs.to_vector()) chunks.push_back(v);
  }
  const Evaluation<double> scope(tape);
  for (const double v : layer(input(x.values, x.shape)).to_vector())
    whole.push_back(std::abs(v - chunks[whole.size()]));
  CHECK(*std::ranges::max_element(whole) < 1e-14);
  const Embedding<double> embed(4, 3, rng);
  const Linear<double> output(4, 4, rng);
  const auto step = cell_step(embed, layer.cell, output);
  const BeamOptions options{.end = 1, .max_length = 3, .width = 64, .n_best = 64, .norm = LengthNorm::none};
  const auto all = decode_beam(step, initial_state(layer.cell, 1), options);  // as wide as the space
  double total = 0;
  for (const Hypothesis& h : all[0]) total += std::exp(h.log_prob);
  CHECK(all[0].size() == 1 + 3 + 9 + 27);
  CHECK(total == doctest::Approx(1));
}
