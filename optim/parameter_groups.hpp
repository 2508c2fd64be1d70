#pragma once
/// \file
/// Parameters that are treated differently from the others, found by their names.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "../core/parameter_list.hpp"

namespace unroll {

/// What an optimizer does differently for the parameters whose names match:
///
///     Adam adam(parameters(model), {.lr = 1e-3, .weight_decay = 1e-2},
///               {{.pattern = "*bias*", .weight_decay = 0},          // biases do not decay
///                {.pattern = "encoder.*", .lr_scale = 0.1},         // what was trained before moves slowly
///                {.pattern = "embedding.*", .lr_scale = 0}});       // and this not at all
///
/// The first pattern that matches counts; parameters that match none follow the optimizer's own options.
struct ParameterGroup {
  std::string pattern;  ///< of dotted names, from the first to the last letter: `*` is any text, `?` any one letter
  double lr_scale = 1;  ///< the rate is the optimizer's times this; 0 freezes, see Optimizer
  std::optional<double> weight_decay = {};  ///< instead of the optimizer's
};
using ParameterGroups = std::vector<ParameterGroup>;

/// Whether all of `name` is what `pattern` describes: `*` stands for any text, dots and nothing included, `?` for any
/// one letter, everything else for itself. "*.bias" matches "rnn.cell.bias", not "bias" nor "rnn.bias_ih".
bool name_matches(std::string_view pattern, std::string_view name);

/// Freezes the parameters whose names match (`Parameter::freeze`), or thaws them:
///
///     freeze_matching(parameters(model), "embedding.*");
///
/// Throws ValueError when none does.
template <class T>
void freeze_matching(const ParameterList<T>& parameters, std::string_view pattern, bool frozen = true);

namespace detail {

/// The number of the group of each name: 1 for the first pattern and so on, 0 where none matches. Throws ValueError on
/// an `lr_scale` or a decay below 0 and on a pattern that is left without a name.
std::vector<std::size_t> find_groups(const char* op, const std::vector<std::string>& names,
                                     const ParameterGroups& groups);

}  // namespace detail
}  // namespace unroll
