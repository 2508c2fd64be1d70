// LSTM variants beside their equations, and wrappers of cells and layers: what they compute, gradients, names, errors.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "unroll/nn/bidirectional.hpp"
#include "unroll/nn/bptt/carry.hpp"
#include "unroll/nn/cells/cell_wrappers.hpp"
#include "unroll/nn/cells/layer_norm_lstm.hpp"
#include "unroll/nn/cells/peephole_lstm.hpp"
#include "unroll/nn/cells/projected_lstm.hpp"
#include "unroll/nn/cells/weight_drop.hpp"
#include "unroll/nn/check/gradcheck.hpp"
#include "unroll/nn/gru.hpp"
#include "unroll/nn/rnn_cell.hpp"
#include "unroll/nn/stack.hpp"
#include "unroll/ops/map.hpp"

using namespace unroll;

namespace {

using Vector = std::vector<double>;
using Lengths = std::vector<Index>;

double sigma(double x) { return 1 / (1 + std::exp(-x)); }

/// W x of row-major W (rows, x.size()).
Vector product(std::span<const double> w, const Vector& x) {
  Vector y(w.size() / x.size());
  for (std::size_t i = 0; i < y.size(); ++i)
    for (std::size_t j = 0; j < x.size(); ++j) y[i] += w[i * x.size() + j] * x[j];
  return y;
}
Vector plus(Vector a, std::span<const double> b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] += b[i];
  return a;
}
/// (x - mean) / deviation * weight + bias.
Vector normed(const Vector& x, std::span<const double> weight, std::span<const double> bias = {}) {
  double mean = 0, variance = 0;
  const auto n = static_cast<double>(x.size());
  for (const double v : x) mean += v / n;
  for (const double v : x) variance += (v - mean) * (v - mean) / n;
  Vector y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i)
    y[i] = (x[i] - mean) / std::sqrt(variance + 1e-5) * weight[i] + (bias.empty() ? 0 : bias[i]);
  return y;
}
void check_close(const Vector& a, const Vector& b, double tolerance = 1e-13) {
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) CHECK(std::abs(a[i] - b[i]) <= tolerance);
}
Vector normal_values(Index n, std::uint64_t seed) { return check_input("", Shape{n}, seed).values; }
/// Parameters that are not all alike, gains and shifts included.
template <class M>
void randomise(M& module) {
  Rng rng(77);
  for (const auto& p : parameters(module))
    for (Index i = 0; i < p.storage->shape.size(); ++i) p.storage->value[i] += 0.3 * rng.normal();
}

constexpr Index in = 3, hidden = 4;

/// One step of the cell from random x, h, c, and of `equations(x, h, c)`, which gives h' and c'.
template <class C, class F>
void check_step(const C& cell, F&& equations) {
  Tape<double> tape;
  const Evaluation<double> scope(tape);
  const Vector x = normal_values(in, 1), h = normal_values(cell.output_size(), 2), c = normal_values(hidden, 3);
  const auto next = cell.step(cell.project(input(x, Shape{1, in})),
                              {input(h, Shape{1, cell.output_size()}), input(c, Shape{1, hidden})});
  const auto [h_next, c_next] = equations(x, h, c);
  check_close(next.h.to_vector(), h_next);
  check_close(next.c.to_vector(), c_next);
}

/// Over time, ragged, from given states, in both directions.
template <class C>
void check_gradient_over_time(const C& cell) {
  Tape<double> tape;
  std::vector<CheckInput> s;
  {
    const Evaluation<double> scope(tape);
    const auto start = initial_state(cell, 3);
    detail::visit_state(
        start, [&](const char* name, const auto& v) { s.push_back(check_input(name, v.shape(), 5 + s.size())); });
  }
  for (const bool reverse : {false, true}) {
    const Rnn<C> layer(clone(cell), {.reverse = reverse});
    const auto run = [&](const Variable<double>& x, auto... members) {
      const Variable<double> list[] = {members...};
      std::size_t k = 0;
      const auto state = detail::map_state(typename C::state{}, [&](const auto&) { return list[k++]; });
      return layer.run(sequence(x, Lengths{2, 4, 0}), state, {.all_states = true});
    };
    const auto x = check_input("x", Shape{4, 3, in}, 4);
    if constexpr (detail::is_variable<typename C::state>) {
      CHECK(gradcheck(run, layer, x, s[0]));
    } else {
      CHECK(gradcheck(run, layer, x, s[0], s[1]));
    }
    CHECK(gradcheck([&](auto v) { return layer.run(sequence(v, Lengths{2, 4, 0})); }, layer, x));
  }
}

}  // namespace

TEST_CASE("peephole LSTM") {
  Rng rng(1);
  PeepholeLSTMCell<double> cell(in, hidden, rng);
  check_step(cell, [&](const Vector& x, const Vector& h, const Vector& c) {
    const Vector a = plus(
        plus(plus(product(cell.weight_ih.values(), x), cell.bias_ih.values()), product(cell.weight_hh.values(), h)),
        cell.bias_hh.values());
    Vector h_next(hidden), c_next(hidden);
    for (std::size_t k = 0; k < hidden; ++k) {
      const double i = sigma(a[k] + cell.peephole_i.values()[k] * c[k]);
      const double f = sigma(a[hidden + k] + cell.peephole_f.values()[k] * c[k]);
      c_next[k] = f * c[k] + i * std::tanh(a[2 * hidden + k]);
      h_next[k] = sigma(a[3 * hidden + k] + cell.peephole_o.values()[k] * c_next[k]) * std::tanh(c_next[k]);
    }
    return std::pair(h_next, c_next);
  });
  check_gradient_over_time(cell);
  CHECK(parameter_count(cell) == 4 * hidden * (in + hidden + 2) + 3 * hidden);
}

TEST_CASE("coupled LSTM") {
  Rng rng(2);
  const CoupledLSTMCell<double> cell(in, hidden, rng, {.biases = Biases::one});
  check_step(cell, [&](const Vector& x, const Vector& h, const Vector& c) {
    const Vector a =
        plus(plus(product(cell.weight_ih.values(), x), cell.bias_ih.values()), product(cell.weight_hh.values(), h));
    Vector h_next(hidden), c_next(hidden);
    for (std::size_t k = 0; k < hidden; ++k) {
      const double i = sigma(a[k]);
      c_next[k] = (1 - i) * c[k] + i * std::tanh(a[hidden + k]);
      h_next[k] = sigma(a[2 * hidden + k]) * std::tanh(c_next[k]);
    }
    return std::pair(h_next, c_next);
  });
  check_gradient_over_time(cell);
  CHECK(parameter_count(cell) == 3 * hidden * (in + hidden + 1));
}

TEST_CASE("projected LSTM") {
  Rng rng(3);
  const ProjectedLSTMCell<double> cell(in, hidden, rng, {.proj_size = 3});
  check_step(cell, [&](const Vector& x, const Vector& h, const Vector& c) {
    const Vector a = plus(
        plus(plus(product(cell.weight_ih.values(), x), cell.bias_ih.values()), product(cell.weight_hh.values(), h)),
        cell.bias_hh.values());
    Vector inner(hidden), c_next(hidden);
    for (std::size_t k = 0; k < hidden; ++k) {
      c_next[k] = sigma(a[hidden + k]) * c[k] + sigma(a[k]) * std::tanh(a[2 * hidden + k]);
      inner[k] = sigma(a[3 * hidden + k]) * std::tanh(c_next[k]);
    }
    return std::pair(product(cell.weight_hr.values(), inner), c_next);
  });
  check_gradient_over_time(cell);
  CHECK(cell.hidden_size() == hidden);
  CHECK(cell.output_size() == 3);
  CHECK(cell.weight_hh.shape() == Shape{16, 3});
  CHECK(ProjectedLSTMCell<double>(in, 5, rng).output_size() == 3);
  CHECK(ProjectedLSTMCell<double>(in, 1, rng).output_size() == 1);
  CHECK_THROWS_WITH_AS(ProjectedLSTMCell<double>(in, 4, rng, {.proj_size = 4}),
                       "[ProjectedLSTMCell] proj_size is 4; expected 0 (half of hidden_size) or 1 .. 3", ValueError);
  CHECK_THROWS_AS(ProjectedLSTMCell<double>(in, 4, rng, {.proj_size = -1}), ValueError);
  CHECK_THROWS_AS(ProjectedLSTMCell<double>(in, 0, rng), ValueError);
}

TEST_CASE("layer-normalised LSTM") {
  Rng rng(4);
  LayerNormLSTMCell<double> cell(in, hidden, rng);
  randomise(cell);
  check_step(cell, [&](const Vector& x, const Vector& h, const Vector& c) {
    const Vector a =
        plus(normed(product(cell.weight_ih.values(), x), cell.norm_ih.weight.values(), cell.norm_ih.bias.values()),
             normed(product(cell.weight_hh.values(), h), cell.norm_hh.weight.values()));
    Vector h_next(hidden), c_next(hidden);
    for (std::size_t k = 0; k < hidden; ++k)
      c_next[k] = sigma(a[hidden + k]) * c[k] + sigma(a[k]) * std::tanh(a[2 * hidden + k]);
    const Vector n = normed(c_next, cell.norm_c.weight.values(), cell.norm_c.bias.values());
    for (std::size_t k = 0; k < hidden; ++k) h_next[k] = sigma(a[3 * hidden + k]) * std::tanh(n[k]);
    return std::pair(h_next, c_next);
  });
  check_gradient_over_time(cell);
  CHECK(parameters(cell).front().name == "weight_ih");
  CHECK(parameters(cell).back().name == "norm_c.bias");
}

TEST_CASE("zoneout keeps units while training, and their expectation elsewhere") {
  Rng rng(5);
  const Zoneout<LSTMCell<double>> cell(in, hidden, rng, {.probabilities = {0.25, 0.5}});
  const Vector x = normal_values(200 * in, 1), h = normal_values(200 * hidden, 2), c = normal_values(200 * hidden, 3);
  const auto look = [&](auto&& f) {
    const auto px = cell.project(input(x, Shape{200, in}));
    const LSTMState<double> s{input(h, Shape{200, hidden}), input(c, Shape{200, hidden})};
    f(cell.step(px, s), cell.cell.step(px, s));
  };
  Tape<double> tape(1);
  {
    const Recording<double> scope(tape);
    look([&](auto zoned, auto plain) {
      int kept[2] = {};
      int member = 0;
      for (const auto& [z, n, old] : {std::tuple(zoned.h, plain.h, h), std::tuple(zoned.c, plain.c, c)}) {
        for (std::size_t i = 0; i < old.size(); ++i) {
          const double v = z.values()[i];
          const bool is_old = std::abs(v - old[i]) < 1e-15, is_new = std::abs(v - n.values()[i]) < 1e-15;
          CHECK((is_old || is_new));
          kept[member] += is_old;
        }
        ++member;
      }
      CHECK(std::abs(kept[0] / 800. - 0.25) < 0.06);  // four deviations
      CHECK(std::abs(kept[1] / 800. - 0.5) < 0.08);
    });
  }
  {
    const Evaluation<double> scope(tape);
    look([&](auto zoned, auto plain) {
      for (std::size_t i = 0; i < h.size(); ++i) {
        CHECK(zoned.h.values()[i] == doctest::Approx(0.25 * h[i] + 0.75 * plain.h.values()[i]).epsilon(1e-12));
        CHECK(zoned.c.values()[i] == doctest::Approx(0.5 * c[i] + 0.5 * plain.c.values()[i]).epsilon(1e-12));
      }
    });
  }
  check_gradient_over_time(cell);
  check_gradient_over_time(Zoneout<GRUCell<double>>(in, hidden, rng));
  CHECK(parameters(cell).front().name == "cell.weight_ih");
  CHECK_THROWS_WITH_AS(Zoneout<GRUCell<double>>(in, hidden, rng, {.probabilities = {1.5}}),
                       "[Zoneout] a probability is 1.500000; expected 0 .. 1", ValueError);
  CHECK_THROWS_WITH_AS(Zoneout<GRUCell<double>>(in, hidden, rng, {.probabilities = {}}),
                       "[Zoneout] no probabilities; expected one, or one a member of the state", ValueError);
}

/// Puts out what it reads: the state it was given, and its input.
struct Reader {
  using scalar = double;
  using state = LSTMState<double>;
  Reader(Index, Index, Rng&) {}
  Index output_size() const { return in; }
  state initial_state(Index batch) const { return {full(Shape{batch, in}, 1.0), full(Shape{batch, in}, 1.0)}; }
  state step(Variable<double> x, const state& s) const {
    return {map([](auto a) { return a * 0.0 + 1.0; }, s.h), x * s.h};
  }
  Variable<double> output(const state& s) const { return s.c; }
  void each(auto&&) {}
};

TEST_CASE("variational dropout: one mask a sequence, the same at all steps, none in an Evaluation") {
  Rng rng(6);
  const auto check = [&](double inputs, double states) {
    VariationalDropout<Reader> cell(in, in, rng, {.inputs = inputs, .states = states});
    const Rnn<VariationalDropout<Reader>> layer(std::move(cell));
    const Vector ones(6 * 300 * in, 1.0);
    Lengths lengths(300, 6);
    lengths[7] = 0, lengths[8] = 2, lengths[100] = 3;
    Tape<double> tape(2);
    const auto look = [&] { return padded(layer(sequence(input(ones, Shape{6, 300, in}), lengths))).to_vector(); };
    Vector first, second;
    {
      const Recording<double> scope(tape);
      first = look(), second = look();
    }
    CHECK(first != second);  // drawn anew for every run
    const double kept = 1 / (1 - inputs) / (1 - states);
    int dropped = 0;
    for (std::size_t b = 0; b < 300; ++b)
      for (std::size_t f = 0; f < in; ++f) {
        const auto at = [&](std::size_t t) { return first[(t * 300 + b) * in + f]; };
        for (std::size_t t = 0; t < 6; ++t) {
          const bool there = static_cast<Index>(t) < lengths[b];
          CHECK(at(t) == doctest::Approx(there ? at(0) : 0.0));
          if (there) CHECK((at(t) == 0 || std::abs(at(t) - kept) < 1e-12));
        }
        dropped += at(0) == 0;
      }
    CHECK(std::abs(dropped / 900. - (1 - (1 - inputs) * (1 - states))) < 0.08);
    const Evaluation<double> scope(tape);
    const Vector all = look();
    CHECK(std::ranges::count(all, 0.0) == 3 * (6 + 4 + 3));
    CHECK(*std::ranges::max_element(all) == 1);
  };
  check(0.25, 0.4);
  check(0, 0.5);
  check(0.5, 0);

  for (const double inputs : {0.0, 0.3}) {
    const Rnn<VariationalDropout<LSTMCell<double>>> layer(
        VariationalDropout<LSTMCell<double>>(in, hidden, rng, {.inputs = inputs, .states = 0.3}));
    CHECK(gradcheck(
        [&](auto x) {
          return layer.run(sequence(x, Lengths{2, 4, 0}));
        },
        layer, check_input("x", Shape{4, 3, in}, 4)));
    CHECK(parameters(layer).front().name == "cell.cell.weight_ih");
    Tape<double> tape;
    Carry<MaskedState<LSTMState<double>, double>> carry;
    Vector mask;
    for (int chunk = 0; chunk < 2; ++chunk) {  // a state carried on has the same masks
      const Recording<double> scope(tape);
      const auto x = full(Shape{2, 5, in}, 0.5);
      const auto r = carry.empty() ? layer.run(x) : layer.run(x, carry.state());
      carry.assign(r.final_state);
      if (chunk == 1) CHECK(r.final_state.state_mask.to_vector() == mask);
      mask = r.final_state.state_mask.to_vector();
      CHECK(mask.size() == 5 * hidden);
      const auto s = random_state(layer.cell, 4, rng);
      for (const double m : s.state_mask.to_vector()) CHECK((m == 0 || m == doctest::Approx(1 / 0.7)));
    }
  }
  CHECK_THROWS_WITH_AS((VariationalDropout<Reader>(in, in, rng, {.inputs = -1})),
                       "[VariationalDropout] inputs is -1.000000; expected 0 .. 1", ValueError);
}

TEST_CASE("residual cells add their input") {
  Rng rng(7);
  const Rnn<Residual<GRUCell<double>>> layer(hidden, hidden, rng);
  const Rnn<GRUCell<double>> plain(clone(layer.cell.cell));
  Tape<double> tape;
  {
    const Evaluation<double> scope(tape);
    const auto x = input(normal_values(3 * 2 * hidden, 1), Shape{3, 2, hidden});
    check_close(layer(x).to_vector(), (plain(x) + x).to_vector());
  }
  CHECK(gradcheck(
      [&](auto x) {
        return layer.run(sequence(x, Lengths{2, 4, 0}));
      },
      layer, check_input("x", Shape{4, 3, hidden}, 4)));
  CHECK_THROWS_WITH_AS((Residual<GRUCell<double>>(3, 4, rng)),
                       "[Residual] the cell reads 3 features and puts out 4; expected as many", ShapeError);
}

TEST_CASE("trainable initial states start where the cell does and are learned") {
  Rng rng(8);
  Rnn<TrainableInitialState<LSTMCell<double>>> layer(in, hidden, rng);
  const Rnn<LSTMCell<double>> plain(clone(layer.cell.cell));
  CHECK(parameters(layer).back().name == "cell.initial.1");
  Tape<double> tape;
  {
    const Evaluation<double> scope(tape);
    const auto x = input(normal_values(3 * 2 * in, 1), Shape{3, 2, in});
    CHECK(layer(x).to_vector() == plain(x).to_vector());
  }
  randomise(layer);
  CHECK(gradcheck(
      [&](auto x) {
        return layer.run(sequence(x, Lengths{2, 4, 0}));
      },
      layer, check_input("x", Shape{4, 3, in}, 4)));
  const TrainableInitialState<Reader> ones(in, in, rng);
  CHECK(ones.initial[1].values()[2] == 1);
}

TEST_CASE("weight drop: one mask a run, shared by steps and sequences, undone after it") {
  Rng rng(9);
  using Layer = WeightDrop<Rnn<RNNCell<double, Identity>>>;
  const Layer layer(1, 200, rng, {.probability = 0.3});
  auto& cell = layer.layer.cell;
  const Vector ones(200, 1.0);
  const auto all = [&] {  // W_hh times a vector of ones, from x = 0 (biases subtracted)
    const auto h = layer.run(zeros<double>(Shape{1, 2, 1}), full(Shape{2, 200}, 1.0)).final_state;
    return h;
  };
  Tape<double> tape(3);
  Vector expected;
  {
    const Evaluation<double> scope(tape);
    expected = all().to_vector();
    const auto plain = layer.layer.run(zeros<double>(Shape{1, 2, 1}), full(Shape{2, 200}, 1.0)).final_state;
    CHECK(plain.to_vector() == expected);
  }
  {
    const Recording<double> scope(tape);
    const auto a = all().to_vector(), b = all().to_vector();
    CHECK(a != b);
    CHECK(Vector(a.begin(), a.begin() + 200) == Vector(a.begin() + 200, a.end()));  // both sequences alike
    CHECK(use(cell.weight_hh).values()[0] == cell.weight_hh.values()[0]);
  }
  {
    const Recording<double> scope(tape);
    auto h = all();
    tape.backward(detail::weighted_sum({h}));
    CHECK(cell.weight_hh.has_grad());
    const auto zero = std::ranges::count(cell.weight_hh.grads(), 0.0);
    CHECK(std::abs(static_cast<double>(zero) / 40000 - 0.3) < 0.02);
  }
  const auto x = check_input("x", Shape{4, 3, in}, 4);
  const auto check = [&](const auto& module) {
    CHECK(gradcheck([&](auto v) { return module(sequence(v, Lengths{2, 4, 0})); }, module, x));
  };
  check(WeightDrop<Rnn<LSTMCell<double>>>(in, hidden, rng));
  check(WeightDrop<Rnn<GRUCell<double>>>(in, hidden, rng, {.probability = 1}));
  check(Bidirectional<WeightDrop<Rnn<LSTMCell<double>>>>(in, hidden, rng));
  check(Stack<WeightDrop<Rnn<Zoneout<LSTMCell<double>>>>>(in, hidden, rng, {.layers = 2}));
  check(WeightDrop<WeightDrop<Rnn<LSTMCell<double>>>>(in, hidden, rng));
  const WeightDrop<Rnn<LSTMCell<double>>> twice(in, in, rng);
  CHECK(gradcheck([&](auto v) { return twice(twice(v)); }, twice, x));  // two runs in one Recording, two masks
  CHECK(parameters(twice).front().name == "cell.weight_ih");
  CHECK_THROWS_WITH_AS((WeightDrop<Rnn<LSTMCell<double>>>(in, 4, rng, {.name = "weight"})),
                       "[WeightDrop] no parameter of the layer is called 'weight'", ValueError);
  CHECK_THROWS_WITH_AS((WeightDrop<Rnn<LSTMCell<double>>>(in, 4, rng, {.probability = 2})),
                       "[WeightDrop] probability is 2.000000; expected 0 .. 1", ValueError);
}
