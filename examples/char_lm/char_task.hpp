#pragma once
/// \file
/// A text as a task for character models, and models in files.

#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "char_lm/sampling.hpp"
#include "char_lm/streams.hpp"
#include "common/corpus.hpp"
#include "common/program.hpp"
#include "unroll/core/tape.hpp"
#include "unroll/data/tensors/safetensors.hpp"
#include "unroll/nn/bptt/carry.hpp"
#include "unroll/ops/layout.hpp"
#include "unroll/ops/losses.hpp"
#include "unroll/optim/run/fit.hpp"

namespace unroll::examples {

/// The text as the models see it, nine tenths to learn from, and the loss of n-gram models on the held-out rest.
struct CharTask {
  /// Numbers the characters by `known`, or anew. Throws DataError when the text has less than 10.
  explicit CharTask(std::u32string_view text, const std::optional<Vocabulary>& known = {});

  std::u32string_view train;
  Vocabulary vocabulary;
  std::vector<Index> train_ids, held_out_ids;
  double unigram, trigram, five_gram;
};

/// What a file that char_lm saves says beside the weights, each as text.
Metadata char_metadata(const Vocabulary& vocabulary, const std::string& cell, Index layers, Index hidden, Index embed);
/// Reads that again; throws DataError when the file does not say it.
Vocabulary read_char_metadata(const std::string& file, std::string& cell, Index& layers, Index& hidden, Index& embed);

/// Mean loss over the held-out text, read in streams as in training (but no more than 16: each starts without a past).
/// `model(ids, batch, carry)` gives logits, `Model::State` is what it carries.
template <class Model>
double held_out_loss(const Model& model, Tape<float>& tape, const CharTask& task, const TrainingStreams& like,
                     Index most_chunks = std::numeric_limits<Index>::max()) {
  ValidationStreams streams(task.train_ids.back(), task.held_out_ids, std::min<Index>(like.batch(), 16), like.steps());
  Carry<typename Model::State> carry;
  double sum = 0;
  for (Index k = 0; k < std::min(streams.chunks(), most_chunks); ++k) {
    const Chunk& chunk = streams.chunk(k);
    const Evaluation scope(tape);
    const auto loss =
        softmax_cross_entropy<float>(model(chunk.inputs, chunk.batch, carry), std::span<const Index>(chunk.targets),
                                     {.reduction = Reduction::sum, .ignore_index = kNoTarget});
    sum += static_cast<double>(loss.item());
  }
  return sum / static_cast<double>(task.held_out_ids.size());
}

struct SampleOptions {
  std::string prompt;
  Index length = 600, seed = 1;
  double temperature = 0.7;
};
/// Declares --prompt, --length and --temperature.
void add_sample_options(CLI::App& app, SampleOptions& o);
/// The prompt, and `length` characters more; without a prompt, what follows a new line.
template <class Model>
std::u32string write_on(const Model& model, Tape<float>& tape, const Vocabulary& symbols, const SampleOptions& o) {
  std::u32string text = decode_utf8(o.prompt, "--prompt");
  std::vector<Index> ids = symbols.encode(text.empty() ? U"\n" : text);
  Carry<typename Model::State> carry;
  Rng rng(static_cast<std::uint64_t>(o.seed));
  for (Index i = 0; i < o.length; ++i) {
    const Evaluation scope(tape);
    const auto logits = model(ids, 1, carry);
    ids = {draw(at(logits, -1).values(), o.temperature, symbols.unknown(), rng)};
    text += symbols.symbol(ids[0]);
  }
  return text;
}

/// Prints how the training ended and writes the metrics' last line.
void report_result(const CharTask& task, std::u32string_view sample, const FitResult& result, MetricsFile& metrics);
/// A picture of the losses by epoch, beside the 5-gram's.
void draw_char_losses(const std::string& file, const CharTask& task, std::span<const double> train,
                      std::span<const double> held_out);

}  // namespace unroll::examples
