// Our header after xtensor's own.

#if __has_include(<xtensor/containers/xarray.hpp>)
#include <xtensor/containers/xadapt.hpp>
#include <xtensor/containers/xarray.hpp>
#include <xtensor/containers/xtensor.hpp>
#include <xtensor/core/xmath.hpp>
#include <xtensor/generators/xrandom.hpp>
#include <xtensor/io/xio.hpp>
#include <xtensor/views/xview.hpp>
#else
#include <xtensor/xadapt.hpp>
#include <xtensor/xarray.hpp>
#include <xtensor/xio.hpp>
#include <xtensor/xmath.hpp>
#include <xtensor/xrandom.hpp>
#include <xtensor/xtensor.hpp>
#include <xtensor/xview.hpp>
#endif

#include <doctest/doctest.h>

#include "unroll/core/xt.hpp"

using namespace unroll;

namespace {

xt::xarray<float> normalised(const xt::xarray<float>& x) {
  const xt::xarray<float> total = xt::sum(x);
  return x / total;
}

}  // namespace

TEST_CASE("plain xarray arithmetic is right when xtensor came first") {
  const xt::xarray<float> a{{1, 2, 3}, {4, 5, 6}}, b{10, 20, 30};
  static_assert(std::is_same_v<xt::temporary_type_t<decltype(a + b)>, xt::xarray<float>>);
  xt::xarray<float> c = a + b;
  c = c - a;
  CHECK(c.dimension() == 2);
  CHECK(c(1, 2) == 30);
  c = normalised(a + 0.f * b);
  CHECK(c(1, 2) == doctest::Approx(6.0 / 21));
  const xt::xtensor<float, 2> fixed = a + b;
  const auto both = xt::eval(fixed + b);
  CHECK(both.dimension() == 2);
  CHECK(both(1, 2) == 66);

  Tape<float> tape;
  Recording step(tape);
  CHECK(input(both).value() == both);
  CHECK(input(a * b, requires_grad).to_vector() == std::vector<float>{10, 40, 90, 40, 100, 180});
}
