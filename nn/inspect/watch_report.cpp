// What a Watch saw, as text.

#include <algorithm>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <set>

#include "watch_detail.hpp"

namespace unroll {
namespace {

std::string formatted(const char* format, ...) {
  char line[512];
  std::va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  return line;
}

std::string bytes_text(std::size_t bytes) {
  const auto n = static_cast<double>(bytes);
  if (bytes < 10'000) return formatted("%zu B", bytes);
  return bytes < 10'000'000 ? formatted("%.1f kB", n / 1e3) : formatted("%.1f MB", n / 1e6);
}

std::string padded(const std::string& s, std::size_t width) {
  return s + std::string(width > s.size() ? width - s.size() : 0, ' ');
}

}  // namespace

OpProfile Profile::operator[](const std::string& op) const {
  for (const OpProfile& row : ops)
    if (row.op == op) return row;
  OpProfile none;
  none.op = op;
  return none;
}

OpProfile Profile::total() const {
  OpProfile sum;
  sum.op = "total";
  for (const OpProfile& row : ops) {
    sum.calls += row.calls;
    sum.nodes += row.nodes;
    sum.bytes += row.bytes;
    sum.forward += row.forward;
    sum.backward_calls += row.backward_calls;
    sum.backward_bytes += row.backward_bytes;
    sum.backward += row.backward;
  }
  return sum;
}

std::string Profile::table() const {
  const OpProfile sum = total();
  std::size_t width = 9;
  for (const OpProfile& row : ops) width = std::max(width, row.op.size());
  std::string out = padded("operation", width) +
                    "      calls     nodes       bytes  forward ms   backward  adj. bytes backward ms   time\n";
  const double time = std::max(sum.forward + sum.backward, 1e-12);
  const auto line = [&](const OpProfile& row) {
    out += padded(row.op, width) +
           formatted("  %9lld %9lld %11s %11.3f  %9lld %11s %11.3f  %4.0f %%\n", static_cast<long long>(row.calls),
                     static_cast<long long>(row.nodes), bytes_text(row.bytes).c_str(), 1e3 * row.forward,
                     static_cast<long long>(row.backward_calls), bytes_text(row.backward_bytes).c_str(),
                     1e3 * row.backward, 100 * (row.forward + row.backward) / time);
  };
  for (const OpProfile& row : ops) line(row);
  line(sum);
  return out;
}

std::string layer_table(const std::vector<LayerSummary>& rows) {
  LayerSummary sum{"total", "", 0, 0};
  std::size_t name = 5, output = 6;
  for (const LayerSummary& row : rows) {
    name = std::max(name, row.name.size());
    output = std::max(output, row.output.size());
    sum.count += row.count;
    sum.bytes += row.bytes;
  }
  std::string out = padded("layer", name) + "  " + padded("output", output) + "  parameters       bytes\n";
  const auto line = [&](const LayerSummary& row) {
    out += padded(row.name.empty() ? "(itself)" : row.name, name) + "  " + padded(row.output, output) +
           formatted("  %10lld %11s\n", static_cast<long long>(row.count), bytes_text(row.bytes).c_str());
  };
  for (const LayerSummary& row : rows) line(row);
  line(sum);
  return out;
}

namespace detail {

std::string place_text(const std::string& layer, Index time_step) {
  std::string s;
  if (!layer.empty()) s += "layer " + layer;
  if (time_step >= 0) s += (s.empty() ? "" : ", ") + ("time step " + std::to_string(time_step));
  return s;
}

std::string index_text(const std::vector<Index>& at) {
  std::string s = "(";
  for (std::size_t k = 0; k < at.size(); ++k) s += (k > 0 ? "," : "") + std::to_string(at[k]);
  return s + ")";
}

std::string non_finite_message(const NonFinite& found, bool step_is_told) {
  std::string s = place_text(found.layer, step_is_told ? -1 : found.time_step);
  if (!s.empty()) s += ": ";
  const std::string value = std::isnan(found.value) ? "nan" : found.value > 0 ? "inf" : "-inf";
  s += "[" + found.op + "] " + (found.backward ? "backward made " : "made ") + value + " at " + index_text(found.at) +
       " of ";
  const auto operand = [](const NonFinite::Operand& o) {
    return o.shape.str() + (o.from.empty() ? "" : " from " + o.from);
  };
  if (found.backward) {
    s += detail::text("the adjoint of operand ", found.operand, " ",
                      operand(found.operands[static_cast<std::size_t>(found.operand)]));
    if (!found.results.empty()) s += "; what it made: " + found.results[0].str();
    for (std::size_t k = 1; k < found.results.size(); ++k) s += ", " + found.results[k].str();
  } else {
    s += "its result " + found.shape.str();
  }
  if (found.operands.empty()) return s;
  s += "; operands: ";
  for (std::size_t k = 0; k < found.operands.size(); ++k) s += (k > 0 ? ", " : "") + operand(found.operands[k]);
  return s;
}

namespace {

std::string dot_string(const std::string& s) {
  std::string quoted = "\"";
  for (const char c : s) {
    if (c == '"' || c == '\\') quoted += '\\';
    if (c == '\n') {
      quoted += "\\n";
    } else {
      quoted += static_cast<unsigned char>(c) < 32 ? ' ' : c;
    }
  }
  return quoted + "\"";
}

}  // namespace

template <class T>
std::string dot_of(const Watcher<T>& watcher) {
  const auto& ops = watcher.ops();
  std::string out =
      "digraph tape {\n"
      "  rankdir=TB; fontname=\"Helvetica\"; fontsize=11; color=\"#9aa5b1\"; style=\"rounded\";\n"
      "  node [shape=box, style=\"rounded,filled\", fillcolor=\"#e3eefa\", color=\"#4a7ab0\", fontname=\"Helvetica\", "
      "fontsize=11, height=0.3, margin=\"0.1,0.04\"];\n"
      "  edge [color=\"#5c6773\", arrowsize=0.6];\n";

  // Parameters are met at every use; drawn once.
  std::unordered_map<const Node<T>*, int> drawn;
  std::map<std::pair<std::string, Index>, std::string> groups;
  std::string loose, edges;
  for (std::size_t i = 0; i < ops.size(); ++i) {
    const WatchedOp<T>& op = ops[i];
    const bool parameter = std::string_view(op.name) == "parameter";
    if (parameter && !op.results.empty() && !drawn.emplace(op.results[0], static_cast<int>(i)).second) continue;
    std::string label = op.name;
    if (parameter && !op.results.empty())
      if (const std::string* name = watcher.parameter_name(*op.results[0])) label = *name;
    constexpr std::size_t most_shapes = 3;
    std::string shapes;
    for (std::size_t k = 0; k < std::min(op.results.size(), most_shapes); ++k)
      shapes += (k > 0 ? " " : "") + op.results[k]->shape.str();
    if (op.results.size() > most_shapes) shapes += detail::text(" ... ", op.results.size(), " in all");
    const char* look = parameter ? ", shape=ellipse, fillcolor=\"#fdf0d5\", color=\"#c08a2d\""
                       : std::string_view(op.name) == "input"
                           ? ", shape=ellipse, fillcolor=\"#e6f4e6\", color=\"#4f9a4f\""
                           : "";
    const std::string node = detail::text("op", i, " [label=", dot_string(label + "\n" + shapes), look, "];\n");
    if (parameter || (op.layer->empty() && op.time_step < 0)) {
      loose += "  " + node;
    } else {
      groups[{*op.layer, op.time_step}] += "    " + node;
    }
    std::set<int> from;
    for (const Node<T>* operand : op.operands) {
      int producer = watcher.producer(operand);
      if (const auto leaf = drawn.find(operand); leaf != drawn.end()) producer = leaf->second;
      if (producer >= 0 && producer != static_cast<int>(i)) from.insert(producer);
    }
    for (const int k : from) edges += detail::text("  op", k, " -> op", i, ";\n");
  }
  int cluster = 0;
  for (const auto& [place, nodes] : groups)
    out += detail::text("  subgraph cluster_", cluster++,
                        " {\n    label=", dot_string(place_text(place.first, place.second)), ";\n", nodes, "  }\n");
  return out + loose + edges + "}\n";
}

template std::string dot_of(const Watcher<float>&);
template std::string dot_of(const Watcher<double>&);

}  // namespace detail
}  // namespace unroll
