// Lanes against the C library: accuracy over dense grids, extremes, partial loads, masks.

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "unroll/core/random.hpp"
#include "unroll/core/simd/dual.hpp"
#include "unroll/core/simd/simd.hpp"

using namespace unroll;

namespace {

template <class T>
using Wider = std::conditional_t<std::is_same_v<T, float>, double, long double>;

// |got - expected| in units of the last place of the expected value; results under the smallest normal number
// count in units of that number's last place.
template <class T>
double ulps(T got, Wider<T> expected) {
  const T rounded = static_cast<T>(expected);
  if (std::isnan(rounded)) return std::isnan(got) ? 0 : 1e30;
  if (std::isinf(rounded) || std::isinf(got)) return got == rounded ? 0 : 1e30;
  const Wider<T> size = std::max(std::fabs(expected), Wider<T>(std::numeric_limits<T>::min()));
  int exponent = 0;
  std::frexp(size, &exponent);
  const Wider<T> unit = std::ldexp(Wider<T>(std::numeric_limits<T>::epsilon()), exponent - 1);
  return static_cast<double>(std::fabs(Wider<T>(got) - expected) / unit);
}

// Every sign and magnitude from `from` to `to`, more than 40,000 points.
template <class T>
std::vector<T> grid(double from, double to) {
  std::vector<T> x;
  const int count = 20000;
  for (int i = 0; i < count; ++i) {
    x.push_back(static_cast<T>(from + (to - from) * i / (count - 1)));
    const double reach = std::max(std::fabs(from), std::fabs(to));
    const double small = reach * std::pow(2.0, -40.0 * i / count);
    for (const double s : {small, -small}) {
      if (s >= from && s <= to) x.push_back(static_cast<T>(s));
    }
  }
  while (x.size() % 16 != 0) x.push_back(static_cast<T>(from));
  return x;
}

struct Worst {
  double ulps = 0;
  double at = 0;
};

template <class L, class F, class R>
Worst worst(F f, R reference, double from, double to) {
  using T = typename L::scalar_type;
  const auto x = grid<T>(from, to);
  std::vector<T> y(x.size());
  for (std::size_t i = 0; i < x.size(); i += L::size) f(L::load(&x[i])).store(&y[i]);
  Worst w;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double u = ulps(y[i], reference(Wider<T>(x[i])));
    if (u > w.ulps) w = {u, static_cast<double>(x[i])};
  }
  return w;
}

#define CHECK_ULPS(bound, from, to, f, reference)                                                   \
  {                                                                                                 \
    const Worst w = worst<L>([](auto x) { return f; }, [](auto x) { return reference; }, from, to); \
    INFO(#f, " worst at ", w.at);                                                                   \
    CHECK(w.ulps <= bound);                                                                         \
  }

template <class L, class F>
typename L::scalar_type at(F f, double x) {
  return f(L(x))[L::size - 1];
}
#define AT(f, x) at<L>([](auto v) { return f(v); }, x)

}  // namespace

#define LANES Lane<float>, Lane<double>, Lane<float, scalar_arch>, Lane<double, scalar_arch>

TEST_CASE_TEMPLATE("elementary functions agree with the C library to a few ulp", L, LANES) {
  using T = typename L::scalar_type;
  const double top = std::is_same_v<T, float> ? 88.7 : 709.7;
  CHECK_ULPS(1.5, -0.98 * top, top, exp(x), std::exp(x));
  CHECK_ULPS(4, -top, top, expm1(x), std::expm1(x));
  CHECK_ULPS(4, -1, 1, expm1(x), std::expm1(x));
  CHECK_ULPS(4.8, -30, 30, tanh(x), std::tanh(x));
  CHECK_ULPS(4, -1, 1, tanh(x), std::tanh(x));
  CHECK_ULPS(4, -0.98 * top, top, sigmoid(x), 1 / (1 + std::exp(-x)));
  CHECK_ULPS(4, -0.98 * top, top, softplus(x),
             std::log1p(std::exp(-std::fabs(x))) + std::fmax(x, decltype(x)(0)));
  CHECK_ULPS(4, 1e-30, 1e30, log(x), std::log(x));
  CHECK_ULPS(4, 0.1, 10, log(x), std::log(x));
  CHECK_ULPS(4, -0.99, 1000, log1p(x), std::log1p(x));
  CHECK_ULPS(4, -0.5, 0.5, log1p(x), std::log1p(x));
  CHECK_ULPS(0.501, 0, 1e30, sqrt(x), std::sqrt(x));
  CHECK_ULPS(2, 1e-6, 1e30, rsqrt(x), 1 / std::sqrt(x));
  // xsimd's erf in double is the one function with a wider bound.
  CHECK_ULPS((std::is_same_v<T, float> ? 4 : 100), -8, 8, erf(x), std::erf(x));
  CHECK_ULPS(0, -50, 50, abs(x), std::fabs(x));
  CHECK_ULPS(1, -50, 50, square(x), x * x);
  CHECK_ULPS(4, -50, 50, pow(x, 3), x * x * x);
  CHECK_ULPS(4, 0.1, 50, pow(x, -2), 1 / (x * x));
  CHECK_ULPS(0, -50, 50, pow(x, 0), x * 0 + 1);
}

TEST_CASE_TEMPLATE("trigonometric functions, power and gelu are exact to rounding of their argument", L,
                   LANES) {
  // Absolute error where the result passes zero away from the origin.
  using T = typename L::scalar_type;
  const double eps = std::numeric_limits<T>::epsilon();
  for (int i = -4000; i <= 4000; ++i) {
    const T x = static_cast<T>(i * 0.0071);
    CAPTURE(x);
    CHECK(std::fabs(AT(sin, x) - std::sin(Wider<T>(x))) <= 2 * eps);
    CHECK(std::fabs(AT(cos, x) - std::cos(Wider<T>(x))) <= 2 * eps);
    const Wider<T> phi = (1 + std::erf(x * std::sqrt(Wider<T>(0.5)))) / 2;
    CHECK(std::fabs(AT(gelu, x) - x * phi) <= 16 * eps * (1 + std::fabs(x)));
    const Wider<T> inner = std::sqrt(2 / std::acos(Wider<T>(-1))) * (x + Wider<T>(0.044715L) * x * x * x);
    CHECK(std::fabs(AT(gelu_tanh, x) - x / Wider<T>(2) * (1 + std::tanh(inner))) <=
          8 * eps * (1 + std::fabs(x)));
  }
  for (const double y : {0.5, -1.3, 2.7, 10.0}) {
    for (int i = 1; i < 2000; ++i) {
      const T x = static_cast<T>(i * 0.01);
      const Wider<T> expected = std::pow(Wider<T>(x), Wider<T>(T(y)));
      const double relative = static_cast<double>(std::fabs(pow(L(x), L(y))[0] / expected - 1));
      // The error of the logarithm is multiplied by what goes into exp.
      CHECK(relative <= eps * (4 + std::fabs(y * std::log(static_cast<double>(x)))));
    }
  }
}

TEST_CASE_TEMPLATE("extremes saturate, NaN stays NaN", L, LANES) {
  using T = typename L::scalar_type;
  const T inf = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
  const T big = std::numeric_limits<T>::max();
  for (const T x : {T(1000), big, inf}) {
    CHECK(AT(exp, x) == inf);
    CHECK(AT(exp, -x) == 0);
    CHECK(AT(expm1, x) == inf);
    CHECK(AT(expm1, -x) == -1);
    CHECK(AT(tanh, x) == 1);
    CHECK(AT(tanh, -x) == -1);
    CHECK(AT(sigmoid, x) == 1);
    CHECK(AT(sigmoid, -x) == 0);
    CHECK(AT(softplus, x) == x);
    CHECK(AT(softplus, -x) == 0);
    CHECK(AT(erf, x) == 1);
    CHECK(AT(erf, -x) == -1);
    CHECK(AT(relu, x) == x);
    CHECK(AT(relu, -x) == 0);
    CHECK(AT(gelu, x) == x);
    CHECK(AT(abs, -x) == x);
  }
  CHECK(AT(exp, 0) == 1);
  CHECK(AT(tanh, 400) == 1);
  CHECK(AT(tanh, 0) == 0);
  CHECK(std::signbit(AT(tanh, -0.0)));
  CHECK(AT(sigmoid, 0) == T(0.5));
  CHECK(AT(log, 0) == -inf);
  CHECK(AT(log, 1) == 0);
  CHECK(AT(log, inf) == inf);
  CHECK(std::isnan(AT(log, -1)));
  CHECK(AT(log1p, -1) == -inf);
  CHECK(std::isnan(AT(log1p, -2)));
  CHECK(std::isnan(AT(sqrt, -1)));
  CHECK(AT(rsqrt, 0) == inf);
  CHECK(std::isnan(AT(exp, nan)));
  CHECK(std::isnan(AT(expm1, nan)));
  CHECK(std::isnan(AT(log, nan)));
  CHECK(std::isnan(AT(log1p, nan)));
  CHECK(std::isnan(AT(sqrt, nan)));
  CHECK(std::isnan(AT(tanh, nan)));
  CHECK(std::isnan(AT(sigmoid, nan)));
  CHECK(std::isnan(AT(softplus, nan)));
  CHECK(std::isnan(AT(relu, nan)));
  CHECK(std::isnan(AT(leaky_relu, nan)));
  CHECK(std::isnan(AT(gelu, nan)));
  CHECK(std::isnan(AT(gelu_tanh, nan)));
  CHECK(std::isnan(AT(erf, nan)));
  CHECK(std::isnan(AT(sin, nan)));
  CHECK(std::isnan(AT(cos, nan)));
  CHECK(std::isnan(AT(abs, nan)));
  CHECK(pow(L(0), L(0))[0] == 1);
  CHECK(pow(L(nan), L(0))[0] == 1);
  CHECK(pow(L(0), L(1.5))[0] == 0);
  CHECK(pow(L(0), L(-1.5))[0] == inf);
  CHECK(pow(L(-2), L(3))[0] == doctest::Approx(-8));
  CHECK(std::isnan(pow(L(-2), L(0.5))[0]));
  CHECK(std::isnan(pow(L(nan), L(2))[0]));
  CHECK(std::isnan(pow(L(2), L(nan))[0]));
  CHECK(std::isnan(clamp(L(nan), 0, 1)[0]));
  CHECK(std::isnan(maximum(L(nan), 0)[0]));
  CHECK(std::isnan(maximum(0, L(nan))[0]));
  CHECK(std::isnan(minimum(L(nan), 0)[0]));
  CHECK(std::isnan(minimum(0, L(nan))[0]));
}

// This file's own instruction set, and the narrower ones among the library's.
#if UNROLL_HAS_XSIMD && defined(__AVX2__) && defined(__FMA__)
#define ALL_LANES \
  LANES, Lane<float, sse2_arch>, Lane<double, sse2_arch>, Lane<float, avx2_arch>, Lane<double, avx2_arch>
#elif UNROLL_HAS_XSIMD && defined(__x86_64__)
#define ALL_LANES LANES, Lane<float, sse2_arch>, Lane<double, sse2_arch>
#else
#define ALL_LANES LANES
#endif

namespace {

template <class T>
struct ValuesAndSlopes {
  std::vector<T> values, slopes;
};

template <class L, class F>
[[gnu::noinline]] ValuesAndSlopes<typename L::scalar_type> run(F f, const std::vector<typename L::scalar_type>& x) {
  ValuesAndSlopes<typename L::scalar_type> all;
  for (const auto number : x) {
    const auto y = f(Dual<L, 1>::variable(L(number), 0));
    all.values.push_back(y.value[L::size - 1]);
    all.slopes.push_back(y.d[0][L::size - 1]);
  }
  return all;
}
#define RUN(y) run<L>([](auto x) { return y; }, x)

template <class T>
[[gnu::noinline]] void check_nan(const char* name, const std::vector<T>& numbers) {
  for (std::size_t i = 0; i < numbers.size(); ++i)
    CHECK_MESSAGE(std::isnan(numbers[i]), std::string(name), " of NaN number ", i);
}

// Results below the smallest normal number may be zero; an operand below it may count as zero.
template <class T, class R>
[[gnu::noinline]] void check_like(const char* name, double bound, const std::vector<T>& x, const std::vector<T>& y,
                                  R reference) {
  for (std::size_t i = 0; i < x.size(); ++i) {
    double off = ulps<T>(y[i], reference(Wider<T>(x[i])));
    if (std::fpclassify(x[i]) == FP_SUBNORMAL)
      off = std::min(off, ulps<T>(y[i], reference(std::copysign(Wider<T>(0), Wider<T>(x[i])))));
    CHECK_MESSAGE(off <= bound, std::string(name), " of ", x[i], " is ", y[i]);
  }
}

}  // namespace

TEST_CASE_TEMPLATE("NaN of any sign and payload passes through values and slopes", L, ALL_LANES) {
  using T = typename L::scalar_type;
  using Bits = std::conditional_t<std::is_same_v<T, float>, std::uint32_t, std::uint64_t>;
  constexpr int quiet_bit = std::numeric_limits<T>::digits - 2;
  const Bits quiet = (~Bits{0} >> 1) >> quiet_bit << quiet_bit, payloads = (Bits{1} << quiet_bit) - 1;
  std::vector<T> x;
  for (const Bits payload : {Bits{0}, Bits{1}, Bits{2}, Bits{0x1ff}, Bits{0x200}, Bits{0x12345}, payloads})
    for (const Bits sign : {Bits{0}, ~(~Bits{0} >> 1)}) x.push_back(std::bit_cast<T>(quiet | payload | sign));
  check_nan("NaN", x);
#define CHECK_NAN(y) check_nan(#y, RUN(y).values);
#define CHECK_NAN_AND_SLOPE(y)                    \
  {                                               \
    const auto all = RUN(y);                      \
    check_nan(#y, all.values);                    \
    check_nan("the derivative of " #y, all.slopes); \
  }
  CHECK_NAN_AND_SLOPE(exp(x))
  CHECK_NAN_AND_SLOPE(expm1(x))
  CHECK_NAN_AND_SLOPE(log(x))
  CHECK_NAN_AND_SLOPE(log1p(x))
  CHECK_NAN_AND_SLOPE(rsqrt(x))
  CHECK_NAN_AND_SLOPE(tanh(x))
  CHECK_NAN_AND_SLOPE(sigmoid(x))
  CHECK_NAN_AND_SLOPE(softplus(x))
  CHECK_NAN_AND_SLOPE(erf(x))
  CHECK_NAN_AND_SLOPE(gelu_tanh(x))
  CHECK_NAN_AND_SLOPE(sin(x))
  CHECK_NAN_AND_SLOPE(pow(x, 1.5))
  CHECK_NAN_AND_SLOPE(pow(2, x))
  CHECK_NAN_AND_SLOPE(1 / x)
  CHECK_NAN(relu(x) + leaky_relu(x, 0.1))
  CHECK_NAN(abs(x))
  CHECK_NAN(clamp(x, -1, 1))
  CHECK_NAN(maximum(x, 1))
  CHECK_NAN(maximum(1, x))
  CHECK_NAN(minimum(x, 1))
  CHECK_NAN(minimum(1, x))
  for (const T nan : x) CHECK(std::isnan(tanh(L(nan))[0]));  // which has a way of its own without a slope
}

TEST_CASE_TEMPLATE("infinities, zeros, the largest and the smallest numbers", L, ALL_LANES) {
  using T = typename L::scalar_type;
  using Limits = std::numeric_limits<T>;
  std::vector<T> x;
  for (const T size : {Limits::infinity(), Limits::max(), T(1e10), T(0.5), Limits::min(), Limits::min() / 3,
                       Limits::denorm_min(), T(0)})
    x.push_back(size), x.push_back(-size);
#define CHECK_LIKE(y, reference) CHECK_LIKE_TO(4, y, reference)
#define CHECK_LIKE_TO(bound, y, reference) check_like(#y, bound, x, RUN(y).values, [](auto x) { return reference; });
#define CHECK_SLOPE(y, reference) \
  check_like("the derivative of " #y, 4, x, RUN(y).slopes, [](auto x) { return reference; });
  CHECK_LIKE(exp(x), std::exp(x))
  CHECK_LIKE(expm1(x), std::expm1(x))
  CHECK_LIKE(tanh(x), std::tanh(x))
  CHECK_LIKE(sigmoid(x), 1 / (1 + std::exp(-x)))
  CHECK_LIKE(softplus(x), std::log1p(std::exp(-std::fabs(x))) + std::fmax(x, decltype(x)(0)))
  CHECK_LIKE_TO((std::is_same_v<T, float> ? 4 : 100), erf(x), std::erf(x))
  CHECK_LIKE(log1p(x), std::log1p(x))
  CHECK_LIKE(sqrt(x), std::sqrt(x))
  CHECK_LIKE(1 / x, 1 / x)
  CHECK_LIKE(x / x, x / x)
  CHECK_LIKE(abs(x), std::fabs(x))
  CHECK_SLOPE(tanh(x), 1 / (std::cosh(x) * std::cosh(x)))
  CHECK_SLOPE(sigmoid(x), 1 / (2 + 2 * std::cosh(x)))
  for (const auto& y : {RUN(sqrt(x)), RUN(tanh(x)), RUN(erf(x))}) CHECK(std::signbit(y.values.back()));  // of -0
  CHECK(gelu_tanh(L(-1e10))[0] == 0);
  if (std::is_same_v<T, double>) std::erase_if(x, [](T y) { return std::fpclassify(y) == FP_SUBNORMAL; });
  CHECK_LIKE(log(x), std::log(x))
}

TEST_CASE_TEMPLATE("division and square root are rounded correctly", L, ALL_LANES) {
  using T = typename L::scalar_type;
  Rng rng(5);
  const auto number = [&] {
    return std::ldexp(1 + rng.uniform<T>(), static_cast<int>(80 * rng.uniform<double>()) - 40);
  };
  int wrong = 0;
  for (int i = 0; i < 4000; ++i) {
    const T a = number(), b = number();
    wrong += (L(a) / L(b))[0] != a / b || (L(a) / L(a))[0] != 1 || sqrt(L(a))[0] != std::sqrt(a);
  }
  CHECK(wrong == 0);
}

TEST_CASE_TEMPLATE("tanh is odd, never beyond 1 and rises; sigmoid rises", L, Lane<float>, Lane<double>) {
  using T = typename L::scalar_type;
  const T eps = std::numeric_limits<T>::epsilon();
  T last_tanh = -1, last_sigmoid = 0;
  for (int i = -60000; i <= 60000; ++i) {
    const T x = static_cast<T>(i) / T(2500);
    const T y = AT(tanh, x), s = AT(sigmoid, x);
    CHECK(std::fabs(y) <= 1);
    CHECK(AT(tanh, -x) == -y);
    // Neighbouring results may swap by their rounding error, not more.
    CHECK(y >= last_tanh - 4 * eps * std::fabs(y));
    CHECK(s >= last_sigmoid - 4 * eps * s);
    last_tanh = y;
    last_sigmoid = s;
  }
}

TEST_CASE_TEMPLATE("arithmetic with literals, masks and select", L, LANES) {
  using T = typename L::scalar_type;
  T in[16], out[16];
  for (int i = 0; i < 16; ++i) in[i] = static_cast<T>(i - 2);
  const L x = L::load(in);
  L y = 2 * x + 1 - 0.5 * (1 - x) / 2.0f;
  y += 1;
  y -= x;
  y *= 2;
  y /= 4;
  (-y).store(out);
  for (int i = 0; i < L::size; ++i)
    CHECK(out[i] == -((2 * in[i] + 1 - T(0.25) * (1 - in[i])) + 1 - in[i]) / 2);
  const auto middle = x > -1 && x <= 3;
  const L z = select(middle || x == 5, x * 10, -1);
  for (int i = 0; i < L::size; ++i) {
    const bool in_middle = (in[i] > -1 && in[i] <= 3) || in[i] == 5;
    CHECK(z[i] == (in_middle ? in[i] * 10 : T(-1)));
    CHECK(where(!middle, 1, x)[i] == (in[i] > -1 && in[i] <= 3 ? in[i] : T(1)));
    CHECK(select((x >= 0) ^ (x < 3), 1, 0 * x)[i] == T((in[i] >= 0) != (in[i] < 3)));
    CHECK(select((x != 0) & !(x < 0), L(1), 0)[i] == T(in[i] > 0));
    CHECK(maximum(x, 0)[i] == std::max(in[i], T(0)));
    CHECK(min(x, 1.5)[i] == std::min(in[i], T(1.5)));
    CHECK(clamp(x, -1, 2)[i] == std::clamp(in[i], T(-1), T(2)));
    CHECK(leaky_relu(x, 0.5)[i] == (in[i] > 0 ? in[i] : in[i] / 2));
    CHECK(mul_add(x, 2, 1)[i] == 2 * in[i] + 1);
  }
  CHECK((x == x).all());
  CHECK_FALSE((x != x).any());
  const L nan(std::numeric_limits<T>::quiet_NaN());
  CHECK((nan != nan).all());
  CHECK_FALSE((nan == nan).any());
  CHECK((L(1) < 2).all());
  T sum = 0;
  for (int i = 0; i < L::size; ++i) sum += in[i];
  CHECK(reduce_add(x) == sum);
}

TEST_CASE_TEMPLATE("partial load and store touch exactly n numbers", L, LANES) {
  using T = typename L::scalar_type;
  for (int n = 0; n <= L::size; ++n) {
    // A heap block of exactly n numbers: AddressSanitizer sees any access beyond it.
    std::vector<T> from(static_cast<std::size_t>(n)), to(static_cast<std::size_t>(n), T(-1));
    for (int i = 0; i < n; ++i) from[static_cast<std::size_t>(i)] = static_cast<T>(i + 1);
    const L x = L::load(from.data(), n);
    for (int i = 0; i < L::size; ++i) CHECK(x[i] == (i < n ? static_cast<T>(i + 1) : T(0)));
    x.store(to.data(), n);
    CHECK(from == to);
    T wide[16];
    for (T& w : wide) w = T(7);
    x.store(wide, n);
    for (int i = n; i < 16; ++i) CHECK(wide[i] == 7);
  }
}

TEST_CASE("the same functions on plain numbers") {
  const double x = 0.7;
  const float y = 0.7f;
  CHECK(tanh(x) == std::tanh(x));
  CHECK(tanh(y) == std::tanh(y));
  CHECK(sigmoid(x) == doctest::Approx(1 / (1 + std::exp(-x))));
  CHECK(softplus(-1000.0) == 0);
  CHECK(softplus(1000.0) == 1000);
  CHECK(relu(-x) == 0);
  CHECK(leaky_relu(-x, 0.1) == -0.1 * x);
  CHECK(clamp(x, 0, 0.5) == 0.5);
  CHECK(maximum(x, 1) == 1);
  CHECK(min(1, x) == x);
  CHECK(pow(x, 2) == x * x);
  CHECK(select(x > 0, x, 1) == x);
  CHECK(square(y) == y * y);
  CHECK(abs(-x) == x);
}
