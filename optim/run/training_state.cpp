#include "training_state.hpp"

#include <algorithm>

#include "../../core/error.hpp"

namespace unroll {
namespace detail {

bool StateLeaves::is_new(const void* storage) {
  if (std::find(seen_.begin(), seen_.end(), storage) != seen_.end()) return false;
  seen_.push_back(storage);
  return true;
}

}  // namespace detail

void TrainingState::append(std::string name, Walk walk) {
  for (const Item& item : items_)
    if (item.name == name) throw ValueError("[TrainingState] '" + name + "' is added twice");
  items_.push_back({std::move(name), std::move(walk)});
}

TrainingState& TrainingState::add(const TrainingState& other) {
  for (const Item& item : std::vector<Item>(other.items_)) append(item.name, item.walk);
  return *this;
}

detail::StateLeaves TrainingState::leaves() const {
  detail::StateLeaves found;
  for (const Item& item : items_) item.walk(found, item.name);
  return found;
}

}  // namespace unroll
