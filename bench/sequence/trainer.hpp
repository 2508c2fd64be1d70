#pragma once
/// \file
/// A training step of unroll on one or several threads.

#include <memory>

#include "unroll/core/shards.hpp"
#include "unroll/core/variable.hpp"
#include "unroll/nn/module.hpp"
#include "unroll/optim/sgd.hpp"

namespace bench {

/// One tape, or several shards of the batch with a tape each.
template <class Model>
class Trainer {
 public:
  Trainer(Model& model, double lr, int threads)
      : parameters_(unroll::parameters(model)), sgd_(parameters_, {.lr = lr}) {
    if (threads > 1) shards_ = std::make_unique<unroll::Shards<float>>(threads);
  }
  int shards() const { return shards_ ? shards_->count() : 1; }

  /// `loss(shard)`: the loss of a shard's part of the batch.
  template <class Loss>
  double step(const Loss& loss) {
    double value = 0;
    if (shards_) {
      value = shards_->step([&](unroll::Tape<float>&, int shard) { return loss(shard); });
    } else {
      const unroll::Recording recording(tape_);
      const unroll::Variable<float> l = loss(0);
      tape_.backward(l);
      value = static_cast<double>(l.item());
    }
    sgd_.step();
    return value;
  }
  std::size_t bytes() const {
    std::size_t n = shards_ ? 0 : tape_.bytes_reserved();
    for (int i = 0; shards_ && i < shards_->count(); ++i) n += shards_->tape(i).bytes_reserved();
    for (const auto& p : parameters_)
      n += static_cast<std::size_t>(p.storage->shape.size()) * sizeof(float) * (p.storage->grad ? 2 : 1);
    return n;
  }

 private:
  unroll::Tape<float> tape_;
  std::unique_ptr<unroll::Shards<float>> shards_;
  unroll::ParameterList<float> parameters_;
  unroll::SGD<float> sgd_;
};

}  // namespace bench
