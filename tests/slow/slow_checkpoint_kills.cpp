// 200 kills at random moments of a training, a quarter of them in the middle of writing a checkpoint, resumed each
// time: final weights and metrics are those of the training that was not killed, to the bit, and no checkpoint is ever
// unreadable.

#include <cstdio>

#include "training_run.hpp"

int main() {
  const auto r = unroll::test::kill_training(200, 70, 20, 1);
  std::printf("%d kills, half-written files seen after them %d, unreadable checkpoints %d; weights %s, metrics %s\n",
              r.kills, r.half_written, r.unreadable, r.same_weights ? "the same" : "DIFFERENT",
              r.same_metrics ? "the same" : "DIFFERENT");
  if (!r.trouble.empty()) std::printf("%s\n", r.trouble.c_str());
  return r.kills == 200 && r.half_written > 0 && r.unreadable == 0 && r.same_weights && r.same_metrics ? 0 : 1;
}
