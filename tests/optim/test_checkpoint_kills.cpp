// Trainings that are killed at random moments, and go on. With 200 kills: slow_checkpoint_kills.

#include <doctest/doctest.h>

#include "training_run.hpp"

using namespace unroll::test;

TEST_CASE("a training that is killed again and again ends in the same bits") {
  const KillReport r = kill_training(10, 8, 10, 1);
  INFO(r.trouble);
  CHECK(r.kills == 10);
  CHECK(r.half_written > 0);
  CHECK(r.unreadable == 0);
  CHECK(r.same_weights);
  CHECK(r.same_metrics);
}
