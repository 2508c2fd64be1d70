#include "piano_roll.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string_view>

#include "../../core/error.hpp"
#include "../text/text_detail.hpp"
#include "../text/text_file.hpp"

namespace unroll {

namespace {

using Json = nlohmann::json;

/// Goes over the text and leaves a note of how far the parser has read, which it does not tell by itself.
struct Position {
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  const char* at;
  const char** furthest;

  const char& operator*() const { return *at; }
  Position& operator++() {
    *furthest = std::max(*furthest, ++at);
    return *this;
  }
  Position operator++(int) {
    const Position before = *this;
    ++*this;
    return before;
  }
  friend bool operator==(const Position& a, const Position& b) { return a.at == b.at; }
};

class RollReader {
 public:
  explicit RollReader(const std::string& path) : bytes_(read_bytes(path)), read_(bytes_.data()) { rolls_.path = path; }

  PianoRolls read() {
    if (bytes_.empty()) throw DataError(rolls_.path, ": the file is empty");
    if (const auto zero = bytes_.find('\0'); zero != bytes_.npos) {  // the parser would take it for the end
      read_ = bytes_.data() + zero + 1;
      refuse("is no valid JSON: a zero byte");
    }
    const Position begin{bytes_.data(), &read_}, end{bytes_.data() + bytes_.size(), &read_};
    Json::sax_parse(begin, end, this);
    if (rolls_.parts.empty()) refuse("an object without a part such as \"train\"");
    return std::move(rolls_);
  }

  // What the parser calls. How deep we are is what the value must be: a file, a part, a piece, a step, a pitch.
  bool start_object(std::size_t) {
    return depth_ == 0 ? (depth_ = 1, true) : refuse("got an object, expected ", wanted());
  }
  bool end_object() { return true; }
  bool key(std::string& name) {
    for (const auto& part : rolls_.parts)
      if (part.first == name) refuse("part ", detail::quoted(name), " is there twice");
    rolls_.parts.push_back({name, {}});
    return true;
  }
  bool start_array(std::size_t) {
    if (depth_ == 0 || depth_ == 4) refuse("got a list, expected ", wanted());
    if (depth_ == 2) pieces().emplace_back();
    if (depth_ == 3) pieces().back().emplace_back();
    ++depth_;
    return true;
  }
  bool end_array() {
    if (--depth_ == 3) {
      auto& step = pieces().back().back();
      std::sort(step.begin(), step.end());
      step.erase(std::unique(step.begin(), step.end()), step.end());
    }
    return true;
  }
  bool number_unsigned(std::uint64_t n) { return pitch(static_cast<double>(n)); }
  bool number_integer(std::int64_t n) { return pitch(static_cast<double>(n)); }
  bool number_float(double x, const std::string&) { return pitch(x); }
  bool string(std::string& s) { return refuse("got the text ", detail::quoted(s), ", expected ", wanted()); }
  bool null() { return refuse("got null, expected ", wanted()); }
  bool boolean(bool) { return refuse("got a truth value, expected ", wanted()); }
  bool binary(Json::binary_t&) { return refuse("got binary data, expected ", wanted()); }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception& e) {
    // The parser's sentence begins with an identifier in brackets and its own count of lines.
    const std::string_view text = e.what();
    const auto begin = text.find(": ");
    return refuse("is no valid JSON: ", text.substr(begin == text.npos ? 0 : begin + 2));
  }

 private:
  std::vector<PianoRoll>& pieces() { return rolls_.parts.back().second; }

  std::string wanted() const {
    constexpr const char* names[] = {"an object of parts", "a list of pieces", "a piece (a list of steps)",
                                     "a step (a list of pitches)", "a pitch from 0 to 127"};
    return names[depth_];
  }

  bool pitch(double value) {
    if (depth_ != 4) return refuse("got a number, expected ", wanted());
    if (!(value >= 0 && value <= 127) || value != std::floor(value)) {
      char text[32];
      std::snprintf(text, sizeof text, "%g", value);
      return refuse("pitch ", text, ", expected a whole number from 0 to 127");
    }
    pieces().back().back().push_back(static_cast<int>(value));
    return true;
  }

  // The parser has read one character at most beyond what it tells of.
  [[noreturn]] bool refuse(const auto&... what) const {
    const char* last = std::max<const char*>(bytes_.data(), read_ - 1);
    throw DataError(at_line(rolls_.path, 1 + static_cast<std::size_t>(std::count(bytes_.data(), last, '\n'))), what...);
  }

  std::string bytes_;
  const char* read_;
  PianoRolls rolls_;
  std::size_t depth_ = 0;  // 1 inside the object, 2 inside a part, 3 inside a piece, 4 inside a step
};

std::size_t checked_count(const char* op, Index lowest, Index count) {
  if (lowest < 0 || count < 1 || lowest + count > 128)
    throw ValueError("[", op, "] ", count, " pitches from ", lowest, ", expected some of 0 .. 127");
  return static_cast<std::size_t>(count);
}

}  // namespace

const std::vector<PianoRoll>& PianoRolls::part(const std::string& name) const {
  std::string names;
  for (const auto& [own, pieces] : parts) {
    if (own == name) return pieces;
    names += (names.empty() ? "" : ", ") + detail::quoted(own);
  }
  throw DataError(path, ": no part ", detail::quoted(name), ", there are ", names);
}

PianoRolls read_piano_rolls(const std::string& path) { return RollReader(path).read(); }

template <class T>
std::vector<T> roll_values(const PianoRoll& piece, Index lowest, Index count) {
  const std::size_t width = checked_count("roll_values", lowest, count);
  std::vector<T> values(piece.size() * width);
  for (std::size_t t = 0; t < piece.size(); ++t)
    for (const int pitch : piece[t]) {
      if (pitch < lowest || pitch >= lowest + count)
        throw ValueError("[roll_values] pitch ", pitch, " at step ", t, ", expected ", lowest, " .. ",
                         lowest + count - 1);
      values[t * width + static_cast<std::size_t>(pitch - lowest)] = 1;
    }
  return values;
}

template <class T>
PianoRoll roll_of(const std::vector<T>& values, Index lowest, Index count, T threshold) {
  const std::size_t width = checked_count("roll_of", lowest, count);
  if (values.size() % width != 0)
    throw ValueError("[roll_of] ", values.size(), " values, expected a multiple of ", count);
  PianoRoll piece(values.size() / width);
  for (std::size_t i = 0; i < values.size(); ++i)
    if (values[i] > threshold) piece[i / width].push_back(static_cast<int>(lowest + static_cast<Index>(i % width)));
  return piece;
}

template std::vector<float> roll_values<float>(const PianoRoll&, Index, Index);
template std::vector<double> roll_values<double>(const PianoRoll&, Index, Index);
template PianoRoll roll_of<float>(const std::vector<float>&, Index, Index, float);
template PianoRoll roll_of<double>(const std::vector<double>&, Index, Index, double);

}  // namespace unroll
