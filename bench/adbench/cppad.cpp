// CppAD, with an optimized tape that is recorded once and reused.

#include <cppad/cppad.hpp>

#include "problem.hpp"

namespace adbench {
namespace {

class CppAd : public Contender {
 public:
  explicit CppAd(const Problem& p) : p_(p) {
    std::vector<CppAD::AD<double>> w(p.weights.begin(), p.weights.end()), loss(1);
    CppAD::Independent(w);
    loss[0] = loss_of(p, w);
    tape_.Dependent(w, loss);
    tape_.optimize();
    tape_.check_for_nan(false);
  }

  double loss() override { return tape_.Forward(0, p_.weights)[0]; }
  double gradient(std::vector<double>& gradient) override {
    const double value = loss();
    gradient = tape_.Reverse(1, std::vector<double>{1});
    return value;
  }

 private:
  const Problem& p_;
  CppAD::ADFun<double> tape_;
};

}  // namespace

std::unique_ptr<Contender> make_cppad(const Problem& p) { return std::make_unique<CppAd>(p); }

}  // namespace adbench
