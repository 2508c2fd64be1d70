#include "gradient_flow.hpp"

#include <algorithm>
#include <cmath>
#include <span>

#include "../../core/op.hpp"
#include "../../core/substitutes.hpp"
#include "../../ops/elementwise.hpp"
#include "../../ops/layout.hpp"
#include "../../ops/reduce.hpp"
#include "singular_values.hpp"

namespace unroll::detail {
namespace {

using std::to_string;

// The Euclidean norm as sum of squares and scale, since gradients that vanish have squares below the smallest double.
class Norm {
 public:
  template <class V>
  void add(const V& values) {
    for (const auto x : values) add_one(std::abs(static_cast<double>(x)));
  }
  double value() const { return scale_ == 0 ? sum_ : scale_ * std::sqrt(sum_); }

 private:
  void add_one(double x) {
    if (x == 0) return;
    if (x == scale_) {
      ++sum_;
    } else if (x > scale_) {
      const double ratio = scale_ / x;
      sum_ = 1 + sum_ * ratio * ratio;
      scale_ = x;
    } else {
      const double ratio = x / scale_;  // NaN and infinity stay what they are
      sum_ += ratio * ratio;
    }
  }
  double scale_ = 0, sum_ = 0;
};

// Passes over the model: scopes of a tape of the function's own, all of which draw the same random numbers.
template <class T>
class Passes {
 public:
  Passes() : start_(tape_.rng()) {
    tape_.recorder().keep_gradients(true);  // those of the loss's parameters, which nobody asked for
  }
  template <class F>
  auto run(F&& f) {
    tape_.rng() = start_;
    tape_.recorder().forget_kept_gradients();
    const Recording<T> scope(tape_, {.training = false});
    return f(tape_);
  }

 private:
  Tape<T> tape_;
  const Rng start_;
};

template <class T>
Variable<T> input_of(const FlowModel<T>& model) {
  const Variable<T> x = model.input();
  if (x.shape().rank() != 3)
    throw ShapeError("[gradient_flow] input ", x.shape().str(), "; expected (T,B,I): steps, batch, features");
  return x;
}

template <class T>
Variable<T> loss_of(const FlowLoss<T>& loss, Index t, const Variable<T>& y) {
  const Variable<T> error = loss(t, y);
  if (error.defined() && error.size() != 1)
    throw NonScalarError("[gradient_flow] the loss of step ", to_string(t), " has shape ", error.shape().str(),
                         "; expected one element: reduce it with sum() or mean()");
  return error;
}

// The parameter's value as a tensor of its own that has a gradient of its own; no copy.
template <class T>
Variable<T> one_use_of(Tape<T>& tape, const Parameter<T>& parameter) {
  Node<T>* node = tape.recorder().node_over(parameter.storage().value, parameter.shape());
  node->requires_grad = true;
  return tape.recorder().handle(node);
}

// Gradients of E_t by every parameter's use at every step: [parameter][k]. `steps` becomes T.
template <class T>
std::vector<std::vector<std::vector<T>>> gradients_by_use(const FlowModel<T>& model, const FlowLoss<T>& loss,
                                                          Passes<T>& passes, Index t, Index* steps) {
  return passes.run([&](Tape<T>& tape) {
    const std::size_t count = model.parameters.size();
    std::vector<std::vector<Variable<T>>> uses(count);
    Variable<T> x, error;
    std::vector<Variable<T>> states;
    for (Index k = 0; k <= t; ++k) {
      Substitutes<T> here;
      for (std::size_t p = 0; p < count; ++p) {
        uses[p].push_back(one_use_of(tape, *model.parameters[p].second));
        here.add(*model.parameters[p].second, uses[p].back());
      }
      if (k == 0) {
        x = input_of(model);
        *steps = x.dim(0);
        if (t < 0 || t >= *steps)
          throw ValueError("[gradient_flow] loss of step ", to_string(t), " of ", to_string(*steps), " steps");
        states = model.initial(x.dim(1));
      }
      const Variable<T> y = model.step(at(x, k), states);
      if (k == t) error = loss_of(loss, t, y);
    }
    if (error.defined() && error.requires_grad()) tape.backward(error);
    std::vector<std::vector<std::vector<T>>> gradients(count);
    for (std::size_t p = 0; p < count; ++p)
      for (const Variable<T>& use : uses[p]) gradients[p].push_back(use.grad_to_vector());
    return gradients;
  });
}

template <class T>
std::vector<double> sum_of(const std::vector<std::vector<T>>& tensors) {
  std::vector<double> sum(tensors.empty() ? 0 : tensors.front().size());
  for (const auto& tensor : tensors)
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += static_cast<double>(tensor[i]);
  return sum;
}

}  // namespace

template <class T>
GradientContributions contributions(const FlowModel<T>& model, const FlowLoss<T>& loss) {
  Passes<T> passes;
  Index steps = 0;
  passes.run([&](Tape<T>&) { steps = input_of(model).dim(0); });
  GradientContributions result;
  result.norms = FlowTable(steps, steps);
  result.by_parameter.assign(model.parameters.size(), FlowTable(steps, steps));
  for (const auto& [name, parameter] : model.parameters) result.parameters.push_back(name);
  for (Index t = 0; t < steps; ++t) {
    const auto gradients = gradients_by_use(model, loss, passes, t, &steps);
    Norm whole;
    std::vector<Norm> all(static_cast<std::size_t>(t + 1));
    for (std::size_t p = 0; p < gradients.size(); ++p) {
      whole.add(sum_of(gradients[p]));
      for (Index k = 0; k <= t; ++k) {
        const auto& gradient = gradients[p][static_cast<std::size_t>(k)];
        Norm one;
        one.add(gradient);
        result.by_parameter[p](t, k) = one.value();
        all[static_cast<std::size_t>(k)].add(gradient);
      }
    }
    result.whole.push_back(whole.value());
    for (Index k = 0; k <= t; ++k) result.norms(t, k) = all[static_cast<std::size_t>(k)].value();
  }
  return result;
}

template <class T>
std::vector<ParameterContributions> contributions_at(const FlowModel<T>& model, const FlowLoss<T>& loss, Index t) {
  Passes<T> passes;
  Index steps = 0;
  const auto gradients = gradients_by_use(model, loss, passes, std::max<Index>(t, 0), &steps);
  if (t < 0) throw ValueError("[gradient_flow] loss of step ", to_string(t), " of ", to_string(steps), " steps");
  std::vector<ParameterContributions> result;
  for (std::size_t p = 0; p < gradients.size(); ++p) {
    const auto& [name, parameter] = model.parameters[p];
    result.push_back({name, parameter->shape(), {}, sum_of(gradients[p])});
    for (const auto& g : gradients[p]) result.back().by_step.emplace_back(g.begin(), g.end());
  }
  return result;
}

namespace {

// s + 0 is s, and the adjoint of that 0 is the derivative by s alone: whatever else s is part of, and also when it is a
// constant.
template <class T>
std::vector<Variable<T>> look_at(std::vector<Variable<T>>& states) {
  std::vector<Variable<T>> seen;
  for (Variable<T>& s : states) {
    const std::vector<T> nothing(static_cast<std::size_t>(s.size()));
    seen.push_back(input(nothing, s.shape(), requires_grad));
    s = s + seen.back();
  }
  return seen;
}

// Numbers of a row, which belong to one sequence.
Index width_of(const Shape& shape) { return shape.from(1).size(); }

// `count` times row `row`.
template <class T>
Variable<T> copies_of_row(const Variable<T>& x, Index row, Index count) {
  const Shape shape = x.shape();
  const auto width = static_cast<std::ptrdiff_t>(width_of(shape));
  const std::vector<T> values = x.to_vector();
  std::vector<T> copies;
  for (Index i = 0; i < count; ++i)
    copies.insert(copies.end(), values.begin() + row * width, values.begin() + (row + 1) * width);
  return input(copies, shape.with(0, count));
}

}  // namespace

template <class T>
StateGradients state_gradients(const FlowModel<T>& model, const FlowLoss<T>& loss) {
  return Passes<T>().run([&](Tape<T>& tape) {
    const Variable<T> x = input_of(model);
    const Index steps = x.dim(0), batch = x.dim(1);
    std::vector<Variable<T>> states = model.initial(batch);
    std::vector<std::vector<Variable<T>>> seen;
    seen.push_back(look_at(states));
    Variable<T> total;
    for (Index t = 0; t < steps; ++t) {
      const Variable<T> input = at(x, t);
      model.step(input, states);
      seen.push_back(look_at(states));
      const Variable<T> error = loss_of(loss, t, model.output(input, states));
      if (error.defined()) total = total.defined() ? total + reshape(error, Shape{}) : reshape(error, Shape{});
    }
    if (total.defined() && total.requires_grad()) tape.backward(total);

    StateGradients result;
    result.members = *model.members;
    result.by_sequence = FlowTable(steps + 1, batch);
    result.by_member.assign(states.size(), FlowTable(steps + 1, batch));
    for (Index t = 0; t <= steps; ++t) {
      Norm all;
      std::vector<Norm> of_sequence(static_cast<std::size_t>(batch));
      for (std::size_t m = 0; m < states.size(); ++m) {
        const Variable<T>& v = seen[static_cast<std::size_t>(t)][m];
        const std::vector<T> gradient = v.grad_to_vector();
        all.add(gradient);
        const auto width = static_cast<std::size_t>(width_of(v.shape()));
        for (std::size_t b = 0; b < of_sequence.size(); ++b) {
          const auto row = std::span(gradient).subspan(b * width, width);
          Norm one;
          one.add(row);
          result.by_member[m](t, static_cast<Index>(b)) = one.value();
          of_sequence[b].add(row);
        }
      }
      result.norms.push_back(all.value());
      for (Index b = 0; b < batch; ++b) result.by_sequence(t, b) = of_sequence[static_cast<std::size_t>(b)].value();
    }
    return result;
  });
}

template <class T>
std::vector<FlowTable> state_jacobians(const FlowModel<T>& model, Index from, Index to, Index sequence) {
  return Passes<T>().run([&](Tape<T>& tape) {
    Variable<T> x = input_of(model);
    const Index steps = x.dim(0), batch = x.dim(1), features = x.dim(2);
    if (from < 0 || from > to || to > steps)
      throw ValueError("[gradient_flow] states ", to_string(from), " to ", to_string(to), " of ", to_string(steps),
                       " steps; expected 0 <= from <= to <= steps");
    if (sequence < 0 || sequence >= batch)
      throw ValueError("[gradient_flow] sequence ", to_string(sequence), " of ", to_string(batch));
    std::vector<Variable<T>> states = model.initial(batch);
    std::vector<Index> first;  // where each member lies in the vector of all
    Index size = 0;
    for (const Variable<T>& s : states) {
      first.push_back(size);
      size += width_of(s.shape());
    }
    // Row i of the batch is to become row i of the Jacobians.
    for (Variable<T>& s : states) s = copies_of_row(s, sequence, size);
    std::vector<std::vector<Variable<T>>> seen;
    for (Index t = 0; t <= to; ++t) {
      if (t > 0) {
        const Variable<T> one = reshape(narrow(at(x, t - 1), 0, sequence, 1), Shape{1, features});
        model.step(copies_of_row(one, 0, size), states);
      }
      if (t >= from) seen.push_back(look_at(states));
    }
    Variable<T> total;
    for (std::size_t m = 0; m < states.size(); ++m) {
      const Shape shape = states[m].shape();
      const Index width = width_of(shape);
      std::vector<T> chosen(static_cast<std::size_t>(shape.size()));
      for (Index c = 0; c < width; ++c) chosen[static_cast<std::size_t>((first[m] + c) * width + c)] = 1;
      const Variable<T> part = sum(states[m] * input(chosen, shape));
      total = total.defined() ? total + part : part;
    }
    if (size > 0) tape.backward(total);
    std::vector<FlowTable> jacobians;
    for (const auto& state : seen) {
      FlowTable& jacobian = jacobians.emplace_back(size, size);
      for (std::size_t m = 0; m < state.size(); ++m) {
        const std::vector<T> gradient = state[m].grad_to_vector();
        const Index width = width_of(state[m].shape());
        for (Index i = 0; i < size; ++i)
          for (Index c = 0; c < width; ++c)
            jacobian(i, first[m] + c) = static_cast<double>(gradient[static_cast<std::size_t>(i * width + c)]);
      }
    }
    return jacobians;
  });
}

FlowTable singular_values_of(const std::vector<FlowTable>& jacobians) {
  FlowTable all(static_cast<Index>(jacobians.size()), jacobians.empty() ? 0 : jacobians.front().cols);
  for (Index k = 0; k < all.rows; ++k) {
    const FlowTable& jacobian = jacobians[static_cast<std::size_t>(k)];
    const std::vector<double> values = singular_values(jacobian.values, jacobian.rows, jacobian.cols);
    for (Index i = 0; i < all.cols; ++i) all(k, i) = values[static_cast<std::size_t>(i)];
  }
  return all;
}

#define UNROLL_INSTANTIATE(T)                                                                                    \
  template GradientContributions contributions(const FlowModel<T>&, const FlowLoss<T>&);                         \
  template std::vector<ParameterContributions> contributions_at(const FlowModel<T>&, const FlowLoss<T>&, Index); \
  template StateGradients state_gradients(const FlowModel<T>&, const FlowLoss<T>&);                              \
  template std::vector<FlowTable> state_jacobians(const FlowModel<T>&, Index, Index, Index);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace unroll::detail
