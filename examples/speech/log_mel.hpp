#pragma once
/// \file
/// What a recognizer hears of a sound: the energies of bands of frequencies, frame by frame.

#include <memory>
#include <span>
#include <vector>

#include "unroll/core/shape.hpp"

namespace unroll::examples {

struct LogMelOptions {
  Index bands = 24;
  double window = 0.025;   ///< length of a frame, in seconds
  double hop = 0.010;      ///< from the beginning of a frame to that of the next one, in seconds
  double low = 60;         ///< lowest frequency, in Hz
  double high = 3800;      ///< highest frequency, in Hz; half the rate where that is less
  double emphasis = 0.97;  ///< e of x_n - e x_(n-1), which lifts high frequencies
  /// In dB: what is weaker than the strongest energy by more counts as that weak. With more than some 25 one hears the
  /// rooms that recordings were made in, and is lost in another one.
  double dynamic_range = 20;
};

/// A change of voice or of the microphone, for training on more of them than there are.
struct VoiceChange {
  double tract = 1;  ///< frequencies times this: another length of the vocal tract
  double tempo = 1;  ///< times as fast, at the same pitch
  double tilt = 0;   ///< in dB: the highest band louder, the lowest weaker, straight in between
  double bow = 0;    ///< in dB: both these louder, the middle weaker
};

/// Log-mel energies (Davis and Mermelstein, "Comparison of parametric representations for monosyllabic word
/// recognition", 1980): with Hann windows w and triangles of equal width on the mel scale, mel(f) = 2595 log10(1 + f /
/// 700),
///
///     P_tk = |sum_n w_n x_(t hop + n) e^(-2 pi i k n / N)|^2        (FFTW)
///     y_tb = log max(sum_k triangle_b(mel(f_k)) P_tk, floor)
///
/// for sounds of one rate. May be used by several threads at once.
class LogMel {
 public:
  /// Sounds of `rate` samples a second. Throws ValueError for options or a rate that leave no bands.
  explicit LogMel(Index rate, const LogMelOptions& options = {});
  ~LogMel();
  LogMel(LogMel&&) noexcept;
  LogMel& operator=(LogMel&&) noexcept;

  /// (T, bands) row-major: the frames that lie in `samples` entirely, at least one (what is missing is silence).
  std::vector<float> operator()(std::span<const float> samples, const VoiceChange& change = {}) const;
  /// That T, for so many samples.
  Index frames(Index samples, double tempo = 1) const;

  Index bands() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Takes from each band of y (T, bands) its mean over time, and divides all by their common deviation: what a
/// microphone and a room do to a recording is a constant in each band of logarithms.
void normalize_bands(std::span<float> y, Index bands);

}  // namespace unroll::examples
