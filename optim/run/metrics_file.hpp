#pragma once
/// \file
/// The figures of a run in a file that other programs read.

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "../../core/shape.hpp"

namespace unroll {

/// A value that is JSON text already: a list, a table. `{"confusion", JsonText{"[[9,1],[0,10]]"}}`. Not looked at; in
/// a CSV table a text in quotes.
struct JsonText {
  std::string text;
};

/// Figures of one moment, in the order in which they are to stand.
using MetricsLine = std::vector<std::pair<std::string, std::variant<double, Index, bool, std::string, JsonText>>>;

/// JSON lines, one object a line, or a CSV table when the name ends in ".csv". Each line is in the file as soon as it
/// is written.
///
///     MetricsFile metrics("run.jsonl");
///     metrics.write({{"step", step}, {"train_loss", loss}});   // {"step": 100, "train_loss": 1.25}
///
/// Numbers stand as the shortest text that reads back as the same double; what is not finite as null (CSV: nothing).
class MetricsFile {
 public:
  /// An empty name: nothing is ever written. `columns` are those of a CSV table, where a line leaves empty what it does
  /// not have and what has no column is left out. The file of an older run is emptied by the first line. Throws
  /// FileError when it cannot be written.
  explicit MetricsFile(std::string path, std::vector<std::string> columns = {"step", "epoch", "train_loss", "val_loss",
                                                                             "lr", "grad_norm", "seconds"});
  ~MetricsFile();
  MetricsFile(const MetricsFile&) = delete;
  MetricsFile& operator=(const MetricsFile&) = delete;

  void write(const MetricsLine& line);

  /// Bytes written: to be saved with a training.
  Index position() const { return position_; }
  /// Goes on behind the first `position` bytes of the older run's file; what it wrote later is cut off.
  void resume(Index position);

 private:
  [[noreturn]] void fail() const;
  void append(const std::string& text);

  std::string path_;
  std::vector<std::string> columns_;
  int file_ = -1;
  Index position_ = 0;
  bool cut_ = false;
};

}  // namespace unroll
