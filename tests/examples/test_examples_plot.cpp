// unroll-plot: what is read from runs' files, and pictures whatever names are in them.

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "common/plot.hpp"
#include "common/run_file.hpp"
#include "common/run_plots.hpp"
#include "temporary_folder.hpp"
#include "unroll/core/error.hpp"

using namespace unroll;
using namespace unroll::examples;

namespace {

namespace fs = std::filesystem;

struct Folder : TemporaryFolder {
  std::string path(const std::string& name) const { return file(name); }
  std::string write(const std::string& name, const std::string& text) {
    put_file(file(name), text);
    return file(name);
  }
  std::string read(const std::string& name) const { return file_bytes(file(name)); }
};

/// gnuplot is no part of unroll: without it the pictures' tests have nothing to test.
bool can_draw() {
  try {
    check_plot("/dev/null/a.svg");
  } catch (const DataError& e) {
    return std::string(e.what()).find("not installed") == std::string::npos;
  }
  return true;
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

const char* const run = R"({"step":50,"train_loss":2.5,"lr":0.001}
{"step":100,"train_loss":1.5,"lr":0.002,"val_loss":1.75}

{"step":150,"train_loss":null,"lr":0.001,"extra":[1,2]}
{"step":200,"train_loss":1.0,"lr":0.0005,"val_loss":1.25}
{"gradient_norms":[0.001,null,0.1,1],"step":200}
{"attention":[[0.25,0.75],[0.5,0.5],[1,0]],"outputs":["x","y","end"],"inputs":["a","b"]}
{"confusion":[[3,1],[0,2]],"classes":["north","south"],"final":true}
{"step":250,"train_lo)";

}  // namespace

TEST_CASE("runs are read, a last line that was cut off left out") {
  Folder folder;
  const RunFile r = read_run(folder.write("a run.jsonl", run));
  CHECK(r.name == "a run");
  CHECK(r.lines.size() == 7);
  CHECK(last_with(r, {"step", "val_loss"})["val_loss"] == 1.25);
  CHECK(std::isnan(numbers_of(r, last_with(r, {"gradient_norms"}), "gradient_norms")[1]));
  const RunFile table = read_run(folder.write("t.csv", "step,train_loss,val_loss\n1,2.5,\n2,1.5,1.75\n"));
  REQUIRE(table.lines.size() == 2);
  CHECK_FALSE(table.lines[0].contains("val_loss"));
  CHECK(table.lines[1]["val_loss"] == 1.75);
  const NamedMatrix m = read_matrix(r.path, "attention", "outputs", "inputs");
  CHECK(m.rows == std::vector<std::string>{"x", "y", "end"});
  CHECK(m.columns == std::vector<std::string>{"a", "b"});
  CHECK(m.values == std::vector<double>{0.25, 0.75, 0.5, 0.5, 1, 0});
  CHECK(read_matrix(folder.write("m.csv", "p,q\n1,2\n3,4\n"), "confusion", "", "").rows ==
        std::vector<std::string>{"p", "q"});
}

TEST_CASE("files that are something else") {
  Folder folder;
  const auto refuses = [&](const std::string& text, const std::string& why, auto&& read) {
    const std::string path = folder.write("bad.jsonl", text);
    CHECK_THROWS_WITH_AS(read(path), (path + why).c_str(), DataError);
  };
  const auto as_run = [](const std::string& path) { read_run(path); };
  const auto as_matrix = [](const std::string& path) { read_matrix(path, "m", "rows", "columns"); };
  refuses("{\"a\":1}\n[1,2]\n{\"a\":2}\n", ":2: no JSON object; expected one a line", as_run);
  refuses("{\"a\":\n", ":1: no JSON object; expected one a line", as_run);
  refuses("\n\n", ": holds no figures", as_run);
  refuses("{\"a\":1}\n", ": no line has 'm'", as_matrix);
  refuses("{\"m\":[[1,2],[3]]}\n", ": 'm' is no table: expected lists of one length", as_matrix);
  refuses("{\"m\":[]}\n", ": 'm' is no table: expected lists of one length", as_matrix);
  refuses("{\"m\":[[1,\"2\"]]}\n", ": 'm' holds something that is no number", as_matrix);
  refuses("{\"m\":[[1,2]],\"rows\":[\"a\",\"b\"]}\n", ": 'rows' is no list of 1 names", as_matrix);
  std::string deep(200'000, '[');
  refuses("{\"a\":1}\n" + deep + "\n{\"a\":1}\n", ":2: no JSON object; expected one a line", as_run);
  CHECK_THROWS_AS(read_run(folder.path("none.jsonl")), DataError);
}

TEST_CASE("a text in gnuplot's language is a text") {
  CHECK(gnuplot_string("two words") == "\"two words\"");
  CHECK(gnuplot_string("a'b\"c`d\\e$f@g") == "\"a\\047b\\042c\\140d\\134e\\044f\\100g\"");
  CHECK(gnuplot_string("a-17b8-9") == "\"a\\055\\061\\067b8\\0559\"");  // which reads all octal digits it finds
  CHECK(gnuplot_string("line\nend\t\x7f|") == "\"line end  \\174\"");
  CHECK(gnuplot_string("gr\u00fcn \u4e2d") == "\"gr\u00fcn \u4e2d\"");
  CHECK(gnuplot_string("\xff\xc3(\xed\xa0\x80") == "\"??\\050???\"");
  CHECK(gnuplot_string(std::string("a\0b", 3)) == "\"a b\"");
}

TEST_CASE("every picture, as SVG and PNG") {
  if (!can_draw()) return;
  Folder folder;
  const std::string file = folder.write("lstm.jsonl", run);
  const std::string other = folder.write("gru.csv", "epoch,step,train_loss,val_loss\n1,100,2,2.5\n2,200,1,1.5\n");
  const auto draw_one = [&](auto&& draw, PlotRequest request) {
    for (const char* name : {"p.svg", "p.png"}) {
      request.output = folder.path(name);
      draw(request);
    }
    CHECK(folder.read("p.png").starts_with("\x89PNG"));
    const std::string svg = folder.read("p.svg");
    CHECK(has(svg, "</svg>"));
    return svg;
  };
  std::string svg = draw_one(draw_losses, {.files = {file}});
  CHECK(has(svg, ">training<"));
  CHECK(has(svg, ">validation<"));
  CHECK(has(svg, ">step of training<"));
  svg = draw_one(draw_losses, {.files = {file, other}, .unit = "nats", .log_y = true});
  CHECK(has(svg, ">lstm, training<"));
  CHECK(has(svg, ">gru, validation<"));
  CHECK(has(svg, ">loss (nats)<"));
  CHECK(has(draw_one(draw_losses, {.files = {other}, .x = "epoch", .names = {"mine"}}), ">epoch<"));
  CHECK(has(draw_one(draw_rates, {.files = {file}}), ">learning rate<"));
  CHECK(has(draw_one(draw_figures, {.files = {file}, .title = "its title", .y = {"lr"}}), ">its title<"));
  svg = draw_one(draw_flow, {.files = {file}, .log_y = true});
  CHECK(has(svg, ">step 200<"));
  CHECK(has(svg, ">norm of dE/ds_t<"));
  const std::string flow = folder.write("flow.csv", "time_step,rnn,lstm\n0,0.1,0.5\n1,0.2,0.5\n");
  CHECK(has(draw_one(draw_flow, {.files = {flow}}), ">lstm<"));
  svg = draw_one(draw_attention, {.files = {file}});
  for (const char* word : {">attention<", ">end<", ">b<", ">weight<"}) CHECK(has(svg, word));
  svg = draw_one(draw_confusion, {.files = {file}});
  for (const char* word : {">north<", ">taken for<", ">3<", ">share of the row<"}) CHECK(has(svg, word));
}

TEST_CASE("names that would do something") {
  if (!can_draw()) return;
  Folder folder;
  const fs::path before = fs::current_path();
  fs::current_path(folder.path("."));
  const std::string hostile = "'; system('touch harmed') # \"`touch harmed`\" $(touch harmed) %s %n\\\n<b>&@x";
  nlohmann::json line = {{"confusion", {{1, 2}, {3, 4}}}, {"classes", {hostile, "''" + hostile}}};
  folder.write("h.jsonl", line.dump() + "\n{\"step\":1,\"loss\":1}\n{\"step\":2,\"loss\":2}\n");
  // The first of these are commands where a name is taken for one.
  const char* const names[] = {"|touch harmed;.svg", "<touch harmed;.svg", "it's `touch harmed`.svg", "-d.svg"};
  for (const char* name : names) {
    draw_confusion({.files = {"h.jsonl"}, .output = name, .title = hostile});
    CHECK(fs::file_size(name) > 1000);
    CHECK(has(folder.read(name), "<text>'; system('touch harmed') # \"`touch harmed`\"...</text>"));
    const std::string svg = folder.read(name);
    CHECK(has(svg, "system('touch harmed') # \"`touch harmed`\" $(touch harmed) %s %n\\ &lt;b>&amp;@x"));
    draw_losses({.files = {"h.jsonl"}, .output = name, .title = hostile, .unit = hostile, .names = {hostile}});
    CHECK(has(folder.read(name), "&lt;b>&amp;@x"));
  }
  CHECK_FALSE(fs::exists("harmed"));
  fs::current_path(before);
}

TEST_CASE("what cannot be drawn") {
  Folder folder;
  const std::string file = folder.write("r.jsonl", run);
  const auto out = folder.path("p.svg");
  CHECK_THROWS_WITH_AS(draw_losses({.files = {file}, .output = "p.pdf"}),
                       "p.pdf: a picture's name must end in .svg or .png", DataError);
  if (can_draw()) {
    CHECK_THROWS_WITH_AS(draw_figures({.files = {file}, .output = out, .y = {"bleu", "wer"}}),
                         (file + ": no line has 'step' and one of 'bleu', 'wer'").c_str(), DataError);
    CHECK_THROWS_WITH_AS(draw_rates({.files = {file}, .output = out, .names = {"a", "b"}}), "2 names for 1 files",
                         DataError);
    CHECK_THROWS_AS(draw_losses({.files = {file}, .output = folder.path("no/p.svg")}), DataError);
    const std::string counts = folder.write("c.jsonl", "{\"confusion\":[[0.5]]}\n");
    CHECK_THROWS_WITH_AS(draw_confusion({.files = {counts}, .output = out}),
                         (counts + ": 'confusion' holds something that is no count").c_str(), DataError);
  }
  const std::string path = std::getenv("PATH");
  setenv("PATH", "/nowhere", 1);
  CHECK_THROWS_WITH_AS(draw_losses({.files = {file}, .output = out}),
                       (out + ": gnuplot draws pictures and is not installed (Debian: gnuplot-nox)").c_str(),
                       DataError);
  setenv("PATH", path.c_str(), 1);
}
