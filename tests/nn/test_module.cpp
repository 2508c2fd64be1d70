// Modules: what they name, list, count, clone, copy, freeze and tie; storage stays where it is whatever moves.

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "unroll/nn/embedding.hpp"
#include "unroll/nn/linear.hpp"
#include "unroll/nn/lstm.hpp"
#include "unroll/nn/module.hpp"
#include "unroll/nn/rnn.hpp"
#include "unroll/nn/stack.hpp"

using namespace unroll;

namespace {

enum class Mode { train, fine_tune };

/// One member of every kind.
template <class T>
struct Everything {
  using scalar = T;
  Parameter<T> own{Shape{2}};
  Linear<T> layer;
  std::vector<Linear<T>> list;
  std::array<Parameter<T>, 2> pair{Parameter<T>(Shape{1, 2}), Parameter<T>(Shape{})};
  std::optional<Linear<T>> some, none;
  Parameter<T> undefined;
  int count = 3;
  double rate = 1e-7;
  float share = 0.1f;
  bool on = true;
  Mode mode = Mode::fine_tune;
  std::string note = "a b";

  explicit Everything(Rng& rng) : layer(2, 3, rng) {
    list.emplace_back(3, 1, rng);
    list.emplace_back(1, 2, rng, LinearOptions{.bias = false});
    some.emplace(2, 2, rng);
    for (T& v : own.mutable_values()) v = static_cast<T>(rng.normal());
  }
  void each(auto&& visit) {
    visit("own", own), visit("layer", layer), visit("list", list), visit("pair", pair), visit("some", some);
    visit("none", none), visit("undefined", undefined), visit("count", count), visit("rate", rate);
    visit("share", share), visit("on", on), visit("mode", mode), visit("note", note);
  }
};

/// Input and output share one table.
struct Tied {
  using scalar = float;
  Embedding<float> in;
  Linear<float> out;
  explicit Tied(Rng& rng) : in(5, 3, rng), out(3, 5, rng) { out.weight = in.weight.tie(); }
  void each(auto&& visit) { visit("in", in), visit("out", out); }
};

template <class M>
std::vector<std::string> names(const M& m) {
  std::vector<std::string> list;
  for (const auto& p : parameters(m)) list.push_back(p.name);
  return list;
}

template <class T>
std::vector<T> values(const Parameter<T>& p) {
  return {p.values().begin(), p.values().end()};
}

}  // namespace

TEST_CASE_TEMPLATE("parameters: dotted names in the order of each, every kind of member", T, float, double) {
  Rng rng(1);
  const Everything<T> m(rng);
  CHECK(names(m) == std::vector<std::string>{"own", "layer.weight", "layer.bias", "list.0.weight", "list.0.bias",
                                             "list.1.weight", "pair.0", "pair.1", "some.weight", "some.bias"});
  CHECK(parameter_count(m) == 2 + 9 + 4 + 2 + 3 + 6);
  static_assert(std::is_same_v<decltype(parameters(m)), ParameterList<T>>);
  const auto list = parameters(m);
  CHECK(list[0].storage == m.own.share());
  CHECK(list[7].storage->shape == Shape{});
  // Lists of modules and single Parameters know their scalar too.
  CHECK(names(m.list) == std::vector<std::string>{".0.weight", ".0.bias", ".1.weight"});
  CHECK(parameters(m.own).size() == 1);
}

TEST_CASE("parameters of nested layers carry PyTorch's names") {
  Rng rng(1);
  const Stack<Rnn<LSTMCell<>>> stack(3, 4, rng, {.layers = 2});
  CHECK(names(stack) == std::vector<std::string>{"layers.0.cell.weight_ih", "layers.0.cell.weight_hh",
                                                 "layers.0.cell.bias_ih", "layers.0.cell.bias_hh",
                                                 "layers.1.cell.weight_ih", "layers.1.cell.weight_hh",
                                                 "layers.1.cell.bias_ih", "layers.1.cell.bias_hh"});
  CHECK(parameter_count(stack) == 16 * (3 + 4 + 2) + 16 * (4 + 4 + 2));
}

TEST_CASE("hyper_parameters: text that reads back as the value") {
  Rng rng(1);
  using Pairs = std::vector<std::pair<std::string, std::string>>;
  CHECK(hyper_parameters(Everything<float>(rng)) ==
        Pairs{{"count", "3"}, {"rate", "1e-07"}, {"share", "0.1"}, {"on", "true"}, {"mode", "1"}, {"note", "a b"}});
  CHECK(hyper_parameters(Stack<Rnn<LSTMCell<>>>(3, 4, rng, {.layers = 2, .dropout = 0.25})) ==
        Pairs{{"layers.0.reverse", "false"}, {"layers.1.reverse", "false"}, {"dropout", "0.25"}, {"link", "0"}});
}

TEST_CASE("summary: name, shape, count, total, hyper-parameters, aligned") {
  Rng rng(1);
  CHECK(summary(Rnn<LSTMCell<>>(3, 40, rng)) ==
        "parameter       shape     count\n"
        "cell.weight_ih  (160,3)     480\n"
        "cell.weight_hh  (160,40)   6400\n"
        "cell.bias_ih    (160)       160\n"
        "cell.bias_hh    (160)       160\n"
        "total                      7200\n"
        "reverse         false\n");
}

TEST_CASE("clone: same values, storage of its own, ties and freezing kept") {
  Rng rng(2);
  Tied original(rng);
  original.out.bias.freeze();
  Tied copy = clone(original);
  CHECK(names(copy) == std::vector<std::string>{"in.weight", "out.bias"});
  CHECK(copy.in.weight.share() == copy.out.weight.share());
  CHECK(copy.in.weight.share() != original.in.weight.share());
  CHECK(values(copy.in.weight) == values(original.in.weight));
  CHECK(copy.out.bias.frozen());
  copy.in.weight.mutable_values()[0] = 77;
  CHECK(copy.out.weight.values()[0] == 77);
  CHECK(original.in.weight.values()[0] != 77);

  const Everything<double> m(rng);
  const Everything<double> n = clone(m);
  CHECK(names(m) == names(n));
  for (std::size_t i = 0; i < parameters(m).size(); ++i) CHECK(parameters(m)[i].storage != parameters(n)[i].storage);
  CHECK(n.note == "a b");
  CHECK(clone(clone(m)).own.values()[1] == m.own.values()[1]);
}

TEST_CASE("a gradient is not cloned") {
  Rng rng(3);
  Linear<double> m(2, 1, rng);
  m.weight.mutable_grads()[0] = 5;
  const Linear<double> copy = clone(m);
  CHECK_FALSE(copy.weight.has_grad());
  CHECK(copy.weight.grads()[0] == 0);
}

TEST_CASE("any other copy throws, and says what to do") {
  Rng rng(4);
  const Linear<float> m(2, 1, rng);
  const char* message =
      "[Parameter] copied; expected a move, tie() for a second handle on the same tensor, or clone(module) for a "
      "module "
      "of its own";
  CHECK_THROWS_WITH_AS(static_cast<void>(Linear<float>{m}), message, CopyError);
  Linear<float> other(2, 1, rng);
  const auto before = values(other.weight);
  CHECK_THROWS_WITH_AS(other = m, message, CopyError);
  CHECK(values(other.weight) == before);
  std::vector<Linear<float>> list;
  CHECK_THROWS_AS(list.push_back(m), CopyError);
  // After a clone that failed or ended, copies are errors as before.
  clone(m);
  CHECK_THROWS_AS(static_cast<void>(Linear<float>{m}), CopyError);
  CHECK_NOTHROW(static_cast<void>(Parameter<float>{Parameter<float>()}));
  const Parameter<float> none;
  CHECK_NOTHROW([](Parameter<float>) {}(none));
}

TEST_CASE("modules move freely: what an optimizer holds stays good") {
  Rng rng(5);
  Linear<float> layer(2, 3, rng);
  const auto held = parameters(layer);
  const float* weight = held[0].storage->value;
  std::vector<Linear<float>> home;
  home.push_back(std::move(layer));
  for (int i = 0; i < 20; ++i) home.emplace_back(2, 3, rng);  // the vector moves its elements about
  CHECK(home[0].weight.values().data() == weight);
  CHECK(home[0].weight.share() == held[0].storage);
  CHECK_FALSE(layer.weight.defined());
  held[0].storage->value[0] = 42;
  CHECK(home[0].weight.values()[0] == 42);
  home.clear();
  CHECK(held[0].storage->value[0] == 42);  // shared ownership
}

TEST_CASE("tied parameters are one: listed, counted and given a gradient once") {
  Rng rng(6);
  const Tied m(rng);
  CHECK(names(m) == std::vector<std::string>{"in.weight", "out.bias"});
  CHECK(parameter_count(m) == 15 + 5);
  Tape<float> tape;
  Recording<float> step(tape);
  const auto x = m.in({1, 3});
  const auto y = m.out(x);
  tape.backward(linear(reshape(y, Shape{10}), full(Shape{1, 10}, 1.0f)));
  // Both uses arrive: every row through the output, rows 1 and 3 through the input as well.
  const auto g = m.in.weight.grads();
  const auto e = m.in.weight.values();
  for (std::size_t s = 0; s < 5; ++s)
    for (std::size_t d = 0; d < 3; ++d) {
      float want = e[3 + d] + e[9 + d];
      if (s == 1 || s == 3)
        for (std::size_t k = 0; k < 5; ++k) want += e[k * 3 + d];
      CHECK(g[s * 3 + d] == doctest::Approx(want).epsilon(1e-5));
    }
}

TEST_CASE("copy_parameters: by name, between scalars, all or nothing") {
  Rng rng(7);
  const Everything<float> from(rng);
  Everything<double> to(rng);
  const auto version = to.own.storage().version;
  copy_parameters(from, to);
  for (std::size_t i = 0; i < parameters(from).size(); ++i) {
    const auto& s = *parameters(from)[i].storage;
    const auto& t = *parameters(to)[i].storage;
    for (Index k = 0; k < s.shape.size(); ++k) CHECK(t.value[k] == double(s.value[k]));
  }
  CHECK(to.own.storage().version > version);
  Everything<float> back(rng);
  copy_parameters(to, back);
  CHECK(values(back.layer.weight) == values(from.layer.weight));

  const Linear<float> with(2, 3, rng), other(3, 3, rng);
  Linear<float> without(2, 3, rng, {.bias = false}), target(2, 3, rng);
  const auto before = values(target.weight);
  CHECK_THROWS_WITH_AS(copy_parameters(with, without), "[copy_parameters] 'bias' is missing in the module copied to",
                       ValueError);
  CHECK_THROWS_WITH_AS(copy_parameters(without, target),
                       "[copy_parameters] 'bias' is missing in the module copied from", ValueError);
  CHECK_THROWS_WITH_AS(copy_parameters(other, target),
                       "[copy_parameters] 'weight' has shape (3,3) in the source, (3,2) in the target", ShapeError);
  CHECK(values(target.weight) == before);
  Rng tie_rng(8);
  const Tied a(tie_rng);
  Tied b(tie_rng);
  copy_parameters(a, b);
  CHECK(values(b.out.weight) == values(a.in.weight));
}

TEST_CASE("freeze: no gradient, and back") {
  Rng rng(9);
  Everything<double> m(rng);
  const auto backward = [&] {
    Tape<double> tape;
    Recording<double> step(tape);
    const auto x = input(std::vector<double>{1, 2}, Shape{1, 2}, requires_grad);
    const auto y = m.layer(x);
    tape.backward(linear(y, full(Shape{1, 3}, 1.0)));
    return x.grad_to_vector();
  };
  freeze(m.layer);
  CHECK(m.layer.weight.frozen());
  CHECK(m.layer.bias.frozen());
  CHECK_FALSE(m.own.frozen());
  const auto gx = backward();
  CHECK_FALSE(m.layer.weight.has_grad());
  freeze(m, false);
  CHECK(backward() == gx);
  CHECK(m.layer.weight.has_grad());
  freeze(m);
  CHECK(std::ranges::all_of(parameters(m), [](const auto& p) { return p.storage->frozen; }));
}

TEST_CASE("a const module lists and uses the same tensors; unique_ptr members are modules too") {
  Rng rng(10);
  const Everything<float> m(rng);
  CHECK(parameters(m)[1].storage == parameters(const_cast<Everything<float>&>(m))[1].storage);
  auto held = std::make_unique<Linear<float>>(2, 2, rng);
  CHECK(parameters(std::vector<Linear<float>>()).empty());
  std::vector<std::unique_ptr<Linear<float>>> list;
  list.push_back(std::move(held));
  list.push_back(nullptr);
  const auto count = [&] {
    int n = 0;
    auto visit = [&](const std::string&, const auto&) { ++n; };
    detail::visit_tree("list", list, visit);
    return n;
  };
  CHECK(count() == 2);
}

TEST_CASE("an undefined Parameter says so") {
  const Parameter<float> none;
  CHECK_FALSE(none.defined());
  CHECK_THROWS_WITH_AS(none.shape(), "[Parameter] used without a tensor; expected one made from a Shape", ValueError);
}
