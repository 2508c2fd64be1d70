#include "music/midi.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <string_view>

#include "common/program.hpp"
#include "unroll/core/error.hpp"
#include "unroll/data/files/atomic_file.hpp"
#include "unroll/data/text/text_file.hpp"

namespace unroll::examples {

namespace {

constexpr Index kTicks = 480;  // of a quarter note
constexpr int kDrums = 9;      // their channel, from 0

void append_number(std::string& bytes, std::uint64_t value, int count) {
  for (int shift = 8 * (count - 1); shift >= 0; shift -= 8) bytes += static_cast<char>((value >> shift) & 0xff);
}

/// Seven bits a byte, the highest first; all but the last have bit 7 set.
void append_variable(std::string& bytes, std::uint64_t value) {
  int shift = 0;
  while (value >> shift >= 0x80) shift += 7;
  for (; shift > 0; shift -= 7) bytes += static_cast<char>(0x80 | ((value >> shift) & 0x7f));
  bytes += static_cast<char>(value & 0x7f);
}

bool sounds(const std::vector<int>& step, int pitch) { return std::ranges::binary_search(step, pitch); }

class MidiReader {
 public:
  MidiReader(const std::string& path, Index steps_per_quarter)
      : path_(path), bytes_(read_bytes(path)), steps_per_quarter_(steps_per_quarter) {}

  PianoRoll read() {
    if (bytes_.empty()) throw DataError(path_ + ": the file is empty");
    if (!bytes_.starts_with("MThd")) refuse("no MIDI file: it does not begin with 'MThd'");
    at_ = 4;
    const std::size_t header = number(4), after = at_ + header;
    const std::uint64_t format = number(2), tracks = number(2), division = number(2);
    if (header < 6 || after > bytes_.size() || format > 1) refuse("expected a MIDI file of format 0 or 1");
    if (division == 0 || division >= 0x8000) refuse("time is not given in ticks of a quarter note");
    steps_per_tick_ = static_cast<double>(steps_per_quarter_) / static_cast<double>(division);
    at_ = after;
    for (std::uint64_t read = 0; read < tracks;) {
      const std::string kind = bytes_.substr(std::min(at_, bytes_.size()), 4);
      at_ += 4;
      const std::size_t length = number(4);
      if (length > bytes_.size() - at_) refuse("the file ends inside a track");
      if (kind == "MTrk")
        read_track(at_ + length), ++read;
      else
        at_ += length;  // chunks of other kinds may be there
    }
    for (auto& step : piece_) {
      std::ranges::sort(step);
      step.erase(std::unique(step.begin(), step.end()), step.end());
    }
    return std::move(piece_);
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    throw DataError(path_ + ": byte " + std::to_string(at_) + ": " + what);
  }
  std::uint64_t number(int count) {
    if (bytes_.size() - std::min(at_, bytes_.size()) < static_cast<std::size_t>(count)) refuse("the file ends early");
    std::uint64_t value = 0;
    for (int i = 0; i < count; ++i) value = value << 8 | static_cast<unsigned char>(bytes_[at_++]);
    return value;
  }
  std::uint64_t variable() {
    std::uint64_t value = 0;
    for (int i = 0; i < 4; ++i) {
      const std::uint64_t byte = number(1);
      value = value << 7 | (byte & 0x7f);
      if (byte < 0x80) return value;
    }
    refuse("a number of more than four bytes");
  }

  void read_track(std::size_t end) {
    std::array<std::array<double, 128>, 16> began;
    for (auto& channel : began) channel.fill(-1);
    double tick = 0;
    std::uint64_t status = 0;
    while (at_ < end) {
      tick += static_cast<double>(variable());
      if (at_ < bytes_.size() && static_cast<unsigned char>(bytes_[at_]) >= 0x80) status = number(1);
      if (status == 0xff) {
        const std::uint64_t kind = number(1), length = variable();
        at_ += length;
        if (kind == 0x2f) break;
      } else if (status == 0xf0 || status == 0xf7) {
        at_ += variable();
      } else if (status >= 0x80 && status < 0xf0) {
        const std::uint64_t first = number(1), second = (status & 0xe0) == 0xc0 ? 0 : number(1);
        if ((first | second) >= 0x80) refuse("a number above 127");
        const bool on = (status & 0xf0) == 0x90 && second > 0;
        double& start = began[status & 0xf][first];
        if (on || (status & 0xf0) == 0x80 || (status & 0xf0) == 0x90) {
          if (start >= 0 && (status & 0xf) != kDrums) add_note(static_cast<int>(first), start, tick);
          start = on ? tick : -1;
        }
      } else {
        refuse("an event that no MIDI file has");
      }
    }
    if (at_ > end) refuse("an event goes on behind its track");
    at_ = end;
    const auto steps = static_cast<std::size_t>(std::min(1e7, std::round(tick * steps_per_tick_)));
    if (piece_.size() < steps) piece_.resize(steps);
  }

  void add_note(int pitch, double from, double to) {
    const auto step_at = [&](double tick) { return std::ceil(tick * steps_per_tick_ - 0.5); };
    const double first = std::max(0.0, step_at(from)), last = std::max(step_at(to), first + 1);
    if (last > 1e7) refuse("a piece of more than ten million steps");
    if (static_cast<double>(piece_.size()) < last) piece_.resize(static_cast<std::size_t>(last));
    for (auto t = static_cast<std::size_t>(first); t < static_cast<std::size_t>(last); ++t) piece_[t].push_back(pitch);
  }

  std::string path_, bytes_;
  Index steps_per_quarter_;
  std::size_t at_ = 0;
  double steps_per_tick_ = 1;
  PianoRoll piece_;
};

}  // namespace

void add_midi_options(CLI::App& app, MidiOptions& o) {
  add_number(app, "--tempo", o.tempo, 4, 1000, "quarter notes a minute");
  add_number(app, "--steps-per-quarter", o.steps_per_quarter, 1, 480, "steps of a quarter note, divides 480");
  add_number(app, "--instrument", o.program, 0, 127, "of General MIDI; 0 is a piano");
}

std::string midi_bytes(const PianoRoll& piece, const MidiOptions& o) {
  if (o.steps_per_quarter < 1 || kTicks % o.steps_per_quarter != 0 || !(o.tempo >= 4 && o.tempo <= 1000) ||
      o.program < 0 || o.program > 127 || o.velocity < 1 || o.velocity > 127)
    throw ValueError("[midi_bytes] options out of range; the steps of a quarter note must divide 480");
  std::string track;
  Index now = 0, written = 0;
  const auto event = [&](int status, int first, int second) {
    append_variable(track, static_cast<std::uint64_t>(now - written));
    written = now;
    track += static_cast<char>(status);
    track += static_cast<char>(first);
    if (second >= 0) track += static_cast<char>(second);
  };
  append_variable(track, 0);
  track += "\xff\x51\x03";
  append_number(track, static_cast<std::uint64_t>(std::lround(60e6 / o.tempo)), 3);
  event(0xc0, o.program, -1);
  const std::vector<int> rest;
  for (std::size_t t = 0; t <= piece.size(); ++t, now += kTicks / o.steps_per_quarter) {
    const std::vector<int>&before = t == 0 ? rest : piece[t - 1], &step = t == piece.size() ? rest : piece[t];
    for (const int pitch : before)
      if (!sounds(step, pitch)) event(0x80, pitch, 0);
    for (const int pitch : step) {
      if (pitch < 0 || pitch > 127)
        throw ValueError("[midi_bytes] pitch " + std::to_string(pitch) + "; expected 0 .. 127");
      const int struck = pitch == step.back() ? std::min(127, o.velocity * 6 / 5) : o.velocity;
      if (!sounds(before, pitch)) event(0x90, pitch, struck);
    }
  }
  now -= kTicks / o.steps_per_quarter;
  append_variable(track, static_cast<std::uint64_t>(now - written));
  track += std::string("\xff\x2f\0", 3);

  std::string bytes = "MThd";
  append_number(bytes, 6, 4);
  append_number(bytes, 0, 2);
  append_number(bytes, 1, 2);
  append_number(bytes, static_cast<std::uint64_t>(kTicks), 2);
  bytes += "MTrk";
  append_number(bytes, track.size(), 4);
  return bytes + track;
}

void check_midi(const std::string& path, const MidiOptions& options) {
  midi_bytes({}, options);
  if (path.empty()) return;
  errno = 0;
  if (!std::ofstream(path, std::ios::app))
    throw DataError(path + ": cannot be written: " + std::strerror(errno ? errno : EIO));
}

void write_midi(const std::string& path, const PianoRoll& piece, const MidiOptions& options) {
  atomic_write(path, midi_bytes(piece, options));
}

PianoRoll read_midi(const std::string& path, Index steps_per_quarter) {
  return MidiReader(path, steps_per_quarter).read();
}

}  // namespace unroll::examples
