#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "caption/pictures.hpp"
#include "unroll/core/error.hpp"
#include "unroll/data/series/table.hpp"
#include "unroll/data/text/text_file.hpp"

namespace unroll::examples {

namespace fs = std::filesystem;

namespace {

struct Grey {
  Index height, width;
  std::vector<float> pixels;
};

/// `where`, the line that names it, begins messages.
Grey read_pgm(const std::string& path, const std::string& where) {
  const std::string bytes = read_bytes(path);
  std::size_t at = 2;
  const auto bad = [&](const char* what) { return DataError(where + path + ": " + what); };
  const auto number = [&]() -> Index {
    while (at < bytes.size() && (std::isspace(static_cast<unsigned char>(bytes[at])) || bytes[at] == '#'))
      at = bytes[at] == '#' ? std::min(bytes.find('\n', at), bytes.size()) : at + 1;
    Index n = 0, digits = 0;
    for (; at < bytes.size() && std::isdigit(static_cast<unsigned char>(bytes[at])); ++at, ++digits)
      if ((n = 10 * n + (bytes[at] - '0')) > 65535) throw bad("a number is above 65535");
    if (digits == 0) throw bad("ends too early, or has something else than numbers");
    return n;
  };
  const bool binary = bytes.starts_with("P5");
  if (!binary && !bytes.starts_with("P2")) throw bad("is no PGM picture: expected P2 or P5 at its beginning");
  Grey grey{0, 0, {}};
  grey.width = number(), grey.height = number();
  const Index most = number();
  if (grey.width < 1 || grey.height < 1 || most < 1) throw bad("is empty");
  ++at;  // one white space
  const std::size_t count = static_cast<std::size_t>(grey.width * grey.height), wide = most > 255 ? 2 : 1;
  if (binary && (at > bytes.size() || bytes.size() - at < wide * count)) throw bad("ends too early");
  if (!binary && bytes.size() < count) throw bad("ends too early");
  for (std::size_t i = 0; i < count; ++i) {
    Index value = 0;
    if (!binary) value = number();
    for (std::size_t k = 0; binary && k < wide; ++k) value = 256 * value + static_cast<unsigned char>(bytes[at++]);
    if (value > most) throw bad("a pixel is brighter than the brightest");
    grey.pixels.push_back(static_cast<float>(value) / static_cast<float>(most));
  }
  return grey;
}

/// Each pixel the mean of those it covers, or of the one it lies in.
std::vector<float> stretched(const Grey& grey) {
  std::vector<float> pixels;
  const auto range = [](Index k, Index length) {
    const Index from = k * length / picture_size;
    return std::pair(from, std::max(from + 1, (k + 1) * length / picture_size));
  };
  for (Index r = 0; r < picture_size; ++r)
    for (Index c = 0; c < picture_size; ++c) {
      const auto [top, bottom] = range(r, grey.height);
      const auto [left, right] = range(c, grey.width);
      float sum = 0;
      for (Index y = top; y < bottom; ++y)
        for (Index x = left; x < right; ++x) sum += grey.pixels[static_cast<std::size_t>(y * grey.width + x)];
      pixels.push_back(sum / static_cast<float>((bottom - top) * (right - left)));
    }
  return pixels;
}

}  // namespace

Picture read_picture(const std::string& file) { return {stretched(read_pgm(file, "")), {}}; }

std::vector<Picture> read_pictures(const std::string& list) {
  std::vector<Picture> pictures;
  for (const TsvRow& row : read_tsv(list, 2)) {
    const std::string file = (fs::path(list).parent_path() / row.cells[0]).string();
    pictures.push_back({stretched(read_pgm(file, row.where + ": ")), {}});
    std::istringstream words(row.cells[1]);
    for (std::string word; words >> word;) pictures.back().sentence.push_back(word);
    if (pictures.back().sentence.empty()) throw DataError(row.where + ": there is no sentence");
  }
  return pictures;
}

void write_pictures(const std::string& folder, const std::vector<Picture>& pictures) {
  std::error_code failure;
  fs::create_directories(folder, failure);
  std::string list;
  const auto write = [&](const std::string& name, const std::string& content) {
    const std::string path = folder + "/" + name;
    if (!(std::ofstream(path, std::ios::binary) << content).flush()) throw DataError(path + ": cannot be written");
  };
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    const std::string size = std::to_string(picture_size), name = std::to_string(i) + ".pgm";
    std::string bytes = "P5\n" + size + " " + size + "\n255\n";
    for (const float p : pictures[i].pixels) bytes += static_cast<char>(std::lround(255 * std::clamp(p, 0.0f, 1.0f)));
    write(name, bytes);
    list += name + "\t" + sentence_text(pictures[i].sentence) + "\n";
  }
  write("pictures.tsv", list);
}

}  // namespace unroll::examples
