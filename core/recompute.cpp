#include "recompute.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>

#include "denormals.hpp"
#include "op.hpp"
#include "simd/kernels.hpp"
#include "substitutes.hpp"

namespace unroll::detail {
namespace {

// Whether `again` is what `before` was. The same bits come out wherever products are reproducible; a BLAS that sums in
// another order each time must not be taken for a function that changed.
template <class T>
bool same_values(const Node<T>& before, const Node<T>& again) {
  const double tolerance = std::sqrt(static_cast<double>(std::numeric_limits<T>::epsilon()));
  double largest = 0, off = 0;
  const Index rows = before.rows(), cols = before.cols();
  for (Index r = 0; r < rows; ++r) {
    const T *a = before.value + r * before.row_stride, *b = again.value + r * again.row_stride;
    for (Index c = 0; c < cols; ++c) {
      if (a[c] == b[c] || (std::isnan(a[c]) && std::isnan(b[c]))) continue;
      const double difference = std::abs(static_cast<double>(a[c]) - static_cast<double>(b[c]));
      if (!std::isfinite(difference)) return false;
      largest = std::max({largest, std::abs(static_cast<double>(a[c])), std::abs(static_cast<double>(b[c]))});
      off = std::max(off, difference);
    }
  }
  return off <= tolerance * largest;
}

// Throws when a capture points to the stack between the frames `from` and `to`, which grows downwards: to a variable
// that was there when the function ran first and is gone.
void check_captures(Captures captures, const void* from, const void* to) {
  const auto low = reinterpret_cast<std::uintptr_t>(from), high = reinterpret_cast<std::uintptr_t>(to);
  constexpr std::uintptr_t furthest = std::uintptr_t{1} << 20;  // more is another stack
  if (low >= high || high - low > furthest) return;
  for (std::size_t k = 0; k < captures.count; ++k) {
    std::uintptr_t p;
    std::memcpy(&p, static_cast<const char*>(captures.at) + k * sizeof p, sizeof p);
    if (p % alignof(void*) == 0 && p >= low && p < high)
      throw ValueError(
          "[recompute] the function to be run again in backward captured by reference a variable of a function that "
          "has returned; expected what it captured by reference to be there until backward: capture such variables by "
          "value, [=] or [x, &model], or pass them as arguments");
  }
}

[[noreturn]] void throw_changed(const std::string& what) {
  throw ValueError("[recompute] run again in backward, the function gave ", what,
                   "; expected the same: it must depend only on its arguments and on what stays as it is until "
                   "backward, not on variables that were assigned since or a generator of its own");
}

}  // namespace

template <class T>
struct ApartRun<T>::Again {
  Tape<T>* around;
  RunAgain<T> run;
  const void* call;
  Rng rng;
  bool training, flushing;
  std::span<Node<T>* const> copies;
  std::span<const int> uses;
  const SubstituteList<T>* substitutes;
  Captures captures;
  const void* frame;
};

template <class T>
bool can_run_apart(Tape<T>& tape) {
  const auto& inner = tape.recorder().inner_;
  return !inner || inner->recorder().serial_ == 0;
}

template <class T>
[[gnu::noinline]] ApartRun<T>::ApartRun(Tape<T>& tape)
    : around_(tape), inner_(tape.recorder().inner()), rng_(tape.rng()), frame_(__builtin_frame_address(0)) {
  inner_.rng() = rng_;
  inner_.recorder().known_uses_ = {};
  if (tape.recording()) {
    recording_.emplace(inner_, RecordingOptions{.training = tape.training()});
  } else {
    evaluation_.emplace(inner_, EvaluationOptions{.training = tape.training()});
  }
}

template <class T>
ApartRun<T>::~ApartRun() {
  around_.rng() = inner_.rng();
}

template <class T>
bool ApartRun<T>::owns(const void* memory) const {
  return inner_.recorder().arena_.owns(memory);
}

template <class T>
Variable<T> ApartRun<T>::out(const Variable<T>& result) {
  const Node<T>* from = Op<T>("recompute").use(result);
  if (from->recorder != &inner_.recorder()) {
    copies_.emplace_back();
    return result;
  }
  Recorder<T>& around = around_.recorder();
  around.begin_op("recompute");
  Node<T>* copy = around.new_node(from->shape, from->requires_grad);
  kernels<T>().copy_rows(copy->value, copy->row_stride, from->value, from->row_stride, from->rows(), from->cols());
  copy->is_zero = from->is_zero;
  copies_.push_back(around.handle(copy));
  return copies_.back();
}

template <class T>
void ApartRun<T>::finish(RunAgain<T> again, const void* call, Captures captures) {
  if (!recording_) return;
  const auto& leaves = inner_.recorder().new_leaves_;
  for (const Leaf<T>* leaf : leaves) leaf->around->uses = leaf->uses;
  if (std::ranges::none_of(copies_, [](const Variable<T>& v) { return v.defined() && v.requires_grad(); })) return;

  auto* uses = around_.template allocate<int>(static_cast<Index>(leaves.size()));
  std::ranges::transform(leaves, uses, [](const Leaf<T>* leaf) { return leaf->uses_before; });
  auto* copies = around_.template allocate<Node<T>*>(static_cast<Index>(copies_.size()));
  std::ranges::transform(copies_, copies,
                         [](const Variable<T>& v) { return v.defined() ? &read(v, "recompute") : nullptr; });
  SubstituteList<T> substitutes = Substitutes<T>::visible();
  const Again record{
      &around_,
      again,
      call,
      rng_,
      around_.training(),
      FlushDenormals::active(),
      {copies, copies_.size()},
      {uses, leaves.size()},
      substitutes.empty() ? nullptr : around_.keep(std::move(substitutes)),
      captures,
      frame_};
  around_.recorder().record([record] { backward(record); });
}

template <class T>
void ApartRun<T>::backward(const Again& again) {
  // Several copies may have gradients; most segments of a loop over time have two, the loss and the state.
  const auto adjoint = [](Node<T>* copy) { return copy && copy->requires_grad ? copy->arrived() : nullptr; };
  if (std::ranges::none_of(again.copies, adjoint)) return;
  check_captures(again.captures, again.frame, again.around->recorder().backward_frame_);
  Tape<T>& inner = again.around->recorder().inner();
  inner.rng() = again.rng;
  inner.recorder().known_uses_ = again.uses;
  const Recording<T> recording(inner, {.training = again.training});
  std::vector<Variable<T>> results;
  try {
    const Substitutes<T> as_before(again.substitutes);
    const FlushDenormals mode(again.flushing);
    again.run(again.call, results);
  } catch (Error& e) {
    e.add_context("recompute, running again in backward");
    throw;
  }
  if (results.size() != again.copies.size())
    throw_changed(detail::text(results.size(), " Variables where there were ", again.copies.size()));
  for (std::size_t k = 0; k < results.size(); ++k) {
    const Node<T>* copy = again.copies[k];
    const Node<T>* result = Op<T>("recompute").use(results[k]);
    if (!copy) continue;
    const std::string name = "result " + std::to_string(k);
    if (!(result->shape == copy->shape))
      throw_changed(name + " of shape " + result->shape.str() + " where it was " + copy->shape.str());
    if (!same_values(*copy, *result)) throw_changed("other values for " + name + " " + copy->shape.str());
  }
  for (std::size_t k = 0; k < results.size(); ++k) {
    const T* from = adjoint(again.copies[k]);
    Node<T>* result = Op<T>("recompute").use(results[k]);
    if (!from || !result->requires_grad) continue;
    kernels<T>().add_rows(result->touch_add(), result->row_stride, from, again.copies[k]->row_stride, result->rows(),
                          result->cols());
  }
  inner.recorder().run_backward();
}

template bool can_run_apart(Tape<float>&);
template bool can_run_apart(Tape<double>&);
template class ApartRun<float>;
template class ApartRun<double>;

}  // namespace unroll::detail
