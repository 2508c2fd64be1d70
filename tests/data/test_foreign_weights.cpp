// Weights of Keras and ONNX both ways: our layers with converted weights against the other side's equations, written
// out.

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>

#include "unroll/core/tape.hpp"
#include "unroll/data/foreign/keras.hpp"
#include "unroll/data/foreign/onnx.hpp"
#include "unroll/data/tensors/parameter_file.hpp"
#include "unroll/nn/bidirectional.hpp"
#include "unroll/nn/gru.hpp"
#include "unroll/nn/lstm.hpp"
#include "unroll/nn/rnn.hpp"
#include "unroll/nn/rnn_cell.hpp"

using namespace unroll;

namespace {

using Values = PlainTensor<double>;
using Vector = std::vector<double>;
constexpr Index T = 5, B = 3, I = 4, H = 3;
constexpr auto steps = static_cast<std::size_t>(T), batch = static_cast<std::size_t>(B),
               in = static_cast<std::size_t>(I), hidden = static_cast<std::size_t>(H);

double sigmoid_of(double x) { return 1 / (1 + std::exp(-x)); }

Values random(Rng& rng, std::vector<Index> shape) {
  std::size_t n = 1;
  for (const Index d : shape) n *= static_cast<std::size_t>(d);
  Values t{std::move(shape), Vector(n)};
  for (double& x : t.values) x = rng.uniform(-1.0, 1.0);
  return t;
}

bool same_bits(const Values& a, const Values& b) {
  return a.shape == b.shape && a.values.size() == b.values.size() &&
         (a.values.empty() || std::memcmp(a.values.data(), b.values.data(), a.values.size() * sizeof(double)) == 0);
}

Vector outputs_of(const auto& layer, const Vector& x) {
  Tape<double> tape;
  const Evaluation<double> scope(tape);
  return layer(input(x, Shape{T, B, I})).to_vector();
}

void check_close(const Vector& ours, const Vector& theirs) {
  REQUIRE(ours.size() == theirs.size());
  double worst = 0, size = 0;
  for (std::size_t i = 0; i < ours.size(); ++i) {
    worst = std::max(worst, std::abs(ours[i] - theirs[i]));
    size = std::max(size, std::abs(theirs[i]));
  }
  CHECK(worst <= 1e-14);
  CHECK(size > 0.1);
}

// y[j] += sum_i x[i] M[i, j], M (n, G*H): Keras multiplies from the left.
void add_left(Vector& y, const double* x, std::size_t n, const Values& m) {
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < y.size(); ++j) y[j] += x[i] * m.values[i * y.size() + j];
}

// keras/src/layers/rnn/{simple_rnn,lstm,gru}.py, one sequence at a time.
Vector keras_outputs(RecurrentKind kind, const KerasRecurrent<double>& w, const Vector& x) {
  Vector outputs(steps * batch * hidden);
  const std::size_t width = w.kernel.values.size() / in;
  const auto bias = [&](std::size_t row) {
    Vector b(width);
    if (w.bias.defined())
      std::copy_n(w.bias.values.begin() + static_cast<std::ptrdiff_t>(row * width), width, b.begin());
    return b;
  };
  for (std::size_t b = 0; b < batch; ++b) {
    Vector h(hidden), c(hidden);
    for (std::size_t t = 0; t < steps; ++t) {
      const double* xt = x.data() + (t * batch + b) * in;
      Vector next(hidden);
      if (kind == RecurrentKind::gru) {  // reset_after=True
        Vector mx = bias(0), mh = bias(1);
        add_left(mx, xt, in, w.kernel);
        add_left(mh, h.data(), hidden, w.recurrent_kernel);
        for (std::size_t k = 0; k < hidden; ++k) {
          const double z = sigmoid_of(mx[k] + mh[k]), r = sigmoid_of(mx[hidden + k] + mh[hidden + k]);
          const double hh = std::tanh(mx[2 * hidden + k] + r * mh[2 * hidden + k]);
          next[k] = z * h[k] + (1 - z) * hh;
        }
      } else {
        Vector z = bias(0);
        add_left(z, xt, in, w.kernel);
        add_left(z, h.data(), hidden, w.recurrent_kernel);
        for (std::size_t k = 0; k < hidden; ++k) {
          if (kind == RecurrentKind::rnn) {
            next[k] = std::tanh(z[k]);
          } else {  // i, f, c, o
            c[k] = sigmoid_of(z[hidden + k]) * c[k] + sigmoid_of(z[k]) * std::tanh(z[2 * hidden + k]);
            next[k] = sigmoid_of(z[3 * hidden + k]) * std::tanh(c[k]);
          }
        }
      }
      h = next;
      std::copy_n(h.begin(), hidden, outputs.begin() + static_cast<std::ptrdiff_t>((t * batch + b) * hidden));
    }
  }
  return outputs;
}

// onnx/docs/Operators.md, "RNN", "LSTM", "GRU" (linear_before_reset = 1), direction d of D; Y as (T, B, D*H).
Vector onnx_outputs(RecurrentKind kind, const OnnxRecurrent<double>& w, const Vector& x) {
  const auto directions = static_cast<std::size_t>(w.W.shape[0]), rows = static_cast<std::size_t>(w.W.shape[1]);
  Vector outputs(steps * batch * directions * hidden);
  for (std::size_t d = 0; d < directions; ++d)
    for (std::size_t b = 0; b < batch; ++b) {
      Vector h(hidden), c(hidden);
      for (std::size_t s = 0; s < steps; ++s) {
        const std::size_t t = d == 0 ? s : steps - 1 - s;
        Vector mx(rows), mh(rows);  // Xt (W^T) + Wb, Ht-1 (R^T) + Rb
        for (std::size_t j = 0; j < rows; ++j) {
          if (w.B.defined()) mx[j] = w.B.values[d * 2 * rows + j], mh[j] = w.B.values[d * 2 * rows + rows + j];
          for (std::size_t i = 0; i < in; ++i)
            mx[j] += x[(t * batch + b) * in + i] * w.W.values[(d * rows + j) * in + i];
          for (std::size_t i = 0; i < hidden; ++i) mh[j] += h[i] * w.R.values[(d * rows + j) * hidden + i];
        }
        Vector next(hidden);
        const auto sum = [&](std::size_t gate, std::size_t k) { return mx[gate * hidden + k] + mh[gate * hidden + k]; };
        for (std::size_t k = 0; k < hidden; ++k) {
          if (kind == RecurrentKind::rnn) {
            next[k] = std::tanh(sum(0, k));
          } else if (kind == RecurrentKind::lstm) {  // i, o, f, c
            c[k] = sigmoid_of(sum(2, k)) * c[k] + sigmoid_of(sum(0, k)) * std::tanh(sum(3, k));
            next[k] = sigmoid_of(sum(1, k)) * std::tanh(c[k]);
          } else {  // z, r, h
            const double z = sigmoid_of(sum(0, k)), r = sigmoid_of(sum(1, k));
            next[k] = (1 - z) * std::tanh(r * mh[2 * hidden + k] + mx[2 * hidden + k]) + z * h[k];
          }
        }
        h = next;
        std::copy_n(h.begin(), hidden,
                    outputs.begin() + static_cast<std::ptrdiff_t>((t * batch + b) * directions * hidden + d * hidden));
      }
    }
  return outputs;
}

template <class Cell>
constexpr RecurrentKind kind_of = RecurrentKind::rnn;
template <>
constexpr RecurrentKind kind_of<LSTMCell<double>> = RecurrentKind::lstm;
template <>
constexpr RecurrentKind kind_of<GRUCell<double>> = RecurrentKind::gru;

template <class Cell>
Index gates() {
  return detail::gates_of(kind_of<Cell>);
}

}  // namespace

TEST_CASE_TEMPLATE("Keras' weights in our layers, and back", Cell, RNNCell<double>, LSTMCell<double>, GRUCell<double>) {
  constexpr RecurrentKind kind = kind_of<Cell>;
  Rng rng(1);
  const Index rows = gates<Cell>() * H;
  for (const Biases biases : {Biases::two, Biases::one, Biases::none}) {
    if (kind == RecurrentKind::gru && biases == Biases::one) continue;  // Keras' GRU has two or none
    CAPTURE(static_cast<int>(biases));
    KerasRecurrent<double> keras{random(rng, {I, rows}), random(rng, {H, rows}), {}};
    if (biases != Biases::none) keras.bias = kind == RecurrentKind::gru ? random(rng, {2, rows}) : random(rng, {rows});
    if (biases != Biases::none) keras.bias.values[1] = -0.0;
    const Vector x = random(rng, {T, B, I}).values;

    // As a file of Keras' weights would give them.
    StateDict<double> file = {{"l/cell/kernel", keras.kernel}, {"l/cell/recurrent_kernel", keras.recurrent_kernel}};
    if (biases != Biases::none) file["l/cell/bias"] = keras.bias;
    StateDict<double> ours;
    put_recurrent(ours, "cell", from_keras(kind, take_keras(file, "l/cell"), biases == Biases::two));
    Rnn<Cell> layer(Cell(I, H, rng, {.biases = biases}));
    REQUIRE(load_state_dict(layer, ours).complete());
    check_close(outputs_of(layer, x), keras_outputs(kind, keras, x));

    const auto back = to_keras(kind, take_recurrent(state_dict(layer), "cell"));
    CHECK(same_bits(back.kernel, keras.kernel));
    CHECK(same_bits(back.recurrent_kernel, keras.recurrent_kernel));
    CHECK(same_bits(back.bias, keras.bias));
  }
  // A layer of ours, with both its biases, in Keras' equations.
  const Rnn<Cell> layer(I, H, rng);
  const Vector x = random(rng, {T, B, I}).values;
  const auto keras = to_keras(kind, take_recurrent(state_dict(layer), "cell"));
  CHECK(keras.kernel.shape == std::vector<Index>{I, rows});
  check_close(outputs_of(layer, x), keras_outputs(kind, keras, x));
}

TEST_CASE_TEMPLATE("ONNX' weights in our layers, and back", Cell, RNNCell<double>, LSTMCell<double>, GRUCell<double>) {
  constexpr RecurrentKind kind = kind_of<Cell>;
  Rng rng(2);
  const Index rows = gates<Cell>() * H;
  for (const bool with_bias : {true, false})
    for (const Index directions : {1, 2}) {
      CAPTURE(with_bias);
      CAPTURE(directions);
      OnnxRecurrent<double> onnx{random(rng, {directions, rows, I}), random(rng, {directions, rows, H}), {}};
      if (with_bias) onnx.B = random(rng, {directions, 2 * rows});
      const Vector x = random(rng, {T, B, I}).values;
      const auto ours = from_onnx(kind, onnx);
      REQUIRE(ours.size() == static_cast<std::size_t>(directions));
      StateDict<double> tensors;
      const auto make = [&](bool reverse) {
        return Rnn<Cell>(Cell(I, H, rng, {.biases = with_bias ? Biases::two : Biases::none}), {.reverse = reverse});
      };
      if (directions == 1) {
        put_recurrent(tensors, "cell", ours[0]);
        auto layer = make(false);
        REQUIRE(load_state_dict(layer, tensors).complete());
        check_close(outputs_of(layer, x), onnx_outputs(kind, onnx, x));
      } else {
        put_recurrent(tensors, "fwd.cell", ours[0]);
        put_recurrent(tensors, "bwd.cell", ours[1]);
        Bidirectional<Rnn<Cell>> layer(I, H, rng);
        layer.fwd = make(false), layer.bwd = make(true);
        REQUIRE(load_state_dict(layer, tensors).complete());
        check_close(outputs_of(layer, x), onnx_outputs(kind, onnx, x));
      }
      std::vector<RecurrentTensors<double>> taken;
      for (const char* prefix : {"cell", "fwd.cell", "bwd.cell"})
        if (tensors.contains(std::string(prefix) + ".weight_ih")) taken.push_back(take_recurrent(tensors, prefix));
      const auto back = to_onnx(kind, taken);
      CHECK(same_bits(back.W, onnx.W));
      CHECK(same_bits(back.R, onnx.R));
      CHECK(same_bits(back.B, onnx.B));
    }
  // A layer of ours in ONNX' equations.
  const Bidirectional<Rnn<Cell>> layer(I, H, rng);
  const Vector x = random(rng, {T, B, I}).values;
  const auto tensors = state_dict(layer);
  const std::vector both = {take_recurrent(tensors, "fwd.cell"), take_recurrent(tensors, "bwd.cell")};
  check_close(outputs_of(layer, x), onnx_outputs(kind, to_onnx(kind, both), x));
}

TEST_CASE("a bias on one side only") {
  Rng rng(3);
  RecurrentTensors<double> one{random(rng, {3 * H, I}), random(rng, {3 * H, H}), random(rng, {3 * H}), {}};
  const auto onnx = to_onnx(RecurrentKind::gru, std::vector{one});
  CHECK(onnx.B.shape == std::vector<Index>{1, 6 * H});
  CHECK(onnx.B.values[static_cast<std::size_t>(3 * H)] == 0);
  const auto keras = to_keras(RecurrentKind::gru, one);
  CHECK(keras.bias.shape == std::vector<Index>{2, 3 * H});
  CHECK(keras.bias.values[0] == one.bias_ih.values[hidden]);  // z comes first
  CHECK(keras.bias.values[3 * hidden] == 0);
}

TEST_CASE("Keras' Dense kernel is our weight, transposed") {
  const Values kernel{{2, 3}, {1, 2, 3, 4, 5, 6}};
  CHECK(transposed(kernel) == Values{{3, 2}, {1, 4, 2, 5, 3, 6}});
  CHECK(transposed(transposed(kernel)) == kernel);
  CHECK_THROWS_WITH_AS(transposed(Values{{2}, {1, 2}}), "[transposed] shape (2); expected a matrix", ShapeError);
  CHECK_THROWS_WITH_AS(transposed(Values{{2, 2}, {1}}), "[transposed] 1 values for shape (2,2), which takes 4",
                       ShapeError);
}

TEST_CASE("weights that do not fit together") {
  Rng rng(4);
  const auto kind = RecurrentKind::gru;
  const KerasRecurrent<double> keras{random(rng, {I, 9}), random(rng, {3, 9}), {}};
  auto old = keras;
  old.bias = random(rng, {9});
  CHECK_THROWS_WITH_AS(from_keras(kind, old),
                       "[from_keras] bias (9) is that of a GRU with reset_after=False, whose equations are others than "
                       "GRUCell's; expected (2,9)",
                       ShapeError);
  old.bias = random(rng, {2, 8});
  CHECK_THROWS_WITH_AS(from_keras(kind, old), "[from_keras: bias] shape (2,8); expected (2,9)", ShapeError);
  CHECK_THROWS_WITH_AS(
      from_keras(RecurrentKind::lstm, keras),
      "[from_keras: kernels, transposed] weight_ih (9,4), weight_hh (9,3); expected (4*H,I) and (4*H,H)", ShapeError);
  CHECK_THROWS_WITH_AS(take_keras(StateDict<double>{{"a/kernel", keras.kernel}}, "a"),
                       "[tensor_named] no 'a/recurrent_kernel' among 1 tensors", ValueError);
  CHECK_THROWS_WITH_AS(take_recurrent(StateDict<double>(), ""), "[tensor_named] no 'weight_ih' among 0 tensors",
                       ValueError);

  OnnxRecurrent<double> onnx{random(rng, {1, 9, I}), random(rng, {1, 9, 3}), random(rng, {1, 9})};
  CHECK_THROWS_WITH_AS(from_onnx(kind, onnx), "[from_onnx: B] shape (1,9); expected (1,18)", ShapeError);
  CHECK_THROWS_WITH_AS(from_onnx(RecurrentKind::rnn, onnx),
                       "[from_onnx] W (1,9,4), R (1,9,3); expected (D,1*H,I) and (D,1*H,H), D 1 or 2", ShapeError);
  onnx.W = random(rng, {3, 9, I}), onnx.R = random(rng, {3, 9, 3});
  CHECK_THROWS_AS(from_onnx(kind, onnx), ShapeError);
  CHECK_THROWS_WITH_AS(to_onnx(kind, std::vector<RecurrentTensors<double>>()),
                       "[to_onnx] 0 directions; expected 1 or 2", ValueError);
  const RecurrentTensors<double> a{random(rng, {9, I}), random(rng, {9, 3}), {}, {}},
      b{random(rng, {9, I + 1}), random(rng, {9, 3}), {}, {}};
  CHECK_THROWS_WITH_AS(to_onnx(kind, std::vector{a, b}), "[to_onnx] the two directions differ in shape", ShapeError);
  auto c = a;
  c.bias_ih = random(rng, {8});
  CHECK_THROWS_WITH_AS(to_onnx(kind, std::vector{c}), "[to_onnx: bias_ih] shape (8); expected (9)", ShapeError);
}
