// Nearly a module: the compiler says in one line what is wrong.
//
// MEMBER: a member named in each() is no module (it has no each(visit)), no Parameter and no hyper-parameter
// SCALAR: the scalar of this type is not known: it holds no tensor, or is a struct that lacks `using scalar = ...;`
// NO_EACH: parameters() takes a module: a struct with `void each(auto&& visit)
// MIXED: a module holds Parameters of another scalar than it says: add `using scalar = ...;` to it
// CLONE: clone() needs a module whose members can all be copied
// FLOAT_CHECK: gradcheck needs double, float resolves no differences: build the model with double

#include <memory>

#include "unroll/nn/check/gradcheck.hpp"
#include "unroll/nn/linear.hpp"

using namespace unroll;

struct Opaque {
  void* p = nullptr;
};

struct Model {
#ifndef SCALAR
  using scalar = float;
#endif
#ifdef MIXED
  Linear<double> layer;
#else
  Linear<float> layer;
#endif
  Opaque opaque;
  std::unique_ptr<Linear<float>> maybe;
#ifndef NO_EACH
  void each(auto&& visit) {
    visit("layer", layer);
#ifdef MEMBER
    visit("opaque", opaque);
#endif
  }
#endif
};

#ifdef NO_EACH
auto list(const Model& m) { return parameters(m).size(); }
#else
auto list(const Model& m) { return parameters(m); }
#endif
#ifdef CLONE
Model copy(const Model& m) { return clone(m); }
#endif
#ifdef FLOAT_CHECK
bool check(const Linear<float>& m) { return gradcheck(m, check_input("x", Shape{2, 3}, 1)).ok(); }
#endif
