#include "assistant/domain.hpp"

#include <map>

#include "common/chance.hpp"
#include "unroll/data/text/tags.hpp"
#include "unroll/data/text/tokenize.hpp"

namespace unroll::examples {

namespace {

struct Values {
  std::vector<std::string> cities, timers, airlines;
};

const Values& known() {
  static const Values values = {
      {"london",       "mumbai",         "berlin", "nairobi", "osaka",       "lagos",          "new delhi",
       "madrid",       "cairo",          "lima",   "toronto", "hanoi",       "chicago",        "vienna",
       "san jose",     "dublin",         "seoul",  "rome",    "boston",      "cape town",      "lisbon",
       "accra",        "warsaw",         "quito",  "geneva",  "athens",      "manila",         "bergen",
       "buenos aires", "perth",          "paris",  "tokyo",   "mexico city", "glasgow",        "st louis",
       "kiev",         "salt lake city", "naples", "austin",  "karachi",     "nice",           "reading",
       "the hague",    "los angeles",    "izmir",  "davao",   "kingston",    "la paz",         "ho chi minh city",
       "split",        "bath",           "cork",   "mobile",  "phoenix",     "guatemala city", "san francisco",
       "abu dhabi",    "port louis",     "bern",   "pune"},
      {"pasta",          "laundry",
       "bread",          "tea",
       "homework",       "the oven",
       "chicken soup",   "yoga",
       "the roast",      "piano practice",
       "rice",           "the meeting",
       "cookies",        "the washing machine",
       "stretching",     "beans",
       "the bath",       "lentils",
       "boiled rice",    "guitar practice",
       "the dryer",      "parking",
       "the phone call", "lunch",
       "the interview",  "meditation",
       "running",        "the soup",
       "a break",        "math exercises",
       "the kids",       "muffins",
       "the kettle",     "french lessons",
       "green tea",      "the cat",
       "onions",         "apple pie",
       "the grill",      "drawing"},
      {"air france", "delta",    "lufthansa",      "united",         "emirates",  "klm",      "air india",
       "qantas",     "iberia",   "jetblue",        "air berlin",     "southwest", "alitalia", "korean air",
       "avianca",    "aeroflot", "air mauritius",  "cathay pacific", "easyjet",   "spirit",   "turkish airlines",
       "air baltic", "tap",      "japan airlines", "wizz air"}};
  return values;
}

const Values& held_out_values() {
  static const Values values = {
      {"bengaluru", "prague",   "kampala",   "nagoya",    "sao paulo", "oslo",  "chennai",
       "tunis",     "new york", "montreal",  "zurich",    "riga",      "busan", "porto",
       "dakar",     "leeds",    "hyderabad", "las vegas", "minsk",     "denver"},
      {"eggs", "the pizza", "noodles", "the nap", "violin practice", "cake", "the dishwasher", "knitting", "potatoes"},
      {"finnair", "air canada", "ryanair", "swiss", "garuda", "etihad", "air china", "norwegian"}};
  return values;
}

struct Frames {
  const char* intent;
  std::vector<std::string> frames;
};

// A name in braces is a slot; of what '/' parts one is taken; an underscore is a space, and "-" nothing.
const std::vector<Frames>& frames() {
  static const std::vector<Frames> all = {
      {"set_timer",
       {"-/please set/start a timer for {duration}", "set/start a {duration} timer", "wake/call me in {duration}",
        "set/start a timer for {timer} for {duration}", "-/please start the {timer} timer for {duration}",
        "remind me about {timer} in {duration}", "i need {duration} for {timer}", "time {timer} for {duration}",
        "{duration} for {timer} please", "can_you/could_you set a {duration} timer for {timer}"}},
      {"cancel_timer",
       {"-/please cancel/stop/delete the {timer} timer", "cancel/stop the timer for {timer}",
        "-/please cancel/stop my timer -/now", "i do not need the {timer} timer any more",
        "forget the timer for {timer}", "stop counting for {timer}", "turn off the {duration} timer"}},
      {"get_weather",
       {"what/how is the weather in {city} {day}", "what is the weather like {day}",
        "will/does it rain/snow in {city} -/{day}", "is it cold/warm/sunny in {city} -/now/{day}",
        "do i need an umbrella/a_coat in {city} {day}", "weather in/for {city} {day}",
        "how hot will it be {day} in {city}", "tell_me/show_me the forecast/weather for {city}",
        "{day} is it going_to/likely_to rain in {city}"}},
      {"book_flight",
       {"book/find/get me a flight from {from} to {to}", "i want/need/would_like to fly from {from} to {to} {day}",
        "-/please book a flight to {to} from {from} {day}", "i need a {airline} flight to {to} {day}",
        "fly me to {to} {day}", "from {from} to {to} {day} with {airline} please",
        "is there a flight to {to} with {airline} from {from}", "book/reserve {count} seats/tickets to {to} {day}",
        "i have_to/must be in {to} {day} and i am in {from}", "get {count} tickets from {from} to {to} on {airline}"}},
      {"book_hotel",
       {"book/find/reserve a hotel/room in {city} -/{day}", "i need/want a room in {city} for {count} nights",
        "find me a place to stay in {city} {day}", "a hotel/room for {count} people in {city} -/please",
        "where can i/we sleep/stay in {city} {day}", "reserve {count} rooms in {city} -/{day}"}},
      {"flight_status",
       {"is the flight/plane from {from} late/on_time", "when does the {airline} flight/plane from {from} land/arrive",
        "has/did the {airline} flight/plane to {to} left/landed", "what time does the plane to {to} leave {day}",
        "is {airline} late/on_time {day}", "when will/does the flight from {from} get to {to}"}}};
  return all;
}

std::string value_of(const std::string& slot, const Values& values, Rng& rng) {
  static const std::vector<std::string>
      numbers = {"two",    "three",   "four",   "five",   "six",   "seven",  "eight",     "ten",
                 "twelve", "fifteen", "twenty", "thirty", "forty", "ninety", "a hundred", "twenty five"},
      units = {"minutes", "seconds", "hours"},
      one = {"a minute", "an hour", "half an hour", "one second", "a quarter of an hour"},
      days = {"today",        "tomorrow",  "tonight",      "on monday",        "on tuesday",      "on friday",
              "on sunday",    "next week", "this weekend", "tomorrow morning", "on friday night", "on the third of may",
              "next saturday"};
  if (slot == "duration")
    return rng.bernoulli(0.25) ? one_of(one, rng) : one_of(numbers, rng) + " " + one_of(units, rng);
  if (slot == "day") return one_of(days, rng);
  if (slot == "count") return one_of(numbers, rng);
  if (slot == "timer") return one_of(values.timers, rng);
  if (slot == "airline") return one_of(values.airlines, rng);
  return one_of(values.cities, rng);
}

}  // namespace

Utterances make_utterances(Index count, bool held_out, Rng& rng) {
  const Values& values = held_out ? held_out_values() : known();
  Utterances all;
  for (Index k = 0; k < count; ++k) {
    const Frames& kind = one_of(frames(), rng);
    std::vector<std::string> words, tags;
    for (const auto& piece : tokenize_space(one_of(kind.frames, rng))) {
      std::string choice = one_part_of(piece, '/', rng), slot;
      if (choice == "-") continue;
      if (choice.front() == '{') {
        slot = choice.substr(1, choice.size() - 2);
        choice = value_of(slot, values, rng);
      }
      for (char& c : choice)
        if (c == '_') c = ' ';
      bool first = true;
      for (auto& word : tokenize_space(choice)) {
        words.push_back(std::move(word));
        tags.push_back(slot.empty() ? "O" : (first ? "B-" : "I-") + slot);
        first = false;
      }
    }
    all.sentences.words.push_back(std::move(words)), all.sentences.tags.push_back(std::move(tags));
    all.intents.emplace_back(kind.intent);
  }
  return all;
}

std::string reply(const std::string& intent, const std::vector<std::string>& words,
                  const std::vector<std::string>& tags) {
  std::map<std::string, std::string> slots;
  for (const auto& span : spans_of(tags)) {
    std::string& text = slots[span.type];
    for (auto t = span.begin; t < span.end; ++t) text += (text.empty() ? "" : " ") + words[static_cast<std::size_t>(t)];
  }
  // `before` and the slot's words; nothing without them.
  const auto with = [&](const char* before, const char* slot) {
    const auto at = slots.find(slot);
    return at == slots.end() ? std::string() : before + at->second;
  };
  const bool city = slots.contains("city"), to = slots.contains("to");
  if (intent == "set_timer")
    return slots.contains("duration") ? "A timer" + with(" for ", "timer") + " of " + slots["duration"] + " is running."
                                      : "For how long?";
  if (intent == "cancel_timer") return "The timer" + with(" for ", "timer") + with(" of ", "duration") + " is off.";
  if (intent == "get_weather") return "Looking up the weather" + with(" in ", "city") + with(" ", "day") + ".";
  if (intent == "book_flight")
    return to ? "Looking for flights" + with(" for ", "count") + with(" from ", "from") + with(" to ", "to") +
                    with(" ", "day") + with(" with ", "airline") + "."
              : "Where do you want to fly to?";
  if (intent == "book_hotel")
    return city ? "Looking for rooms in " + slots["city"] + with(" ", "day") + with(" for ", "count") + "."
                : "In which city?";
  if (intent == "flight_status")
    return "Asking" + with(" ", "airline") + " about the plane" + with(" from ", "from") + with(" to ", "to") +
           with(" ", "day") + ".";
  return "";
}

}  // namespace unroll::examples
