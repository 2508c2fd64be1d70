#include "split.hpp"

#include <cmath>
#include <unordered_map>
#include <unordered_set>

#include "../../core/error.hpp"

namespace unroll {

Split split_items(Index count, Rng& rng, const SplitOptions& o) {
  if (count < 0) throw ValueError("[split_items] ", count, " items");
  if (!(o.dev >= 0 && o.test >= 0 && o.dev + o.test <= 1))
    throw ValueError("[split_items] dev ", o.dev, ", test ", o.test,
                     "; expected shares from 0 that add up to at most 1");
  const auto n = static_cast<std::size_t>(count);
  if (!o.groups.empty() && o.groups.size() != n)
    throw ValueError("[split_items] ", o.groups.size(), " groups for ", count, " items");
  std::unordered_map<Index, std::size_t> number;  // of a group among `members`
  std::vector<std::vector<Index>> members;
  for (std::size_t i = 0; i < n; ++i) {
    const Index group = o.groups.empty() ? static_cast<Index>(i) : o.groups[i];
    const auto at = number.try_emplace(group, members.size()).first->second;
    if (at == members.size()) members.emplace_back();
    members[at].push_back(i);
  }
  const auto wanted = [&](double share) {
    return static_cast<std::size_t>(std::llround(share * static_cast<double>(n)));
  };
  Split split;
  for (const Index k : rng.permutation(members.size())) {
    std::vector<Index>& part = split.test.size() < wanted(o.test) ? split.test
                               : split.dev.size() < wanted(o.dev) ? split.dev
                                                                  : split.train;
    const auto& group = members[k];
    part.insert(part.end(), group.begin(), group.end());
  }
  return split;
}

std::vector<Index> first_of_groups(std::span<const Index> groups) {
  std::unordered_set<Index> seen;
  std::vector<Index> first;
  for (std::size_t i = 0; i < groups.size(); ++i)
    if (seen.insert(groups[i]).second) first.push_back(i);
  return first;
}

}  // namespace unroll
