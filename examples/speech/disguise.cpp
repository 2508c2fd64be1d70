#include "speech/disguise.hpp"

#include <algorithm>
#include <cmath>

namespace unroll::examples {

VoiceChange voice_change(const Disguise& d, Rng& rng) {
  VoiceChange change;
  change.tract = std::exp(rng.uniform(-d.tract, d.tract));
  change.tempo = std::exp(rng.uniform(-d.tempo, d.tempo));
  change.tilt = rng.uniform(-d.color, d.color);
  change.bow = rng.uniform(-d.color, d.color) / 2;
  return change;
}

void cut_ends(std::vector<float>& samples, Index rate, const Disguise& disguise, Rng& rng) {
  const Index block = std::max<Index>(rate / 100, 1), least = 10;
  std::vector<double> power;
  for (Index k = 0; k + block <= std::ssize(samples); k += block) {
    power.push_back(0);
    for (const float x : std::span(samples).subspan(static_cast<std::size_t>(k), static_cast<std::size_t>(block)))
      power.back() += static_cast<double>(x) * static_cast<double>(x);
  }
  const double loudest = power.empty() ? 0 : *std::max_element(power.begin(), power.end());
  const auto threshold = [&] {
    const bool cut = rng.uniform() < disguise.cut;
    return cut ? loudest * std::pow(10, -rng.uniform(1.0, 4.0)) : 0;
  };
  const double first = threshold(), last = threshold();
  const auto begin = std::ranges::find_if(power, [&](double p) { return p >= first; }) - power.begin();
  auto end = std::ssize(power);
  while (end > begin && power[static_cast<std::size_t>(end - 1)] < last) --end;
  if (end - begin <= least) return;
  // What is left over by the last block goes with it.
  if (end < std::ssize(power)) samples.resize(static_cast<std::size_t>(end * block));
  samples.erase(samples.begin(), samples.begin() + begin * block);
}

void add_noise(std::span<float> samples, const Disguise& disguise, Rng& rng) {
  if (disguise.noise >= 60) return;
  double power = 1e-12;
  for (const float x : samples) power += static_cast<double>(x * x);
  const double below = rng.uniform(disguise.noise, 60.0);
  const double deviation = std::sqrt(power / static_cast<double>(samples.size())) * std::pow(10, -below / 20);
  for (float& x : samples) x += static_cast<float>(deviation * rng.normal());
}

namespace {

/// Sets a block of at most a fifth of the bands, or of the frames, to 0.
void mask(std::span<float> y, Index bands, bool time, Rng& rng) {
  const Index steps = std::ssize(y) / bands, count = time ? steps : bands;
  const Index width = rng.integer(count / 5 + 1);
  const Index from = rng.integer(count - width + 1);
  for (Index t = time ? from : 0; t < (time ? from + width : steps); ++t)
    for (Index b = time ? 0 : from; b < (time ? bands : from + width); ++b)
      y[static_cast<std::size_t>(t * bands + b)] = 0;
}

}  // namespace

void mask_blocks(std::span<float> y, Index bands, const Disguise& disguise, Rng& rng) {
  for (Index k = 0; k < disguise.masks; ++k) {
    mask(y, bands, false, rng);
    mask(y, bands, true, rng);
  }
}

}  // namespace unroll::examples
