#pragma once
/// \file
/// Modules to and from files and state dicts, by the dotted names of their parameters.

#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "../../nn/module.hpp"
#include "plain_tensor.hpp"
#include "safetensors.hpp"

namespace unroll {

/// Turns the name that a module has for a parameter into the one that the file has: `torch_name`, or a lambda without
/// captures, `[](std::string_view name) { return "model." + std::string(name); }`. nullptr: the names are the same.
using NameMap = std::string (*)(std::string_view);

/// What did not fit when parameters were loaded. Sorted texts for people, each beginning with a quoted name.
struct LoadReport {
  std::vector<std::string> missing;     ///< parameters of the module that the file has not
  std::vector<std::string> unexpected;  ///< tensors of the file that the module has not
  /// tensors of another shape or of no float type; tensors that are one (tied) in the module and differ in the file
  std::vector<std::string> mismatched;

  bool complete() const { return missing.empty() && unexpected.empty() && mismatched.empty(); }
  /// "2 missing: 'a', 'b'; 1 unexpected: 'c'", all of them; "" when complete.
  std::string str() const;
};

struct LoadOptions {
  bool strict = true;  ///< false: what fits is loaded, the rest is in the report
  /// From the module's names to the file's. Where the file lacks the mapped name, the module's own name is tried.
  NameMap names = nullptr;
};

struct SaveOptions {
  NameMap names = nullptr;          ///< from the module's names to the file's
  std::optional<DType> dtype = {};  ///< F64, F32, F16 or BF16; not set: the module's own scalar
  Metadata metadata = {};           ///< strings beside the tensors
};

namespace detail {

/// "2 missing: a, b; 1 unexpected: c": what the lists that are not empty say.
std::string name_lists(std::initializer_list<std::pair<const char*, std::span<const std::string>>> lists);

/// A name of a parameter. A tied parameter has a name in every place where it is used, as in PyTorch's state_dict().
template <class T>
struct ParameterName {
  std::string name;
  ParameterStorage<T>* storage;
};

template <class M>
UNROLL_PER_ISA auto parameter_names(const M& module) {
  using T = scalar_of<M>;
  std::vector<ParameterName<T>> names;
  auto visit = [&]<class X>(const std::string& name, const X& x) {
    if constexpr (is_parameter<X>)
      if (x.defined()) names.push_back({name, x.share().get()});
  };
  visit_tree("", module, visit);
  return names;
}

/// `where` begins every message.
template <class T>
LoadReport load_views(const std::string& where, std::span<const TensorView> views,
                      const std::vector<ParameterName<T>>& names, const LoadOptions& options);
template <class T>
StateDict<T> copied_parameters(const ParameterList<T>& parameters, NameMap names);
template <class T>
std::vector<TensorView> views_of(const StateDict<T>& tensors);
template <class T>
void save_parameters(const std::string& path, const ParameterList<T>& parameters, const SaveOptions& options);

}  // namespace detail

/// A copy of every parameter's value by name; tied ones once, under the first name.
template <class M>
UNROLL_PER_ISA StateDict<scalar_of<M>> state_dict(const M& module, NameMap names = nullptr) {
  return detail::copied_parameters(parameters_of<scalar_of<M>>(module), names);
}

/// Sets a module's parameters from tensors by name, converting between scalars.
///
/// Everything is compared first. In strict mode any difference throws ValueError with the names of *all* missing,
/// unexpected and mis-shaped tensors, and the module is as it was; otherwise what fits is loaded, and the report says
/// what did not. A tied parameter may be there under any of its names, or under several with equal values.
/// Hyper-parameters are not in state dicts: build the module with those that it was trained with.
template <class M, class T>
UNROLL_PER_ISA LoadReport load_state_dict(M& module, const StateDict<T>& tensors, LoadOptions options = {}) {
  return detail::load_views("[load_state_dict] ", detail::views_of(tensors), detail::parameter_names(module), options);
}

/// Writes a module's parameters as a safetensors file, whole or not at all: `write_safetensors`. Tied ones once.
template <class M>
UNROLL_PER_ISA void save_parameters(const std::string& path, const M& module, const SaveOptions& options = {}) {
  detail::save_parameters(path, parameters_of<scalar_of<M>>(module), options);
}

/// Sets a module's parameters from a safetensors file: `load_state_dict`, without a copy in between. Elements may be
/// F64, F32, F16 or BF16. Throws FileError when the file is none, ValueError when it does not fit the module.
///
///     Tagger model(rng);
///     load_parameters("tagger.safetensors", model);                               // written by save_parameters
///     load_parameters("lstm.safetensors", model.encoder, {.names = torch_name});  // written by PyTorch
///     auto report = load_parameters("old.safetensors", model, {.strict = false});
template <class M>
UNROLL_PER_ISA LoadReport load_parameters(const std::string& path, M& module, LoadOptions options = {}) {
  const SafetensorsFile file(path);
  return detail::load_views("[load_parameters] " + path + ": ", file.tensors(), detail::parameter_names(module),
                            options);
}

}  // namespace unroll
