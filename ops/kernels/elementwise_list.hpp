#pragma once
/// \file
/// The list of elementwise operations.

namespace unroll::detail {

/// The operations compiled for every instruction set: function object, name, number of tensor operands. Sin
/// and Cos are not among them, because xsimd reduces large angles in functions that are one symbol for all
/// sets.
// clang-format off
#define UNROLL_ELEMENTWISE(X)                                                                               \
  X(Add, "add", 2) X(Sub, "sub", 2) X(Mul, "mul", 2) X(Div, "div", 2) X(Pow, "pow", 2)                      \
  X(Maximum, "maximum", 2) X(Minimum, "minimum", 2) X(AddNumber, "add", 1) X(MulNumber, "mul", 1)           \
  X(DivNumber, "div", 1) X(NumberSub, "sub", 1) X(NumberDiv, "div", 1) X(PowNumber, "pow", 1)               \
  X(PowWhole, "pow", 1) X(NumberPow, "pow", 1) X(MaximumNumber, "maximum", 1)                               \
  X(MinimumNumber, "minimum", 1) X(Clamp, "clamp", 1) X(Negate, "negate", 1) X(Exp, "exp", 1)               \
  X(Log, "log", 1) X(Log1p, "log1p", 1) X(Sqrt, "sqrt", 1) X(Abs, "abs", 1) X(Square, "square", 1)          \
  X(Erf, "erf", 1) X(Tanh, "tanh", 1) X(Sigmoid, "sigmoid", 1) X(Relu, "relu", 1)                           \
  X(LeakyRelu, "leaky_relu", 1) X(Softplus, "softplus", 1) X(Gelu, "gelu", 1)                               \
  X(GeluTanh, "gelu_tanh", 1)
// clang-format on

/// Position of an operation in the tables.
enum class Elementwise {
#define UNROLL_ENUMERATE(Name, name, operands) Name,
  UNROLL_ELEMENTWISE(UNROLL_ENUMERATE)
#undef UNROLL_ENUMERATE
      count,
  Sin = count,
  Cos
};

}  // namespace unroll::detail
