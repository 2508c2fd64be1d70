#include "common/corpus.hpp"

#include <algorithm>
#include <filesystem>
#include <set>

#include "unroll/data/text/text_file.hpp"

namespace unroll::examples {

namespace fs = std::filesystem;

namespace {

std::vector<fs::path> files_below(const fs::path& folder) {
  std::vector<fs::path> files;
  try {
    for (auto at = fs::recursive_directory_iterator(folder); at != fs::recursive_directory_iterator(); ++at) {
      if (at->path().filename().string().starts_with('.')) {
        at.disable_recursion_pending();
      } else if (at->is_regular_file()) {
        files.push_back(at->path());
      }
    }
  } catch (const fs::filesystem_error& e) {
    throw DataError(e.path1().string() + ": cannot be read: " + e.code().message());
  }
  std::sort(files.begin(), files.end());
  return files;
}

class Reader {
 public:
  void add_file(const fs::path& path) {
    const std::u32string text = read_text(path.string());
    if (!seen_.insert(text).second) return;
    if (!corpus.text.empty() && corpus.text.back() != U'\n') corpus.text += U'\n';
    corpus.text += text;
    corpus.files.push_back(path.string());
  }

  void add_folder(const fs::path& path) {
    std::size_t texts = 0, left_out = 0;
    std::string why;
    for (const fs::path& file : files_below(path)) {
      try {
        add_file(file);
        ++texts;
      } catch (const DataError& e) {
        if (left_out++ == 0) why = e.what();
      }
    }
    if (texts == 0)
      throw DataError(path.string() + ": no text file in this folder" + (why.empty() ? "" : " (" + why + ")"));
    if (left_out > 0)
      corpus.notes.push_back(path.string() + ": " + std::to_string(left_out) + " left out, the first: " + why);
  }

  void add(const fs::path& path) {
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    if (fs::is_directory(status)) return add_folder(path);
    if (fs::exists(status) && !fs::is_regular_file(status))
      throw DataError(path.string() + ": is neither a file nor a folder");
    add_file(path);
  }

  Corpus corpus;

 private:
  std::set<std::u32string> seen_;
};

bool is_letter(char32_t c) { return (c >= U'a' && c <= U'z') || (c >= U'A' && c <= U'Z') || c > 0xbf; }

std::vector<std::u32string_view> words_of(std::u32string_view text) {
  std::vector<std::u32string_view> words;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::size_t start = i;
    while (i < text.size() && is_letter(text[i])) ++i;
    if (i > start && i < text.size()) words.push_back(text.substr(start, i - start));
  }
  return words;
}

}  // namespace

Corpus read_corpus(const std::vector<std::string>& paths) {
  Reader reader;
  for (const std::string& path : paths) reader.add(path);
  return std::move(reader.corpus);
}

Corpus read_default_corpus() {
  const std::string licences = "/usr/share/common-licenses";
  if (fs::is_directory(licences)) return read_corpus({licences});
  const fs::path source = UNROLL_SOURCE_DIR;
  std::vector<std::string> documents;
  for (const char* name : {"README.md", "docs"})
    if (fs::exists(source / name)) documents.push_back((source / name).string());
  if (documents.empty()) throw DataError(licences + ": not on this system; name a text with --data");
  Corpus corpus = read_corpus(documents);
  corpus.notes.insert(corpus.notes.begin(), licences + " is not on this system: training on the project's documents");
  return corpus;
}

Vocabulary::Vocabulary(std::u32string_view text) : symbols_(text) {
  std::sort(symbols_.begin(), symbols_.end());
  symbols_.erase(std::unique(symbols_.begin(), symbols_.end()), symbols_.end());
}

Index Vocabulary::id(char32_t symbol) const {
  const auto at = std::lower_bound(symbols_.begin(), symbols_.end(), symbol);
  return at != symbols_.end() && *at == symbol ? at - symbols_.begin() : unknown();
}

char32_t Vocabulary::symbol(Index id) const {
  return id >= 0 && id < unknown() ? symbols_[static_cast<std::size_t>(id)] : U'\ufffd';
}

std::vector<Index> Vocabulary::encode(std::u32string_view text) const {
  std::vector<Index> ids;
  ids.reserve(text.size());
  for (const char32_t c : text) ids.push_back(id(c));
  return ids;
}

std::u32string Vocabulary::decode(std::span<const Index> ids) const {
  std::u32string text;
  for (const Index i : ids) text += symbol(i);
  return text;
}

KnownWords known_words(std::u32string_view sample, std::u32string_view text) {
  const auto list = words_of(text);
  const std::set<std::u32string_view> vocabulary(list.begin(), list.end());
  KnownWords result;
  for (const auto& word : words_of(sample)) {
    ++result.words;
    result.known += vocabulary.contains(word);
  }
  return result;
}

}  // namespace unroll::examples
