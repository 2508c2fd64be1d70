#include "edit_distance.hpp"

#include <algorithm>

#include "../text/tokenize.hpp"

namespace unroll {

void ErrorRate::add_words(std::string_view truth, std::string_view guess) {
  add(tokenize_space(truth), tokenize_space(guess));
}
void ErrorRate::add_characters(std::string_view truth, std::string_view guess) {
  add(tokenize_characters(truth), tokenize_characters(guess));
}

double ErrorRate::rate() const {
  return static_cast<double>(edits.total()) / static_cast<double>(std::max<Index>(length, 1));
}

}  // namespace unroll
