#include "recorder.hpp"

#include <algorithm>
#include <map>
#include <mutex>
#include <string>

#include "denormals.hpp"
#include "error.hpp"

namespace unroll::detail {
namespace {

// Which tapes are alive, by number. Only looked at when a handle is not good in the scope at hand.
struct Registry {
  std::mutex mutex;
  std::map<std::uint32_t, Scopes*> tapes;
  std::uint32_t last = 0;

  std::uint32_t add(Scopes* tape) {
    const std::scoped_lock lock(mutex);
    if (last == 0xffffffffu) throw ValueError("[Tape] 4294967295 tapes were made; no number is left for another");
    tapes[++last] = tape;
    return last;
  }
};

Registry& registry() {
  static Registry* r = new Registry;  // never destroyed: tapes of static storage may outlive any static
  return *r;
}

// A value that differs between threads that are alive at the same time.
const void* this_thread() {
  static thread_local char here;
  return &here;
}

std::string in(const char* op) { return std::string("[") + op + "] "; }

}  // namespace

void throw_no_scope(const char* op) {
  throw NoScopeError(in(op) +
                     "no scope is open on this thread; expected a Recording (to train) or an Evaluation (values only): "
                     "Recording step(tape);");
}

Scopes::Scopes() : last_serial_(static_cast<std::uint64_t>(registry().add(this)) << 32) {}

Scopes::~Scopes() {
  Registry& r = registry();
  const std::scoped_lock lock(r.mutex);
  r.tapes.erase(static_cast<std::uint32_t>(last_serial_ >> 32));
  for (const std::uint32_t number : old_numbers_) r.tapes.erase(number);
}

std::uint64_t Scopes::next_serial() {
  if ((last_serial_ & 0xffffffffu) == 0xffffffffu) {
    old_numbers_.push_back(static_cast<std::uint32_t>(last_serial_ >> 32));
    last_serial_ = static_cast<std::uint64_t>(registry().add(this)) << 32;
  }
  return ++last_serial_;
}

void Scopes::claim_thread(const char* scope) {
  const void* expected = nullptr;
  if (!owner_.compare_exchange_strong(expected, this_thread()) && expected != this_thread())
    throw TapeInUseError(in(scope) +
                         "the tape has a scope open on another thread; expected one tape a thread");
}

void Scopes::release_thread() { owner_.store(nullptr); }

bool Scopes::live_in_outer_scope(std::uint64_t serial) const {
  if (std::ranges::find(outer_serials_, serial) != outer_serials_.end() && serial != 0) return true;
  return around_ && serial_ != 0 && serial != 0 && around_->live(serial);
}

void Scopes::diagnose(const char* op, std::uint64_t serial, const Scopes* current, bool read) {
  if (serial == 0)
    throw EmptyVariableError(in(op) + "got a Variable that was never set; expected one made by input() or an operation");
  if (!read && !current) throw_no_scope(op);
  Registry& r = registry();
  const std::scoped_lock lock(r.mutex);
  const auto found = r.tapes.find(static_cast<std::uint32_t>(serial >> 32));
  if (found == r.tapes.end())
    throw DeadTapeError(in(op) + "got a Variable whose tape was destroyed; expected the tape to outlive its Variables");
  const Scopes& tape = *found->second;
  const void* owner = tape.owner_.load();
  if (owner && owner != this_thread())
    throw WrongThreadError(in(op) +
                           "got a Variable of a tape that has a scope open on another thread; expected one tape a thread");
  if (owner ? (serial == tape.serial_ || tape.live_in_outer_scope(serial)) : serial == tape.readable_.load()) {
    if (read) return;
    if (&tape != current)
      throw WrongTapeError(in(op) +
                           "got a Variable of another tape than the one recording now; expected all operands on one tape");
  }
  throw StaleVariableError(in(op) +
                           "got a Variable whose scope was rewound: it is older than the tape's current scope; carry "
                           "values from one scope to the next by a detached copy, not by the Variable");
}

template <class T>
void Recorder<T>::open(bool recording, bool training) {
  const char* name = recording ? "Recording" : "Evaluation";
  claim_thread(name);
  const bool outermost = serial_ == 0;
  if (!outermost && recording) {
    throw TapeInUseError(
        "[Recording] the tape has a scope open already; expected the earlier Recording or Evaluation to end first, or a "
        "tape of its own");
  }
  if (outermost) {
    readable_.store(0);
    arena_.reset();
    leaves_.assign(leaves_.size(), LeafSlot{});
    used_.clear();
    new_leaves_.clear();
    nodes_ = 0;
  } else {
    outer_serials_.push_back(serial_);
  }
  outer_frames_.push_back(frame_);
  frame_ = Frame{};
  frame_.mark = arena_.mark();
  frame_.recording = recording;
  frame_.training = training;
  frame_.previous_current = current_recorder<T>;
  serial_ = next_serial();
  current_recorder<T> = this;
  current_tape<T> = &tape_;
  if (outermost && around()) observer_ = around()->observer_ ? around()->observer_->of_inner_tape() : nullptr;
  quick_serial_ = observer_ ? no_serial : serial_;
  if (observer_) observer_->opened(tape_, outermost);
}

template <class T>
void Recorder<T>::close() noexcept {
  if (observer_) observer_->closing();
  current_recorder<T> = frame_.previous_current;
  current_tape<T> = frame_.previous_current ? &frame_.previous_current->tape_ : nullptr;
  if (outer_serials_.empty()) {
    for (; !kept_objects_.empty(); kept_objects_.pop_back()) kept_objects_.back().second(kept_objects_.back().first);
    readable_.store(serial_);
    serial_ = 0;
    arena_.prepare_reset();
  } else {
    serial_ = outer_serials_.back();
    outer_serials_.pop_back();
    arena_.rewind(frame_.mark);
  }
  quick_serial_ = observer_ ? no_serial : serial_;
  frame_ = outer_frames_.back();
  outer_frames_.pop_back();
  if (serial_ == 0) release_thread();
}

template <class T>
void Recorder<T>::refuse_overwritten(const char* what, Node<T>& node) {
  node.reuse.stay_overwritten();
  throw StaleVariableError(in(what) +
                           "got a tensor of a time step in whose memory something else lies now: the result of "
                           "linear_onto(), or, after backward(), its own adjoint; expected it to be used before, or a "
                           "copy to be taken (x + 0)");
}

template <class T>
Node<T>* Recorder<T>::use_slowly(Recorder* current, const char* op, const Variable<T>& x) {
  if (!current || !current->live(x.serial_)) {
    diagnose(op, x.serial_, current, false);
    throw StaleVariableError(in(op) + "got a Variable that cannot be used here");
  }
  if (current->observer_) current->observer_->uses(op, x.node_);
  return x.node_->reuse.note_use() ? x.node_ : look_at_use(op, x.node_);
}

template <class T>
Node<T>* Recorder<T>::look_at_use(const char* op, Node<T>* node) {
  if (node->reuse.overwritten) refuse_overwritten(op, *node);
  node->reuse.count_on();
  return node;
}

template <class T>
Node<T>* Recorder<T>::node_over(T* value, const Shape& shape) {
  Node<T>* node = bare_node();
  node->value = value;
  node->shape = shape;
  node->row_stride = shape.cols();
  return node;
}

template <class T>
Node<T>* Recorder<T>::new_node(const Shape& shape, bool requires_grad) {
  Node<T>* node = frame_.loop ? place_in_loop(shape) : nullptr;
  if (!node) {
    const Index size = shape.size();
    if (size < small_value) {  // beside the node
      auto* memory = static_cast<std::byte*>(
          arena_.allocate(sizeof(Node<T>) + static_cast<std::size_t>(size) * sizeof(T), 16));
      node = node_at(memory);
      node->value = reinterpret_cast<T*>(memory + sizeof(Node<T>));
    } else {
      node = bare_node();
      node->value = allocate<T>(size);
    }
    node->shape = shape;
    node->row_stride = shape.cols();
  }
  node->requires_grad = requires_grad && frame_.recording;
  return node;
}

template <class T>
Node<T>* Recorder<T>::new_view(Node<T>* base, T* value, const Shape& shape, Index row_stride) {
  Node<T>* node = bare_node();
  // The view of a view looks into the same memory as that: a long chain of them stays flat.
  node->base = base->base && !base->part ? base->base : base;
  node->value = value;
  node->shape = shape;
  node->row_stride = row_stride;
  node->requires_grad = base->requires_grad && frame_.recording;
  node->is_zero = base->is_zero;
  return node;
}

template <class T>
Node<T>* Recorder<T>::new_part(Node<T>* base, bool divisible, T* value, const Shape& shape, Index row_stride) {
  Node<T>* node = new_view(base, value, shape, row_stride);
  // A part made in an Evaluation would not outlive it, and its base, perhaps of the Recording around it, would.
  // Nor may the values of a tape around this one point to it.
  if (divisible && frame_.recording && base->recorder == this) {
    node->part = true;
    node->reuse.spare = base->reuse.spare;
    node->depth = static_cast<std::uint8_t>(base->depth + 1);
    node->next_part = base->parts;
    base->parts = node;
  }
  return node;
}

template <class T>
void Recorder<T>::new_parts(Node<T>* base, bool divisible, const Shape& shape, Index step,
                            std::span<Variable<T>> pieces) {
  const Node<T>* before = nullptr;
  for (Variable<T>& piece : pieces) {
    Node<T>* node;
    if (!before) {
      node = new_part(base, divisible, base->value, shape, base->row_stride);
    } else {
      ++nodes_;
      node = new (arena_.allocate(sizeof(Node<T>), 16)) Node<T>(*before);
      node->value += step;
      if (node->part) {
        node->next_part = base->parts;
        base->parts = node;
      }
    }
    before = node;
    piece = handle(node);
  }
}

template <class T>
Node<T>* Recorder<T>::leaf(const Parameter<T>& parameter) {
  ParameterStorage<T>& storage = parameter.storage();
  const auto slot_of = [&](const void* p) { return (reinterpret_cast<std::uintptr_t>(p) >> 6) * 0x9e3779b97f4a7c15u >> 32; };
  const auto find = [&]() -> LeafSlot* {
    if (leaves_.empty()) return nullptr;
    for (std::size_t i = slot_of(&storage);; ++i) {
      LeafSlot& slot = leaves_[i & (leaves_.size() - 1)];
      if (slot.parameter == &storage || !slot.parameter) return &slot;
    }
  };
  LeafSlot* slot = nullptr;
  // An inner Evaluation gives its memory back while the table lives on.
  const bool listed = frame_.recording || outer_serials_.empty();
  if (listed) {
    slot = find();
    if (slot && slot->parameter) return slot->node;
    if (2 * (used_.size() + 1) > leaves_.size()) {
      std::vector<LeafSlot> old(std::max<std::size_t>(64, 2 * leaves_.size()));
      old.swap(leaves_);
      for (const LeafSlot& s : old) {
        if (!s.parameter) continue;
        std::size_t i = slot_of(s.parameter);
        while (leaves_[i & (leaves_.size() - 1)].parameter) ++i;
        leaves_[i & (leaves_.size() - 1)] = s;
      }
      slot = find();
    }
  }
  ++nodes_;
  auto* node = new (arena_.allocate(sizeof(Leaf<T>), 16)) Leaf<T>;
  node->recorder = this;
  node->value = storage.value;
  node->shape = storage.shape;
  node->row_stride = storage.shape.cols();
  if (!listed) return node;
  *slot = {&storage, node};
  used_.push_back(parameter.share());  // a module that dies before its tape's scope leaves its values readable
  if (around() && frame_.recording) {
    // Gradients go where the tape around this one collects them: the parameter's, or a shard's own.
    node->around = static_cast<Leaf<T>*>(around()->leaf(parameter));
    const std::size_t at = new_leaves_.size();
    node->uses = node->uses_before = at < known_uses_.size() ? known_uses_[at] : node->around->uses;
    new_leaves_.push_back(node);
    node->requires_grad = node->around->requires_grad;
    node->parameter = node->around->parameter;
    node->grad = node->around->grad;
    return node;
  }
  node->requires_grad = frame_.recording && !storage.frozen;
  if (!node->requires_grad) return node;
  node->parameter = keeps_gradients_ ? kept_gradient(parameter.share()) : &storage;
  node->parameter->ensure_grad();
  node->grad = node->parameter->grad;
  return node;
}

template <class T>
ParameterStorage<T>* Recorder<T>::kept_gradient(const std::shared_ptr<ParameterStorage<T>>& parameter) {
  auto kept = std::ranges::find(kept_, parameter, &KeptGradient::parameter);
  if (kept == kept_.end()) {
    // Parameters that nobody else holds any more make room for new ones.
    std::erase_if(kept_, [](const KeptGradient& k) { return k.parameter.use_count() == 1; });
    kept_.push_back({parameter, std::make_unique<ParameterStorage<T>>(parameter->shape, GradientOnly{})});
    kept = kept_.end() - 1;
  }
  kept->own->version = parameter->version;
  return kept->own.get();
}

template <class T>
void Recorder<T>::forget_kept_gradients() {
  for (KeptGradient& k : kept_) k.own->clear_grad();
}

template <class T>
void Recorder<T>::hand_over_gradients() {
  for (KeptGradient& k : kept_) {
    k.parameter->add_grad(*k.own);
    k.own->clear_grad();
  }
}

template <class T>
void Recorder<T>::backward(Node<T>& loss) {
  if (!frame_.recording)
    throw NotRecordedError("[backward] the innermost scope is an Evaluation, which keeps values only; expected a Recording");
  if (frame_.backward_done)
    throw BackwardTwiceError("[backward] called a second time in one Recording; expected one call: add the losses up, or record again");
  if (loss.shape.size() != 1)
    throw NonScalarError("[backward] the loss has shape " + loss.shape.str() +
                         "; expected one element: reduce it with sum() or mean()");
  if (!loss.requires_grad)
    throw NotRecordedError("[backward] no parameter and no differentiable input led to the loss; expected an operation on one");
  frame_.backward_done = true;
  loss.touch_add()[0] += T(1);  // adds: the loss may be a parameter with a gradient already
  run_backward();
}

template <class T>
[[gnu::noinline]] void Recorder<T>::run_backward() {
  // Only what went through a time loop: a plain function of a denormal number has its exact slope.
  const FlushDenormals flush(frame_.looped || FlushDenormals::active());
  backward_frame_ = __builtin_frame_address(0);
  if (observer_) return observer_->runs_backward(frame_.last);
  for (Record* r = frame_.last; r; r = r->previous) r->backward(r);
}

template <class T>
void Recorder<T>::watch(Observer<T>* observer) {
  if (observer && serial_ != 0)
    throw TapeInUseError("[Watch] the tape has a scope open; expected watching to begin between its scopes");
  observer_ = observer;
  quick_serial_ = serial_;
}

template <class T>
Tape<T>& Recorder<T>::inner() {
  if (!inner_) {
    inner_ = std::make_unique<Tape<T>>();
    inner_->recorder().around_ = this;
  }
  return *inner_;
}

template class Recorder<float>;
template class Recorder<double>;

}  // namespace unroll::detail
