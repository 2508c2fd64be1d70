#include "tag_rules.hpp"

#include <string_view>

#include "../../core/error.hpp"

namespace unroll {
namespace {

// What the rules look at in a tag.
struct RuleTag {
  char letter;
  std::string_view type;
};

RuleTag parse(const std::string& name, Index number, TagScheme scheme) {
  const std::string_view letters = scheme == TagScheme::bioes ? "BIES" : "BI";
  const std::string_view text = name;
  if (text == "O") return {'O', {}};
  if (!text.empty() && letters.find(text[0]) != letters.npos) {
    if (text.size() == 1) return {text[0], {}};
    if (text.size() > 2 && text[1] == '-') return {text[0], text.substr(2)};
  }
  throw ValueError("[tag_rules] tag ", number, " is '", name, "'; expected O, or one of ", letters,
                   " with a type behind it, such as B-LOC");
}

bool may_start(RuleTag to, TagScheme scheme) {
  if (scheme == TagScheme::iob1) return to.letter != 'B';
  return to.letter != 'I' && to.letter != 'E';
}

bool may_end(RuleTag from, TagScheme scheme) {
  return scheme != TagScheme::bioes || (from.letter != 'B' && from.letter != 'I');
}

bool may_follow(RuleTag from, RuleTag to, TagScheme scheme) {
  const bool same_segment_type = from.letter != 'O' && to.letter != 'O' && from.type == to.type;
  switch (scheme) {
    case TagScheme::iob1:
      return to.letter != 'B' || same_segment_type;
    case TagScheme::iob2:
      return to.letter != 'I' || same_segment_type;
    case TagScheme::bioes: {
      const bool open = from.letter == 'B' || from.letter == 'I';
      const bool goes_on = to.letter == 'I' || to.letter == 'E';
      return open == goes_on && (!open || same_segment_type);
    }
  }
  return true;
}

}  // namespace

TagRules::TagRules(Index tags) {
  if (tags < 1) throw ValueError("[TagRules] tags is ", tags, "; expected at least 1");
  const auto k = static_cast<std::size_t>(tags);
  start.assign(k, 1);
  end.assign(k, 1);
  follow.assign(k * k, 1);
}

std::string TagRules::violation(std::span<const Index> path) const {
  if (start.empty() || path.empty()) return {};
  const auto say = [&](std::size_t t, const std::string& what) { return detail::text("step ", t, ": ", what); };
  const auto name = [&](Index k) {
    const std::string number = std::to_string(k);
    return names.empty() ? "tag " + number : names[k] + " (" + number + ")";
  };
  if (!start[path.front()]) return say(0, name(path.front()) + " may not be the first");
  for (std::size_t t = 1; t < path.size(); ++t)
    if (!allows(path[t - 1], path[t])) return say(t, name(path[t]) + " may not follow " + name(path[t - 1]));
  if (!end[path.back()]) return say(path.size() - 1, name(path.back()) + " may not be the last");
  return {};
}

TagRules tag_rules(const std::vector<std::string>& names, TagScheme scheme) {
  TagRules rules(names.size());
  rules.names = names;
  std::vector<RuleTag> tags;
  for (const std::string& name : names) tags.push_back(parse(name, tags.size(), scheme));
  for (std::size_t i = 0; i < tags.size(); ++i) {
    rules.start[i] = may_start(tags[i], scheme);
    rules.end[i] = may_end(tags[i], scheme);
    for (std::size_t j = 0; j < tags.size(); ++j)
      rules.follow[i * tags.size() + j] = may_follow(tags[i], tags[j], scheme);
  }
  return rules;
}

}  // namespace unroll
