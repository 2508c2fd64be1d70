#include "why_recurrent/name_sentences.hpp"

#include <algorithm>
#include <cctype>

#include "common/chance.hpp"
#include "unroll/core/error.hpp"
#include "unroll/data/batches/split.hpp"
#include "unroll/data/text/conll.hpp"
#include "unroll/data/text/tags.hpp"

namespace unroll::examples {

namespace {

using Words = std::vector<std::string>;

const Words first_names = {"isha",  "meera", "rohan", "sumesh", "anna",  "paul",  "clara", "omar",   "nora", "jonas",
                           "laila", "ben",   "emma",  "arjun",  "julia", "david", "mina",  "martin", "asha", "leo"};
const Words last_names = {"patel",  "rao",   "granger", "miller", "santos", "kim",   "haddad",
                          "novak",  "berg",  "rossi",   "mehta",  "dubois", "lopez", "weber",
                          "tanaka", "smith", "osei",    "khan",   "lind",   "marek"};
const Words things = {"maps",    "gardens", "letters", "spells",   "lamps",   "bridges", "kettles",
                      "windows", "rivers",  "engines", "poems",    "castles", "wheels",  "storms",
                      "robots",  "owls",    "dragons", "teachers", "ships",   "bands"};
const Words qualities = {"old", "quiet", "broken", "small", "green", "famous", "slow", "strange", "heavy", "golden"};
const Words deeds = {"found",   "admired", "invented", "lost",  "repaired", "followed",
                     "painted", "forgot",  "praised",  "moved", "visited",  "described"};
const Words joins = {"and", "while", "because", "but", "before", "although"};
const std::vector<Words> times = {{"today"}, {"yesterday"}, {"in", "winter"}, {"at", "night"}, {"after", "the", "war"}};

void add(NameSentence& s, const std::string& word, bool name = false) {
  s.words.push_back(word), s.names.push_back(name);
}

/// A person, by one name or two, or things, in one word or two: nothing beside the word says which.
void add_somebody(NameSentence& s, Rng& rng) {
  if (rng.bernoulli(0.4)) {
    const Index kind = rng.integer(3);
    if (kind != 1) add(s, one_of(first_names, rng), true);
    if (kind != 0) add(s, one_of(last_names, rng), true);
  } else {
    if (rng.bernoulli(0.3)) add(s, one_of(qualities, rng));
    add(s, one_of(things, rng));
  }
}

void add_time(NameSentence& s, Rng& rng) {
  for (const std::string& word : one_of(times, rng)) add(s, word);
}

/// One of any length.
NameSentence sentence(Rng& rng) {
  NameSentence s;
  do {
    if (!s.words.empty()) add(s, one_of(joins, rng));
    if (rng.bernoulli(0.3)) add_time(s, rng);
    add_somebody(s, rng);
    add(s, one_of(deeds, rng));
    add_somebody(s, rng);
    if (rng.bernoulli(0.3)) add_time(s, rng);
  } while (rng.bernoulli(0.6));
  return s;
}

}  // namespace

NameSentence make_name_sentence(const NameSentenceOptions& o, Rng& rng) {
  if (o.length < 4 || o.harry_at >= o.length)
    throw ValueError("[make_name_sentence] " + std::to_string(o.length) + " words with a name at " +
                     std::to_string(o.harry_at) + ", expected 4 or more and a place among them");
  for (;;) {
    NameSentence s = sentence(rng);
    if (s.length() != o.length) continue;
    if (o.harry_at < 0) return s;
    const auto at = static_cast<std::size_t>(o.harry_at);
    const bool followed = at + 1 < s.words.size() && s.names[at + 1];
    if (followed || std::find(first_names.begin(), first_names.end(), s.words[at]) == first_names.end()) continue;
    s.words[at] = "harry";
    return s;
  }
}

std::vector<NameSentence> read_name_sentences(const std::string& path) {
  ConllFile file = read_conll(path);
  convert_tags(file, TagScheme::iob2);
  const auto person = [](std::string tag) {
    std::transform(tag.begin(), tag.end(), tag.begin(), [](unsigned char c) { return std::tolower(c); });
    return tag.find("per", 1) != std::string::npos;
  };
  const auto has_person = [&](const ConllSentence& s) { return std::any_of(s.tags().begin(), s.tags().end(), person); };
  const bool persons = std::any_of(file.sentences.begin(), file.sentences.end(), has_person);
  std::vector<NameSentence> list;
  for (const ConllSentence& s : file.sentences) {
    list.push_back({s.tokens(), {}});
    for (const std::string& tag : s.tags()) list.back().names.push_back(persons ? person(tag) : tag != "O");
  }
  return list;
}

NameTask::NameTask(const std::vector<NameSentence>& sentences, Index longest_, Index window_, Index vocabulary)
    : longest(longest_), window(window_) {
  TokenCounts counts;
  for (const NameSentence& s : sentences) count_tokens(counts, s.words);
  words = Vocabulary(counts, {.max_size = vocabulary});
  for (const NameSentence& s : sentences) {
    train.push_back(encode(s));
    for (std::size_t t = 0; t < s.words.size(); ++t)
      if (s.names[t]) places.emplace(train.back().words[t], t), names.insert(train.back().words[t]);
  }
  names.erase(words.unknown());
}

NameItem NameTask::encode(const NameSentence& s) const { return {words.encode(s.words), s.names}; }

NameTask make_name_task(Index count, Index exam, Index longest, Index window, Index vocabulary, Rng& rng) {
  std::vector<NameSentence> train;
  const auto length = [&](Index from, Index to) { return from + rng.integer(to - from + 1); };
  for (Index i = 0; i < count; ++i)
    train.push_back(make_name_sentence({.length = length(4, longest), .harry_at = i % 6 == 0 ? 0 : -1}, rng));
  NameTask task(train, longest, window, vocabulary);
  for (Index i = 0; i < exam; ++i) {
    const Index n = length(4, longest);
    task.test.push_back(task.encode(make_name_sentence({.length = n, .harry_at = i % 6 == 0 ? 0 : -1}, rng)));
    task.moved.push_back(task.encode(make_name_sentence({.length = n, .harry_at = 1 + i % (n - 1)}, rng)));
    task.longer.push_back(task.encode(make_name_sentence({.length = length(longest + 1, window)}, rng)));
  }
  return task;
}

NameTask read_name_task(const std::string& path, Index longest, Index window, Index vocabulary, Rng& rng) {
  std::vector<NameSentence> fitting, longer, train, test;
  for (NameSentence& s : read_name_sentences(path)) {
    if (s.length() <= longest)
      fitting.push_back(std::move(s));
    else if (s.length() <= window)
      longer.push_back(std::move(s));
  }
  const Split split = split_items(std::ssize(fitting), rng, {.test = 0.1});
  for (const Index i : split.train) train.push_back(fitting[static_cast<std::size_t>(i)]);
  for (const Index i : split.test) test.push_back(fitting[static_cast<std::size_t>(i)]);
  if (train.empty() || test.empty() || longer.empty())
    throw DataError(path + ": too little data: " + std::to_string(fitting.size()) + " sentences of up to " +
                    std::to_string(longest) + " words, " + std::to_string(longer.size()) + " of up to " +
                    std::to_string(window));
  NameTask task(train, longest, window, vocabulary);
  for (const NameSentence& s : test) task.test.push_back(task.encode(s));
  for (const NameSentence& s : longer) task.longer.push_back(task.encode(s));
  task.moved = task.test;
  return task;
}

}  // namespace unroll::examples
