// check_cell: passes for every cell of the library and a user's, refuses planted errors and says why. And a user's cell
// through everything.

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "unroll/nn/cells/cell_wrappers.hpp"
#include "unroll/nn/cells/layer_norm_lstm.hpp"
#include "unroll/nn/cells/peephole_lstm.hpp"
#include "unroll/nn/cells/projected_lstm.hpp"
#include "unroll/nn/check/check_cell.hpp"
#include "unroll/nn/gru.hpp"
#include "unroll/nn/lstm.hpp"
#include "unroll/nn/rnn_cell.hpp"
#include "unroll/nn/structured/crf.hpp"
#include "unroll/ops/elementwise.hpp"
#include "unroll/ops/layout.hpp"
#include "unroll/ops/map.hpp"
#include "unroll/ops/reduce.hpp"

using namespace unroll;

namespace {

/// Where the error of a planted-error cell sits.
enum class Plant {
  none,
  stop_gradient,  // in the step
  old_state,      // a detached copy of the state as it was
  mixes_rows,     // the mean over the batch
  stateful_project,
  counter,
  hidden_parameter,  // not named by each()
  wrong_width,       // output_size() lies
  throws_at_one_row,
};

/// A user's cell, unknown to the library: a leaky integrator of two members; and copies of it with an error each.
template <class T, Plant plant = Plant::none>
struct Leaky {
  Linear<T> in, recurrent, leak;
  Parameter<T> secret;
  mutable int calls = 0;
  mutable T last = 0;
  using scalar = T;
  using state = LSTMState<T>;
  Leaky(Index input_size, Index hidden_size, Rng& rng)
      : in(input_size, hidden_size, rng),
        recurrent(hidden_size, hidden_size, rng),
        leak(hidden_size, hidden_size, rng),
        secret(Shape{}) {
    secret.mutable_values()[0] = rng.uniform<T>();
  }
  Index output_size() const { return recurrent.output_size() + (plant == Plant::wrong_width); }
  Variable<T> project(Variable<T> x) const {
    if constexpr (plant == Plant::stateful_project) return in(x) + last;
    return in(x);
  }
  state initial_state(Index batch) const {
    return {zeros<T>(Shape{batch, recurrent.output_size()}), zeros<T>(Shape{batch, recurrent.output_size()})};
  }
  state step(Variable<T> px, const state& s) const {
    Variable<T> h = s.h;
    if constexpr (plant == Plant::stop_gradient) h = stop_gradient(h);
    if constexpr (plant == Plant::mixes_rows) h = h + mean(h, 0);
    if constexpr (plant == Plant::counter) h = h * (1 + T(0.01) * T(++calls));
    if constexpr (plant == Plant::hidden_parameter) h = h + secret;
    if constexpr (plant == Plant::stateful_project) last = h.size() > 0 ? h.to_vector()[0] : T(0);
    if constexpr (plant == Plant::throws_at_one_row) {
      if (h.dim(0) == 1) throw ValueError("[Leaky] one row");
    }
    Variable<T> old = s.c;
    if constexpr (plant == Plant::old_state) old = input(s.c.to_vector(), s.c.shape());
    const auto c = map([](auto p, auto r, auto l, auto c) { return c + sigmoid(l) * (tanh(p + r) - c); }, px,
                       recurrent(h), leak(h), old);
    return {map([](auto c) { return tanh(c); }, c), c};
  }
  void each(auto&& visit) { visit("in", in), visit("recurrent", recurrent), visit("leak", leak); }
};
template <class T = float>
using UserCell = Leaky<T>;

template <Plant plant>
CellReport check_planted() {
  return check_cell<Leaky<double, plant>>();
}
/// The report fails the check `what` with `why` in the reason.
void refused(const CellReport& report, const std::string& what, const std::string& why) {
  INFO(report.str());
  CHECK(!report);
  const CellCheck* check = report.find(what);
  REQUIRE(check);
  CHECK(check->result == CellCheck::Result::fails);
  CHECK(check->why.find(why) != std::string::npos);
}

}  // namespace

TEST_CASE("every cell of the library, and wrappers, keep every promise") {
  CHECK(check_cell<RNNCell>());
  CHECK(check_cell<LSTMCell>());
  CHECK(check_cell<GRUCell>());
  CHECK(check_cell<PeepholeLSTMCell>());
  CHECK(check_cell<CoupledLSTMCell>());
  CHECK(check_cell<ProjectedLSTMCell>());
  CHECK(check_cell<LayerNormLSTMCell>());
  CHECK(check_cell<Zoneout<LSTMCell<double>>>());
  CHECK(check_cell<VariationalDropout<LSTMCell<double>>>());
  CHECK(check_cell<TrainableInitialState<GRUCell<double>>>());
  const auto residual = check_cell<Residual<GRUCell<double>>>({.input_size = 4});
  CHECK(residual);
}

TEST_CASE("a user's cell passes; the report reads well") {
  const CellReport report = check_cell<UserCell>();
  CHECK(report);
  CHECK(report.checks.size() == 14);
  CHECK(report.str().starts_with("the cell keeps every promise\n  holds    step() is a function of input and state\n"));
  CHECK(report.find("float close to double"));
  CHECK(!CellReport{});
  CHECK(report.find("nothing") == nullptr);
}

TEST_CASE("planted errors are refused, with the reason") {
  refused(check_planted<Plant::stop_gradient>(), "gradients", "by differences (wrong)");
  refused(check_planted<Plant::old_state>(), "gradients", "by differences (wrong)");
  refused(check_planted<Plant::mixes_rows>(), "rows of a batch do not see each other", "mixes the rows of the batch");
  refused(check_planted<Plant::mixes_rows>(), "ragged batch equals its sequences", "in a batch than alone");
  refused(check_planted<Plant::stateful_project>(), "project() depends on its input alone",
          "must not depend on the state");
  refused(check_planted<Plant::stateful_project>(), "step by step equals all at once", "outputs step by step");
  refused(check_planted<Plant::counter>(), "step() is a function of input and state", "a counter");
  refused(check_planted<Plant::hidden_parameter>(), "clone and copy_parameters", "does each() name every parameter?");
  refused(check_planted<Plant::wrong_width>(), "step() is a function of input and state", "output_size() is 5");
  refused(check_planted<Plant::throws_at_one_row>(), "backwards in time", "throws time step");
  refused(check_cell<LSTMCell<double>>({.hidden_size = 0}), "built from (input_size, hidden_size, rng)",
          "hidden_size is 0");
  CHECK(check_planted<Plant::counter>().str().starts_with("the cell breaks "));
}
