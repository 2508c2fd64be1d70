// Decoding: greedy, sampling, beam search, forced scoring and streaming, over cells and layers.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <vector>

#include "unroll/core/xt.hpp"
#include "unroll/nn/decode/decode.hpp"
#include "unroll/nn/embedding.hpp"
#include "unroll/nn/gru.hpp"
#include "unroll/nn/linear.hpp"
#include "unroll/nn/lstm.hpp"
#include "unroll/nn/rnn.hpp"
#include "unroll/nn/stack.hpp"

using namespace unroll;

namespace {

using Symbols = std::vector<Index>;

// A language model with strong opinions: weights far apart, so that hypotheses differ.
template <class C>
struct Model {
  using T = typename C::scalar;
  Embedding<T> embed;
  C cell;
  Linear<T> out;
  Model(Index vocabulary, Index hidden, std::uint64_t seed, Rng rng = Rng(0))
      : embed(vocabulary, 3, rng = Rng(seed)), cell(3, hidden, rng), out(hidden, vocabulary, rng) {
    for (T& w : out.weight.mutable_values()) w *= 6;
  }
  auto step() const { return cell_step(embed, cell, out); }
  auto start(Index rows, std::uint64_t seed = 5) const {
    Rng rng(seed);
    return random_state(cell, rows, rng);
  }
};
using Gru = Model<GRUCell<double>>;

// A step without memory of the past: always the same logits.
auto fixed(std::vector<double> logits) {
  return [logits](const Variable<double>& state, std::span<const Index> previous) {
    std::vector<double> all;
    for (std::size_t r = 0; r < previous.size(); ++r) all.insert(all.end(), logits.begin(), logits.end());
    const auto rows = static_cast<Index>(previous.size());
    return std::pair(input(all, Shape{rows, static_cast<Index>(logits.size())}), state);
  };
}

std::vector<double> softmax_of(std::vector<double> x, double temperature = 1) {
  double total = 0;
  for (double& v : x) total += v = std::exp(v / temperature);
  for (double& v : x) v /= total;
  return x;
}

// Every sequence that a decoder may give, with what decode_forced says of it.
struct Whole {
  Symbols symbols;
  bool finished;
  double log_prob, score;
};
template <class Step, class State>
std::vector<Whole> enumerate(const Step& step, const State& start, Index vocabulary, const BeamOptions& o) {
  std::vector<Whole> all;
  std::vector<Symbols> open = {{}};
  for (Index length = 1; length <= o.max_length; ++length) {
    std::vector<Symbols> longer;
    for (const Symbols& s : open)
      for (Index v = 0; v < vocabulary; ++v) {
        Symbols t = s;
        t.push_back(v);
        if (v == o.end || length == o.max_length) {
          const double p = decode_forced(step, start, o.begin, {t})[0].log_prob;
          const auto n = static_cast<double>(length);
          const double divisor = o.norm == LengthNorm::none      ? 1
                                 : o.norm == LengthNorm::average ? std::pow(n, o.alpha)
                                                                 : std::pow(5 + n, o.alpha) / std::pow(6, o.alpha);
          all.push_back({v == o.end ? s : t, v == o.end, p, p / divisor});
        } else {
          longer.push_back(t);
        }
      }
    open = longer;
  }
  std::stable_sort(all.begin(), all.end(), [](const Whole& a, const Whole& b) {
    return a.finished != b.finished ? a.finished : a.score > b.score;
  });
  return all;
}

}  // namespace

TEST_CASE("a step of a cell, fed a sequence, says what the layer says of it in one go") {
  const Gru model(5, 4, 1);
  Tape<double> tape;
  Evaluation<double> scope(tape);
  const auto start = model.start(1);
  const Symbols x = {2, 4, 0, 1, 3};
  const auto scored = decode_forced(model.step(), start, 2, {Symbols{4, 0, 1, 3}});

  Rng unused(1);
  Rnn<GRUCell<double>> layer(clone(model.cell));
  const auto h = layer.run(reshape(model.embed(Indices(x)), {5, 1, 3}), start).outputs;
  const auto log_probs = log_softmax(model.out(h)).to_vector();
  double total = 0;
  for (std::size_t t = 0; t + 1 < x.size(); ++t) {
    const double expected = log_probs[t * 5 + static_cast<std::size_t>(x[t + 1])];
    CHECK(scored[0].symbol_log_probs[t] == doctest::Approx(expected).epsilon(1e-12));
    total += expected;
  }
  CHECK(scored[0].log_prob == doctest::Approx(total).epsilon(1e-12));
}

TEST_CASE("forced scores of several sequences of any length are those of one by one") {
  const Gru model(5, 4, 2);
  Tape<double> tape;
  Evaluation<double> scope(tape);
  const auto start = model.start(4);
  const std::vector<Symbols> list = {{1, 2}, {}, {4, 4, 4, 0, 1, 2}, {3}};
  const auto scored = decode_forced(model.step(), start, 0, list);
  REQUIRE(scored.size() == 4);
  CHECK(scored[1].log_prob == 0);
  CHECK(scored[1].symbol_log_probs.empty());
  for (Index b = 0; b < 4; ++b) {
    const auto one =
        decode_forced(model.step(), take_state_rows(start, std::vector{b}), 0, {list[static_cast<std::size_t>(b)]});
    CHECK(scored[static_cast<std::size_t>(b)].log_prob == doctest::Approx(one[0].log_prob).epsilon(1e-12));
    CHECK(scored[static_cast<std::size_t>(b)].symbol_log_probs.size() == list[static_cast<std::size_t>(b)].size());
  }
  CHECK_THROWS_WITH_AS(decode_forced(model.step(), start, 0, {Symbols{1}}),
                       "[decode_forced] 1 sequences for 4 rows of the initial state", ShapeError);
  CHECK_THROWS_WITH_AS(decode_forced(model.step(), model.start(1), 0, {Symbols{1, 5}}),
                       "[decode_forced] symbol 5 at position 1 of sequence 0; expected 0 .. 4", ValueError);
}

TEST_CASE("greedy takes the most likely symbol, the first of several, and stops at the end") {
  Tape<double> tape;
  Evaluation<double> scope(tape);
  const auto state = zeros<double>(Shape{2, 1});
  const auto h = decode_greedy(fixed({0, 3, 3, -1}), state, {.max_length = 3});
  REQUIRE(h.size() == 2);
  CHECK(h[1].symbols == Symbols{1, 1, 1});
  CHECK_FALSE(h[1].finished);
  CHECK(h[1].log_prob == doctest::Approx(3 * std::log(softmax_of({0, 3, 3, -1})[1])));
  CHECK(h[1].score == h[1].log_prob);

  const auto ended = decode_greedy(fixed({0, 3, 3, -1}), state, {.end = 1, .max_length = 3});
  CHECK(ended[0].symbols.empty());
  CHECK(ended[0].finished);
  CHECK(ended[0].log_prob == doctest::Approx(std::log(softmax_of({0, 3, 3, -1})[1])));
  CHECK(decode_greedy(fixed({0, 1}), zeros<double>(Shape{0, 1})).empty());
}

TEST_CASE("a batch of sources is decoded as one by one, though they end at different lengths") {
  const Model<LSTMCell<double>> model(4, 5, 3);
  Tape<double> tape;
  Evaluation<double> scope(tape);
  const auto start = model.start(9);
  const auto greedy = decode_greedy(model.step(), start, {.begin = 1, .end = 0, .max_length = 12});
  const BeamOptions beam{.begin = 1, .end = 0, .max_length = 12, .width = 3, .n_best = 3};
  const auto beams = decode_beam(model.step(), start, beam);
  Rng rng(4), again(4);
  const auto samples = decode_sampling(model.step(), start, rng, {.begin = 1, .end = 0, .max_length = 12});
  std::vector<std::size_t> lengths;
  for (Index b = 0; b < 9; ++b) {
    const auto i = static_cast<std::size_t>(b);
    const auto own = take_state_rows(start, std::vector{b});
    const auto one = decode_greedy(model.step(), own, {.begin = 1, .end = 0, .max_length = 12});
    CHECK(greedy[i].symbols == one[0].symbols);
    CHECK(greedy[i].log_prob == doctest::Approx(one[0].log_prob).epsilon(1e-12));
    const auto one_beam = decode_beam(model.step(), own, beam);
    REQUIRE(beams[i].size() == one_beam[0].size());
    for (std::size_t k = 0; k < beams[i].size(); ++k) {
      CHECK(beams[i][k].symbols == one_beam[0][k].symbols);
      CHECK(beams[i][k].score == doctest::Approx(one_beam[0][k].score).epsilon(1e-12));
    }
    const auto one_sample = decode_sampling(model.step(), own, again, {.begin = 1, .end = 0, .max_length = 12});
    CHECK(samples[i].symbols == one_sample[0].symbols);
    lengths.push_back(greedy[i].symbols.size());
  }
  CHECK(*std::min_element(lengths.begin(), lengths.end()) < *std::max_element(lengths.begin(), lengths.end()));
}

TEST_CASE("a beam as wide as the space finds what brute force finds") {
  for (std::uint64_t seed = 1; seed <= 4; ++seed)
    for (const LengthNorm norm : {LengthNorm::none, LengthNorm::average, LengthNorm::wu})
      for (const Index end : {Index{2}, Index{-1}}) {
        CAPTURE(seed);
        CAPTURE(end);
        const Gru model(3, 4, seed);
        Tape<double> tape;
        Evaluation<double> scope(tape);
        const auto start = model.start(1, seed);
        const BeamOptions o{
            .begin = 1, .end = end, .max_length = 5, .width = 400, .n_best = 400, .norm = norm, .alpha = 0.8};
        const auto brute = enumerate(model.step(), start, 3, o);
        const auto found = decode_beam(model.step(), start, o)[0];
        REQUIRE(found.size() == brute.size());
        for (std::size_t k = 0; k < found.size(); ++k) {
          CHECK(found[k].score == doctest::Approx(brute[k].score).epsilon(1e-12));
          CHECK(found[k].log_prob == doctest::Approx(brute[k].log_prob).epsilon(1e-12));
          CHECK(found[k].finished == brute[k].finished);
          CHECK(found[k].symbols == brute[k].symbols);
        }
        // Stopping early changes nothing.
        BeamOptions few = o;
        few.n_best = 3;
        const auto best = decode_beam(model.step(), start, few)[0];
        REQUIRE(best.size() == 3);
        for (std::size_t k = 0; k < 3; ++k) CHECK(best[k].symbols == brute[k].symbols);
      }
}

TEST_CASE("a beam of width 1 is greedy") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const Gru model(4, 4, seed);
    Tape<double> tape;
    Evaluation<double> scope(tape);
    const auto start = model.start(3, seed);
    const auto greedy = decode_greedy(model.step(), start, {.begin = 1, .end = 0, .max_length = 8});
    const auto beam = decode_beam(model.step(), start, {.begin = 1, .end = 0, .max_length = 8, .width = 1});
    for (std::size_t b = 0; b < 3; ++b) {
      REQUIRE(beam[b].size() == 1);
      CHECK(beam[b][0].symbols == greedy[b].symbols);
      CHECK(beam[b][0].finished == greedy[b].finished);
      CHECK(beam[b][0].log_prob == doctest::Approx(greedy[b].log_prob).epsilon(1e-12));
    }
  }
}

TEST_CASE("a wider beam finds what greedy misses") {
  // Symbol 1 looks better at first, but only 2 leads to a sure continuation. State: the symbol before.
  const auto step = [](const Variable<double>&, std::span<const Index> previous) {
    std::vector<double> logits, state;
    for (const Index p : previous) {
      const std::vector<double> next = p == 0   ? std::vector<double>{-9, 0.6, 0.4, -9}
                                       : p == 1 ? std::vector<double>{0, 0, 0, 0}
                                                : std::vector<double>{-9, -9, -9, 9};
      logits.insert(logits.end(), next.begin(), next.end());
      state.push_back(0);
    }
    const auto rows = static_cast<Index>(previous.size());
    return std::pair(input(logits, Shape{rows, 4}), input(state, Shape{rows, 1}));
  };
  Tape<double> tape;
  Evaluation<double> scope(tape);
  const auto start = zeros<double>(Shape{1, 1});
  CHECK(decode_greedy(step, start, {.end = 3, .max_length = 6})[0].symbols[0] == 1);
  const auto beam = decode_beam(step, start, {.end = 3, .max_length = 6, .width = 2, .norm = LengthNorm::none});
  CHECK(beam[0][0].symbols == Symbols{2});
  CHECK(beam[0][0].finished);
}

TEST_CASE("a finished hypothesis keeps its place in the beam") {
  // Symbol 3 ends. Given time, {1, 2} would be the best by average: 0.55 * 0.4 * 1 over three symbols.
  const auto step = [](const Variable<double>& state, std::span<const Index> previous) {
    std::vector<double> logits;
    for (const Index p : previous) {
      const std::vector<double> after = p == 0   ? std::vector<double>{0, 0.55, 0, 0.45}
                                        : p == 1 ? std::vector<double>{0, 0, 0.4, 0.6}
                                                 : std::vector<double>{0, 0, 0, 1};
      for (const double q : after) logits.push_back(std::log(q));
    }
    const auto rows = static_cast<Index>(previous.size());
    return std::pair(input(logits, Shape{rows, 4}), state);
  };
  Tape<double> tape;
  Evaluation<double> scope(tape);
  BeamOptions o{.end = 3, .max_length = 5, .width = 2, .n_best = 2, .norm = LengthNorm::average, .alpha = 1};
  const auto narrow = decode_beam(step, zeros<double>(Shape{1, 1}), o)[0];
  REQUIRE(narrow.size() == 2);
  CHECK(narrow[0].symbols == Symbols{1});
  CHECK(narrow[1].symbols.empty());
  o.width = 3;
  CHECK(decode_beam(step, zeros<double>(Shape{1, 1}), o)[0][0].symbols == Symbols{1, 2});
}

TEST_CASE("ties go to the older hypothesis and the lower symbol") {
  Tape<double> tape;
  Evaluation<double> scope(tape);
  const auto beam =
      decode_beam(fixed({0, 0, 0}), zeros<double>(Shape{1, 1}), {.max_length = 2, .width = 4, .n_best = 4});
  REQUIRE(beam[0].size() == 4);
  CHECK(beam[0][0].symbols == Symbols{0, 0});
  CHECK(beam[0][1].symbols == Symbols{0, 1});
  CHECK(beam[0][2].symbols == Symbols{0, 2});
  CHECK(beam[0][3].symbols == Symbols{1, 0});
}

TEST_CASE("impossible symbols are never in a hypothesis") {
  const double no = -std::numeric_limits<double>::infinity();
  Tape<double> tape;
  Evaluation<double> scope(tape);
  const auto start = zeros<double>(Shape{1, 1});
  const auto beam = decode_beam(fixed({no, 0, no}), start, {.max_length = 3, .width = 4, .n_best = 4});
  REQUIRE(beam[0].size() == 1);  // fewer than asked for, since there are no more
  CHECK(beam[0][0].symbols == Symbols{1, 1, 1});
  CHECK(decode_beam(fixed({no, no}), start)[0].empty());
  CHECK_THROWS_WITH_AS(decode_greedy(fixed({no, no}), start),
                       "[decode_greedy] no symbol is possible in row 0: all logits are -inf", ValueError);
  CHECK_THROWS_WITH_AS(decode_greedy(fixed({0, std::nan("")}), start), "[decode_greedy] a logit of row 0 is NaN",
                       ValueError);
  CHECK_THROWS_WITH_AS(decode_beam(fixed({0, std::nan("")}), start), "[decode_beam] a logit of row 0 is NaN",
                       ValueError);
}

namespace {

// How often each symbol is drawn.
std::vector<double> frequencies(const std::vector<double>& logits, const SamplingOptions& o, int draws = 40000) {
  SymbolSampler sampler(o);
  Rng rng(7);
  std::vector<double> count(logits.size());
  for (int i = 0; i < draws; ++i)
    count[static_cast<std::size_t>(sampler(std::span<const double>(logits), rng))] += 1.0 / draws;
  return count;
}

}  // namespace

TEST_CASE("symbols are drawn as often as softmax says, at any temperature") {
  const std::vector<double> logits = {1.5, -0.5, 0.3, 2.0, -3.0};
  for (const double temperature : {1.0, 0.5, 2.5}) {
    const auto p = softmax_of(logits, temperature), f = frequencies(logits, {.temperature = temperature});
    for (std::size_t v = 0; v < p.size(); ++v)
      CHECK(std::abs(f[v] - p[v]) < 4.5 * std::sqrt(p[v] * (1 - p[v]) / 40000));
  }
  CHECK(frequencies(logits, {.temperature = 0}, 100)[3] == doctest::Approx(1));
}

TEST_CASE("top k and top p never draw outside, and keep the proportions inside") {
  const std::vector<double> logits = {1.5, -0.5, 0.3, 2.0, -3.0};  // p: 0.312, 0.042, 0.094, 0.515, 0.003 or so
  const auto p = softmax_of(logits);
  const auto expect = [&](const SamplingOptions& o, std::vector<std::size_t> kept) {
    const auto f = frequencies(logits, o);
    double total = 0;
    for (const std::size_t v : kept) total += p[v];
    for (std::size_t v = 0; v < p.size(); ++v) {
      const bool inside = std::find(kept.begin(), kept.end(), v) != kept.end();
      const double q = inside ? p[v] / total : 0;
      CHECK(std::abs(f[v] - q) <= 4.5 * std::sqrt(q * (1 - q) / 40000) + (inside ? 1e-9 : 0));
    }
  };
  expect({.top_k = 1}, {3});
  expect({.top_k = 2}, {0, 3});
  expect({.top_k = 9}, {0, 1, 2, 3, 4});
  expect({.top_p = 0.5}, {3});
  expect({.top_p = 0.6}, {0, 3});
  expect({.top_p = 0.9}, {0, 2, 3});
  expect({.top_p = 1e-9}, {3});
  CHECK(frequencies({0, 0}, {.top_p = 0.5}, 1000)[0] == doctest::Approx(1));  // reached exactly
  // Top p of what top k has left: of 0.312 and 0.515 the larger is 62 %.
  expect({.top_k = 2, .top_p = 0.6}, {3});
  expect({.top_k = 2, .top_p = 0.65}, {0, 3});
  // Ties: the lower symbols.
  const auto tied = frequencies({1, 1, 1, 1}, {.top_k = 2});
  CHECK(tied[0] + tied[1] == doctest::Approx(1));
}

TEST_CASE("the same seed draws the same symbols, another seed others") {
  const Gru model(6, 4, 3);
  Tape<double> tape;
  Evaluation<double> scope(tape);
  const auto draw = [&](std::uint64_t seed) {
    Rng rng(seed);
    return decode_sampling(model.step(), model.start(2), rng, {.max_length = 30, .temperature = 2});
  };
  CHECK(draw(1)[0].symbols == draw(1)[0].symbols);
  CHECK(draw(1)[1].symbols == draw(1)[1].symbols);
  CHECK(draw(1)[0].symbols != draw(2)[0].symbols);
  CHECK(draw(1)[0].symbols != draw(1)[1].symbols);
  // Rows that are alike draw differently all the same.
  Rng rng(1);
  const auto alike = decode_sampling(fixed({0, 0, 0, 0}), zeros<double>(Shape{2, 1}), rng, {.max_length = 30});
  CHECK(alike[0].symbols != alike[1].symbols);
  // What is reported is the model's own probability, whatever the temperature.
  const auto h = draw(1);
  const auto scored = decode_forced(model.step(), model.start(2), 0, {h[0].symbols, h[1].symbols});
  CHECK(h[0].log_prob == doctest::Approx(scored[0].log_prob).epsilon(1e-12));
  CHECK(h[1].log_prob == doctest::Approx(scored[1].log_prob).epsilon(1e-12));
}

TEST_CASE("layers decode as cells do; a stack has a state a layer") {
  Rng rng(3);
  const Embedding<float> embed(5, 3, rng);
  const Rnn<GRUCell<float>> rnn(3, 6, rng);
  const Linear<float> out(6, 5, rng);
  Tape<float> tape;
  Evaluation<float> scope(tape);
  const auto start = initial_state(rnn.cell, 2);
  const auto by_layer = decode_greedy(layer_step(embed, rnn, out), start, {.max_length = 7});
  const auto by_cell = decode_greedy(cell_step(embed, rnn.cell, out), start, {.max_length = 7});
  CHECK(by_layer[0].symbols == by_cell[0].symbols);
  CHECK(by_layer[0].log_prob == doctest::Approx(by_cell[0].log_prob));

  const Stack<Rnn<LSTMCell<float>>> stack(3, 6, rng, {.layers = 2});
  std::vector<LSTMState<float>> states;
  for (const auto& layer : stack.layers) states.push_back(initial_state(layer.cell, 2));
  const auto step = layer_step(embed, stack, out);
  const auto beam = decode_beam(step, states, {.max_length = 6, .width = 3, .n_best = 2});
  REQUIRE(beam[1].size() == 2);
  const auto scored = decode_forced(step, states, 0, {beam[0][0].symbols, beam[1][1].symbols});
  CHECK(beam[0][0].log_prob == doctest::Approx(scored[0].log_prob).epsilon(1e-5));
  CHECK(beam[1][1].log_prob == doctest::Approx(scored[1].log_prob).epsilon(1e-5));
}

TEST_CASE("a stream goes on with no scope open, in flat memory") {
  const Model<LSTMCell<float>> model(7, 16, 4);
  Tape<float> tape;
  auto stream = [&] {
    Evaluation<float> scope(tape);
    return DecodeStream(tape, model.step(), initial_state(model.cell, 1));
  }();
  Symbols all;
  Index symbol = 0;
  std::size_t reserved = 0;
  for (int t = 0; t < 2000; ++t) {
    const auto row = stream.feed(std::span<const Index>(&symbol, 1)).row(0);
    symbol = std::max_element(row.begin(), row.end()) - row.begin();
    all.push_back(symbol);
    if (t == 10) reserved = tape.bytes_reserved();
    if (t > 10) REQUIRE(tape.bytes_reserved() == reserved);
  }
  Evaluation<float> scope(tape);
  const auto greedy = decode_greedy(model.step(), initial_state(model.cell, 1), {.max_length = 2000});
  CHECK(greedy[0].symbols == all);
  CHECK(tape.bytes_reserved() == reserved);
  CHECK(stream.state().h.shape() == Shape{1, 16});
}

TEST_CASE("rows of a stream are dropped, ordered and doubled with their states") {
  const Gru model(4, 3, 5);
  Tape<double> tape;
  Evaluation<double> scope(tape);
  const auto start = model.start(3);
  DecodeStream stream(tape, model.step(), start);
  stream.feed(Symbols{0, 1, 2});
  const auto p = stream.feed(Symbols{3, 3, 1, 0}, Symbols{2, 2, 0, 2});
  REQUIRE(p.rows == 4);
  for (Index r = 0; r < 4; ++r) {
    const std::vector<Index> from = {2, 2, 0, 2}, first = {2, 2, 0, 2}, second = {3, 3, 1, 0};
    const auto i = static_cast<std::size_t>(r);
    DecodeStream one(tape, model.step(), take_state_rows(start, std::vector{from[i]}));
    one.feed(Symbols{first[i]});
    const auto q = one.feed(Symbols{second[i]});
    for (std::size_t v = 0; v < 4; ++v) CHECK(p.row(r)[v] == doctest::Approx(q.row(0)[v]).epsilon(1e-12));
  }
  CHECK_THROWS_WITH_AS(stream.feed(Symbols{1}), "[decode] 1 symbols for 4 rows of the state", ShapeError);
  CHECK_THROWS_WITH_AS(stream.feed(Symbols{1}, Symbols{4}), "[decode] parent 4; expected 0 .. 3", ValueError);
  CHECK(stream.rows() == 4);
}

TEST_CASE("a step is told which source each row continues, also when sources end") {
  // The source's number is the only symbol it can say; it ends after as many.
  std::vector<Symbols> seen;
  const auto step = [&seen](const Variable<double>& state, std::span<const Index> previous,
                            std::span<const Index> sources) {
    seen.emplace_back(sources.begin(), sources.end());
    std::vector<double> logits;
    const auto count = state.to_vector();
    std::vector<double> next;
    for (std::size_t r = 0; r < previous.size(); ++r) {
      for (Index v = 0; v < 4; ++v) {
        const bool over = count[r] >= static_cast<double>(sources[r]);
        logits.push_back(v == (over ? 0 : sources[r]) ? 5 : -5);
      }
      next.push_back(count[r] + 1);
    }
    const auto rows = static_cast<Index>(previous.size());
    return std::pair(input(logits, Shape{rows, 4}), input(next, Shape{rows, 1}));
  };
  Tape<double> tape;
  Evaluation<double> scope(tape);
  const auto h = decode_greedy(step, zeros<double>(Shape{4, 1}), {.begin = 0, .end = 0, .max_length = 9});
  for (Index b = 0; b < 4; ++b)
    CHECK(h[static_cast<std::size_t>(b)].symbols == Symbols(static_cast<std::size_t>(b), b));
  CHECK(seen == std::vector<Symbols>{{0, 1, 2, 3}, {1, 2, 3}, {2, 3}, {3}});
  const auto beams = decode_beam(step, zeros<double>(Shape{4, 1}), {.end = 0, .max_length = 9, .width = 3});
  for (Index b = 0; b < 4; ++b)
    CHECK(beams[static_cast<std::size_t>(b)][0].symbols == Symbols(static_cast<std::size_t>(b), b));
}

TEST_CASE("the coverage penalty prefers hypotheses that looked at all of the source") {
  // After a 2 the decoder looks at position 1, otherwise at position 0. A 1 is a little likelier than a 2.
  struct Attended {
    Variable<double> weights;
    struct Owner {
      const Index* segment;
    };
    const Owner* segments;
  };
  static std::vector<Index> owner;
  static Attended::Owner segments;
  const auto step = [](const Variable<double>& state, std::span<const Index> previous) {
    std::vector<double> logits, weights;
    owner.clear();
    for (std::size_t r = 0; r < previous.size(); ++r) {
      const bool first = previous[r] != 2;
      logits.insert(logits.end(), {-9, 1.0, 0.9});
      for (const double w : first ? std::vector<double>{0.9, 0.1} : std::vector<double>{0.1, 0.9})
        weights.push_back(w), owner.push_back(static_cast<Index>(r));
    }
    segments.segment = owner.data();
    const auto rows = static_cast<Index>(previous.size());
    return std::tuple(input(logits, Shape{rows, 3}), take_rows(state, std::vector<Index>(previous.size(), 0)),
                      Attended{input(weights, Shape{2 * rows}), &segments});
  };
  Tape<double> tape;
  Evaluation<double> scope(tape);
  const auto start = zeros<double>(Shape{1, 1});
  BeamOptions o{.max_length = 3, .width = 30, .n_best = 27, .norm = LengthNorm::none};
  const auto plain = decode_beam(step, start, o)[0];
  CHECK(plain[0].symbols == Symbols{1, 1, 1});
  CHECK(plain[0].score == plain[0].log_prob);
  o.coverage = 0.5;
  const auto covered = decode_beam(step, start, o)[0];
  CHECK(covered[0].symbols != plain[0].symbols);
  for (const Hypothesis& h : covered) {
    double at0 = 0, at1 = 0;
    Index before = 0;
    for (const Index s : h.symbols) {
      at0 += before != 2 ? 0.9 : 0.1, at1 += before != 2 ? 0.1 : 0.9;
      before = s;
    }
    const double penalty = 0.5 * (std::log(std::min(at0, 1.0)) + std::log(std::min(at1, 1.0)));
    CHECK(h.score == doctest::Approx(h.log_prob + penalty).epsilon(1e-12));
  }
  CHECK_THROWS_WITH_AS(decode_beam(fixed({0, 1}), start, {.coverage = 1}),
                       "[decode_beam] coverage needs a step that returns its attention as third", ValueError);
}

TEST_CASE("options out of range, steps of wrong shapes, no scope: errors that say so") {
  const auto step = fixed({0, 1});
  Tape<double> tape;
  {
    Evaluation<double> scope(tape);
    const auto start = zeros<double>(Shape{2, 1});
    CHECK_THROWS_WITH_AS(decode_greedy(step, start, {.max_length = 0}),
                         "[decode_greedy] max_length is 0; expected at least 1", ValueError);
    CHECK_THROWS_WITH_AS(decode_beam(step, start, {.width = 0}), "[decode_beam] width is 0; expected at least 1",
                         ValueError);
    CHECK_THROWS_WITH_AS(decode_beam(step, start, {.width = 2, .n_best = 3}),
                         "[decode_beam] n_best is 3; expected 1 .. width", ValueError);
    CHECK_THROWS_WITH_AS(decode_beam(step, start, {.alpha = -0.5}),
                         "[decode_beam] alpha is -0.5; expected a number >= 0", ValueError);
    Rng rng(1);
    CHECK_THROWS_WITH_AS(decode_sampling(step, start, rng, {.temperature = -1}),
                         "[SymbolSampler] temperature is -1; expected a number >= 0", ValueError);
    CHECK_THROWS_WITH_AS(SymbolSampler({.top_p = 0}), "[SymbolSampler] top_p is 0; expected 0 < top_p <= 1",
                         ValueError);
    CHECK_THROWS_WITH_AS(SymbolSampler({.top_k = -1}), "[SymbolSampler] top_k is -1; expected at least 0", ValueError);
    const auto wrong = [](const Variable<double>& s, std::span<const Index>) {
      return std::pair(zeros<double>(Shape{3, 2}), s);
    };
    CHECK_THROWS_WITH_AS(decode_greedy(wrong, start), "[decode] the step gave logits (3,2); expected (2,V)",
                         ShapeError);
    const auto shrinks = [](const Variable<double>& s, std::span<const Index>) {
      return std::pair(zeros<double>(Shape{2, 2}), narrow(s, 0, 0, 1));
    };
    CHECK_THROWS_WITH_AS(decode_greedy(shrinks, start), "[decode] the step gave a state of 1 rows; expected 2",
                         ShapeError);
    const double no = -std::numeric_limits<double>::infinity();
    SymbolSampler sampler;
    CHECK_THROWS_WITH_AS(sampler(std::span<const double>(std::vector{0.0, std::nan("")}), rng),
                         "[SymbolSampler] a logit is NaN", ValueError);
    CHECK_THROWS_WITH_AS(sampler(std::span<const double>(std::vector{no, no}), rng),
                         "[SymbolSampler] no symbol is possible: all logits are -inf", ValueError);
    CHECK_THROWS_WITH_AS(decode_greedy(step, zeros<double>(Shape{})),
                         "[decode] state 'h' has shape (); expected rows, one a hypothesis", ShapeError);
  }
  CHECK_THROWS_AS(decode_greedy(step, zeros<double>(Shape{1, 1})), NoScopeError);
}
