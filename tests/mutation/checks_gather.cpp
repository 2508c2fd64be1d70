// Tables of rows and their sparse gradients, masks, dropout, gradients over several recordings.

#include <cstdint>

#include "checks.hpp"
#include "unroll/ops/dropout.hpp"
#include "unroll/ops/elementwise.hpp"
#include "unroll/ops/gather.hpp"
#include "unroll/ops/layout.hpp"
#include "unroll/ops/linear.hpp"
#include "unroll/ops/rows.hpp"
#include "unroll/ops/where.hpp"

namespace unroll::mutation {
namespace {

GradcheckReport parameter_table() {
  const Weights table(6, 3, 1);
  return gradcheck([&] { return gather_rows(table.weight, {4, 0, 4, 2}); }, table.weight);
}

GradcheckReport input_table() {
  return gradcheck(
      [](Var t) {
        return std::vector{gather_rows(t, {1, 3, 1}), gather_rows(narrow(t, -1, 1, 2), {0, 3})};
      },
      check_input("table", Shape{4, 3}, 2));
}

// Embedding and output share a matrix: the product comes last, so it is first in backward, or the other way round.
GradcheckReport tied(bool product_first) {
  const Weights table(4, 3, 3);
  return gradcheck(
      [&](Var h) {
        std::vector<Var> y;
        if (product_first) y.push_back(linear(h, use(table.weight)));
        const Var e = gather_rows(table.weight, {1, 3});
        y.push_back(product_first ? e : linear(e + h, use(table.weight)));
        return y;
      },
      table.weight, check_input("h", Shape{2, 3}, 4));
}

// A step before, whose gradient is cleared: nothing of it may be left. Backward meets the rows first, then the slice.
GradcheckReport after_a_dense_step() {
  const Weights table(5, 3, 5);
  {
    Tape<double> tape;
    const Recording<double> step(tape);
    tape.backward(detail::weighted_sum({square(use(table.weight))}));
  }
  return gradcheck([&] { return gather_rows(table.weight, {1, 3}); }, table.weight);
}

GradcheckReport after_a_sliced_step() {
  const Weights table(5, 3, 5);
  const auto f = [&] {
    const Var slice = square(narrow(use(table.weight), 0, 2, 2));
    return std::vector{slice, gather_rows(table.weight, {1, 3})};
  };
  {
    Tape<double> tape;
    const Recording<double> step(tape);
    tape.backward(detail::weighted_sum(f()));
  }
  return gradcheck(f, table.weight);
}

GradcheckReport after_a_sparse_step() {
  const Weights table(5, 3, 5);
  {
    Tape<double> tape;
    const Recording<double> step(tape);
    tape.backward(detail::weighted_sum({gather_rows(table.weight, {0, 1, 3})}));
  }
  return gradcheck([&] { return gather_rows(table.weight, {1, 2}); }, table.weight);
}

// Gradients of two recordings add up.
GradcheckReport two_recordings() {
  const Weights w(5, 3, 6);
  Tape<double> tape;
  const std::vector<double> xs = {0.3, -0.4, 1.1, 0.7, -1.3, 0.2};
  const auto loss = [&](int k) {
    const Var x = input(xs, Shape{2, 3});
    const Var y = linear(x, use(w.weight), use(w.bias)) + linear(x * x, use(w.weight), use(w.bias));
    return detail::weighted_sum({k == 0 ? square(y) : sin(y), gather_rows(w.weight, {1, 4, 1})});
  };
  const auto value = [&] {
    double total = 0;
    for (int k = 0; k < 2; ++k) {
      const Recording<double> step(tape);
      total += loss(k).item();
    }
    return total;
  };
  const auto& weight = w.weight.storage();
  const auto& bias = w.bias.storage();
  const auto gradient = [&] {
    for (const Parameter<double>* p : {&w.weight, &w.bias}) p->storage().clear_grad();
    for (int k = 0; k < 2; ++k) {
      const Recording<double> step(tape);
      tape.backward(loss(k));
    }
    return std::vector{std::vector<double>(weight.grad, weight.grad + 15),
                       std::vector<double>(bias.grad, bias.grad + 5)};
  };
  const CheckedTensor tensors[] = {{"weight", Shape{5, 3}, {weight.value, 15}}, {"bias", Shape{5}, {bias.value, 5}}};
  return check_gradient(std::function<double()>(value), std::function<std::vector<std::vector<double>>()>(gradient),
                        tensors);
}

GradcheckReport along_last() {
  return gradcheck(
      [](Var x) {
        return std::vector{take_along_last(x, {2, 0, 2, 1}), square(take_along_last(x, {2, 1, 2, 1})),
                           take_along_last(narrow(x, -1, 1, 2), {1, 0, 0, 1})};
      },
      check_input("x", Shape{4, 3}, 7));
}

GradcheckReport rows_taken() {
  return gradcheck(
      [](Var x) {
        return std::vector{take_rows(x, {3, -1, 0, 3}),
                           take_rows(narrow(1.5 * x, -1, 1, 2), {0, 1, 1, -1}, Shape{2, 2})};
      },
      check_input("x", Shape{4, 3}, 14));
}

GradcheckReport rows_pooled() {
  return gradcheck(
      [](Var x) {
        const std::vector<Index> segments = {2, 0, 2, 0, 2};
        return std::vector{pool_rows(x, segments, 4, Pool::sum), pool_rows(x, segments, 4, Pool::mean),
                           pool_rows(x, segments, 4, Pool::max),
                           pool_rows(narrow(x, -1, 1, 2), segments, 4, Pool::mean)};
      },
      check_input("x", Shape{5, 3}, 15));
}

GradcheckReport masks() {
  return gradcheck(
      [](Var a, Var b) {
        const std::uint8_t columns[] = {1, 0, 1}, all[] = {1, 0, 0, 0, 1, 1};
        const std::span<const std::uint8_t> c(columns), e(all);
        return std::vector{where(c, a, b), where(e, a, square(a)), masked_fill(b, e, -3.0), masked_fill(a, c, 2.0)};
      },
      check_input("a", Shape{2, 3}, 8), check_input("b", Shape{2, 3}, 9));
}

GradcheckReport one_mask() {
  return gradcheck(
      [](Var a, Var b) {
        const std::uint8_t all[] = {1, 0, 0, 0, 1, 1};
        return where(std::span<const std::uint8_t>(all), 1.5 * a, 1.5 * b);
      },
      check_input("a", Shape{2, 3}, 10), check_input("b", Shape{2, 3}, 11));
}

GradcheckReport sliced_masks() {
  return gradcheck(
      [](Var a, Var b) {
        const std::uint8_t all[] = {1, 0, 0, 0, 1, 1};
        const std::span<const std::uint8_t> m(all);
        return std::vector{where(m, narrow(a, -1, 1, 2), narrow(b, -1, 0, 2)),
                           masked_fill(narrow(1.5 * b, -1, 1, 2), m, 0.5)};
      },
      check_input("a", Shape{3, 4}, 16), check_input("b", Shape{3, 4}, 17));
}

GradcheckReport dropped() {
  return gradcheck([](Var x) { return dropout(1.5 * x, 0.4); }, check_input("x", Shape{4, 5}, 12));
}

GradcheckReport dropped_and_used() {
  return gradcheck(
      [](Var x) {
        const Var y = 1.5 * x;
        const Var d = dropout(y, 0.4);
        return std::vector{d, square(y), dropout(narrow(x, -1, 1, 3), 0.5)};
      },
      check_input("x", Shape{4, 5}, 13));
}

}  // namespace

void gather_checks(Checks& checks) {
  const Check all[] = {
      {"gather/parameter", parameter_table},
      {"gather/input", input_table},
      {"gather/tied", [] { return tied(false); }},
      {"gather/tied_product_first", [] { return tied(true); }},
      {"gather/after_a_dense_step", after_a_dense_step},
      {"gather/after_a_sliced_step", after_a_sliced_step},
      {"gather/after_a_sparse_step", after_a_sparse_step},
      {"gather/two_recordings", two_recordings},
      {"gather/along_last", along_last},
      {"rows/take", rows_taken},
      {"rows/pool", rows_pooled},
      {"mask/all", masks},
      {"mask/slices", sliced_masks},
      {"mask/where", one_mask},
      {"dropout/alone", dropped},
      {"dropout/beside", dropped_and_used},
  };
  checks.insert(checks.end(), std::begin(all), std::end(all));
}

}  // namespace unroll::mutation
