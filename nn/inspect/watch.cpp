#include "watch.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "watch_detail.hpp"

namespace unroll {
namespace detail {
namespace {

bool same_name(const char* a, const char* b) { return a == b || (a && b && std::strcmp(a, b) == 0); }

// Where the caller says which values there are, infinities are meant.
bool hands_on_infinities(std::string_view op) {
  return op == "input" || op == "full" || op == "masked_fill" || op == "where" || op == "parameter" || op == "sequence";
}

// The first element that is not finite, row-major; -1 when all are.
template <class T>
Index first_non_finite(const T* values, const Node<T>& node, bool only_nan = false) {
  const Index rows = node.rows(), cols = node.cols();
  for (Index r = 0; r < rows; ++r) {
    const T* row = values + r * node.row_stride;
    int bad = 0;
    if (only_nan) {
      for (Index c = 0; c < cols; ++c) bad |= std::isnan(row[c]);
    } else {
      for (Index c = 0; c < cols; ++c) bad |= !std::isfinite(row[c]);
    }
    if (!bad) continue;
    for (Index c = 0; c < cols; ++c)
      if (only_nan ? std::isnan(row[c]) : !std::isfinite(row[c])) return r * cols + c;
  }
  return -1;
}

std::vector<Index> place_in(const Shape& shape, Index flat) {
  std::vector<Index> at(static_cast<std::size_t>(shape.rank()));
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    at[static_cast<std::size_t>(axis)] = flat % shape[axis];
    flat /= shape[axis];
  }
  return at;
}

// The adjoint that a node has now, without completing it as backward would; null when it has none.
template <class T>
const T* adjoint_of(const Node<T>& node) {
  if (node.parameter) return node.parameter->has_grad ? node.grad : nullptr;
  if (node.state == GradState::ready) return node.grad;
  if (!node.base) return nullptr;
  const T* base = adjoint_of(*node.base);
  return base ? base + (node.value - node.base->value) : nullptr;
}

}  // namespace

std::string layer_of_parameter(const std::string& name) {
  const auto dot = name.rfind('.');
  return dot == std::string::npos ? std::string() : name.substr(0, dot);
}

void name_parameter(WatchNames& names, const std::string& name, const void* value, Index size) {
  if (!names.parameters.emplace(value, name).second) return;  // tied: known by its first name
  const std::string layer = layer_of_parameter(name);
  auto known = std::ranges::find(names.layers, layer, &std::pair<std::string, Index>::first);
  if (known == names.layers.end()) known = names.layers.insert(known, {layer, 0});
  known->second += size;
}

void name_cell(WatchNames& names, const std::string& name, const void* cell) {
  if (!names.cells.emplace(cell, name).second) return;  // a wrapper begins where what it wraps does
  if (std::ranges::find(names.layers, name, &std::pair<std::string, Index>::first) == names.layers.end())
    names.layers.emplace_back(name, 0);
}

OpProfile& WatchTotals::row(const char* op) {
  OpProfile*& known = by_pointer[op];
  if (!known) {
    known = &ops[op];
    known->op = op;
  }
  return *known;
}

const std::string* WatchTotals::layer(std::string_view name) {
  for (const std::string& known : layers)
    if (known == name) return &known;
  return &layers.emplace_back(name);
}

void WatchTotals::put_out(const std::string& layer, const Shape& shape) {
  const auto known = std::ranges::find(outputs, layer, &std::pair<std::string, Shape>::first);
  if (known != outputs.end()) {
    known->second = shape;
  } else {
    outputs.emplace_back(layer, shape);
  }
}

template <class T>
double Watcher<T>::seconds() {
  const auto now = Clock::now();
  const double passed = std::chrono::duration<double>(now - time_).count();
  // What an inner tape's operations took in between is theirs.
  const double own = std::max(0.0, passed - (totals_->attributed - attributed_));
  totals_->attributed += own;
  return own;
}

template <class T>
void Watcher<T>::settle(OpProfile& row) {
  row.forward += seconds();
  row.nodes += tape_->nodes() - nodes_;
  const std::size_t bytes = tape_->recorder().own_bytes_used();
  if (bytes > bytes_ && !rewound_) row.bytes += bytes - bytes_;
}

template <class T>
void Watcher<T>::mark() {
  nodes_ = tape_->nodes();
  bytes_ = tape_->recorder().own_bytes_used();
  rewound_ = false;
  attributed_ = totals_->attributed;
  time_ = Clock::now();
}

template <class T>
void Watcher<T>::opened(Tape<T>& tape, bool outermost) {
  if (outermost) {
    tape_ = &tape;
    ops_.clear();
    records_.clear();
    producers_.clear();
    made_ = {};
    nodes_ = 0, bytes_ = 0;
    rewound_ = true;
    attributed_ = totals_->attributed;
    time_ = Clock::now();
  } else {
    settle();
  }
  open_ = false;
  waiting_ = {};
  made_kept_ = false;
  mark();
}

template <class T>
void Watcher<T>::closing() {
  settle();
  collect_records();
  open_ = false;
  waiting_ = {};
  made_kept_ = false;
  mark();
  rewound_ = true;  // soon
}

template <class T>
void Watcher<T>::begins(const char* op) {
  settle();
  begun_ = {op, {}};
  waiting_ = {};
  open_ = true;
  collect_records();
  mark();
}

template <class T>
void Watcher<T>::uses(const char* op, Node<T>* operand) {
  settle();
  const auto is = [&](const Node<T>* n) { return n == operand; };
  if (open_ && same_name(begun_.name, op)) {
    if (std::ranges::none_of(begun_.operands, is)) begun_.operands.push_back(operand);
  } else if (!open_ && same_name(waiting_.name, op) && std::ranges::any_of(made_.results, is)) {
    // An operation goes on with the copy of an operand that it had made.
    begun_ = std::move(waiting_);
    waiting_ = {};
    std::erase_if(begun_.operands,
                  [&](Node<T>* n) { return std::ranges::find(made_.operands, n) != made_.operands.end(); });
    begun_.operands.push_back(operand);
    open_ = true;
  } else {
    waiting_ = open_ ? std::move(begun_) : Begun{};
    begun_ = {op, {operand}};
    open_ = true;
    collect_records();
  }
  mark();
}

template <class T>
void Watcher<T>::collect_records() {
  if (!tape_->recording()) return;
  Record* const seen = records_.empty() ? nullptr : records_.back().first;
  const int op = static_cast<int>(ops_.size()) - 1;
  const std::size_t before = records_.size();
  for (Record* r = tape_->recorder().last_record(); r && r != seen; r = r->previous) records_.emplace_back(r, op);
  std::reverse(records_.begin() + static_cast<std::ptrdiff_t>(before), records_.end());
}

template <class T>
const std::string* Watcher<T>::parameter_name(const Node<T>& node) const {
  const auto found = totals_->names.parameters.find(node.value);
  return found == totals_->names.parameters.end() || node.base ? nullptr : &found->second;
}

template <class T>
int Watcher<T>::producer(const Node<T>* node) const {
  const auto found = producers_.find(node);
  return found == producers_.end() ? -1 : found->second;
}

template <class T>
void Watcher<T>::locate(WatchedOp<T>& op, bool& told) const {
  op.layer = nullptr;
  op.time_step = -1;
  told = false;
  for (const Node<T>* operand : op.operands)
    if (const std::string* name = parameter_name(*operand); name && !op.layer)
      op.layer = totals_->layer(layer_of_parameter(*name));
  bool step_found = false;
  for (const Place* p = Place::innermost(); p; p = p->outer()) {
    if (!op.layer && p->name()) op.layer = totals_->layer(p->name());
    if (!op.layer && p->module())
      if (const auto cell = totals_->names.cells.find(p->module()); cell != totals_->names.cells.end())
        op.layer = totals_->layer(cell->second);
    if (!step_found && p->step() >= 0) {
      op.time_step = p->step();
      told = p->told();
      step_found = true;
    } else if (step_found) {
      op.time_step += p->offset();
    }
  }
  if (!op.layer) op.layer = totals_->layer("");
}

template <class T>
void Watcher<T>::makes(Node<T>* result) {
  if (open_) {
    OpProfile& row = totals_->row(begun_.name);
    settle(row);
    ++row.calls;
    open_ = false;
    made_ = {begun_.name, nullptr, -1, begun_.operands, {}};
    locate(made_, made_told_);
    made_kept_ = tape_->recording();
    if (made_kept_) ops_.push_back(made_);
  } else {
    settle(totals_->row(made_.name ? made_.name : elsewhere));
  }
  made_.results.push_back(result);
  if (made_kept_) {
    ops_.back().results.push_back(result);
    producers_[result] = static_cast<int>(ops_.size()) - 1;
  }
  collect_records();
  if (made_.layer && !made_.layer->empty()) totals_->put_out(*made_.layer, result->shape);
  if (totals_->options.non_finite && made_.name) check_value(made_, *result, made_told_);
  mark();
}

template <class T>
void Watcher<T>::puts_out(const void* module, const Shape& shape) {
  const auto cell = totals_->names.cells.find(module);
  if (cell != totals_->names.cells.end()) totals_->put_out(cell->second, shape);
}

template <class T>
void Watcher<T>::runs_backward(Record* last) {
  settle();
  collect_records();
  open_ = false;
  std::size_t k = records_.size();
  for (Record* r = last; r; r = r->previous) {
    const int number = k > 0 && records_[k - 1].first == r ? records_[--k].second : -1;
    OpProfile& row = totals_->row(number >= 0 ? ops_[static_cast<std::size_t>(number)].name : elsewhere);
    mark();
    r->backward(r);
    row.backward += seconds();
    ++row.backward_calls;
    const std::size_t bytes = tape_->recorder().own_bytes_used();
    if (bytes > bytes_) row.backward_bytes += bytes - bytes_;
    if (totals_->options.non_finite && number >= 0) check_adjoints(ops_[static_cast<std::size_t>(number)]);
  }
  mark();
}

template <class T>
Observer<T>* Watcher<T>::of_inner_tape() {
  if (!inner_) inner_ = std::make_unique<Watcher>(totals_);
  return inner_.get();
}

template <class T>
std::string Watcher<T>::described(const Node<T>& node) const {
  if (const std::string* name = parameter_name(node)) return "parameter " + *name;
  const int made_by = producer(&node);
  if (made_by < 0) return "";
  const WatchedOp<T>& op = ops_[static_cast<std::size_t>(made_by)];
  return op.name + (op.layer->empty() ? std::string() : " of " + *op.layer);
}

template <class T>
void Watcher<T>::check_value(const WatchedOp<T>& op, const Node<T>& result, bool told) const {
  Index at = first_non_finite(result.value, result);
  if (at < 0) return;
  const auto has_infinities = [](const Node<T>* n) { return !n->reuse.overwritten && first_non_finite(n->value, *n) >= 0; };
  if (hands_on_infinities(op.name) || std::ranges::any_of(op.operands, has_infinities))
    at = first_non_finite(result.value, result, true);
  if (at < 0) return;
  NonFinite found{op.name, *op.layer, op.time_step, false, result.shape, -1, place_in(result.shape, at), 0, {}, {}};
  if (const std::string* name = parameter_name(result)) found.operands.push_back({result.shape, "parameter " + *name});
  found.value = static_cast<double>(result.value[at / result.cols() * result.row_stride + at % result.cols()]);
  for (const Node<T>* operand : op.operands) found.operands.push_back({operand->shape, described(*operand)});
  std::string message = non_finite_message(found, told);
  throw NonFiniteError(std::move(message), std::move(found));
}

template <class T>
void Watcher<T>::check_adjoints(const WatchedOp<T>& op) const {
  for (std::size_t k = 0; k < op.operands.size(); ++k) {
    const Node<T>& operand = *op.operands[k];
    if (!operand.requires_grad) continue;
    const T* adjoint = adjoint_of(operand);
    const Index at = adjoint ? first_non_finite(adjoint, operand) : -1;
    if (at < 0) continue;
    NonFinite found{
        op.name, *op.layer, op.time_step, true, operand.shape, static_cast<int>(k), place_in(operand.shape, at), 0,
        {},      {}};
    found.value = static_cast<double>(adjoint[at / operand.cols() * operand.row_stride + at % operand.cols()]);
    for (const Node<T>* node : op.operands) found.operands.push_back({node->shape, described(*node)});
    for (const Node<T>* node : op.results) found.results.push_back(node->shape);
    std::string message = non_finite_message(found, false);
    throw NonFiniteError(std::move(message), std::move(found));
  }
}

template <class T>
Profile Watcher<T>::profile() {
  Profile profile;
  for (const auto& [name, row] : totals_->ops) profile.ops.push_back(row);
  std::ranges::stable_sort(profile.ops, std::greater(), [](const OpProfile& op) { return op.forward + op.backward; });
  return profile;
}

template <class T>
void Watcher<T>::reset() {
  totals_->ops.clear();
  totals_->by_pointer.clear();
}

template <class T>
void WatcherDeleter<T>::operator()(Watcher<T>* watcher) const {
  delete watcher;
}

template class Watcher<float>;
template class Watcher<double>;

}  // namespace detail

template <class T>
Watch<T>::Watch(Tape<T>& tape, detail::WatchNames names, WatchOptions options) : tape_(tape) {
  if (tape.recorder().observer()) throw TapeInUseError("[Watch] the tape has a Watch already; expected one at a time");
  auto totals = std::make_shared<detail::WatchTotals>();
  totals->options = options;
  totals->names = std::move(names);
  watcher_.reset(new detail::Watcher<T>(std::move(totals)));
  tape.recorder().watch(watcher_.get());
}

template <class T>
Watch<T>::~Watch() {
  tape_.recorder().watch(nullptr);
}

template <class T>
Profile Watch<T>::profile() const {
  return watcher_->profile();
}
template <class T>
void Watch<T>::reset() {
  watcher_->reset();
}
template <class T>
std::string Watch<T>::dot() const {
  return detail::dot_of(*watcher_);
}
template <class T>
std::vector<std::pair<std::string, Shape>> Watch<T>::layer_outputs() const {
  return watcher_->totals().outputs;
}

template class Watch<float>;
template class Watch<double>;

}  // namespace unroll
