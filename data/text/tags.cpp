#include "tags.hpp"

#include <algorithm>
#include <string_view>

#include "../../core/error.hpp"
#include "text_detail.hpp"

namespace unroll {

namespace {

struct Tag {
  char prefix = 'O';
  std::string_view type;
};

Tag parsed(const std::string& text, std::size_t place) {
  const std::string_view s = text;
  const bool prefix = !s.empty() && std::string_view("BIES").find(s[0]) != std::string_view::npos;
  if (s == "O") return {};
  if (prefix && s.size() == 1) return {s[0], {}};
  if (prefix && s[1] == '-') return {s[0], s.substr(2)};
  throw ValueError("[spans_of] tag ", place, " is ", detail::quoted(s),
                   ", expected O or one of B, I, E, S with '-' and a type");
}

bool in(char c, std::string_view list) { return list.find(c) != list.npos; }

bool starts(const Tag& before, const Tag& tag) {
  if (tag.prefix == 'O') return false;
  return in(tag.prefix, "BS") || in(before.prefix, "OES") || before.type != tag.type;
}
bool ends(const Tag& before, const Tag& tag) {
  if (before.prefix == 'O') return false;
  return in(before.prefix, "ES") || in(tag.prefix, "OBS") || before.type != tag.type;
}

std::string tag(char prefix, const std::string& type) {
  std::string text(1, prefix);
  if (!type.empty()) text += '-', text += type;
  return text;
}

}  // namespace

std::vector<TagSpan> spans_of(std::span<const std::string> tags) {
  std::vector<TagSpan> spans;
  Tag before;
  Index begin = -1;
  for (std::size_t t = 0; t <= tags.size(); ++t) {
    const Tag now = t < tags.size() ? parsed(tags[t], t) : Tag();
    if (begin >= 0 && ends(before, now)) {
      spans.push_back({begin, static_cast<Index>(t), std::string(before.type)});
      begin = -1;
    }
    if (starts(before, now)) begin = static_cast<Index>(t);
    before = now;
  }
  return spans;
}

std::vector<std::string> tags_of(std::span<const TagSpan> spans, Index length, TagScheme scheme) {
  std::vector<const TagSpan*> order;
  for (const auto& span : spans) order.push_back(&span);
  std::sort(order.begin(), order.end(), [](auto* a, auto* b) { return a->begin < b->begin; });
  std::vector<std::string> tags(std::max<Index>(length, 0), "O");
  const TagSpan* before = nullptr;
  for (const TagSpan* span : order) {
    const auto say = [](const TagSpan& s) { return detail::text(s.begin, " .. ", s.end - 1); };
    if (span->begin < 0 || span->end <= span->begin || span->end > length)
      throw ValueError("[tags_of] a span from ", span->begin, " to before ", span->end,
                       ", expected one token or more of ", length);
    if (before && before->end > span->begin)
      throw ValueError("[tags_of] spans ", say(*before), " and ", say(*span), " overlap");
    const auto begin = static_cast<std::size_t>(span->begin), end = static_cast<std::size_t>(span->end);
    const bool touches = before && before->end == span->begin && before->type == span->type;
    for (std::size_t t = begin; t < end; ++t) tags[t] = tag('I', span->type);
    if (scheme == TagScheme::iob2 || (scheme == TagScheme::iob1 && touches)) tags[begin] = tag('B', span->type);
    if (scheme == TagScheme::bioes) {
      tags[begin] = tag('B', span->type);
      tags[end - 1] = tag(end - begin == 1 ? 'S' : 'E', span->type);
    }
    before = span;
  }
  return tags;
}

std::vector<std::string> convert_tags(std::span<const std::string> tags, TagScheme to) {
  return tags_of(spans_of(tags), tags.size(), to);
}

std::optional<Index> first_invalid_tag(std::span<const std::string> tags, TagScheme scheme) {
  const auto valid = convert_tags(tags, scheme);
  for (std::size_t t = 0; t < tags.size(); ++t)
    if (tags[t] != valid[t]) return static_cast<Index>(t);
  return {};
}

std::vector<TagScheme> possible_schemes(std::span<const std::vector<std::string>> sentences) {
  std::vector<TagScheme> schemes = {TagScheme::iob1, TagScheme::iob2, TagScheme::bioes};
  for (const auto& tags : sentences)
    std::erase_if(schemes, [&](TagScheme scheme) { return first_invalid_tag(tags, scheme).has_value(); });
  return schemes;
}

const char* name_of(TagScheme scheme) {
  return scheme == TagScheme::iob1 ? "IOB1" : scheme == TagScheme::iob2 ? "IOB2" : "BIOES";
}

}  // namespace unroll
