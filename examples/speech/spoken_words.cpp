#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <numbers>
#include <string_view>

#include "common/program.hpp"
#include "speech/recordings.hpp"
#include "unroll/core/error.hpp"

namespace unroll::examples {

namespace {

/// A folder that is gone afterwards, with all that is in it.
class ScratchFolder {
 public:
  ScratchFolder() : path_((std::filesystem::temp_directory_path() / "unroll-speech-XXXXXX").string()) {
    if (!mkdtemp(path_.data())) throw DataError(path_ + ": cannot be made: " + std::strerror(errno));
  }
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// Starts espeak-ng; -1 when there is no such program.
pid_t start_speaking(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "espeak-ng");
  std::vector<char*> words;
  for (std::string& a : arguments) words.push_back(a.data());
  words.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  for (const int stream : {0, 1, 2}) posix_spawn_file_actions_addopen(&actions, stream, "/dev/null", O_RDWR, 0);
  pid_t child = -1;
  const int failed = posix_spawnp(&child, words[0], &actions, nullptr, words.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  return failed == 0 ? child : -1;
}

bool ended_well(pid_t child) {
  int status = -1;
  while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

bool can_speak() { return ended_well(start_speaking({"--version"})); }

std::vector<Utterance> speak_digits(Index voices, Index times, Rng& rng) {
  // Accents and timbres; some speak through the nose, some creak.
  constexpr std::array names = {"en-us+m1",          "en-gb+f1",     "en-us+m3",          "en-gb+f3",
                                "en-gb-scotland+m4", "en-us+f4",     "en-gb-x-gbclan+m5", "en-us+f5",
                                "en-gb+m7",          "en-us+klatt2", "en-gb+f2",          "en-gb-x-rp+m2"};
  const ScratchFolder folder;
  std::vector<Utterance> spoken;
  std::vector<pid_t> speaking;
  const auto wait = [&](std::size_t at_most) {
    while (speaking.size() > at_most) {
      if (!ended_well(speaking.front())) throw DataError("espeak-ng could not speak");
      speaking.erase(speaking.begin());
    }
  };
  for (Index v = 0; v < std::min<Index>(voices, std::ssize(names)); ++v) {
    const std::string voice = names[static_cast<std::size_t>(v)];
    for (Index i = 0; i < times; ++i) {
      const auto pitch = 30 + rng.integer(41), speed = 120 + rng.integer(101);
      for (Index digit = 0; digit < 10; ++digit) {
        const std::string word = std::to_string(digit);
        spoken.push_back({word,
                          voice,
                          i,
                          folder.path() + text("/%s_%s_%d.wav", word.c_str(), voice.c_str(), static_cast<int>(i)),
                          0,
                          {}});
        speaking.push_back(start_speaking({"-z", "-v", voice, "-p", std::to_string(pitch), "-s", std::to_string(speed),
                                           "-w", spoken.back().file, letters_of(word)}));
        wait(3);
      }
    }
  }
  wait(0);
  for (Utterance& r : spoken) {
    Utterance heard = read_recording(r.file);
    r.rate = heard.rate, r.samples = std::move(heard.samples);
  }
  return spoken;
}

namespace {

/// How a sound is made: two resonances, in Hz; how much of it is voice and how much is hiss; milliseconds.
struct Phone {
  double first, second, voice, hiss, length;
};
Phone phone_of(char c) {
  switch (c) {
    case 'a':
      return {750, 1250, 1, 0, 110};
    case 'e':
      return {500, 1900, 1, 0, 90};
    case 'i':
      return {300, 2300, 1, 0, 100};
    case 'o':
      return {480, 900, 1, 0, 110};
    case 'u':
      return {320, 1000, 1, 0, 110};
    case 'n':
      return {260, 1300, 0.5, 0, 80};
    case 'r':
      return {420, 1250, 0.7, 0, 60};
    case 'v':
      return {300, 1100, 0.4, 0.1, 50};
    case 'w':
      return {300, 650, 0.8, 0, 60};
    case 'z':
      return {300, 3300, 0.3, 0.4, 80};
    case 's':
      return {2500, 3600, 0, 0.6, 110};
    case 'f':
      return {1200, 2800, 0, 0.25, 80};
    case 't':
      return {1800, 3200, 0, 0.5, 30};
    case 'k':
      return {900, 1900, 0, 0.5, 35};
    default:
      return {500, 1500, 0, 0, 40};  // silence
  }
}

/// y_n = g x_n + 2 r cos(2 pi f) y_(n-1) - r^2 y_(n-2): a resonance.
struct Resonance {
  double y1 = 0, y2 = 0;
  double operator()(double x, double frequency, double width, double rate) {
    const double r = std::exp(-std::numbers::pi * width / rate), c = std::cos(2 * std::numbers::pi * frequency / rate);
    const double y = (1 - r) * x + 2 * r * c * y1 - r * r * y2;
    y2 = y1, y1 = y;
    return y;
  }
};

}  // namespace

std::vector<Utterance> make_words(Index speakers, Index times, Rng& rng) {
  constexpr std::array<std::string_view, 10> spelled = {"ziro", "wan",  " tu",   "sri",  "fo",
                                                        "faiv", "siks", "seven", "ei t", "nain"};
  constexpr double rate = 8000;
  std::vector<Utterance> words;
  for (Index s = 0; s < speakers; ++s) {
    const double tract = rng.uniform(0.85, 1.2), pitch = 90 * std::pow(tract, 3) * rng.uniform(0.9, 1.3);
    const double speed = rng.uniform(0.8, 1.25), width = rng.uniform(60.0, 120.0), breath = rng.uniform(0.0, 0.15);
    for (Index i = 0; i < times; ++i)
      for (std::size_t digit = 0; digit < spelled.size(); ++digit) {
        Utterance word{std::to_string(digit), "speaker" + std::to_string(s), i, "", 8000, {}};
        const double hurry = speed * rng.uniform(0.85, 1.15), height = pitch * rng.uniform(0.9, 1.1);
        std::array<Resonance, 2> resonances;
        Phone now = phone_of(spelled[digit][0]);
        double phase = 0;
        for (const char c : spelled[digit]) {
          const Phone target = phone_of(c);
          const double first = target.first * rng.uniform(0.93, 1.07), second = target.second * rng.uniform(0.93, 1.07);
          for (Index n = std::lround(target.length / 1000 * rate / hurry); n > 0; --n) {
            constexpr double glide = 1 / (0.02 * rate);  // towards the target within some 20 ms
            now.first += glide * (first - now.first), now.second += glide * (second - now.second);
            now.voice += glide * (target.voice - now.voice), now.hiss += glide * (target.hiss - now.hiss);
            phase += height / rate;
            const double pulse = phase >= 1 ? 10 * now.voice : 0;
            phase -= std::floor(phase);
            const double source = pulse + (now.hiss + breath * now.voice) * rng.normal();
            const double y = resonances[0](source, std::min(now.first * tract, 3700.0), width, rate) +
                             resonances[1](source, std::min(now.second * tract, 3700.0), 1.5 * width, rate);
            word.samples.push_back(static_cast<float>(y + 1e-3 * rng.normal()));
          }
        }
        words.push_back(std::move(word));
      }
  }
  return words;
}

}  // namespace unroll::examples
