// The gradient check itself, on functions that know nothing of the tape: what must pass, what must not.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <random>
#include <stdexcept>

#include "unroll/core/check/gradcheck.hpp"
#include "unroll/core/error.hpp"

using namespace unroll;
using Vec = std::vector<double>;

namespace {

const GradcheckOptions each_element;
const GradcheckOptions projections{.fast = true};

// Numbers of size 0.5 to 1.5 with either sign, the same on every machine.
Vec numbers(std::size_t n, unsigned seed) {
  std::mt19937 bits(seed);
  Vec v(n);
  for (double& x : v) {
    x = 0.5 + static_cast<double>(bits()) / 4294967296.0;
    if (bits() % 2 == 0) x = -x;
  }
  return v;
}

// f = offset + sum_i a_i tanh(x_i / c_i), whose gradient is a_i / c_i (1 - tanh^2).
struct Sum {
  Vec a, c;
  double offset = 0;
  double operator()(const Vec& x) const {
    double sum = offset;
    for (std::size_t i = 0; i < x.size(); ++i) sum += a[i] * std::tanh(x[i] / c[i]);
    return sum;
  }
  Vec gradient(const Vec& x) const {
    Vec g(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double t = std::tanh(x[i] / c[i]);
      g[i] = a[i] / c[i] * (1 - t * t);
    }
    return g;
  }
};

template <class F, class G>
void passes(F f, G g, const Vec& x) {
  CHECK(check_gradient(f, g, x, each_element));
  CHECK(check_gradient(f, g, x, projections));
}

template <class F, class G>
void fails(F f, G g, const Vec& x, Verdict verdict = Verdict::wrong) {
  for (const GradcheckOptions& o : {each_element, projections}) {
    const GradcheckReport r = check_gradient(f, g, x, o);
    CAPTURE(r.str());
    CHECK_FALSE(r.ok());
    CHECK(r.verdict() == verdict);
  }
}

Verdict verdict_of(const std::function<double(double)>& f, double slope, double x) {
  const GradcheckReport r =
      check_gradient([&](const Vec& v) { return f(v[0]); }, [&](const Vec&) { return Vec{slope}; }, Vec{x});
  INFO(r.str());
  CHECK(r.tensors[0].worst_index == 0);
  return r.verdict();
}

double relu(double x) { return x > 0 ? x : 0; }

}  // namespace

TEST_CASE("a pair of callables, with vectors or spans") {
  CHECK(check_gradient([](std::span<const double> x) { return x[0] * x[1]; },
                  [](std::span<const double> x) {
                    return std::vector{x[1], x[0]};
                  },
                  {2.0, 3.0}));
  CHECK_FALSE(check_gradient([](std::span<const double> x) { return x[0] * x[1]; },
                        [](std::span<const double> x) {
                          return std::vector{x[0], x[1]};
                        },
                        {2.0, 3.0}));
}

TEST_CASE("right gradients pass at any scale") {
  const std::size_t n = 7;
  for (double in : {1e-12, 1e-6, 1.0, 1e6, 1e12}) {
    for (double out : {1e-12, 1e-6, 1.0, 1e6, 1e12}) {
      CAPTURE(in);
      CAPTURE(out);
      Sum f{numbers(n, 1), Vec(n, in)};
      Vec x = numbers(n, 2);
      for (double& v : f.a) v *= out;
      for (double& v : x) v *= in;
      passes(
          f, [&](const Vec& v) { return f.gradient(v); }, x);
      fails(
          f,
          [&](const Vec& v) {
            Vec g = f.gradient(v);
            g[3] *= 1.001;
            return g;
          },
          x);
    }
  }
}

TEST_CASE("inputs of all sizes in one tensor") {
  Sum f{numbers(9, 3), Vec{1e-12, 1e-9, 1e-6, 1e-3, 1, 1e3, 1e6, 1e9, 1e12}};
  Vec x = numbers(9, 4);
  for (std::size_t i = 0; i < 9; ++i) x[i] *= f.c[i];  // gradients from 1e12 down to 1e-12
  const auto right = [&](const Vec& v) { return f.gradient(v); };
  CHECK(check_gradient(f, right, x));
  for (std::size_t i = 0; i < 9; ++i) {
    const GradcheckReport r = check_gradient(
        f,
        [&](const Vec& v) {
          Vec g = right(v);
          g[i] *= 1.5;
          return g;
        },
        x);
    CHECK(r.verdict() == Verdict::wrong);
    CHECK(r.worst()->worst_index == static_cast<Index>(i));
  }
}

TEST_CASE("a sum of 1e5 terms") {
  const Vec w = numbers(100000, 5);
  const auto f = [&](const Vec& x) {
    double sum = 0;
    for (std::size_t i = 0; i < w.size(); ++i) sum += w[i] * std::tanh(x[0] + x[1] * w[i]);
    return sum;
  };
  const auto g = [&](const Vec& x) {
    Vec d(2);
    for (double wi : w) {
      const double t = std::tanh(x[0] + x[1] * wi);
      d[0] += wi * (1 - t * t);
      d[1] += wi * wi * (1 - t * t);
    }
    return d;
  };
  passes(f, g, {0.3, 0.7});
  fails(f,
        [&](const Vec& x) {
          Vec d = g(x);
          d[0] += 1e-4 * std::abs(d[1]);
          return d;
        },
        {0.3, 0.7});
}

TEST_CASE("a large offset hides nothing it need not hide") {
  Sum f{numbers(5, 6), Vec(5, 1.0), 1e6};
  const auto right = [&](const Vec& v) { return f.gradient(v); };
  passes(f, right, numbers(5, 7));
  fails(
      f,
      [&](const Vec& v) {
        Vec g = right(v);
        g[2] *= 1.001;
        return g;
      },
      numbers(5, 7));
  // Slopes of 1e-9 under an offset of 1e6 drown at any usual step; only enlarged ones show them.
  const auto linear = [](const Vec& x) { return 1e6 + 1e-9 * (x[0] + x[1] - x[2]); };
  passes(linear, [](const Vec&) { return Vec{1e-9, 1e-9, -1e-9}; }, {1, 2, 3});
  fails(linear, [](const Vec&) { return Vec{0, 0, 0}; }, {1, 2, 3});
}

TEST_CASE("what cannot be resolved passes and is said") {
  const GradcheckReport r = check_gradient([](const Vec& x) { return 1e12 + 1e-9 * (x[0] + x[1]); },
                                      [](const Vec&) {
                                        return Vec{1e-9, 1e-9};
                                      },
                                      Vec{1, 1});
  CHECK(r);
  CHECK(r.tensors[0].unresolved == 2);
  CHECK(r.str().find("2 of 2 below what differences resolve") != std::string::npos);
}

TEST_CASE("tiny gradients are judged as strictly as large ones") {
  Sum f{Vec(6, 1e-9), Vec(6, 1.0), 1.0};
  const Vec x = numbers(6, 8);
  const auto right = [&](const Vec& v) { return f.gradient(v); };
  passes(f, right, x);
  fails(
      f, [](const Vec&) { return Vec(6); }, x);
  fails(
      f,
      [&](const Vec& v) {
        Vec g = right(v);
        for (double& d : g) d = -d;
        return g;
      },
      x);
  fails(
      f,
      [&](const Vec& v) {
        Vec g = right(v);
        g[4] *= 1.01;
        return g;
      },
      x);
}

TEST_CASE("a gradient of exactly zero passes") {
  passes([](const Vec&) { return 3.7; }, [](const Vec& x) { return Vec(x.size()); }, numbers(4, 9));
  passes([](const Vec&) { return 0.0; }, [](const Vec& x) { return Vec(x.size()); }, Vec(4));
  // Zero by cancellation: log_softmax does not see a common shift, so the gradients along it are rounding
  // only.
  const auto f = [](const Vec& x) {
    double sum = 0;
    for (int i = 0; i < 5; ++i) sum += std::exp(x[0] + 0.3 * i);
    return 1000 * (std::log(sum) - x[0]);
  };
  passes(f, [](const Vec&) { return Vec{0.0}; }, {0.4});
  passes(f, [](const Vec&) { return Vec{3e-15}; }, {0.4});
  fails(f, [](const Vec&) { return Vec{1e-6}; }, {0.4});
  // At w = 0 the rounding of the sum shows only beside the point.
  Vec a = numbers(1000, 10);
  for (double& v : a) v = std::ldexp(std::round(std::ldexp(v, 30)), -30);
  a.push_back(-std::accumulate(a.begin(), a.end(), 0.0));
  const auto cancels = [&](const Vec& w) {
    double sum = 0;
    for (double ai : a) sum += std::sin(w[0]) * ai;
    return sum;
  };
  passes(cancels, [](const Vec&) { return Vec{0.0}; }, {0.0});
  fails(cancels, [](const Vec&) { return Vec{1e-9}; }, {0.0});
}

TEST_CASE("one tiny element among large ones") {
  Sum f{Vec{1, 2, -1, 1e-8, 3}, Vec(5, 1.0)};
  const Vec x = numbers(5, 11);
  const auto right = [&](const Vec& v) { return f.gradient(v); };
  CHECK(check_gradient(f, right, x));
  for (double factor : {0.0, -1.0, 2.0, 1.01}) {
    const GradcheckReport r = check_gradient(
        f,
        [&](const Vec& v) {
          Vec g = right(v);
          g[3] *= factor;
          return g;
        },
        x);
    CAPTURE(r.str());
    CHECK(r.verdict() == Verdict::wrong);
    CHECK(r.worst()->worst_index == 3);
  }
}

TEST_CASE("kinks at the point") {
  CHECK(verdict_of(relu, 0, 0) == Verdict::kink);
  CHECK(verdict_of(relu, 1, 0) == Verdict::kink);
  CHECK(verdict_of(relu, 0.3, 0) == Verdict::kink);
  CHECK(verdict_of(relu, -0.01, 0) == Verdict::wrong);
  CHECK(verdict_of(relu, 1.01, 0) == Verdict::wrong);
  CHECK(verdict_of([](double x) { return std::abs(x); }, 0, 0) != Verdict::wrong);
  CHECK(verdict_of([](double x) { return std::abs(x); }, -1, 0) == Verdict::kink);
  CHECK(verdict_of([](double x) { return std::abs(x); }, 1.5, 0) == Verdict::wrong);
  CHECK(verdict_of([](double x) { return 5 + std::max(x, x * x); }, 2, 1) == Verdict::kink);
  CHECK(verdict_of([](double x) { return 5 + std::max(x, x * x); }, 0.9, 1) == Verdict::wrong);
  // A small kink under a strong curvature.
  CHECK(verdict_of([](double x) { return std::exp(3 * x) + 1e-3 * relu(x); }, 3.001, 0) == Verdict::kink);
  CHECK(verdict_of([](double x) { return std::exp(3 * x) + 1e-3 * relu(x); }, 3.002, 0) == Verdict::wrong);

  const GradcheckReport r = check_gradient([](const Vec& x) { return x[0] * x[0] + 2 * relu(x[1]); },
                                      [](const Vec& x) {
                                        return Vec{2 * x[0], 0};
                                      },
                                      Vec{1.5, 0});
  CHECK(r.ok());
  CHECK(r.tensors[0].worst_index == 1);
  CHECK(r.tensors[0].left == doctest::Approx(0).epsilon(1e-6));
  CHECK(r.tensors[0].right == doctest::Approx(2));
  CHECK(r.str().find("slopes") != std::string::npos);
}

TEST_CASE("kinks beside the point do not disturb") {
  for (double off : {1e-7, 1e-6, 1e-5, 3e-4, 9e-4, 1e-2}) {
    for (double side : {1.0, -1.0}) {
      CAPTURE(off * side);
      const double at = side * off, slope = at > 0 ? 1 : 0;
      CHECK(verdict_of([](double x) { return relu(x - 1) + 1; }, slope, 1 + at) == Verdict::ok);
      CHECK(verdict_of([](double x) { return relu(x - 1) + 1; }, 1 - slope, 1 + at) == Verdict::wrong);
      CHECK(verdict_of([](double x) { return relu(x - 1) + 1; }, 0.5, 1 + at) == Verdict::wrong);
      CHECK(verdict_of([](double x) { return std::sin(x) + std::abs(x - 1); }, std::cos(1 + at) + side,
                       1 + at) == Verdict::ok);
      CHECK(verdict_of([](double x) { return std::sin(x) + std::abs(x - 1); }, std::cos(1 + at) - side,
                       1 + at) == Verdict::wrong);
    }
  }
}

// BVLC/caffe #6814: a loss that takes the better of two pairings was rejected though its gradient was right.
TEST_CASE("a min-based loss") {
  const auto distance = [](const Vec& x, double a, double b) {
    return (x[0] - a) * (x[0] - a) + (x[1] - b) * (x[1] - b);
  };
  const auto loss = [&](const Vec& x) { return std::min(distance(x, 1, 2), distance(x, 2, 1)); };
  const auto gradient = [&](const Vec& x) {
    const bool first = distance(x, 1, 2) <= distance(x, 2, 1);
    return Vec{2 * (x[0] - (first ? 1 : 2)), 2 * (x[1] - (first ? 2 : 1))};
  };
  passes(loss, gradient, {1.3, 1.2});
  passes(loss, gradient, {1.2, 1.2 + 1e-5});
  passes(loss, gradient, {1.2, 1.2 - 1e-7});
  const GradcheckReport tie = check_gradient(loss, gradient, Vec{1.2, 1.2});
  CAPTURE(tie.str());
  CHECK(tie.ok());
  CHECK(tie.verdict() == Verdict::kink);
  fails(loss,
        [&](const Vec& x) {
          Vec g = gradient(x);
          g[1] = -g[1];
          return g;
        },
        {1.3, 1.2});
}

TEST_CASE("wrong gradients of many kinds, named in both modes") {
  // y = sum_i c_i tanh((W v)_i + b_i), three tensors.
  const Index n = 4;
  Vec w = numbers(16, 12), v = numbers(4, 13), b = numbers(4, 14);
  const Vec c = numbers(4, 15);
  const std::vector<CheckedTensor> tensors{
      {"cell.weight", {n, n}, w}, {"input", {n}, v}, {"cell.bias", {n}, b}};
  const auto at = [](Index i) { return static_cast<std::size_t>(i); };
  const auto active = [&](Index i) {
    double sum = b[at(i)];
    for (Index j = 0; j < n; ++j) sum += w[at(i * n + j)] * v[at(j)];
    return std::tanh(sum);
  };
  const auto value = [&] {
    double y = 0;
    for (Index i = 0; i < n; ++i) y += c[at(i)] * active(i);
    return y;
  };
  using Gradients = std::vector<Vec>;
  const auto gradient = [&] {
    Gradients g{Vec(16), Vec(4), Vec(4)};
    for (Index i = 0; i < n; ++i) {
      const double d = c[at(i)] * (1 - active(i) * active(i));
      g[2][at(i)] = d;
      for (Index j = 0; j < n; ++j) {
        g[0][at(i * n + j)] = d * v[at(j)];
        g[1][at(j)] += d * w[at(i * n + j)];
      }
    }
    return g;
  };
  CHECK(check_gradient(value, gradient, tensors, each_element));
  CHECK(check_gradient(value, gradient, tensors, projections));

  struct Fault {
    const char* name;
    std::size_t tensor;
    Index element;  // -1: several
    std::function<void(Gradients&)> plant;
  };
  const std::vector<Fault> faults{
      {"sign of all", 0, -1,
       [](Gradients& g) {
         for (double& d : g[0]) d = -d;
       }},
      {"sign of one", 0, 6, [](Gradients& g) { g[0][6] = -g[0][6]; }},
      {"factor 2", 2, -1,
       [](Gradients& g) {
         for (double& d : g[2]) d *= 2;
       }},
      {"one element zero", 1, 2, [](Gradients& g) { g[1][2] = 0; }},
      {"all zero", 1, -1, [](Gradients& g) { std::ranges::fill(g[1], 0); }},
      {"transposed", 0, -1,
       [&](Gradients& g) {
         for (Index i = 0; i < n; ++i)
           for (Index j = 0; j < i; ++j) std::swap(g[0][at(i * n + j)], g[0][at(j * n + i)]);
       }},
      {"shifted by one", 2, -1,
       [](Gradients& g) { std::rotate(g[2].begin(), g[2].begin() + 1, g[2].end()); }},
      {"last row left out", 0, -1, [](Gradients& g) { std::fill(g[0].begin() + 12, g[0].end(), 0); }},
      {"averaged", 1, -1,
       [](Gradients& g) {
         for (double& d : g[1]) d /= 4;
       }},
      {"1e-4 off", 0, 15, [](Gradients& g) { g[0][15] *= 1.0001; }},
      {"two that cancel", 2, -1,
       [](Gradients& g) {
         g[2][0] += 0.1;
         g[2][1] -= 0.1;
       }},
  };
  for (const Fault& fault : faults) {
    const auto wrong = [&] {
      Gradients g = gradient();
      fault.plant(g);
      return g;
    };
    for (const GradcheckOptions& o : {each_element, projections}) {
      const GradcheckReport r = check_gradient(value, wrong, tensors, o);
      CAPTURE(fault.name);
      CAPTURE(r.str());
      for (std::size_t i = 0; i < 3; ++i)
        CHECK(r.tensors[i].verdict == (i == fault.tensor ? Verdict::wrong : Verdict::ok));
      CHECK(r.worst() == &r.tensors[fault.tensor]);
      if (fault.element >= 0) CHECK(r.tensors[fault.tensor].worst_index == fault.element);
      CHECK(r.tensors[fault.tensor].worst_index >= 0);
    }
  }
}

TEST_CASE("the report reads well") {
  Vec w{1, 2, 3, 4, 5, 6}, b{0.5}, none;
  const std::vector<CheckedTensor> tensors{
      {"encoder.weight", {2, 3}, w}, {"b", {}, b}, {"empty", {0, 3}, none}};
  const auto value = [&] { return w[5] * w[4] + b[0]; };
  const GradcheckReport r = check_gradient(
      value,
      [&] {
        return std::vector<Vec>{{0, 0, 0, 0, w[5], -w[4]}, {1}, {}};
      },
      tensors);
  const std::string text = r.str();
  CAPTURE(text);
  CHECK(text.starts_with("gradcheck: wrong, look at encoder.weight[1,2]: analytic -5, numeric 5"));
  CHECK(text.find("tensor          shape  verdict  worst") != std::string::npos);
  CHECK(text.find("(2,3)") != std::string::npos);
  CHECK(std::ranges::count(text, '\n') == 5);
  CHECK(r.tensors[0].worst_position == std::vector<Index>{1, 2});
  CHECK(r.tensors[1].verdict == Verdict::ok);
  CHECK(r.tensors[2].verdict == Verdict::ok);
  CHECK(doctest::toString(r) == doctest::String(text.c_str()));
}

TEST_CASE("nondeterministic value or gradient") {
  int calls = 0;
  const auto right = [](const Vec& x) { return Vec{2 * x[0], 0}; };
  const auto drifts = [&](const Vec& x) { return x[0] * x[0] + 1e-12 * ++calls; };
  fails(drifts, right, {1, 2}, Verdict::nondeterministic);
  const auto late = [&](const Vec& x) { return x[0] * x[0] + (++calls > 12 ? 1e-9 : 0); };
  calls = 0;
  CHECK(check_gradient(late, right, Vec{1, 2}).verdict() == Verdict::nondeterministic);
  calls = 0;
  const auto gradient = [&](const Vec& x) { return Vec{2 * x[0], 1e-14 * ++calls}; };
  const GradcheckReport r = check_gradient([](const Vec& x) { return x[0] * x[0]; }, gradient, Vec{1, 2});
  CHECK(r.verdict() == Verdict::nondeterministic);
  CHECK(r.worst()->worst_index == 1);
}

TEST_CASE("non-finite inputs, values and gradients") {
  const double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
  const auto f = [](const Vec& x) { return x[0] * x[0]; };
  const auto g = [](const Vec& x) { return Vec{2 * x[0], 0}; };
  for (double bad : {nan, inf, -inf}) {
    const GradcheckReport in = check_gradient(f, g, Vec{1, bad});
    CHECK(in.verdict() == Verdict::non_finite);
    CHECK(in.worst()->worst_index == 1);
    CHECK(in.str().find("the input is") != std::string::npos);
    fails([&](const Vec&) { return bad; }, g, {1, 2}, Verdict::non_finite);
    const GradcheckReport out = check_gradient(
        f,
        [&](const Vec& x) {
          return Vec{2 * x[0], bad};
        },
        Vec{1, 2});
    CHECK(out.verdict() == Verdict::non_finite);
    CHECK(out.worst()->worst_index == 1);
    CHECK(out.str().find("the gradient is") != std::string::npos);
  }
  // The function ends at the point, or close to it: the side that exists is enough.
  CHECK(verdict_of([](double x) { return x * std::sqrt(x); }, 0, 0) == Verdict::ok);
  CHECK(verdict_of([](double x) { return std::log(x); }, 1e6, 1e-6) == Verdict::ok);
  CHECK(verdict_of([](double x) { return std::log(x); }, 1.001e6, 1e-6) == Verdict::wrong);
  CHECK(verdict_of([&](double x) { return x == 1 ? 0 : nan; }, 0, 1) == Verdict::non_finite);
}

TEST_CASE("a value that passes through float needs its precision said") {
  const auto f = [](const Vec& x) { return static_cast<double>(std::sin(static_cast<float>(x[0] * x[1]))); };
  const auto g = [](const Vec& x) {
    const double c = std::cos(x[0] * x[1]);
    return Vec{c * x[1], c * x[0]};
  };
  for (bool fast : {false, true}) {
    CHECK(check_gradient(f, g, {0.7, 1.3}, {.precision = 2e-7, .fast = fast}));
    CHECK_FALSE(check_gradient(f,
                          [&](const Vec& x) {
                            return Vec{g(x)[0], g(x)[1] * 1.1};
                          },
                          {0.7, 1.3}, {.precision = 2e-7, .fast = fast}));
  }
}

TEST_CASE("empty tensors, empty lists, bad arguments") {
  Vec none, two{1, 2};
  const auto value = [] { return 1.0; };
  const std::vector<CheckedTensor> empty{{"e", {3, 0}, none}};
  CHECK(check_gradient(
      value, [] { return std::vector<Vec>{{}}; }, empty));
  CHECK(check_gradient(
      value, [] { return std::vector<Vec>{{}}; }, empty, projections));
  CHECK(check_gradient(
      value, [] { return std::vector<Vec>{}; }, std::span<const CheckedTensor>{}));
  const std::vector<CheckedTensor> bad{{"w", {3}, two}}, good{{"w", {2}, two}};
  CHECK_THROWS_WITH_AS(check_gradient(
                           value, [] { return std::vector<Vec>{Vec(3)}; }, bad),
                       "[gradcheck] 'w' has 2 values, its shape (3) has 3", ShapeError);
  CHECK_THROWS_WITH_AS(check_gradient(
                           value, [] { return std::vector<Vec>{Vec(3)}; }, good),
                       "[gradcheck] gradient of 'w' has 3 elements, the tensor (2) has 2", ShapeError);
  CHECK_THROWS_WITH_AS(check_gradient(
                           value, [] { return std::vector<Vec>{}; }, good),
                       "[gradcheck] gradient() gave 0 tensors, expected 1", ShapeError);
  CHECK_THROWS_AS(check_gradient(value, [] { return std::vector<Vec>{Vec(2)}; }, good, {.rtol = 0}), ValueError);
}

TEST_CASE("contents are restored to the bit, also when a callable throws") {
  const Vec before{1.0 / 3, -0.0, 1e-310, 1e300};
  Vec x = before;
  const std::vector<CheckedTensor> tensors{{"x", {4}, x}};
  const auto same = [&] {
    return std::ranges::equal(
        x, before, [](double a, double b) { return a == b && std::signbit(a) == std::signbit(b); });
  };
  const auto gradient = [] { return std::vector<Vec>{{1, 0, 0, 0}}; };
  for (const GradcheckOptions& o : {each_element, projections}) {
    (void)check_gradient([&] { return x[0]; }, gradient, tensors, o);
    CHECK(same());
    for (int last : {1, 2, 3, 14, 26, 27, 30}) {
      int calls = 0;
      const auto throws = [&] {
        if (++calls == last) throw std::runtime_error("out of luck");
        return x[0];
      };
      try {
        (void)check_gradient(throws, gradient, tensors, o);
      } catch (const std::runtime_error& e) {
        CHECK(std::string(e.what()) == "out of luck");
      }
      CHECK(same());
    }
    CHECK_THROWS_AS(
        check_gradient([&] { return x[0]; }, []() -> std::vector<Vec> { throw std::logic_error(""); }, tensors, o),
        std::logic_error);
    CHECK(same());
  }
  // A function that ends a little further out is not asked to exist there.
  Vec p{0.5};
  const std::vector<CheckedTensor> probability{{"p", {1}, p}};
  const auto bounded = [&] {
    if (p[0] < 0 || p[0] > 1) throw ValueError("[f] not a probability");
    return 1e6 + 1e-9 * p[0];
  };
  CHECK(check_gradient(
      bounded, [] { return std::vector<Vec>{{1e-9}}; }, probability));
  CHECK(p[0] == 0.5);
}

namespace {

// A random smooth composition of `depth` steps over `n` inputs, with its gradient by hand-written reverse
// mode.
struct Composition {
  struct Step {
    int kind;
    std::size_t a, b;
    double w;
  };
  std::vector<Step> steps;
  std::size_t inputs;

  Composition(std::mt19937& bits, std::size_t n, int depth) : inputs(n) {
    for (int i = 0; i < depth; ++i) {
      const std::size_t have = n + static_cast<std::size_t>(i);
      // The first operand is the newest value, so that chains become deep.
      steps.push_back({static_cast<int>(bits() % 6), have - 1, bits() % have,
                       0.3 + 2 * static_cast<double>(bits()) / 4294967296.0});
    }
  }
  Vec forward(const Vec& x) const {
    Vec v = x;
    for (const Step& s : steps) {
      const double a = v[s.a], b = v[s.b];
      switch (s.kind) {
        case 0:
          v.push_back(std::tanh(s.w * a + b));
          break;
        case 1:
          v.push_back(std::exp(-s.w * a * a) + b);
          break;
        case 2:
          v.push_back(a * b);
          break;
        case 3:
          v.push_back(a - s.w * b);
          break;
        case 4:
          v.push_back(std::sin(s.w * a) + 0.5 * b);
          break;
        default:
          v.push_back(std::log(1 + std::exp(a)) * s.w);
          break;
      }
    }
    return v;
  }
  double operator()(const Vec& x) const {
    const Vec v = forward(x);
    return std::accumulate(v.begin() + static_cast<std::ptrdiff_t>(inputs), v.end(), 0.0);
  }
  Vec gradient(const Vec& x) const {
    const Vec v = forward(x);
    Vec d(v.size(), 1.0);
    std::fill(d.begin(), d.begin() + static_cast<std::ptrdiff_t>(inputs), 0.0);
    for (std::size_t i = steps.size(); i-- > 0;) {
      const Step& s = steps[i];
      const double a = v[s.a], b = v[s.b], y = v[inputs + i], g = d[inputs + i];
      switch (s.kind) {
        case 0:
          d[s.a] += g * s.w * (1 - y * y);
          d[s.b] += g * (1 - y * y);
          break;
        case 1:
          d[s.a] += g * -2 * s.w * a * std::exp(-s.w * a * a);
          d[s.b] += g;
          break;
        case 2:
          d[s.a] += g * b;
          d[s.b] += g * a;
          break;
        case 3:
          d[s.a] += g;
          d[s.b] -= g * s.w;
          break;
        case 4:
          d[s.a] += g * s.w * std::cos(s.w * a);
          d[s.b] += g * 0.5;
          break;
        default:
          d[s.a] += g * s.w / (1 + std::exp(-a));
          break;
      }
    }
    d.resize(inputs);
    return d;
  }
};

}  // namespace

TEST_CASE("2,000 random compositions: no false alarm, and a planted error of 1 % is found") {
  std::mt19937 bits(2024);
  int trials = 0, alarms[2] = {}, caught[2] = {}, named[2] = {}, unresolved = 0;
  Index evaluations[2] = {};
  while (trials < 2000) {
    const std::size_t n = 1 + bits() % 6;
    const Composition f(bits, n, 1 + static_cast<int>(bits() % 50));
    const Vec x = numbers(n, static_cast<unsigned>(bits()));
    const Vec g = f.gradient(x);
    // Products of products overflow or turn so fast that no difference quotient means anything: not our
    // subject.
    if (!std::isfinite(f(x)) || std::ranges::any_of(g, [](double d) { return !(std::abs(d) < 1e6); }))
      continue;
    const std::size_t at = bits() % n;
    if (g[at] == 0) continue;  // 1 % of nothing is nothing
    ++trials;
    const auto wrong = [&](const Vec&) {
      Vec h = g;
      h[at] *= 1.01;
      return h;
    };
    for (int mode : {0, 1}) {
      const GradcheckOptions o{.fast = mode == 1};
      const GradcheckReport right = check_gradient(
          f, [&](const Vec&) { return g; }, x, o);
      evaluations[mode] += right.evaluations;
      if (mode == 0) unresolved += right.tensors[0].unresolved > 0;
      if (!right) {
        ++alarms[mode];
        INFO(right.str());
        CHECK(right.ok());
      }
      const GradcheckReport r = check_gradient(f, wrong, x, o);
      caught[mode] += !r.ok();
      named[mode] += !r.ok() && r.worst()->worst_index == static_cast<Index>(at);
    }
  }
  MESSAGE("elements: alarms " << alarms[0] << ", caught " << caught[0] << " and named " << named[0] << " of "
                              << trials << ", evaluations " << evaluations[0] << ", unresolved in "
                              << unresolved);
  MESSAGE("projections: alarms " << alarms[1] << ", caught " << caught[1] << " and named " << named[1]
                                 << ", evaluations " << evaluations[1]);
  CHECK(alarms[0] == 0);
  CHECK(alarms[1] == 0);
  CHECK(caught[0] >= 1990);
  CHECK(named[0] == caught[0]);
  CHECK(caught[1] >= 1980);
}
