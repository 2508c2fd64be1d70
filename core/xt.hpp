#pragma once
/// \file
/// xtensor at the rim: expressions come in by `input`, values and gradients go out as `xt::xarray<T>`, and
/// memory of the tape is seen as an xtensor expression by `xt_view`.
///
/// Include this header (before the first use of an `xt::xarray`, in whatever order among xtensor's own
/// headers) in files that hold xtensor arrays; the rest of the library does without it, which saves its users
/// a second a file.
///
/// xtensor before 0.26 gives temporaries of `xarray` expressions the wrong type when compiled as C++20 with
/// g++ (xtensor-stack/xtensor#1970): shapes come out wrong, or the program crashes. With clang 19 an `xarray` does not
/// compile. This header repairs both; define UNROLL_NO_XTENSOR_REPAIR if something else in your program already does.

#if __has_include(<xtensor/core/xtensor_config.hpp>)
#include <xtensor/containers/xarray.hpp>
#include <xtensor/containers/xbuffer_adaptor.hpp>
#include <xtensor/core/xnoalias.hpp>
#include <xtensor/core/xtensor_config.hpp>  // 0.26 and later
#else
#include <xtensor/xtensor_config.hpp>
#if XTENSOR_VERSION_MAJOR == 0 && XTENSOR_VERSION_MINOR < 26 && __cplusplus > 201703L && \
    !defined(UNROLL_NO_XTENSOR_REPAIR)
#include <xtensor/xexpression_traits.hpp>
#include <xtensor/xstorage.hpp>
namespace xt::detail {
// Since C++17 a template parameter `template <class, std::size_t> class S` also takes templates with more
// parameters that have defaults, so that the shape of an xarray, svector<T, 4, A, true>, is taken for a
// std::array. xtensor has this very specialisation, but for exactly C++17.
template <template <class, std::size_t, class, bool> class S, class X, std::size_t N, class A, bool Init>
struct xtype_for_shape<S<X, N, A, Init>> {
  template <class T, layout_type L>
  using type = xarray<T, L>;
};
}  // namespace xt::detail
namespace xt {
// clang 19 takes it so too, and cannot choose between xtensor's own specialisations for it and for a std::array.
template <class X, class T, std::size_t N>
struct rebind_container<X, svector<T, N, std::allocator<T>, true>> {
  using type = svector<X, N, std::allocator<X>, true>;
};
}  // namespace xt
#endif
#include <xtensor/xarray.hpp>
#include <xtensor/xbuffer_adaptor.hpp>
#include <xtensor/xnoalias.hpp>
#endif

#include <algorithm>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "error.hpp"
#include "parameter.hpp"
#include "variable.hpp"

namespace unroll {

namespace detail {

template <class T>
inline constexpr bool is_scalar = std::is_same_v<T, float> || std::is_same_v<T, double>;

// The alignment of xtensor's default allocator, and with it this type, depends on the compiler's flags. It is
// a template parameter of everything below, so that files compiled with different flags never share a
// function.
template <class T>
using XtAllocator = XTENSOR_DEFAULT_ALLOCATOR(std::remove_const_t<T>);

template <class T, class Allocator = XtAllocator<T>>
using XtView = xt::xarray_adaptor<xt::xbuffer_adaptor<T*, xt::no_ownership, Allocator>,
                                  xt::layout_type::row_major, xt::dynamic_shape<std::size_t>>;

template <class Array>
UNROLL_PER_ISA typename Array::shape_type xt_shape(const Shape& shape) {
  typename Array::shape_type dims(static_cast<std::size_t>(shape.rank()));
  for (int i = 0; i < shape.rank(); ++i)
    dims[static_cast<std::size_t>(i)] = static_cast<std::size_t>(shape[i]);
  return dims;
}

template <class E>
UNROLL_PER_ISA Shape shape_of(const char* op, const E& expression) {
  if (expression.dimension() > static_cast<std::size_t>(Shape::max_rank))
    throw ShapeError(std::string("[") + op + "] expression has " + std::to_string(expression.dimension()) +
                     " dimensions; expected at most four");
  Index dims[Shape::max_rank] = {};
  for (std::size_t i = 0; i < expression.dimension(); ++i)
    dims[i] = static_cast<Index>(expression.shape()[i]);
  return Shape(dims, static_cast<int>(expression.dimension()));
}

template <class Array, class T>
UNROLL_PER_ISA Array to_array(std::span<const T> values, const Shape& shape) {
  Array a = Array::from_shape(xt_shape<Array>(shape));
  std::ranges::copy(values, a.data());
  return a;
}

// What Variable::value() and grad() return.
template <class T>
struct ArrayOf {
  using type = xt::xarray<T, xt::layout_type::row_major>;
  template <class Array>
  UNROLL_PER_ISA static Array make(const std::vector<T>& values, const Shape& shape) {
    return to_array<Array>(std::span<const T>(values), shape);
  }
};

}  // namespace detail

/// `size(shape)` elements at `data`, row-major, as an xtensor expression: read, written and computed with
/// like an `xt::xarray<T>` that does not own its memory. For custom operations written in xtensor's syntax;
/// it is good as long as the memory is. `const T` gives one that can only be read.
template <class T, class Allocator = detail::XtAllocator<T>>
UNROLL_PER_ISA detail::XtView<T, Allocator> xt_view(T* data, const Shape& shape) {
  using View = detail::XtView<T, Allocator>;
  return View(typename View::storage_type(data, static_cast<std::size_t>(shape.size())),
              detail::xt_shape<View>(shape));
}
/// The same over a span. Throws ShapeError when the number of elements is not that of the shape.
template <class T, class Allocator = detail::XtAllocator<T>>
UNROLL_PER_ISA detail::XtView<T, Allocator> xt_view(std::span<T> data, const Shape& shape) {
  if (static_cast<Index>(data.size()) != shape.size())
    throw ShapeError("[xt_view] " + std::to_string(data.size()) + " elements for shape " + shape.str() +
                     ", which takes " + std::to_string(shape.size()));
  return xt_view<T, Allocator>(data.data(), shape);
}

namespace detail {

// T: the scalar asked for, or void for the expression's own.
template <class T, class E>
struct InputScalar {
  using own = typename E::value_type;
  static_assert(!std::is_void_v<T> || is_scalar<own>,
                "[input] the expression's elements are neither float nor double: say which is wanted, as in "
                "input<float>(expression)");
  using type = std::conditional_t<std::is_void_v<T>, std::conditional_t<is_scalar<own>, own, float>, T>;
  static_assert(is_scalar<type>, "[input] tensors are of float or double");
};

template <class T, class Allocator, class E>
UNROLL_PER_ISA Variable<T> input_expression(const E& expression, bool requires_grad) {
  open_tape<T>("input");
  return input_written_by<T>("input", shape_of("input", expression), requires_grad, [&](std::span<T> elements) {
    if constexpr (E::static_layout == xt::layout_type::row_major &&
                  requires { expression.data() + expression.data_offset(); }) {
      // Its elements lie in order: an assignment of xtensor's would cost a user's file half a second to compile.
      std::copy_n(expression.data() + expression.data_offset(), elements.size(), elements.data());
    } else {
      auto to = xt_view<T, Allocator>(elements.data(), shape_of("input", expression));
      xt::noalias(to) = expression;
    }
  });
}

}  // namespace detail

/// Copies any xtensor expression onto the current tape, row-major, as a constant; it is computed straight
/// into the tape's memory. `input(x)` keeps the element type, which must be float or double;
/// `input<float>(x)` converts. Throws ShapeError for more than four dimensions, NoScopeError with no scope
/// open.
template <class T = void, class E, class Allocator = detail::XtAllocator<float>>
UNROLL_PER_ISA auto input(const xt::xexpression<E>& expression) {
  using Scalar = typename detail::InputScalar<T, E>::type;
  using A = typename std::allocator_traits<Allocator>::template rebind_alloc<Scalar>;
  return detail::input_expression<Scalar, A>(expression.derived_cast(), false);
}
/// The same, and backward() computes its adjoint.
template <class T = void, class E, class Allocator = detail::XtAllocator<float>>
UNROLL_PER_ISA auto input(const xt::xexpression<E>& expression, RequiresGrad) {
  using Scalar = typename detail::InputScalar<T, E>::type;
  using A = typename std::allocator_traits<Allocator>::template rebind_alloc<Scalar>;
  return detail::input_expression<Scalar, A>(expression.derived_cast(), true);
}

/// A copy of a parameter's value as an `xt::xarray<T>`.
template <class T, class Array = typename detail::ArrayOf<T>::type>
UNROLL_PER_ISA Array value_of(const Parameter<T>& parameter) {
  return detail::to_array<Array>(parameter.values(), parameter.shape());
}
/// A copy of a parameter's gradient as an `xt::xarray<T>`; zeros when none was collected.
template <class T, class Array = typename detail::ArrayOf<T>::type>
UNROLL_PER_ISA Array grad_of(const Parameter<T>& parameter) {
  return detail::to_array<Array>(parameter.grads(), parameter.shape());
}
/// parameter = expression. The expression may read the parameter's own memory. Throws ShapeError when the
/// shape is another; elements convert as by `T(x)`.
template <class T, class E, class Array = typename detail::ArrayOf<T>::type>
UNROLL_PER_ISA void assign(Parameter<T>& parameter, const xt::xexpression<E>& expression) {
  const Shape shape = detail::shape_of("assign", expression.derived_cast());
  if (!(shape == parameter.shape()))
    throw ShapeError("[assign] expression " + shape.str() + " to a parameter " + parameter.shape().str() +
                     "; expected one shape");
  const Array values = expression.derived_cast();
  std::copy_n(values.data(), values.size(), parameter.mutable_values().data());
}

}  // namespace unroll
