#include "speech/recordings.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <tuple>

#include "unroll/core/error.hpp"
#include "unroll/data/series/wav.hpp"

namespace unroll::examples {

namespace fs = std::filesystem;

namespace {

bool is_sound(const fs::path& path) {
  std::string end = path.extension().string();
  std::transform(end.begin(), end.end(), end.begin(), [](unsigned char c) { return std::tolower(c); });
  return end == ".wav" || end == ".flac" || end == ".ogg" || end == ".aiff" || end == ".au";
}

/// What stands before, between and behind the first and the last "_" of a file's name.
struct NameParts {
  std::string first, middle;
  Index number = 0;
};
NameParts parts_of(const fs::path& file) {
  const std::string name = file.stem().string();
  const std::size_t first = name.find('_'), last = name.rfind('_');
  if (first == std::string::npos) return {name, {}, 0};
  NameParts parts{name.substr(0, first), first < last ? name.substr(first + 1, last - first - 1) : std::string(), 0};
  std::from_chars(name.data() + last + 1, name.data() + name.size(), parts.number);
  return parts;
}

Utterance heard(const fs::path& file) {
  const Sound sound = read_wav(file.string());
  if (sound.steps() == 0) throw DataError(file.string() + ": there is no sound in this file");
  Utterance r;
  r.file = file.string(), r.rate = sound.rate, r.samples = sound.mono();
  return r;
}

}  // namespace

Utterance read_recording(const std::string& file) { return heard(file); }

std::vector<Utterance> read_recordings(const std::string& folder) {
  std::error_code failure;
  std::vector<std::tuple<std::string, std::string, Index, fs::path>> found;  // word, speaker, number, file
  const auto look = [&](const fs::path& path, const std::string& word) {
    for (const auto& entry : fs::directory_iterator(path, failure)) {
      if (!entry.is_regular_file() || !is_sound(entry.path())) continue;
      const auto [first, middle, number] = parts_of(entry.path());
      if (word.empty() && (first.empty() || middle.empty()))
        throw DataError(entry.path().string() + ": expected a name like 7_anna_0.wav: word, speaker, number");
      found.emplace_back(word.empty() ? first : word, word.empty() ? middle : first, number, entry.path());
    }
  };
  look(folder, "");
  if (failure) throw DataError(folder + ": cannot be read: " + failure.message());
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.is_directory() && entry.path().filename().string()[0] != '_') look(entry.path(), entry.path().filename());
  if (found.empty()) throw DataError(folder + ": no sound files in this folder, nor in folders in it");
  std::sort(found.begin(), found.end());
  std::vector<Utterance> recordings;
  for (auto& [word, speaker, number, file] : found) {
    recordings.push_back(heard(file));
    recordings.back().word = word, recordings.back().speaker = speaker, recordings.back().number = number;
  }
  return recordings;
}

void write_recordings(const std::string& folder, const std::vector<Utterance>& recordings) {
  std::error_code failure;
  fs::create_directories(folder, failure);
  for (const Utterance& r : recordings) {
    float loudest = 1e-6f;
    for (const float x : r.samples) loudest = std::max(loudest, std::abs(x));
    std::string data;
    const auto put = [&data](std::size_t value, int bytes) {  // least significant byte first
      for (; bytes > 0; --bytes, value >>= 8) data += static_cast<char>(value & 0xff);
    };
    const std::size_t bytes = 2 * r.samples.size(), rate = static_cast<std::size_t>(r.rate);
    data += "RIFF", put(36 + bytes, 4), data += "WAVEfmt ";
    put(16, 4), put(1, 2), put(1, 2), put(rate, 4), put(2 * rate, 4), put(2, 2), put(16, 2);
    data += "data", put(bytes, 4);
    for (const float x : r.samples) put(static_cast<std::size_t>(std::lround(30000 * x / loudest)), 2);
    const std::string path = folder + "/" + r.word + "_" + r.speaker + "_" + std::to_string(r.number) + ".wav";
    if (!(std::ofstream(path, std::ios::binary) << data).flush()) throw DataError(path + ": cannot be written");
  }
}

std::string letters_of(const std::string& word) {
  static const std::map<std::string, std::string> digits = {{"0", "zero"},  {"1", "one"},  {"2", "two"}, {"3", "three"},
                                                            {"4", "four"},  {"5", "five"}, {"6", "six"}, {"7", "seven"},
                                                            {"8", "eight"}, {"9", "nine"}};
  const auto found = digits.find(word);
  return found == digits.end() ? word : found->second;
}

}  // namespace unroll::examples
