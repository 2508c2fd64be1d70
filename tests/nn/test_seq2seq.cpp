// Encoder-decoder: teacher forcing, scheduled sampling, attention with input feeding, one to many; and that they learn.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "unroll/nn/bidirectional.hpp"
#include "unroll/nn/check/gradcheck.hpp"
#include "unroll/nn/decode/seq2seq.hpp"
#include "unroll/nn/gru.hpp"
#include "unroll/nn/lstm.hpp"
#include "unroll/nn/rnn.hpp"
#include "unroll/ops/losses.hpp"
#include "unroll/optim/adam.hpp"
#include "unroll/optim/clip.hpp"

using namespace unroll;

namespace {

using Symbols = std::vector<Index>;
constexpr Index digits = 10, end = 10, begin = 11, vocabulary = 12;

// An encoder of both directions, and a decoder that attends to it.
template <class C, class Attention>
struct Translator {
  using scalar = typename C::scalar;
  Embedding<scalar> words;
  Bidirectional<Rnn<C>> encoder;
  AttentionDecoder<C, Attention> decoder;

  Translator(Index embedding, Index hidden, Attention attention, Rng& rng)
      : words(vocabulary, embedding, rng),
        encoder(embedding, hidden, rng),
        decoder(vocabulary, embedding, hidden, 2 * hidden, std::move(attention), rng) {}
  void each(auto&& visit) { visit("words", words), visit("encoder", encoder), visit("decoder", decoder); }

  AttentionMemory<scalar> read(const std::vector<Symbols>& sources) const {
    const PackedIds ids = pack_ids(*current_tape<scalar>, std::span<const Symbols>(sources));
    return decoder.attention.memory(encoder(Sequence<scalar>{words(Indices(ids.ids)), ids.layout}));
  }
};

// Random digit strings of 0 to `longest` digits, and each backwards with the end behind it.
struct Strings {
  std::vector<Symbols> sources, targets;
  Strings(Index count, Index longest, Rng& rng) {
    for (Index i = 0; i < count; ++i) {
      Symbols s(static_cast<std::size_t>(rng.integer(longest + 1)));
      for (Index& d : s) d = rng.integer(digits);
      sources.push_back(s);
      std::reverse(s.begin(), s.end());
      s.push_back(end);
      targets.push_back(s);
    }
  }
};

}  // namespace

TEST_CASE("teacher forcing: the logits of a ragged batch are those of one by one, and score as decode_forced says") {
  Rng rng(1);
  const Embedding<double> embed(5, 3, rng);
  const LSTMCell<double> cell(3, 4, rng);
  const Linear<double> out(4, 5, rng);
  const auto step = cell_step(embed, cell, out);
  const std::vector<Symbols> targets = {{1, 2}, {}, {4, 4, 4, 0, 1}, {3, 0}};
  Tape<double> tape;
  Recording<double> scope(tape);
  const auto start = random_state(cell, 4, rng);
  const Sequence<double> logits = teacher_forced(step, start, 0, targets);
  CHECK(logits.rows.shape() == Shape{9, 5});
  CHECK(logits.lengths() == Symbols{2, 0, 5, 2});
  const auto forced = decode_forced(step, start, 0, targets);
  const double loss = softmax_cross_entropy(logits, targets, {.reduction = Reduction::sum}).item();
  double total = 0;
  for (const Scored& s : forced) total -= s.log_prob;
  CHECK(loss == doctest::Approx(total).epsilon(1e-12));
  for (Index b = 0; b < 4; ++b) {
    const auto& target = targets[static_cast<std::size_t>(b)];
    if (target.empty()) continue;
    const auto own = teacher_forced(step, take_state_rows(start, Symbols{b}), 0, std::vector<Symbols>{target});
    CHECK(softmax_cross_entropy(own, std::vector<Symbols>{target}, {.reduction = Reduction::sum}).item() ==
          doctest::Approx(-forced[static_cast<std::size_t>(b)].log_prob).epsilon(1e-12));
  }
  CHECK(teacher_forced(step, start, 0, std::vector<Symbols>(4)).rows.size() == 0);
  CHECK_THROWS_WITH_AS(teacher_forced(step, start, 0, std::vector<Symbols>(3)),
                       "[teacher_forced] 3 targets for 4 rows of the initial state", ShapeError);
}

TEST_CASE("gradients through teacher forcing, attention, input feeding and the encoder, ragged on both sides") {
  Rng rng(2);
  const std::vector<Symbols> sources = {{1, 2}, {}, {4, 0, 4}}, targets = {{1}, {2, 3, 10}, {0, 10, 11}};
  const auto check = [&](const auto& model) {
    CHECK(gradcheck(
        [&] {
          const auto memory = model.read(sources);
          return teacher_forced(model.decoder.over(memory), model.decoder.start(3), begin, targets).rows;
        },
        model));
  };
  check(Translator<GRUCell<double>, AdditiveAttention<double>>(2, 2, AdditiveAttention<double>(2, 4, 3, rng), rng));
  check(Translator<LSTMCell<double>, GeneralAttention<double>>(2, 2, GeneralAttention<double>(2, 4, rng), rng));
}

TEST_CASE("a batch of sources decodes as one by one through attention, greedily and by beam") {
  Rng rng(3);
  const Translator<GRUCell<double>, AdditiveAttention<double>> model(4, 6, AdditiveAttention<double>(6, 12, 5, rng),
                                                                     rng);
  const std::vector<Symbols> sources = {{1, 2, 3}, {}, {4, 0, 4, 9, 9}, {7}};
  Tape<double> tape;
  Evaluation<double> scope(tape);
  const auto memory = model.read(sources);
  const BeamOptions beam{.begin = begin, .end = end, .max_length = 8, .width = 3, .n_best = 2, .coverage = 0.1};
  const auto all = decode_beam(model.decoder.over(memory), model.decoder.start(4), beam);
  const auto greedy =
      decode_greedy(model.decoder.over(memory), model.decoder.start(4), {.begin = begin, .end = end, .max_length = 8});
  for (std::size_t b = 0; b < 4; ++b) {
    const auto one = model.read({sources[b]});
    const auto own = decode_beam(model.decoder.over(one), model.decoder.start(1), beam)[0];
    REQUIRE(own.size() == 2);
    for (std::size_t k = 0; k < 2; ++k) {
      CHECK(all[b][k].symbols == own[k].symbols);
      CHECK(all[b][k].score == doctest::Approx(own[k].score).epsilon(1e-10));
    }
    CHECK(greedy[b].symbols == decode_greedy(model.decoder.over(one), model.decoder.start(1),
                                             {.begin = begin, .end = end, .max_length = 8})[0]
                                   .symbols);
  }
}

TEST_CASE("a decoder with dropout: other logits in every training step, the same ones in use") {
  Rng rng(3);
  const AttentionDecoder<GRUCell<double>, DotAttention<double>> decoder(vocabulary, 4, 6, 6, DotAttention<double>(),
                                                                        rng, {.dropout = 0.5});
  const std::vector<double> memory_values(12, 0.5);
  const auto logits = [&] {
    const auto memory = decoder.attention.memory(input(memory_values, Shape{2, 1, 6}));
    const auto y = teacher_forced(decoder.over(memory), decoder.start(1), begin, std::vector<Symbols>{{1, 2, 3}});
    return std::vector<double>(y.rows.values().begin(), y.rows.values().end());
  };
  Tape<double> tape;
  const auto in_training = [&] {
    Recording<double> scope(tape);
    return logits();
  };
  const auto in_use = [&] {
    Evaluation<double> scope(tape);
    return logits();
  };
  CHECK(in_training() != in_training());
  CHECK(in_use() == in_use());
  CHECK_THROWS_WITH_AS((AttentionDecoder<GRUCell<double>, DotAttention<double>>(
                           vocabulary, 4, 6, 6, DotAttention<double>(), rng, {.dropout = 1.5})),
                       "[AttentionDecoder] dropout is 1.500000; expected 0 .. 1", ValueError);
}

TEST_CASE("scheduled sampling feeds the true symbol as often as it says, from its own generator") {
  // The model always says 3, the truth is 1.
  Symbols fed;
  const auto step = [&fed](const Variable<double>& state, std::span<const Index> previous) {
    fed.insert(fed.end(), previous.begin(), previous.end());
    std::vector<double> logits;
    for (std::size_t r = 0; r < previous.size(); ++r) logits.insert(logits.end(), {0, 0, 0, 4});
    return std::pair(input(logits, Shape{static_cast<Index>(previous.size()), 4}), state);
  };
  Tape<double> tape;
  const std::vector<Symbols> targets(2, Symbols(2001, 1));
  const auto shares = [&](TeacherForcing forcing) {
    Recording<double> scope(tape);
    fed.clear();
    teacher_forced(step, zeros<double>(Shape{2, 1}), 0, targets, &forcing);
    std::vector<double> share(4);
    for (const Index s : std::span(fed).subspan(2)) share[static_cast<std::size_t>(s)] += 1.0 / 4000;
    return share;
  };
  CHECK(shares({})[1] == doctest::Approx(1));
  CHECK(shares({.probability = 0})[3] == doctest::Approx(1));
  const auto half = shares({.probability = 0.7, .rng = Rng(5)});
  CHECK(half[1] == doctest::Approx(0.7).epsilon(0.04));
  CHECK(half[1] + half[3] == doctest::Approx(1));
  const auto drawn = shares({.probability = 0, .sample = true, .rng = Rng(5)});
  CHECK(drawn[3] == doctest::Approx(std::exp(4) / (3 + std::exp(4))).epsilon(0.02));
  CHECK(drawn[0] > 0);
  CHECK(shares({.probability = 0.7, .rng = Rng(5)}) == half);

  CHECK(forcing_linear(0, 0.01) == 1);
  CHECK(forcing_linear(30, 0.01) == doctest::Approx(0.7));
  CHECK(forcing_linear(300, 0.01, 1, 0.25) == 0.25);
  CHECK(forcing_exponential(3, 0.9) == doctest::Approx(0.729));
  CHECK(forcing_inverse_sigmoid(0, 20) == doctest::Approx(20.0 / 21));
  CHECK(forcing_inverse_sigmoid(60, 20) == doctest::Approx(20 / (20 + std::exp(3.0))));
}

TEST_CASE("learns to write digit strings backwards, read greedily and by beam") {
  constexpr Index longest = 6, hidden = 32, batch = 32;
  Rng rng(1);
  Translator<GRUCell<float>, AdditiveAttention<float>> model(
      16, hidden, AdditiveAttention<float>(hidden, 2 * hidden, hidden, rng), rng);
  Adam<float> adam(parameters(model), {.lr = 5e-3});
  Tape<float> tape;
  TeacherForcing forcing;
  for (Index i = 0; i < 1200; ++i) {
    const Strings strings(batch, longest, rng);
    forcing.probability = forcing_linear(i, 0.001, 1, 0.5);
    adam.set_lr(i < 800 ? 5e-3 : 1e-3);
    Recording<float> scope(tape);
    const auto memory = model.read(strings.sources);
    const auto logits =
        teacher_forced(model.decoder.over(memory), model.decoder.start(batch), begin, strings.targets, &forcing);
    tape.backward(softmax_cross_entropy(logits, strings.targets));
    clip_grad_norm(parameters(model), 1.0);
    adam.step();
  }

  const Strings fresh(200, longest, rng);
  Evaluation<float> scope(tape);
  const auto memory = model.read(fresh.sources);
  const auto start = model.decoder.start(200);
  const auto greedy = decode_greedy(model.decoder.over(memory), start, {.begin = begin, .end = end, .max_length = 10});
  const auto beam =
      decode_beam(model.decoder.over(memory), start, {.begin = begin, .end = end, .max_length = 10, .width = 4});
  int right_greedy = 0, right_beam = 0;
  for (std::size_t b = 0; b < 200; ++b) {
    Symbols answer(fresh.sources[b].rbegin(), fresh.sources[b].rend());
    right_greedy += greedy[b].finished && greedy[b].symbols == answer;
    right_beam += beam[b][0].finished && beam[b][0].symbols == answer;
  }
  MESSAGE("whole strings right of 200: greedy " << right_greedy << ", beam " << right_beam);
  CHECK(right_greedy >= 196);
  CHECK(right_beam >= 196);
}

TEST_CASE("one to many: a vector becomes the initial state, and a sequence is written from it") {
  // The vector says which digit to write and how often: (digit one-hot, count / 5).
  constexpr Index kinds = 4, most = 5;
  Rng rng(1);
  const Embedding<float> embed(vocabulary, 8, rng);
  const LSTMCell<float> cell(8, 24, rng);
  const StateFrom<LSTMCell<float>> state_from(kinds + 1, cell, rng);
  const Linear<float> out(24, vocabulary, rng);
  CHECK(state_from.members.size() == 2);
  const auto step = cell_step(embed, cell, out);
  Adam<float> adam(parameters(embed, cell, state_from, out), {.lr = 1e-2});
  Tape<float> tape;
  std::vector<float> vectors;
  std::vector<Symbols> targets;
  for (Index d = 0; d < kinds; ++d)
    for (Index n = 0; n <= most; ++n) {
      for (Index k = 0; k < kinds; ++k) vectors.push_back(k == d ? 1.f : 0.f);
      vectors.push_back(static_cast<float>(n) / most);
      targets.emplace_back(static_cast<std::size_t>(n), d);
      targets.back().push_back(end);
    }
  const auto count = static_cast<Index>(targets.size());
  const auto start = [&] { return state_from(input(vectors, Shape{count, kinds + 1})); };
  for (int i = 0; i < 300; ++i) {
    Recording<float> scope(tape);
    tape.backward(softmax_cross_entropy(teacher_forced(step, start(), begin, targets), targets));
    adam.step();
  }
  Evaluation<float> scope(tape);
  const auto written = decode_greedy(step, start(), {.begin = begin, .end = end, .max_length = 12});
  int right = 0;
  for (std::size_t b = 0; b < written.size(); ++b)
    right += written[b].finished && Symbols(targets[b].begin(), targets[b].end() - 1) == written[b].symbols;
  CHECK(right == 24);

  const LSTMCell<double> small(2, 3, rng);
  const StateFrom<LSTMCell<double>> from(4, small, rng);
  CHECK(gradcheck([&](auto v) { return from(v); }, from, check_input("v", Shape{2, 4}, 1)));
}
