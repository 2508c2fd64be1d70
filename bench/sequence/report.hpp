#pragma once
/// \file
/// Rows: a table for people, JSON for machines.

#include <optional>
#include <string>
#include <vector>

#include "measure.hpp"

namespace bench {

struct Row {
  std::string workload, size;
  int threads;
  std::string unit;  ///< what the numbers are; "tokens/s" is better when larger
  double scale;      ///< numbers = scale * seconds, or for tokens/s scale / seconds
  std::optional<Timing> unroll, floor, libtorch, onednn;

  bool rate() const { return unit == "tokens/s"; }
};

/// Timings in the row's unit from those of the entrants; null for those that did not run.
Row make_row(const std::string& workload, const std::string& size, int threads, const std::string& unit, double scale,
             const std::vector<const Entrant*>& entrants);

void print_head();
void print_row(const Row& row);
/// Writes {"rows": [...]}. Throws std::runtime_error when the file cannot be written.
void write_json(const std::string& file, const std::vector<Row>& rows);

}  // namespace bench
