// Parameter groups by name, gradient accumulation, averages of weights, and the state of all of these.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

#include "optim_cases.hpp"
#include "unroll/core/error.hpp"
#include "unroll/core/tape.hpp"
#include "unroll/nn/linear.hpp"
#include "unroll/nn/lstm.hpp"
#include "unroll/nn/rnn.hpp"
#include "unroll/ops/losses.hpp"
#include "unroll/optim/clip.hpp"
#include "unroll/optim/lbfgs.hpp"
#include "unroll/optim/schedules/lr_scheduler.hpp"
#include "unroll/optim/weight_average.hpp"

using namespace unroll;
using namespace unroll::test;

namespace {

Parameter<double> one(double value = 1) {
  Parameter<double> p(Shape{1});
  p.mutable_values()[0] = value;
  return p;
}

/// Four parameters under the names of a small model.
struct Four {
  Parameter<double> table = one(), weight = one(), bias = one(), out = one();
  ParameterList<double> list() const {
    return {{"embedding.weight", table.share()},
            {"rnn.cell.weight_ih", weight.share()},
            {"rnn.cell.bias", bias.share()},
            {"output.weight", out.share()}};
  }
  void set_grads(double g) {
    for (auto* p : {&table, &weight, &bias, &out})
      if (!p->frozen()) p->mutable_grads()[0] = g;
  }
};

/// What a checkpoint would hold.
struct Saved {
  std::map<std::string, std::vector<char>> arrays;
  template <class X>
  explicit Saved(X& x) {
    each_state(x, [&](const std::string& name, auto values) {
      const auto* bytes = reinterpret_cast<const char*>(values.data());
      const bool fresh = arrays.emplace(name, std::vector<char>(bytes, bytes + values.size_bytes())).second;
      CHECK_MESSAGE(fresh, name << " is seen twice");
    });
  }
  template <class X>
  void restore(X& x) const {
    std::size_t seen = 0;
    each_state(x, [&](const std::string& name, auto values) {
      const auto& bytes = arrays.at(name);
      REQUIRE(bytes.size() == values.size_bytes());
      if (!bytes.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
      ++seen;
    });
    CHECK(seen == arrays.size());
  }
};

}  // namespace

TEST_CASE("names and patterns") {
  CHECK(name_matches("*.bias", "rnn.cell.bias"));
  CHECK_FALSE(name_matches("*.bias", "bias"));
  CHECK_FALSE(name_matches("*.bias", "rnn.bias_ih"));
  CHECK(name_matches("*bias*", "rnn.bias_ih"));
  CHECK(name_matches("layers.?.weight", "layers.3.weight"));
  CHECK_FALSE(name_matches("layers.?.weight", "layers.13.weight"));
  CHECK(name_matches("*", ""));
  CHECK(name_matches("", ""));
  CHECK_FALSE(name_matches("", "a"));
  CHECK(name_matches("a*b*c", "axxbyybzzc"));
  CHECK_FALSE(name_matches("a*b*c", "axxbyybzz"));
  CHECK(name_matches("**", "anything"));
  CHECK_FALSE(name_matches("weight", "weight_ih"));
  CHECK_FALSE(name_matches("a*a*a*a*a*a*a*a*a*a*a*a*b", std::string(200, 'a')));
}

TEST_CASE("groups: rates and decays by name, the first match counts") {
  Four m;
  SGD sgd(m.list(), {.lr = 0.1, .weight_decay = 0.5},
          {{.pattern = "*bias", .weight_decay = 0}, {.pattern = "rnn.*", .lr_scale = 0.5}});
  CHECK(std::ranges::equal(sgd.group_of(), std::vector<std::size_t>{0, 2, 1, 0}));
  m.set_grads(1);
  sgd.step();
  CHECK(m.table.values()[0] == doctest::Approx(1 - 0.1 * 1.5));
  CHECK(m.weight.values()[0] == doctest::Approx(1 - 0.05 * 1.5));
  CHECK(m.bias.values()[0] == doctest::Approx(1 - 0.1));
  sgd.set_lr(1);
  CHECK(sgd.group_lr(0) == 1);
  CHECK(sgd.group_lr(2) == 0.5);
  sgd.set_group_lr(2, 0.25);
  CHECK(sgd.lr() == 1);
  CHECK(sgd.group_lr(2) == 0.25);
  CHECK_THROWS_WITH_AS(sgd.group_lr(3), "[SGD] group 3, expected 0 (no group) to 2", ValueError);
  CHECK_THROWS_AS(sgd.set_group_lr(3, 1), ValueError);
  CHECK_THROWS_AS(sgd.set_group_lr(0, -1), ValueError);
}

TEST_CASE("every optimizer obeys its groups: as one with these options would") {
  for (const OptimCase& c : optim_cases()) {
    CAPTURE(c.name);
    auto a = one(), b = one(), a2 = one(), b2 = one();
    auto grouped = make_optimizer<double>(c, {{"a", a.share()}, {"b", b.share()}},
                                          {{.pattern = "b", .lr_scale = 0.3, .weight_decay = 0.7}});
    OptimCase other = c;
    std::visit([](auto& o) { o.lr *= 0.3, o.weight_decay = 0.7; }, other.options);
    auto plain = make_optimizer<double>(c, {{"a", a2.share()}}),
         changed = make_optimizer<double>(other, {{"b", b2.share()}});
    for (int t = 1; t < 6; ++t) {
      for (auto* p : {&a, &b, &a2, &b2}) p->mutable_grads()[0] = gradient(t, 0, 0);
      grouped->step(), plain->step(), changed->step();
    }
    CHECK(a.values()[0] == a2.values()[0]);
    CHECK(b.values()[0] == doctest::Approx(b2.values()[0]).epsilon(1e-15));
    CHECK(a.values()[0] != b.values()[0]);
  }
}

TEST_CASE("a group whose rate is zero is frozen while the optimizer lives") {
  for (const OptimCase& c : optim_cases()) {
    CAPTURE(c.name);
    Four m;
    m.bias.freeze();
    m.table.mutable_grads()[0] = 5;
    {
      auto optimizer = make_optimizer<double>(
          c, m.list(), {{.pattern = "embedding.*", .lr_scale = 0}, {.pattern = "*bias", .lr_scale = 0}});
      CHECK(m.table.frozen());
      CHECK_FALSE(m.table.has_grad());
      Tape<double> tape;
      Recording<double> recording(tape);
      CHECK_FALSE(use(m.table).requires_grad());  // backward has nothing to compute
      CHECK(use(m.out).requires_grad());
      const auto version = m.table.storage().version;
      for (int t = 0; t < 3; ++t) {
        m.set_grads(1);
        optimizer->step();
      }
      CHECK(m.table.values()[0] == 1);
      CHECK(m.table.storage().version == version);
      CHECK(m.out.values()[0] != 1);
      CHECK(optimizer->steps()[0] == 0);
      for (auto& s : optimizer->state()) {
        CHECK(s.values[0].empty());
        CHECK(s.values[3].size() == 1);
      }
      // Whoever thaws it by hand still has a rate of zero.
      m.table.freeze(false);
      m.table.mutable_grads()[0] = 1;
      optimizer->step();
      CHECK(m.table.values()[0] == 1);
      CHECK_FALSE(m.table.has_grad());
    }
    CHECK_FALSE(m.table.frozen());
    CHECK(m.bias.frozen());  // it was before
  }
  Four m;
  freeze_matching(m.list(), "*weight*");
  CHECK(m.table.frozen());
  CHECK_FALSE(m.bias.frozen());
  freeze_matching(m.list(), "rnn*", false);
  CHECK_FALSE(m.weight.frozen());
  CHECK_THROWS_WITH_AS(freeze_matching(m.list(), "wieght"),
                       "[freeze_matching] pattern 'wieght' matches none of 4 parameters", ValueError);
}

TEST_CASE("a rate that is zero for now moves the state, as PyTorch's") {
  auto a = one();
  Adam adam(ParameterList<double>{{"a", a.share()}}, {.lr = 0});
  a.mutable_grads()[0] = 2;
  adam.step();
  CHECK(a.values()[0] == 1);
  CHECK(adam.state()[0].values[0][0] == doctest::Approx(0.2));
}

TEST_CASE("errors of groups") {
  Four m;
  const auto make = [&](const ParameterGroups& groups) { SGD sgd(m.list(), {}, groups); };
  CHECK_THROWS_WITH_AS(make({{.pattern = "*.bais"}}),
                       "[SGD] group '*.bais' matches none of 4 parameters, the first of which is 'embedding.weight'",
                       ValueError);
  CHECK_THROWS_WITH_AS(make({{.pattern = "rnn.*"}, {.pattern = "*bias"}}),
                       "[SGD] group '*bias' matches only parameters that the groups before it have taken", ValueError);
  CHECK_THROWS_WITH_AS(make({{.pattern = "*", .lr_scale = -1}}),
                       "[SGD] group '*' has lr_scale -1.000000, expected 0 or more", ValueError);
  CHECK_THROWS_WITH_AS(make({{.pattern = "*", .weight_decay = -1}}),
                       "[SGD] group '*' has weight_decay -1.000000, expected 0 or more", ValueError);
  // An optimizer that could not be made leaves nothing frozen.
  CHECK_THROWS_AS(Adam(m.list(), {.beta1 = 2}, {{.pattern = "emb*", .lr_scale = 0}}), ValueError);
  CHECK_FALSE(m.table.frozen());
}

TEST_CASE("k micro-batches are one batch") {
  const Index steps = 4, batch = 12, inputs = 3, hidden = 5, classes = 4;
  Rng rng(3);
  std::vector<double> x(static_cast<std::size_t>(steps * batch * inputs));
  rng.fill_normal(std::span(x));
  std::vector<Index> y(static_cast<std::size_t>(steps * batch));
  for (std::size_t i = 0; i < y.size(); ++i)
    y[i] = i % 7 == 0 ? -1 : static_cast<Index>(i * i) % classes;  // -1: padding
  const auto tokens = static_cast<double>(std::ranges::count_if(y, [](Index k) { return k >= 0; }));

  const auto train = [&](Index parts) {
    Rng init(1);
    Rnn<LSTMCell<double>> rnn(inputs, hidden, init);
    Linear<double> out(hidden, classes, init);
    Adam adam(parameters(rnn, out), {.lr = 0.01});
    Tape<double> tape;
    const Index rows = batch / parts;
    for (int update = 0; update < 3; ++update) {
      for (Index part = 0; part < parts; ++part) {
        std::vector<double> xs;
        std::vector<Index> ys;
        for (Index t = 0; t < steps; ++t)
          for (Index b = part * rows; b < (part + 1) * rows; ++b) {
            const auto from = x.begin() + (t * batch + b) * inputs;
            xs.insert(xs.end(), from, from + inputs);
            ys.push_back(y[static_cast<std::size_t>(t * batch + b)]);
          }
        Recording<double> recording(tape);
        const auto logits = out(rnn(input(xs, Shape{steps, rows, inputs})));
        tape.backward(
            softmax_cross_entropy(logits, std::span<const Index>(ys), {.ignore_index = -1, .denominator = tokens}));
      }
      clip_grad_norm(adam, 0.5);
      adam.step();
    }
    std::vector<double> all;
    for (const auto& p : adam.parameters())
      all.insert(all.end(), p.storage->value, p.storage->value + p.storage->shape.size());
    return all;
  };
  const auto whole = train(1);
  for (const Index parts : {2, 3, 4, 12}) {
    CAPTURE(parts);
    const auto cut = train(parts);
    for (std::size_t i = 0; i < whole.size(); ++i) CHECK(std::abs(cut[i] - whole[i]) <= 1e-12);
  }
}

TEST_CASE_TEMPLATE("average of weights: its formula, swapped in and out", T, float, double) {
  Parameter<T> p(Shape{3, 3}), frozen(Shape{2});
  frozen.freeze();
  for (const bool ramp : {false, true}) {
    WeightAverage average(ParameterList<T>{{"p", p.share()}, {"again", p.share()}, {"f", frozen.share()}},
                          {.decay = 0.9, .ramp = ramp});
    CHECK(average.parameters().size() == 2);
    {
      const auto nothing_yet = average.swap_in();
      CHECK(average.swapped());
    }
    long double want = 0;
    for (int t = 1; t <= 20; ++t) {
      const double value = std::sin(t);
      std::ranges::fill(p.mutable_values(), static_cast<T>(value));
      average.update();
      const double d = ramp ? std::min(0.9, (1.0 + t) / (10.0 + t)) : 0.9;
      want = t == 1 ? value : d * want + (1 - d) * value;
      for (const T a : average.values(0))
        CHECK(static_cast<double>(a) ==
              doctest::Approx(static_cast<double>(want)).epsilon(std::is_same_v<T, float> ? 1e-6 : 1e-13));
    }
    CHECK(average.values(1).empty());
    const T last = p.values()[0], mean = average.values(0)[0];
    const auto version = p.storage().version;
    {
      const auto swapped = average.swap_in();
      CHECK(p.values()[4] == mean);
      CHECK(p.storage().version > version);
      CHECK_THROWS_WITH_AS(average.update(),
                           "[WeightAverage] update() while the averages are swapped in, expected after the Swap's end",
                           ValueError);
      CHECK_THROWS_AS((void)average.swap_in(), ValueError);
      CHECK_THROWS_AS(Saved{average}, ValueError);
    }
    CHECK(p.values()[8] == last);
    CHECK(average.values(0)[8] == mean);

    WeightAverage other(average.parameters(), {.decay = 0.9, .ramp = ramp});
    Saved(average).restore(other);
    average.update();
    other.update();
    CHECK(std::ranges::equal(average.values(0), other.values(0)));
    CHECK(other.values(1).empty());
  }
  CHECK_THROWS_WITH_AS(WeightAverage(ParameterList<T>{{"p", p.share()}}, {.decay = 1}),
                       "[WeightAverage] decay 1.000000, expected 0 up to, not including, 1", ValueError);
  CHECK_THROWS_AS(WeightAverage(ParameterList<T>{}), ValueError);
}

TEST_CASE_TEMPLATE("state is named arrays, and a new optimizer goes on from them bit by bit", T, float, double) {
  for (const OptimCase& c : optim_cases()) {
    CAPTURE(c.name);
    const auto make = [] {
      std::vector<Parameter<T>> p;
      for (const Index n : {3, 40, 0, 1}) p.emplace_back(Shape{n});
      return p;
    };
    const auto list = [](std::vector<Parameter<T>>& p) {
      return ParameterList<T>{
          {"a", p[0].share()}, {"b", p[1].share()}, {"empty", p[2].share()}, {"late", p[3].share()}};
    };
    const auto run = [](std::vector<Parameter<T>>& p, Optimizer<T>& o, int from, int to) {
      for (int t = from; t < to; ++t) {
        for (std::size_t k = 0; k < p.size(); ++k) {
          if (k == 3 && t < 6) continue;  // has no state yet when the others do
          const auto g = p[k].mutable_grads();
          for (std::size_t i = 0; i < g.size(); ++i)
            g[i] = static_cast<T>(gradient(t, static_cast<Index>(i + k), static_cast<double>(p[k].values()[i])));
        }
        o.step();
        o.set_lr(o.lr() * 0.97);
      }
    };
    auto p = make(), q = make();
    auto whole = make_optimizer<T>(c, list(p)), first = make_optimizer<T>(c, list(q));
    run(p, *whole, 1, 10);
    run(q, *first, 1, 5);
    const Saved saved(*first);
    CHECK(saved.arrays.count("a.step") == 1);
    CHECK(saved.arrays.at("late.step").size() == sizeof(Index));
    for (const auto& s : first->state()) {
      CHECK(saved.arrays.at("b." + s.name).size() == 40 * sizeof(T));
      CHECK(saved.arrays.count("late." + s.name) == 0);
    }
    first.reset();
    auto second = make_optimizer<T>(c, list(q));
    saved.restore(*second);
    run(q, *second, 5, 10);
    for (std::size_t k = 0; k < p.size(); ++k) CHECK(std::ranges::equal(p[k].values(), q[k].values()));
    CHECK(second->lr() == whole->lr());
  }
}
