#pragma once
/// \file
/// A reader of stories with any cell, its exam, and how gradients flow through it.

#include <algorithm>
#include <concepts>
#include <vector>

#include "remember/stories.hpp"
#include "unroll/nn/embedding.hpp"
#include "unroll/nn/inspect/gradient_flow.hpp"
#include "unroll/nn/linear.hpp"
#include "unroll/nn/rnn_cell.hpp"

namespace unroll::examples {

struct StoryReaderOptions {
  Index embed = 16, hidden = 32;
  double keep = 5;  ///< added at the start to the bias of the gate that keeps: an LSTM's f, a GRU's z
};

/// Reads a story word by word and says what must follow:
///
///     s_t = cell(E[word_t], s_{t-1})        p(answer) = softmax(V h_T + c)
template <class Cell>
struct StoryReader {
  StoryReader(const StoryTask& task, const StoryReaderOptions& o, Rng& rng)
      : embed(task.words.size(), o.embed, rng),
        rnn(o.embed, o.hidden, rng),
        out(o.hidden, std::ssize(task.answers), rng) {
    if constexpr (!std::same_as<Cell, RNNCell<>>) {  // f and z both come second
      const auto h = static_cast<std::size_t>(o.hidden);
      for (float& b : rnn.cell.bias_ih.mutable_values().subspan(h, h)) b += static_cast<float>(o.keep);
    }
  }
  /// Logits (B, answers).
  Variable<> operator()(std::span<const std::vector<Index>> words) const {
    const auto packed = pack_ids(*current_tape<float>, words);
    return out(last(rnn(Sequence<>{embed(packed.ids), packed.layout})));
  }
  void each(auto&& visit) { visit("embed", embed), visit("rnn", rnn), visit("out", out); }

  Embedding<> embed;
  Rnn<Cell> rnn;
  Linear<> out;
};

/// The share of right answers; NaN where there is no story.
template <class Cell>
double accuracy(const StoryReader<Cell>& reader, Tape<float>& tape, std::span<const StoryItem> stories) {
  constexpr std::size_t batch = 100;
  Index right = 0;
  for (std::size_t from = 0; from < stories.size(); from += batch) {
    const auto part = stories.subspan(from, std::min(batch, stories.size() - from));
    std::vector<std::vector<Index>> words;
    for (const StoryItem& story : part) words.push_back(story.words);
    const Evaluation<float> scope(tape);
    const Variable<> y = reader(words);
    const auto width = static_cast<std::size_t>(y.dim(1));
    for (std::size_t i = 0; i < part.size(); ++i) {
      const auto row = y.values().subspan(i * width, width);
      right += std::max_element(row.begin(), row.end()) - row.begin() == part[i].answer;
    }
  }
  return static_cast<double>(right) / static_cast<double>(stories.size());
}

/// The norm of dE/ds_t for t = 0, 1, ... up to the last word, as a share of the norm there. E is the mean loss of up to
/// 32 stories, of each the last words, as many as the shortest of them has.
template <class Cell>
std::vector<double> gradient_shares(const StoryReader<Cell>& reader, std::span<const StoryItem> stories) {
  stories = stories.first(std::min<std::size_t>(stories.size(), 32));
  Index steps = std::ssize(stories.front().words);
  for (const StoryItem& story : stories) steps = std::min(steps, std::ssize(story.words));
  std::vector<Index> ids, answers;
  for (Index t = 0; t < steps; ++t)
    for (const StoryItem& story : stories) ids.push_back(*(story.words.end() - steps + t));
  for (const StoryItem& story : stories) answers.push_back(story.answer);
  const auto words = [&] { return reader.embed(ids, Shape{steps, std::ssize(stories)}); };
  const auto loss = [&](Index t, const Variable<>& y) {
    return t + 1 < steps ? Variable<>() : softmax_cross_entropy(reader.out(y), std::span<const Index>(answers));
  };
  std::vector<double> norms = state_gradients(reader.rnn, words, loss).norms;
  const double last = norms.back();
  for (double& norm : norms) norm = last > 0 ? norm / last : 0;
  return norms;
}

}  // namespace unroll::examples
