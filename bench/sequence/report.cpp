#include "report.hpp"

#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace bench {
namespace {

std::string number(double x) {
  char text[32];
  std::snprintf(text, sizeof text, x < 10 ? "%.3f" : x < 100 ? "%.2f" : x < 10000 ? "%.1f" : "%.0f", x);
  return text;
}

std::string cell(const std::optional<Timing>& t) {
  if (!t) return "-";
  return number(t->median) + " [" + number(t->low) + " " + number(t->high) + "]";
}

/// How many times as long `a` takes as `b`.
std::string ratio(const Row& row, const std::optional<Timing>& a, const std::optional<Timing>& b) {
  if (!a || !b) return "-";
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", row.rate() ? b->median / a->median : a->median / b->median);
  return text;
}

}  // namespace

Row make_row(const std::string& workload, const std::string& size, int threads, const std::string& unit, double scale,
             const std::vector<const Entrant*>& entrants) {
  Row row{workload, size, threads, unit, scale, {}, {}, {}, {}};
  for (const Entrant* e : entrants) {
    if (!e->runs() || e->times.empty()) continue;
    Timing t = timing(e->times);
    t = row.rate() ? Timing{scale / t.median, scale / t.high, scale / t.low}
                   : Timing{scale * t.median, scale * t.low, scale * t.high};
    const std::string& name = e->contender.name;
    (name == "unroll" ? row.unroll : name == "floor" ? row.floor : name == "libtorch" ? row.libtorch : row.onednn) = t;
  }
  return row;
}

void print_head() {
  std::printf("%-8s %-3s %3s %-9s %-26s %-26s %-26s %-26s %8s %9s %9s\n", "workload", "", "thr", "unit",
              "unroll [quartiles]", "floor", "LibTorch", "oneDNN fused", "unroll/", "LibTorch/", "oneDNN/");
  std::printf("%-8s %-3s %3s %-9s %-26s %-26s %-26s %-26s %8s %9s %9s\n", "", "", "", "", "", "", "", "", "floor",
              "unroll", "unroll");
}

void print_row(const Row& r) {
  std::printf("%-8s %-3s %3d %-9s %-26s %-26s %-26s %-26s %8s %9s %9s\n", r.workload.c_str(), r.size.c_str(), r.threads,
              r.unit.c_str(), cell(r.unroll).c_str(), cell(r.floor).c_str(), cell(r.libtorch).c_str(),
              cell(r.onednn).c_str(), ratio(r, r.unroll, r.floor).c_str(), ratio(r, r.libtorch, r.unroll).c_str(),
              ratio(r, r.onednn, r.unroll).c_str());
  std::fflush(stdout);
}

void write_json(const std::string& file, const std::vector<Row>& rows) {
  nlohmann::json list = nlohmann::json::array();
  for (const Row& r : rows) {
    nlohmann::json row{{"workload", r.workload}, {"size", r.size}, {"threads", r.threads}, {"unit", r.unit}};
    nlohmann::json quartiles = nlohmann::json::object();
    const auto put = [&](const char* name, const std::optional<Timing>& t) {
      row[name] = t ? nlohmann::json(t->median) : nlohmann::json(nullptr);
      if (t) quartiles[name] = {t->low, t->high};
    };
    put("unroll", r.unroll), put("floor", r.floor), put("libtorch", r.libtorch), put("onednn", r.onednn);
    row["quartiles"] = quartiles;
    list.push_back(row);
  }
  std::ofstream out(file);
  out << nlohmann::json{{"rows", list}}.dump(1) << '\n';
  if (!out) throw std::runtime_error("cannot write " + file);
}

}  // namespace bench
