#include "parameter_groups.hpp"

#include "../core/error.hpp"

namespace unroll {

bool name_matches(std::string_view pattern, std::string_view name) {
  // On a mismatch only the last star needs to take one letter more: linear for real names, never exponential.
  constexpr auto none = std::string_view::npos;
  std::size_t p = 0, n = 0, star = none, taken = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      taken = n;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == name[n])) {
      ++p, ++n;
    } else if (star != none) {
      p = star + 1;
      n = ++taken;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

template <class T>
void freeze_matching(const ParameterList<T>& parameters, std::string_view pattern, bool frozen) {
  bool found = false;
  for (const NamedParameter<T>& p : parameters) {
    if (!p.storage || !name_matches(pattern, p.name)) continue;
    p.storage->frozen = frozen;
    found = true;
  }
  if (!found)
    throw ValueError("[freeze_matching] pattern '", pattern, "' matches none of ", parameters.size(), " parameters");
}

template void freeze_matching(const ParameterList<float>&, std::string_view, bool);
template void freeze_matching(const ParameterList<double>&, std::string_view, bool);

namespace detail {

std::vector<std::size_t> find_groups(const char* op, const std::vector<std::string>& names,
                                     const ParameterGroups& groups) {
  const auto fail = [&](const ParameterGroup& g, const auto&... what) {
    throw ValueError("[", op, "] group '", g.pattern, "' ", what...);
  };
  for (const ParameterGroup& g : groups) {
    if (!(g.lr_scale >= 0)) fail(g, "has lr_scale ", g.lr_scale, ", expected 0 or more");
    if (g.weight_decay && !(*g.weight_decay >= 0))
      fail(g, "has weight_decay ", *g.weight_decay, ", expected 0 or more");
  }
  std::vector<std::size_t> group_of(names.size());
  std::vector<bool> matched(groups.size()), used(groups.size());
  for (std::size_t i = 0; i < names.size(); ++i)
    for (std::size_t k = groups.size(); k-- > 0;)
      if (name_matches(groups[k].pattern, names[i])) {
        matched[k] = true;
        group_of[i] = k + 1;
      }
  for (const std::size_t g : group_of)
    if (g > 0) used[g - 1] = true;
  for (std::size_t k = 0; k < groups.size(); ++k) {
    if (!matched[k])
      fail(groups[k], "matches none of ", names.size(), " parameters, the first of which is '", names[0], "'");
    if (!used[k]) fail(groups[k], "matches only parameters that the groups before it have taken");
  }
  return group_of;
}

}  // namespace detail
}  // namespace unroll
