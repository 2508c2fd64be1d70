#pragma once
// Named gradient checks of everything that has a backward, for the mutation run (see README.md).

#include <string>
#include <vector>

#include "unroll/nn/check/gradcheck.hpp"
#include "unroll/nn/init.hpp"

namespace unroll::mutation {

struct Check {
  std::string name;
  GradcheckReport (*run)();
};
using Checks = std::vector<Check>;

void linear_checks(Checks& checks);
void map_checks(Checks& checks);
void elementwise_checks(Checks& checks);
void layout_checks(Checks& checks);
void gather_checks(Checks& checks);
void reduce_checks(Checks& checks);
void loss_checks(Checks& checks);
void layer_checks(Checks& checks);
void model_checks(Checks& checks);

using Var = Variable<double>;

/// Parameters of an affine map, for operations that are checked outside a layer.
struct Weights {
  using scalar = double;

  Weights(Index outputs, Index inputs, std::uint64_t seed) : weight(Shape{outputs, inputs}), bias(Shape{outputs}) {
    Rng rng(seed);
    init::normal(weight, rng);
    init::normal(bias, rng);
  }
  void each(auto&& visit) { visit("weight", weight), visit("bias", bias); }

  Parameter<double> weight, bias;
};

}  // namespace unroll::mutation
