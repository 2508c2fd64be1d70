#include "gradcheck.hpp"

#include "../../core/op.hpp"
#include "../../core/random.hpp"

namespace unroll {

CheckInput check_input(std::string name, const Shape& shape, std::uint64_t seed, double scale) {
  std::vector<double> values(static_cast<std::size_t>(shape.size()));
  Rng rng(seed);
  for (double& v : values) v = scale * rng.normal();
  return {std::move(name), shape, std::move(values)};
}

CheckInput check_input(std::string name, const Shape& shape, std::vector<double> values) {
  if (static_cast<Index>(values.size()) != shape.size())
    throw ShapeError("[gradcheck] input '", name, "' has ", values.size(), " values, its shape ", shape.str(),
                     " takes ", shape.size());
  return {std::move(name), shape, std::move(values)};
}

namespace detail {
namespace {

// Different for every element, of both signs, none near zero.
double weight(std::size_t output, Index element) {
  const auto i = static_cast<std::uint64_t>(element) * 2654435761u + output * 40503u;
  const double u = static_cast<double>(i % 1009) / 1009;
  return (i % 2 ? -1 : 1) * (0.5 + u);
}

}  // namespace

Variable<double> weighted_sum(const std::vector<Variable<double>>& outputs) {
  if (outputs.empty()) throw ValueError("[gradcheck] the function returned no Variable");
  Op<double> op("gradcheck");
  std::vector<Node<double>*> nodes;
  for (const Variable<double>& output : outputs) nodes.push_back(op.use(output));
  Node<double>* loss = op.result(Shape{});
  double total = 0;
  for (std::size_t k = 0; k < nodes.size(); ++k) {
    Node<double>* y = nodes[k];
    for (Index r = 0, i = 0; r < y->rows(); ++r)
      for (Index c = 0; c < y->cols(); ++c, ++i) total += weight(k, i) * y->value[r * y->row_stride + c];
    if (!y->requires_grad) continue;
    op.recorder().record([y, loss, k] {
      if (!loss->arrived()) return;
      double* g = y->touch_add();
      for (Index r = 0, i = 0; r < y->rows(); ++r)
        for (Index c = 0; c < y->cols(); ++c, ++i) g[r * y->row_stride + c] += loss->grad[0] * weight(k, i);
    });
  }
  loss->value[0] = total;
  return op.done(loss);
}

GradcheckReport run_gradcheck(const std::function<std::vector<Variable<double>>(const std::vector<Variable<double>>&)>& f,
                              const std::vector<NamedParameter<double>>& parameters, std::vector<CheckInput> inputs,
                              const GradcheckOptions& options) {
  Tape<double> tape(options.seed);
  const Rng start = tape.rng();
  std::vector<Variable<double>> x;
  const auto run = [&] {
    tape.rng() = start;
    for (const auto& p : parameters) ++p.storage->version;  // the check has moved their values
    x.clear();
    for (const CheckInput& in : inputs) x.push_back(input(in.values, in.shape, requires_grad));
    return weighted_sum(f(x));
  };
  const auto value = [&] {
    const Recording<double> step(tape);
    return run().item();
  };
  const auto gradient = [&] {
    const Recording<double> step(tape);
    for (const auto& p : parameters) p.storage->clear_grad();
    tape.backward(run());
    std::vector<std::vector<double>> grads;
    for (const auto& p : parameters) {
      const auto n = static_cast<std::size_t>(p.storage->shape.size());
      grads.push_back(p.storage->has_grad ? std::vector<double>(p.storage->grad, p.storage->grad + n)
                                          : std::vector<double>(n));
      p.storage->clear_grad();
    }
    for (const auto& v : x) grads.push_back(v.grad_to_vector());
    return grads;
  };
  std::vector<CheckedTensor> tensors;
  for (const auto& p : parameters)
    tensors.push_back({p.name, p.storage->shape,
                       {p.storage->value, static_cast<std::size_t>(p.storage->shape.size())}});
  for (CheckInput& in : inputs) tensors.push_back({in.name, in.shape, in.values});
  return check_gradient(std::function<double()>(value), std::function<std::vector<std::vector<double>>()>(gradient), tensors,
                   options);
}

}  // namespace detail
}  // namespace unroll
