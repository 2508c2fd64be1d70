#pragma once
/// \file
/// A sequence-to-sequence model that copies: it goes through a sentence word by word and says what becomes of it.

#include <map>
#include <string>
#include <vector>

#include "correct/text_errors.hpp"
#include "unroll/core/shards.hpp"
#include "unroll/data/tokenize.hpp"
#include "unroll/data/vocabulary.hpp"
#include "unroll/nn/bidirectional.hpp"
#include "unroll/nn/decode.hpp"
#include "unroll/nn/embedding.hpp"
#include "unroll/nn/linear.hpp"
#include "unroll/nn/stack.hpp"

namespace unroll::examples {

/// What can be written at a step. Any other number is that of a word, to be put in at this place.
inline constexpr Index kEndSymbol = 0;   ///< the sentence is done
inline constexpr Index kCopySymbol = 1;  ///< the word looked at is written, and the next one is looked at
inline constexpr Index kSkipSymbol = 2;  ///< the next word is looked at
inline constexpr Index kUnknownWord = 3;

/// The words that are known and can be written, and the letters of all.
struct Lexicon {
  Vocabulary words, letters;

  Lexicon() = default;
  Lexicon(const std::vector<Sentence>& sentences, Index min_count, Index max_words);
};

/// Symbols that make `right` of `wrong`, and which word is looked at before each. A word that is not in `words` cannot
/// be written: what stands in its place is copied.
struct Script {
  std::vector<Index> symbols, at;
};
Script script_of(const Sentence& wrong, const Sentence& right, const Vocabulary& words);
/// What a script makes of a sentence. One that ends too early leaves the rest as it is.
Sentence follow(const Sentence& wrong, std::span<const Index> symbols, const Vocabulary& words);

struct TransducerOptions {
  Index hidden = 128, embed = 64, spelling = 48, layers = 1;
  double dropout = 0.2, word_dropout = 0.1;
};

template <class Cell>
struct TransducerState {
  using scalar = float;
  typename Cell::state cell;
  Variable<> at;  ///< (R, 1): the word looked at
  void each(auto&& visit) { visit("cell", cell), visit("at", at); }
};

/// Hard monotonic attention (Aharoni and Goldberg, "Morphological inflection generation with hard monotonic attention",
/// 2017), over words that are read as a whole and letter by letter:
///
///     x_i = [E[w_i], spelling of w_i]            h = encoder(x), in both directions
///     d_t = cell([E[y_(t-1)], h_p(t)], d_(t-1))  p(t): 0, and one more after each copy and skip
///     p(y_t) = softmax(O tanh(C [d_t, h_p(t)] + c) + o)
template <class Cell>
struct Transducer {
  Transducer(const Lexicon& lexicon, const TransducerOptions& options, Rng& rng)
      : o(options),
        words(lexicon.words.size(), o.embed, rng),
        letters(lexicon.letters.size(), o.spelling, rng),
        spelling(o.spelling, o.spelling, rng),
        encoder(o.embed + 2 * o.spelling, o.hidden, rng, {.layers = o.layers, .dropout = o.dropout}),
        decoder(o.embed + 2 * o.hidden, o.hidden, rng),
        combine(3 * o.hidden, o.hidden, rng),
        out(o.hidden, lexicon.words.size(), rng) {}

  /// Sentences, read to their ends. A step more than they have words stands for the end.
  Sequence<> read(std::span<const Sentence> sentences, const Lexicon& lexicon) const {
    Tape<float>& tape = *current_tape<float>;
    std::map<std::string_view, Index> forms;  // each is spelled once
    std::vector<std::vector<Index>> spelled, ids, form_ids;
    const auto add = [&](const std::string& word, Index id) {
      const auto [form, fresh] = forms.try_emplace(word, std::ssize(forms));
      if (fresh) spelled.push_back(lexicon.letters.encode(tokenize_characters(word)));
      const bool hidden = tape.training() && o.word_dropout > 0 && tape.rng().bernoulli(o.word_dropout);
      ids.back().push_back(hidden ? kUnknownWord : id);
      form_ids.back().push_back(form->second);
    };
    static const std::string none;
    for (const auto& sentence : sentences) {
      ids.emplace_back(), form_ids.emplace_back();
      for (const auto& word : sentence) add(word, lexicon.words.id(word));
      add(none, kEndSymbol);
    }
    const auto spellings = pack_ids(tape, std::span<const std::vector<Index>>(spelled));
    const auto s = spelling.run(Sequence<>{letters(spellings.ids), spellings.layout}).final_state;
    const auto form = concat({output_of(spelling.fwd.cell, s.fwd), output_of(spelling.bwd.cell, s.bwd)}, 1);
    const auto packed = pack_ids(tape, std::span<const std::vector<Index>>(ids));
    const auto packed_forms = pack_ids(tape, std::span<const std::vector<Index>>(form_ids));
    const auto x = concat({words(packed.ids), take_rows(form, packed_forms.ids)}, 1);
    return encoder(Sequence<>{dropout(x, o.dropout), packed.layout});
  }

  /// Logits of the scripts' symbols.
  Sequence<> operator()(const Sequence<>& h, std::span<const Script> scripts) const {
    Tape<float>& tape = *current_tape<float>;
    std::vector<std::vector<Index>> previous, rows;
    for (const Script& script : scripts) {
      const auto& layout = h.checked();
      const Index place = layout.place[std::ssize(previous)];
      previous.push_back({kEndSymbol});
      previous.back().insert(previous.back().end(), script.symbols.begin(), script.symbols.end() - 1);
      rows.emplace_back();
      for (const Index at : script.at) rows.back().push_back(layout.first[at] + place);
    }
    const auto packed = pack_ids(tape, std::span<const std::vector<Index>>(previous));
    const auto looked_at = take_rows(h.rows, pack_ids(tape, std::span<const std::vector<Index>>(rows)).ids);
    const Sequence<> d = decoder(Sequence<>{input_of(packed.ids, looked_at), packed.layout});
    return d.with(logits(d.rows, looked_at));
  }

  TransducerState<Cell> start(Index batch) const {
    return {initial_state(decoder.cell, batch), zeros<float>(Shape{batch, 1})};
  }
  /// The step of decoding over what read() gave.
  auto over(const Sequence<>& h) const {
    return [this, h](const TransducerState<Cell>& s, std::span<const Index> previous, std::span<const Index> sources) {
      const SequenceLayout& layout = h.checked();
      std::vector<float> at(previous.size());
      std::vector<Index> rows;
      for (std::size_t r = 0; r < previous.size(); ++r) {
        const bool moves = previous[r] == kCopySymbol || previous[r] == kSkipSymbol;
        const Index now = static_cast<Index>(s.at.values()[r]) + moves;
        rows.push_back(layout.first[std::min(now, layout.length_of(sources[r]) - 1)] + layout.place[sources[r]]);
        at[r] = static_cast<float>(now);
      }
      const auto looked_at = take_rows(h.rows, rows);
      const auto next = decoder.cell.step(project(decoder.cell, input_of(previous, looked_at)), s.cell);
      return std::pair(logits(output_of(decoder.cell, next), looked_at),
                       TransducerState<Cell>{next, input(at, s.at.shape())});
    };
  }
  void each(auto&& visit) {
    visit("words", words), visit("letters", letters), visit("spelling", spelling), visit("encoder", encoder);
    visit("decoder", decoder), visit("combine", combine), visit("out", out);
  }

  TransducerOptions o;
  Embedding<> words, letters;
  Bidirectional<Rnn<Cell>> spelling;
  Stack<Bidirectional<Rnn<Cell>>> encoder;
  Rnn<Cell> decoder;
  Linear<> combine, out;

 private:
  Variable<> input_of(const Indices& previous, const Variable<>& looked_at) const {
    return concat({dropout(words(previous), o.dropout), dropout(looked_at, o.dropout)}, 1);
  }
  Variable<> logits(const Variable<>& d, const Variable<>& looked_at) const {
    return out(dropout(tanh(combine(concat({d, looked_at}, 1))), o.dropout));
  }
};

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
        std::size_t longest = 0;
        for (const auto& sentence : part) longest = std::max(longest, sentence.size());
        Evaluation<float> scope(tape);
        const auto h = model.read(part, lexicon);
        const auto scripts =
            decode_greedy(model.over(h), model.start(std::ssize(part)),
                          {.begin = kEndSymbol, .end = kEndSymbol, .max_length = static_cast<Index>(2 * longest + 10)});
        for (std::size_t i = 0; i < part.size(); ++i)
          mended[from + i] = follow(part[i], scripts[i].symbols, lexicon.words);
      }
    });
    return mended;
  }
};

}  // namespace unroll::examples
