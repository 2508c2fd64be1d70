// unroll-plot: pictures of what a run left in its files, drawn by gnuplot (Debian: gnuplot-nox).
//
//     unroll-plot loss run.jsonl -o loss.svg                      training and validation over steps or epochs
//     unroll-plot loss a.jsonl b.csv -o loss.png --log            several runs
//     unroll-plot rate run.jsonl -o rate.svg                      the learning rate
//     unroll-plot curves run.jsonl --x seconds --y grad_norm -o norm.svg      any figures
//     unroll-plot flow look.jsonl -o flow.svg                     the gradient's norm over time steps
//     unroll-plot attention look.jsonl -o attention.svg           where a decoder looked
//     unroll-plot confusion run.jsonl -o confusion.svg            which class is taken for which
//
// Files are JSON lines, as --metrics of the other programs and MetricsFile write them, or CSV tables (name in .csv):
//
//     loss, rate, curves    "train_loss", "val_loss", "dev_loss", "loss", "lr", ... by "step", "epoch" or "seconds"
//     flow                  "gradient_norms": [n_0, n_1, ...], one line each, named by its "step" or "name";
//                           CSV: a column "time_step", each of the others is a curve
//     attention             "attention": [[...], ...], a row each output; names "outputs" and "inputs"
//     confusion             "confusion": [[...], ...], a row each true class; names "classes"

#include <CLI/CLI.hpp>

#include "common/program.hpp"
#include "common/run_plots.hpp"

using namespace unroll::examples;

int main(int argc, char** argv) {
  CLI::App app("Draws what a run left in its files.", "unroll-plot");
  app.require_subcommand(1);
  PlotRequest request;
  bool linear = false;
  const auto kind = [&](const char* name, const char* help, bool several) {
    CLI::App* sub = app.add_subcommand(name, help);
    auto* files = sub->add_option("files", request.files, "JSON lines, or CSV (name in .csv)")->required();
    if (!several) files->expected(1);
    sub->add_option("-o,--output", request.output, "the picture, .svg or .png")->required();
    sub->add_option("--title", request.title, "above the picture");
    return sub;
  };
  const auto curves = [&](const char* name, const char* help) {
    CLI::App* sub = kind(name, help, true);
    sub->add_option("--x", request.x, "figure on the x axis [step, or epoch]");
    sub->add_option("--names", request.names, "names of the runs [those of the files]")->delimiter(',');
    sub->add_flag("--log", request.log_y, "a logarithmic y axis");
    sub->add_option("--unit", request.unit, "unit of the y axis, as in nats");
    return sub;
  };
  CLI::App* loss = curves("loss", "losses of one run or several");
  CLI::App* rate = curves("rate", "the learning rate");
  CLI::App* any = curves("curves", "any figures");
  any->add_option("--y", request.y, "figures on the y axis")->delimiter(',')->required();
  CLI::App* flow = kind("flow", "the gradient's norm over time steps", false);
  flow->add_flag("--linear", linear, "no logarithmic y axis");
  CLI::App* attention = kind("attention", "where a decoder looked", false);
  kind("confusion", "which class is taken for which", false);
  return run_program(app, argc, argv, [&] {
    if (loss->parsed()) return draw_losses(request);
    if (rate->parsed()) return draw_rates(request);
    if (any->parsed()) return draw_figures(request);
    request.log_y = !linear;
    if (flow->parsed()) return draw_flow(request);
    if (attention->parsed()) return draw_attention(request);
    draw_confusion(request);
  });
}
