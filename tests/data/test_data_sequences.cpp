// From files to Sequences and back, as docs/data.md shows it.

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "temporary_folder.hpp"
#include "unroll/core/error.hpp"
#include "unroll/data/batches/batches.hpp"
#include "unroll/data/batches/prefetch.hpp"
#include "unroll/data/batches/sequence_lists.hpp"
#include "unroll/data/metrics/span_score.hpp"
#include "unroll/data/series/piano_roll.hpp"
#include "unroll/data/text/conll.hpp"
#include "unroll/data/text/vocabulary.hpp"
#include "unroll/nn/embedding.hpp"
#include "unroll/nn/linear.hpp"
#include "unroll/nn/rnn.hpp"
#include "unroll/nn/rnn_cell.hpp"
#include "unroll/optim/adam.hpp"

using namespace unroll;

namespace {

template <class T = float>
struct Tagger {
  using scalar = T;
  Embedding<T> words;
  Rnn<RNNCell<T>> encoder;
  Linear<T> output;
  Tagger(Index words_count, Index tags, Rng& rng)
      : words(words_count, 8, rng), encoder(8, 16, rng), output(16, tags, rng) {}
  Sequence<T> operator()(const PackedIds& ids) const {
    const Sequence<T> states = encoder(Sequence<T>{words(ids.ids), ids.layout});
    return states.with(output(states.rows));
  }
  void each(auto&& visit) { visit("words", words), visit("encoder", encoder), visit("output", output); }
};

/// Names are what follows "Mr" (two words) or "Ms" (one).
std::string sentences(int count, Rng& rng) {
  const std::vector<std::string> words = {"and", "went", "Doe", "Roe", "home"};
  const auto word = [&] { return words[static_cast<std::size_t>(rng.integer(5))]; };
  std::string text;
  for (int k = 0; k < count; ++k) {
    for (Index n = 1 + rng.integer(4); n > 0; --n) {
      text += word() + " O\n";
      if (rng.bernoulli(0.4)) text += "Mr O\n" + word() + " B-PER\n" + word() + " I-PER\nand O\n";
      if (rng.bernoulli(0.4)) text += "Ms O\n" + word() + " B-PER\nwent O\n";
    }
    text += "\n";
  }
  return text;
}

}  // namespace

TEST_CASE("sequences to lists and back") {
  Tape<double> tape;
  const std::vector<std::vector<double>> lists = {{1, 2}, {}, {3, 9, 5, 5, 8, 7}};
  const Evaluation scope(tape);
  const auto x = sequence(lists, 2);
  CHECK(lists_of(x) == lists);
  CHECK(argmax_lists(x) == std::vector<std::vector<Index>>{{1}, {}, {1, 0, 0}});
  const PianoRoll piece = {{60}, {}, {61, 62}};
  const auto roll = sequence(std::vector<std::vector<double>>{roll_values<double>(piece, 60, 3)}, 3);
  CHECK(roll_of(lists_of(roll)[0], 60, 3) == piece);
  CHECK_THROWS_WITH_AS(argmax_lists(sequence(zeros<double>({2, 1, 0}))), doctest::Contains("have no values"),
                       ShapeError);
}

TEST_CASE("a tagger from a file in columns to its F1") {
  const TemporaryFolder folder;
  Rng rng(1);
  put_file(folder.file("train.conll"), sentences(120, rng));

  ConllFile file = read_conll(folder.file("train.conll"));
  CHECK(tag_scheme(file) == TagScheme::iob2);
  convert_tags(file, TagScheme::bioes);
  TokenCounts word_counts, tag_counts;
  for (const auto& s : file.sentences) count_tokens(word_counts, s.tokens()), count_tokens(tag_counts, s.tags());
  const Vocabulary words(word_counts, {.min_count = 2}), tags(tag_counts, {.specials = {}, .unknown = ""});
  std::vector<std::vector<Index>> word_ids, tag_ids;
  for (const auto& s : file.sentences)
    word_ids.push_back(words.encode(s.tokens())), tag_ids.push_back(tags.encode(s.tags()));

  Tagger<> model(words.size(), tags.size(), rng);
  Adam adam(parameters(model), {.lr = 2e-2});
  Tape<float> tape;
  for (int epoch = 0; epoch < 12; ++epoch) {
    const Batches batches = batches_by_length(lengths_of(word_ids), rng, {.tokens = 100});
    Prefetch next(std::ssize(batches), [&](Index k) {
      const auto& batch = batches[static_cast<std::size_t>(k)];
      return std::pair(chosen(word_ids, batch), chosen(tag_ids, batch));
    });
    while (const auto batch = next()) {
      Recording recording(tape);
      tape.backward(softmax_cross_entropy(model(pack_ids<float>(tape, batch->first)), batch->second));
      adam.step();
    }
  }

  SpanScore score;
  for (const auto& batch : ordered_batches(std::ssize(word_ids), 32)) {
    const Evaluation scope(tape);
    const auto guesses = argmax_lists(model(pack_ids<float>(tape, chosen(word_ids, batch))));
    for (std::size_t k = 0; k < batch.size(); ++k)
      score.add(file.sentences[static_cast<std::size_t>(batch[k])].tags(), tags.decode(guesses[k]));
  }
  CHECK(score.overall.f1() > 0.9);
}
