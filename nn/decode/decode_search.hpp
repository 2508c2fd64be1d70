#pragma once
/// \file
/// The part of decoding that knows no model: options, hypotheses, and the choice of symbols from log-probabilities.

#include <span>
#include <utility>
#include <vector>

#include "../../core/random.hpp"
#include "../../core/shape.hpp"

namespace unroll {

/// How a hypothesis begins and ends.
struct DecodeOptions {
  Index begin = 0;         ///< fed before the first symbol
  Index end = -1;          ///< ends a hypothesis; -1: none does, all have max_length symbols
  Index max_length = 100;  ///< symbols at most, the end counted
};

/// How symbols are drawn. The cuts are made in this order: temperature, top k, top p of what is left.
struct SamplingOptions {
  Index begin = 0;         ///< fed before the first symbol
  Index end = -1;          ///< ends a sample; -1: none does
  Index max_length = 100;  ///< symbols at most, the end counted
  double temperature = 1;  ///< p ~ exp(logit / temperature); 0: always the most likely
  Index top_k = 0;         ///< only the k most likely symbols, ties by the lower symbol; 0: all
  double top_p = 1;        ///< only the fewest most likely symbols of probability at least p together (the "nucleus":
                           ///< Holtzman et al., 2020)
};

/// How the score of a hypothesis depends on its length; see decode_beam.
enum class LengthNorm {
  none,     ///< log P: prefers short ones
  average,  ///< log P / |Y|^alpha
  wu,       ///< log P / ((5 + |Y|) / 6)^alpha (Wu et al., 2016)
};

struct BeamOptions {
  Index begin = 0;         ///< fed before the first symbol
  Index end = -1;          ///< ends a hypothesis; -1: none does, all have max_length symbols
  Index max_length = 100;  ///< symbols at most, the end counted
  Index width = 4;         ///< hypotheses a source, the finished ones counted
  Index n_best = 1;        ///< hypotheses returned a source, at most `width`
  LengthNorm norm = LengthNorm::wu;
  double alpha = 0.6;   ///< exponent of the length, >= 0
  double coverage = 0;  ///< weight of the coverage penalty, >= 0; 0: off
};

/// What decoding gives.
struct Hypothesis {
  std::vector<Index> symbols;  ///< without begin and end
  double log_prob = 0;         ///< natural logarithm of P(symbols), the end's included when it was reached
  double score = 0;            ///< what hypotheses are ranked by; log_prob where nothing is ranked
  bool finished = false;       ///< the end symbol was reached (false: cut at max_length)
};

/// log P of a given sequence, and of each of its symbols given those before.
struct Scored {
  double log_prob = 0;
  std::vector<double> symbol_log_probs;
};

/// Log-probabilities (rows, V) of the next symbol, row-major. Refers to memory of the stream that made it.
template <class T>
struct LogProbs {
  std::span<const T> values;
  Index rows = 0, vocabulary = 0;
  std::span<const T> attention_values;       ///< attention of all rows, one row after the other; empty: none known
  std::span<const Index> attention_offsets;  ///< (rows + 1): where each row's begins

  std::span<const T> row(Index r) const {
    return values.subspan(static_cast<std::size_t>(r * vocabulary), static_cast<std::size_t>(vocabulary));
  }
  /// Attention weights of row r, over the positions of its source in order.
  std::span<const T> attention(Index r) const {
    const Index* at = attention_offsets.data() + r;
    return attention_values.subspan(static_cast<std::size_t>(at[0]), static_cast<std::size_t>(at[1] - at[0]));
  }
};

/// Draws symbols from log-probabilities or logits. Keeps its scratch memory: nothing is allocated once it has seen the
/// vocabulary.
class SymbolSampler {
 public:
  /// Only temperature, top_k and top_p are read. Throws ValueError unless temperature >= 0, top_k >= 0, 0 < top_p <= 1.
  explicit SymbolSampler(const SamplingOptions& options = {});

  /// One symbol, 0 .. V-1; one draw of the generator. `logits` (V), up to a constant. Throws ValueError on NaN, or when
  /// all are -inf.
  template <class T>
  Index operator()(std::span<const T> logits, Rng& rng);

 private:
  double temperature_, top_p_;
  Index top_k_;
  std::vector<double> weights_;
  std::vector<Index> order_;
};

namespace detail {

/// `values` (P) sorted by their segment, those of one segment in the order they had; offsets (count + 1).
template <class T>
void by_segment(std::span<const T> values, const Index* segment, Index count, std::vector<T>& sorted,
                std::vector<Index>& offsets);

/// One hypothesis a source: greedy and sampling. `parents` are the rows of the step before that go on.
class LineSearch {
 public:
  LineSearch(const char* op, Index sources, const DecodeOptions& options);
  bool done() const { return symbols_.empty(); }
  std::span<const Index> symbols() const { return symbols_; }
  std::span<const Index> parents() const { return parents_; }
  /// Gives each source a generator of its own.
  void split(Rng& rng);
  template <class T>
  void advance_greedily(const LogProbs<T>& log_probs);
  template <class T>
  void advance_sampling(const LogProbs<T>& log_probs, SymbolSampler& sampler);
  std::vector<Hypothesis> take_results() { return std::move(lines_); }

 private:
  template <class T, class Pick>
  void advance(const LogProbs<T>& log_probs, Pick&& pick);

  const char* op_;
  DecodeOptions options_;
  Index length_ = 0;
  std::vector<Hypothesis> lines_;
  std::vector<Rng> rngs_;
  std::vector<Index> sources_, symbols_, parents_;
};

class ForcedSearch {
 public:
  ForcedSearch(Index sources, Index begin, std::span<const std::vector<Index>> sequences);
  bool done() const { return symbols_.empty(); }
  std::span<const Index> symbols() const { return symbols_; }
  std::span<const Index> parents() const { return parents_; }
  template <class T>
  void advance(const LogProbs<T>& log_probs);
  std::vector<Scored> take_results() { return std::move(scores_); }

 private:
  std::span<const std::vector<Index>> sequences_;
  std::vector<Scored> scores_;
  std::size_t length_ = 0;
  std::vector<Index> sources_, symbols_, parents_;
};

class BeamSearch {
 public:
  BeamSearch(Index sources, const BeamOptions& options);
  bool done() const { return symbols_.empty(); }
  std::span<const Index> symbols() const { return symbols_; }
  std::span<const Index> parents() const { return parents_; }
  template <class T>
  void advance(const LogProbs<T>& log_probs);
  std::vector<std::vector<Hypothesis>> take_results();

 private:
  struct Live {
    Index row;   // of the last step, where its continuations' log-probabilities are
    Index last;  // its last symbol in history_; -1: none yet
    double log_prob;
    std::vector<double> coverage;
  };
  struct Beam {
    std::vector<Live> live;
    std::vector<Hypothesis> ended;
    Index places;  // of `width`, those that have not ended
  };
  struct Candidate {
    double log_prob;
    Index live, symbol;
  };
  struct Link {
    Index previous, symbol;
  };

  template <class T>
  void collect(const LogProbs<T>& log_probs, const Beam& beam);
  template <class T>
  void advance_beam(const LogProbs<T>& log_probs, Beam& beam);
  double score(double log_prob, Index length, std::span<const double> coverage) const;
  double length_penalty(Index length) const;
  bool settled(const Beam& beam);
  Hypothesis read_back(const Live& live) const;

  BeamOptions options_;
  Index length_ = 0;
  std::vector<Beam> beams_;
  std::vector<Link> history_;
  std::vector<Candidate> candidates_;
  std::vector<double> scores_;
  std::vector<Index> symbols_, parents_;
};

}  // namespace detail
}  // namespace unroll
