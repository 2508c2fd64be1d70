#include <doctest/doctest.h>

#include <vector>

#include "unroll/core/error.hpp"
#include "unroll/core/from_blob.hpp"
#include "unroll/core/tape.hpp"
#include "unroll/nn/lstm.hpp"
#include "unroll/nn/rnn.hpp"
#include "unroll/ops/elementwise.hpp"
#include "unroll/ops/layout.hpp"
#include "unroll/ops/reduce.hpp"

using namespace unroll;

namespace {

std::vector<double> numbers(Index n) {
  Rng rng(3);
  std::vector<double> v(static_cast<std::size_t>(n));
  for (double& x : v) x = rng.uniform(-1.0, 1.0);
  return v;
}

}  // namespace

TEST_CASE("a model that reads the caller's memory does what it does with a copy") {
  const Index steps = 4, batch = 3, features = 5;
  const Shape shape{steps, batch, features};
  const std::vector<double> x = numbers(shape.size()), before = x;
  Rng rng(1);
  Rnn<LSTMCell<double>> lstm(features, 6, rng);
  Tape<double> tape;
  const auto run = [&](bool copied) {
    const Recording recording(tape);
    const auto y = copied ? input(x, shape) : from_blob(x, shape);
    const auto loss = sum(square(lstm(y)) + 0.25 * sum(narrow(y, 0, 1, 2) * narrow(y, 0, 0, 2)));
    tape.backward(loss);
    std::vector<double> all{loss.item()};
    for (auto& p : parameters(lstm)) {
      all.insert(all.end(), p.storage->grad, p.storage->grad + p.storage->shape.size());
      p.storage->clear_grad();
    }
    return all;
  };
  CHECK(run(false) == run(true));
  CHECK(x == before);
}

TEST_CASE("it is the caller's memory") {
  const std::vector<float> x{1, 2, 3, 4, 5, 6};
  Tape<float> tape;
  const Recording recording(tape);
  const auto v = from_blob(x, Shape{2, 3});
  CHECK(v.values().data() == x.data());
  CHECK(v.shape() == Shape{2, 3});
  CHECK(from_blob(std::span<const float>(x).subspan(2, 2), Shape{2}).values()[0] == 3);
  CHECK(from_blob(std::span<const float>(), Shape{0, 3}).shape() == Shape{0, 3});
}

TEST_CASE("what does not fit") {
  const std::vector<float> x{1, 2, 3};
  Tape<float> tape;
  CHECK_THROWS_AS(from_blob(x, Shape{3}), NoScopeError);
  const Recording recording(tape);
  CHECK_THROWS_WITH_AS(from_blob(x, Shape{2, 2}), "[from_blob] 3 values for shape (2,2), which takes 4", ShapeError);
}
