// Prints the factors of every schedule over 100 steps as a table for gnuplot, one block a schedule: the plot of
// docs/schedules.md. The plateau is shown on a loss that halts twice.
//
//     build/examples/schedules > schedules.txt
//     gnuplot -e "table='schedules.txt'" docs/schedules.gnuplot > docs/pictures/schedules.svg

#include <algorithm>
#include <cstdio>
#include <utility>
#include <vector>

#include "unroll/optim/schedules/lr_scheduler.hpp"

using namespace unroll;

int main() {
  const Index steps = 100;
  const std::vector<std::pair<const char*, Schedule>> schedules = {
      {"constant_lr(0.3, 30)", constant_lr(0.3, 30)},
      {"step_lr(30, 0.4)", step_lr(30, 0.4)},
      {"multi_step_lr({20, 70}, 0.4)", multi_step_lr({20, 70}, 0.4)},
      {"exponential_lr(0.97)", exponential_lr(0.97)},
      {"linear_lr(1, 0.1, 80)", linear_lr(1, 0.1, 80)},
      {"polynomial_lr(100, 2)", polynomial_lr(100, 2)},
      {"cosine_annealing_lr(100)", cosine_annealing_lr(100)},
      {"cosine_warm_restarts_lr(14, 2)", cosine_warm_restarts_lr(14, 2)},
      {"one_cycle_lr(100)", one_cycle_lr(100)},
      {"one_cycle_lr(100, {.linear, .three_phase})", one_cycle_lr(100, {.linear = true, .three_phase = true})},
      {"inverse_square_root_lr(15)", inverse_square_root_lr(15)},
      {"warmup_lr(20), then cosine_annealing_lr(80)", sequential_lr({warmup_lr(20), cosine_annealing_lr(80)}, {20})},
      {"warmup_lr(10) * step_lr(40, 0.3)", warmup_lr(10) * step_lr(40, 0.3)},
      {"one's own: 1 / (1 + 0.05 t)", [](Index t) { return 1 / (1 + 0.05 * static_cast<double>(t)); }},
  };
  for (const auto& [name, schedule] : schedules) {
    std::printf("\"%s\"\n", name);
    for (Index t = 0; t < steps; ++t) std::printf("%d %.6g\n", static_cast<int>(t), schedule(t));
    std::printf("\n\n");
  }
  ReduceLROnPlateau plateau({.factor = 0.4, .patience = 9});
  std::printf("\"ReduceLROnPlateau, on the loss that is dashed\"\n");
  for (Index t = 0; t < steps; ++t) {
    const auto since = static_cast<double>(t < 45 ? std::min<Index>(t, 25) : std::min<Index>(t - 20, 50));
    const double loss = 0.1 + 0.9 / (1 + 0.1 * since);
    std::printf("%d %.6g %.6g\n", static_cast<int>(t), plateau.step(loss), loss);
  }
}
