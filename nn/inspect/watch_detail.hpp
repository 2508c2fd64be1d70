#pragma once
// What stands behind a Watch.

#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "../../core/op.hpp"
#include "watch.hpp"

namespace unroll::detail {

/// An operation of the Recording, as far as the Watch keeps it.
template <class T>
struct WatchedOp {
  const char* name;
  const std::string* layer;  // never null
  Index time_step;
  std::vector<Node<T>*> operands, results;
};

/// What the watchers of a tape and of its inner tapes share.
struct WatchTotals {
  WatchOptions options;
  WatchNames names;
  std::map<std::string, OpProfile, std::less<>> ops;
  double attributed = 0;  // seconds that somebody has counted already
  std::deque<std::string> layers;
  std::vector<std::pair<std::string, Shape>> outputs;
  // Names are mostly the same few pointers.
  std::unordered_map<const char*, OpProfile*> by_pointer;

  OpProfile& row(const char* op);
  const std::string* layer(std::string_view name);
  void put_out(const std::string& layer, const Shape& shape);
};

template <class T>
class Watcher final : public Observer<T> {
 public:
  explicit Watcher(std::shared_ptr<WatchTotals> totals) : totals_(std::move(totals)) {}

  void opened(Tape<T>& tape, bool outermost) override;
  void closing() override;
  void begins(const char* op) override;
  void uses(const char* op, Node<T>* operand) override;
  void makes(Node<T>* result) override;
  void puts_out(const void* module, const Shape& shape) override;
  void runs_backward(Record* last) override;
  Observer<T>* of_inner_tape() override;

  Profile profile();
  void reset();
  WatchTotals& totals() { return *totals_; }
  const std::vector<WatchedOp<T>>& ops() const { return ops_; }
  const std::string* parameter_name(const Node<T>& node) const;
  /// The operation of the Recording that made a node: its number, or -1.
  int producer(const Node<T>* node) const;

 private:
  using Clock = std::chrono::steady_clock;
  struct Begun {
    const char* name = nullptr;
    std::vector<Node<T>*> operands;
  };

  double seconds();
  void settle(OpProfile& row);
  void settle() { settle(totals_->row(open_ ? begun_.name : elsewhere)); }
  void mark();
  void collect_records();
  void locate(WatchedOp<T>& op, bool& told) const;
  std::string described(const Node<T>& node) const;
  void check_value(const WatchedOp<T>& op, const Node<T>& result, bool told) const;
  void check_adjoints(const WatchedOp<T>& op) const;

  static constexpr const char* elsewhere = "(elsewhere)";

  std::shared_ptr<WatchTotals> totals_;
  Tape<T>* tape_ = nullptr;
  std::unique_ptr<Watcher> inner_;

  // The operation at hand; `begun_` may wait for one that it calls itself (a contiguous copy of an operand).
  Begun begun_, waiting_;
  bool open_ = false;
  WatchedOp<T> made_{};  // the last one that is done
  bool made_told_ = false, made_kept_ = false;

  std::vector<WatchedOp<T>> ops_;  // of the Recording
  std::vector<std::pair<Record*, int>> records_;
  std::unordered_map<const Node<T>*, int> producers_;

  Clock::time_point time_{};
  double attributed_ = 0;
  std::size_t bytes_ = 0;
  Index nodes_ = 0;
  bool rewound_ = false;
};

/// Where the operation stands, for messages: "layer encoder.cell, time step 3: ".
std::string place_text(const std::string& layer, Index time_step);
/// `(2,3)` for the elements of a shape.
std::string index_text(const std::vector<Index>& at);
std::string non_finite_message(const NonFinite& found, bool step_is_told);

template <class T>
std::string dot_of(const Watcher<T>& watcher);

}  // namespace unroll::detail
