// fit: the same bits as a loop by hand; resumption, early stopping, metrics, Ctrl-C.

#include <doctest/doctest.h>

#include <cmath>

#include "training_run.hpp"
#include "unroll/optim/clip.hpp"
#include "unroll/optim/run/fit.hpp"

using namespace unroll;
using namespace unroll::test;

TEST_CASE("Ctrl-C saves and stops, and the training goes on later") {
  const TemporaryFolder folder;
  // Every training in a process of its own. First of all tests: a process that has computed may have threads, which a
  // fork leaves behind.
  const auto process = [](auto&& work) {
    const pid_t child = ::fork();
    if (child == 0) {
      int status = 9;
      try {
        status = work();
      } catch (const std::exception& e) {
        std::fprintf(stderr, "%s\n", e.what());
      }
      ::_exit(status);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  };
  const auto train = [&](const std::string& name, Index interrupt_at) {
    return process([&] {
      catch_interrupts();
      SmallRun run;
      Checkpoints checkpoints(folder.file(name));
      FitOptions o = run.options(3);
      o.checkpoints = &checkpoints;
      o.on_step = [&, before = o.on_step](const FitStep& s) {
        before(s);
        if (s.step != interrupt_at) return;
        ::kill(::getpid(), SIGINT);
        while (!interrupted()) ::usleep(100);
      };
      const FitResult r = run.fit(o);
      const std::vector<float> weights = run.weights();
      if (!r.interrupted) atomic_write(folder.file(name + ".final"), std::as_bytes(std::span(weights)));
      return r.interrupted ? 1 : 0;
    });
  };
  CHECK(train("calm", 0) == 0);
  CHECK(train("rough", 14) == 1);
  CHECK(Checkpoints(folder.file("rough")).files().at(0) == folder.file("rough-000000014.safetensors"));
  CHECK(train("rough", 20) == 1);
  CHECK(train("rough", 0) == 0);
  CHECK(file_bytes(folder.file("calm.final")) == file_bytes(folder.file("rough.final")));
}

TEST_CASE("fit and a loop by hand give the same bits") {
  SmallRun a, b;
  const FitResult result = a.fit(a.options(4));
  CHECK(result.steps == 40);
  CHECK(result.epochs == 4);

  // docs/training.md: by hand.
  double best_loss = INFINITY;
  auto best = clone(b.model);
  for (Index epoch = 0, step = 0; epoch < 4; ++epoch) {
    b.batches.begin_epoch();
    for (Index k = 0; k < b.batches.size(); ++k, ++step) {
      b.shards.step([&](Tape<float>&, int shard) { return b.loss(b.batches.batch(k), shard); });
      clip_grad_norm(b.adam, 0.5);
      b.adam.set_lr(SmallRun::rate(step));
      b.adam.step();
      b.average.update();
    }
    const double loss = b.validate();
    if (loss < best_loss) best_loss = loss, copy_parameters(b.model, best);
    for (auto& carry : b.carries) carry.clear();
  }
  copy_parameters(best, b.model);
  CHECK(result.best_loss == best_loss);
  CHECK(a.weights() == b.weights());

  SmallRun c;  // the check can fail
  FitOptions other = c.options(4);
  other.clip_norm = 0.4;
  c.fit(other);
  CHECK(a.weights() != c.weights());
}

TEST_CASE("a resumed training ends in the same bits, from the middle of an epoch too") {
  const TemporaryFolder folder;
  SmallRun whole;
  whole.fit(whole.options(3));
  for (const Index stop_at : {5, 10, 23}) {
    Checkpoints checkpoints(folder.file("run" + std::to_string(stop_at)));
    {
      SmallRun first;
      FitOptions o = first.options(3);
      o.checkpoints = &checkpoints;
      o.checkpoint_every = 1;
      o.on_step = [&, before = o.on_step](const FitStep& s) {
        if (s.step > stop_at) throw ValueError("the power is gone");
        before(s);
      };
      CHECK_THROWS_AS(first.fit(o), ValueError);
    }
    SmallRun second;
    FitOptions o = second.options(3);
    o.checkpoints = &checkpoints;
    Index first_step = 0;
    o.on_step = [&, before = o.on_step](const FitStep& s) {
      if (first_step == 0) first_step = s.step;
      before(s);
    };
    second.fit(o);
    CHECK(first_step == stop_at + 1);
    CHECK(second.weights() == whole.weights());
  }
}

TEST_CASE("it stops when nothing gets better, and gives the best weights") {
  SmallRun run;
  FitOptions o = run.options(20);
  const double losses[] = {3, 1, 2, 1.5, 1, 0};
  std::size_t epoch = 0;
  std::vector<std::vector<float>> weights;
  std::vector<bool> best;
  o.patience = 3;
  o.validate = [&] {
    weights.emplace_back(run.model.out.weight.values().begin(), run.model.out.weight.values().end());
    return losses[epoch++];
  };
  o.on_epoch = [&](const FitEpoch& e) { best.push_back(e.best); };
  const FitResult r = run.fit(o);
  CHECK(r.epochs == 5);
  CHECK(r.best_epoch == 2);
  CHECK(r.best_loss == 1);
  CHECK(best == std::vector<bool>{true, true, false, false, false});
  const auto w = run.model.out.weight.values();
  CHECK(std::vector<float>(w.begin(), w.end()) == weights[1]);
  CHECK(weights[1] != weights[4]);
}

TEST_CASE("metrics as JSON lines and as a table") {
  const TemporaryFolder folder;
  SmallRun run;
  {
    MetricsFile lines(folder.file("m.jsonl")), table(folder.file("m.csv"), {"step", "val_loss", "mine"});
    FitOptions o = run.options(2);
    o.validate = [] { return 0.5; };
    o.metrics = {&lines, &table};
    o.log_every = 4;
    o.on_log = [](MetricsLine& line) { line.emplace_back("mine", std::string("a \"b\"")); };
    run.fit(o);
  }
  CHECK(file_bytes(folder.file("m.csv")) ==
        "step,val_loss,mine\n4,,\"a \"\"b\"\"\"\n8,,\"a \"\"b\"\"\"\n10,0.5,\"a \"\"b\"\"\"\n"
        "12,,\"a \"\"b\"\"\"\n16,,\"a \"\"b\"\"\"\n20,,\"a \"\"b\"\"\"\n20,0.5,\"a \"\"b\"\"\"\n");
  const std::string text = file_bytes(folder.file("m.jsonl"));
  CHECK(text.starts_with("{\"step\":4,\"epoch\":1,\"loss\":"));
  CHECK(text.find("\"epoch\":2,\"step\":20,\"train_loss\":") != std::string::npos);
  CHECK(text.find("\"val_loss\":0.5,\"best\":false,\"lr\":") != std::string::npos);
  CHECK(text.find("\"mine\":\"a \\\"b\\\"\"}\n") != std::string::npos);

  {
    MetricsFile lists(folder.file("list.jsonl")), list_table(folder.file("list.csv"), {"a", "b"});
    const MetricsLine line = {{"a", JsonText{R"([[1,2],["x"]])"}}, {"b", Index{3}}};
    lists.write(line), list_table.write(line);
    CHECK(file_bytes(folder.file("list.jsonl")) == "{\"a\":[[1,2],[\"x\"]],\"b\":3}\n");
    CHECK(file_bytes(folder.file("list.csv")) == "a,b\n\"[[1,2],[\"\"x\"\"]]\",3\n");
  }
  MetricsFile again(folder.file("m.csv"), {"a", "b"});
  again.write({{"a", NAN}, {"b", true}});
  CHECK(file_bytes(folder.file("m.csv")) == "a,b\n,true\n");
  MetricsFile more(folder.file("m.csv"), {"a", "b"});
  more.resume(4);
  more.write({{"a", Index{1}}});
  CHECK(file_bytes(folder.file("m.csv")) == "a,b\n1,\n");
  CHECK_THROWS_AS(MetricsFile(folder.file("none/m.csv")), FileError);
  MetricsFile("").write({{"a", 1.0}});
}

TEST_CASE("mistakes") {
  SmallRun run;
  FitOptions o = run.options(1);
  o.epochs = -1;
  CHECK_THROWS_WITH_AS(run.fit(o), "[fit] epochs -1, expected at least 0", ValueError);
  o.epochs = 1, o.clip_norm = NAN;
  CHECK_THROWS_AS(run.fit(o), ValueError);
  o.clip_norm = 1;
  run.model.out.weight.mutable_values()[0] = NAN;
  const auto before = run.model.embed.weight.values()[0];
  try {
    run.fit(o);
    FAIL("no error");
  } catch (const ValueError& e) {
    CHECK(std::string(e.what()) ==
          "[fit] the loss is not a number after 0 steps, expected a finite number; a lower learning rate may help");
  }
  CHECK(run.model.embed.weight.values()[0] == before);
  CHECK_THROWS_AS(ShuffledBatches(3, 0), ValueError);
  CHECK_THROWS_AS(ShuffledBatches(3, 2).batch(0), ValueError);
  ShuffledBatches three(3, 2);
  three.begin_epoch();
  CHECK(three.size() == 2);
  CHECK(three.batch(0).size() == 2);
  CHECK(three.batch(1).size() == 1);
  CHECK_THROWS_AS(three.batch(2), ValueError);
}
