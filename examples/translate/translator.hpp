#pragma once
/// \file
/// Encoder and decoder with attention, from texts to texts.

#include <string>
#include <vector>

#include "common/plot.hpp"
#include "common/subwords.hpp"
#include "translate/parallel_text.hpp"
#include "unroll/core/shards.hpp"
#include "unroll/nn/bidirectional.hpp"
#include "unroll/nn/decode/seq2seq.hpp"
#include "unroll/nn/stack.hpp"

namespace unroll::examples {

using Pieces = std::vector<std::vector<Index>>;
inline constexpr Index kEndPiece = Subwords::kEnd;  ///< begins and ends what is written

struct TranslatorOptions {
  Index layers = 1, hidden = 96,
        embed = 64;  ///< layers of the encoder; units of each in each direction, of the decoder
  double dropout = 0.1;
};

/// The model: embed, encoder of both directions, decoder that attends to it and to the vectors themselves, and starts
/// from the encoder's mean.
template <class Cell>
struct Translator {
  Translator(Index sources, Index targets, const TranslatorOptions& o, Rng& rng)
      : embed(sources, o.embed, rng),
        encoder(o.embed, o.hidden, rng, {.layers = o.layers, .dropout = o.dropout}),
        decoder(targets, o.embed, o.hidden, 2 * o.hidden + o.embed,
                AdditiveAttention<>(o.hidden, 2 * o.hidden + o.embed, o.hidden, rng), rng, {.dropout = o.dropout}),
        start(2 * o.hidden, decoder.cell, rng),
        dropout(o.dropout) {}

  struct Read {
    AttentionMemory<float> memory;
    AttentionState<Cell> start;
  };
  /// Sentences, read to their ends.
  Read read(const Pieces& sources) const {
    const auto packed = pack_ids(*current_tape<float>, std::span<const std::vector<Index>>(sources));
    const Variable<> x = unroll::dropout(embed(packed.ids), dropout);
    const Sequence<> m = encoder(Sequence<>{x, packed.layout});
    const Sequence<> seen = m.with(concat({unroll::dropout(m.rows, dropout), x}, 1));
    return {decoder.attention.memory(seen), decoder.start(start(pool(m, Pool::mean)), m.batch())};
  }
  /// Logits of `targets`, which end in kEndPiece.
  Sequence<> operator()(const Pieces& sources, const Pieces& targets) const {
    const Read r = read(sources);
    return teacher_forced(decoder.over(r.memory), r.start, kEndPiece, targets);
  }
  void each(auto&& visit) {
    visit("embed", embed), visit("encoder", encoder), visit("decoder", decoder), visit("start", start);
    visit("dropout", dropout);
  }

  Embedding<> embed;
  Stack<Bidirectional<Rnn<Cell>>> encoder;
  AttentionDecoder<Cell, AdditiveAttention<>> decoder;
  StateFrom<Cell> start;
  double dropout;
};

/// A model with the pieces it reads and writes.
template <class Cell>
struct TextTranslator {
  Subwords sources, targets;
  Translator<Cell> model;
  Index limit = 60;  ///< pieces of a translation at most

  /// The best translations of each text, `count` at most, by log P / length.
  std::vector<std::vector<Hypothesis>> search(Tape<float>& tape, std::span<const std::string> texts, Index width,
                                              Index count = 1) const {
    std::vector<std::vector<Hypothesis>> found;
    for (std::size_t from = 0; from < texts.size(); from += 50) {
      Evaluation<float> scope(tape);
      Pieces pieces;
      for (const auto& t : texts.subspan(from, std::min<std::size_t>(50, texts.size() - from)))
        pieces.push_back(sources.encode(t));
      const auto r = model.read(pieces);
      auto best = decode_beam(model.decoder.over(r.memory), r.start,
                              {.begin = kEndPiece,
                               .end = kEndPiece,
                               .max_length = limit,
                               .width = width,
                               .n_best = count,
                               .norm = LengthNorm::average,
                               .alpha = 1});
      std::move(best.begin(), best.end(), std::back_inserter(found));
    }
    return found;
  }

  /// The translations of the sources, each shard's share by itself; `width` 1 is greedy.
  std::vector<std::string> translate(Shards<float>& shards, std::span<const TextPair> pairs, Index width) const {
    std::vector<std::string> texts(pairs.size()), result(pairs.size());
    std::transform(pairs.begin(), pairs.end(), texts.begin(), [](const TextPair& p) { return p.source; });
    const auto count = static_cast<std::size_t>(shards.count());
    shards.run([&](Tape<float>& tape, int shard) {
      const auto s = static_cast<std::size_t>(shard);
      const std::size_t from = texts.size() * s / count, to = texts.size() * (s + 1) / count;
      const auto found = search(tape, std::span<const std::string>(texts).subspan(from, to - from), width);
      for (std::size_t i = from; i < to; ++i) result[i] = targets.decode(found[i - from].at(0).symbols);
    });
    return result;
  }

  /// A picture of where the decoder looks while it writes its translation of `source`.
  void draw_attention(const std::string& file, Tape<float>& tape, const std::string& source, Index width) const {
    const auto symbols = search(tape, {&source, 1}, width)[0].at(0).symbols;
    Evaluation<float> scope(tape);
    const auto from = sources.encode(source);
    const auto r = model.read({from});
    DecodeStream stream(tape, model.decoder.over(r.memory), r.start);
    std::vector<std::string> rows, columns;
    std::vector<double> weights;
    for (std::size_t t = 0; t <= symbols.size(); ++t) {
      const auto seen = stream.feed(std::vector<Index>{t == 0 ? kEndPiece : symbols[t - 1]});
      weights.insert(weights.end(), seen.attention(0).begin(), seen.attention(0).end());
      rows.push_back(targets.vocabulary().token(t < symbols.size() ? symbols[t] : kEndPiece));
    }
    for (const Index piece : from) columns.push_back(sources.vocabulary().token(piece));
    draw_heat(file, targets.decode(symbols), rows, columns, weights, "written", "read", "attention");
  }
};

}  // namespace unroll::examples
