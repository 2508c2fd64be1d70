#include "remember/report.hpp"

#include <algorithm>

#include "common/plot.hpp"
#include "common/program.hpp"

namespace unroll::examples {

namespace {

std::string capitals(std::string name) {
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::toupper(c); });
  return name;
}

/// About seven time steps, the first word's and the last one among them.
std::vector<std::size_t> shown_steps(std::size_t count) {
  std::vector<std::size_t> steps;
  for (std::size_t k = 0; k <= 6; ++k) {
    const std::size_t t = 1 + (count - 2) * k / 6;
    if (steps.empty() || steps.back() != t) steps.push_back(t);
  }
  return steps;
}

}  // namespace

double guessing(const StoryTask& task) {
  std::vector<double> counts(task.answers.size());
  double all = 0;
  for (const StoryGroup& group : task.groups)
    for (const StoryItem& story : group.test) ++counts[static_cast<std::size_t>(story.answer)], ++all;
  return *std::max_element(counts.begin(), counts.end()) / std::max(all, 1.0);
}

void report_readers(const StoryTask& task, const std::vector<ReaderFigures>& readers, MetricsFile& metrics) {
  std::string line = text("%-40s", "right answers, %, with so many words between");
  for (const StoryGroup& group : task.groups) line += text(" %8s", group.name().c_str());
  print("\n%s", line.c_str());
  for (const ReaderFigures& r : readers) {
    line = text("  %-38s", capitals(r.cell).c_str());
    for (std::size_t k = 0; k < task.groups.size(); ++k) {
      line += text(" %8.1f", 100 * r.accuracy[k]);
      metrics.write({{"cell", r.cell}, {"gap", task.groups[k].to}, {"accuracy", r.accuracy[k]}});
    }
    print("%s", line.c_str());
  }
  print("  %-38s %8.1f", "guessing", 100 * guessing(task));

  const std::size_t steps = readers.front().before.size();
  line = "gradient that arrives at the state after";
  for (const std::size_t t : shown_steps(steps)) line += text(" %8s", ("word " + std::to_string(t)).c_str());
  print("\n%s", line.c_str());
  for (const ReaderFigures& r : readers)
    for (const auto* norms : {&r.before, &r.after}) {
      line = text("  %-38s", (capitals(r.cell) + (norms == &r.before ? ", before training" : ", after")).c_str());
      for (const std::size_t t : shown_steps(norms->size())) line += text(" %8.1e", (*norms)[t]);
      print("%s", line.c_str());
    }
  for (const ReaderFigures& r : readers)
    for (std::size_t t = 0; t < r.before.size(); ++t)
      metrics.write({{"cell", r.cell},
                     {"time_step", static_cast<Index>(t)},
                     {"gradient_before", r.before[t]},
                     {"gradient_after", r.after[t]}});
}

MetricsLine last_figures(const StoryTask& task, const std::vector<ReaderFigures>& readers) {
  MetricsLine line = {{"gap", task.groups.back().to}, {"guessing", guessing(task)}};
  for (const ReaderFigures& r : readers) {
    line.emplace_back(r.cell + "_accuracy", r.accuracy.back());
    line.emplace_back(r.cell + "_gradient", r.before[1]);
  }
  return line;
}

std::string gradient_plot(const std::string& plot) {
  const std::size_t dot = plot.rfind('.');
  return plot.empty() || dot == std::string::npos ? plot : plot.substr(0, dot) + "-gradient" + plot.substr(dot);
}

void draw_readers(const std::string& plot, const StoryTask& task, const std::vector<ReaderFigures>& readers) {
  if (plot.empty()) return;
  // Curves at the top lie on one another: points of different sizes, and some room above.
  std::string data, curves;
  std::vector<Curve> flow;
  for (std::size_t r = 0; r < readers.size(); ++r) {
    const auto number = static_cast<int>(r) + 1;
    data += text("$reader%d << END\n", number);
    for (std::size_t k = 0; k < task.groups.size(); ++k)
      data += text("%d %.6g\n", static_cast<int>(task.groups[k].to), 100 * readers[r].accuracy[k]);
    data += "END\n";
    curves += text("$reader%d with linespoints linewidth 2 linetype %d pointtype %d pointsize %g title %s, ", number,
                   number, 2 * number + 3, 2 - 0.4 * number, gnuplot_string(capitals(readers[r].cell)).c_str());
    for (const auto* norms : {&readers[r].before, &readers[r].after}) {
      const bool before = norms == &readers[r].before;
      flow.push_back({capitals(readers[r].cell) + (before ? ", before training" : ", after"), {}, number - 1, !before});
      for (std::size_t t = 0; t < norms->size(); ++t) flow.back().points.emplace_back(t, (*norms)[t]);
    }
  }
  const double guess = 100 * guessing(task);
  draw(plot, data + "set title 'Right answers after learning from stories of this gap'\nset key center right\n" +
                 "set xlabel 'words between the first one and the answer'\nset ylabel 'right, %'\nset grid\n" +
                 text("set yrange [*<%g:103]\nplot %s%g with lines dashtype 2 linecolor 'gray40' title 'guessing'\n",
                      guess - 10, curves.c_str(), guess));
  draw_curves(gradient_plot(plot), "What the loss at the end tells the state after word t", "t",
              "norm of dE/ds_t, as a share of the last one's", flow, true);
}

}  // namespace unroll::examples
