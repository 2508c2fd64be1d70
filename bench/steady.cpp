// Time steps of signals that decay to denormal numbers, beside the same steps of signals that do not, with and without
// FlushDenormals (core/denormals.hpp). Medians on the processor's clock; the four ways take turns, block by block.
//
//   steady [STEPS]        100,000 by default

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <utility>
#include <vector>

#include "sequence/clock.hpp"
#include "unroll/core/denormals.hpp"
#include "unroll/nn/bptt/carry.hpp"
#include "unroll/nn/gru.hpp"
#include "unroll/nn/linear.hpp"
#include "unroll/nn/lstm.hpp"
#include "unroll/nn/rnn.hpp"
#include "unroll/nn/rnn_cell.hpp"
#include "unroll/ops/elementwise.hpp"
#include "unroll/ops/layout.hpp"
#include "unroll/ops/reduce.hpp"
#include "unroll/optim/adam.hpp"

using namespace unroll;

namespace {

constexpr Index batch = 8, features = 16, hidden = 64;

// One way of running: its times, and how many denormal numbers stand in its state at the end.
struct Way {
  bool flush, decays;
  std::vector<double> times{};
  Index denormals = 0;

  double median() {
    times.erase(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 5));  // it has to decay first
    std::sort(times.begin(), times.end());
    return times[times.size() / 2];
  }
};
using Ways = std::array<Way, 4>;
Ways four_ways() { return {Way{true, false}, Way{true, true}, Way{false, false}, Way{false, true}}; }

Index count_denormals(std::span<const float> values) {
  return std::ranges::count_if(values, [](float v) { return std::fpclassify(v) == FP_SUBNORMAL; });
}

void print(const char* what, Ways& ways, double steps) {
  const double normal = ways[0].median(), decaying = ways[1].median(), normal_off = ways[2].median(),
               decaying_off = ways[3].median();
  std::printf("%-34s %9.3f %9.3f %7.2f   %9.3f %9.3f %7.2f   %6td %6td\n", what, 1e6 * normal / steps,
              1e6 * decaying / steps, decaying / normal, 1e6 * normal_off / steps, 1e6 * decaying_off / steps,
              decaying_off / normal_off, ways[1].denormals, ways[3].denormals);
}

enum class Work { forward, training, last_loss };

// Recurrent weights and biases under which a state decays slowly, as one that shall remember does: the step's factor is
// 0.9 in an RNN, 0.73 to 0.99 in an LSTM and a GRU, by the unit.
template <class Model>
void let_decay(Model& model, int forget_gate, int gates) {
  auto& cell = model.cell;
  std::ranges::fill(cell.bias_ih.mutable_values(), 0.0f);
  std::ranges::fill(cell.bias_hh.mutable_values(), 0.0f);
  std::ranges::fill(cell.weight_hh.mutable_values(), 0.0f);
  for (Index k = 0; k < hidden && gates == 1; ++k)
    cell.weight_hh.mutable_values()[static_cast<std::size_t>(k * hidden + k)] = 0.9f;
  for (Index k = 0; k < hidden && gates > 1; ++k)
    cell.bias_hh.mutable_values()[static_cast<std::size_t>(forget_gate * hidden + k)] =
        1 + 4 * static_cast<float>(k) / static_cast<float>(hidden);
}

template <class C>
void measure(const char* name, Index steps, Work work, int forget_gate, int gates) {
  Rng rng(1);
  Rnn<C> rnn(features, hidden, rng);
  const Linear<> readout(hidden, 1, rng, {.bias = false});
  let_decay(rnn, forget_gate, gates);
  Tape<float> tape;
  // An adjoint goes back through a block; long enough for it to decay.
  const Index block = work == Work::last_loss ? 2000 : 250;
  std::vector<float> noise(static_cast<std::size_t>(block * batch * features));
  rng.fill_normal(std::span<float>(noise), 0.0f, 1.0f);
  const std::vector<float> silence(noise.size());

  Ways ways = four_ways();
  std::array<Carry<typename C::state>, 4> carries;
  for (Index done = 0; done < steps; done += block) {
    for (std::size_t k = 0; k < ways.size(); ++k) {
      Way& way = ways[k];
      Carry<typename C::state>& carry = carries[k];
      const std::vector<float>& x = way.decays && done > 0 ? silence : noise;
      set_flush_denormals(way.flush);
      const auto run = [&] {
        const auto in = input(x, Shape{block, batch, features});
        const auto r = carry.empty() ? rnn.run(in) : rnn.run(in, carry.state());
        carry.assign(r.final_state);
        return r.outputs;
      };
      way.times.push_back(bench::seconds_of([&] {
        if (work == Work::forward) {
          const Evaluation<float> look(tape);
          run();
          return;
        }
        const Recording<float> step(tape);
        const auto h = run();
        const auto y = readout(work == Work::last_loss && way.decays ? narrow(h, 0, block - 1, 1) : h);
        tape.backward(work == Work::last_loss ? mean(y) : mean(y * y));
        for (const auto& p : parameters(rnn)) p.storage->clear_grad();
        readout.weight.storage().clear_grad();
      }));
    }
  }
  set_flush_denormals(true);
  for (std::size_t k = 0; k < ways.size(); ++k) {
    const Evaluation<float> look(tape);
    detail::visit_state(carries[k].state(),
                        [&](const char*, const auto& v) { ways[k].denormals += count_denormals(v.to_vector()); });
  }
  print(name, ways, static_cast<double>(block));
}

// Adam's steps on a tensor whose gradient is zero from some step on.
void measure_adam(Index steps) {
  constexpr Index size = 4096, block_of_updates = 100;
  std::array<Parameter<float>, 4> parameters;
  Ways ways = four_ways();
  std::vector<std::unique_ptr<Adam<float>>> adam;
  for (Parameter<float>& p : parameters) {
    p = Parameter<float>(Shape{size});
    adam.push_back(std::make_unique<Adam<float>>(ParameterList<float>{{"p", p.share()}}));
  }
  std::vector<float> gradient(static_cast<std::size_t>(size));
  Rng rng(1);
  rng.fill_normal(std::span<float>(gradient), 0.0f, 1e-3f);
  for (Index done = 0; done < steps; done += block_of_updates)
    for (std::size_t k = 0; k < ways.size(); ++k) {
      set_flush_denormals(ways[k].flush);
      double seconds = 0;
      for (Index i = 0; i < block_of_updates; ++i) {
        const auto g = parameters[k].mutable_grads();
        if (ways[k].decays && done > 0)
          std::ranges::fill(g, 0.0f);
        else
          std::ranges::copy(gradient, g.begin());
        seconds += bench::seconds_of([&] { adam[k]->step(); });
      }
      ways[k].times.push_back(seconds);
    }
  set_flush_denormals(true);
  for (std::size_t k = 0; k < ways.size(); ++k)
    for (const auto& s : adam[k]->state()) ways[k].denormals += count_denormals(s.values[0]);
  print("Adam, gradient zero, us an update", ways, block_of_updates);
}

}  // namespace

int main(int argc, char** argv) {
  const Index steps = argc > 1 ? std::atoll(argv[1]) : 100000;
  bench::cpu_time = true;
  std::printf("us a time step; %td sequences, %td units, %td steps; denormals in the state at the end\n", batch, hidden,
              steps);
  std::printf("%-34s %9s %9s %7s   %9s %9s %7s   %6s %6s\n", "", "normal", "decaying", "ratio", "not flushed:", "",
              "ratio", "", "not");
  for (const auto& [work, what] :
       {std::pair(Work::forward, "silence, forward"), std::pair(Work::training, "silence, training"),
        std::pair(Work::last_loss, "silence, loss of the last step")}) {
    std::printf("%s\n", what);
    measure<RNNCell<float>>("  tanh RNN", steps, work, 0, 1);
    measure<LSTMCell<float>>("  LSTM", steps, work, 1, 4);
    measure<GRUCell<float>>("  GRU", steps, work, 1, 3);
  }
  measure_adam(steps);
}
