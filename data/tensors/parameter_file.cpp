#include "parameter_file.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include "../../core/error.hpp"

namespace unroll {
namespace {

std::string in_quotes(std::string_view name) { return "'" + std::string(name) + "'"; }

std::vector<Index> dims_of(const Shape& shape) {
  std::vector<Index> dims;
  for (int i = 0; i < shape.rank(); ++i) dims.push_back(shape[i]);
  return dims;
}

std::string view_text(const TensorView& v) {
  return (is_float(v.dtype) ? "" : std::string(dtype_name(v.dtype)) + " ") + detail::shape_text(v.shape);
}

}  // namespace

std::string LoadReport::str() const {
  return detail::name_lists({{"missing", missing}, {"unexpected", unexpected}, {"mismatched", mismatched}});
}

namespace detail {

std::string name_lists(std::initializer_list<std::pair<const char*, std::span<const std::string>>> lists) {
  std::string all;
  for (const auto& [what, names] : lists) {
    if (names.empty()) continue;
    all += text(all.empty() ? "" : "; ", names.size(), " ", what, ": ", names[0]);
    for (const std::string& name : names.subspan(1)) all += ", " + name;
  }
  return all;
}

template <class T>
LoadReport load_views(const std::string& where, std::span<const TensorView> views,
                      const std::vector<ParameterName<T>>& names, const LoadOptions& options) {
  std::map<std::string_view, const TensorView*> by_name;
  for (const TensorView& v : views) by_name.emplace(v.name, &v);

  struct Target {
    std::string name;                    // the first of them
    const TensorView* source = nullptr;  // the first that fits
    bool found = false;                  // whether it fits or not
  };
  LoadReport report;
  std::map<ParameterStorage<T>*, Target> targets;
  std::set<const TensorView*> used;
  for (const auto& [name, storage] : names) {
    Target& target = targets.try_emplace(storage, Target{name}).first->second;
    const std::string mapped = options.names ? options.names(name) : name;
    auto found = by_name.find(mapped);
    if (found == by_name.end()) found = by_name.find(name);
    if (found == by_name.end()) continue;
    target.found = true;
    const TensorView& view = *found->second;
    if (!used.insert(&view).second && target.source != &view) {
      report.mismatched.push_back(in_quotes(view.name) + " is wanted by more than one parameter, " + in_quotes(name) +
                                  " among them");
    } else if (!is_float(view.dtype) || view.shape != dims_of(storage->shape)) {
      report.mismatched.push_back(in_quotes(view.name) + " is " + view_text(view) + ", the module's " +
                                  storage->shape.str());
    } else if (!target.source) {
      target.source = &view;
    } else if (view.dtype != target.source->dtype || !std::ranges::equal(view.bytes, target.source->bytes)) {
      report.mismatched.push_back(in_quotes(target.source->name) + " and " + in_quotes(view.name) +
                                  " are one tensor in the module, two different ones here");
    }
  }
  for (const auto& [storage, target] : targets)
    if (!target.found) report.missing.push_back(in_quotes(target.name));
  for (const TensorView& v : views)
    if (!used.contains(&v)) report.unexpected.push_back(in_quotes(v.name));
  for (auto* list : {&report.missing, &report.unexpected, &report.mismatched}) std::ranges::sort(*list);
  if (options.strict && !report.complete())
    throw ValueError(where, report.str(), " (strict; the module has ", targets.size(), " parameters, here are ",
                     views.size(), " tensors)");

  for (const auto& [storage, target] : targets) {
    if (!target.source) continue;
    const std::span<T> values(storage->value, storage->shape.size());
    elements_from_bytes<T>(target.source->dtype, target.source->bytes, values);
    ++storage->version;
  }
  return report;
}

template <class T>
StateDict<T> copied_parameters(const ParameterList<T>& parameters, NameMap names) {
  StateDict<T> copies;
  for (const auto& p : parameters) {
    const std::string name = names ? names(p.name) : p.name;
    const auto [place, is_new] = copies.try_emplace(
        name,
        PlainTensor<T>{dims_of(p.storage->shape), {p.storage->value, p.storage->value + p.storage->shape.size()}});
    if (!is_new) throw ValueError("[state_dict] two parameters would be named ", in_quotes(name));
  }
  return copies;
}

template <class T>
std::vector<TensorView> views_of(const StateDict<T>& tensors) {
  std::vector<TensorView> views;
  for (const auto& [name, tensor] : tensors) {
    check_plain<T>(in_quotes(name), tensor, tensor.shape);
    views.push_back({name, dtype_of<T>(), tensor.shape, std::as_bytes(std::span(tensor.values))});
  }
  return views;
}

template <class T>
void save_parameters(const std::string& path, const ParameterList<T>& parameters, const SaveOptions& options) {
  const DType dtype = options.dtype.value_or(dtype_of<T>());
  std::vector<TensorView> views;
  std::vector<std::vector<std::byte>> converted;
  converted.reserve(parameters.size());
  for (const auto& p : parameters) {
    const std::span<const T> values(p.storage->value, p.storage->shape.size());
    auto bytes = std::as_bytes(values);
    if (dtype != dtype_of<T>()) bytes = converted.emplace_back(elements_to_bytes<T>(dtype, values));
    views.push_back({options.names ? options.names(p.name) : p.name, dtype, dims_of(p.storage->shape), bytes});
  }
  write_safetensors(path, views, options.metadata);
}

#define UNROLL_INSTANTIATE(T)                                                                  \
  template LoadReport load_views<T>(const std::string&, std::span<const TensorView>,           \
                                    const std::vector<ParameterName<T>>&, const LoadOptions&); \
  template StateDict<T> copied_parameters<T>(const ParameterList<T>&, NameMap);                \
  template std::vector<TensorView> views_of<T>(const StateDict<T>&);                           \
  template void save_parameters<T>(const std::string&, const ParameterList<T>&, const SaveOptions&);
UNROLL_INSTANTIATE(float)
UNROLL_INSTANTIATE(double)
#undef UNROLL_INSTANTIATE

}  // namespace detail
}  // namespace unroll
