// ADBench's own code: the gradient written by hand and the one by Tapenade, from the checkout that UNROLL_ADBENCH
// names.

#include <math.h>  // before C headers that include it as C
#include <stdlib.h>

#include "problem.hpp"
#include "src/cpp/modules/manual/lstm_d.h"
#include "src/cpp/modules/tapenade/lstm/lstm.h"
#include "src/cpp/modules/tapenade/lstm/lstm_b.h"
#include "src/cpp/shared/lstm.h"

namespace adbench {
namespace {

// The sizes as ADBench's functions take them.
struct Sizes {
  int l, c, b;
  const double *main, *extra;
  explicit Sizes(const Problem& p)
      : l(static_cast<int>(p.layers)),
        c(static_cast<int>(p.steps)),
        b(static_cast<int>(p.units)),
        main(p.weights.data()),
        extra(main + 8 * l * b) {}
};

class Manual : public Contender {
 public:
  explicit Manual(const Problem& p) : p_(p), s_(p) {}
  double loss() override {
    double loss = 0;
    ::lstm_objective<double>(s_.l, s_.c, s_.b, s_.main, s_.extra, p_.state, p_.sequence.data(), &loss);
    return loss;
  }
  double gradient(std::vector<double>& gradient) override {
    double loss = 0;
    lstm_objective_d(s_.l, s_.c, s_.b, s_.main, s_.extra, p_.state, p_.sequence.data(), &loss, gradient.data());
    return loss;
  }

 private:
  const Problem& p_;
  Sizes s_;
};

class Tapenade : public Contender {
 public:
  explicit Tapenade(const Problem& p) : p_(p), s_(p) {}
  double loss() override {
    state_ = p_.state;
    ::lstm_objective(s_.l, s_.c, s_.b, s_.main, s_.extra, state_.data(), p_.sequence.data(), &loss_);
    return loss_;
  }
  // Its reverse sweep does not give the loss.
  double gradient(std::vector<double>& gradient) override {
    state_ = p_.state;
    double loss = 0, d_loss = 1;
    lstm_objective_b(s_.l, s_.c, s_.b, s_.main, gradient.data(), s_.extra, gradient.data() + 8 * s_.l * s_.b,
                     state_.data(), p_.sequence.data(), &loss, &d_loss);
    return loss_;
  }

 private:
  const Problem& p_;
  Sizes s_;
  std::vector<double> state_;
  double loss_ = 0;
};

}  // namespace

std::unique_ptr<Contender> make_manual(const Problem& p) { return std::make_unique<Manual>(p); }
std::unique_ptr<Contender> make_tapenade(const Problem& p) { return std::make_unique<Tapenade>(p); }

}  // namespace adbench
