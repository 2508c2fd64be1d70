// What views, parts, loop slabs, leaves and dense operations do to each other's adjoints, in random programs:
// each is run on the tape and on a reverse mode of fifty lines that copies everything, and values and
// gradients must agree.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <functional>
#include <limits>
#include <vector>

#include "unroll/core/loop.hpp"
#include "unroll/core/op.hpp"
#include "unroll/core/random.hpp"
#include "unroll/ops/gather.hpp"
#include "unroll/ops/layout.hpp"

using namespace unroll;

namespace {

using Var = Variable<double>;
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

// ---- the reference
// ---------------------------------------------------------------------------------------------

struct Ref {
  Shape shape;
  std::vector<double> v, g;
  bool differentiable = true;
};

struct Reference {
  std::deque<Ref> tensors;
  std::vector<std::function<void()>> records;

  Ref* make(const Shape& shape) {
    tensors.push_back({shape, std::vector<double>(static_cast<std::size_t>(shape.size())),
                       std::vector<double>(static_cast<std::size_t>(shape.size())), true});
    return &tensors.back();
  }
  struct From {
    Ref* x;
    Index i;
  };
  // y_k = from_k: every slice, join, transpose and gather is one of these.
  Ref* gather(const Shape& shape, std::vector<From> from) {
    REQUIRE(static_cast<Index>(from.size()) == shape.size());
    Ref* y = make(shape);
    for (std::size_t k = 0; k < from.size(); ++k) y->v[k] = from[k].x->v[static_cast<std::size_t>(from[k].i)];
    records.push_back([y, from] {
      for (std::size_t k = 0; k < from.size(); ++k)
        from[k].x->g[static_cast<std::size_t>(from[k].i)] += from[k].x->differentiable ? y->g[k] : 0;
    });
    return y;
  }
  Ref* product(Ref* a, Ref* b, double scale) {
    Ref* y = make(a->shape);
    for (std::size_t k = 0; k < y->v.size(); ++k) y->v[k] = scale * a->v[k] * b->v[k];
    records.push_back([y, a, b, scale] {
      for (std::size_t k = 0; k < y->v.size(); ++k) {
        const double ga = scale * y->g[k] * b->v[k], gb = scale * y->g[k] * a->v[k];
        if (a->differentiable) a->g[k] += ga;
        if (b->differentiable) b->g[k] += gb;
      }
    });
    return y;
  }
};

// ---- dense operations of the tape, one a way of touching
// -------------------------------------------------------------

template <class F>
void each_element(const detail::Node<double>& x, F f) {
  for (Index r = 0, k = 0; r < x.rows(); ++r)
    for (Index c = 0; c < x.cols(); ++c, ++k) f(r * x.row_stride + c, k);
}

// y = scale a b, fused or not with what is in the adjoint already.
Var product(const Var& va, const Var& vb, double scale, bool plain_add) {
  detail::Op<double> op("product");
  auto *a = op.use(va), *b = op.use(vb);
  auto* y = op.result(a->shape);
  each_element(*a, [&](Index i, Index k) { y->value[k] = scale * a->value[i]; });
  each_element(*b, [&](Index i, Index k) { y->value[k] *= b->value[i]; });
  return op.done(y, [=](const double* dy) {
    const auto hand = [&](detail::Node<double>* x, detail::Node<double>* other) {
      if (!x->requires_grad) return;
      std::vector<double> factor(static_cast<std::size_t>(x->shape.size()));
      each_element(*other, [&](Index i, Index k) { factor[static_cast<std::size_t>(k)] = other->value[i] * scale; });
      auto to = plain_add ? detail::Adjoint<double>{x->touch_add(), x->row_stride, false} : x->touch();
      each_element(*x, [&](Index i, Index k) {
        const double d = dy[k] * factor[static_cast<std::size_t>(k)];
        to.data[i] = to.fresh ? d : to.data[i] + d;
      });
    };
    hand(a, b);
    hand(b, a);
  });
}

// ---- random programs
// ---------------------------------------------------------------------------------------------

struct Pair {
  Var v;
  Ref* r;
};

class Program {
 public:
  Program(std::uint64_t seed, Tape<double>& tape)
      : rng_(seed), tape_(tape), table_(Shape{5, 4}), bias_(Shape{4}) {}

  void run() {
    {
      Recording dirt(tape_);  // what this leaves behind is what adjoints are before their first writer
      std::fill_n(tape_.allocate<double>(100000), 100000, nan);
    }
    start_parameter(table_);
    start_parameter(bias_);
    table_ref_ = reference_.make(table_.shape());
    bias_ref_ = reference_.make(bias_.shape());
    std::ranges::copy(table_.values(), table_ref_->v.begin());
    std::ranges::copy(bias_.values(), bias_ref_->v.begin());

    Recording step(tape_);
    for (int i = 0; i < 2; ++i) new_input();
    const Index length = 4 + pick(24);
    for (Index i = 0; i < length; ++i) one_operation();
    finish();
  }

 private:
  Index pick(Index n) { return static_cast<Index>(rng_.uniform(0.0, 1.0) * static_cast<double>(n)) % n; }
  bool chance(double p) { return rng_.uniform(0.0, 1.0) < p; }

  void start_parameter(Parameter<double>& p) {
    for (double& x : p.mutable_values()) x = rng_.uniform(0.5, 1.5);
    std::ranges::fill(p.mutable_grads(), nan);
    p.clear_grad();
    const Index how = pick(3);
    if (how == 0) return;
    if (how == 1 || p.shape().rank() < 2) {
      for (double& x : p.mutable_grads()) x = rng_.uniform(-1.0, 1.0);
    } else {  // a gradient of few rows, as gather_rows leaves it
      Recording step(tape_);
      Var rows = gather_rows(p, {1, 3, 1});
      weighted_loss({{rows, nullptr}}, nullptr);
    }
  }

  Pair& random_pair() { return pool_[static_cast<std::size_t>(pick(static_cast<Index>(pool_.size())))]; }

  void keep(const Var& v, Ref* r) {
    REQUIRE(v.shape() == r->shape);
    REQUIRE(v.to_vector() == r->v);
    pool_.push_back({v, r});
  }

  void new_input(Shape shape = {}) {
    if (shape.rank() == 0) {
      Index dims[3];
      const int rank = 1 + static_cast<int>(pick(3));
      for (int i = 0; i < rank; ++i) dims[i] = chance(0.03) ? 0 : 1 + pick(5);
      shape = Shape(dims, rank);
    }
    Ref* r = reference_.make(shape);
    for (double& x : r->v) x = rng_.uniform(0.5, 1.5);
    if (chance(0.15)) {
      r->differentiable = false;
      keep(input(r->v, shape), r);
    } else {
      keep(input(r->v, shape, requires_grad), r);
      checked_.push_back(pool_.back());
    }
  }

  // Reference of the slice [start, start + length) of an axis.
  Ref* ref_narrow(Ref* x, int axis, Index start, Index length) {
    std::vector<Reference::From> from;
    Index outer = 1, inner = 1;
    for (int i = 0; i < axis; ++i) outer *= x->shape[i];
    for (int i = axis + 1; i < x->shape.rank(); ++i) inner *= x->shape[i];
    for (Index o = 0; o < outer; ++o)
      for (Index i = start; i < start + length; ++i)
        for (Index k = 0; k < inner; ++k) from.push_back({x, (o * x->shape[axis] + i) * inner + k});
    return reference_.gather(x->shape.with(axis, length), from);
  }
  Ref* ref_identity(Ref* x, const Shape& shape) {
    std::vector<Reference::From> from;
    for (Index i = 0; i < shape.size(); ++i) from.push_back({x, i});
    return reference_.gather(shape, from);
  }
  Ref* ref_transpose(Ref* x, int a, int b) {
    const Shape& s = x->shape;
    const Shape out = s.with(a, s[b]).with(b, s[a]);
    std::vector<Reference::From> from;
    for (Index i = 0; i < out.size(); ++i) {
      Index at[4] = {}, rest = i;
      for (int k = out.rank() - 1; k >= 0; --k) at[k] = rest % out[k], rest /= out[k];
      std::swap(at[a], at[b]);
      Index flat = 0;
      for (int k = 0; k < s.rank(); ++k) flat = flat * s[k] + at[k];
      from.push_back({x, flat});
    }
    return reference_.gather(out, from);
  }
  Ref* ref_concat(const std::vector<Pair>& list, int axis, const Shape& shape) {
    std::vector<Reference::From> from;
    Index outer = 1, inner = 1;
    const Shape& s = list[0].r->shape;
    for (int i = 0; i < axis; ++i) outer *= s[i];
    for (int i = axis + 1; i < s.rank(); ++i) inner *= s[i];
    for (Index o = 0; o < outer; ++o)
      for (const Pair& p : list)
        for (Index i = 0; i < p.r->shape[axis] * inner; ++i)
          from.push_back({p.r, o * p.r->shape[axis] * inner + i});
    return reference_.gather(shape, from);
  }
  Pair do_narrow(const Pair& x, int axis, Index start, Index length) {
    return {narrow(x.v, axis, start, length), ref_narrow(x.r, axis, start, length)};
  }
  Pair do_concat(const std::vector<Pair>& list, int axis) {
    std::vector<Var> vars;
    for (const Pair& p : list) vars.push_back(p.v);
    const Var y = axis == 0 && chance(0.5) ? join(std::span<const Var>(vars)) : concat(vars, axis);
    return {y, ref_concat(list, axis, y.shape())};
  }
  Pair do_stack(const std::vector<Pair>& list) {
    std::vector<Var> vars;
    std::vector<Reference::From> from;
    for (const Pair& p : list) {
      vars.push_back(p.v);
      for (Index i = 0; i < p.r->shape.size(); ++i) from.push_back({p.r, i});
    }
    const Var y = stack(vars);
    return {y, reference_.gather(y.shape(), from)};
  }
  Pair do_product(const Pair& a, const Pair& b) {
    const double scale = rng_.uniform(0.4, 0.9);
    const Pair y{product(a.v, b.v, scale, chance(0.5)), reference_.product(a.r, b.r, scale)};
    if (y.v.requires_grad()) checked_.push_back(y);
    return y;
  }
  void keep(const Pair& p) { keep(p.v, p.r); }

  void one_operation() {
    const Pair x = random_pair();
    const Shape s = x.r->shape;
    const int axis = s.rank() == 0 ? 0 : static_cast<int>(pick(s.rank()));
    switch (pick(14)) {
      case 0:
        return new_input();
      case 1:
        if (s.rank() == 0 || s[0] == 0) return;
        {
          const Index t = pick(s[0]);
          return keep(at(x.v, chance(0.5) ? t : t - s[0]),
                      ref_identity(ref_narrow(x.r, 0, t, 1), s.without(0)));
        }
      case 2:
        if (s.rank() == 0) return;
        {
          const Index start = pick(s[axis] + 1);
          return keep(do_narrow(x, axis, start, pick(s[axis] - start + 1)));
        }
      case 3:
      case 4:
        return split_and_rejoin(x, axis);
      case 5: {
        const Shape to = s.rank() == 3 ? Shape{s[0] * s[1], s[2]}
                         : chance(0.5) ? Shape{s.size()}
                                       : Shape{1, s.size()};
        return keep(reshape(x.v, to), ref_identity(x.r, to));
      }
      case 6:
        if (s.rank() < 2) return;
        {
          const int other = static_cast<int>(pick(s.rank()));
          return keep(transpose(x.v, axis, other), ref_transpose(x.r, axis, other));
        }
      case 7: {
        std::vector<Pair> same;
        for (const Pair& p : pool_)
          if (p.r->shape == s && same.size() < 4) same.push_back(p);
        if (s.rank() == 0 || s.rank() == 4) return;
        return keep(chance(0.5) ? do_stack(same) : do_concat(same, axis));
      }
      case 8:
        return keep(contiguous(x.v), ref_identity(x.r, s));
      case 9: {
        std::vector<Pair> same;
        for (const Pair& p : pool_)
          if (p.r->shape == s) same.push_back(p);
        return keep(do_product(x, same[static_cast<std::size_t>(pick(static_cast<Index>(same.size())))]));
      }
      case 10:
        return loop();
      case 11:
        return use_parameter();
      case 12:
        return inner_evaluation(x);
      default:
        if (chance(0.3)) {
          Ref* r = reference_.make(s);
          r->v = x.r->v;
          r->differentiable = false;
          return keep(stop_gradient(x.v), r);
        }
        return gather(x);
    }
  }

  void split_and_rejoin(const Pair& x, int axis) {
    const Shape s = x.r->shape;
    if (s.rank() == 0) return;
    std::vector<Index> sizes;
    Index left = s[axis];
    while (left > 0) sizes.push_back(1 + pick(left)), left -= sizes.back();
    if (sizes.empty()) sizes.push_back(0);
    const std::vector<Var> vars = split(x.v, std::span<const Index>(sizes), axis);
    std::vector<Pair> pieces;
    Index start = 0;
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      pieces.push_back({vars[i], ref_narrow(x.r, axis, start, sizes[i])});
      start += sizes[i];
      if (chance(0.7)) keep(pieces.back());
    }
    if (chance(0.3)) std::ranges::reverse(pieces);
    if (chance(0.3) && pieces.size() > 1) pieces.pop_back();
    if (chance(0.5)) keep(do_concat(pieces, axis));
    if (chance(0.5)) {
      const Pair& p = pieces[static_cast<std::size_t>(pick(static_cast<Index>(pieces.size())))];
      keep(do_product(p, p));
    }
  }

  void use_parameter() {
    if (chance(0.4)) return keep(use(bias_), bias_ref_);
    if (chance(0.4)) return keep(use(table_), table_ref_);
    const Var v = use(table_);
    gather({v, table_ref_});
  }

  void gather(const Pair& x) {
    const Shape s = x.r->shape;
    if (s.rank() != 2 || s[0] == 0) return;
    std::vector<int> ids(static_cast<std::size_t>(pick(5)));
    std::vector<Reference::From> from;
    for (int& id : ids) {
      id = static_cast<int>(pick(s[0]));
      for (Index c = 0; c < s[1]; ++c) from.push_back({x.r, id * s[1] + c});
    }
    const Shape to{static_cast<Index>(ids.size()), s[1]};
    keep(gather_rows(x.v, ids), reference_.gather(to, from));
  }

  void inner_evaluation(const Pair& x) {
    Evaluation inner(tape_);
    const Shape s = x.r->shape;
    if (s.rank() == 0 || s[-1] == 0) return;
    const std::vector<Var> pieces = chunk(x.v, static_cast<int>(s[-1]), -1);
    CHECK(concat(pieces, -1).to_vector() == x.r->v);
    CHECK_FALSE(pieces[0].requires_grad());
    product(pieces[0], pieces[0], 1, false);
  }

  // A time loop over ragged steps, in either direction, with slices of what is in the slabs.
  void loop() {
    std::vector<Index> rows;
    Index total = 0;
    for (Index t = 1 + pick(4), b = 1 + pick(4); t > 0; --t) {
      b = std::max<Index>(1, b - pick(2));
      rows.push_back(b);
      total += b;
    }
    const Index width = 2 * (1 + pick(2));
    new_input(Shape{total, width});
    Pair x = pool_.back();
    if (chance(0.5)) x = do_product(x, x);
    const bool as_parts = chance(0.5), backwards = chance(0.5);
    std::vector<Pair> inputs, states, extras;
    const std::vector<Var> parts =
        as_parts ? split(x.v, std::span<const Index>(rows), 0) : std::vector<Var>{};
    Index first = 0;
    for (std::size_t t = 0; t < rows.size(); ++t) {
      Ref* r = ref_narrow(x.r, 0, first, rows[t]);
      inputs.push_back({as_parts ? parts[t] : narrow(x.v, 0, first, rows[t]), r});
      first += rows[t];
    }
    {
      Loop<double> slabs(tape_, total);
      states.resize(rows.size());
      for (std::size_t k = 0; k < rows.size(); ++k) {
        const std::size_t t = backwards ? rows.size() - 1 - k : k;
        first = 0;
        for (std::size_t i = 0; i < t; ++i) first += rows[i];
        slabs.step(first, rows[t]);
        Pair h = inputs[t];
        if (k > 0) {
          const Pair& before = states[backwards ? t + 1 : t - 1];
          const Index both = std::min(rows[t], before.r->shape[0]);
          if (both == rows[t]) {
            h = do_product(h, do_narrow(before, 0, 0, both));
          } else {
            h = do_product(do_concat({before, do_narrow(h, 0, both, rows[t] - both)}, 0), h);
          }
        } else {
          h = do_product(h, h);
        }
        if (chance(0.5)) {  // gates, sometimes not at every step
          const std::array<Var, 2> gates = chunk<2>(h.v);
          const Pair a{gates[0], ref_narrow(h.r, 1, 0, width / 2)};
          const Pair b{gates[1], ref_narrow(h.r, 1, width / 2, width / 2)};
          extras.push_back(chance(0.7) ? do_product(a, b) : a);
          if (chance(0.5)) h = do_concat({b, a}, 1);
        }
        states[t] = h;
      }
    }
    for (const Pair& p : states)
      if (chance(0.3)) keep(p);
    for (const Pair& p : extras)
      if (chance(0.5)) keep(p);
    if (chance(0.3)) states.erase(states.begin());
    if (chance(0.2)) std::ranges::reverse(states);
    if (!states.empty() && chance(0.8)) keep(do_concat(states, 0));
    const bool even =
        std::ranges::all_of(states, [&](const Pair& p) { return p.r->shape == states[0].r->shape; });
    if (!states.empty() && even && chance(0.5)) keep(do_stack(states));
  }

  // loss = sum of w_k x_k over all given tensors.
  void weighted_loss(const std::vector<Pair>& terms, std::vector<double>* weights) {
    detail::Op<double> op("loss");
    auto* loss = op.recorder().new_node(Shape{}, true);
    loss->value[0] = 0;
    for (const Pair& p : terms) {
      auto* x = op.use(p.v);
      const bool fresh = chance(0.5);
      const auto n = static_cast<std::size_t>(x->shape.size());
      double* w = tape_.allocate<double>(x->shape.size());
      for (std::size_t i = 0; i < n; ++i) w[i] = rng_.uniform(-1.0, 1.0);
      if (weights) weights->insert(weights->end(), w, w + n);
      op.recorder().record([=] {
        if (!loss->arrived() || !x->requires_grad) return;
        const auto to = fresh ? x->touch() : detail::Adjoint<double>{x->touch_add(), x->row_stride, false};
        each_element(*x, [&](Index i, Index k) { to.data[i] = to.fresh ? w[k] : to.data[i] + w[k]; });
      });
    }
    tape_.backward(op.done(loss));
  }

  void finish() {
    if (chance(0.3)) table_.clear_grad();  // as optimizers do, between forward and backward
    if (chance(0.3)) bias_.clear_grad();
    // Only if there is one: reading a cleared gradient makes it zeros.
    if (table_.has_grad()) std::ranges::copy(table_.grads(), table_ref_->g.begin());
    if (bias_.has_grad()) std::ranges::copy(bias_.grads(), bias_ref_->g.begin());
    std::vector<Pair> terms;
    for (const Pair& p : pool_)
      if (chance(0.4)) terms.push_back(p);
    std::vector<double> weights;
    weighted_loss(terms, &weights);
    std::size_t k = 0;
    for (const Pair& p : terms)
      for (double& g : p.r->g) {
        if (p.r->differentiable) g += weights[k];
        ++k;
      }
    for (std::size_t i = reference_.records.size(); i-- > 0;) reference_.records[i]();
    for (const Pair& p : checked_) compare(p.v.grad_to_vector(), p.r->g);
    compare({table_.grads().begin(), table_.grads().end()}, table_ref_->g);
    compare({bias_.grads().begin(), bias_.grads().end()}, bias_ref_->g);
    // A sparse gradient must not hide rows that were added to densely: clearing leaves nothing.
    table_.clear_grad();
    for (const double g : table_.grads()) CHECK(g == 0);
  }

  static void compare(const std::vector<double>& got, const std::vector<double>& expected) {
    REQUIRE(got.size() == expected.size());
    for (std::size_t i = 0; i < got.size(); ++i)
      if (!(std::abs(got[i] - expected[i]) <= 1e-9 * (1 + std::abs(expected[i])))) {
        CHECK(got[i] == expected[i]);
        return;
      }
  }

  Rng rng_;
  Tape<double>& tape_;
  Parameter<double> table_, bias_;
  Ref *table_ref_ = nullptr, *bias_ref_ = nullptr;
  Reference reference_;
  std::deque<Pair> pool_;
  std::vector<Pair> checked_;
};

}  // namespace

TEST_CASE("random programs of views, parts, slabs and dense operations have the gradients of copies") {
  Tape<double> tape;
  for (std::uint64_t seed = 1; seed <= 1500; ++seed) {
    CAPTURE(seed);
    Program(seed, tape).run();
  }
}
