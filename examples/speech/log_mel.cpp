#include "speech/log_mel.hpp"

#include <fftw3.h>

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstdlib>
#include <functional>
#include <numbers>
#include <string>

#include "unroll/core/error.hpp"

namespace unroll::examples {

namespace {

double mel(double hertz) { return 2595 * std::log10(1 + hertz / 700); }

struct DestroyPlan {
  void operator()(fftwf_plan_s* plan) const { fftwf_destroy_plan(plan); }
};

/// Where the energy of a bin goes: `share` to `band`, the rest to the one below.
struct Bin {
  Index band;
  float share;
};

}  // namespace

struct LogMel::Impl {
  LogMelOptions options;
  double rate;
  Index window, size, bins;
  std::vector<float> hann;
  std::unique_ptr<fftwf_plan_s, DestroyPlan> plan;

  std::vector<Bin> bank(double tract) const {
    const double low = mel(options.low), high = mel(std::min(options.high, rate / 2));
    const double width = (high - low) / static_cast<double>(options.bands + 1);
    std::vector<Bin> bank;
    for (Index k = 0; k < bins; ++k) {
      const double hertz = static_cast<double>(k) * rate / static_cast<double>(size) * tract;
      const double at = std::max((mel(hertz) - low) / width, -1.0);
      const auto band = static_cast<Index>(std::floor(at));
      bank.push_back({band, static_cast<float>(at - static_cast<double>(band))});
    }
    return bank;
  }
};

LogMel::LogMel(Index rate, const LogMelOptions& options) : impl_(std::make_unique<Impl>()) {
  const double r = static_cast<double>(rate);
  if (options.bands < 1 || !(options.low >= 0 && options.low < std::min(options.high, r / 2)) ||
      !(options.hop * r >= 1) || !(options.window * r >= 2 && options.window * r <= 1 << 20))
    throw ValueError("[LogMel] nothing to hear: " + std::to_string(rate) + " samples a second, " +
                     std::to_string(options.bands) + " bands from " + std::to_string(options.low) + " Hz, frames of " +
                     std::to_string(options.window) + " s each " + std::to_string(options.hop) + " s");
  impl_->options = options;
  impl_->rate = r;
  impl_->window = std::lround(options.window * r);
  impl_->size = 1;
  while (impl_->size < impl_->window) impl_->size *= 2;
  impl_->bins = impl_->size / 2 + 1;
  for (Index n = 0; n < impl_->window; ++n) {
    const double phase = 2 * std::numbers::pi * (static_cast<double>(n) + 0.5) / static_cast<double>(impl_->window);
    impl_->hann.push_back(static_cast<float>(0.5 - 0.5 * std::cos(phase)));
  }
  // Plans that are measured differ from run to run, and their last bits with them.
  std::vector<float> in(static_cast<std::size_t>(impl_->size));
  std::vector<std::complex<float>> out(static_cast<std::size_t>(impl_->bins));
  impl_->plan.reset(fftwf_plan_dft_r2c_1d(static_cast<int>(impl_->size), in.data(),
                                          reinterpret_cast<fftwf_complex*>(out.data()),
                                          FFTW_ESTIMATE | FFTW_UNALIGNED));
}

LogMel::~LogMel() = default;
LogMel::LogMel(LogMel&&) noexcept = default;
LogMel& LogMel::operator=(LogMel&&) noexcept = default;

Index LogMel::bands() const { return impl_->options.bands; }

Index LogMel::frames(Index samples, double tempo) const {
  const double hop = impl_->options.hop * impl_->rate * tempo;
  return 1 + static_cast<Index>(static_cast<double>(std::max<Index>(samples - impl_->window, 0)) / hop);
}

std::vector<float> LogMel::operator()(std::span<const float> samples, const VoiceChange& change) const {
  const auto& [options, rate, window, size, bins, hann, plan] = *impl_;
  const Index count = frames(std::ssize(samples), change.tempo);
  const double hop = options.hop * rate * change.tempo;
  const auto bank = impl_->bank(change.tract);
  const auto emphasis = static_cast<float>(options.emphasis);
  std::vector<float> gain;
  for (Index b = 0; b < options.bands; ++b) {
    const double at = (2 * static_cast<double>(b) + 1) / static_cast<double>(options.bands) - 1;
    gain.push_back(static_cast<float>(std::pow(10, (change.tilt * at + change.bow * (2 * at * at - 1)) / 10)));
  }
  std::vector<float> in(static_cast<std::size_t>(size)), y(static_cast<std::size_t>(count * options.bands));
  std::vector<std::complex<float>> out(static_cast<std::size_t>(bins));
  for (Index t = 0; t < count; ++t) {
    const auto from = static_cast<std::size_t>(static_cast<double>(t) * hop);
    for (std::size_t n = 0; n < hann.size(); ++n) {
      const std::size_t at = from + n;
      const float x = at < samples.size() ? samples[at] : 0;
      const float before = at > 0 && at <= samples.size() ? samples[at - 1] : 0;
      in[n] = hann[n] * (x - emphasis * before);
    }
    fftwf_execute_dft_r2c(plan.get(), in.data(), reinterpret_cast<fftwf_complex*>(out.data()));
    const auto row = std::span(y).subspan(static_cast<std::size_t>(t * options.bands), gain.size());
    for (std::size_t k = 0; k < out.size(); ++k) {
      const auto [band, share] = bank[k];
      const float power = std::norm(out[k]);
      if (band >= 0 && band < options.bands) row[static_cast<std::size_t>(band)] += share * power;
      if (band >= 1 && band <= options.bands) row[static_cast<std::size_t>(band - 1)] += (1 - share) * power;
    }
    std::transform(row.begin(), row.end(), gain.begin(), row.begin(), std::multiplies());
  }
  const float strongest = *std::max_element(y.begin(), y.end());
  const auto floor = std::max(strongest * static_cast<float>(std::pow(10, -options.dynamic_range / 10)), 1e-20f);
  for (float& e : y) e = std::log(std::max(e, floor));
  return y;
}

void normalize_bands(std::span<float> y, Index bands) {
  const auto width = static_cast<std::size_t>(bands);
  double squares = 0;
  for (std::size_t b = 0; b < width; ++b) {
    double sum = 0;
    for (std::size_t i = b; i < y.size(); i += width) sum += static_cast<double>(y[i]);
    const auto mean = static_cast<float>(sum * static_cast<double>(width) / static_cast<double>(y.size()));
    for (std::size_t i = b; i < y.size(); i += width) {
      y[i] -= mean;
      squares += static_cast<double>(y[i]) * static_cast<double>(y[i]);
    }
  }
  const double deviation = std::sqrt(squares / static_cast<double>(std::max<std::size_t>(y.size(), 1)));
  if (!(deviation > 1e-3)) return;  // silence
  for (float& e : y) e = static_cast<float>(static_cast<double>(e) / deviation);
}

}  // namespace unroll::examples
