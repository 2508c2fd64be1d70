#pragma once
/// \file
/// Small pictures with a sentence about each: drawn by rule, or read from files.

#include <string>
#include <vector>

#include "unroll/core/random.hpp"
#include "unroll/core/shape.hpp"

namespace unroll::examples {

/// Height and width of a picture.
inline constexpr Index picture_size = 24;

struct Picture {
  std::vector<float> pixels;  ///< (24, 24) row-major, 0 black .. 1 white
  std::vector<std::string> sentence;

  /// A pixel; 0 outside.
  float at(Index row, Index column) const {
    const bool inside = row >= 0 && row < picture_size && column >= 0 && column < picture_size;
    return inside ? pixels[static_cast<std::size_t>(row * picture_size + column)] : 0;
  }
};

/// Draws one thing or two, and says what they are: "a small hollow circle", "a large seven left of a small square".
/// Things are four shapes and ten digits in two sizes, shapes filled or hollow; they lie side by side or one above the
/// other. Brightness, exact sizes and places vary, and there is noise.
///
/// A fifth of all sentences about two things is held out: `held_out` draws those alone, otherwise none of them.
Picture draw_picture(bool held_out, Rng& rng);

/// Sentences about two things that draw_picture can say: held out ones, or the others.
Index sentence_count(bool held_out);

/// Reads lines `file TAB sentence`; files are grey pictures in PGM format ("P2" or "P5"), beside the list or named with
/// their folder, of any size: they are stretched to 24 x 24. Throws DataError, with file and line, for what is missing,
/// malformed or empty.
std::vector<Picture> read_pictures(const std::string& list);
/// A file of that format, without a sentence.
Picture read_picture(const std::string& file);
/// Writes such a list and its files, 0.pgm, 1.pgm ..., into a folder, which is made. Throws DataError.
void write_pictures(const std::string& folder, const std::vector<Picture>& pictures);

/// A picture as lines of characters, the brighter the denser.
std::string as_characters(const Picture& picture);
/// The words with spaces between.
std::string sentence_text(const std::vector<std::string>& words);

}  // namespace unroll::examples
