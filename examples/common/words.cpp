#include "common/words.hpp"

#include <algorithm>

#include "common/letters.hpp"
#include "unroll/data/text/tokenize.hpp"
#include "unroll/data/text/utf8.hpp"

namespace unroll::examples {

namespace {

bool is_upper(char32_t c) {  // of the alphabets that have capitals, their common letters
  return (c >= U'A' && c <= U'Z') || (c >= 0xc0 && c <= 0xde && c != 0xd7) || (c >= 0x391 && c <= 0x3a9) ||
         (c >= 0x410 && c <= 0x42f);
}
bool is_small(char32_t c) { return (c >= U'a' && c <= U'z') || (c >= 0xaa && !is_upper(c)); }

std::u32string lower(std::u32string word) {
  for (char32_t& c : word)
    if (is_upper(c))
      c += 32;
    else if (is_digit(c))
      c = U'0';
  return word;
}

std::u32string shape(const std::u32string& word, std::size_t longest_run) {
  std::u32string shape;
  std::size_t run = 0;
  for (const char32_t c : word) {
    const char32_t kind = is_upper(c) ? U'X' : is_digit(c) ? U'0' : is_small(c) ? U'x' : c;
    run = !shape.empty() && shape.back() == kind ? run + 1 : 1;
    if (run <= longest_run) shape += kind;
  }
  return shape;
}

}  // namespace

std::vector<std::string> features_of_word(const std::string& word) {
  const std::u32string text = decode_utf8(word, "word"), low = lower(text);
  std::vector<std::string> features = {"w " + encode_utf8(low), "s " + encode_utf8(shape(text, 4)),
                                       "r " + encode_utf8(shape(text, 1))};
  for (std::size_t n = 1; n <= std::min<std::size_t>(4, low.size()); ++n) {
    features.push_back("p " + encode_utf8(low.substr(0, n)));
    features.push_back("q " + encode_utf8(low.substr(low.size() - n)));
  }
  return features;
}

WordForms::WordForms(std::span<const std::vector<std::string>> sentences, Index min_count) {
  TokenCounts characters, features;
  for (const auto& sentence : sentences)
    for (const auto& word : sentence) {
      count_tokens(characters, tokenize_characters(word));
      count_tokens(features, features_of_word(word));
    }
  characters_ = Vocabulary(characters);
  // The first one is there for a training without any feature that is frequent enough.
  features_ = Vocabulary(features, {.specials = {"none"}, .unknown = "", .min_count = min_count});
}

WordForms::WordForms(const std::vector<std::string>& characters, const std::vector<std::string>& features)
    : characters_(characters, "<unk>"), features_(features) {}

std::vector<std::string> tokens_of(const Vocabulary& vocabulary) {
  std::vector<std::string> tokens;
  for (Index id = 0; id < vocabulary.size(); ++id) tokens.push_back(vocabulary.token(id));
  return tokens;
}

std::vector<Index> WordForms::numbers(std::span<const std::string> sentence) {
  std::vector<Index> numbers;
  for (const auto& word : sentence) {
    const auto [at, is_new] = numbers_.try_emplace(word, std::ssize(forms_));
    if (is_new) {
      WordForm form{characters_.encode(tokenize_characters(word)), {}};
      for (const auto& feature : features_of_word(word))
        if (features_.contains(feature)) form.features.push_back(features_.id(feature));
      forms_.push_back(std::move(form));
    }
    numbers.push_back(at->second);
  }
  return numbers;
}

}  // namespace unroll::examples
