// What a pyramid saves: layers over half and a quarter of the steps against the same stack over all of them.

#include "unroll/nn/pyramid.hpp"

#include "contender.hpp"
#include "trainer.hpp"
#include "unroll/nn/bidirectional.hpp"
#include "unroll/nn/linear.hpp"
#include "unroll/nn/lstm.hpp"
#include "unroll/nn/rnn.hpp"
#include "unroll/nn/stack.hpp"

namespace {

using namespace unroll;
using BothWays = Bidirectional<Rnn<LSTMCell<>>>;

constexpr Index batch = 16, steps = 400, features = 40, hidden = 128, classes = 40;

template <class Encoder>
struct Model {
  using scalar = float;
  Encoder encoder;
  Linear<> out;
  Model(Encoder e, Rng& rng) : encoder(std::move(e)), out(encoder.output_size(), classes, rng) {}
  void each(auto&& visit) { visit("encoder", encoder), visit("out", out); }
};

template <class Encoder>
class Run {
 public:
  Run(Encoder encoder, Index frames_per_step, Rng& rng, int threads)
      : model_(std::move(encoder), rng), trainer_(model_, 1e-2, threads), steps_out_(steps / frames_per_step) {
    for (int i = 0; i < trainer_.shards(); ++i) {
      const Index rows = batch * (i + 1) / trainer_.shards() - batch * i / trainer_.shards();
      bench::Floats x(static_cast<std::size_t>(steps * rows * features));
      rng.fill_normal(std::span<float>(x), 0.0f, 1.0f);
      parts_.push_back({rows, std::move(x), std::vector<Index>(static_cast<std::size_t>(steps_out_ * rows), 1)});
    }
  }
  double step() {
    return trainer_.step([&](int shard) {
      const Part& part = parts_[static_cast<std::size_t>(shard)];
      const auto y = model_.encoder(input(part.x, Shape{steps, part.rows, features}));
      return softmax_cross_entropy<float>(model_.out(y), std::span<const Index>(part.target),
                                          {.denominator = static_cast<double>(batch * steps_out_)});
    });
  }

 private:
  struct Part {
    Index rows;
    bench::Floats x;
    std::vector<Index> target;
  };
  Model<Encoder> model_;
  bench::Trainer<Model<Encoder>> trainer_;
  Index steps_out_;
  std::vector<Part> parts_;
};

template <class Encoder>
bench::Contender contender(const char* name, Encoder encoder, Index frames_per_step, Rng& rng, int threads) {
  auto run = std::make_shared<Run<Encoder>>(std::move(encoder), frames_per_step, rng, threads);
  return {name, [run] { return run->step(); }, {}};
}

}  // namespace

namespace bench {

std::vector<Contender> pyramid_contenders(int threads) {
  Rng rng(1);
  const auto pyramid = [&](const char* name, JoinFrames join) {
    return contender(name, Pyramid<BothWays>(features, hidden, rng, {.levels = 2, .factor = 2, .join = join}), 4, rng,
                     threads);
  };
  return {contender("stack", Stack<BothWays>(features, hidden, rng, {.layers = 3}), 1, rng, threads),
          pyramid("pyramid, concat", JoinFrames::concat), pyramid("pyramid, mean", JoinFrames::mean)};
}

}  // namespace bench
