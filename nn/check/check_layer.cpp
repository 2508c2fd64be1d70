#include "check_layer.hpp"

#include <cmath>
#include <cstdio>
#include <ostream>

#include "../../ops/elementwise.hpp"
#include "../../ops/layout.hpp"
#include "../../ops/reduce.hpp"

namespace unroll {
namespace {

std::string element_text(double x) {
  char buffer[32];
  std::snprintf(buffer, sizeof(buffer), "%.6g", x);
  return buffer;
}

}  // namespace

bool LayerReport::ok() const {
  return !checks.empty() &&
         std::ranges::none_of(checks, [](const LayerCheck& c) { return c.result == LayerCheck::Result::fails; });
}

const LayerCheck* LayerReport::find(const std::string& what) const {
  const auto at = std::ranges::find_if(checks, [&](const LayerCheck& c) { return c.what == what; });
  return at == checks.end() ? nullptr : &*at;
}

std::string LayerReport::str() const {
  const auto failed =
      std::ranges::count_if(checks, [](const LayerCheck& c) { return c.result == LayerCheck::Result::fails; });
  std::string out = failed == 0 ? "the " + of + " keeps every promise\n"
                                : detail::text("the ", of, " breaks ", failed, " of ", checks.size(), " promises\n");
  for (const LayerCheck& c : checks) {
    const bool holds = c.result == LayerCheck::Result::holds;
    out += holds ? "  holds    " : c.result == LayerCheck::Result::fails ? "  FAILS    " : "  skipped  ";
    out += c.what + (holds ? "" : ": " + c.why) + "\n";
  }
  return out;
}

std::ostream& operator<<(std::ostream& out, const LayerReport& report) { return out << report.str(); }

namespace detail {

void expect_equal(const std::string& what, const Numbers& a, const Numbers& b, double tolerance,
                  const std::string& hint) {
  if (a.size() != b.size()) throw Fault{detail::text(what, " (", a.size(), " numbers and ", b.size(), ")", hint)};
  double scale = 1, worst = 0;
  std::size_t at = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    scale = std::max(scale, std::abs(b[i]));
    const double d = a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i])) ? 0 : std::abs(a[i] - b[i]);
    if (d > worst || std::isnan(d)) worst = d, at = i;
    if (std::isnan(d)) break;
  }
  if (worst <= tolerance * scale) return;
  throw Fault{detail::text(what, " (", element_text(a[at]), " and ", element_text(b[at]), ", number ", at, ")", hint)};
}

void expect_passes(const GradcheckReport& report) {
  if (report) return;
  if (report.value_verdict == Verdict::nondeterministic)
    throw Fault{"the value changes from call to call, " + report.value_note +
                    ": does it keep something between calls (a counter, a generator of its own)?"};
  if (report.value_verdict == Verdict::non_finite) throw Fault{"not finite: " + report.value_note};
  const TensorReport* worst = report.worst();
  if (!worst) throw Fault{report.str()};
  // Where nothing arrives at all the cause is plainer than where something is missing.
  std::ptrdiff_t wrong = 0;
  for (const TensorReport& t : report.tensors) {
    if (t.verdict != Verdict::wrong) continue;
    ++wrong;
    if (t.analytic == 0 && worst->analytic != 0 && worst->verdict == Verdict::wrong) worst = &t;
  }
  std::string where;
  for (const Index i : worst->worst_position) where += (where.empty() ? "[" : ",") + std::to_string(i);
  if (!where.empty()) where += "]";
  std::string why = "d/d " + worst->name + where + " is " + element_text(worst->analytic) + " by backward, " +
                    element_text(worst->numeric) + " by differences (" + to_string(worst->verdict) + ")";
  if (worst->analytic == 0)
    why += ": nothing flows back there, as through stop_gradient or a value copied out of the tape";
  if (wrong > 1) why += detail::text("; ", wrong, " tensors are wrong");
  if (!worst->note.empty()) why += "; " + worst->note;
  throw Fault{why};
}

Numbers row_of(const Numbers& v, Index batch, Index row) {
  const Index n = batch == 0 ? 0 : static_cast<Index>(v.size()) / batch;
  return Numbers(v.begin() + row * n, v.begin() + (row + 1) * n);
}

namespace {

// What a layer makes of sequences `from` .. `from + count` of a batch.
struct Examined {
  std::vector<Numbers> outputs;  // one a sequence
  std::vector<Numbers> final_states;
  Numbers input_gradient;
  std::vector<Numbers> gradients;
};

Examined run_layer(const LayerFunction& layer, const ParameterList<double>& parameters, const CheckInput& x,
                   const std::vector<Index>& all_lengths, Index from, Index count, bool backward) {
  const std::vector<Index> lengths(all_lengths.begin() + from, all_lengths.begin() + from + count);
  const Index steps = x.shape[0], batch = x.shape[1], width = x.shape[2];
  Numbers part;
  for (Index t = 0; t < steps; ++t)
    part.insert(part.end(), x.values.begin() + (t * batch + from) * width,
                x.values.begin() + (t * batch + from + count) * width);
  const Variable<double> in = input(part, Shape{steps, count, width}, requires_grad);
  std::vector<Variable<double>> all;
  const Sequence<double> outputs = layer(sequence(in, lengths), all);
  Examined seen;
  const Variable<double> rectangle = padded(outputs);
  const std::vector<Index> out_lengths = outputs.lengths();
  for (Index b = 0; b < count; ++b)
    seen.outputs.push_back(
        narrow(narrow(rectangle, 1, b, 1), 0, 0, out_lengths[static_cast<std::size_t>(b)]).to_vector());
  for (std::size_t i = 1; i < all.size(); ++i) seen.final_states.push_back(all[i].to_vector());
  if (!backward) return seen;
  // The sum of squares is the same whatever the order of the rows.
  Variable<double> loss = sum(all[0] * all[0]);
  for (std::size_t i = 1; i < all.size(); ++i)
    if (all[i].size() > 0) loss = loss + sum(all[i] * all[i]);
  for (const auto& p : parameters) p.storage->clear_grad();
  if (loss.requires_grad()) current_tape<double>->backward(loss);
  seen.input_gradient = in.grad_to_vector();
  for (const auto& p : parameters) {
    const auto n = static_cast<std::size_t>(p.storage->shape.size());
    seen.gradients.push_back(p.storage->has_grad ? Numbers(p.storage->grad, p.storage->grad + n) : Numbers(n));
    p.storage->clear_grad();
  }
  return seen;
}

}  // namespace

void check_ragged(const LayerFunction& layer, const ParameterList<double>& parameters, const CheckInput& x,
                  const std::vector<Index>& lengths, const CheckLayerOptions& options) {
  const auto batch = static_cast<Index>(lengths.size());
  Tape<double> tape(options.seed);
  const auto recorded = [&](Index from, Index count) {
    const Recording<double> scope(tape, {.training = false});
    return run_layer(layer, parameters, x, lengths, from, count, true);
  };
  const Examined all = recorded(0, batch), evaluated = [&] {
    const Evaluation<double> scope(tape);
    return run_layer(layer, parameters, x, lengths, 0, batch, false);
  }();
  std::vector<Numbers> sums(parameters.size());
  for (Index b = 0; b < batch; ++b) {
    const auto i = static_cast<std::size_t>(b);
    const Examined one = recorded(b, 1);
    const std::string who = detail::text("sequence ", b, " (length ", lengths[i], ") ");
    const auto same = [&](const char* what, const Numbers& u, const Numbers& v) {
      expect_equal(who + what, u, v, options.tolerance);
    };
    same("has other outputs in a batch than alone", all.outputs[i], one.outputs[0]);
    same("has other outputs in an Evaluation than in a Recording", evaluated.outputs[i], all.outputs[i]);
    for (std::size_t m = 0; m < one.final_states.size(); ++m) {
      const Numbers own = row_of(all.final_states[m], batch, b);
      same("has another final state in a batch than alone", own, one.final_states[m]);
      same("has another final state in an Evaluation than in a Recording", row_of(evaluated.final_states[m], batch, b),
           own);
    }
    Numbers own;
    for (Index t = 0; t < x.shape[0]; ++t) {
      const Numbers step = row_of(all.input_gradient, x.shape[0] * batch, t * batch + b);
      own.insert(own.end(), step.begin(), step.end());
    }
    same("has another gradient of its input in a batch than alone", own, one.input_gradient);
    for (std::size_t p = 0; p < sums.size(); ++p) {
      sums[p].resize(one.gradients[p].size());
      for (std::size_t k = 0; k < sums[p].size(); ++k) sums[p][k] += one.gradients[p][k];
    }
  }
  for (std::size_t p = 0; p < sums.size(); ++p)
    expect_equal("the gradient of '" + parameters[p].name + "' is not the sum of those of the sequences",
                 all.gradients[p], sums[p], options.tolerance);
}

}  // namespace detail
}  // namespace unroll
