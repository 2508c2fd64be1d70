// Checkpoints: all of a training comes back, to the bit; what is damaged or does not fit says so and changes nothing.

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "temporary_folder.hpp"
#include "unroll/core/shards.hpp"
#include "unroll/data/files/atomic_file.hpp"
#include "unroll/nn/bptt/carry.hpp"
#include "unroll/nn/linear.hpp"
#include "unroll/nn/lstm.hpp"
#include "unroll/nn/stack.hpp"
#include "unroll/optim/adam.hpp"
#include "unroll/optim/run/checkpoint.hpp"
#include "unroll/optim/sgd.hpp"

using namespace unroll;

namespace {

struct Model {
  using scalar = float;
  explicit Model(Rng& rng, Index width = 3) : a(2, width, rng), b(width, 1, rng) {}
  void each(auto&& visit) { visit("a", a), visit("b", b), visit("dropout", dropout), visit("kind", kind); }
  Linear<> a, b;
  double dropout = 0.5;
  std::string kind = "plain";
};

/// A layer of a user's, with lists in its states and members that are called as a Tape's and as those of Shards.
struct OwnLayer {
  using scalar = float;
  struct states {
    using scalar = float;
    std::vector<LSTMState<>> below;
    LSTMState<> above;
    void each(auto&& visit) { visit("below", below), visit("above", above); }
  };
  Stack<Rnn<LSTMCell<>>> below;
  Rnn<LSTMCell<>> above;
  Rng own = Rng(1);
  OwnLayer(Index input_size, Index hidden_size, Rng& rng)
      : below(input_size, hidden_size, rng, {.layers = 2}), above(hidden_size, hidden_size, rng) {}
  Rng& rng() { return own; }
  Index bytes_reserved() const { return 0; }
  int count() const { return 0; }
  Rng& tape(int) { return own; }
  Index output_size() const { return above.output_size(); }
  states initial_states(Index batch) const { return {below.initial_states(batch), above.initial_states(batch)}; }
  template <SequenceLike<float> X>
  LayerResult<states, X> run(const X& x, const states& from) const {
    const auto b = below.run(x, from.below);
    const auto a = above.run(b.outputs, from.above);
    return {a.outputs, {b.final_states, a.final_state}};
  }
  void each(auto&& visit) { visit("below", below), visit("above", above); }
};

/// One of everything.
struct Run {
  explicit Run(std::uint64_t seed = 1) : rng(seed), model(rng), adam(parameters(model)), tape(seed), shards(2, seed) {
    state.add("model", model).add("adam", adam).add("rng", rng).add("tape", tape).add("shards", shards);
    state.add("step", step).add("loss", loss).add("order", order).add("text", text).add("on", on).add("rows", rows);
    state.add("carries", carries);
  }
  void train() {
    for (int i = 0; i < 3; ++i) {
      for (const auto& p : parameters(model)) {
        p.storage->ensure_grad();
        for (Index k = 0; k < p.storage->shape.size(); ++k) p.storage->grad[k] = rng.uniform<float>();
        p.storage->touched_densely();
      }
      adam.step();
    }
    step += 3, loss = 0.1, order = rng.permutation(7), text = "grün", on = true,
               rows[1].push_back(rng.uniform<float>());
    tape.rng().next(), shards.tape(1).rng().next();
    const Evaluation scope(tape);
    const auto x = full<float>(Shape{2, 3}, 1), twice = full<float>(Shape{2, 3}, 2);
    carries[1].assign({{x, twice}, {x, x}});
    carries[1].restart({1});
  }

  Rng rng;
  Model model;
  Adam<float> adam;
  Tape<float> tape;
  Shards<float> shards;
  Index step = 0;
  double loss = 0;
  std::vector<Index> order;
  std::string text;
  bool on = false;
  std::vector<std::vector<float>> rows{{}, {}};
  std::vector<Carry<std::vector<LSTMState<>>>> carries = std::vector<Carry<std::vector<LSTMState<>>>>(2);
  TrainingState state;
};

std::vector<float> weights(const Model& model) {
  std::vector<float> all;
  for (const auto& p : parameters(model))
    all.insert(all.end(), p.storage->value, p.storage->value + p.storage->shape.size());
  return all;
}

}  // namespace

TEST_CASE("all that was saved comes back") {
  const TemporaryFolder folder;
  Run run;
  run.train();
  const std::string file = folder.file("c");
  save_checkpoint(file, run.state, {{"note", "mine"}});
  Run other(2);
  const auto version = parameters(other.model)[0].storage->version;
  CHECK(load_checkpoint(file, other.state).at("note") == "mine");
  CHECK(parameters(other.model)[0].storage->version > version);
  CHECK(weights(other.model) == weights(run.model));
  CHECK(other.rng == run.rng);
  CHECK(other.tape.rng() == run.tape.rng());
  CHECK(other.shards.tape(0).rng() == run.shards.tape(0).rng());
  CHECK(other.shards.tape(1).rng() == run.shards.tape(1).rng());
  CHECK(other.step == 3);
  CHECK(other.loss == 0.1);
  CHECK(other.order == run.order);
  CHECK(other.text == "grün");
  CHECK(other.on);
  CHECK(other.rows == run.rows);
  CHECK(other.carries[0].empty());
  {
    const Evaluation scope(other.tape);
    const auto states = other.carries[1].state();
    REQUIRE(states.size() == 2);
    CHECK(states[0].c.shape() == Shape{2, 3});
    CHECK(states[0].c.values()[0] == 2);
    CHECK(states[0].c.values()[3] == 0);  // restarted
  }
  // The same from here on.
  run.train(), other.train();
  CHECK(weights(other.model) == weights(run.model));
  save_checkpoint(folder.file("a"), run.state);
  save_checkpoint(folder.file("b"), other.state);
  CHECK(file_bytes(folder.file("a")) == file_bytes(folder.file("b")));
}

TEST_CASE("a user's layer and its states come back") {
  const TemporaryFolder folder;
  const std::string path = folder.file("run");
  Rng rng(1);
  OwnLayer trained(2, 3, rng), fresh(2, 3, rng);
  Carry<OwnLayer::states> carry, empty;
  Tape<float> tape;
  const std::vector<float> values{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  {
    const Evaluation scope(tape);
    carry.assign(final_states(trained.run(input(values, Shape{3, 2, 2}), trained.initial_states(2))));
  }
  TrainingState saved, loaded;
  save_checkpoint(path, saved.add("layer", trained).add("carry", carry));
  load_checkpoint(path, loaded.add("layer", fresh).add("carry", empty));
  const Evaluation scope(tape);
  const auto x = input(values, Shape{3, 2, 2});
  CHECK(fresh.run(x, empty.state()).outputs.to_vector() == trained.run(x, carry.state()).outputs.to_vector());
}

TEST_CASE("what does not fit is named, all of it, and nothing changes") {
  const TemporaryFolder folder;
  Run run;
  run.train();
  const std::string file = folder.file("c");
  save_checkpoint(file, run.state);

  Rng rng(3);
  Model wide(rng, 4);
  wide.dropout = 0.25;
  SGD<float> sgd(parameters(wide), {.lr = 0.5, .momentum = 0.9});
  Index step = 77;
  double unknown = 7;
  TrainingState state;
  state.add("model", wide).add("adam", sgd).add("step", step).add("unknown", unknown);
  const auto before = weights(wide);
  std::string message;
  try {
    load_checkpoint(file, state);
  } catch (const ValueError& e) {
    message = e.what();
  }
  INFO(message);
  CHECK(message.starts_with("[load_checkpoint] " + file + " does not fit: "));
  for (const char* part : {"'unknown'", "'model.a.weight' is F32 (3,2), expected F32 (4,2)", "unexpected: ", "'rng'",
                           "1 different: 'model.dropout'"})
    CHECK(message.find(part) != std::string::npos);
  CHECK(weights(wide) == before);
  CHECK(step == 77);
  CHECK(sgd.lr() == 0.5);
  CHECK(sgd.steps()[0] == 0);

  Index steps = 0;
  TrainingState twice;
  CHECK_THROWS_WITH_AS(twice.add("step", step).add("step", steps), "[TrainingState] 'step' is added twice", ValueError);
}

TEST_CASE("damage is found") {
  const TemporaryFolder folder;
  Run run;
  run.train();
  const std::string file = folder.file("c");
  save_checkpoint(file, run.state);
  const std::string good = file_bytes(file);
  Run other(2);
  const auto before = weights(other.model);
  CHECK_THROWS_AS(load_checkpoint(folder.file("none"), other.state), FileError);
  int loads = 0;
  Rng rng(4);
  for (int i = 0; i < 400; ++i) {
    std::string bad = good;
    if (i % 2 == 0) {
      bad[static_cast<std::size_t>(rng.integer(static_cast<Index>(bad.size())))] ^=
          static_cast<char>(1 << rng.integer(8));
    } else {
      bad.resize(static_cast<std::size_t>(rng.integer(static_cast<Index>(bad.size()))));
    }
    put_file(file, bad);
    try {
      check_checkpoint(file);
      ++loads;  // a space of the header became another white space
    } catch (const FileError& e) {
      CHECK_THROWS_WITH_AS(load_checkpoint(file, other.state), e.what(), FileError);
    }
  }
  CHECK(loads < 10);
  CHECK(weights(other.model) == before);

  std::string flipped = good;
  flipped.back() ^= 1;
  put_file(file, flipped);
  CHECK_THROWS_AS_MESSAGE(check_checkpoint(file), FileError, "checksum");
  write_safetensors(file, StateDict<float>{{"x", {{1}, {2}}}});
  CHECK_THROWS_WITH_AS(load_checkpoint(file, other.state),
                       ("[checkpoint] " + file + ": a safetensors file, but no checkpoint").c_str(), FileError);
}

TEST_CASE("a file that is being written is not taken for an abandoned one") {
  const TemporaryFolder folder;
  AtomicFile file(folder.file("x"));
  file.write("half");
  CHECK_FALSE(remove_abandoned(file.temporary_path()));
  file.commit();
  CHECK(folder.count() == 1);
  put_file(folder.file("x.1-0.tmp"), "half");
  CHECK(remove_abandoned(folder.file("x.1-0.tmp")));
  CHECK_FALSE(remove_abandoned(folder.file("x.1-0.tmp")));
  CHECK(folder.count() == 1);
}

TEST_CASE("the newest few and the best are kept, and a damaged one is passed over") {
  const TemporaryFolder folder;
  Run run;
  Checkpoints checkpoints(folder.file("run"), {.keep = 2});
  CHECK(!checkpoints.restore(run.state));
  CHECK(checkpoints.files().empty());
  put_file(folder.file("run-000000001.safetensors.999999999-0.tmp"), "half");  // of a killed process
  put_file(folder.file("run-x.safetensors"), "something else");
  const double values[] = {3, 1, 2, 1};
  for (const double value : values) {
    run.train();
    run.loss = value;
    checkpoints.save(run.state, run.step, value);
  }
  CHECK(checkpoints.files() ==
        std::vector<std::string>{folder.file("run-000000012.safetensors"), folder.file("run-000000009.safetensors")});
  CHECK(folder.count() == 4);
  Run best(5);
  CHECK(load_checkpoint(checkpoints.best(), best.state).at("value") == "1");
  CHECK(best.step == 6);

  // A later process knows the best.
  Checkpoints later(folder.file("run"), {.keep = 2});
  run.step = 15;
  later.save(run.state, 15, 1.5);
  load_checkpoint(checkpoints.best(), best.state);
  CHECK(best.step == 6);

  const std::string newest = later.files()[0], before = later.files()[1];
  std::string bytes = file_bytes(newest);
  bytes[bytes.size() - 5] ^= 4;
  put_file(newest, bytes);
  Run other(2);
  auto restored = later.restore(other.state);
  REQUIRE(restored);
  CHECK(restored->file == before);
  CHECK(restored->step == 12);
  CHECK(other.step == 12);
  REQUIRE(restored->skipped.size() == 1);
  CHECK(restored->skipped[0].find(newest + ": is damaged: its checksum is ") != std::string::npos);
  CHECK(later.files() == std::vector<std::string>{before});
  CHECK(file_bytes(newest + ".damaged") == bytes);

  put_file(before, "cut");
  CHECK_THROWS_AS(later.restore(other.state), FileError);
  CHECK_THROWS_WITH_AS(Checkpoints("x", {.keep = 0}), "[Checkpoints] keep 0, expected at least 1", ValueError);
  CHECK_THROWS_AS(later.save(run.state, -1), ValueError);
}
