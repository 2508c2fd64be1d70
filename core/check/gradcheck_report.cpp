#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>
#include <ostream>

#include "../error.hpp"
#include "finite_difference_detail.hpp"
#include "gradcheck.hpp"

namespace unroll {
namespace {

std::string number_text(const char* format, double v) {
  char text[32];
  std::snprintf(text, sizeof text, format, v);
  return text;
}
std::string value_text(double v) { return number_text("%.6g", v); }
std::string short_number(double v) { return number_text("%.1e", v); }

std::string position(const TensorReport& r) {
  if (r.worst_index < 0) return r.elements == 0 ? "" : "[?]";
  std::string text = "[";
  for (const Index i : r.worst_position) text += detail::text(text.size() > 1 ? "," : "", i);
  return text + "]";
}

double badness(const TensorReport& r) { return detail::badness(r.error, r.tolerance); }

std::string remark(const TensorReport& r) {
  std::string text;
  if (!std::isnan(r.left)) text = "slopes " + value_text(r.left) + " left, " + value_text(r.right) + " right";
  if (!r.note.empty()) text += (text.empty() ? "" : "; ") + r.note;
  return text;
}

using Row = std::array<std::string, 9>;

Row row(const TensorReport& r) {
  if (r.elements == 0) return {r.name, r.shape.str(), to_string(r.verdict), "", "", "", "", "", "empty"};
  if (!r.measured && r.verdict == Verdict::ok) return {r.name, r.shape.str(), "-", "", "", "", "", "", "not measured"};
  return {r.name,
          r.shape.str(),
          to_string(r.verdict),
          position(r),
          value_text(r.analytic),
          value_text(r.numeric),
          short_number(r.error),
          short_number(r.tolerance),
          remark(r)};
}

}  // namespace

const char* to_string(Verdict verdict) {
  constexpr const char* names[] = {"ok", "kink", "wrong", "nondeterministic", "non-finite"};
  return names[static_cast<int>(verdict)];
}

Verdict GradcheckReport::verdict() const {
  Verdict v = value_verdict;
  for (const TensorReport& r : tensors) v = std::max(v, r.verdict);
  return v;
}

const TensorReport* GradcheckReport::worst() const {
  const TensorReport* worst = nullptr;
  for (const TensorReport& r : tensors) {
    if (r.elements == 0) continue;
    if (worst == nullptr || r.verdict > worst->verdict || (r.verdict == worst->verdict && badness(r) > badness(*worst)))
      worst = &r;
  }
  return worst;
}

std::string GradcheckReport::str() const {
  std::string text = std::string("gradcheck: ") + to_string(verdict());
  const TensorReport* w = worst();
  if (value_verdict != Verdict::ok) {
    text += ", " + value_note;
  } else if (w == nullptr) {
    text += ", nothing to check";
  } else if (verdict() == Verdict::ok) {
    text += detail::text(", ", tensors.size(), tensors.size() == 1 ? " tensor" : " tensors",
                         ", closest to its tolerance ", w->name, position(*w));
  } else {
    text += ", look at " + w->name + position(*w) + ": analytic " + value_text(w->analytic) + ", numeric " +
            value_text(w->numeric);
    if (const std::string more = remark(*w); !more.empty()) text += ", " + more;
  }
  text += detail::text(" (value ", value_text(value), ", ", evaluations, " evaluations)\n");

  std::vector<Row> rows{{"tensor", "shape", "verdict", "worst", "analytic", "numeric", "error", "tolerance", ""}};
  for (const TensorReport& r : tensors) rows.push_back(row(r));
  Row::size_type column = 0;
  std::array<std::size_t, 9> width{};
  for (const Row& r : rows)
    for (column = 0; column < r.size(); ++column) width[column] = std::max(width[column], r[column].size());
  for (const Row& r : rows) {
    std::string line = " ";
    for (column = 0; column < r.size(); ++column) {
      const std::string fill(width[column] - r[column].size(), ' ');
      line += " " + (column < 4 ? r[column] + fill : column < 8 ? fill + r[column] : r[column]) + " ";
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::ostream& operator<<(std::ostream& out, const GradcheckReport& report) { return out << report.str(); }

}  // namespace unroll
