#pragma once
/// \file
/// A training on the disk, to go on with after a crash, a kill or a night.

#include <optional>
#include <string>
#include <vector>

#include "../../data/tensors/safetensors.hpp"
#include "training_state.hpp"

namespace unroll {

/// Writes all of a training to one file, whole or not at all (AtomicFile): a process that is killed meanwhile leaves
/// the file as it was before.
///
/// A safetensors file with the names of TrainingState, so that `load_parameters`, PyTorch and others can look in. Its
/// `__metadata__` has "format": "unroll-checkpoint", "checksum" (64 bits over names, types, shapes, metadata and
/// contents), and what `metadata` adds. Throws FileError when it cannot be written.
void save_checkpoint(const std::string& path, const TrainingState& state, const Metadata& metadata = {});

/// Sets everything in `state` to what the file holds, to the bit; everything is compared before anything is changed.
/// Returns the file's metadata. Throws
///   - FileError when there is no such file, it is no checkpoint, or it is damaged: cut short, or one bit flipped;
///   - ValueError when it does not fit: with *all* names that are missing in it, that it has besides, that have another
///     type or shape, and all hyper-parameters that differ.
Metadata load_checkpoint(const std::string& path, const TrainingState& state);

/// Throws FileError, as load_checkpoint, unless the file is a checkpoint and undamaged. Returns its metadata.
Metadata check_checkpoint(const std::string& path);

struct CheckpointsOptions {
  int keep = 3;           ///< so many of the newest are kept; at least 1
  bool keep_best = true;  ///< and the best of all, under its own name
};

/// The checkpoints of one run: `<stem>-<step>.safetensors`, the newest few, and `<stem>-best.safetensors`.
///
///     Checkpoints checkpoints("runs/tagger");
///     checkpoints.restore(state);                       // goes on with an older run, if there is one
///     while (...) { ...; checkpoints.save(state, step, validation_loss); }
///
/// A run that is killed at any moment and goes on from `restore` ends in the same bits as one that was not, with the
/// same build, the same machine type and the same number of shards. One process a stem.
class Checkpoints {
 public:
  /// Nothing is written yet. Throws ValueError unless 1 <= keep.
  explicit Checkpoints(std::string stem, const CheckpointsOptions& options = {});

  /// Writes the checkpoint of `step` (which grows, from 0), then removes the oldest ones. `value` says how good it is,
  /// lower is better: the best so far is written to `best()` too.
  void save(const TrainingState& state, Index step, std::optional<double> value = {});

  struct Restored {
    Index step = 0;
    std::string file;
    std::vector<std::string> skipped;  ///< a line for each newer file that is damaged: which, and why
  };
  /// Sets `state` to the newest checkpoint that is whole; returns nothing when there is no checkpoint at all. Newer
  /// files that are damaged are renamed to `<file>.damaged`. Throws FileError when all checkpoints are damaged,
  /// ValueError when the checkpoint does not fit, as load_checkpoint.
  std::optional<Restored> restore(const TrainingState& state);

  /// The files of steps, newest first. Files that a killed process left half-written are not among them.
  std::vector<std::string> files() const;
  /// Removes the files of steps, and what killed processes left: for when the training is over.
  void remove();
  /// The path of the best checkpoint, whether or not it is there yet.
  std::string best() const { return stem_ + "-best.safetensors"; }
  const std::string& stem() const { return stem_; }

 private:
  std::string path(Index step) const;
  void remove_leftovers() const;

  std::string stem_;
  CheckpointsOptions options_;
  std::optional<double> best_value_;
  bool looked_ = false;
};

}  // namespace unroll
