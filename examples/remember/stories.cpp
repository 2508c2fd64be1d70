#include "remember/stories.hpp"

#include <algorithm>
#include <set>

#include "common/training.hpp"
#include "unroll/core/error.hpp"
#include "unroll/data/text/labelled_text.hpp"
#include "unroll/data/text/tokenize.hpp"
#include "unroll/data/text/utf8.hpp"

namespace unroll::examples {

std::vector<Story> read_stories(const std::string& path) {
  std::vector<Story> stories;
  for (const LabelledText& item : read_labelled_texts(path)) {
    stories.push_back({tokenize_words(encode_utf8(item.text)), item.label, item.where});
    if (stories.back().words.empty()) throw DataError(item.where + ": no word before the answer '" + item.label + "'");
  }
  return stories;
}

std::string StoryGroup::name() const {
  return from == to ? std::to_string(to) : std::to_string(from) + "-" + std::to_string(to);
}

StoryTask::StoryTask(const std::vector<Story>& train) {
  TokenCounts counts;
  std::set<std::string> different;
  std::vector<Index> gaps;
  for (const Story& story : train) {
    count_tokens(counts, story.words);
    different.insert(story.answer);
    gaps.push_back(story.gap());
  }
  if (different.size() < 2)
    throw DataError("too little to learn from: " + std::to_string(train.size()) + " stories, " +
                    std::to_string(different.size()) + " different answers, expected two or more");
  words = Vocabulary(counts);
  answers.assign(different.begin(), different.end());
  std::sort(gaps.begin(), gaps.end());
  const std::set<Index> all(gaps.begin(), gaps.end());
  const bool one_each = all.size() <= 8;
  const std::size_t size = one_each ? 1 : (gaps.size() + 5) / 6;
  for (std::size_t i = 0, members = 0; i < gaps.size(); ++i, ++members) {
    const bool new_gap = i == 0 || gaps[i] != gaps[i - 1];
    if (new_gap && (i == 0 || members >= size)) groups.push_back({gaps[i], gaps[i], {}, {}}), members = 0;
    groups.back().to = gaps[i];
  }
  for (const Story& story : train) group_of(story.gap()).train.push_back(encode(story));
}

StoryTask::StoryTask(const nlohmann::json& settings, const std::string& path)
    : words(setting<std::vector<std::string>>(settings, "words", path), "<unk>"),
      answers(setting<std::vector<std::string>>(settings, "answers", path)) {
  for (const auto& [from, to] : setting<std::vector<std::pair<Index, Index>>>(settings, "gaps", path))
    groups.push_back({from, to, {}, {}});
  if (groups.empty() || answers.empty()) throw DataError(path + ": its settings have no proper 'gaps' or 'answers'");
}

void StoryTask::add_test(const std::vector<Story>& test) {
  for (const Story& story : test) group_of(story.gap()).test.push_back(encode(story));
}

nlohmann::json StoryTask::settings() const {
  std::vector<std::string> tokens;
  for (Index id = 0; id < words.size(); ++id) tokens.push_back(words.token(id));
  std::vector<std::pair<Index, Index>> gaps;
  for (const StoryGroup& group : groups) gaps.emplace_back(group.from, group.to);
  return {{"words", tokens}, {"answers", answers}, {"gaps", gaps}};
}

Index StoryTask::largest() const {
  Index n = 0;
  for (const StoryGroup& group : groups) n = std::max(n, std::ssize(group.train));
  return n;
}

StoryItem StoryTask::encode(const Story& story) const {
  const auto answer = std::find(answers.begin(), answers.end(), story.answer);
  if (answer == answers.end())
    throw DataError(story.where + ": answer '" + story.answer + "' does not occur in training");
  return {words.encode(story.words), answer - answers.begin()};
}

StoryGroup& StoryTask::group_of(Index gap) {
  const auto distance = [&](const StoryGroup& g) { return std::max({g.from - gap, gap - g.to, Index{0}}); };
  return *std::min_element(groups.begin(), groups.end(),
                           [&](const StoryGroup& a, const StoryGroup& b) { return distance(a) < distance(b); });
}

}  // namespace unroll::examples
