#pragma once
/// \file
/// A sequence-to-sequence model that copies: it goes through a sentence word by word and says what becomes of it.

#include <map>
#include <string>
#include <vector>

#include "correct/lexicon.hpp"
#include "unroll/data/text/tokenize.hpp"
#include "unroll/nn/attention.hpp"
#include "unroll/nn/bidirectional.hpp"
#include "unroll/nn/embedding.hpp"
#include "unroll/nn/linear.hpp"
#include "unroll/nn/stack.hpp"
#include "unroll/ops/reduce.hpp"

namespace unroll::examples {

/// What can be said at a step: that the word looked at is written as it stands (0), or one of its other candidates (1 ..
/// kMostCandidates), and the next one is looked at; that the sentence is done; that the next word is looked at; or, from
/// kFirstInserted on, a word that is put in at this place.
inline constexpr Index kCopySymbol = 0, kEndSymbol = kMostCandidates + 1, kSkipSymbol = kEndSymbol + 1,
                       kFirstInserted = kSkipSymbol + 1;
inline bool moves_on(Index symbol) { return symbol <= kSkipSymbol && symbol != kEndSymbol; }

/// Symbols that make `right` of a sentence, and which word is looked at before each. What they cannot say is copied.
struct Script {
  std::vector<Index> symbols, at;
};
Script script_of(const Choices& wrong, const Sentence& right, const Vocabulary& inserted);
/// What a script makes of a sentence. One that ends too early leaves the rest as it is; nothing is made of nothing.
Sentence follow(const Choices& wrong, std::span<const Index> symbols, const Vocabulary& inserted);

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

/// Sentences, read to their ends. A step more than they have words stands for the end.
struct Reading {
  Sequence<> h;
  AttentionMemory<> memory;   ///< of the words
  Variable<> candidates;      ///< (P, F), the candidates of all words
  std::vector<Index> places;  ///< of the candidates of row n of h: elements n (kMostCandidates + 1) onwards, -1: none
};

/// Hard monotonic attention (Aharoni and Goldberg, "Morphological inflection generation with hard monotonic attention",
/// 2017), over words that are read as a whole and letter by letter; and a choice among candidates, as the noisy channel
/// gives them (Kernighan, Church and Gale, "A spelling correction program based on a noisy channel model", 1990):
///
///     v(w) = [E[w], spelling of w]               f: features, see Lexicon::choices_of
///     x_i = [v(w_i), f(w_i), f(first other candidate)]
///     h = encoder(x), in both directions
///     d_t = cell([S[y_(t-1)], h_p(t)], d_(t-1))  p(t): 0, and one more after each copy, candidate and skip
///     u_t = tanh(C [d_t, h_p(t), a_t] + c)       a_t: the v(w_i) that d_t attends to, such as a name far away
///     p(y_t) = softmax(O u_t + o + s_t)          s_tk = (Q u_t + q) . (K [v(w), f(w)] + k), w: candidate k of word p(t);
///                                                0 for symbols that are no candidates
template <class Cell>
struct Transducer {
  static constexpr Index kFeatures = std::tuple_size_v<decltype(Candidate::features)>;

  Transducer(const Lexicon& lexicon, const TransducerOptions& options, Rng& rng)
      : o(options),
        words(lexicon.words().size(), o.embed, rng),
        letters(lexicon.letters().size(), o.spelling, rng),
        symbols(kFirstInserted + lexicon.inserted().size(), o.embed, rng),
        spelling(o.spelling, o.spelling, rng),
        encoder(o.embed + 2 * o.spelling + 2 * kFeatures, o.hidden, rng, {.layers = o.layers, .dropout = o.dropout}),
        decoder(o.embed + 2 * o.hidden, o.hidden, rng),
        attention(o.hidden, o.embed + 2 * o.spelling, rng, {.scaled = true}),
        combine(3 * o.hidden + o.embed + 2 * o.spelling, o.hidden, rng),
        out(o.hidden, symbols.count(), rng),
        query(o.hidden, o.embed, rng),
        key(o.embed + 2 * o.spelling + kFeatures, o.embed, rng) {}

  Reading read(std::span<const Choices> sentences, const Vocabulary& alphabet) const {
    Tape<float>& tape = *current_tape<float>;
    std::map<std::string_view, Index> forms;  // each is spelled once
    std::vector<std::vector<Index>> spelled, steps;
    std::vector<Index> ids, form_ids;
    std::vector<float> features;
    const auto add = [&](const std::string& word, Index id, const auto& f) {
      const auto [form, fresh] = forms.try_emplace(word, std::ssize(forms));
      if (fresh) spelled.push_back(alphabet.encode(tokenize_characters(word)));
      const bool hidden = tape.training() && o.word_dropout > 0 && tape.rng().bernoulli(o.word_dropout);
      ids.push_back(hidden ? Lexicon::kUnknown : id), form_ids.push_back(form->second);
      features.insert(features.end(), f.begin(), f.end());
      return std::ssize(ids) - 1;
    };
    const Candidate end{"", Lexicon::kEnd, {}};
    for (const auto& sentence : sentences) {
      steps.emplace_back();
      for (const auto& word : sentence) {
        steps.back().push_back(std::ssize(ids));
        for (const auto& c : word) add(c.word, c.id, c.features);
      }
      steps.back().push_back(add(end.word, end.id, end.features));
    }
    const auto spellings = pack_ids(tape, std::span<const std::vector<Index>>(spelled));
    const auto s = spelling.run(Sequence<>{letters(spellings.ids), spellings.layout}).final_state;
    const auto form = concat({output_of(spelling.fwd.cell, s.fwd), output_of(spelling.bwd.cell, s.bwd)}, 1);
    const auto f = input(features, Shape{std::ssize(ids), kFeatures});
    const auto v = dropout(concat({words(ids), take_rows(form, form_ids)}, 1), o.dropout);
    const auto packed = pack_ids(tape, std::span<const std::vector<Index>>(steps));
    Reading reading{{}, {}, key(concat({v, f}, 1)), {}};
    reading.places.assign(static_cast<std::size_t>(packed.ids.size()) * (kMostCandidates + 1), -1);
    std::vector<Index> others(static_cast<std::size_t>(packed.ids.size()), -1);
    for (std::size_t b = 0; b < sentences.size(); ++b)
      for (std::size_t t = 0; t < sentences[b].size(); ++t) {
        const Index row = packed.layout->first[static_cast<Index>(t)] + packed.layout->place[static_cast<Index>(b)];
        const Index count = std::ssize(sentences[b][t]);
        for (Index k = 0; k < count; ++k)
          reading.places[static_cast<std::size_t>(row * (kMostCandidates + 1) + k)] = steps[b][t] + k;
        if (count > 1) others[static_cast<std::size_t>(row)] = steps[b][t] + 1;
      }
    const auto x = concat({take_rows(v, packed.ids), take_rows(f, packed.ids), take_rows(f, others)}, 1);
    reading.h = encoder(Sequence<>{x, packed.layout});
    reading.memory = attention.memory(Sequence<>{take_rows(v, packed.ids), packed.layout});
    return reading;
  }

  /// Logits of the scripts' symbols.
  Sequence<> operator()(const Reading& reading, std::span<const Script> scripts) const {
    Tape<float>& tape = *current_tape<float>;
    std::vector<std::vector<Index>> previous, rows, sources;
    for (const Script& script : scripts) {
      const auto& layout = reading.h.checked();
      const Index place = layout.place[std::ssize(previous)];
      previous.push_back({kEndSymbol});
      previous.back().insert(previous.back().end(), script.symbols.begin(), script.symbols.end() - 1);
      sources.emplace_back(script.at.size(), std::ssize(sources));
      rows.emplace_back();
      for (const Index at : script.at) rows.back().push_back(layout.first[at] + place);
    }
    const auto packed = pack_ids(tape, std::span<const std::vector<Index>>(previous));
    const auto packed_rows = pack_ids(tape, std::span<const std::vector<Index>>(rows)).ids;
    const Sequence<> d =
        decoder(Sequence<>{input_of(packed.ids, take_rows(reading.h.rows, packed_rows)), packed.layout});
    return d.with(
        logits(d.rows, reading, packed_rows, pack_ids(tape, std::span<const std::vector<Index>>(sources)).ids));
  }

  TransducerState<Cell> start(Index batch) const {
    return {initial_state(decoder.cell, batch), zeros<float>(Shape{batch, 1})};
  }
  /// The step of decoding over what read() gave.
  auto over(const Reading& reading) const {
    return [this, &reading](const TransducerState<Cell>& s, std::span<const Index> previous,
                            std::span<const Index> sources) {
      const SequenceLayout& layout = reading.h.checked();
      std::vector<float> at(previous.size());
      std::vector<Index> rows;
      for (std::size_t r = 0; r < previous.size(); ++r) {
        const Index now = static_cast<Index>(s.at.values()[r]) + moves_on(previous[r]);
        rows.push_back(layout.first[std::min(now, layout.length_of(sources[r]) - 1)] + layout.place[sources[r]]);
        at[r] = static_cast<float>(now);
      }
      const auto x = input_of(previous, take_rows(reading.h.rows, rows));
      const auto next = decoder.cell.step(project(decoder.cell, x), s.cell);
      return std::pair(logits(output_of(decoder.cell, next), reading, rows, sources),
                       TransducerState<Cell>{next, input(at, s.at.shape())});
    };
  }
  void each(auto&& visit) {
    visit("words", words), visit("letters", letters), visit("symbols", symbols), visit("spelling", spelling);
    visit("encoder", encoder), visit("decoder", decoder), visit("combine", combine), visit("out", out);
    visit("attention", attention), visit("query", query), visit("key", key);
  }

  TransducerOptions o;
  Embedding<> words, letters, symbols;
  Bidirectional<Rnn<Cell>> spelling;
  Stack<Bidirectional<Rnn<Cell>>> encoder;
  Rnn<Cell> decoder;
  GeneralAttention<> attention;
  Linear<> combine, out, query, key;

 private:
  Variable<> input_of(const Indices& previous, const Variable<>& looked_at) const {
    return concat({dropout(symbols(previous), o.dropout), dropout(looked_at, o.dropout)}, 1);
  }
  Variable<> logits(const Variable<>& d, const Reading& reading, std::span<const Index> rows,
                    std::span<const Index> sources) const {
    constexpr Index choices = kMostCandidates + 1;
    const Index count = std::ssize(rows);
    std::vector<Index> places, steps;
    std::vector<float> none;
    for (Index r = 0; r < count; ++r)
      for (Index k = 0; k < choices; ++k) {
        places.push_back(reading.places[static_cast<std::size_t>(rows[static_cast<std::size_t>(r)] * choices + k)]);
        steps.push_back(r), none.push_back(places.back() < 0 ? -30.0F : 0.0F);
      }
    const auto attended = attention(d, reading.memory, sources).context;
    const auto u = dropout(tanh(combine(concat({d, take_rows(reading.h.rows, rows), attended}, 1))), o.dropout);
    const auto scores = sum(take_rows(query(u), steps) * take_rows(reading.candidates, places), 1);
    const auto all = out(u);
    return concat({narrow(all, 1, 0, choices) + reshape(scores, {count, choices}) + input(none, Shape{count, choices}),
                   narrow(all, 1, choices, all.dim(1) - choices)},
                  1);
  }
};

}  // namespace unroll::examples
