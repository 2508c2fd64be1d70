#include "wav.hpp"

#include <algorithm>
#include <filesystem>

#include "../../core/error.hpp"

#ifdef UNROLL_HAVE_SNDFILE
#include <sndfile.h>

#include <memory>
#endif

namespace unroll {

std::vector<float> Sound::mono() const {
  const auto width = static_cast<std::size_t>(channels);
  std::vector<float> mean(steps());
  for (std::size_t t = 0; t < mean.size(); ++t) {
    double sum = 0;
    for (std::size_t c = 0; c < width; ++c) sum += static_cast<double>(samples[t * width + c]);
    mean[t] = static_cast<float>(sum / static_cast<double>(channels));
  }
  return mean;
}

#ifdef UNROLL_HAVE_SNDFILE

Sound read_wav(const std::string& path) {
  const auto refuse = [&](const auto&... why) { throw FileError("[wav] ", path, ": ", why...); };
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) refuse("is no file");
  SF_INFO info = {};
  const auto close = [](SNDFILE* file) { sf_close(file); };
  const std::unique_ptr<SNDFILE, decltype(close)> file(sf_open(path.c_str(), SFM_READ, &info), close);
  if (!file) refuse("cannot be read as sound: ", sf_strerror(nullptr));
  if (info.channels < 1 || info.samplerate < 1 || info.frames < 0) refuse("its header makes no sense");
  Sound sound{info.samplerate, info.channels, {}};
  // Block by block: what a header says of its length may be anything, what is read is there.
  const auto width = static_cast<std::size_t>(info.channels);
  const std::size_t block = std::max<std::size_t>(1, (1 << 16) / width);
  for (std::size_t steps = 0;;) {
    sound.samples.resize((steps + block) * width);
    const sf_count_t n =
        sf_readf_float(file.get(), sound.samples.data() + steps * width, static_cast<sf_count_t>(block));
    if (n > 0) steps += static_cast<std::size_t>(n);
    if (n > 0) continue;
    sound.samples.resize(steps * width);
    break;
  }
  if (sf_error(file.get()) != SF_ERR_NO_ERROR) refuse("cannot be read: ", sf_strerror(file.get()));
  if (sound.steps() != info.frames) refuse("ends after ", sound.steps(), " of ", info.frames, " samples");
  return sound;
}

#else

Sound read_wav(const std::string& path) {
  throw FileError("[wav] ", path, ": this build of unroll has no libsndfile (UNROLL_SNDFILE)");
}

#endif

}  // namespace unroll
