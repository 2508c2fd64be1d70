#pragma once
/// \file
/// A user's own operation in xtensor's syntax.

#include <memory>

#include "../core/xt.hpp"
#include "custom.hpp"

namespace unroll {
namespace detail {

template <class Allocator>
struct UNROLL_PER_ISA AsXtensor {
  template <class T>
  using For = typename std::allocator_traits<Allocator>::template rebind_alloc<std::remove_const_t<T>>;

  static constexpr bool scratch = true;
  template <class T>
  static auto view(T* data, const Shape& shape) {
    return xt_view<T, For<T>>(data, shape);
  }
};

}  // namespace detail

/// custom_op whose callables are given xtensor expressions (non-owning views of shape `shape` and of each
/// input's):
///
///     auto y = custom_op_xt("softsign", x.shape(),
///         [](auto& y, const auto& x) { xt::noalias(y) = x / (1 + xt::abs(x)); },
///         [](const auto& dy, const auto&, const auto& x, auto& dx) { dx += dy / xt::square(1 + xt::abs(x)); }, x);
///
/// All else as in custom_op, but the dx_i of an input that wants no gradient is scratch memory, so that the
/// expression above is right for every input. Include what the callables use (<xtensor/xmath.hpp>). Do not
/// give `Allocator`.
template <class Forward, class Backward, Tensor First, Tensor... Rest,
          class Allocator = detail::XtAllocator<float>> UNROLL_PER_ISA
Variable<ScalarOf<First>> custom_op_xt(const char* name, const Shape& shape, const Forward& forward,
                                       const Backward& backward, const First& first, const Rest&... rest) {
  using T = ScalarOf<First>;
  return detail::custom_op_as<detail::AsXtensor<Allocator>, T>(
      name, shape, forward, backward, {detail::operand(first), detail::operand(rest)...},
      std::make_index_sequence<sizeof...(Rest) + 1>());
}

}  // namespace unroll
