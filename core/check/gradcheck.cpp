#include "gradcheck.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <utility>

#include "../error.hpp"
#include "finite_difference_detail.hpp"

namespace unroll {
namespace {

using detail::LineSetting;
using detail::LineSlope;

// Rounding that an analytic gradient may carry, relative to the largest gradient times input of its tensor.
constexpr double analytic_rounding = 0x1p-49;

// Splitmix64: a check draws few numbers and must not depend on anything.
class Signs {
 public:
  explicit Signs(std::uint64_t seed) : state_(seed) {}
  // Sign times a size in [0.5, 1.5): errors of opposite sign in two elements do not cancel, as they would
  // with +-1.
  double operator()() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    const double size = 0.5 + static_cast<double>(z >> 11) * 0x1p-53;
    return (z & 1) != 0 ? size : -size;
  }

 private:
  std::uint64_t state_;
};

double power_of_two(double x) { return std::exp2(std::round(std::log2(x))); }

// The length over which an element may be expected to matter: its own size, or the root mean square of its
// tensor where that is larger (an element that happens to be near zero), or 1 in a tensor of zeros.
std::vector<double> element_scales(std::span<const double> values) {
  double largest = 0, sum = 0;
  for (double v : values) largest = std::max(largest, std::abs(v));
  for (double v : values) sum += largest > 0 ? (v / largest) * (v / largest) : 0;  // squares may not overflow
  const double typical = largest > 0 ? largest * std::sqrt(sum / static_cast<double>(values.size())) : 1;
  std::vector<double> scales;
  scales.reserve(values.size());
  for (double v : values) scales.push_back(power_of_two(std::max({std::abs(v), typical, 0x1p-1000})));
  return scales;
}

// What is perturbed, and puts everything back when it goes.
class Saved {
 public:
  explicit Saved(std::span<const CheckedTensor> tensors) : tensors_(tensors) {
    for (const CheckedTensor& t : tensors) before_.emplace_back(t.values.begin(), t.values.end());
  }
  Saved(const Saved&) = delete;
  Saved& operator=(const Saved&) = delete;
  ~Saved() {
    for (std::size_t i = 0; i < before_.size(); ++i) std::ranges::copy(before_[i], tensors_[i].values.begin());
  }
  const std::vector<double>& operator[](std::size_t tensor) const { return before_[tensor]; }

 private:
  std::span<const CheckedTensor> tensors_;
  std::vector<std::vector<double>> before_;
};

using Gradients = std::vector<std::vector<double>>;

std::string two_texts(const char* what, double first, double then) {
  char text[120];
  std::snprintf(text, sizeof text, "the %s was %.17g and then %.17g at the same point", what, first, then);
  return text;
}

bool same_bits(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

class Checker {
 public:
  Checker(const std::function<double()>& value, const std::function<Gradients()>& gradient,
          std::span<const CheckedTensor> tensors, const GradcheckOptions& options)
      : value_(value), gradient_(gradient), tensors_(tensors), options_(options), saved_(tensors) {}

  GradcheckReport run() {
    for (const CheckedTensor& t : tensors_) {
      TensorReport& r = report_.tensors.emplace_back();
      r.name = t.name;
      r.shape = t.shape;
      r.elements = t.shape.size();
      scales_.push_back(element_scales(t.values));
    }
    if (!all_finite("the input", [&](std::size_t i) { return tensors_[i].values; }) || !value_steady(true))
      return finish();
    const Gradients analytic = gradients();
    if (!all_finite(
            "the gradient", [&](std::size_t i) -> const auto& { return analytic[i]; }))
      return finish();
    if (!gradients_steady(analytic, gradients())) return finish();
    measure_noise();
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      report_.tensors[i].measured = true;
      if (options_.fast)
        check_projections(i, analytic[i]);
      else
        check_elements(i, analytic[i]);
    }
    if (value_steady(false)) gradients_steady(analytic, gradients());
    return finish();
  }

 private:
  double evaluate() {
    ++report_.evaluations;
    return value_();
  }

  GradcheckReport finish() {
    for (TensorReport& r : report_.tensors) {
      Index rest = r.worst_index;
      if (rest < 0) continue;
      r.worst_position.assign(r.shape.rank(), 0);
      for (int axis = r.shape.rank(); axis-- > 0;) {
        r.worst_position[axis] = rest % r.shape[axis];
        rest /= r.shape[axis];
      }
    }
    return std::move(report_);
  }

  Gradients gradients() {
    Gradients g = gradient_();
    if (g.size() != tensors_.size())
      throw ShapeError("[gradcheck] gradient() gave ", g.size(), " tensors, expected ", tensors_.size());
    for (std::size_t i = 0; i < g.size(); ++i)
      if (g[i].size() != tensors_[i].values.size())
        throw ShapeError("[gradcheck] gradient of '", tensors_[i].name, "' has ", g[i].size(), " elements, the tensor ",
                         tensors_[i].shape.str(), " has ", tensors_[i].values.size());
    return g;
  }

  // `of(i)` are the numbers of tensor i.
  bool all_finite(const char* what, const auto& of) {
    bool finite = true;
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      const std::span<const double> values = of(i);
      const auto bad = std::ranges::find_if(values, [](double v) { return !std::isfinite(v); });
      if (bad == values.end()) continue;
      TensorReport& r = report_.tensors[i];
      r.verdict = Verdict::non_finite;
      r.worst_index = bad - values.begin();
      r.analytic = *bad;
      r.numeric = std::numeric_limits<double>::quiet_NaN();
      r.note = detail::text(what, " is ", *bad, " here");
      finite = false;
    }
    return finite;
  }

  bool value_steady(bool first) {
    const double v = evaluate();
    if (first) {
      report_.value = v;
      if (!std::isfinite(v)) {
        report_.value_verdict = Verdict::non_finite;
        report_.value_note = "the value is " + std::to_string(v);
        return false;
      }
    }
    const double again = first ? evaluate() : v;
    if (same_bits(report_.value, again)) return true;
    report_.value_verdict = Verdict::nondeterministic;
    report_.value_note = two_texts("value", report_.value, again);
    return false;
  }

  bool gradients_steady(const Gradients& a, const Gradients& b) {
    bool steady = true;
    for (std::size_t i = 0; i < a.size(); ++i) {
      for (std::size_t j = 0; j < a[i].size(); ++j) {
        if (same_bits(a[i][j], b[i][j])) continue;
        TensorReport& r = report_.tensors[i];
        r.verdict = Verdict::nondeterministic;
        r.worst_index = static_cast<Index>(j);
        r.analytic = a[i][j];
        r.note = two_texts("gradient", a[i][j], b[i][j]);
        steady = false;
        break;
      }
    }
    return steady;
  }

  // Sets a tensor to x + t d.
  void move(std::size_t tensor, const std::vector<double>& d, double t) {
    const std::span<double> x = tensors_[tensor].values;
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = saved_[tensor][i] + t * d[i];
  }
  void restore(std::size_t tensor) { std::ranges::copy(saved_[tensor], tensors_[tensor].values.begin()); }

  double own_size(std::size_t tensor, std::size_t i) const {
    const double x = std::abs(saved_[tensor][i]);
    return x != 0 ? x : scales_[tensor][i];
  }

  // Rounding error of the value near the point, all tensors moving at once. The widest spacing shows the most
  // roundings, but also bends and kinks of the function; these rise steeply from one spacing to the next,
  // rounding does not.
  void measure_noise() {
    Signs sign(options_.seed ^ 0x5eed);
    std::vector<std::vector<double>> d;
    for (std::size_t i = 0; i < tensors_.size(); ++i) {
      std::vector<double>& di = d.emplace_back(saved_[i].size());
      for (std::size_t j = 0; j < di.size(); ++j) di[j] = sign() * own_size(i, j);
    }
    const detail::LineFunction line = [&](double& t) {
      for (std::size_t i = 0; i < d.size(); ++i) move(i, d[i], t);
      return evaluate();
    };
    double sigma = detail::rounding_noise(line, 0, 0x1p-44);
    for (double spacing : {0x1p-36, 0x1p-28, 0x1p-20}) {
      const double wider = detail::rounding_noise(line, 0, spacing);
      if (wider > 64 * std::max(sigma, options_.precision * std::abs(report_.value))) break;
      sigma = std::max(sigma, wider);
    }
    noise_ = 4 * sigma;
    for (std::size_t i = 0; i < d.size(); ++i) restore(i);
  }

  LineSetting setting(double scale, double last_step, double slack) const {
    const double first = power_of_two(options_.eps) * scale;
    return {report_.value, noise_, options_.precision, first, last_step, options_.rtol, slack};
  }

  double largest_effect(std::size_t tensor, const std::vector<double>& g) const {
    double largest = 0;
    for (std::size_t i = 0; i < g.size(); ++i) largest = std::max(largest, std::abs(g[i] * own_size(tensor, i)));
    return largest;
  }

  LineSlope judge_element(std::size_t tensor, std::size_t i, double analytic, double largest) {
    const double slack = analytic_rounding * largest / scales_[tensor][i];
    double& x = tensors_[tensor].values[i];
    const double x0 = saved_[tensor][i];
    const detail::LineFunction line = [&](double& t) {
      x = x0 + t;
      t = x - x0;
      return evaluate();
    };
    const LineSlope s = detail::judge_slope(line, setting(scales_[tensor][i], std::abs(x0) * 0x1p-46, slack), analytic);
    x = x0;
    return s;
  }

  // `weights` times the size of each element is the direction; its length is that of one element's step.
  LineSlope judge_direction(std::size_t tensor, const std::vector<double>& weights, const std::vector<double>& g) {
    const std::vector<double>& scales = scales_[tensor];
    double count = 0;
    for (double w : weights) count += w != 0;
    std::vector<double> d(weights.size());
    double analytic = 0, size = 0;
    for (std::size_t i = 0; i < d.size(); ++i) {
      d[i] = weights[i] * scales[i] / power_of_two(std::sqrt(count));
      analytic += g[i] * d[i];
      size += std::abs(g[i] * d[i]);
    }
    const detail::LineFunction line = [&](double& t) {
      move(tensor, d, t);
      return evaluate();
    };
    const LineSlope s = detail::judge_slope(line, setting(1, 0x1p-46, analytic_rounding * size), analytic);
    restore(tensor);
    return s;
  }

  static Verdict verdict(const LineSlope& s) {
    return !s.finite ? Verdict::non_finite : !s.agrees ? Verdict::wrong : s.kink ? Verdict::kink : Verdict::ok;
  }

  // Keeps the worst: first by verdict, then by error / tolerance.
  void keep(TensorReport& r, Index index, double analytic, const LineSlope& s) {
    const Verdict v = verdict(s);
    const double error = std::abs(analytic - s.value);
    const bool first = !std::exchange(measured_, true);
    if (!first && (v < r.verdict ||
                   (v == r.verdict && detail::badness(error, s.tolerance) <= detail::badness(r.error, r.tolerance))))
      return;
    r.verdict = v;
    r.worst_index = index;
    r.analytic = analytic;
    r.numeric = s.value;
    r.error = error;
    r.resolution = s.error;
    r.tolerance = s.tolerance;
    r.left = s.kink ? s.left : std::numeric_limits<double>::quiet_NaN();
    r.right = s.kink ? s.right : std::numeric_limits<double>::quiet_NaN();
    r.note = v == Verdict::non_finite ? "the value is not finite at any step from here" : "";
  }

  void check_elements(std::size_t tensor, const std::vector<double>& g) {
    TensorReport& r = report_.tensors[tensor];
    measured_ = false;
    const double largest = largest_effect(tensor, g);
    std::vector<double> unresolved(g.size());
    double coarsest = 0;
    for (std::size_t i = 0; i < g.size(); ++i) {
      const LineSlope s = judge_element(tensor, i, g[i], largest);
      keep(r, static_cast<Index>(i), g[i], s);
      if (s.resolved) continue;
      ++r.unresolved;
      coarsest = std::max(coarsest, s.error);
      unresolved[i] = g[i] < 0 ? -1 : 1;
    }
    if (r.unresolved == 0) return;
    if (r.unresolved > 1 && r.verdict <= Verdict::kink) {
      const LineSlope s = judge_direction(tensor, unresolved, g);
      if (!s.agrees) {
        keep(r, -1, dot(tensor, unresolved, g), s);
        r.note = "wrong in the sum of the elements that single differences do not resolve";
        return;
      }
    }
    if (r.note.empty()) {
      char text[80];
      std::snprintf(text, sizeof text, "%lld of %lld below what differences resolve (%.1e)",
                    static_cast<long long>(r.unresolved), static_cast<long long>(r.elements), coarsest);
      r.note = text;
    }
  }

  // The analytic slope of judge_direction.
  double dot(std::size_t tensor, const std::vector<double>& weights, const std::vector<double>& g) const {
    double count = 0, sum = 0;
    for (double w : weights) count += w != 0;
    for (std::size_t i = 0; i < g.size(); ++i)
      sum += g[i] * (weights[i] * scales_[tensor][i] / power_of_two(std::sqrt(count)));
    return sum;
  }

  void check_projections(std::size_t tensor, const std::vector<double>& g) {
    TensorReport& r = report_.tensors[tensor];
    measured_ = false;
    if (g.empty()) return;
    Signs sign(options_.seed + 0x1000 * (tensor + 1));
    for (int p = 0; p < options_.projections; ++p) {
      std::vector<double> weights(g.size());
      for (double& w : weights) w = sign();
      const LineSlope s = judge_direction(tensor, weights, g);
      r.unresolved = s.resolved ? 0 : r.elements;
      keep(r, g.size() == 1 ? 0 : -1, dot(tensor, weights, g), s);
      if (verdict(s) >= Verdict::wrong) {
        narrow(tensor, weights, g);
        return;
      }
    }
    if (r.verdict == Verdict::ok && r.unresolved > 0) r.note = "below what differences resolve";
  }

  // Halves a failing projection: an error in the sum is an error in one of its halves.
  void narrow(std::size_t tensor, std::vector<double> weights, const std::vector<double>& g) {
    std::size_t begin = 0, end = g.size();
    while (end - begin > 1) {
      const std::size_t middle = begin + (end - begin) / 2;
      std::vector<double> lower = weights, upper = weights;
      std::fill(lower.data() + middle, lower.data() + lower.size(), 0.0);
      std::fill_n(upper.data(), middle, 0.0);
      const LineSlope a = judge_direction(tensor, lower, g), b = judge_direction(tensor, upper, g);
      if (verdict(a) < Verdict::wrong && verdict(b) < Verdict::wrong) return;
      const double off_a = std::abs(dot(tensor, lower, g) - a.value) / std::max(a.tolerance, 0x1p-1000);
      const double off_b = std::abs(dot(tensor, upper, g) - b.value) / std::max(b.tolerance, 0x1p-1000);
      const bool go_lower = !a.finite || (b.finite && off_a >= off_b);
      weights = go_lower ? lower : upper;
      (go_lower ? end : begin) = middle;
    }
    const LineSlope s = judge_element(tensor, begin, g[begin], largest_effect(tensor, g));
    if (verdict(s) < Verdict::wrong) return;
    measured_ = false;
    keep(report_.tensors[tensor], static_cast<Index>(begin), g[begin], s);
  }

  const std::function<double()>& value_;
  const std::function<Gradients()>& gradient_;
  std::span<const CheckedTensor> tensors_;
  const GradcheckOptions& options_;
  Saved saved_;
  std::vector<std::vector<double>> scales_;
  double noise_ = 0;
  bool measured_ = false;
  GradcheckReport report_;
};

void check_arguments(std::span<const CheckedTensor> tensors, const GradcheckOptions& o) {
  if (!(o.rtol > 0) || !(o.eps > 0) || !(o.precision > 0) || o.projections < 1)
    throw ValueError("[gradcheck] rtol ", o.rtol, ", eps ", o.eps, ", precision ", o.precision, ", projections ",
                     o.projections, ": all must be positive");
  for (const CheckedTensor& t : tensors)
    if (static_cast<Index>(t.values.size()) != t.shape.size())
      throw ShapeError("[gradcheck] '", t.name, "' has ", t.values.size(), " values, its shape ", t.shape.str(),
                       " has ", t.shape.size());
}

}  // namespace

GradcheckReport check_gradient(const std::function<double()>& value, const std::function<Gradients()>& gradient,
                               std::span<const CheckedTensor> tensors, const GradcheckOptions& options) {
  check_arguments(tensors, options);
  return Checker(value, gradient, tensors, options).run();
}

GradcheckReport check_gradient(const std::function<double(const std::vector<double>&)>& value,
                               const std::function<std::vector<double>(const std::vector<double>&)>& gradient,
                               std::vector<double> x, const GradcheckOptions& options) {
  const CheckedTensor tensor{"x", {static_cast<Index>(x.size())}, x};
  return check_gradient([&] { return value(x); }, [&] { return Gradients{gradient(x)}; }, std::span(&tensor, 1),
                        options);
}

}  // namespace unroll
