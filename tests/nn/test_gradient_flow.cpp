// Looking at gradients through time: contributions by step, gradients by state, singular values of Jacobians.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "unroll/nn/cells/cell_wrappers.hpp"
#include "unroll/nn/cells/weight_drop.hpp"
#include "unroll/nn/gru.hpp"
#include "unroll/nn/inspect/gradient_flow.hpp"
#include "unroll/nn/inspect/singular_values.hpp"
#include "unroll/nn/linear.hpp"
#include "unroll/nn/lstm.hpp"
#include "unroll/nn/rnn_cell.hpp"
#include "unroll/nn/stack.hpp"
#include "unroll/ops/reduce.hpp"

using namespace unroll;

namespace {

constexpr Index kSteps = 5, kBatch = 2, kInputs = 3, kHidden = 4;

/// A user's cell whose members are not computed side by side: h' comes from c', and `bias` stays what it is.
template <class T = double>
struct OwnCell {
  Linear<T> from_x, from_h;
  using scalar = T;
  struct state {
    Variable<T> h, c, bias;
    void each(auto&& visit) { visit("h", h), visit("c", c), visit("bias", bias); }
  };
  OwnCell(Index input_size, Index hidden_size, Rng& rng)
      : from_x(input_size, hidden_size, rng), from_h(hidden_size, hidden_size, rng) {}
  Index output_size() const { return from_h.output_size(); }
  state initial_state(Index batch) const {
    const auto v = full(Shape{batch, output_size()}, T(0.3));
    return {v, v, v};
  }
  state step(Variable<T> x, const state& s) const {
    const auto c = 0.8 * s.c + tanh(from_x(x) + from_h(s.h) + s.bias);
    return {tanh(c) * s.c, c, s.bias};
  }
  Variable<T> output(const state& s) const { return s.h + square(s.c) * s.bias; }
  void each(auto&& visit) { visit("from_x", from_x), visit("from_h", from_h); }
};

std::vector<double> normal(Index n, std::uint64_t seed) {
  std::vector<double> values(static_cast<std::size_t>(n));
  Rng(seed).fill_normal(std::span(values));
  return values;
}

struct Problem {
  std::vector<double> x = normal(kSteps * kBatch * kInputs, 1), w = normal(kSteps * kBatch * kHidden, 2);
  Variable<double> operator()() const { return input(x, Shape{kSteps, kBatch, kInputs}); }
  Variable<double> loss(Index t, const Variable<double>& y) const {
    const auto n = static_cast<std::size_t>(y.size());
    return sum(square(y - input(std::span(w).subspan(static_cast<std::size_t>(t) * n, n), y.shape())));
  }
};

double norm_of(const std::vector<double>& v) {
  double sum = 0;
  for (const double x : v) sum += x * x;
  return std::sqrt(sum);
}

template <class Model>
std::vector<std::vector<double>> take_gradients(const Model& model) {
  std::vector<std::vector<double>> all;
  for (const auto& p : parameters(model)) {
    all.emplace_back(static_cast<std::size_t>(p.storage->shape.size()));
    if (p.storage->has_grad) std::copy_n(p.storage->grad, all.back().size(), all.back().begin());
    p.storage->clear_grad();
  }
  return all;
}

/// One step of a cell or a layer, for the oracles.
template <class Model, class State>
std::pair<Variable<double>, State> step_of(const Model& model, const Variable<double>& x, const State& s) {
  if constexpr (detail::HasStep<Model>) {
    const State next = model.step(project(model, x), s);
    return {output_of(model, next), next};
  } else {
    const auto r = model.run(reshape(x, x.shape().insert(0, 1)), s);
    return {at(r.outputs, 0), final_states(r)};
  }
}

template <class Model>
void check_contributions(const char* name, const Model& model) {
  CAPTURE(name);
  const Problem problem;
  const auto loss = [&](Index t, const auto& y) { return problem.loss(t, y); };
  const GradientContributions table = gradient_contributions(model, problem, loss);
  const auto list = parameters(model);
  REQUIRE(table.parameters.size() == list.size());
  REQUIRE(table.norms.rows == kSteps);
  REQUIRE(table.norms.cols == kSteps);
  Tape<double> tape;
  for (Index t = 0; t < kSteps; ++t) {
    CAPTURE(t);
    {
      const Recording<double> scope(tape, {.training = false});  // E_t by ordinary back-propagation
      auto states = initial_states(model, kBatch);
      Variable<double> y;
      for (Index k = 0; k <= t; ++k) std::tie(y, states) = step_of(model, at(problem(), k), states);
      tape.backward(loss(t, y));
    }
    const auto expected = take_gradients(model);
    const auto tensors = gradient_contributions_at(model, problem, loss, t);
    REQUIRE(tensors.size() == list.size());
    double whole = 0;
    std::vector<double> by_step(kSteps);
    for (std::size_t p = 0; p < list.size(); ++p) {
      CAPTURE(list[p].name);
      CHECK(table.parameters[p] == list[p].name);
      CHECK(tensors[p].name == list[p].name);
      CHECK(tensors[p].shape == list[p].storage->shape);
      REQUIRE(tensors[p].by_step.size() == static_cast<std::size_t>(t + 1));
      for (std::size_t i = 0; i < expected[p].size(); ++i) {
        double sum = 0;
        for (const auto& g : tensors[p].by_step) sum += g[i];
        CHECK(std::abs(sum - expected[p][i]) < 1e-12);
        CHECK(tensors[p].whole[i] == sum);
      }
      whole += norm_of(expected[p]) * norm_of(expected[p]);
      for (Index k = 0; k < kSteps; ++k) {
        const double n = k <= t ? norm_of(tensors[p].by_step[static_cast<std::size_t>(k)]) : 0.0;
        CHECK(table.by_parameter[p](t, k) == doctest::Approx(n).epsilon(1e-13));
        by_step[static_cast<std::size_t>(k)] += n * n;
      }
    }
    CHECK(table.whole[static_cast<std::size_t>(t)] == doctest::Approx(std::sqrt(whole)).epsilon(1e-12));
    for (Index k = 0; k < kSteps; ++k)
      CHECK(table.norms(t, k) == doctest::Approx(std::sqrt(by_step[static_cast<std::size_t>(k)])).epsilon(1e-13));
    CHECK(table.norms(t, t) > 0);
  }
}

/// A cell of one unit, s' = w s + u x + b, b = 0: what it is is known.
RNNCell<double, Identity> line(double w, double u) {
  Rng rng(1);
  RNNCell<double, Identity> cell(1, 1, rng);
  cell.weight_hh.mutable_values()[0] = w, cell.weight_ih.mutable_values()[0] = u;
  cell.bias_ih.mutable_values()[0] = cell.bias_hh.mutable_values()[0] = 0;
  return cell;
}

template <class Cell>
void set_recurrent(Cell& cell, const std::vector<double>& w) {
  std::ranges::copy(w, cell.weight_hh.mutable_values().begin());
}

/// A member of states as plain numbers, those of one sequence; and back, perturbed.
template <class States>
std::vector<double> numbers_of(const States& states) {
  std::vector<double> all;
  detail::visit_named_states(states, "", [&](const std::string&, const Variable<double>& v) {
    for (const double x : v.to_vector()) all.push_back(x);
  });
  return all;
}
template <class States>
States with_numbers(States states, const std::vector<double>& numbers) {
  std::size_t n = 0;
  detail::visit_named_states(states, "", [&](const std::string&, Variable<double>& v) {
    const auto size = static_cast<std::size_t>(v.size());
    v = input(std::span(numbers).subspan(n, size), v.shape());
    n += size;
  });
  return states;
}

template <class Model>
void check_jacobians(const char* name, const Model& model) {
  CAPTURE(name);
  const Problem problem;
  const Index sequence = 1;
  Tape<double> tape;
  const auto walk = [&](Index from, Index to, const std::vector<double>* start) {
    const Evaluation<double> scope(tape);
    auto states = initial_states(model, 1);
    if (start) states = with_numbers(states, *start);
    for (Index t = from; t < to; ++t) states = step_of(model, narrow(at(problem(), t), 0, sequence, 1), states).second;
    return numbers_of(states);
  };
  for (const auto& between : {std::pair<Index, Index>{0, 5}, {2, 5}, {0, 1}, {3, 3}}) {
    const Index from = between.first, to = between.second;
    CAPTURE(from);
    CAPTURE(to);
    const FlowTable jacobian = state_jacobian(model, problem, from, to, sequence);
    const std::vector<double> middle = walk(0, from, nullptr);
    const auto size = static_cast<Index>(middle.size());
    REQUIRE(jacobian.rows == size);
    REQUIRE(jacobian.cols == size);
    for (Index j = 0; j < size; ++j) {
      const double h = 1e-5;
      auto up = middle, down = middle;
      up[static_cast<std::size_t>(j)] += h, down[static_cast<std::size_t>(j)] -= h;
      const auto after_up = walk(from, to, &up), after_down = walk(from, to, &down);
      for (Index i = 0; i < size; ++i) {
        const auto at = static_cast<std::size_t>(i);
        CHECK(std::abs(jacobian(i, j) - (after_up[at] - after_down[at]) / (2 * h)) < 1e-8);
      }
    }
    CHECK(state_jacobians(model, problem, to, sequence)[static_cast<std::size_t>(from)].values == jacobian.values);
  }
}

/// dE/ds_t by its definition: the state made a variable, and everything that is read from it later.
template <class Model>
void check_state_gradients(const char* name, const Model& model, const StateGradients& flow) {
  CAPTURE(name);
  const Problem problem;
  Tape<double> tape;
  for (Index t = 0; t <= kSteps; ++t) {
    CAPTURE(t);
    const Recording<double> scope(tape);
    auto states = initial_states(model, kBatch);
    for (Index k = 0; k < t; ++k) states = step_of(model, at(problem(), k), states).second;
    std::vector<Variable<double>> free;
    detail::visit_named_states(states, "", [&](const std::string&, Variable<double>& v) {
      v = input(v.to_vector(), v.shape(), requires_grad);
      free.push_back(v);
    });
    Variable<double> total = full(Shape{}, 0.0), y;
    if (t > 0) total = total + problem.loss(t - 1, output_of(model, states));
    for (Index k = t; k < kSteps; ++k) {
      std::tie(y, states) = step_of(model, at(problem(), k), states);
      total = total + problem.loss(k, y);
    }
    tape.backward(total);
    double all = 0;
    for (Index b = 0; b < kBatch; ++b) {
      double sequence = 0;
      for (std::size_t m = 0; m < free.size(); ++m) {
        const auto g = free[m].grad_to_vector();
        const auto width = static_cast<Index>(g.size()) / kBatch;
        const double n = norm_of({g.begin() + b * width, g.begin() + (b + 1) * width});
        CHECK(flow.by_member[m](t, b) == doctest::Approx(n).epsilon(1e-12));
        sequence += n * n;
      }
      CHECK(flow.by_sequence(t, b) == doctest::Approx(std::sqrt(sequence)).epsilon(1e-12));
      all += sequence;
    }
    CHECK(flow.norms[static_cast<std::size_t>(t)] == doctest::Approx(std::sqrt(all)).epsilon(1e-12));
  }
}

}  // namespace

TEST_CASE("contributions of the steps add up to the gradient of each step's loss, for any cell and layer") {
  Rng rng(1);
  check_contributions("RNN", RNNCell<double>(kInputs, kHidden, rng));
  check_contributions("LSTM", LSTMCell<double>(kInputs, kHidden, rng));
  check_contributions("GRU", GRUCell<double>(kInputs, kHidden, rng));
  check_contributions("own", OwnCell<>(kInputs, kHidden, rng));
  check_contributions("learned start", TrainableInitialState<LSTMCell<double>>(kInputs, kHidden, rng));
  check_contributions("layer", Rnn<RNNCell<double>>(kInputs, kHidden, rng));
  check_contributions("stack", Stack<Rnn<LSTMCell<double>>>(kInputs, kHidden, rng,
                                                            {.layers = 2, .dropout = 0.5, .link = Link::highway}));
  check_contributions("weight drop", WeightDrop<Rnn<RNNCell<double>>>(kInputs, kHidden, rng));
}

TEST_CASE("on a line the contributions are known: w^(t-k) times what the step read") {
  const auto cell = line(0.5, 2);
  const std::vector<double> x{1, -3, 2, 4};
  const auto read = [&] { return input(x, Shape{4, 1, 1}); };
  const auto loss = [](Index, const auto& y) { return reshape(y, Shape{}); };
  std::vector<double> s{0};
  for (const double v : x) s.push_back(0.5 * s.back() + 2 * v);
  const auto table = gradient_contributions(cell, read, loss);
  for (Index t = 0; t < 4; ++t)
    for (const auto& p : gradient_contributions_at(cell, read, loss, t))
      for (Index k = 0; k <= t; ++k) {
        CAPTURE(p.name);
        const auto i = static_cast<std::size_t>(k);
        const double times = p.name == "weight_hh" ? s[i] : p.name == "weight_ih" ? x[i] : 1;
        CHECK(p.by_step[i] == std::vector<double>{std::pow(0.5, t - k) * times});
      }
  CHECK(table.norms(3, 1) == doctest::Approx(0.25 * std::sqrt(s[1] * s[1] + x[1] * x[1] + 2)).epsilon(1e-14));
  CHECK(table.norms(1, 3) == 0);
  const auto only_last = gradient_contributions(
      cell, read, [&](Index t, const auto& y) { return t == 3 ? reshape(y, Shape{}) : Variable<double>(); });
  CHECK(only_last.norms(3, 0) == table.norms(3, 0));
  CHECK(only_last.norms(2, 0) == 0);
  CHECK(only_last.whole[2] == 0);
}

TEST_CASE("a contribution is the change by the parameter at that step alone") {
  Rng rng(2);
  const LSTMCell<double> cell(kInputs, kHidden, rng);
  const Problem problem;
  const auto loss = [&](Index t, const auto& y) { return problem.loss(t, y); };
  const Index t = 3, k = 1;
  const auto tensors = gradient_contributions_at(cell, problem, loss, t);
  auto other = clone(cell);
  Tape<double> tape;
  const auto value = [&] {
    const Evaluation<double> scope(tape);
    auto s = initial_state(cell, kBatch);
    for (Index i = 0; i <= t; ++i) s = step_of(i == k ? other : cell, at(problem(), i), s).second;
    return loss(t, s.h).item();
  };
  const auto list = parameters(other);
  for (std::size_t p = 0; p < list.size(); ++p)
    for (const Index i : {Index{0}, list[p].storage->shape.size() - 1}) {
      double& element = list[p].storage->value[i];
      const double h = 1e-5, was = element;
      element = was + h;
      ++list[p].storage->version;
      const double up = value();
      element = was - h;
      ++list[p].storage->version;
      const double down = value();
      element = was;
      CHECK(std::abs(tensors[p].by_step[k][static_cast<std::size_t>(i)] - (up - down) / (2 * h)) < 1e-8);
    }
}

TEST_CASE("gradients by the state are the whole derivative, of every sequence and every member") {
  Rng rng(3);
  const Problem problem;
  const auto loss = [&](Index t, const auto& y) { return problem.loss(t, y); };
  const RNNCell<double> rnn(kInputs, kHidden, rng);
  const Rnn<LSTMCell<double>> lstm(kInputs, kHidden, rng);
  const OwnCell<> own(kInputs, kHidden, rng);
  check_state_gradients("RNN", rnn, state_gradients(rnn, problem, loss));
  const StateGradients of_lstm = state_gradients(lstm, problem, loss);
  CHECK(of_lstm.members == std::vector<std::string>{"h", "c"});
  check_state_gradients("LSTM", lstm.cell, of_lstm);
  check_state_gradients("own", own, state_gradients(own, problem, loss));
}

TEST_CASE("outputs that the losses see are the layer's, links of stacks included") {
  Rng rng(4);
  const Problem problem;
  const auto check = [&](const auto& layer) {
    Tape<double> tape;
    std::vector<double> seen, expected;
    std::vector<Variable<double>> start;
    const auto flow = state_gradients(layer, problem, [&](Index t, const auto& y) {
      for (const double v : y.to_vector()) seen.push_back(v);
      return problem.loss(t, y);
    });
    const Recording<double> scope(tape, {.training = false});
    auto states = initial_states(layer, kBatch);
    detail::visit_named_states(states, "", [&](const std::string&, Variable<double>& v) {
      v = input(v.to_vector(), v.shape(), requires_grad);
      start.push_back(v);
    });
    const auto r = layer.run(problem(), states);
    for (const double v : r.outputs.to_vector()) expected.push_back(v);
    REQUIRE(seen.size() == expected.size());
    for (std::size_t i = 0; i < seen.size(); ++i) CHECK(seen[i] == doctest::Approx(expected[i]).epsilon(1e-14));
    Variable<double> total = full(Shape{}, 0.0);
    for (Index t = 0; t < kSteps; ++t) total = total + problem.loss(t, at(r.outputs, t));
    tape.backward(total);
    for (std::size_t m = 0; m < start.size(); ++m) {
      const auto g = start[m].grad_to_vector();
      CHECK(
          flow.by_member[m](0, 0) ==
          doctest::Approx(norm_of({g.begin(), g.begin() + static_cast<std::ptrdiff_t>(g.size() / 2)})).epsilon(1e-12));
    }
    return flow.members;
  };
  using Layers = Stack<Rnn<LSTMCell<double>>>;
  CHECK(check(Layers(kInputs, kHidden, rng, {.layers = 2})) == std::vector<std::string>{"0.h", "0.c", "1.h", "1.c"});
  check(Layers(kInputs, kHidden, rng, {.layers = 3, .link = Link::residual}));
  check(Layers(kInputs, kHidden, rng, {.layers = 3, .link = Link::highway}));
  check(Stack<Layers>(kInputs, kHidden, rng, {.layers = 2, .link = Link::residual}));
  check(WeightDrop<Rnn<RNNCell<double>>>(kInputs, kHidden, rng));
}

TEST_CASE("Jacobians of states are what differences measure") {
  Rng rng(5);
  check_jacobians("RNN", RNNCell<double>(kInputs, kHidden, rng));
  check_jacobians("LSTM", LSTMCell<double>(kInputs, kHidden, rng));
  check_jacobians("own", OwnCell<>(kInputs, 2, rng));
  check_jacobians("layer", Rnn<GRUCell<double>>(kInputs, kHidden, rng));
  check_jacobians("stack", Stack<Rnn<RNNCell<double>>>(kInputs, 2, rng, {.layers = 2, .link = Link::residual}));
}

TEST_CASE("linear RNN: the Jacobian is W^(t-k), and its singular values are known") {
  Rng rng(6);
  RNNCell<double, Identity> cell(1, 2, rng);
  const auto x = normal(30, 7);
  const auto read = [&] { return input(x, Shape{30, 1, 1}); };
  for (const double rho : {0.7, 1.0, 1.3}) {  // a rotation, scaled: both are rho^n
    set_recurrent(cell, {rho * std::cos(1.1), -rho * std::sin(1.1), rho * std::sin(1.1), rho * std::cos(1.1)});
    const FlowTable s = state_singular_values(cell, read, 30);
    REQUIRE(s.rows == 31);
    REQUIRE(s.cols == 2);
    for (Index k = 0; k <= 30; ++k)
      for (const Index i : {0, 1}) CHECK(s(k, i) == doctest::Approx(std::pow(rho, 30 - k)).epsilon(1e-12));
  }
  const double a = 0.9;  // a Jordan block: W^n = [a^n, n a^(n-1); 0, a^n] first grows, then vanishes
  set_recurrent(cell, {a, 1, 0, a});
  const FlowTable s = state_singular_values(cell, read, 30);
  for (Index k = 0; k <= 30; ++k) {
    const double n = static_cast<double>(30 - k), corner = n * std::pow(a, n - 1);
    const double squares = 2 * std::pow(a, 2 * n) + corner * corner, product = std::pow(a, 2 * n);
    const double large = std::sqrt((squares + std::sqrt(squares * squares - 4 * product * product)) / 2);
    CHECK(s(k, 0) == doctest::Approx(k == 30 ? 1 : large).epsilon(1e-7));
    CHECK(s(k, 0) * s(k, 1) == doctest::Approx(product).epsilon(1e-12));
  }
}

TEST_CASE("tanh RNN: a spectral radius below 1 vanishes, one above 1 explodes around the origin") {
  Rng rng(7);
  RNNCell<double> cell(1, 3, rng);
  for (auto* b : {&cell.bias_ih, &cell.bias_hh}) std::ranges::fill(b->mutable_values(), 0.0);
  const Index steps = 40;
  const auto silent = [&] { return input(std::vector<double>(40), Shape{steps, 1, 1}); };
  const auto noise = normal(steps, 8);
  const auto noisy = [&] { return input(noise, Shape{steps, 1, 1}); };
  const auto last = [&](Index t, const auto& y) { return t == steps - 1 ? sum(y) : Variable<double>(); };
  for (const double rho : {0.8, 1.25}) {
    set_recurrent(cell, {0, rho, 0, 0, 0, rho, rho, 0, 0});  // a permutation, scaled
    const FlowTable s = state_singular_values(cell, silent, steps);
    const StateGradients flow = state_gradients(cell, silent, last);
    for (Index k = 0; k < steps; ++k) {
      CHECK(s(k, 0) == doctest::Approx(std::pow(rho, steps - k)).epsilon(1e-10));
      CHECK((flow.norms[static_cast<std::size_t>(k)] > flow.norms[static_cast<std::size_t>(k + 1)]) == (rho > 1));
    }
  }
  set_recurrent(cell, {0, 0.8, 0, 0, 0, 0.8, 0.8, 0, 0});
  const GradientContributions table = gradient_contributions(cell, noisy, last);
  CHECK(table.norms(steps - 1, 0) < 1e-3 * table.norms(steps - 1, steps - 1));
  const FlowTable s = state_singular_values(cell, noisy, steps);
  for (Index k = 0; k < steps; ++k) CHECK(s(k, 0) <= std::pow(0.8, steps - k));  // tanh' <= 1: Pascanu et al., (6)
}

TEST_CASE("gradients far below the square root of the smallest number are still seen") {
  const auto cell = line(1e-50, 1);
  const auto read = [] { return input(std::vector<double>(6, 1.0), Shape{6, 1, 1}); };
  const auto last = [](Index t, const auto& y) { return t == 5 ? sum(y) : Variable<double>(); };
  const auto flow = state_gradients(cell, read, last);
  CHECK(flow.norms[1] == doctest::Approx(1e-250));
  CHECK(state_singular_values(cell, read, 6)(1, 0) == doctest::Approx(1e-250));
}

TEST_CASE("nothing of the user's changes: gradients, frozen parameters, a scope that is open; float too") {
  Rng rng(9);
  LSTMCell<float> cell(kInputs, kHidden, rng);
  const Linear<float> readout(kHidden, 1, rng);
  cell.bias_hh.freeze();
  Tape<float> tape;
  const Recording<float> scope(tape);
  const auto h = cell.step(project(cell, full(Shape{1, kInputs}, 1.0f)), initial_state(cell, 1)).h;
  tape.backward(sum(readout(h)));
  const std::vector<float> before(cell.weight_ih.grads().begin(), cell.weight_ih.grads().end());
  const std::vector<float> readout_before(readout.weight.grads().begin(), readout.weight.grads().end());
  const auto read = [] { return full(Shape{3, 2, kInputs}, 0.5f); };
  const auto loss = [&](Index, const auto& y) { return sum(readout(y)); };
  const auto table = gradient_contributions(cell, read, loss);
  CHECK(table.parameters == std::vector<std::string>{"weight_ih", "weight_hh", "bias_ih"});
  CHECK(table.norms(2, 0) > 0);
  CHECK(state_gradients(cell, read, loss).norms.size() == 4);
  CHECK(state_singular_values(cell, read, 2).cols == 2 * kHidden);
  CHECK(std::ranges::equal(before, cell.weight_ih.grads()));
  CHECK(std::ranges::equal(readout_before, readout.weight.grads()));
  CHECK(sum(h).size() == 1);  // the user's scope is still the innermost one
}

TEST_CASE("what is not there is refused with the numbers") {
  Rng rng(10);
  const RNNCell<double> cell(kInputs, kHidden, rng);
  const Rnn<RNNCell<double>> backward(kInputs, kHidden, rng, {.reverse = true});
  const Problem problem;
  const auto loss = [&](Index t, const auto& y) { return problem.loss(t, y); };
  CHECK_THROWS_WITH_AS(gradient_contributions_at(cell, problem, loss, 5), "[gradient_flow] loss of step 5 of 5 steps",
                       ValueError);
  CHECK_THROWS_WITH_AS(gradient_contributions_at(cell, problem, loss, -1), "[gradient_flow] loss of step -1 of 5 steps",
                       ValueError);
  CHECK_THROWS_WITH_AS(state_jacobian(cell, problem, 3, 2),
                       "[gradient_flow] states 3 to 2 of 5 steps; expected 0 <= from <= to <= steps", ValueError);
  CHECK_THROWS_WITH_AS(state_singular_values(cell, problem, 6),
                       "[gradient_flow] states 0 to 6 of 5 steps; expected 0 <= from <= to <= steps", ValueError);
  CHECK_THROWS_WITH_AS(state_jacobian(cell, problem, 0, 2, 2), "[gradient_flow] sequence 2 of 2", ValueError);
  CHECK_THROWS_WITH_AS(gradient_contributions(
                           cell, [&] { return at(problem(), 0); }, loss),
                       "[gradient_flow] input (2,3); expected (T,B,I): steps, batch, features", ShapeError);
  CHECK_THROWS_WITH_AS(
      state_gradients(cell, problem, [](Index, const auto& y) { return y; }),
      "[gradient_flow] the loss of step 0 has shape (2,4); expected one element: reduce it with sum() or mean()",
      NonScalarError);
  CHECK_THROWS_WITH_AS(state_gradients(backward, problem, loss),
                       "[gradient_flow] the layer runs from the last step to the first; expected one that can be run "
                       "piece by piece, in the order of time",
                       ValueError);
}

TEST_CASE("singular values") {
  using V = std::vector<double>;
  CHECK(singular_values(V{}, 0, 3).empty());
  CHECK(singular_values(V(6), 2, 3) == V{0, 0});
  CHECK(singular_values(V{-3}, 1, 1) == V{3});
  CHECK(singular_values(V{1, 0, 0, 0, -5, 0, 0, 0, 2}, 3, 3) == V{5, 2, 1});
  CHECK(singular_values(V{3, 4}, 1, 2)[0] == doctest::Approx(5).epsilon(1e-15));
  CHECK(singular_values(V{3, 4}, 2, 1)[0] == doctest::Approx(5).epsilon(1e-15));
  const V twin = singular_values(V{1, 1, 1, 1}, 2, 2);  // of rank 1
  CHECK(twin[0] == doctest::Approx(2).epsilon(1e-15));
  CHECK(std::abs(twin[1]) < 1e-15);
  V hilbert;  // of order 6, whose values are known
  for (int i = 0; i < 6; ++i)
    for (int j = 0; j < 6; ++j) hilbert.push_back(1.0 / (i + j + 1));
  const V known{1.618899858924339,    0.2423608705752095,   0.01632152131987582,
                6.157483541826503e-4, 1.257075712262522e-5, 1.082799484565549e-7};
  const V found = singular_values(hilbert, 6, 6);
  for (std::size_t i = 0; i < 6; ++i) CHECK(found[i] == doctest::Approx(known[i]).epsilon(1e-8));
  // Columns of very different size keep their digits: [1 1; 1 -1] times diag(1, 1e-150).
  const V graded = singular_values(V{1, 1e-150, 1, -1e-150}, 2, 2);
  CHECK(graded[0] == doctest::Approx(std::sqrt(2.0)).epsilon(1e-15));
  CHECK(graded[1] / 1e-150 == doctest::Approx(std::sqrt(2.0)).epsilon(1e-14));
  CHECK(singular_values(V{3e-320, 4e-320}, 1, 2)[0] / 1e-320 == doctest::Approx(5).epsilon(1e-3));
  CHECK(singular_values(V{3e300, 4e300}, 1, 2)[0] == doctest::Approx(5e300).epsilon(1e-15));
  const V random = normal(40 * 25, 3);  // wide and tall alike; the squares add up
  V turned(random.size());
  double squares = 0;
  for (std::size_t i = 0; i < 40; ++i)
    for (std::size_t j = 0; j < 25; ++j)
      turned[j * 40 + i] = random[i * 25 + j], squares += random[i * 25 + j] * random[i * 25 + j];
  const V tall = singular_values(random, 40, 25), wide = singular_values(turned, 25, 40);
  double sum = 0;
  for (std::size_t i = 0; i < 25; ++i) {
    CHECK(tall[i] == doctest::Approx(wide[i]).epsilon(1e-13));
    sum += tall[i] * tall[i];
  }
  CHECK(sum == doctest::Approx(squares).epsilon(1e-13));
  CHECK_THROWS_WITH_AS(singular_values(V{1, 2, 3}, 2, 2),
                       "[singular_values] 3 elements for a matrix of 2 rows and 2 columns", ShapeError);
  CHECK_THROWS_WITH_AS(singular_values(V{1, NAN}, 1, 2),
                       "[singular_values] the matrix has an element that is not finite", ValueError);
}
