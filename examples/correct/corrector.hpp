#pragma once
/// \file
/// A model that mends sentences: what it makes of them, and how bold it is.

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include "correct/lexicon.hpp"
#include "correct/text_errors.hpp"
#include "correct/transducer.hpp"
#include "unroll/core/shards.hpp"
#include "unroll/nn/decode/decode.hpp"

namespace unroll::examples {

/// A model and the words it knows.
template <class Cell>
struct Corrector {
  Lexicon lexicon;
  Transducer<Cell> model;

  /// What the model makes of sentences, each shard's share by itself.
  std::vector<Sentence> mend(Shards<float>& shards, const std::vector<Sentence>& sentences) const {
    std::vector<Sentence> mended = sentences;
    const auto count = static_cast<std::size_t>(shards.count());
    shards.run([&](Tape<float>& tape, int shard) {
      const auto s = static_cast<std::size_t>(shard);
      const std::size_t end = sentences.size() * (s + 1) / count;
      for (std::size_t from = sentences.size() * s / count; from < end; from += 50) {
        const auto part = std::span(sentences).subspan(from, std::min<std::size_t>(50, end - from));
        std::vector<Choices> choices;
        std::size_t longest = 0;
        for (const auto& sentence : part) {
          choices.push_back(lexicon.choices_of(sentence));
          longest = std::max(longest, sentence.size());
        }
        Evaluation<float> scope(tape);
        const auto reading = model.read(choices, lexicon.letters());
        const auto scripts =
            decode_greedy(model.over(reading), model.start(std::ssize(part)),
                          {.begin = kEndSymbol, .end = kEndSymbol, .max_length = static_cast<Index>(2 * longest + 10)});
        for (std::size_t i = 0; i < part.size(); ++i)
          mended[from + i] = follow(choices[i], scripts[i].symbols, lexicon.inserted());
      }
    });
    return mended;
  }

  /// The best that the model could say of a sentence that should be `right`.
  Sentence best(const Sentence& wrong, const Sentence& right) const {
    const Choices choices = lexicon.choices_of(wrong);
    return follow(choices, script_of(choices, right, lexicon.inserted()).symbols, lexicon.inserted());
  }

  /// Of sentences mended with `caution` added to the logit of a copy: the more, the fewer changes are made.
  EditScore score(Shards<float>& shards, const std::vector<Sentence>& wrong, const std::vector<Sentence>& right,
                  double caution) {
    float& bias = model.out.bias.mutable_values()[kCopySymbol];
    const float before = std::exchange(bias, bias + static_cast<float>(caution));
    const auto mended = mend(shards, wrong);
    model.out.bias.mutable_values()[kCopySymbol] = before;
    return score_of(wrong, mended, right);
  }

  /// Makes the model as cautious, for good, as gives the best F0.5 of `wrong` with changes as precise as `precision`;
  /// the best F0.5 if they never are. One wrong change more than there are is reckoned with, so that a few lucky ones do
  /// not count for many. Gives what it has added to the logit of a copy.
  double choose_caution(Shards<float>& shards, const std::vector<Sentence>& wrong, const std::vector<Sentence>& right,
                        double precision) {
    double best = 0, best_value = -1;
    for (double caution = 0; caution <= 5; caution += 0.5) {
      const auto s = score(shards, wrong, right, caution);
      const bool precise = static_cast<double>(s.right) >= precision * static_cast<double>(s.made + 1);
      const double value = s.f05() + precise;
      if (value > best_value) best = caution, best_value = value;
    }
    model.out.bias.mutable_values()[kCopySymbol] += static_cast<float>(best);
    return best;
  }
};

}  // namespace unroll::examples
