#include "char_lm/ngram.hpp"

#include <algorithm>
#include <cmath>

namespace unroll::examples {

NgramModel::NgramModel(std::span<const Index> text, Index symbols, int order)
    : order_(order), uniform_(1 / static_cast<double>(symbols)), nodes_(1), table_(1 << 12) {
  count(text);
  estimate_discounts();
}

std::size_t NgramModel::slot(std::uint64_t k) const {
  const std::size_t mask = table_.size() - 1;
  std::size_t at = static_cast<std::size_t>((k * 0x9e3779b97f4a7c15u) >> 20) & mask;
  while (table_[at].key != 0 && table_[at].key != k) at = (at + 1) & mask;
  return at;
}

std::uint32_t NgramModel::find(std::uint32_t parent, Index symbol) const {
  return table_[slot(key(parent, symbol))].node;
}

std::uint32_t NgramModel::find_or_add(std::uint32_t parent, Index symbol, bool& added) {
  const std::size_t at = slot(key(parent, symbol));
  added = table_[at].key == 0;
  if (!added) return table_[at].node;
  const auto node = static_cast<std::uint32_t>(nodes_.size());
  table_[at] = {key(parent, symbol), node};
  nodes_.push_back({.parent = parent, .depth = nodes_[parent].depth + 1});
  if (nodes_.size() * 2 > table_.size()) {
    std::vector<Entry> old(table_.size() * 2);
    old.swap(table_);
    for (const Entry& e : old)
      if (e.key != 0) table_[slot(e.key)] = e;
  }
  return node;
}

void NgramModel::count(std::span<const Index> text) {
  // From the end to the start: the n-gram that starts one symbol later is then there already when an n-gram
  // that continues to the left of it is met for the first time.
  const auto order = static_cast<std::size_t>(order_);
  std::vector<std::uint32_t> later(order + 1, 0), now(order + 1, 0);
  for (std::size_t start = text.size(); start-- > 0;) {
    const std::size_t length = std::min(order, text.size() - start);
    for (std::size_t d = 1; d <= length; ++d) {
      bool added = false;
      now[d] = find_or_add(now[d - 1], text[start + d - 1], added);
      if (d == order) ++nodes_[now[d]].count;
      if (added && d > 1) ++nodes_[later[d - 1]].count;
    }
    later = now;
  }
  for (std::size_t i = 1; i < nodes_.size(); ++i) {
    Node& parent = nodes_[nodes_[i].parent];
    parent.total += nodes_[i].count;
    ++parent.children[std::min(nodes_[i].count, 3u)];
  }
}

void NgramModel::estimate_discounts() {
  for (int depth = 0; depth <= order_; ++depth) {
    double n[5] = {};  // n-grams of this order that occur once, twice, ...
    for (const Node& node : nodes_)
      if (static_cast<int>(node.depth) == depth && node.count <= 4) ++n[node.count];
    double d[4] = {0, 0.5, 0.5, 0.5};  // where there is too little to estimate from
    if (n[1] > 0 && n[2] > 0 && n[3] > 0) {
      const double y = n[1] / (n[1] + 2 * n[2]);
      for (int k = 1; k <= 3; ++k) d[k] = std::clamp(k - (k + 1) * y * n[k + 1] / n[k], 0.1, k - 0.1);
    }
    discounts_.insert(discounts_.end(), d, d + 4);
  }
}

double NgramModel::probability(std::span<const Index> context, Index next) const {
  double p = uniform_;
  const std::size_t longest = std::min(context.size(), static_cast<std::size_t>(order_) - 1);
  for (std::size_t length = 0; length <= longest; ++length) {
    std::uint32_t node = 0;
    for (const Index symbol : context.last(length))
      if ((node = find(node, symbol)) == 0) return p;
    const Node& met = nodes_[node];
    if (met.total == 0) return p;  // never followed by anything; then no longer context was
    const double* d = &discounts_[4 * (length + 1)];
    const std::uint32_t child = find(node, next);
    const std::uint32_t c = child == 0 ? 0 : nodes_[child].count;
    double taken = 0;
    for (int k = 1; k <= 3; ++k) taken += d[k] * met.children[k];
    p = (c - d[std::min(c, 3u)] + taken * p) / met.total;
  }
  return p;
}

double NgramModel::cross_entropy(std::span<const Index> history, std::span<const Index> text) const {
  const std::size_t before = std::min(history.size(), static_cast<std::size_t>(order_) - 1);
  std::vector<Index> all(history.end() - static_cast<std::ptrdiff_t>(before), history.end());
  all.insert(all.end(), text.begin(), text.end());
  double sum = 0;
  for (std::size_t i = before; i < all.size(); ++i)
    sum -= std::log(probability(std::span<const Index>(all).first(i), all[i]));
  return sum / static_cast<double>(std::max<std::size_t>(text.size(), 1));
}

}  // namespace unroll::examples
