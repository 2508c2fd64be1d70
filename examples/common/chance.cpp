#include "common/chance.hpp"

#include <sstream>
#include <vector>

namespace unroll::examples {

std::string one_part_of(const std::string& text, char mark, Rng& rng) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, mark);) parts.push_back(part);
  return one_of(parts, rng);
}

}  // namespace unroll::examples
