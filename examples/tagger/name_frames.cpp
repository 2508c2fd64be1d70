#include "tagger/name_frames.hpp"

#include <algorithm>
#include <span>

#include "common/chance.hpp"
#include "common/program.hpp"
#include "unroll/data/text/tags.hpp"
#include "unroll/data/text/tokenize.hpp"

namespace unroll::examples {

namespace {

/// What sentences are made of. In a frame P, O and L stand for a name, and of words parted by '|' one is taken.
struct Material {
  std::vector<std::string> frames, first_names, surnames, organisations, places, shared;
};

const Material& training() {
  static const Material material = {
      {"P lives|lived|stays in L",
       "P moved|returned|flew|drove from L to L",
       "P moved|went to L last|this year",
       "P joined|left|founded|sued|runs O",
       "P joined O as an engineer|a manager|a clerk",
       "P and P met in L",
       "P and P work|worked|argued hard all day",
       "P married P in L on Monday|Friday|Sunday",
       "P met P at the station|school|market",
       "P studied law|music|history at O",
       "P , who works for O , flew to L",
       "P , who lives in L , sold the house to P",
       "P , the head|founder|owner of O , was|is ill|late",
       "P was born|raised in L",
       "P is a doctor|teacher|nurse at O",
       "P told P that O is|was hiring",
       "P said that the office in L is|was closed",
       "P said the train to L was late",
       "P bought shares|stock of|in O",
       "P bought a house|car in L",
       "P wrote to O about the job|price",
       "P resigned|retired from O on Monday|Friday",
       "P got a job|loan at|from O",
       "the office of O is|was in L",
       "the offices of O in L are|were closed",
       "the mayor|people of L thanked|met P",
       "the board of O met P yesterday|today",
       "the train|bus|plane to L was late",
       "the engineer|clerk worked at night|home",
       "O hired|fired|sued|thanked|paid P",
       "O opened|closed a plant|shop|office in L",
       "O and O agreed on a merger|price",
       "O bought O for a million|billion dollars",
       "O is hiring|looking for engineers|clerks in L",
       "O , which is based in L , hired P",
       "O said that P will|would lead the team",
       "O moved its headquarters from L to L",
       "shares|profits of O fell|rose on Monday|Friday",
       "last year P travelled to L",
       "yesterday P called|visited P in L",
       "yesterday O closed its plant in L",
       "today it rained|snowed in L",
       "L is|was a large|small|lovely town|city",
       "L and L are far apart|away",
       "we|they met P at O",
       "we|they saw P and P at the market|station",
       "we|they flew|drove to L with P",
       "we work|worked for O at the time",
       "my brother|sister|friend P works|worked for O",
       "my brother|sister lives|worked in L",
       "his|her boss at O , P , is|was ill|late",
       "a letter from P came from|to L",
       "a brother|sister|cousin of P lives|works in L",
       "the car|book of P is|was old|new",
       "In L , O opened|closed a plant|shop",
       "P left P at the station in L",
       "the new plant of O opened on Monday|Friday",
       "a manager|spokesman of O called P",
       "ask P about the flight|trip to L",
       "write to P in L or call O",
       "In L , P works|worked as a teacher|nurse",
       "In L it rained|snowed all day",
       "At O , P leads|led a small|large team",
       "Nobody in L knows|knew P",
       "Rain fell|came in the morning",
       "The price|job was too|very small",
       "Last year the house was sold"},
      {"Anna",  "Peter",  "Maria", "Ravi",   "Chen",  "Olga",   "Hassan", "Yuki",  "Pierre", "Ingrid",
       "Diego", "Fatima", "Kwame", "Lars",   "Priya", "Tom",    "Susan",  "Boris", "Leila",  "Carlos",
       "Nadia", "Samuel", "Ruth",  "Anders", "Mei",   "Giulia", "Karim",  "Elena", "Oscar",  "Hannah"},
      {"Smith",  "Garcia", "Patel", "Mueller", "Tanaka", "Rossi", "Novak",  "Dubois", "Okafor", "Larsen",
       "Ivanov", "Brown",  "Singh", "Costa",   "Haddad", "Weber", "Moreau", "Sato",   "Mensah", "Olsen"},
      {"Siemens",   "Toyota",   "Infosys",          "Nokia",  "Unilever",      "Samsung", "Acme Ltd",      "Barclays",
       "Airbus",    "Renault",  "Pfizer",           "Oracle", "Lego",          "Sony",    "Northern Bank", "Volvo",
       "Intel",     "Nestle",   "Hitachi",          "Shell",  "Global Motors", "Bayer",   "Canon",         "Ericsson",
       "Petrobras", "Vodafone", "Kyoto University", "Danone", "Wipro",         "Maersk"},
      {"London", "Mumbai",  "Berlin", "Nairobi", "Osaka",  "Lagos",    "New Delhi", "Madrid", "Oslo",   "Cairo",
       "Lima",   "Toronto", "Hanoi",  "Chicago", "Vienna", "San Jose", "Dublin",    "Seoul",  "Rome",   "Boston",
       "Pune",   "Lisbon",  "Accra",  "Warsaw",  "Quito",  "Geneva",   "Cape Town", "Athens", "Manila", "Bergen"},
      {"Ford",    "Jordan",    "Austin",  "Florence", "Lincoln",  "Chelsea", "Hudson",  "Houston", "Washington",
       "Kent",    "Morgan",    "Wells",   "Hamilton", "Paris",    "Madison", "Orlando", "Dallas",  "Boeing",
       "Philips", "Lancaster", "Warwick", "Bosch",    "Savannah", "Sharp",   "Regina"}};
  return material;
}

const Material& held_out_material() {
  static const Material material = {
      {"P worked at O in L",
       "P works|worked in L for O",
       "P flew from L to L with P",
       "P left O and joined O",
       "P met the mayor of L",
       "P , who was born in L , joined O",
       "P visited the plant of O in L",
       "P called the office of O",
       "P is the owner|founder of O",
       "P thanked P and the people of L",
       "O fired P last year",
       "O moved its office to L",
       "O is based in L",
       "O , which sued O , closed its office",
       "yesterday P and P drove to L",
       "today P resigned from O in L",
       "the house of P in L was sold",
       "a friend of P works for O",
       "my friend P lives in L",
       "we saw the offices of O",
       "they told P that the plane from L was late",
       "In L , O hired P"},
      {"Sumesh", "Isha",   "Harry", "Bjorn",  "Amara", "Luca", "Svetlana", "Kenji", "Miguel", "Zainab",
       "Paula",  "Viktor", "Chloe", "Rajesh", "Emeka", "Linh", "Freya",    "Omar",  "Teresa", "Nils"},
      {"Kumar", "Potter", "Nguyen", "Schmidt", "Rivera", "Bianchi", "Petrov", "Adeyemi", "Nakamura", "Svensson"},
      {"Cisco",           "Google",      "Honda",    "Reliance", "Danske Bank", "Philco",     "Lufthansa",
       "Adobe",           "Tata Motors", "Michelin", "Ikea",     "Fujitsu",     "Telefonica", "Roche",
       "Yale University", "Embraer",     "Zeiss",    "Qantas",   "Statoil",     "Alcatel"},
      {"Bengaluru", "Prague", "Kampala",  "Nagoya",    "Sao Paulo",    "Helsinki", "Chennai",
       "Tunis",     "Bogota", "Montreal", "Zurich",    "Kuala Lumpur", "Riga",     "Busan",
       "Porto",     "Dakar",  "Leeds",    "Hyderabad", "Utrecht",      "Minsk"},
      {"Jackson", "Charlotte", "Sydney", "Kellogg", "Heinz", "Carson", "Marshall", "Franklin", "Hilton", "Preston",
       "Georgia", "Adelaide", "Denver", "Tesla", "Ferrari", "Bristol", "Victoria", "Dell"}};
  return material;
}

/// Names that are words, too.
const std::vector<std::string> both_names = {"Teddy", "Rose", "Robin", "Penny", "Jack",   "Daisy", "Ruby",
                                             "Amber", "Iris", "Bill",  "Frank", "Ginger", "Pearl", "Holly"};

void add_words(const std::string& words, const std::string& type, TaggedSentences& sentences) {
  bool first = true;
  for (auto& word : tokenize_space(words)) {
    sentences.words.back().push_back(word);
    sentences.tags.back().push_back(type.empty() ? "O" : (first ? "B-" : "I-") + type);
    first = false;
  }
}

std::string person(const Material& m, Rng& rng) {
  const double kind = rng.uniform();
  if (kind < 0.4) return one_of(m.shared, rng);
  if (kind < 0.7) return one_of(m.first_names, rng);
  if (kind < 0.8) return one_of(m.first_names, rng) + " " + one_of(m.shared, rng);
  return one_of(m.first_names, rng) + " " + one_of(m.surnames, rng);
}

std::string shared_or(const std::vector<std::string>& names, const Material& m, Rng& rng) {
  return one_of(rng.bernoulli(0.4) ? m.shared : names, rng);
}

}  // namespace

TaggedSentences make_name_sentences(Index count, bool held_out, Rng& rng) {
  const Material& m = held_out ? held_out_material() : training();
  TaggedSentences sentences;
  for (Index k = 0; k < count; ++k) {
    sentences.words.emplace_back(), sentences.tags.emplace_back();
    for (const auto& slot : tokenize_space(one_of(m.frames, rng))) {
      if (slot == "P")
        add_words(person(m, rng), "person", sentences);
      else if (slot == "O")
        add_words(shared_or(m.organisations, m, rng), "organisation", sentences);
      else if (slot == "L")
        add_words(shared_or(m.places, m, rng), "place", sentences);
      else
        add_words(one_part_of(slot, '|', rng), "", sentences);
    }
  }
  return sentences;
}

TaggedSentences shuffled_words(const TaggedSentences& sentences, Rng& rng) {
  TaggedSentences shuffled;
  shuffled.scheme = sentences.scheme;
  for (std::size_t k = 0; k < sentences.words.size(); ++k) {
    const auto& tags = sentences.tags[k];
    auto units = spans_of(tags);
    for (Index t = 0; t < std::ssize(tags); ++t)
      if (tags[static_cast<std::size_t>(t)] == "O") units.push_back({t, t + 1, ""});
    rng.shuffle(std::span(units));
    shuffled.words.emplace_back(), shuffled.tags.emplace_back();
    for (const auto& unit : units)
      for (auto t = static_cast<std::size_t>(unit.begin); t < static_cast<std::size_t>(unit.end); ++t)
        shuffled.words.back().push_back(sentences.words[k][t]), shuffled.tags.back().push_back(tags[t]);
  }
  return shuffled;
}

TaggedSentences make_teddy_sentences(Index count, bool held_out, Rng& rng) {
  struct Parts {
    std::vector<std::string> begins, surnames, person_ends, things, thing_ends;
  };
  static const Parts training = {
      {"He said", "They say", "She thinks", "Everybody knows that", "I hear", "Yesterday", "We know"},
      {"Smith", "Garcia", "Lincoln", "Patel", "Jackson", "Brown", "Novak", "Carter", "Weber", "Hoover"},
      {"was a good doctor", "is ill", "was a great singer", "was late", "is in town", "was a poor president"},
      {"chains", "bushes", "coins", "plugs", "rings", "leaves", "cakes", "nests", "boxes", "seeds"},
      {"are cheap", "are in the shop", "were on the table", "are too small", "were lovely", "are for sale"}};
  static const Parts other = {{"He said", "She says that", "Nobody thinks"},
                              {"Roosevelt", "Kennedy", "Tanaka", "Dubois", "Truman"},
                              {"was a great president", "is late", "was a great doctor"},
                              {"bears", "cards", "pots", "toys", "shoes"},
                              {"are on sale", "are lovely", "were in the shop"}};
  const Parts& parts = held_out ? other : training;
  TaggedSentences sentences;
  const auto add = [&](const std::string& begin, const std::string& words, bool person, const std::string& end) {
    sentences.words.emplace_back(), sentences.tags.emplace_back();
    add_words(begin, "", sentences), add_words(words, person ? "person" : "", sentences), add_words(end, "", sentences);
  };
  if (held_out) {
    add("He said", "Teddy Roosevelt", true, "was a great president");
    add("He said", "Teddy bears", false, "are on sale");
  }
  while (std::ssize(sentences.words) < count) {
    const bool person = rng.bernoulli(0.5);
    add(one_of(parts.begins, rng), one_of(both_names, rng) + " " + one_of(person ? parts.surnames : parts.things, rng),
        person, one_of(person ? parts.person_ends : parts.thing_ends, rng));
  }
  return sentences;
}

double report_teddy(const char* model, const TaggedSentences& sentences, const Lists& guesses) {
  double right = 0;
  for (std::size_t k = 0; k < guesses.size(); ++k) {
    const auto& words = sentences.words[k];
    const auto at = static_cast<std::size_t>(
        std::find_first_of(words.begin(), words.end(), both_names.begin(), both_names.end()) - words.begin());
    right += guesses[k][at] == sentences.tags[k][at];
  }
  right *= 100 / static_cast<double>(guesses.size());
  print("%-9s: %5.1f %% of 'Teddy' and its like right, such as: %s; %s", model, right,
        with_tags(sentences.words[0], guesses[0]).c_str(), with_tags(sentences.words[1], guesses[1]).c_str());
  return right;
}

}  // namespace unroll::examples
