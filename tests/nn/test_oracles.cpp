// Back-propagation through time, checked against ways to the same gradient that share no code with the tape.
//
// The network of the lectures: a_t = tanh(W x_t + U a_{t-1} + b), y_t = V a_t + c, E = sum_t E_t with
// E_t = 1/2 |y_t - target_t|^2, for one sequence. Three oracles:
//   1. dE_t/dtheta = sum_{k<=t} dE_t/dy_t dy_t/da_t (prod_{k<j<=t} da_j/da_{j-1}) d+a_k/dtheta, summed as it stands,
//      where d+ is the immediate derivative (a_{k-1} held fixed);
//   2. real-time recurrent learning (Williams and Zipser, 1989): da_t/dtheta carried forward in time;
//   3. averaged weights: T copies of the cell, one a step, each stepped on its own, then averaged.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "unroll/core/random.hpp"
#include "unroll/core/tape.hpp"
#include "unroll/nn/cells/classic_rnn.hpp"
#include "unroll/nn/linear.hpp"
#include "unroll/nn/rnn.hpp"
#include "unroll/nn/rnn_cell.hpp"
#include "unroll/ops/layout.hpp"
#include "unroll/ops/losses.hpp"
#include "unroll/optim/sgd.hpp"

using namespace unroll;

namespace {

/// Plain numbers, counted in int as the formulas below are.
struct Vector : std::vector<double> {
  explicit Vector(int n = 0) : std::vector<double>(static_cast<std::size_t>(n)) {}
  Vector(std::vector<double> v) : std::vector<double>(std::move(v)) {}
  double& operator[](int i) { return data()[i]; }
  double operator[](int i) const { return data()[i]; }
};

constexpr int T = 7, I = 3, H = 4, O = 2;
// Where the parameters lie in theta: W (H,I), U (H,H), b (H); behind them V (O,H), c (O), which need no time.
constexpr int at_w = 0, at_u = at_w + H * I, at_b = at_u + H * H, recurrent = at_b + H, at_v = recurrent,
              at_c = at_v + O * H, all = at_c + O;

struct Problem {
  Vector theta = Vector(all), x = Vector(T * I), target = Vector(T * O), a0 = Vector(H);
  explicit Problem(std::uint64_t seed) {
    Rng rng(seed);
    for (Vector* v : {&theta, &x, &target, &a0})
      for (double& e : *v) e = 0.6 * rng.normal();
  }
};

struct Run {
  Vector a = Vector((T + 1) * H);  // a[0] is the initial state, a[t] the one after step t = 1..T
  Vector error = Vector(T * O);    // dE_t/dy_t
  double loss = 0;
};

Run forward(const Problem& p) {
  Run r;
  std::copy(p.a0.begin(), p.a0.end(), r.a.begin());
  for (int t = 1; t <= T; ++t) {
    for (int i = 0; i < H; ++i) {
      double s = p.theta[at_b + i];
      for (int j = 0; j < I; ++j) s += p.theta[at_w + i * I + j] * p.x[(t - 1) * I + j];
      for (int j = 0; j < H; ++j) s += p.theta[at_u + i * H + j] * r.a[(t - 1) * H + j];
      r.a[t * H + i] = std::tanh(s);
    }
    for (int o = 0; o < O; ++o) {
      double y = p.theta[at_c + o];
      for (int j = 0; j < H; ++j) y += p.theta[at_v + o * H + j] * r.a[t * H + j];
      r.error[(t - 1) * O + o] = y - p.target[(t - 1) * O + o];
      r.loss += 0.5 * r.error[(t - 1) * O + o] * r.error[(t - 1) * O + o];
    }
  }
  return r;
}

/// da_t/da_{t-1}, (H,H): diag(1 - a_t^2) U.
Vector state_jacobian(const Problem& p, const Run& r, int t) {
  Vector j(H * H);
  for (int i = 0; i < H; ++i)
    for (int k = 0; k < H; ++k) j[i * H + k] = (1 - r.a[t * H + i] * r.a[t * H + i]) * p.theta[at_u + i * H + k];
  return j;
}

/// d+a_t/dtheta, (H, recurrent): a_{t-1} held fixed.
Vector immediate(const Problem& p, const Run& r, int t) {
  Vector d(H * recurrent);
  for (int i = 0; i < H; ++i) {
    const double slope = 1 - r.a[t * H + i] * r.a[t * H + i];
    double* row = d.data() + i * recurrent;
    for (int j = 0; j < I; ++j) row[at_w + i * I + j] = slope * p.x[(t - 1) * I + j];
    for (int j = 0; j < H; ++j) row[at_u + i * H + j] = slope * r.a[(t - 1) * H + j];
    row[at_b + i] = slope;
  }
  return d;
}

/// dE_t/da_t, (H): the error at the output, through V.
Vector error_at_state(const Problem& p, const Run& r, int t) {
  Vector e(H);
  for (int i = 0; i < H; ++i)
    for (int o = 0; o < O; ++o) e[i] += r.error[(t - 1) * O + o] * p.theta[at_v + o * H + i];
  return e;
}

void add_output_gradient(const Run& r, Vector& g) {
  for (int t = 1; t <= T; ++t)
    for (int o = 0; o < O; ++o) {
      for (int i = 0; i < H; ++i) g[at_v + o * H + i] += r.error[(t - 1) * O + o] * r.a[t * H + i];
      g[at_c + o] += r.error[(t - 1) * O + o];
    }
}

/// Oracle 1, term by term as the formula says: T (T + 1) / 2 products of Jacobians.
Vector through_time(const Problem& p) {
  const Run r = forward(p);
  Vector g(all);
  add_output_gradient(r, g);
  for (int t = 1; t <= T; ++t)
    for (int k = 1; k <= t; ++k) {
      Vector row = error_at_state(p, r, t);  // dE_t/dy_t dy_t/da_t
      for (int j = t; j > k; --j) {          // times da_j/da_{j-1}
        const Vector jacobian = state_jacobian(p, r, j);
        Vector next(H);
        for (int i = 0; i < H; ++i)
          for (int m = 0; m < H; ++m) next[m] += row[i] * jacobian[i * H + m];
        row = next;
      }
      const Vector d = immediate(p, r, k);
      for (int i = 0; i < H; ++i)
        for (int q = 0; q < recurrent; ++q) g[q] += row[i] * d[i * recurrent + q];
    }
  return g;
}

/// Oracle 2: P_t = da_t/dtheta = J_t P_{t-1} + d+a_t/dtheta, from P_0 = 0; nothing goes back in time.
Vector real_time(const Problem& p) {
  const Run r = forward(p);
  Vector g(all), sensitivity(H * recurrent);
  add_output_gradient(r, g);
  for (int t = 1; t <= T; ++t) {
    const Vector jacobian = state_jacobian(p, r, t);
    Vector next = immediate(p, r, t);
    for (int i = 0; i < H; ++i)
      for (int m = 0; m < H; ++m)
        for (int q = 0; q < recurrent; ++q)
          next[i * recurrent + q] += jacobian[i * H + m] * sensitivity[m * recurrent + q];
    sensitivity = next;
    const Vector error = error_at_state(p, r, t);
    for (int i = 0; i < H; ++i)
      for (int q = 0; q < recurrent; ++q) g[q] += error[i] * sensitivity[i * recurrent + q];
  }
  return g;
}

void set(Parameter<double>& p, const Vector& theta, int at) {
  for (double& v : p.mutable_values()) v = theta[at++];
}
void get(const Parameter<double>& p, Vector& g, int at) {
  for (const double v : p.grads()) g[at++] += v;
}

ClassicRnn<double> network(const Problem& p) {
  Rng rng(1);
  ClassicRnn<double> net(I, H, O, rng);
  auto& cell = net.hidden.cell;
  set(cell.weight_ih, p.theta, at_w), set(cell.weight_hh, p.theta, at_u), set(cell.bias_ih, p.theta, at_b);
  set(net.output.weight, p.theta, at_v), set(net.output.bias, p.theta, at_c);
  return net;
}

/// The tape's gradient; with `by_hand` through a loop over the cell instead of the layer.
Vector on_tape(const Problem& p, bool by_hand, double& loss_value, Vector& da0) {
  const ClassicRnn<double> net = network(p);
  Tape<double> tape;
  Recording<double> step(tape);
  const auto x = input(p.x, Shape{T, 1, I}), target = input(p.target, Shape{T, 1, O});
  const auto a0 = input(p.a0, Shape{1, H}, requires_grad);
  Variable<double> y;
  if (by_hand) {
    const auto& cell = net.hidden.cell;
    std::vector<Variable<double>> outputs;
    auto a = a0;
    for (Index t = 0; t < T; ++t) {
      a = cell.step(cell.project(at(x, t)), a);
      outputs.push_back(net.output(a));
    }
    y = stack(outputs);
  } else {
    y = net(x, a0).outputs;
  }
  const auto loss = 0.5 * squared_error(y, target, LossOptions<double>{.reduction = Reduction::sum});
  tape.backward(loss);
  loss_value = loss.item();
  da0 = a0.grad_to_vector();
  Vector g(all);
  const auto& cell = net.hidden.cell;
  get(cell.weight_ih, g, at_w), get(cell.weight_hh, g, at_u), get(cell.bias_ih, g, at_b);
  get(net.output.weight, g, at_v), get(net.output.bias, g, at_c);
  return g;
}

double distance(const Vector& a, const Vector& b) {
  REQUIRE(a.size() == b.size());
  double worst = 0;
  for (int i = 0; i < static_cast<int>(a.size()); ++i) worst = std::max(worst, std::abs(a[i] - b[i]));
  return worst;
}

}  // namespace

TEST_CASE("the tape equals back-propagation through time by hand and real-time recurrent learning") {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const Problem p(seed);
    const Vector bptt = through_time(p), rtrl = real_time(p);
    CHECK(distance(bptt, rtrl) < 1e-12);
    for (const bool by_hand : {false, true}) {
      double loss = 0;
      Vector da0;
      const Vector tape = on_tape(p, by_hand, loss, da0);
      CHECK(loss == doctest::Approx(forward(p).loss).epsilon(1e-13));
      CHECK(distance(tape, bptt) < 1e-12);
      CHECK(distance(tape, rtrl) < 1e-12);

      // dE/da_0 = sum_t dE_t/da_t prod da_j/da_{j-1}, all the way down.
      const Run r = forward(p);
      Vector want(H);
      for (int t = 1; t <= T; ++t) {
        Vector row = error_at_state(p, r, t);
        for (int j = t; j >= 1; --j) {
          const Vector jacobian = state_jacobian(p, r, j);
          Vector next(H);
          for (int i = 0; i < H; ++i)
            for (int m = 0; m < H; ++m) next[m] += row[i] * jacobian[i * H + m];
          row = next;
        }
        for (int i = 0; i < H; ++i) want[i] += row[i];
      }
      CHECK(distance(da0, want) < 1e-12);
    }
  }
}

TEST_CASE("the oracle notices a step that is left out") {
  const Problem p(1);
  Problem shorter = p;
  std::fill_n(shorter.x.begin(), I, 0.0);
  CHECK(distance(through_time(p), through_time(shorter)) > 1e-3);
  double loss = 0;
  Vector da0;
  CHECK(distance(on_tape(shorter, false, loss, da0), through_time(p)) > 1e-3);
}

TEST_CASE("average the weights: untied copies, each stepped, then averaged, equal one cell with the mean gradient") {
  constexpr int batch = 2;
  const double rate = 0.3;
  Rng rng(3);
  const RNNCell<double> start(I, H, rng);
  Vector x(T * batch * I), target(T * batch * H);
  for (double& v : x) v = rng.normal();
  for (double& v : target) v = rng.normal();
  Tape<double> tape;
  const auto descend = [](const RNNCell<double>& cell, double lr) { SGD<double>(parameters(cell), {.lr = lr}).step(); };
  const auto loss_of = [&](auto&& cell_at) {
    const auto in = input(x, Shape{T, batch, I}), want = input(target, Shape{T, batch, H});
    auto a = zeros<double>(Shape{batch, H});
    std::vector<Variable<double>> outputs;
    for (Index t = 0; t < T; ++t) {
      const RNNCell<double>& cell = cell_at(t);
      a = cell.step(cell.project(at(in, t)), a);
      outputs.push_back(a);
    }
    return squared_error(stack(outputs), want);
  };

  // One cell at every step: its gradient is the sum over the steps, the mean a T-th of that.
  const RNNCell<double> shared = clone(start);
  {
    Recording<double> step(tape);
    tape.backward(loss_of([&](Index) -> const RNNCell<double>& { return shared; }));
  }
  descend(shared, rate / T);

  std::vector<RNNCell<double>> untied;
  for (int t = 0; t < T; ++t) untied.push_back(clone(start));
  {
    Recording<double> step(tape);
    tape.backward(loss_of([&](Index t) -> const RNNCell<double>& { return untied[static_cast<std::size_t>(t)]; }));
  }
  for (const auto& cell : untied) descend(cell, rate);

  const auto one = parameters(shared), before = parameters(start);
  double moved = 0;
  for (std::size_t k = 0; k < one.size(); ++k)
    for (Index i = 0; i < one[k].storage->shape.size(); ++i) {
      double mean = 0;
      for (const auto& cell : untied) mean += parameters(cell)[k].storage->value[i] / T;
      CHECK(std::abs(mean - one[k].storage->value[i]) < 1e-14);
      moved = std::max(moved, std::abs(mean - before[k].storage->value[i]));
    }
  CHECK(moved > 1e-3);
}
