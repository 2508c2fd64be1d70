#include "why_recurrent/name_report.hpp"

#include <algorithm>
#include <cmath>

#include "common/plot.hpp"
#include "common/program.hpp"

namespace unroll::examples {

namespace {

double share(Index part, Index whole) {
  return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : std::nan("");
}

/// "12,010,000".
std::string grouped(Index n) {
  std::string digits = std::to_string(n);
  for (std::ptrdiff_t at = std::ssize(digits) - 3; at > 0; at -= 3) digits.insert(static_cast<std::size_t>(at), ",");
  return digits;
}

/// Percent, a dash where there is nothing.
std::string percent(double x) { return std::isnan(x) ? "-" : text("%.1f", 100 * x); }

}  // namespace

void NameCounts::add(bool name, bool guess) {
  ++words, right += name == guess;
  found += name && guess, missed += name && !guess, false_alarms += !name && guess;
}
double NameCounts::accuracy() const { return share(right, words); }
double NameCounts::recall() const { return share(found, found + missed); }
double NameCounts::f1() const { return share(2 * found, 2 * found + missed + false_alarms); }

NameFigures examine(const std::string& name, const NameTask& task, const NameGuesser& guess) {
  NameFigures figures{.name = name};
  figures.at_length.resize(static_cast<std::size_t>(task.window) + 1);
  figures.at_place.resize(static_cast<std::size_t>(task.window));
  const auto each_word = [&](const std::vector<NameItem>& items, auto&& f) {
    constexpr std::size_t batch = 100;
    for (std::size_t from = 0; from < items.size(); from += batch) {
      const auto part = std::span(items).subspan(from, std::min(batch, items.size() - from));
      const auto guesses = guess(part);
      for (std::size_t i = 0; i < part.size(); ++i)
        for (std::size_t t = 0; t < part[i].words.size(); ++t) f(part[i], t, guesses[i][t]);
    }
  };
  const auto was_there = [&](const NameItem& item, std::size_t t) {
    return task.places.contains({item.words[t], static_cast<Index>(t)});
  };
  each_word(task.test, [&](const NameItem& item, std::size_t t, bool g) {
    figures.known.add(item.names[t], g);
    figures.at_length[item.words.size()].add(item.names[t], g);
    if (item.names[t] && was_there(item, t)) figures.same_place.add(true, g);
  });
  each_word(task.longer, [&](const NameItem& item, std::size_t t, bool g) {
    figures.longer.add(item.names[t], g);
    figures.at_length[item.words.size()].add(item.names[t], g);
  });
  each_word(task.moved, [&](const NameItem& item, std::size_t t, bool g) {
    if (!item.names[t] || was_there(item, t) || !task.names.contains(item.words[t])) return;
    figures.new_place.add(true, g), figures.at_place[t].add(true, g);
  });
  return figures;
}

Index window_parameters(Index vocabulary, Index length, Index hidden) {
  return (vocabulary * length + 1) * hidden + length * (hidden + 1);
}

void report_names(const NameTask& task, const NameFigures& window, const NameFigures& recurrent, Index vocabulary,
                  Index hidden, MetricsFile& metrics) {
  const auto row = [](const std::string& what, const std::string& a, const std::string& b) {
    print("  %-58s %14s %14s", what.c_str(), a.c_str(), b.c_str());
  };
  const auto rates = [&](const std::string& what, const NameCounts& a, const NameCounts& b, auto measure) {
    row(what + ", %", percent((a.*measure)()), percent((b.*measure)()));
  };
  print("\n%-60s %14s %14s", "", "own weights", "the same");
  print("%-60s %14s %14s", "", "at each place", "at each place");
  print("%-60s %14s %14s", "", window.name.c_str(), recurrent.name.c_str());
  for (const Index length : {5, 10, 20, 50, 100})
    row("parameters for sentences of " + std::to_string(length) + " words",
        grouped(window_parameters(vocabulary, length, hidden)), grouped(recurrent.parameters));
  row("parameters of these two, for " + std::to_string(task.window) + " words", grouped(window.parameters),
      grouped(recurrent.parameters));
  const std::string usual = "up to " + std::to_string(task.longest) + " words, as in training: ";
  const std::string longer =
      std::to_string(task.longest + 1) + " to " + std::to_string(task.window) + " words, never in training: ";
  rates(usual + "words right", window.known, recurrent.known, &NameCounts::accuracy);
  rates(usual + "F1 of names", window.known, recurrent.known, &NameCounts::f1);
  rates("names found at places where training had them", window.same_place, recurrent.same_place, &NameCounts::recall);
  rates("names found at places where training never had them", window.new_place, recurrent.new_place,
        &NameCounts::recall);
  rates(longer + "words right", window.longer, recurrent.longer, &NameCounts::accuracy);
  rates(longer + "F1 of names", window.longer, recurrent.longer, &NameCounts::f1);
  const NameCounts& all = recurrent.known;
  print("  (who takes no word for a name has %.1f %% of the words right)",
        100 * (1 - share(all.found + all.missed, all.words)));
  for (const NameFigures* f : {&window, &recurrent}) {
    for (Index n = 0; n <= task.window; ++n)
      if (const NameCounts& c = f->at_length[static_cast<std::size_t>(n)]; c.words > 0)
        metrics.write({{"network", f->name}, {"length", n}, {"accuracy", c.accuracy()}, {"f1", c.f1()}});
    for (Index t = 0; t < task.window; ++t)
      if (const NameCounts& c = f->at_place[static_cast<std::size_t>(t)]; c.words > 0)
        metrics.write({{"network", f->name}, {"place", t + 1}, {"found", c.recall()}});
  }
}

void draw_names(const std::string& plot, const NameTask& task, const NameFigures& window, const NameFigures& recurrent,
                Index vocabulary, Index hidden) {
  if (plot.empty()) return;
  std::string data;
  int k = 0;
  for (const NameFigures* f : {&window, &recurrent}) {
    std::string parameters, places, lengths;
    for (Index n = 1; n <= 100; ++n)
      parameters += text("%d %.9g\n", static_cast<int>(n),
                         static_cast<double>(f == &window ? window_parameters(vocabulary, n, hidden) : f->parameters));
    for (std::size_t t = 0; t < f->at_place.size(); ++t)
      if (f->at_place[t].words > 0) places += text("%zu %.6g\n", t + 1, 100 * f->at_place[t].recall());
    for (std::size_t n = 0; n < f->at_length.size(); ++n)
      if (f->at_length[n].words > 0) lengths += text("%zu %.6g\n", n, 100 * f->at_length[n].f1());
    ++k;
    data += text("$parameters%d << END\n%sEND\n$places%d << END\n%sEND\n$lengths%d << END\n%sEND\n", k,
                 parameters.c_str(), k, places.c_str(), k, lengths.c_str());
  }
  const auto both = [&](const char* what, const char* style) {
    return text(
        "plot $%s1 using 1:2 with %s linewidth 2 linetype 1 title %s, $%s2 using 1:2 with %s linewidth 2 "
        "linetype 2 title %s\n",
        what, style, gnuplot_string(window.name).c_str(), what, style, gnuplot_string(recurrent.name).c_str());
  };
  draw(plot,
       data +
           "set multiplot layout 1,3\nset grid\nset key bottom\n"
           "set title 'Parameters'\nset xlabel 'words in a sentence'\nset logscale y\nset format y '%.0s%c'\n" +
           text("set yrange [%g:*]\n", static_cast<double>(recurrent.parameters) / 5) + both("parameters", "lines") +
           "unset logscale y\nset format y '%g'\nset yrange [-3:103]\nset key at graph 0.97,0.85\n"
           "set title 'Names where training never had them'\nset xlabel 'place in the sentence'\nset ylabel 'found, "
           "%'\n" +
           both("places", "linespoints pointtype 7 pointsize 0.6") +
           text("set key inside left bottom\nset title 'Names by length'\nset xlabel 'words in a sentence'\nset ylabel "
                "'F1, "
                "%%'\n"
                "set arrow 1 from %g,-3 to %g,103 nohead dashtype 2 linecolor 'gray40'\n"
                "set label 1 'never trained' at %g,50\n",
                static_cast<double>(task.longest) + 0.5, static_cast<double>(task.longest) + 0.5,
                static_cast<double>(task.longest) + 0.7) +
           both("lengths", "linespoints pointtype 7 pointsize 0.6") + "unset multiplot\n",
       1320, 440);
}

}  // namespace unroll::examples
