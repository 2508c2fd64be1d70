#include "module.hpp"

#include <charconv>

namespace unroll::detail {
namespace {

template <class T>
std::string shortest_text(T value) {
  char text[64];
  return std::string(text, std::to_chars(text, text + sizeof(text), value).ptr);
}

}  // namespace

std::string hyper_parameter_text(const std::string& value) { return value; }
std::string hyper_parameter_text(float value) { return shortest_text(value); }
std::string hyper_parameter_text(double value) { return shortest_text(value); }

std::string summary_table(const std::vector<SummaryRow>& rows,
                          const std::vector<std::pair<std::string, std::string>>& hyper_parameters) {
  std::size_t name = 9, shape = 5;
  Index total = 0;
  for (const SummaryRow& r : rows) {
    name = std::max(name, r.name.size());
    shape = std::max(shape, r.shape.size());
    total += r.count;
  }
  const auto pad = [](std::string s, std::size_t width, bool right) {
    const std::string space(width > s.size() ? width - s.size() : 0, ' ');
    return right ? space + s : s + space;
  };
  const std::size_t count = std::max<std::size_t>(5, std::to_string(total).size());
  const auto line = [&](const std::string& a, const std::string& b, const std::string& c) {
    return pad(a, name, false) + "  " + pad(b, shape, false) + "  " + pad(c, count, true) + "\n";
  };
  std::string out = line("parameter", "shape", "count");
  for (const SummaryRow& r : rows) out += line(r.name, r.shape, std::to_string(r.count));
  out += line("total", "", std::to_string(total));
  for (const auto& [key, value] : hyper_parameters) out += pad(key, name, false) + "  " + value + "\n";
  return out;
}

}  // namespace unroll::detail
