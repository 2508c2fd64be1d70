#include "speech/task.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include "unroll/core/error.hpp"
#include "unroll/optim/extra/time_warping.hpp"

namespace unroll::examples {

void Part::add(const Utterance& utterance) {
  items.push_back(&utterance);
  by_speaker_[utterance.speaker].push_back(&utterance);
}

Said Part::said(Index k, Index most, Rng& rng) const {
  Said said = {items.at(static_cast<std::size_t>(k))};
  const auto& others = by_speaker_.at(said[0]->speaker);
  for (Index more = rng.integer(most); more > 0; --more)
    said.push_back(others[static_cast<std::size_t>(rng.integer(std::ssize(others)))]);
  return said;
}

std::vector<Parting> part_recordings(std::span<const Utterance> recordings, const PartingOptions& options, Rng& rng) {
  std::set<std::string> speakers;
  for (const Utterance& r : recordings) speakers.insert(r.speaker);
  const auto part = [&](std::string name, auto&& held_out) {
    Parting parting{std::move(name), {}, {}};
    for (const Utterance& r : recordings) (held_out(r) ? parting.test : parting.train).add(r);
    if (parting.train.items.empty()) throw DataError("nothing is left to learn from without " + parting.name);
    if (parting.test.items.empty()) throw DataError("there is no recording of " + parting.name);
    return parting;
  };
  const auto without = [&](const std::vector<std::string>& names) {
    std::string joined;
    for (const std::string& name : names) {
      if (!speakers.contains(name)) throw DataError("no recording is of a speaker '" + name + "'");
      joined += (joined.empty() ? "" : ", ") + name;
    }
    return part(joined, [&](const Utterance& r) { return std::ranges::find(names, r.speaker) != names.end(); });
  };
  if (!options.hold_out.empty()) return {without(options.hold_out)};
  if (options.first > 0)
    return {part("the first recordings", [&](const Utterance& r) { return r.number < options.first; })};
  if (speakers.size() < 2) throw DataError("all recordings are of one speaker; --first N holds out recordings instead");
  std::vector<std::string> all(speakers.begin(), speakers.end());
  std::vector<Parting> partings;
  if (options.folds) {
    for (const std::string& name : all) partings.push_back(without({name}));
    return partings;
  }
  rng.shuffle(std::span(all));
  all.resize((all.size() + 9) / 10);
  return {without(all)};
}

Ears::Ears(std::span<const Utterance> recordings, const LogMelOptions& options) : options_(options) {
  for (const Utterance& r : recordings) by_rate_.try_emplace(r.rate, r.rate, options_);
}

const LogMel& Ears::ear_for(const Said& said) const {
  for (const Utterance* r : said)
    if (r->rate != said[0]->rate)
      throw DataError(r->file + ": " + std::to_string(r->rate) + " samples a second, " + said[0]->file + " has " +
                      std::to_string(said[0]->rate));
  return by_rate_.at(said[0]->rate);
}

namespace {

std::vector<std::string> sorted_words_of(const Part& part) {
  std::set<std::string> words;
  for (const Utterance* u : part.items) words.insert(u->word);
  return {words.begin(), words.end()};
}

std::vector<float> joined(const Said& said) {
  std::vector<float> samples;
  for (const Utterance* r : said) samples.insert(samples.end(), r->samples.begin(), r->samples.end());
  return samples;
}

}  // namespace

std::vector<float> Ears::hear(const Said& said) const {
  auto y = ear_for(said)(joined(said));
  normalize_bands(y, bands());
  return y;
}

std::vector<float> Ears::hear(const Said& said, const Disguise& disguise, Rng& rng) const {
  std::vector<float> samples;
  for (const Utterance* r : said) {
    auto word = r->samples;
    cut_ends(word, r->rate, disguise, rng);
    samples.insert(samples.end(), word.begin(), word.end());
  }
  add_noise(samples, disguise, rng);
  auto y = ear_for(said)(samples, voice_change(disguise, rng));
  normalize_bands(y, bands());
  mask_blocks(y, bands(), disguise, rng);
  return y;
}

std::vector<std::string> words_of(std::span<const Utterance> recordings) {
  std::set<std::string> words;
  for (const Utterance& u : recordings) words.insert(u.word);
  return {words.begin(), words.end()};
}

Words::Words(const Part& part) : Words(sorted_words_of(part)) {}

Words::Words(std::vector<std::string> sorted_words) : words(std::move(sorted_words)) {
  std::set<char> used = {' '};
  for (const std::string& word : words)
    for (const char c : letters_of(word)) used.insert(c);
  letters.assign(used.begin(), used.end());
}

Index Words::number_of(const Utterance& recording) const {
  const auto at = std::ranges::lower_bound(words, recording.word);
  if (at == words.end() || *at != recording.word)
    throw DataError(recording.file + ": the word '" + recording.word + "' does not occur in training");
  return at - words.begin();
}

std::vector<Index> Words::spelled(const Said& said) const {
  std::vector<Index> numbers;
  for (const Utterance* r : said) {
    const std::string text = (numbers.empty() ? "" : " ") + letters_of(r->word);
    for (const char c : text) {
      const auto at = letters.find(c);
      if (at == std::string::npos)
        throw DataError(r->file + ": the letter '" + std::string(1, c) + "' does not occur in training");
      numbers.push_back(static_cast<Index>(at) + 1);
    }
  }
  return numbers;
}

std::string Words::text(std::span<const Index> numbers) const {
  std::string text;
  for (const Index n : numbers) text += letters.at(static_cast<std::size_t>(n - 1));
  return text;
}

double nearest_recording_accuracy(const Parting& parting, const Words& words, const Ears& ears, Index most,
                                  int threads) {
  std::vector<std::vector<float>> series, asked;
  std::vector<Index> numbers;
  const auto count = static_cast<Index>(parting.train.items.size()), taken = std::min(count, most);
  for (Index k = 0; k < taken; ++k) {
    const Utterance* r = parting.train.items[static_cast<std::size_t>(k * count / taken)];
    series.push_back(ears.hear({r}));
    numbers.push_back(words.number_of(*r));
  }
  for (const Utterance* r : parting.test.items) asked.push_back(ears.hear({r}));
  const NearestSeries nearest(std::move(series), ears.bands(), std::move(numbers), {.band = 10});
  const auto guesses = nearest.classify_all(asked, threads);
  Index right = 0;
  for (std::size_t i = 0; i < guesses.size(); ++i) right += guesses[i] == words.number_of(*parting.test.items[i]);
  return static_cast<double>(right) / static_cast<double>(guesses.size());
}

}  // namespace unroll::examples
