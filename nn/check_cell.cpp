#include "unroll/nn/check_cell.hpp"

#include <cmath>
#include <cstdio>
#include <ostream>

namespace unroll {
namespace {

std::string text(double x) {
  char buffer[32];
  std::snprintf(buffer, sizeof(buffer), "%.6g", x);
  return buffer;
}

}  // namespace

bool CellReport::ok() const {
  return !checks.empty() &&
         std::ranges::none_of(checks, [](const CellCheck& c) { return c.result == CellCheck::Result::fails; });
}

const CellCheck* CellReport::find(const std::string& what) const {
  const auto at = std::ranges::find_if(checks, [&](const CellCheck& c) { return c.what == what; });
  return at == checks.end() ? nullptr : &*at;
}

std::string CellReport::str() const {
  const auto failed =
      std::ranges::count_if(checks, [](const CellCheck& c) { return c.result == CellCheck::Result::fails; });
  std::string out = failed == 0 ? "the cell keeps every promise\n"
                                : "the cell breaks " + std::to_string(failed) + " of " + std::to_string(checks.size()) +
                                      " promises\n";
  for (const CellCheck& c : checks) {
    const bool holds = c.result == CellCheck::Result::holds;
    out += holds ? "  holds    " : c.result == CellCheck::Result::fails ? "  FAILS    " : "  skipped  ";
    out += c.what + (holds ? "" : ": " + c.why) + "\n";
  }
  return out;
}

std::ostream& operator<<(std::ostream& out, const CellReport& report) { return out << report.str(); }

namespace detail {

void expect_equal(const std::string& what, const Numbers& a, const Numbers& b, double tolerance,
                  const std::string& hint) {
  if (a.size() != b.size())
    throw CellFault{what + " (" + std::to_string(a.size()) + " numbers and " + std::to_string(b.size()) + ")" + hint};
  double scale = 1, worst = 0;
  std::size_t at = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    scale = std::max(scale, std::abs(b[i]));
    const double d = a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i])) ? 0 : std::abs(a[i] - b[i]);
    if (d > worst || std::isnan(d)) worst = d, at = i;
    if (std::isnan(d)) break;
  }
  if (worst <= tolerance * scale) return;
  throw CellFault{what + " (" + text(a[at]) + " and " + text(b[at]) + ", number " + std::to_string(at) + ")" + hint};
}

void expect_passes(const GradcheckReport& report) {
  if (report) return;
  if (report.value_verdict == Verdict::nondeterministic)
    throw CellFault{"the value changes from call to call, " + report.value_note +
                    ": does the cell keep something between calls (a counter, a generator of its own)?"};
  if (report.value_verdict == Verdict::non_finite) throw CellFault{"not finite: " + report.value_note};
  const TensorReport* worst = report.worst();
  if (!worst) throw CellFault{report.str()};
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
  std::string why = "d/d " + worst->name + where + " is " + text(worst->analytic) + " by backward, " +
                    text(worst->numeric) + " by differences (" + to_string(worst->verdict) + ")";
  if (worst->analytic == 0)
    why += ": nothing flows back there, as through stop_gradient or a value copied out of the tape";
  if (wrong > 1) why += "; " + std::to_string(wrong) + " tensors are wrong";
  if (!worst->note.empty()) why += "; " + worst->note;
  throw CellFault{why};
}

Numbers row_of(const Numbers& v, Index batch, Index row) {
  const Index n = batch == 0 ? 0 : static_cast<Index>(v.size()) / batch;
  return Numbers(v.begin() + row * n, v.begin() + (row + 1) * n);
}

}  // namespace detail
}  // namespace unroll
