#include "problem.hpp"

#include <fstream>
#include <stdexcept>

#include "unroll/core/random.hpp"

namespace adbench {
namespace {

void resize(Problem& p) {
  p.weights.resize(p.size());
  p.state.resize(static_cast<std::size_t>(2 * p.layers * p.units));
  p.sequence.resize(static_cast<std::size_t>(p.steps * p.units));
}

}  // namespace

Problem read_problem(const std::string& path) {
  std::ifstream file(path);
  Problem p;
  if (!(file >> p.layers >> p.steps >> p.units) || p.layers < 1 || p.steps < 2 || p.units < 1)
    throw std::runtime_error("'" + path + "' does not begin with the numbers of layers, steps and units");
  resize(p);
  for (std::vector<double>* part : {&p.weights, &p.state, &p.sequence})
    for (double& v : *part) file >> v;
  if (!file) throw std::runtime_error("'" + path + "' ends too early");
  return p;
}

Problem random_problem(std::ptrdiff_t layers, std::ptrdiff_t steps, std::ptrdiff_t units) {
  Problem p{layers, steps, units, {}, {}, {}};
  resize(p);
  unroll::Rng rng(1);
  for (double& v : p.weights) v = rng.uniform();
  for (double& v : p.state) v = rng.uniform();
  for (double& v : p.sequence) v = static_cast<double>(rng.integer(2));
  return p;
}

}  // namespace adbench
