#pragma once
/// \file
/// Contenders in turns: checked against each other, then timed.

#include <string>
#include <vector>

#include "contender.hpp"

namespace bench {

struct Effort {
  int repeats = 21;
  double seconds = 1e30;  ///< after that no more than 3 repeats
};

struct Entrant {
  Contender contender = {};
  int calls = 1;                   ///< of step() in one sample, so that a sample is long enough for the clock
  std::vector<double> times = {};  ///< seconds a call of step()

  bool runs() const { return static_cast<bool>(contender); }
};

/// Median and quartiles.
struct Timing {
  double median, low, high;
};
Timing timing(std::vector<double> values);

/// The losses of some steps, side by side: all must be those of the reference ("libtorch", or the first where it is
/// missing) within 1e-4. Entrants that are wrong are reported on stderr and removed; returns whether none was.
bool check_losses(std::vector<Entrant>& entrants, const std::string& what);

/// Times the entrants in turns, one after the other within each repeat.
void measure(std::vector<Entrant>& entrants, const Effort& effort, bool pause);

}  // namespace bench
