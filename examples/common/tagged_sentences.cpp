#include "common/tagged_sentences.hpp"

#include <algorithm>
#include <set>

#include "common/program.hpp"
#include "unroll/core/error.hpp"
#include "unroll/data/batches/batches.hpp"
#include "unroll/data/files/atomic_file.hpp"
#include "unroll/data/text/tags.hpp"

namespace unroll::examples {

TaggedSentences chosen_items(const TaggedSentences& sentences, std::span<const Index> numbers) {
  return {chosen(sentences.words, numbers), chosen(sentences.tags, numbers), sentences.scheme};
}

TaggedSentences read_tagged(const std::string& path) {
  ConllFile file = read_conll(path);
  TaggedSentences sentences;
  try {
    sentences.scheme = tag_scheme(file);
  } catch (const DataError& e) {
    convert_tags(file, TagScheme::iob2);
    print("%s; read as the CoNLL scorer does", e.what());
  }
  for (auto& sentence : file.sentences) {
    sentences.words.push_back(std::move(sentence.columns.front()));
    sentences.tags.push_back(std::move(sentence.columns.back()));
  }
  return sentences;
}

Lists in_scheme(const Lists& tags, TagScheme scheme) {
  Lists converted;
  for (const auto& list : tags) converted.push_back(convert_tags(list, scheme));
  return converted;
}

std::vector<std::string> tag_names(const TaggedSentences& sentences) {
  std::set<std::string> names;
  for (const auto& list : in_scheme(sentences.tags, TagScheme::iob2)) names.insert(list.begin(), list.end());
  names.erase("O");
  std::vector<std::string> all = {"O"};
  all.insert(all.end(), names.begin(), names.end());
  return all;
}

std::vector<std::vector<Index>> tag_numbers(const TaggedSentences& sentences, const std::vector<std::string>& names) {
  return Vocabulary(names).encode_all(in_scheme(sentences.tags, TagScheme::iob2));
}

std::vector<std::vector<Index>> word_numbers(const Lists& sentences, WordForms& words) {
  std::vector<std::vector<Index>> numbers;
  for (const auto& sentence : sentences) numbers.push_back(words.numbers(sentence));
  return numbers;
}

SpanScore score_of(const TaggedSentences& sentences, const Lists& guesses) {
  SpanScore score;
  for (std::size_t k = 0; k < guesses.size(); ++k) score.add(sentences.tags[k], guesses[k]);
  return score;
}

void write_predictions(const std::string& path, const TaggedSentences& sentences, const Lists& guesses) {
  const auto has_space = [](const std::string& word) { return word.find(' ') != word.npos; };
  const bool tabs = std::any_of(sentences.words.begin(), sentences.words.end(),
                                [&](const auto& list) { return std::any_of(list.begin(), list.end(), has_space); });
  const std::string gap = tabs ? "\t" : " ";
  std::string lines;
  for (std::size_t k = 0; k < guesses.size(); ++k) {
    for (std::size_t t = 0; t < guesses[k].size(); ++t)
      lines += sentences.words[k][t] + gap + sentences.tags[k][t] + gap + guesses[k][t] + "\n";
    lines += "\n";
  }
  atomic_write(path, lines);
}

SpanScore score_file(const std::string& path) {
  const ConllFile file = read_conll(path);
  if (file.columns < 3)
    throw DataError(path + ": " + std::to_string(file.columns) + " columns, expected word, tag and guess");
  SpanScore score;
  for (const auto& sentence : file.sentences) try {
      score.add(sentence.columns[sentence.columns.size() - 2], sentence.tags());
    } catch (const ValueError& e) {
      throw DataError(file.at(sentence, 0) + "in this sentence: " + e.what());
    }
  return score;
}

std::string with_tags(const std::vector<std::string>& words, const std::vector<std::string>& tags) {
  std::string line;
  for (std::size_t t = 0; t < words.size(); ++t)
    line += (t ? " " : "") + words[t] + (tags[t] == "O" ? "" : "/" + tags[t]);
  return line;
}

}  // namespace unroll::examples
