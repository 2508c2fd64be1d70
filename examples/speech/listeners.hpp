#pragma once
/// \file
/// Listeners who decide together.

#include <algorithm>
#include <cmath>
#include <vector>

#include "speech/options.hpp"
#include "speech/report.hpp"
#include "unroll/nn/sequence.hpp"
#include "unroll/nn/structured/ctc_decode.hpp"
#include "unroll/ops/elementwise.hpp"
#include "unroll/ops/softmax.hpp"

namespace unroll::examples {

/// Several who learn from the same recordings, begun from other weights, and decide together: the mean of their logits.
/// Each errs about an unknown voice in a way of its own.
template <class Listener>
struct Listeners {
  Listeners(const Words& words, const SpeechOptions& o, Rng& rng) {
    for (Index k = 0; k < o.listeners; ++k) members.emplace_back(words, o, rng);
  }
  const Words& words() const { return members[0].words; }

  Variable<> loss(const Sequence<>& x, const std::vector<Said>& said, double denominator) const {
    auto sum = members[0].loss(x, said, denominator);
    for (std::size_t k = 1; k < members.size(); ++k) sum += members[k].loss(x, said, denominator);
    return sum;
  }

  /// What they understand.
  std::vector<Heard> understand(const Sequence<>& x) const {
    std::vector<Heard> heard;
    const float share = 1 / static_cast<float>(members.size());
    if (members[0].attention.empty()) {
      auto logits = members[0].letters(x);
      for (std::size_t k = 1; k < members.size(); ++k) logits.rows += members[k].letters(x).rows;
      for (const auto& best : ctc_decode_beam(logits.with(logits.rows * share)))
        heard.push_back({words().text(best[0].symbols), std::exp(best[0].log_prob)});
      return heard;
    }
    auto logits = members[0].word(x);
    for (std::size_t k = 1; k < members.size(); ++k) logits += members[k].word(x);
    const auto p = softmax(logits * share);
    for (auto row = p.values(); !row.empty(); row = row.subspan(words().words.size())) {
      const auto best = std::max_element(row.begin(), row.begin() + std::ssize(words().words)) - row.begin();
      const auto at = static_cast<std::size_t>(best);
      heard.push_back({words().words[at], static_cast<double>(row[at])});
    }
    return heard;
  }

  void each(auto&& visit) { visit("members", members); }

  std::vector<Listener> members;
};

}  // namespace unroll::examples
