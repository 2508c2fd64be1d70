#pragma once
/// \file
/// From words to vectors: features and characters.

#include <map>

#include "common/words.hpp"
#include "unroll/nn/bidirectional.hpp"
#include "unroll/nn/embedding.hpp"
#include "unroll/nn/rnn.hpp"
#include "unroll/nn/sequence.hpp"
#include "unroll/ops/dropout.hpp"
#include "unroll/ops/rows.hpp"

namespace unroll::examples {

struct WordEncoderOptions {
  Index embed = 64;        ///< size of a feature's vector
  Index char_embed = 24;   ///< size of a character's
  Index char_hidden = 24;  ///< units of the cells over characters, in each direction
  double drop_features = 0.3;
  double dropout = 0.4;
};

/// A vector for each word of a batch of sentences, of two parts:
///
///     f_t = sum of E_k over the features k of word t, each left out with probability `drop_features` in training, so
///           that the others learn to do without it, as they must for a word that is not known
///     c_t = [max over its characters of a cell that reads them from the left; of one from the right]
///     x_t = dropout([f_t, c_t])
template <class Cell>
class WordEncoder {
 public:
  WordEncoder(const WordForms& words, const WordEncoderOptions& options, Rng& rng)
      : features(words.features().size(), options.embed, rng),
        characters(words.characters().size(), options.char_embed, rng),
        speller(options.char_embed, options.char_hidden, rng),
        drop_features(options.drop_features),
        dropout(options.dropout) {
    for (float& w : features.weight.mutable_values()) w *= 0.3f;  // about ten are added up
  }

  /// `sentences[b][t]`: the number of word t among `words`. (N, output_size()) rows.
  Sequence<> operator()(const WordForms& words, std::span<const std::vector<Index>> sentences) const {
    Tape<float>& tape = *current_tape<float>;
    const PackedIds packed = pack_ids(tape, sentences);
    std::vector<Index> ids, rows, spelled;
    std::vector<std::vector<Index>> spellings;
    std::map<Index, Index> places;  // each word is spelled once a batch
    for (std::size_t row = 0; row < packed.ids.size(); ++row) {
      const WordForm& form = words.form(packed.ids[row]);
      for (const Index id : form.features) {
        if (tape.training() && tape.rng().bernoulli(drop_features)) continue;
        ids.push_back(id), rows.push_back(static_cast<Index>(row));
      }
      const auto [at, is_new] = places.try_emplace(packed.ids[row], std::ssize(spellings));
      if (is_new) spellings.push_back(form.characters);
      spelled.push_back(at->second);
    }
    const auto f = pool_rows(features(ids), rows, std::ssize(packed.ids), Pool::sum);
    const PackedIds letters = pack_ids(tape, std::span<const std::vector<Index>>(spellings));
    const Sequence<> read{unroll::dropout(characters(letters.ids), dropout / 2), letters.layout};
    const auto c = take_rows(pool(speller(read), Pool::max), spelled);
    return {unroll::dropout(concat({f, c}, 1), dropout), packed.layout};
  }

  Index output_size() const { return features.output_size() + speller.output_size(); }
  void each(auto&& visit) {
    visit("features", features), visit("characters", characters), visit("speller", speller);
    visit("drop_features", drop_features), visit("dropout", dropout);
  }

  Embedding<> features, characters;
  Bidirectional<Rnn<Cell>> speller;
  double drop_features, dropout;
};

}  // namespace unroll::examples
