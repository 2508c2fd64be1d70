#pragma once
/// \file
/// Cells around cells: zoneout, variational dropout, a residual connection, an initial state that is learned.
///
/// Each wraps any cell and is one itself, built from the same (input_size, hidden_size, rng), so that they nest, stack
/// and run in both directions: `Bidirectional<Rnn<Zoneout<LSTMCell<>>>>`. What random wrappers draw comes from the
/// tape's generator, and only while the scope trains. Parameters keep their names under "cell". (DropConnect on
/// recurrent weights is a wrapper of layers: nn/cells/weight_drop.hpp.)

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "../../ops/elementwise.hpp"
#include "../../ops/layout.hpp"
#include "../cell.hpp"
#include "../kernels/cell_steps.hpp"
#include "../sizes_detail.hpp"

namespace unroll {

namespace detail {

/// 1 / keep with probability `keep`, else 0 (`scaled`); or 1 and 0.
template <class T>
Variable<T> random_mask(const Shape& shape, double keep, bool scaled);

/// True while the innermost scope trains; throws NoScopeError with none open.
template <class T>
bool training(const char* op);

}  // namespace detail

struct ZoneoutOptions {
  /// One probability for every member of the state, or one a member in the state's order (those beyond the list: 0).
  /// Krueger et al. took {0.05, 0.5} for h and c of an LSTM.
  std::vector<double> probabilities = {0.1};
};

/// Zoneout (Krueger et al., 2017): while training each unit of the state keeps its old value with probability p,
///
///     s' = m * s + (1 - m) * step(x, s),   m_i ~ Bernoulli(p), drawn anew at every step
///
/// and elsewhere the expectation, s' = p * s + (1 - p) * step(x, s).
template <class C>
class UNROLL_PER_ISA Zoneout {
 public:
  static_assert(detail::check_is_cell<C>());
  using scalar = typename C::scalar;
  using state = typename C::state;

  /// Throws ValueError on a probability outside 0 .. 1 and on none at all.
  Zoneout(Index input_size, Index hidden_size, Rng& rng, ZoneoutOptions options = {})
      : Zoneout(C(input_size, hidden_size, rng), std::move(options)) {}
  explicit Zoneout(C cell_, ZoneoutOptions options = {})
      : cell(std::move(cell_)), probabilities(std::move(options.probabilities)) {
    if (probabilities.empty())
      throw ValueError("[Zoneout] no probabilities; expected one, or one a member of the state");
    for (const double p : probabilities) detail::check_probability("Zoneout", "a probability", p);
  }

  Index output_size() const { return static_cast<Index>(cell.output_size()); }
  Variable<scalar> project(Variable<scalar> x) const { return unroll::project(cell, x); }
  state initial_state(Index batch) const { return unroll::initial_state(cell, batch); }
  state random_state(Index batch, Rng& rng, double deviation) const {
    return unroll::random_state(cell, batch, rng, deviation);
  }
  Variable<scalar> output(const state& s) const { return output_of(cell, s); }
  state step(Variable<scalar> x, const state& s) const {
    state next = cell.step(x, s);
    std::size_t member = 0;
    const Variable<scalar>* old[max_members];
    detail::visit_state(s, [&](const char*, const auto& v) { old[checked(member++)] = &v; });
    member = 0;
    detail::visit_state(next, [&](const char*, auto& v) { v = mixed(*old[member], v, probability(member)), ++member; });
    return next;
  }
  void each(auto&& visit) { visit("cell", cell), visit("probabilities", probabilities); }

  C cell;
  std::vector<double> probabilities;

 private:
  static constexpr std::size_t max_members = 64;
  static std::size_t checked(std::size_t member) {
    if (member >= max_members) throw ValueError("[Zoneout] a state of more than 64 Variables");
    return member;
  }
  double probability(std::size_t member) const {
    if (probabilities.size() == 1) return probabilities[0];
    return member < probabilities.size() ? probabilities[member] : 0.0;
  }
  static Variable<scalar> mixed(const Variable<scalar>& old, const Variable<scalar>& next, double p) {
    if (p == 0) return next;
    if (!detail::training<scalar>("Zoneout")) return detail::mix(static_cast<scalar>(p), old, next);
    const Variable<scalar> keep = detail::random_mask<scalar>(next.shape(), p, false);
    return detail::mix_by(keep, old, next);
  }
};

struct VariationalDropoutOptions {
  double inputs = 0;    ///< probability that a feature of x is dropped
  double states = 0.3;  ///< probability that a unit of the recurrent input is dropped
};

/// A cell's state and the masks of the sequences it belongs to: (B, I) and (B, ...), or of no width when nothing is
/// dropped.
template <class State, class T>
struct UNROLL_PER_ISA MaskedState {
  using scalar = T;
  State cell;
  Variable<T> input_mask, state_mask;
  void each(auto&& visit) { visit("cell", cell), visit("input_mask", input_mask), visit("state_mask", state_mask); }
};

/// Variational dropout (Gal and Ghahramani, 2016): each sequence drops the same features and the same recurrent units
/// at all its time steps.
///
///     s' = step(x * m_x / (1 - p_x), s with its first member times m_h / (1 - p_h))
///
/// The masks are part of the state: `initial_state` draws them while training, so that they are new for every run and
/// go with a state that is carried on. What is dropped of the state is its first member (h of an LSTM), as the step
/// reads it; the state itself is not changed. A cell that hands that member on by itself (the z * h of a GRU) hands on
/// what was dropped and scaled: Zoneout and WeightDrop suit it better. With `inputs` 0 the input projection stays one
/// product over all steps.
template <class C>
class UNROLL_PER_ISA VariationalDropout {
 public:
  static_assert(detail::check_is_cell<C>());
  using scalar = typename C::scalar;
  using state = MaskedState<typename C::state, scalar>;

  /// Throws ValueError on a probability outside 0 .. 1.
  VariationalDropout(Index input_size_, Index hidden_size, Rng& rng, VariationalDropoutOptions options = {})
      : cell(input_size_, hidden_size, rng), input_size(input_size_), inputs(options.inputs), states(options.states) {
    detail::check_probability("VariationalDropout", "inputs", inputs);
    detail::check_probability("VariationalDropout", "states", states);
  }

  Index output_size() const { return static_cast<Index>(cell.output_size()); }
  Variable<scalar> project(Variable<scalar> x) const { return masks_input() ? x : unroll::project(cell, x); }
  state initial_state(Index batch) const { return with_masks(unroll::initial_state(cell, batch)); }
  /// The state with masks of its own, fresh ones where the scope trains.
  state with_masks(const typename C::state& s) const {
    Variable<scalar> first;
    detail::visit_state(s, [&](const char*, const auto& v) {
      if (!first.defined()) first = v;
    });
    const Index batch = first.dim(0);
    return {s, mask(Shape{batch, input_size}, inputs), mask(first.shape(), states)};
  }
  state random_state(Index batch, Rng& rng, double deviation) const {
    return with_masks(unroll::random_state(cell, batch, rng, deviation));
  }
  Variable<scalar> output(const state& s) const { return output_of(cell, s.cell); }
  state step(Variable<scalar> x, const state& s) const {
    if (masks_input()) x = unroll::project(cell, s.input_mask.size() > 0 ? times(x, s.input_mask) : x);
    typename C::state read = s.cell;
    if (s.state_mask.size() > 0 && states > 0 && detail::training<scalar>("VariationalDropout")) {
      bool first = true;
      detail::visit_state(read, [&](const char*, auto& v) {
        if (std::exchange(first, false)) v = times(v, s.state_mask);
      });
    }
    return {cell.step(x, read), s.input_mask, s.state_mask};
  }
  void each(auto&& visit) {
    visit("cell", cell), visit("input_size", input_size), visit("inputs", inputs), visit("states", states);
  }

  C cell;
  Index input_size;
  double inputs, states;

 private:
  bool masks_input() const { return inputs > 0 && detail::training<scalar>("VariationalDropout"); }
  static Variable<scalar> mask(const Shape& shape, double p) {
    if (p == 0 || !detail::training<scalar>("VariationalDropout")) return zeros<scalar>(Shape{shape[0], 0});
    return detail::random_mask<scalar>(shape, 1 - p, true);
  }
  static Variable<scalar> times(const Variable<scalar>& x, const Variable<scalar>& mask) { return x * mask; }
};

/// A cell's state and what was put out with it.
template <class State, class T>
struct UNROLL_PER_ISA ResidualState {
  using scalar = T;
  Variable<T> y;
  State cell;
  void each(auto&& visit) { visit("y", y), visit("cell", cell); }
};

/// y = output(cell) + x: the cell learns what to add to its input (He et al., 2016). Between layers the same, and
/// cheaper, is Stack's Link::residual; this one goes where a cell is wanted, as in decoding.
template <class C>
class UNROLL_PER_ISA Residual {
 public:
  static_assert(detail::check_is_cell<C>());
  using scalar = typename C::scalar;
  using state = ResidualState<typename C::state, scalar>;

  /// Throws ShapeError when the cell does not put out as many features as it reads.
  Residual(Index input_size, Index hidden_size, Rng& rng) : cell(input_size, hidden_size, rng) {
    if (output_size() != input_size)
      throw ShapeError("[Residual] the cell reads ", input_size, " features and puts out ", output_size(),
                       "; expected as many");
  }

  Index output_size() const { return static_cast<Index>(cell.output_size()); }
  /// x behind what the cell makes of it.
  Variable<scalar> project(Variable<scalar> x) const { return concat<scalar>({unroll::project(cell, x), x}, -1); }
  state initial_state(Index batch) const {
    return {zeros<scalar>(Shape{batch, output_size()}), unroll::initial_state(cell, batch)};
  }
  state random_state(Index batch, Rng& rng, double deviation) const {
    return {zeros<scalar>(Shape{batch, output_size()}), unroll::random_state(cell, batch, rng, deviation)};
  }
  Variable<scalar> output(const state& s) const { return s.y; }
  state step(Variable<scalar> px, const state& s) const {
    const Index width = px.dim(-1) - output_size();
    const Variable<scalar> parts[] = {narrow(px, -1, 0, width), narrow(px, -1, width, output_size())};
    const typename C::state next = cell.step(parts[0], s.cell);
    return {output_of(cell, next) + parts[1], next};
  }
  void each(auto&& visit) { visit("cell", cell); }

  C cell;
};

/// A cell whose initial state is learned: one parameter "initial.k" for the k-th Variable of the state, the same for
/// every sequence; it starts as the cell's own initial state.
template <class C>
class UNROLL_PER_ISA TrainableInitialState {
 public:
  static_assert(detail::check_is_cell<C>());
  using scalar = typename C::scalar;
  using state = typename C::state;

  TrainableInitialState(Index input_size, Index hidden_size, Rng& rng)
      : TrainableInitialState(C(input_size, hidden_size, rng)) {}
  explicit TrainableInitialState(C cell_) : cell(std::move(cell_)) {
    Tape<scalar> tape;
    const Evaluation<scalar> scope(tape);
    const state start = unroll::initial_state(cell, 1);
    detail::visit_state(start, [&](const char*, const auto& v) {
      const std::vector<scalar> values = v.to_vector();
      initial.emplace_back(Shape{v.size()});
      std::copy(values.begin(), values.end(), initial.back().mutable_values().begin());
    });
  }

  Index output_size() const { return static_cast<Index>(cell.output_size()); }
  Variable<scalar> project(Variable<scalar> x) const { return unroll::project(cell, x); }
  state initial_state(Index batch) const {
    state s = unroll::initial_state(cell, batch);
    std::size_t k = 0;
    detail::visit_state(s, [&](const char*, auto& v) {
      const Variable<scalar> rows = zeros<scalar>(Shape{batch, initial[k].size()});
      v = reshape(rows + initial[k], v.shape());
      ++k;
    });
    return s;
  }
  state random_state(Index batch, Rng& rng, double deviation) const {
    return unroll::random_state(cell, batch, rng, deviation);
  }
  Variable<scalar> output(const state& s) const { return output_of(cell, s); }
  state step(Variable<scalar> x, const state& s) const { return cell.step(x, s); }
  void each(auto&& visit) { visit("cell", cell), visit("initial", initial); }

  C cell;
  std::vector<Parameter<scalar>> initial;
};

}  // namespace unroll
