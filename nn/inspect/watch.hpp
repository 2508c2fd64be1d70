#pragma once
/// \file
/// Looking at what a tape does: the first value that is not finite, what operations cost, a picture of the graph.

#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "../../core/error.hpp"
#include "../../core/tape.hpp"
#include "../cell.hpp"
#include "../module.hpp"

namespace unroll {

/// The first value or adjoint that was not finite, and where it came from.
struct NonFinite {
  /// An operand of the operation.
  struct Operand {
    Shape shape;
    std::string from;  ///< the operation that made it, or "parameter encoder.cell.weight_ih"; empty when not known
  };

  std::string op;        ///< as in error messages: "linear", "map", "tanh", "parameter", "input"
  std::string layer;     ///< dotted name; empty when the Watch does not know it
  Index time_step = -1;  ///< -1: in no loop over time
  bool backward = false;
  Shape shape;                    ///< of the value; in backward of the operand whose adjoint it is
  int operand = -1;               ///< in backward: which one
  std::vector<Index> at;          ///< the first such element
  double value = 0;               ///< nan, inf or -inf
  std::vector<Operand> operands;  ///< of the operation
  std::vector<Shape> results;     ///< in backward: what the operation made, whose adjoints were finite
};

/// Thrown by the operation whose value it is, and by backward().
class NonFiniteError : public Error {
 public:
  NonFiniteError(std::string message, NonFinite found_) : Error(std::move(message)), found(std::move(found_)) {}
  NonFinite found;
};

/// What the operations of one name took, since the Watch began or was reset.
struct OpProfile {
  std::string op;
  Index calls = 0, nodes = 0;      ///< nodes: tensors and views made
  std::size_t bytes = 0;           ///< of the tape
  double forward = 0;              ///< seconds
  Index backward_calls = 0;        ///< of its records
  std::size_t backward_bytes = 0;  ///< of the tape, for adjoints
  double backward = 0;             ///< seconds
};

/// The costs of all operations, the dearest first.
struct Profile {
  std::vector<OpProfile> ops;

  /// The row of one operation; zeros when it never ran.
  OpProfile operator[](const std::string& op) const;
  OpProfile total() const;
  /// As text: calls, nodes, bytes, milliseconds forward and backward, share of the time.
  std::string table() const;
};

struct WatchOptions {
  bool non_finite = true;  ///< the first value or adjoint that is not finite is an error
};

namespace detail {

/// Names of a module's parts: cells by address (the time loop says which one it runs), parameters by their value's.
struct WatchNames {
  std::unordered_map<const void*, std::string> cells, parameters;
  std::vector<std::pair<std::string, Index>> layers;  // in order, and how many numbers their own parameters are
};

/// "encoder.cell" of "encoder.cell.weight_ih".
std::string layer_of_parameter(const std::string& name);
void name_parameter(WatchNames& names, const std::string& name, const void* value, Index size);
void name_cell(WatchNames& names, const std::string& name, const void* cell);

template <class X>
UNROLL_PER_ISA void name_parts(const std::string& name, const X& x, WatchNames& names) {
  if constexpr (is_parameter<X>) {
    if (x.defined()) name_parameter(names, name, x.storage().value, x.size());
  } else if constexpr (is_list<X>) {
    for (std::size_t i = 0; i < x.size(); ++i) name_parts(name + "." + std::to_string(i), x[i], names);
  } else if constexpr (is_optional<X>) {
    if (x) name_parts(name, *x, names);
  } else if constexpr (NamesMembers<X>) {
    if constexpr (HasStep<X>) name_cell(names, name, &x);
    const_cast<X&>(x).each([&](const char* member, const auto& y) {
      name_parts(name.empty() ? std::string(member) : name + "." + member, y, names);
    });
  }
}

template <class T>
class Watcher;
template <class T>
struct WatcherDeleter {
  void operator()(Watcher<T>* watcher) const;
};

}  // namespace detail

/// While one lives, a tape tells what its operations do:
///
///     Tape<float> tape;
///     Watch watch(tape, model);          // names layers and parameters by the model's members
///     {
///       Recording recording(tape);
///       tape.backward(loss_of(model));   // throws NonFiniteError where the first inf or nan appears:
///     }                                  // time step 3: layer encoder.cell: [map] made inf at (0,2) of its result ...
///     std::cout << watch.profile().table();
///
/// Values are looked at when an operation has made them, adjoints when one has written them. An operation that was
/// given infinities (masks: `masked_fill`, `where`, `input`, `full`) may hand them on; what makes one of finite
/// operands, or a nan of anything, is an error. Layers are known from the parameters that an operation uses, from the
/// cell that the time loop runs, and from a `Place` that the caller opened.
///
/// Results are the same bits with and without. Watching costs a pass over every value (unless `non_finite` is off) and
/// two looks at the clock an operation; a tape that nobody watches pays one comparison with null an operation.
///
/// The tape must outlive it; the module must stay where it is. A tape has one Watch at a time; each of several Shards
/// takes its own. Throws TapeInUseError when the tape has a scope open.
template <class T = float>
class Watch {
 public:
  explicit Watch(Tape<T>& tape, WatchOptions options = {}) : Watch(tape, detail::WatchNames{}, options) {}
  template <Module M>
  UNROLL_PER_ISA Watch(Tape<T>& tape, const M& module, WatchOptions options = {})
      : Watch(tape, names_of(module), options) {}
  ~Watch();
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  /// What operations took so far; time between them is "(elsewhere)".
  Profile profile() const;
  /// Forgets it.
  void reset();

  /// The graph of the Recording (the one that is open, or was last) in Graphviz' language: operations with the shapes
  /// of their results, parameters by name, grouped by layer and time step.
  ///
  ///     dot -Tsvg graph.dot -o graph.svg
  std::string dot() const;

  /// What each layer that was run put out last, by name; of a layer over time the rows of all steps.
  std::vector<std::pair<std::string, Shape>> layer_outputs() const;

 private:
  Watch(Tape<T>& tape, detail::WatchNames names, WatchOptions options);
  template <class M>
  UNROLL_PER_ISA static detail::WatchNames names_of(const M& module) {
    detail::WatchNames names;
    detail::name_parts("", module, names);
    return names;
  }

  Tape<T>& tape_;
  std::unique_ptr<detail::Watcher<T>, detail::WatcherDeleter<T>> watcher_;
};

extern template class Watch<float>;
extern template class Watch<double>;

/// A row of a `summary` with outputs.
struct LayerSummary {
  std::string name;
  std::string output;  ///< shape; empty when the layer was not run
  Index count = 0;     ///< numbers in its own parameters
  std::size_t bytes = 0;
};

/// As text, with a total.
std::string layer_table(const std::vector<LayerSummary>& rows);

/// What each layer of a module puts out in one run, and the size of its parameters. `run` is called once, in an
/// Evaluation on a tape of its own:
///
///     std::cout << summary(model, [&] { return model(input(x)); });
///
/// A layer over time is shown with its cell's name and the rows of all steps: (T*B, O).
template <Module M, class F>
UNROLL_PER_ISA std::string summary(const M& module, F&& run) {
  using T = scalar_of<M>;
  detail::WatchNames names;
  detail::name_parts("", module, names);
  Tape<T> tape;
  const Watch<T> watch(tape, module, {.non_finite = false});
  {
    const Evaluation<T> scope(tape);
    run();
  }
  std::vector<LayerSummary> rows;
  const auto outputs = watch.layer_outputs();
  for (const auto& [name, count] : names.layers) {
    LayerSummary row{name, "", count, static_cast<std::size_t>(count) * sizeof(T)};
    for (const auto& [layer, shape] : outputs)
      if (layer == name) row.output = shape.str();
    rows.push_back(std::move(row));
  }
  return layer_table(rows);
}

}  // namespace unroll
