#pragma once
/// \file
/// Stories whose last word depends on their first one: "Isha went for a vacation ... she".

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "unroll/core/random.hpp"
#include "unroll/data/text/vocabulary.hpp"

namespace unroll::examples {

/// What a reader has seen, and the word that must follow.
struct Story {
  std::vector<std::string> words;
  std::string answer;
  std::string where = {};  ///< "file:line"

  /// Words between the first one and the answer.
  Index gap() const { return static_cast<Index>(words.size()) - 1; }
};

/// `count` stories of a name, `gap` words, and "she" or "he":
///
///     Isha went for a vacation the train was late Rohan sent a postcard it rained ... she
///
/// What comes between says nothing about the answer, the names of other people there included. Throws ValueError on a
/// gap below 4.
std::vector<Story> make_vacations(Index count, Index gap, Rng& rng);

/// Reads lines `answer TAB the words before it`. Throws DataError, with file and line, as read_labelled_texts does.
std::vector<Story> read_stories(const std::string& path);

/// A story by numbers.
struct StoryItem {
  std::vector<Index> words;
  Index answer = 0;
};

/// Stories of about one gap.
struct StoryGroup {
  Index from = 0, to = 0;  ///< their gaps
  std::vector<StoryItem> train, test;

  /// "60", or "41-60".
  std::string name() const;
};

/// Stories by number and by gap.
struct StoryTask {
  /// A task with the words, answers and gaps of these stories: a group for each gap, or where there are more than eight
  /// six groups of about equal size. Throws DataError when there is only one answer, or none.
  explicit StoryTask(const std::vector<Story>& train);
  /// The task of a saved model; `path` is for messages.
  StoryTask(const nlohmann::json& settings, const std::string& path);

  /// Adds stories to be judged by, each to the group of the nearest gap. A word that training did not show is the
  /// unknown one; an answer that it did not show throws DataError, with file and line.
  void add_test(const std::vector<Story>& test);
  /// For a model's file.
  nlohmann::json settings() const;
  /// Stories to learn from in the largest group.
  Index largest() const;

  Vocabulary words;
  std::vector<std::string> answers;
  std::vector<StoryGroup> groups;  ///< from short gaps to long ones

 private:
  StoryItem encode(const Story& story) const;
  StoryGroup& group_of(Index gap);
};

}  // namespace unroll::examples
