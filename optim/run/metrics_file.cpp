#include "metrics_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "../../core/error.hpp"
#include "../../nn/module.hpp"

namespace unroll {
namespace {

std::string quoted(const std::string& text, bool csv) {
  std::string q = "\"";
  for (const char c : text) {
    if (csv) {
      q += c == '"' ? "\"\"" : std::string(1, c);
    } else if (c == '"' || c == '\\') {
      q += {'\\', c};
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char code[8];
      std::snprintf(code, sizeof code, "\\u%04x", static_cast<unsigned>(c));
      q += code;
    } else {
      q += c;
    }
  }
  return q + "\"";
}

using Value = MetricsLine::value_type::second_type;

std::string value_text(const Value& value, bool csv) {
  if (const double* x = std::get_if<double>(&value))
    return std::isfinite(*x) ? detail::hyper_parameter_text(*x) : csv ? "" : "null";
  if (const Index* n = std::get_if<Index>(&value)) return std::to_string(*n);
  if (const bool* yes = std::get_if<bool>(&value)) return *yes ? "true" : "false";
  if (const JsonText* json = std::get_if<JsonText>(&value)) return csv ? quoted(json->text, true) : json->text;
  return quoted(std::get<std::string>(value), csv);
}

}  // namespace

MetricsFile::MetricsFile(std::string path, std::vector<std::string> columns)
    : path_(std::move(path)), columns_(std::move(columns)) {
  if (path_.empty()) return;
  if (!path_.ends_with(".csv")) columns_.clear();
  file_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  if (file_ < 0) fail();
}

MetricsFile::~MetricsFile() {
  if (file_ >= 0) ::close(file_);
}

void MetricsFile::fail() const { throw FileError(path_, ": cannot be written: ", std::strerror(errno)); }

void MetricsFile::resume(Index position) {
  if (file_ < 0) return;
  struct stat now {};
  if (::fstat(file_, &now) != 0) fail();
  position_ = std::min<Index>(position, now.st_size);
}

void MetricsFile::append(const std::string& text) {
  for (std::size_t done = 0; done < text.size();) {
    const ssize_t n = ::write(file_, text.data() + done, text.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail();
    done += static_cast<std::size_t>(n);
  }
  position_ += static_cast<Index>(text.size());
}

void MetricsFile::write(const MetricsLine& line) {
  if (file_ < 0) return;
  if (!cut_) {
    cut_ = true;
    struct stat now {};
    // What is no regular file (/dev/stdout, a pipe) has no length.
    if (::fstat(file_, &now) == 0 && S_ISREG(now.st_mode) &&
        (::ftruncate(file_, position_) != 0 || ::lseek(file_, 0, SEEK_END) < 0))
      fail();
  }
  std::string text;
  if (columns_.empty()) {
    for (const auto& [name, value] : line)
      text += (text.empty() ? "{" : ",") + quoted(name, false) + ":" + value_text(value, false);
    append((text.empty() ? "{" : text) + "}\n");
    return;
  }
  if (position_ == 0) {
    for (const std::string& column : columns_) text += (text.empty() ? "" : ",") + column;
    text += "\n";
  }
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    const auto cell = std::find_if(line.begin(), line.end(), [&](const auto& c) { return c.first == columns_[i]; });
    text += (i > 0 ? "," : "") + (cell == line.end() ? "" : value_text(cell->second, true));
  }
  append(text + "\n");
}

}  // namespace unroll
