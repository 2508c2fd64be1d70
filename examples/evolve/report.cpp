#include "evolve/report.hpp"

#include <algorithm>
#include <cmath>

#include "common/plot.hpp"
#include "common/program.hpp"

namespace unroll::examples {

void report_evolution(std::span<const EvolveRun> runs, const EvolveBaselines& baselines, MetricsFile& metrics) {
  print("\n%-36s %12s %12s %10s %14s %14s", "", "evaluations", "strings", "seconds", "nats a symbol", "wrong strings");
  for (const EvolveRun& run : runs) {
    const EvolvePoint& p = run.points.back();
    print("  %-34s %12lld %12lld %10.1f %14.4f %14s", run.way.c_str(), static_cast<long long>(p.evaluations),
          static_cast<long long>(p.strings), p.seconds, p.loss,
          std::isnan(p.wrong) ? "" : text("%.1f %%", 100 * p.wrong).c_str());
    metrics.write({{"way", run.way},
                   {"evaluations", p.evaluations},
                   {"strings", p.strings},
                   {"seconds", p.seconds},
                   {"loss", p.loss},
                   {"wrong", p.wrong},
                   {"learned", run.learned}});
  }
  print("  %-34s %12s %12s %10s %14.4f", "counts of single symbols", "", "", "", baselines.single);
  print("  %-34s %12s %12s %10s %14.4f", "counts of pairs", "", "", "", baselines.pairs);
  if (!std::isnan(baselines.least))
    print("  %-34s %12s %12s %10s %14.4f", "who knows the grammar", "", "", "", baselines.least);
}

MetricsLine last_figures(std::span<const EvolveRun> runs, const EvolveBaselines& baselines) {
  MetricsLine line = {
      {"single_loss", baselines.single}, {"pairs_loss", baselines.pairs}, {"least_loss", baselines.least}};
  for (const EvolveRun& run : runs) {
    std::string way = run.way;
    std::replace(way.begin(), way.end(), '-', '_');
    const EvolvePoint& p = run.points.back();
    line.insert(line.end(), {{way + "_loss", p.loss},
                             {way + "_wrong", p.wrong},
                             {way + "_strings", p.strings},
                             {way + "_seconds", p.seconds}});
  }
  return line;
}

void draw_evolution(const std::string& plot, std::span<const EvolveRun> runs, const EvolveBaselines& baselines) {
  if (plot.empty()) return;
  std::string data, by_strings, by_seconds;
  for (std::size_t k = 0; k < runs.size(); ++k) {
    const auto number = static_cast<int>(k) + 1;
    data += text("$run%d << END\n", number);
    for (const EvolvePoint& p : runs[k].points)
      if (std::isfinite(p.loss))
        data += text("%lld %.6g %.6g\n", static_cast<long long>(p.strings), std::max(p.seconds, 1e-3), p.loss);
    data += "END\n";
    for (const int column : {1, 2})
      (column == 1 ? by_strings : by_seconds) +=
          text("$run%d using %d:3 with linespoints linewidth 2 linetype %d pointtype 7 pointsize 0.4 title %s, ",
               number, column, number, gnuplot_string(runs[k].way).c_str());
  }
  std::string floor = text("%g with lines dashtype 2 linecolor 'gray40' title 'counts of pairs'", baselines.pairs);
  if (!std::isnan(baselines.least))
    floor += text(", %g with lines dashtype 3 linecolor 'gray40' title 'least possible'", baselines.least);
  draw(plot,
       data + "set multiplot layout 1,2\nset grid\nset logscale x\nset format x '10^%T'\nset format x '%g'\n" +
           "set ylabel 'nats a symbol'\nset title 'Loss on fresh strings by strings read'\nset xlabel 'strings'\n" +
           "plot " + by_strings + floor + "\n" +
           "set title 'The same by seconds of training'\nset xlabel 'seconds'\nplot " + by_seconds + floor +
           "\nunset multiplot\n",
       1200, 500);
}

}  // namespace unroll::examples
