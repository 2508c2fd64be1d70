#pragma once
/// \file
/// Attention of a decoder over the outputs of an encoder, and attention pooling: over Sequences, without padding.
///
///     const auto attention = AdditiveAttention<float>(query_size, memory_size, attention_size, rng);
///     const auto memory = attention.memory(encoder(x));   // once: what depends on the encoder alone
///     const auto [context, weights, segments] = attention(h, memory);   // at every step of the decoder
///
/// Each query has a softmax over the steps of its own sequence and no others, so that time and memory go with the sum
/// of lengths and no mask is needed. A sequence of length 0 gives a context of zeros.

#include <span>

#include "../ops/segment.hpp"
#include "linear.hpp"
#include "sequence.hpp"

namespace unroll {

/// What attention looks at: the encoder's outputs, and what scores need of them.
template <class T = float>
struct AttentionMemory {
  Sequence<T> values;                  ///< (N, F), what contexts are made of
  Variable<T> keys;                    ///< (N, A), what queries are compared with
  const Segments* segments = nullptr;  ///< one query a sequence, in the caller's order; member n is row n
};

/// What attention gives for Q queries.
template <class T = float>
struct Attended {
  Variable<T> context;                 ///< (Q, F): sum of weight times value
  Variable<T> weights;                 ///< (P), of each member of `segments`; those of a query add up to 1
  const Segments* segments = nullptr;  ///< segment q: the steps that query q looks at
};

namespace detail {

template <class T>
AttentionMemory<T> attention_memory(const Sequence<T>& values, Variable<T> keys);

/// Which steps each of `queries` queries looks at: query q those of sequence sources[q], with no sources those of
/// sequence q.
template <class T>
const Segments* attention_segments(const char* op, const AttentionMemory<T>& memory, Index queries,
                                   std::span<const Index> sources);

/// The context by scores (P).
template <class T>
Attended<T> attend(const Variable<T>& scores, const AttentionMemory<T>& memory, const Segments* segments);

}  // namespace detail

/// score(q, k) = v . tanh(W q + U k + b)  (Bahdanau, Cho and Bengio, "Neural machine translation by jointly learning to
/// align and translate", 2015)
///
/// Queries (Q, query_size), memory (N, memory_size). Parameters: `query.weight` W (A, query_size),
/// `memory.weight` U (A, memory_size) and bias b (A), `score.weight` v (1, A).
template <class T = float>
class AdditiveAttention {
 public:
  using scalar = T;

  AdditiveAttention(Index query_size, Index memory_size, Index attention_size, Rng& rng)
      : query(query_size, attention_size, rng, {.bias = false}),
        memory_layer(memory_size, attention_size, rng),
        score(attention_size, 1, rng, {.bias = false}) {}

  /// Looks at a Sequence, or at a tensor (T, B, F).
  AttentionMemory<T> memory(const Sequence<T>& values) const {
    return detail::attention_memory(values, memory_layer(values.rows));
  }
  AttentionMemory<T> memory(const Variable<T>& values) const { return memory(sequence(values)); }

  /// Queries (Q, query_size): row q looks at sequence sources[q]; without `sources`, at sequence q. Throws ShapeError
  /// on another number of sources or features, ValueError for a sequence that is not there.
  Attended<T> operator()(Variable<T> queries, const AttentionMemory<T>& memory,
                         std::span<const Index> sources = {}) const;

  void each(auto&& visit) { visit("query", query), visit("memory", memory_layer), visit("score", score); }

  Linear<T> query, memory_layer, score;
};

struct DotAttentionOptions {
  bool scaled = false;  ///< divide by the square root of the number of features (Vaswani et al., 2017)
};

/// score(q, k) = q . k  (Luong, Pham and Manning, "Effective approaches to attention-based neural machine translation",
/// 2015: "dot"). Queries and memory of the same width; no parameters.
template <class T = float>
class DotAttention {
 public:
  using scalar = T;

  explicit DotAttention(DotAttentionOptions options = {}) : scaled(options.scaled) {}

  AttentionMemory<T> memory(const Sequence<T>& values) const { return detail::attention_memory(values, values.rows); }
  AttentionMemory<T> memory(const Variable<T>& values) const { return memory(sequence(values)); }
  Attended<T> operator()(Variable<T> queries, const AttentionMemory<T>& memory,
                         std::span<const Index> sources = {}) const;

  void each(auto&& visit) { visit("scaled", scaled); }

  bool scaled;
};

/// score(q, k) = q . W k  (Luong, Pham and Manning, 2015: "general"). Queries (Q, query_size), memory (N, memory_size);
/// `key.weight` W (query_size, memory_size).
template <class T = float>
class UNROLL_PER_ISA GeneralAttention {
 public:
  using scalar = T;

  GeneralAttention(Index query_size, Index memory_size, Rng& rng, DotAttentionOptions options = {})
      : key(memory_size, query_size, rng, {.bias = false}), dot(options) {}

  AttentionMemory<T> memory(const Sequence<T>& values) const {
    return detail::attention_memory(values, key(values.rows));
  }
  AttentionMemory<T> memory(const Variable<T>& values) const { return memory(sequence(values)); }
  Attended<T> operator()(Variable<T> queries, const AttentionMemory<T>& memory,
                         std::span<const Index> sources = {}) const {
    return dot(queries, memory, sources);
  }

  void each(auto&& visit) { visit("key", key), visit("dot", dot); }

  Linear<T> key;
  DotAttention<T> dot;
};

/// Many to one: y_b = sum_t a_bt x_bt, a_b = softmax over t of v . tanh(W x_bt + b)  (Yang et al., "Hierarchical
/// attention networks", 2016). x a Sequence (N, F) or a tensor (T, B, F), y (B, F); zeros for a sequence of length 0.
template <class T = float>
class AttentionPool {
 public:
  using scalar = T;

  AttentionPool(Index input_size, Index attention_size, Rng& rng)
      : hidden(input_size, attention_size, rng), score(attention_size, 1, rng, {.bias = false}), size(input_size) {}

  Variable<T> operator()(const Sequence<T>& x) const { return run(x).context; }
  Variable<T> operator()(const Variable<T>& x) const { return run(sequence(x)).context; }
  /// With the weights.
  Attended<T> run(const Sequence<T>& x) const;

  Index output_size() const { return size; }
  void each(auto&& visit) { visit("hidden", hidden), visit("score", score), visit("size", size); }

  Linear<T> hidden, score;
  Index size;
};

extern template class AdditiveAttention<float>;
extern template class AdditiveAttention<double>;
extern template class DotAttention<float>;
extern template class DotAttention<double>;
extern template class AttentionPool<float>;
extern template class AttentionPool<double>;

}  // namespace unroll
