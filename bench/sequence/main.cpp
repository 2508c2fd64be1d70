// The workloads of sequence models, unroll beside others: see bench/README.md.

#include <malloc.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "clock.hpp"
#include "measure.hpp"
#include "report.hpp"
#include "studies.hpp"
#include "unroll/core/gemm/gemm.hpp"
#include "unroll/core/threads.hpp"

namespace {

using namespace bench;

struct Options {
  std::vector<std::string> only;
  std::vector<int> threads;
  bool quick = false, products = false;
  int repeats = 21;
  std::string json;
  std::vector<std::string> memory;
  std::vector<Index> size;
  bool long_sequences = false, large = false;
};

struct Session {
  Options options;
  Effort effort;
  std::vector<Row> rows;
  bool right = true;

  /// `--only W4` takes all sizes, `--only W4:L` one; nothing given takes all, and --quick all but XL.
  bool wanted(const std::string& workload, const std::string& size) const {
    if (options.only.empty()) return !(options.quick && size == "XL");
    for (const std::string& o : options.only)
      if (o == workload || o == workload + ":" + size) return true;
    return false;
  }
  void add(Row row) {
    print_row(row);
    rows.push_back(std::move(row));
  }
  void run(std::vector<Entrant>& entrants, const std::string& what, int threads) {
    right = check_losses(entrants, what) && right;
    measure(entrants, effort, threads > 1);
  }
};

/// The user's own cell and the built-in layer side by side: both rows, and what one costs more than the other.
void labelling(Session& session, const Size& size, Cell cell, int threads) {
  const std::string own = cell == tanh_rnn ? "W1" : "W3", built_in = cell == tanh_rnn ? "W2" : "W4";
  const bool want_own = session.wanted(own, size.name), want_built_in = session.wanted(built_in, size.name);
  if (!want_own && !want_built_in) return;
  const Labelling problem(size, cell);
  std::vector<Entrant> entrants(5);
  if (want_own) entrants[0].contender = unroll_labelling(problem, true, threads);
  if (want_built_in) entrants[1].contender = unroll_labelling(problem, false, threads);
  entrants[2].contender = floor_labelling(problem, threads);
  entrants[3].contender = torch_labelling(problem, threads);
  entrants[4].contender = onednn_labelling(problem, threads);
  session.run(entrants, (want_own ? own : built_in) + ":" + size.name, threads);
  for (int i = 0; i < 2; ++i) {
    if (!(i == 0 ? want_own : want_built_in)) continue;
    session.add(make_row(i == 0 ? own : built_in, size.name, threads, "ms", 1e3,
                         {&entrants[static_cast<std::size_t>(i)], &entrants[2], &entrants[3], &entrants[4]}));
  }
  if (!entrants[0].runs() || !entrants[1].runs()) return;
  std::vector<double> ratios;
  for (std::size_t i = 0; i < entrants[0].times.size(); ++i)
    ratios.push_back(entrants[0].times[i] / entrants[1].times[i]);
  const Timing t = timing(ratios);
  std::printf("%-8s %-3s %3d           own cell / built-in layer, median ratio of a pair: %.3f [%.3f %.3f]\n",
              (own + "/" + built_in).c_str(), size.name, threads, t.median, t.low, t.high);
}

void others(Session& session, int threads) {
  const auto rows = [&](const char* workload, const char* unit, double scale, std::vector<Entrant> entrants) {
    session.run(entrants, workload, threads);
    session.add(make_row(workload, "", threads, unit, scale, {&entrants[0], &entrants[1], &entrants[2], &entrants[3]}));
  };
  if (threads == 1 && session.wanted("W5", ""))
    rows("W5", "ns/op", 1e9 / chain_ops, {{unroll_chain()}, {}, {torch_chain()}, {}});
  if (threads == 1 && session.wanted("W6", "")) {
    const Labelling problem(sampling_size, lstm);
    rows(
        "W6", "us/step", 1e6 / sampling_steps,
        {{unroll_sampling(problem)}, {floor_sampling(problem)}, {torch_sampling(problem)}, {onednn_sampling(problem)}});
  }
  if (session.wanted("W7", "")) {
    const Tagging problem;
    rows("W7", "tokens/s", static_cast<double>(problem.words),
         {{unroll_tagging(problem, threads)},
          {floor_tagging(problem, threads)},
          {torch_tagging(problem, threads)},
          {onednn_tagging(problem, threads)}});
  }
}

std::vector<std::string> labelling_names() {
  std::vector<std::string> names;
  for (const char* workload : {"W1:", "W2:", "W3:", "W4:"})
    for (const Size& size : sizes) names.push_back(std::string(workload) + size.name);
  return names;
}

/// Of a labelling workload and a size, W1:XS to W4:XL.
void memory(const std::string& which) {
  for (const Size& size : sizes)
    for (int w = 1; w <= 4; ++w)
      if (which == "W" + std::to_string(w) + ":" + size.name) memory_study(size, w <= 2 ? tanh_rnn : lstm, w % 2 == 1);
}

}  // namespace

int main(int argc, char** argv) {
  // LibTorch gives large tensors back to the system after every step and gets them zeroed again, page by page: up to
  // four times slower. These are MALLOC_MMAP_THRESHOLD_ and MALLOC_TRIM_THRESHOLD_, for the whole process.
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 2147483647);

  Session session;
  Options& o = session.options;
  CLI::App app{"One training step of sequence models: unroll, LibTorch, oneDNN, and the bare matrix products"};
  app.add_option("--only", o.only, "workload, or workload:size, such as W4 or W4:L (repeatable)")->take_all();
  app.add_option("--threads", o.threads, "threads; by default rows for 1 and for all cores")
      ->check(CLI::Range(1, 1024));
  app.add_option("--repeats", o.repeats, "repeats, each of all contenders in turn")->check(CLI::Range(1, 100000));
  app.add_flag("--quick", o.quick, "fewer repeats, no XL: under a minute");
  app.add_flag("--cpu-time", cpu_time, "time on the processor instead of the wall's: on a busy machine, one thread");
  app.add_flag("--products", o.products,
               "also print the products of the floor, who is fastest at each, and what unroll's door takes");
  app.add_option("--size", o.size, "a size of your own, called own: B T I H O")
      ->expected(5)
      ->check(CLI::PositiveNumber);
  app.add_option("--memory", o.memory, "peak memory of a workload and size, such as W4:L (repeatable)")
      ->take_all()
      ->check(CLI::IsMember(labelling_names()));
  app.add_flag("--long", o.long_sequences, "time per step per T from T = 100 to 10,000");
  app.add_flag("--large", o.large, "long, wide and large steps: their time beside that of their products and bytes");
  app.add_option("--json", o.json, "write the rows to this file as well");
  CLI11_PARSE(app, argc, argv);
  if (cpu_time) o.threads = {1};
  if (o.threads.empty()) {
    o.threads = {1};
    if (const int cores = unroll::get_num_threads(); cores > 1) o.threads.push_back(cores);
  }
  session.effort = {o.repeats, o.quick ? 0.4 : 1e30};
  std::printf("unroll: %s\n%s%s%s", unroll::gemm_description().c_str(), floor_versions().c_str(),
              torch_version().c_str(), onednn_version().c_str());
  show_products = o.products;
  for (const std::string& which : o.memory) memory(which);
  if (o.long_sequences) long_study(session.effort);
  if (o.large) large_study(session.effort);
  if ((o.long_sequences || o.large || !o.memory.empty()) && o.only.empty()) return 0;
  std::vector<Size> all(std::begin(sizes), std::end(sizes));
  if (!o.size.empty()) all.push_back({"own", o.size[0], o.size[1], o.size[2], o.size[3], o.size[4]});
  print_head();
  for (const int threads : o.threads) {
    for (const Cell cell : {tanh_rnn, lstm})
      for (const Size& size : all) labelling(session, size, cell, threads);
    others(session, threads);
    if (!o.only.empty() && session.wanted("pyramid", "")) pyramid_study(threads, session.effort);
  }
  if (!o.json.empty()) write_json(o.json, session.rows);
  return session.right ? 0 : 1;
}
