#include "decode_search.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <string>

#include "../../core/error.hpp"

namespace unroll {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

void check_option(bool good, const char* op, const char* name, double value, const char* expected) {
  if (good) return;
  std::string text = std::to_string(value);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  throw ValueError("[", op, "] ", name, " is ", text, "; expected ", expected);
}

// `row` -1: there is only one.
std::string of_row(const char* before, Index row) { return row < 0 ? "" : before + std::to_string(row); }

[[noreturn]] void throw_nan(const char* op, Index row) {
  throw ValueError("[", op, "] a logit", of_row(" of row ", row), " is NaN");
}

[[noreturn]] void throw_impossible(const char* op, Index row) {
  throw ValueError("[", op, "] no symbol is possible", of_row(" in row ", row), ": all logits are -inf");
}

template <class T>
Index most_likely(const char* op, std::span<const T> logits, Index row) {
  Index best = -1;
  T largest = -std::numeric_limits<T>::infinity();
  for (std::size_t v = 0; v < logits.size(); ++v) {
    if (logits[v] != logits[v]) throw_nan(op, row);
    if (logits[v] > largest) largest = logits[v], best = static_cast<Index>(v);
  }
  if (best < 0) throw_impossible(op, row);
  return best;
}

}  // namespace

// ---- drawing one symbol
// ------------------------------------------------------------------------------------------------

SymbolSampler::SymbolSampler(const SamplingOptions& options)
    : temperature_(options.temperature), top_p_(options.top_p), top_k_(options.top_k) {
  check_option(temperature_ >= 0 && temperature_ < infinity, "SymbolSampler", "temperature", temperature_,
               "a number >= 0");
  check_option(top_k_ >= 0, "SymbolSampler", "top_k", static_cast<double>(top_k_), "at least 0");
  check_option(top_p_ > 0 && top_p_ <= 1, "SymbolSampler", "top_p", top_p_, "0 < top_p <= 1");
}

template <class T>
Index SymbolSampler::operator()(std::span<const T> logits, Rng& rng) {
  const double draw = rng.uniform();
  const Index best = most_likely("SymbolSampler", logits, -1);
  if (temperature_ == 0 || logits[static_cast<std::size_t>(best)] == std::numeric_limits<T>::infinity()) return best;

  const auto largest = static_cast<double>(logits[static_cast<std::size_t>(best)]);
  weights_.resize(logits.size());
  for (std::size_t v = 0; v < logits.size(); ++v)
    weights_[v] = std::exp((static_cast<double>(logits[v]) - largest) / temperature_);

  const bool cut_k = top_k_ > 0 && top_k_ < static_cast<Index>(logits.size());
  if (cut_k || top_p_ < 1) {
    order_.resize(logits.size());
    for (std::size_t v = 0; v < order_.size(); ++v) order_[v] = static_cast<Index>(v);
    const auto weight = [&](Index v) { return weights_[static_cast<std::size_t>(v)]; };
    const auto more_likely = [&](Index a, Index b) { return weight(a) != weight(b) ? weight(a) > weight(b) : a < b; };
    auto kept = cut_k ? order_.begin() + top_k_ : order_.end();
    if (cut_k) std::nth_element(order_.begin(), kept - 1, order_.end(), more_likely);
    if (top_p_ < 1) {
      std::sort(order_.begin(), kept, more_likely);
      double total = 0;
      for (auto v = order_.begin(); v != kept; ++v) total += weight(*v);
      double reached = 0;
      auto stop = order_.begin();
      while (stop != kept && reached < top_p_ * total) reached += weight(*stop++);
      kept = stop;
    }
    for (auto v = kept; v != order_.end(); ++v) weights_[static_cast<std::size_t>(*v)] = 0;
  }

  double total = 0;
  for (const double w : weights_) total += w;
  double left = draw * total;
  // Rounding may leave a little behind the last symbol: then it is the last possible one.
  Index chosen = best;
  for (std::size_t v = 0; v < weights_.size(); ++v) {
    if (weights_[v] == 0) continue;
    chosen = static_cast<Index>(v);
    left -= weights_[v];
    if (left < 0) break;
  }
  return chosen;
}

template Index SymbolSampler::operator()(std::span<const float>, Rng&);
template Index SymbolSampler::operator()(std::span<const double>, Rng&);

namespace detail {

template <class T>
void by_segment(std::span<const T> values, const Index* segment, Index count, std::vector<T>& sorted,
                std::vector<Index>& offsets) {
  offsets.assign(static_cast<std::size_t>(count) + 1, 0);
  for (std::size_t p = 0; p < values.size(); ++p) ++offsets[static_cast<std::size_t>(segment[p]) + 1];
  for (std::size_t s = 1; s < offsets.size(); ++s) offsets[s] += offsets[s - 1];
  sorted.resize(values.size());
  for (std::size_t p = 0; p < values.size(); ++p)
    sorted[static_cast<std::size_t>(offsets[static_cast<std::size_t>(segment[p])]++)] = values[p];
  // Each offset has moved on to where the next segment begins.
  for (std::size_t s = offsets.size() - 1; s > 0; --s) offsets[s] = offsets[s - 1];
  offsets[0] = 0;
}

template void by_segment(std::span<const float>, const Index*, Index, std::vector<float>&, std::vector<Index>&);
template void by_segment(std::span<const double>, const Index*, Index, std::vector<double>&, std::vector<Index>&);

// ---- one hypothesis a source
// -------------------------------------------------------------------------------------------

LineSearch::LineSearch(const char* op, Index sources, const DecodeOptions& options)
    : op_(op), options_(options), lines_(static_cast<std::size_t>(sources)) {
  check_option(options.max_length >= 1, op, "max_length", static_cast<double>(options.max_length), "at least 1");
  for (Index s = 0; s < sources; ++s) sources_.push_back(s), parents_.push_back(s), symbols_.push_back(options.begin);
}

void LineSearch::split(Rng& rng) {
  for (std::size_t s = 0; s < lines_.size(); ++s) rngs_.push_back(rng.split());
}

template <class T, class Pick>
void LineSearch::advance(const LogProbs<T>& log_probs, Pick&& pick) {
  ++length_;
  std::size_t going = 0;
  for (Index r = 0; r < log_probs.rows; ++r) {
    const Index source = sources_[static_cast<std::size_t>(r)];
    Hypothesis& line = lines_[static_cast<std::size_t>(source)];
    const std::span<const T> row = log_probs.row(r);
    const Index symbol = pick(source, row, r);
    line.log_prob += static_cast<double>(row[static_cast<std::size_t>(symbol)]);
    line.score = line.log_prob;
    if (symbol == options_.end) {
      line.finished = true;
      continue;
    }
    line.symbols.push_back(symbol);
    if (length_ == options_.max_length) continue;
    sources_[going] = source, parents_[going] = r, symbols_[going] = symbol;
    ++going;
  }
  sources_.resize(going), parents_.resize(going), symbols_.resize(going);
}

template <class T>
void LineSearch::advance_greedily(const LogProbs<T>& log_probs) {
  advance(log_probs, [&](Index, std::span<const T> row, Index r) { return most_likely(op_, row, r); });
}

template <class T>
void LineSearch::advance_sampling(const LogProbs<T>& log_probs, SymbolSampler& sampler) {
  advance(log_probs, [&](Index source, std::span<const T> row, Index) {
    return sampler(row, rngs_[static_cast<std::size_t>(source)]);
  });
}

template void LineSearch::advance_greedily(const LogProbs<float>&);
template void LineSearch::advance_greedily(const LogProbs<double>&);
template void LineSearch::advance_sampling(const LogProbs<float>&, SymbolSampler&);
template void LineSearch::advance_sampling(const LogProbs<double>&, SymbolSampler&);

// ---- given sequences
// ---------------------------------------------------------------------------------------------------

ForcedSearch::ForcedSearch(Index sources, Index begin, std::span<const std::vector<Index>> sequences)
    : sequences_(sequences), scores_(sequences.size()) {
  if (static_cast<Index>(sequences.size()) != sources)
    throw ShapeError("[decode_forced] ", sequences.size(), " sequences for ", sources, " rows of the initial state");
  for (Index s = 0; s < sources; ++s) {
    if (sequences[static_cast<std::size_t>(s)].empty()) continue;
    sources_.push_back(s), parents_.push_back(s), symbols_.push_back(begin);
  }
}

template <class T>
void ForcedSearch::advance(const LogProbs<T>& log_probs) {
  std::size_t going = 0;
  for (Index r = 0; r < log_probs.rows; ++r) {
    const auto source = static_cast<std::size_t>(sources_[static_cast<std::size_t>(r)]);
    const std::vector<Index>& sequence = sequences_[source];
    const Index symbol = sequence[length_];
    if (symbol < 0 || symbol >= log_probs.vocabulary)
      throw ValueError("[decode_forced] symbol ", symbol, " at position ", length_, " of sequence ", source,
                       "; expected 0 .. ", log_probs.vocabulary - 1);
    const auto log_prob = static_cast<double>(log_probs.row(r)[static_cast<std::size_t>(symbol)]);
    scores_[source].log_prob += log_prob;
    scores_[source].symbol_log_probs.push_back(log_prob);
    if (length_ + 1 == sequence.size()) continue;
    sources_[going] = static_cast<Index>(source), parents_[going] = r, symbols_[going] = symbol;
    ++going;
  }
  ++length_;
  sources_.resize(going), parents_.resize(going), symbols_.resize(going);
}

template void ForcedSearch::advance(const LogProbs<float>&);
template void ForcedSearch::advance(const LogProbs<double>&);

// ---- beam search
// -------------------------------------------------------------------------------------------------------

BeamSearch::BeamSearch(Index sources, const BeamOptions& options) : options_(options) {
  const char* op = "decode_beam";
  check_option(options.max_length >= 1, op, "max_length", static_cast<double>(options.max_length), "at least 1");
  check_option(options.width >= 1, op, "width", static_cast<double>(options.width), "at least 1");
  check_option(options.n_best >= 1 && options.n_best <= options.width, op, "n_best",
               static_cast<double>(options.n_best), "1 .. width");
  check_option(options.alpha >= 0 && options.alpha < infinity, op, "alpha", options.alpha, "a number >= 0");
  check_option(options.coverage >= 0 && options.coverage < infinity, op, "coverage", options.coverage, "a number >= 0");
  for (Index s = 0; s < sources; ++s) {
    beams_.push_back({{{s, -1, 0.0, {}}}, {}, options.width});
    parents_.push_back(s), symbols_.push_back(options.begin);
  }
}

double BeamSearch::length_penalty(Index length) const {
  const auto n = static_cast<double>(length);
  switch (options_.norm) {
    case LengthNorm::none:
      return 1;
    case LengthNorm::average:
      return std::pow(n, options_.alpha);
    case LengthNorm::wu:
      return std::pow((5 + n) / 6, options_.alpha);
  }
  return 1;
}

double BeamSearch::score(double log_prob, Index length, std::span<const double> coverage) const {
  double penalty = 0;
  for (const double c : coverage) penalty += std::log(std::clamp(c, 1e-30, 1.0));
  return log_prob / length_penalty(length) + options_.coverage * penalty;
}

// The best continuations of all live hypotheses, as many as there are places, best first.
template <class T>
void BeamSearch::collect(const LogProbs<T>& log_probs, const Beam& beam) {
  const auto better = [](const Candidate& a, const Candidate& b) {
    if (a.log_prob != b.log_prob) return a.log_prob > b.log_prob;
    return a.live != b.live ? a.live < b.live : a.symbol < b.symbol;
  };
  const auto places = static_cast<std::size_t>(beam.places);
  candidates_.clear();
  // Candidates come in the order that breaks ties, so one that equals the worst of a full heap does not get in.
  for (std::size_t l = 0; l < beam.live.size(); ++l) {
    const Live& live = beam.live[l];
    const std::span<const T> row = log_probs.row(live.row);
    for (std::size_t v = 0; v < row.size(); ++v) {
      const double log_prob = live.log_prob + static_cast<double>(row[v]);
      if (log_prob != log_prob) throw_nan("decode_beam", live.row);
      const bool full = candidates_.size() == places;
      if (log_prob == -infinity || (full && log_prob <= candidates_.front().log_prob)) continue;
      if (full) {
        std::pop_heap(candidates_.begin(), candidates_.end(), better);
        candidates_.pop_back();
      }
      candidates_.push_back({log_prob, static_cast<Index>(l), static_cast<Index>(v)});
      std::push_heap(candidates_.begin(), candidates_.end(), better);
    }
  }
  std::sort(candidates_.begin(), candidates_.end(), better);
}

Hypothesis BeamSearch::read_back(const Live& live) const {
  Hypothesis h;
  h.log_prob = live.log_prob;
  h.score = score(live.log_prob, length_, live.coverage);
  for (Index at = live.last; at >= 0; at = history_[static_cast<std::size_t>(at)].previous)
    h.symbols.push_back(history_[static_cast<std::size_t>(at)].symbol);
  std::reverse(h.symbols.begin(), h.symbols.end());
  return h;
}

// True when no live hypothesis can come among the n best any more: its log P can only fall, its divisor grow up to that
// of the greatest length, and the coverage penalty is never above 0.
bool BeamSearch::settled(const Beam& beam) {
  if (static_cast<Index>(beam.ended.size()) < options_.n_best) return false;
  scores_.clear();
  for (const Hypothesis& h : beam.ended) scores_.push_back(h.score);
  const auto nth = scores_.begin() + (options_.n_best - 1);
  std::nth_element(scores_.begin(), nth, scores_.end(), std::greater<>());
  const double divisor = length_penalty(options_.max_length);
  return std::ranges::none_of(beam.live, [&](const Live& l) { return l.log_prob / divisor > *nth; });
}

template <class T>
void BeamSearch::advance_beam(const LogProbs<T>& log_probs, Beam& beam) {
  collect(log_probs, beam);
  std::vector<Live> next;
  for (const Candidate& c : candidates_) {
    const Live& from = beam.live[static_cast<std::size_t>(c.live)];
    Live grown{from.row, from.last, c.log_prob, {}};
    if (options_.coverage > 0) {
      const std::span<const T> weights = log_probs.attention(from.row);
      grown.coverage = from.coverage;
      grown.coverage.resize(weights.size(), 0.0);
      for (std::size_t i = 0; i < weights.size(); ++i) grown.coverage[i] += static_cast<double>(weights[i]);
    }
    if (c.symbol == options_.end) {
      beam.ended.push_back(read_back(grown));
      beam.ended.back().finished = true;
      --beam.places;
      continue;
    }
    history_.push_back({from.last, c.symbol});
    grown.last = static_cast<Index>(history_.size()) - 1;
    next.push_back(std::move(grown));
  }
  beam.live = std::move(next);
  if (length_ == options_.max_length) {
    for (const Live& l : beam.live) beam.ended.push_back(read_back(l));
    beam.live.clear();
  } else if (settled(beam)) {
    beam.live.clear();
  }
}

template <class T>
void BeamSearch::advance(const LogProbs<T>& log_probs) {
  if (options_.coverage > 0 && log_probs.attention_offsets.empty())
    throw ValueError("[decode_beam] coverage needs a step that returns its attention as third");
  ++length_;
  parents_.clear(), symbols_.clear();
  for (Beam& beam : beams_) {
    if (beam.live.empty()) continue;
    advance_beam(log_probs, beam);
    for (Live& l : beam.live) {
      parents_.push_back(l.row);
      symbols_.push_back(history_[static_cast<std::size_t>(l.last)].symbol);
      l.row = static_cast<Index>(parents_.size()) - 1;
    }
  }
}

std::vector<std::vector<Hypothesis>> BeamSearch::take_results() {
  std::vector<std::vector<Hypothesis>> results;
  for (Beam& beam : beams_) {
    std::ranges::stable_sort(beam.ended, [](const Hypothesis& a, const Hypothesis& b) {
      return a.finished != b.finished ? a.finished : a.score > b.score;
    });
    if (static_cast<Index>(beam.ended.size()) > options_.n_best)
      beam.ended.resize(static_cast<std::size_t>(options_.n_best));
    results.push_back(std::move(beam.ended));
  }
  return results;
}

template void BeamSearch::advance(const LogProbs<float>&);
template void BeamSearch::advance(const LogProbs<double>&);

}  // namespace detail
}  // namespace unroll
