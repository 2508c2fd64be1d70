#pragma once
/// \file
/// All that a training is, by name: what goes into a checkpoint and comes back from it.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "../../core/parameter_list.hpp"
#include "../../core/random.hpp"
#include "../../core/shards.hpp"
#include "../../data/tensors/dtype.hpp"
#include "../../nn/module.hpp"
#include "../state.hpp"

namespace unroll {

namespace detail {

/// Numbers of a training where they lie in memory.
struct StateLeaf {
  std::string name;
  DType dtype = DType::f32;
  std::vector<Index> shape;
  std::byte* data = nullptr;
  void* list = nullptr;  // a vector or string, which may come back with another length
  std::byte* (*resize)(void* list, std::size_t n) = nullptr;
  std::uint64_t* version = nullptr;  // of a parameter
  bool must_agree = false;           // a hyper-parameter: compared, never changed
};

/// Something that shows its own state, array after array.
struct StateWalk {
  std::string name;
  std::function<void(StateVisitor&)> each;
};

/// Finds the leaves of anything that can be saved.
class StateLeaves {
 public:
  template <class X>
  UNROLL_PER_ISA void walk(const std::string& name, X& x) {
    if constexpr (std::is_same_v<X, Rng>) {
      auto words = std::make_shared<Rng::State>(x.state());
      leaves.push_back({name, DType::u64, {4}, bytes_of(words->data())});
      finish.push_back([words, &x] { x.set_state(*words); });
    } else if constexpr (unroll::HasState<X>) {
      walks.push_back({name, [&x](StateVisitor& visitor) { x.each_state(visitor); }});
    } else if constexpr (std::is_same_v<X, std::string>) {
      list(name, x);
    } else if constexpr (is_list<X>) {
      if constexpr (is_list_of_numbers<X>) {
        list(name, x);
      } else {
        for (std::size_t i = 0; i < x.size(); ++i) walk(name + "." + std::to_string(i), x[i]);
      }
    } else if constexpr (std::is_arithmetic_v<X> || std::is_enum_v<X>) {
      number(name, x, false);
    } else {  // a module, a Parameter
      auto visit = [&]<class Y>(const std::string& member, Y& y) {
        if constexpr (is_parameter<std::remove_const_t<Y>>) {
          if (y.defined()) parameter(member, *y.share());
        } else if constexpr (std::is_same_v<std::remove_const_t<Y>, std::string>) {
          leaves.push_back({member, DType::u8, {static_cast<Index>(y.size())}, bytes_of(y.data())});
          leaves.back().must_agree = true;
        } else {
          number(member, y, true);
        }
      };
      visit_tree(name, x, visit);
    }
  }

  template <class T>
  UNROLL_PER_ISA void walk(const std::string& name, Tape<T>& tape) { walk(name, tape.rng()); }
  template <class T>
  UNROLL_PER_ISA void walk(const std::string& name, Shards<T>& shards) {
    for (int k = 0; k < shards.count(); ++k) walk(name + "." + std::to_string(k), shards.tape(k).rng());
  }
  template <class T>
  UNROLL_PER_ISA void parameter(const std::string& name, ParameterStorage<T>& p) {
    if (!is_new(&p)) return;  // tied
    std::vector<Index> shape;
    for (int d = 0; d < p.shape.rank(); ++d) shape.push_back(p.shape[d]);
    leaves.push_back({name, dtype_of<T>(), std::move(shape), bytes_of(p.value)});
    leaves.back().version = &p.version;
  }

  std::vector<StateLeaf> leaves;
  std::vector<StateWalk> walks;
  std::vector<std::function<void()>> finish;  // after loading

 private:
  template <class X>
  static constexpr bool is_list_of_numbers = std::is_arithmetic_v<typename X::value_type>&& requires(X& x) {
    x.resize(1), x.data();
  };

  template <class X>
  UNROLL_PER_ISA static std::byte* bytes_of(X* data) {
    return reinterpret_cast<std::byte*>(const_cast<std::remove_const_t<X>*>(data));
  }
  template <class X>
  UNROLL_PER_ISA void number(const std::string& name, X& x, bool must_agree) {
    using Number = std::remove_const_t<X>;
    const auto add = [&]<class N>(N*) {
      leaves.push_back({name, dtype_of<N>(), {}, bytes_of(&x)});
      leaves.back().must_agree = must_agree;
    };
    if constexpr (std::is_enum_v<Number>) {
      add(static_cast<std::underlying_type_t<Number>*>(nullptr));
    } else {
      add(static_cast<Number*>(nullptr));
    }
  }
  template <class X>
  UNROLL_PER_ISA void list(const std::string& name, X& x) {
    leaves.push_back({name, dtype_of<typename X::value_type>(), {static_cast<Index>(x.size())}, bytes_of(x.data())});
    leaves.back().list = &x;
    leaves.back().resize = [](void* object, std::size_t n) {
      auto& list = *static_cast<X*>(object);
      list.resize(n);
      return bytes_of(list.data());
    };
  }
  bool is_new(const void* storage);

  std::vector<const void*> seen_;
};

}  // namespace detail

/// All that a training is, by name. Holds references: what is added must live as long as this.
///
///     TrainingState state;
///     state.add("model", model).add("adam", adam).add("tapes", shards).add("data", batches).add("step", step);
///     save_checkpoint("run.safetensors", state);
///     load_checkpoint("run.safetensors", state);      // all of it is as it was
///
/// What can be added:
///   - modules and Parameters: values by their dotted names ("model.encoder.cell.weight_ih"). Hyper-parameters are
///     saved and must be the same when it is loaded: a model with another dropout is another training;
///   - optimizers, schedules, averages of weights, a Carry, and whatever else has `each_state(StateVisitor&)`: all they
///     keep ("adam.encoder.cell.weight_ih.exp_avg");
///   - generators: an Rng, a Tape (its generator), Shards (those of its tapes);
///   - numbers, enums, strings, vectors of numbers, of any length; vectors and arrays of all these, of the same length.
///
/// Between steps, that is where nothing else is: gradients that wait for their step are not saved.
class TrainingState {
 public:
  /// Throws ValueError for a name that is there.
  template <class X>
  UNROLL_PER_ISA TrainingState& add(std::string name, X& x) {
    static_assert(!std::is_const_v<X>, "what is added must be changeable: loading sets it");
    append(std::move(name), [&x](detail::StateLeaves& leaves, const std::string& at) { leaves.walk(at, x); });
    return *this;
  }
  template <class T>
  UNROLL_PER_ISA TrainingState& add(std::string name, const ParameterList<T>& list) {
    append(std::move(name), [list](detail::StateLeaves& leaves, const std::string& at) {
      for (const NamedParameter<T>& p : list) leaves.parameter(at + "." + p.name, *p.storage);
    });
    return *this;
  }
  template <class T>
  UNROLL_PER_ISA TrainingState& add(std::string name, ParameterList<T>& list) {
    return add(std::move(name), std::as_const(list));
  }
  /// All that another one holds.
  TrainingState& add(const TrainingState& other);

  /// The numbers as they lie in memory now.
  detail::StateLeaves leaves() const;

 private:
  using Walk = std::function<void(detail::StateLeaves&, const std::string&)>;
  struct Item {
    std::string name;
    Walk walk;
  };
  void append(std::string name, Walk walk);
  std::vector<Item> items_;
};

}  // namespace unroll
