// The shapes of tasks: one to one, one to many, many to one, many to many of equal and of different length. Each learns
// a toy task that the same model without the part in question cannot.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "unroll/nn/attention.hpp"
#include "unroll/nn/bidirectional.hpp"
#include "unroll/nn/check/gradcheck.hpp"
#include "unroll/nn/decode/one_to_many.hpp"
#include "unroll/nn/decode/seq2seq.hpp"
#include "unroll/nn/gru.hpp"
#include "unroll/nn/linear.hpp"
#include "unroll/nn/lstm.hpp"
#include "unroll/nn/rnn.hpp"
#include "unroll/ops/losses.hpp"
#include "unroll/optim/adam.hpp"
#include "unroll/optim/clip.hpp"

using namespace unroll;

namespace {

using Symbols = std::vector<Index>;
using Numbers = std::vector<double>;
using Gru = Rnn<GRUCell<float>>;

Index best_of(const Variable<float>& logits, Index row) {
  const auto width = static_cast<std::size_t>(logits.dim(-1));
  const auto v = logits.values().subspan(static_cast<std::size_t>(row) * width, width);
  return std::max_element(v.begin(), v.end()) - v.begin();
}

/// `updates` steps of Adam on loss(); the rate falls to a tenth over the last third.
template <class Loss>
void train(Tape<float>& tape, const ParameterList<float>& list, double lr, int updates, Loss&& loss) {
  Adam<float> adam(list, {.lr = lr});
  for (int i = 0; i < updates; ++i) {
    if (3 * i >= 2 * updates) adam.set_lr(lr / 10);
    Recording<float> scope(tape);
    tape.backward(loss(i));
    clip_grad_norm(list, 1.0);
    adam.step();
  }
}

std::vector<Symbols> random_lists(Index count, Index shortest, Index longest, Index kinds, Rng& rng) {
  std::vector<Symbols> lists;
  for (Index i = 0; i < count; ++i) {
    lists.emplace_back(static_cast<std::size_t>(shortest + rng.integer(longest - shortest + 1)));
    for (Index& s : lists.back()) s = rng.integer(kinds);
  }
  return lists;
}

Sequence<float> one_hot_steps(Tape<float>& tape, const std::vector<Symbols>& lists, Index kinds) {
  const PackedIds ids = pack_ids(tape, std::span<const Symbols>(lists));
  return {one_hot(Indices(ids.ids), kinds), ids.layout};
}

/// Share of steps whose likeliest class is the target.
double share_right(const Sequence<float>& logits, const std::vector<Symbols>& targets) {
  Index right = 0;
  for (std::size_t b = 0; b < targets.size(); ++b)
    for (std::size_t t = 0; t < targets[b].size(); ++t)
      right += best_of(logits.rows, logits.layout->first[t] + logits.layout->place[b]) == targets[b][t];
  return static_cast<double>(right) / static_cast<double>(logits.rows.dim(0));
}

}  // namespace

// ---- one to one ----------------------------------------------------------------------------------------------------

TEST_CASE("one to one: points in a ring, which no straight line parts from the others") {
  Rng rng(1);
  const Linear<float> hidden(2, 16, rng), out(16, 2, rng), line(2, 2, rng);
  const auto net = [&](const Variable<float>& x) { return out(tanh(hidden(x))); };
  const auto only_line = [&](const Variable<float>& x) { return line(x); };
  std::vector<float> x(128);
  Symbols inside(64);
  const auto draw = [&] {
    rng.fill_uniform(std::span<float>(x), -1, 1);
    for (std::size_t i = 0; i < 64; ++i) inside[i] = std::hypot(x[2 * i], x[2 * i + 1]) < 0.8f;
    return input(x, Shape{64, 2});
  };
  Tape<float> tape;
  const auto learn = [&](const auto& model, const ParameterList<float>& list) {
    train(tape, list, 0.02, 1000, [&](int) {
      const auto points = draw();
      return softmax_cross_entropy(model(points), std::span<const Index>(inside));
    });
    Index right = 0;
    for (int i = 0; i < 20; ++i) {
      Evaluation<float> scope(tape);
      const auto logits = model(draw());
      for (Index r = 0; r < 64; ++r) right += best_of(logits, r) == inside[static_cast<std::size_t>(r)];
    }
    return static_cast<double>(right) / 1280;
  };
  CHECK(learn(net, parameters(hidden, out)) > 0.95);
  CHECK(learn(only_line, parameters(line)) < 0.75);
}

// ---- one to many ---------------------------------------------------------------------------------------------------

TEST_CASE("one to many: a vector at every step says which wave to draw, for as long as asked") {
  // The vector: frequency, and phase as cosine and sine. Lengths from 0 to 24.
  Rng rng(2);
  const Gru rnn(3, 32, rng);
  const Linear<float> out(32, 1, rng);
  Tape<float> tape;
  std::vector<float> vectors;
  Symbols lengths;
  std::vector<std::vector<float>> waves;
  const auto draw = [&] {
    vectors.clear(), lengths.clear(), waves.clear();
    for (int b = 0; b < 16; ++b) {
      const float speed = rng.uniform(0.2f, 0.8f), phase = rng.uniform(0.f, 2 * std::numbers::pi_v<float>);
      vectors.insert(vectors.end(), {speed, std::cos(phase), std::sin(phase)});
      lengths.push_back(rng.integer(25));
      waves.emplace_back();
      for (Index t = 0; t < lengths.back(); ++t)
        waves.back().push_back(std::sin(phase + speed * static_cast<float>(t)));
    }
    return input(vectors, Shape{16, 3});
  };
  const auto error = [&](float known) {  // the mean square of a wave is 0.5
    const auto y = rnn(repeat_steps(draw() * known, lengths));
    return squared_error(out(y.rows), sequence(waves, 1).rows);
  };
  train(tape, parameters(rnn, out), 0.01, 1000, [&](int) { return error(1); });
  Evaluation<float> scope(tape);
  double with = 0, without = 0;
  for (int i = 0; i < 10; ++i) with += static_cast<double>(error(1).item()) / 10;
  for (int i = 0; i < 10; ++i) without += static_cast<double>(error(0).item()) / 10;
  CHECK(with < 0.02);
  CHECK(without > 0.3);
}

TEST_CASE("one to many: symbols written by their own feedback, the vector beside each") {
  // The vector says which of 4 symbols to write and how often, 0 to 5 times.
  constexpr Index kinds = 4, most = 5, end = kinds, begin = kinds + 1, vocabulary = kinds + 2;
  Rng rng(3);
  const Embedding<float> embed(vocabulary, 8, rng);
  const LSTMCell<float> cell(8 + kinds + 1, 24, rng);
  const Linear<float> out(24, vocabulary, rng);
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
  const auto step = [&](float known) {
    return conditioned_step(embed, cell, out, input(vectors, Shape{24, kinds + 1}) * known);
  };
  train(tape, parameters(embed, cell, out), 0.01, 400, [&](int) {
    return softmax_cross_entropy(teacher_forced(step(1), initial_state(cell, 24), begin, targets), targets);
  });
  const auto right = [&](float known, Index width) {
    Evaluation<float> scope(tape);
    const auto written = decode_beam(step(known), initial_state(cell, 24),
                                     {.begin = begin, .end = end, .max_length = 8, .width = width});
    int count = 0;
    for (std::size_t b = 0; b < 24; ++b)
      count += written[b][0].finished && Symbols(targets[b].begin(), targets[b].end() - 1) == written[b][0].symbols;
    return count;
  };
  CHECK(right(1, 1) == 24);
  CHECK(right(1, 3) == 24);
  CHECK(right(0, 1) <= 4);  // one string for all; the empty one is right four times
}

TEST_CASE("repeat_steps, append_to_steps: values, gradients, what they refuse") {
  Tape<double> tape;
  Recording<double> scope(tape);
  const auto v = input(Numbers{1.0, 2.0, 3.0, 4.0}, Shape{2, 2});
  CHECK(repeat_steps(v, 3).to_vector() == Numbers{1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4});
  CHECK(repeat_steps(v, 0).shape() == Shape{0, 2, 2});
  const auto ragged = repeat_steps(v, Symbols{1, 3});
  CHECK(ragged.lengths() == Symbols{1, 3});
  CHECK(padded(ragged).to_vector() == Numbers{1, 2, 3, 4, 0, 0, 3, 4, 0, 0, 3, 4});
  const auto x = input(Numbers{7.0, 8.0}, Shape{1, 2, 1});
  CHECK(append_to_steps(x, v).to_vector() == Numbers{7, 1, 2, 8, 3, 4});
  CHECK(append_to_steps(sequence(x, Symbols{0, 1}), v).rows.to_vector() == Numbers{8, 3, 4});
  CHECK_THROWS_WITH_AS(repeat_steps(v, -1), "[repeat_steps] -1 steps; expected 0 or more", ValueError);
  CHECK_THROWS_WITH_AS(repeat_steps(x, 2), "[repeat_steps] v (1,2,1); expected (B,F)", ShapeError);
  CHECK_THROWS_WITH_AS(repeat_steps(v, Symbols{1}), "[repeat_steps] v (2,2); expected (1,F): one row a length",
                       ShapeError);
  CHECK_THROWS_WITH_AS(append_to_steps(ragged, narrow(v, 0, 0, 1)),
                       "[append_to_steps] v (1,2); expected (2,F): one row a sequence", ShapeError);
  CHECK_THROWS_WITH_AS(append_to_steps(v, v), "[append_to_steps] input (2,2); expected (T,B,F): steps, batch, features",
                       ShapeError);

  Rng rng(4);
  const Rnn<GRUCell<double>> rnn(4, 3, rng);
  const auto check_x = check_input("x", Shape{4, 3, 2}, 1), check_v = check_input("v", Shape{3, 2}, 2);
  CHECK(gradcheck([&](auto x, auto v) { return rnn(append_to_steps(x, v)); }, rnn, check_x, check_v));
  CHECK(gradcheck(
      [&](auto x, auto v) {
        return rnn(append_to_steps(sequence(x, Symbols{2, 0, 4}), v)).rows;
      },
      rnn, check_x, check_v));
  const Embedding<double> embed(5, 2, rng);
  const Linear<double> out(3, 5, rng);
  const std::vector<Symbols> targets = {{1, 2}, {}, {4, 4, 0}};
  CHECK(gradcheck(
      [&](auto v) {
        return teacher_forced(conditioned_step(embed, rnn.cell, out, v), initial_state(rnn.cell, 3), 0, targets).rows;
      },
      rnn.cell, check_v));
}

// ---- many to one ---------------------------------------------------------------------------------------------------

namespace {

/// Sequences of 1 to 15 symbols of 5, one of them marked: which? Share of right answers of `pool(layer(x))`.
template <class Layer, class PoolLayer>
double learn_marked(const Layer& layer, const PoolLayer& pooled, ParameterList<float> list, Rng& rng) {
  constexpr Index kinds = 5, batch = 32;
  Tape<float> tape;
  Symbols answers;
  const Linear<float> out(24, kinds, rng);
  for (const auto& p : parameters(out)) list.push_back(p);
  const auto logits = [&] {
    answers.clear();
    std::vector<std::vector<float>> x;
    for (const Symbols& s : random_lists(batch, 1, 15, kinds, rng)) {
      const auto marked = static_cast<std::size_t>(rng.integer(static_cast<Index>(s.size())));
      answers.push_back(s[marked]);
      x.emplace_back(s.size() * (kinds + 1));
      for (std::size_t t = 0; t < s.size(); ++t) x.back()[t * (kinds + 1) + static_cast<std::size_t>(s[t])] = 1;
      x.back()[marked * (kinds + 1) + kinds] = 1;
    }
    return out(pooled(layer(sequence(x, kinds + 1))));
  };
  train(tape, list, 0.01, 600, [&](int) {
    const auto y = logits();
    return softmax_cross_entropy(y, std::span<const Index>(answers));
  });
  Index right = 0;
  for (int i = 0; i < 16; ++i) {
    Evaluation<float> scope(tape);
    const auto y = logits();
    for (Index b = 0; b < batch; ++b) right += best_of(y, b) == answers[static_cast<std::size_t>(b)];
  }
  return static_cast<double>(right) / (16 * batch);
}

}  // namespace

TEST_CASE("many to one: last, mean, maximum and attention say which symbol was marked") {
  Rng rng(5);
  const auto last_of = [](const Sequence<float>& x) { return last(x); };
  const auto mean_of = [](const Sequence<float>& x) { return pool(x, Pool::mean); };
  const auto max_of = [](const Sequence<float>& x) { return pool(x, Pool::max); };
  const auto recurrent = [&](const auto& pooled) {
    const Gru rnn(6, 24, rng);
    return learn_marked(rnn, pooled, parameters(rnn), rng);
  };
  CHECK(recurrent(last_of) > 0.95);
  CHECK(recurrent(mean_of) > 0.95);
  CHECK(recurrent(max_of) > 0.95);
  const AttentionPool<float> attention(24, 8, rng);
  const Gru rnn(6, 24, rng);
  CHECK(learn_marked(rnn, attention, parameters(rnn, attention), rng) > 0.95);

  // Without the layer over time the mean of the steps has lost which one was marked; attention has not.
  const Linear<float> frames(6, 24, rng);
  const auto by_step = [&](const Sequence<float>& x) { return x.with(frames(x.rows)); };
  CHECK(learn_marked(by_step, mean_of, parameters(frames), rng) < 0.7);
  CHECK(learn_marked(by_step, attention, parameters(frames, attention), rng) > 0.95);
}

TEST_CASE("last and pool of a tensor are those of its sequences") {
  Tape<double> tape;
  Recording<double> scope(tape);
  const auto x = input(Numbers{1.0, 2.0, 5.0, 0.0, 3.0, 4.0}, Shape{3, 2, 1});
  CHECK(last(x).to_vector() == Numbers{3, 4});
  CHECK(pool(x, Pool::mean).to_vector() == Numbers{3, 2});
  CHECK(pool(x, Pool::max).to_vector() == Numbers{5, 4});
}

// ---- many to many, equal length ------------------------------------------------------------------------------------

TEST_CASE("many to many of equal length: a tag for every step, by what was before and by what comes") {
  constexpr Index kinds = 5;
  Rng rng(6);
  Tape<float> tape;
  // Targets: has this symbol stood here before (time 0), or will it come again (time 1)?
  const auto tags = [](const std::vector<Symbols>& lists, bool later) {
    std::vector<Symbols> out;
    for (const Symbols& s : lists) {
      out.emplace_back();
      for (auto i = s.begin(); i != s.end(); ++i)
        out.back().push_back(later ? std::find(i + 1, s.end(), *i) != s.end() : std::find(s.begin(), i, *i) != i);
    }
    return out;
  };
  const auto learn = [&](const auto& layer, bool later) {
    const Linear<float> out(layer.output_size(), 2, rng);
    const auto logits = [&](const std::vector<Symbols>& lists) {
      const auto y = layer(one_hot_steps(tape, lists, kinds));
      return y.with(out(y.rows));
    };
    train(tape, parameters(layer, out), 0.01, 500, [&](int) {
      const auto lists = random_lists(16, 0, 10, kinds, rng);
      return softmax_cross_entropy(logits(lists), tags(lists, later));
    });
    const auto fresh = random_lists(500, 0, 10, kinds, rng);
    Evaluation<float> scope(tape);
    return share_right(logits(fresh), tags(fresh, later));
  };
  const auto forwards = [&] { return Gru(kinds, 16, rng); };
  CHECK(learn(forwards(), false) > 0.98);
  CHECK(learn(forwards(), true) < 0.8);  // it has not seen what comes
  CHECK(learn(Bidirectional<Gru>(kinds, 16, rng), true) > 0.98);
}

// ---- many to many, different lengths -------------------------------------------------------------------------------

namespace {

constexpr Index digits = 4, end = 4, begin = 5, vocabulary = 6;

/// Digits 1 to 3, at most 4 of them, and each written as often as it says: 3 1 -> 3 3 3 1 end.
struct Spelled {
  std::vector<Symbols> sources, targets;
  Spelled(Index count, Rng& rng) : sources(random_lists(count, 0, 4, digits - 1, rng)) {
    for (Symbols& s : sources) {
      targets.emplace_back();
      for (Index& d : s) targets.back().insert(targets.back().end(), static_cast<std::size_t>(++d), d);
      targets.back().push_back(end);
    }
  }
};

/// Share of whole strings right, read greedily. `over(sources)` gives the step and the start of the decoder.
template <class Over>
double learn_spelling(const ParameterList<float>& list, int updates, Rng& rng, Over&& over) {
  Tape<float> tape;
  TeacherForcing forcing{.rng = Rng(1)};
  train(tape, list, 0.01, updates, [&](int i) {
    const Spelled batch(16, rng);
    const auto [step, start] = over(tape, batch.sources);
    forcing.probability = forcing_linear(i, 1.0 / updates, 1, 0.5);
    return softmax_cross_entropy(teacher_forced(step, start, begin, batch.targets, &forcing), batch.targets);
  });
  const Spelled fresh(300, rng);
  Evaluation<float> scope(tape);
  const auto [step, start] = over(tape, fresh.sources);
  const auto read = decode_greedy(step, start, {.begin = begin, .end = end, .max_length = 16});
  Index right = 0;
  for (std::size_t b = 0; b < read.size(); ++b)
    right += read[b].finished && Symbols(fresh.targets[b].begin(), fresh.targets[b].end() - 1) == read[b].symbols;
  return static_cast<double>(right) / 300;
}

template <class Attention>
double learn_with_attention(Attention attention, bool sees_source, Rng& rng) {
  const Bidirectional<Gru> encoder(vocabulary, 16, rng);
  const AttentionDecoder<GRUCell<float>, Attention> decoder(vocabulary, 8, 32, 32, std::move(attention), rng);
  return learn_spelling(parameters(encoder, decoder), 900, rng, [&](Tape<float>& tape, std::vector<Symbols> sources) {
    if (!sees_source)
      for (Symbols& s : sources) std::fill(s.begin(), s.end(), 0);  // how many, but not which
    const auto memory = decoder.attention.memory(encoder(one_hot_steps(tape, sources, vocabulary)));
    return std::pair(decoder.over(memory), decoder.start(static_cast<Index>(sources.size())));
  });
}

}  // namespace

TEST_CASE("many to many of different lengths: additive and dot attention, input feeding, scheduled sampling") {
  Rng rng(7);
  CHECK(learn_with_attention(AdditiveAttention<float>(32, 32, 16, rng), true, rng) > 0.9);
  CHECK(learn_with_attention(DotAttention<float>(), true, rng) > 0.9);
  CHECK(learn_with_attention(DotAttention<float>(), false, rng) < 0.5);
}

TEST_CASE("many to many of different lengths: an encoder's final state starts the decoder") {
  Rng rng(8);
  const Gru encoder(vocabulary, 48, rng);
  const Embedding<float> embed(vocabulary, 8, rng);
  const GRUCell<float> cell(8, 48, rng);
  const Linear<float> out(48, vocabulary, rng);
  const auto right = learn_spelling(parameters(encoder, embed, cell, out), 900, rng,
                                    [&](Tape<float>& tape, const std::vector<Symbols>& sources) {
                                      const auto read = encoder.run(one_hot_steps(tape, sources, vocabulary));
                                      return std::pair(cell_step(embed, cell, out), read.final_state);
                                    });
  CHECK(right > 0.8);
}
