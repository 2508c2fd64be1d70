#pragma once
/// \file
/// What a module is, and what can be done with any: list, count, summarise, clone, copy, freeze.
///
/// A module is a plain struct that names its members:
///
///     struct Tagger {
///       Embedding<> words;
///       Rnn<LSTMCell<>> encoder;
///       Linear<> output;
///       double dropout = 0.3;
///       using scalar = float;
///       void each(auto&& visit) {
///         visit("words", words), visit("encoder", encoder);
///         visit("output", output), visit("dropout", dropout);
///       }
///     };
///
/// Members may be Parameters, modules, hyper-parameters (numbers, bools, enums, strings), and std::vector,
/// std::array, std::optional or std::unique_ptr of modules or Parameters. Names nest with dots:
/// "encoder.cell.weight_ih"; elements of a vector are numbered: "layers.0.cell.weight_ih".

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "../core/error.hpp"
#include "../core/parameter.hpp"
#include "../core/parameter_list.hpp"

namespace unroll {

namespace detail {

struct AnyVisitor {
  template <class X>
  void operator()(const char*, X&) const {}
};

template <class M>
concept NamesMembers = requires(std::remove_const_t<M>& m) { m.each(AnyVisitor{}); };

template <class X>
inline constexpr bool is_parameter = false;
template <class T>
inline constexpr bool is_parameter<Parameter<T>> = true;

template <class X>
inline constexpr bool is_list = false;
template <class X, class A>
inline constexpr bool is_list<std::vector<X, A>> = true;
template <class X, std::size_t N>
inline constexpr bool is_list<std::array<X, N>> = true;

template <class X>
inline constexpr bool is_optional = false;
template <class X>
inline constexpr bool is_optional<std::optional<X>> = true;
template <class X, class D>
inline constexpr bool is_optional<std::unique_ptr<X, D>> = true;

template <class X>
inline constexpr bool is_hyper_parameter =
    std::is_arithmetic_v<X> || std::is_enum_v<X> || std::is_same_v<X, std::string>;

template <class X>
inline constexpr bool not_a_member = false;

/// Calls `visit(name, x)` for every Parameter and every hyper-parameter under `x`, depth first.
template <class X, class F>
UNROLL_PER_ISA void visit_tree(const std::string& name, X& x, F& visit) {
  using Bare = std::remove_const_t<X>;
  if constexpr (is_parameter<Bare> || is_hyper_parameter<Bare>) {
    visit(name, x);
  } else if constexpr (is_list<Bare>) {
    for (std::size_t i = 0; i < x.size(); ++i) visit_tree(name + "." + std::to_string(i), x[i], visit);
  } else if constexpr (is_optional<Bare>) {
    if (x) visit_tree(name, *x, visit);
  } else if constexpr (NamesMembers<Bare>) {
    // Users write one `each`, without const; a const module is handed on as const here.
    const_cast<Bare&>(x).each([&](const char* member, auto& y) {
      using Y = std::remove_reference_t<decltype(y)>;
      using As = std::conditional_t<std::is_const_v<X>, const Y, Y>;
      visit_tree<As>(name.empty() ? std::string(member) : name + "." + member, y, visit);
    });
  } else {
    static_assert(
        not_a_member<X>,
        "a member named in each() is no module (it has no each(visit)), no Parameter and no hyper-parameter");
  }
}

template <class X>
concept HasScalar = requires { typename X::scalar; };

template <class... X>
struct FirstType {
  using type = void;
};
template <class X, class... More>
struct FirstType<X, More...> : std::conditional_t<std::is_void_v<typename X::type>, FirstType<More...>, X> {};

/// What scalar_of knows; void where it knows none.
template <class X>
struct ScalarIn {
  using type = void;
};
template <HasScalar X>
struct ScalarIn<X> {
  using type = typename X::scalar;
};
template <class X, std::size_t N>
struct ScalarIn<std::array<X, N>> : ScalarIn<X> {};
template <template <class...> class S, class... A>
requires(!HasScalar<S<A...>>) struct ScalarIn<S<A...>>
    : FirstType<ScalarIn<A>..., std::conditional<std::is_floating_point_v<A>, A, void>...> {
};

template <class X>
struct KnownScalar {
  using found = typename ScalarIn<X>::type;
  static_assert(!std::is_void_v<found>, "the scalar of this type is not known: it holds no tensor, or is a struct that "
                                        "lacks `using scalar = ...;` (float or double)");
  using type = std::conditional_t<std::is_void_v<found>, float, found>;  // so that nothing else is said
};

std::string hyper_parameter_text(const std::string& value);
/// The shortest text that reads back as this number.
std::string hyper_parameter_text(float value);
std::string hyper_parameter_text(double value);
template <class X>
UNROLL_PER_ISA std::string hyper_parameter_text(const X& value) {
  if constexpr (std::is_enum_v<X>) {
    return std::to_string(static_cast<long long>(value));
  } else if constexpr (std::is_same_v<X, bool>) {
    return value ? "true" : "false";
  } else {
    return std::to_string(value);
  }
}

}  // namespace detail

/// A struct with `each(visit)`, which calls `visit(name, member)` for its members.
template <class M>
concept Module = detail::NamesMembers<M>;

/// The scalar, float or double, of a module, tensor, state, result or list of these: its member type `scalar`, or that
/// of the first of its template arguments that has one, or such an argument. A type that says none does not compile.
template <class M>
using scalar_of = typename detail::KnownScalar<std::remove_cvref_t<M>>::type;

/// Every trainable tensor of a module with its dotted name, in the order of `each`. A tensor that is used in
/// several places (tied) is listed once, under the first name.
template <class T, class M>
UNROLL_PER_ISA ParameterList<T> parameters_of(const M& module) {
  ParameterList<T> list;
  auto visit = [&]<class X>(const std::string& name, const X& x) {
    if constexpr (detail::is_parameter<X>) {
      static_assert(
          std::is_same_v<typename X::value_type, T>,
          "a module holds Parameters of another scalar than it says: add `using scalar = ...;` to it");
      if (!x.defined()) return;
      for (const auto& p : list)
        if (p.storage == x.share()) return;
      list.push_back({name, x.share()});
    }
  };
  detail::visit_tree("", module, visit);
  return list;
}
template <class M>
UNROLL_PER_ISA auto parameters(const M& module) {
  static_assert(Module<M> || detail::is_parameter<M> || detail::is_list<M>,
                "parameters() takes a module: a struct with `void each(auto&& visit) { visit(\"name\", member); ... }`");
  return parameters_of<scalar_of<M>>(module);
}

/// The parameters of several modules in one list, for an optimizer; names start with the module's place: "1.weight".
template <class M, class... More>
  requires(sizeof...(More) > 0)
UNROLL_PER_ISA auto parameters(const M& first, const More&... more) {
  ParameterList<scalar_of<M>> list;
  int place = 0;
  const auto append = [&](const auto& module) {
    const std::string prefix = std::to_string(place++) + ".";
    for (const auto& p : parameters_of<scalar_of<M>>(module))
      if (std::ranges::none_of(list, [&](const auto& q) { return q.storage == p.storage; }))
        list.push_back({prefix + p.name, p.storage});
  };
  append(first);
  (append(more), ...);
  return list;
}

/// Number of trainable numbers, tied ones counted once.
template <class M>
UNROLL_PER_ISA Index parameter_count(const M& module) {
  Index n = 0;
  for (const auto& p : parameters(module)) n += p.storage->shape.size();
  return n;
}

/// Hyper-parameters with their dotted names, as text.
template <class M>
UNROLL_PER_ISA std::vector<std::pair<std::string, std::string>> hyper_parameters(const M& module) {
  std::vector<std::pair<std::string, std::string>> list;
  auto visit = [&]<class X>(const std::string& name, const X& x) {
    if constexpr (detail::is_hyper_parameter<X>) list.emplace_back(name, detail::hyper_parameter_text(x));
  };
  detail::visit_tree("", module, visit);
  return list;
}

namespace detail {
struct SummaryRow {
  std::string name, shape;
  Index count;
};
std::string summary_table(const std::vector<SummaryRow>& rows,
                          const std::vector<std::pair<std::string, std::string>>& hyper_parameters);
}  // namespace detail

/// A table of all parameters (name, shape, count), their total, and the hyper-parameters.
template <class M>
UNROLL_PER_ISA std::string summary(const M& module) {
  std::vector<detail::SummaryRow> rows;
  for (const auto& p : parameters(module))
    rows.push_back({p.name, p.storage->shape.str(), p.storage->shape.size()});
  return detail::summary_table(rows, hyper_parameters(module));
}

/// A module of the same values with tensors of its own; tensors tied in the original are tied in the copy.
template <class M>
UNROLL_PER_ISA M clone(const M& module) {
  static_assert(std::is_copy_constructible_v<M>, "clone() needs a module whose members can all be copied");
  const detail::CloneScope copies_are_meant;
  return M(module);
}

/// Copies every parameter's value from one module to another by name, converting between scalars: a float
/// model into a double one for a gradient check. Throws ValueError when a name is missing on either side,
/// ShapeError when two shapes of one name differ; then nothing has been changed.
template <class From, class To>
UNROLL_PER_ISA void copy_parameters(const From& from, To& to) {
  const auto source = parameters(from);
  const auto target = parameters(to);
  const auto missing = [](const std::string& name, const char* side) {
    return ValueError("[copy_parameters] '" + name + "' is missing in the module copied " + side);
  };
  for (const auto& s : source)
    if (std::ranges::none_of(target, [&](const auto& t) { return t.name == s.name; }))
      throw missing(s.name, "to");
  for (const auto& t : target) {
    const auto s = std::ranges::find_if(source, [&](const auto& p) { return p.name == t.name; });
    if (s == source.end()) throw missing(t.name, "from");
    if (!(s->storage->shape == t.storage->shape))
      throw ShapeError("[copy_parameters] '" + t.name + "' has shape " + s->storage->shape.str() +
                       " in the source, " + t.storage->shape.str() + " in the target");
  }
  for (const auto& t : target) {
    const auto s = std::ranges::find_if(source, [&](const auto& p) { return p.name == t.name; });
    using U = std::remove_reference_t<decltype(*t.storage->value)>;
    for (Index i = 0; i < t.storage->shape.size(); ++i)
      t.storage->value[i] = static_cast<U>(s->storage->value[i]);
    ++t.storage->version;
  }
}

/// Takes a module's parameters out of training, or back in: see Parameter::freeze.
template <class M>
UNROLL_PER_ISA void freeze(M& module, bool frozen = true) {
  for (auto& p : parameters(module)) p.storage->frozen = frozen;
}

}  // namespace unroll
