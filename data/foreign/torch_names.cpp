#include "torch_names.hpp"

#include <algorithm>
#include <array>

namespace unroll {
namespace {

// Takes the last part off a dotted name.
std::string_view take_last(std::string_view& name) {
  const auto dot = name.rfind('.');
  const std::string_view last = dot == name.npos ? name : name.substr(dot + 1);
  name = dot == name.npos ? std::string_view() : name.substr(0, dot);
  return last;
}

bool is_number(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

std::string torch_name(std::string_view ours) {
  std::string_view rest = ours;
  const std::string_view leaf = take_last(rest);
  constexpr std::array leaves = {"weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr"};
  if (std::ranges::find(leaves, leaf) == leaves.end() || take_last(rest) != "cell") return std::string(ours);

  std::string ending = "0";
  auto before = rest;
  const std::string_view direction = take_last(before);
  const bool both = direction == "fwd" || direction == "bwd";
  if (both) rest = before;
  before = rest;
  if (const auto number = take_last(before); is_number(number) && take_last(before) == "layers") {
    ending = number;
    rest = before;
  }
  std::string name = rest.empty() ? "" : std::string(rest) + ".";
  name += std::string(leaf) + "_l" + ending;
  return both && direction == "bwd" ? name + "_reverse" : name;
}

}  // namespace unroll
