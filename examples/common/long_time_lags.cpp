#include "common/long_time_lags.hpp"

#include <algorithm>

#include "unroll/core/error.hpp"

namespace unroll::examples {

namespace {

enum Letter : Index { B, T, P, S, X, V, E };

struct Arc {
  Letter letter;
  int to;
};
// The two ways out of each state of Reber's grammar, between its B and its E; state 5 is the end.
constexpr Arc arcs[5][2] = {{{T, 1}, {P, 2}}, {{S, 1}, {X, 3}}, {{T, 2}, {V, 4}}, {{X, 2}, {S, 5}}, {{P, 3}, {V, 5}}};

unsigned bit(Letter letter) { return 1u << letter; }

// Appends a symbol of which `legal` says what else it could have been.
void append(ReberString& s, Letter letter, unsigned legal) {
  s.symbols.push_back(letter);
  s.legal.push_back(legal);
}

void append_reber(ReberString& s, Rng& rng) {
  append(s, B, bit(B));
  for (int state = 0; state != 5;) {
    const Arc* way = arcs[state];
    const Arc taken = way[rng.integer(2)];
    append(s, taken.letter, bit(way[0].letter) | bit(way[1].letter));
    state = taken.to;
  }
  append(s, E, bit(E));
}

// `legal` began with what may come first; from now on it says what may come after.
ReberString finished(ReberString s) {
  s.legal.erase(s.legal.begin());
  return s;
}

}  // namespace

std::string ReberString::str() const {
  std::string text;
  for (const Index s : symbols) text += reber_letters[s];
  return text;
}

ReberString reber_string(Rng& rng) {
  ReberString s;
  append_reber(s, rng);
  return finished(std::move(s));
}

ReberString embedded_reber_string(Rng& rng) {
  ReberString s;
  append(s, B, bit(B));
  const Letter way = rng.integer(2) == 0 ? T : P;
  append(s, way, bit(T) | bit(P));
  append_reber(s, rng);
  append(s, way, bit(way));
  append(s, E, bit(E));
  return finished(std::move(s));
}

bool legal_first(std::span<const float> values, unsigned legal) {
  for (std::size_t good = 0; good < values.size(); ++good)
    for (std::size_t bad = 0; bad < values.size(); ++bad)
      if ((legal >> good & 1) && !(legal >> bad & 1) && !(values[good] > values[bad])) return false;
  return true;
}

AddingBatch adding_problem(Index count, Index steps, Rng& rng) {
  if (steps < 4) throw ValueError("[adding_problem] " + std::to_string(steps) + " steps; expected 4 or more");
  AddingBatch batch;
  for (Index i = 0; i < count; ++i) {
    const Index length = steps + rng.integer(steps / 10 + 1);
    std::vector<float> x(static_cast<std::size_t>(2 * length));
    const auto value = [&](Index t) -> float& { return x[static_cast<std::size_t>(2 * t)]; };
    const auto marker = [&](Index t) -> float& { return x[static_cast<std::size_t>(2 * t + 1)]; };
    for (Index t = 0; t < length; ++t) value(t) = rng.uniform(-1.f, 1.f);
    marker(0) = marker(length - 1) = -1;
    const Index first = rng.integer(std::min<Index>(10, length - 1));
    Index second = rng.integer(std::max<Index>(steps / 2 - 1, 2) - 1);
    if (second >= first) ++second;
    marker(first) = marker(second) = 1;
    if (first == 0 || second == 0) value(0) = 0;
    batch.targets.push_back(0.5f + (value(first) + value(second)) / 4);
    batch.sequences.push_back(std::move(x));
  }
  return batch;
}

CopyingBatch copying_task(Index count, Index gap, Rng& rng) {
  if (gap < 1) throw ValueError("[copying_task] a gap of " + std::to_string(gap) + "; expected 1 or more");
  CopyingBatch batch;
  constexpr auto length = static_cast<std::size_t>(CopyingBatch::length);
  const auto steps = static_cast<std::size_t>(gap) + 2 * length;
  for (Index i = 0; i < count; ++i) {
    std::vector<Index> input(steps, CopyingBatch::blank), target(steps, CopyingBatch::blank);
    for (std::size_t k = 0; k < length; ++k) input[k] = target[steps - length + k] = rng.integer(CopyingBatch::letters);
    input[steps - length - 1] = CopyingBatch::go;
    batch.inputs.push_back(std::move(input));
    batch.targets.push_back(std::move(target));
  }
  return batch;
}

}  // namespace unroll::examples
