// ADOL-C, with a tape that is written once and reused; its buffers are large enough to stay in memory.

#include <adolc/adolc.h>

#include "problem.hpp"

namespace adbench {
namespace {

class Adolc : public Contender {
 public:
  explicit Adolc(const Problem& p) : p_(p) {
    constexpr unsigned buffer = 1u << 29;  // entries; touched as far as they are used
    trace_on(tag_, 0, buffer, buffer, buffer, buffer);
    std::vector<adouble> w(p.size());
    for (std::size_t k = 0; k < w.size(); ++k) w[k] <<= p.weights[k];
    double loss = 0;
    loss_of(p, w) >>= loss;
    trace_off();
  }
  ~Adolc() override { removeTape(tag_, ADOLC_REMOVE_COMPLETELY); }

  double loss() override {
    function(tag_, 1, static_cast<int>(p_.size()), const_cast<double*>(p_.weights.data()), &loss_);
    return loss_;
  }
  double gradient(std::vector<double>& gradient) override {
    ::gradient(tag_, static_cast<int>(p_.size()), p_.weights.data(), gradient.data());
    return loss_;
  }

 private:
  static constexpr short tag_ = 1;
  const Problem& p_;
  double loss_ = 0;
};

}  // namespace

std::unique_ptr<Contender> make_adolc(const Problem& p) { return std::make_unique<Adolc>(p); }

}  // namespace adbench
