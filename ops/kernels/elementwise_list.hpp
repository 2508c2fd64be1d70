#pragma once
/// \file
/// The list of elementwise operations.

namespace unroll::detail {

/// The operations compiled for every instruction set: function object, name in messages, and the result, an expression of
/// the functions of core/simd/dual.hpp: of a and b for two tensors, of x for one, of x and a number c beside it. `Own`
/// ones are written out in kernels/elementwise.hpp. Sin and Cos are not among them, because xsimd reduces large angles in
/// functions that are one symbol for all sets.
// clang-format off
#define UNROLL_ELEMENTWISE(Two, One, WithNumber, Own)         \
  Two(Add, "add", a + b)                                      \
  Two(Sub, "sub", a - b)                                      \
  Two(Mul, "mul", a * b)                                      \
  Two(Div, "div", a / b)                                      \
  Two(Pow, "pow", pow(a, b))                                  \
  Two(Maximum, "maximum", maximum(a, b))                      \
  Two(Minimum, "minimum", minimum(a, b))                      \
  One(Negate, "negate", -x)                                   \
  One(Exp, "exp", exp(x))                                     \
  One(Log, "log", log(x))                                     \
  One(Log1p, "log1p", log1p(x))                               \
  One(Sqrt, "sqrt", sqrt(x))                                  \
  One(Abs, "abs", abs(x))                                     \
  One(Square, "square", x * x)                                \
  One(Erf, "erf", erf(x))                                     \
  One(Tanh, "tanh", tanh(x))                                  \
  One(Sigmoid, "sigmoid", sigmoid(x))                         \
  One(Relu, "relu", relu(x))                                  \
  One(Softplus, "softplus", softplus(x))                      \
  One(Gelu, "gelu", gelu(x))                                  \
  WithNumber(AddNumber, "add", x + X(c))                      \
  WithNumber(MulNumber, "mul", x * X(c))                      \
  WithNumber(DivNumber, "div", x / X(c))                      \
  WithNumber(NumberSub, "sub", X(c) - x)                      \
  WithNumber(NumberDiv, "div", X(c) / x)                      \
  WithNumber(PowNumber, "pow", pow(x, X(c)))                  \
  WithNumber(NumberPow, "pow", pow(X(c), x))                  \
  WithNumber(MaximumNumber, "maximum", maximum(x, X(c)))      \
  WithNumber(MinimumNumber, "minimum", minimum(x, X(c)))      \
  WithNumber(LeakyRelu, "leaky_relu", leaky_relu(x, X(c)))    \
  Own(PowWhole, "pow", )                                      \
  Own(Clamp, "clamp", )                                       \
  Own(GeluTanh, "gelu_tanh", )
// clang-format on

/// Position of an operation in the tables.
enum class Elementwise {
#define UNROLL_ENUMERATE(Name, name, result) Name,
  UNROLL_ELEMENTWISE(UNROLL_ENUMERATE, UNROLL_ENUMERATE, UNROLL_ENUMERATE, UNROLL_ENUMERATE)
#undef UNROLL_ENUMERATE
      count,
  Sin = count,
  Cos
};

}  // namespace unroll::detail
