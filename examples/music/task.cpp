#include "music/task.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "common/plot.hpp"
#include "common/program.hpp"
#include "music/tunes.hpp"
#include "unroll/core/error.hpp"
#include "unroll/data/batches/split.hpp"
#include "unroll/optim/extra/sequence_models.hpp"

namespace unroll::examples {

namespace {

constexpr std::size_t kPaceAt = 12, kNotesAt = 13, kKnownAt = 14;

void add_piece(RollBatch& batch, const PianoRoll& piece, Index from, Index to, int shift, const Style& style) {
  std::vector<float> rows(static_cast<std::size_t>((to - from + 1) * kPitches));  // one more before them
  for (Index t = std::max<Index>(from - 1, 0); t < to; ++t)
    for (const int pitch : piece[static_cast<std::size_t>(t)])
      rows[static_cast<std::size_t>((t - from + 1) * kPitches + pitch + shift)] = 1;
  batch.before.emplace_back(rows.begin(), rows.end() - kPitches);
  batch.notes.emplace_back(rows.begin() + kPitches, rows.end());
  batch.styles.insert(batch.styles.end(), style.begin(), style.end());
}

/// For each piece whether `pitch` sounds at each step.
std::vector<std::vector<Index>> chains_of(const std::vector<PianoRoll>& pieces, int pitch) {
  std::vector<std::vector<Index>> chains;
  for (const PianoRoll& piece : pieces) {
    auto& chain = chains.emplace_back();
    for (const auto& step : piece) chain.push_back(std::ranges::binary_search(step, pitch) ? 1 : 0);
  }
  return chains;
}

void check_parts(const MusicTask& task, const std::string& path) {
  for (const auto* part : {&task.train, &task.valid, &task.test})
    if (steps_of(*part) == 0)
      throw DataError(path + ": too little music: " + std::to_string(steps_of(task.train)) + " steps to learn from, " +
                      std::to_string(steps_of(task.valid)) + " to choose by, " + std::to_string(steps_of(task.test)) +
                      " to be judged by");
}

}  // namespace

Style style_of(const PianoRoll& piece) {
  Style style{};
  double notes = 0, changes = 0;
  for (std::size_t t = 0; t < piece.size(); ++t) {
    for (const int pitch : piece[t]) style[static_cast<std::size_t>(pitch % 12)] += 1, ++notes;
    if (t > 0 && piece[t] != piece[t - 1]) ++changes;
  }
  for (std::size_t c = 0; c < 12 && notes > 0; ++c) style[c] /= static_cast<float>(notes);
  const double steps = std::max(1.0, static_cast<double>(piece.size()));
  style[kPaceAt] = static_cast<float>(changes / steps);
  style[kNotesAt] = static_cast<float>(notes / steps / 4);
  style[kKnownAt] = 1;
  return style;
}

Style transposed(const Style& style, int half_tones) {
  Style result = style;
  for (int c = 0; c < 12; ++c)
    result[static_cast<std::size_t>(((c + half_tones) % 12 + 12) % 12)] = style[static_cast<std::size_t>(c)];
  return result;
}

double similarity(const Style& a, const Style& b) {
  double ab = 0, aa = 0, bb = 0, mean_a = 0, mean_b = 0;
  for (std::size_t c = 0; c < 12; ++c) mean_a += a[c] / 12.0, mean_b += b[c] / 12.0;
  for (std::size_t c = 0; c < 12; ++c) {
    ab += (a[c] - mean_a) * (b[c] - mean_b);
    aa += (a[c] - mean_a) * (a[c] - mean_a);
    bb += (b[c] - mean_b) * (b[c] - mean_b);
  }
  return aa > 0 && bb > 0 ? ab / std::sqrt(aa * bb) : 0;
}

std::pair<double, double> similarity(std::span<const PianoRoll> pieces, std::span<const Style> styles) {
  double own = 0, other = 0;
  const auto count = static_cast<double>(styles.size());
  for (std::size_t k = 0; k < pieces.size(); ++k) {
    own += similarity(style_of(pieces[k]), styles[k]) / count;
    other += similarity(style_of(pieces[k]), styles[(k + 1) % styles.size()]) / count;
  }
  return {own, other};
}

std::string MusicTask::sizes() const {
  return text("%zu pieces to learn from (%d steps), %zu to choose by, %zu to be judged by", train.size(),
              static_cast<int>(steps_of(train)), valid.size(), test.size());
}

MusicTask make_music(Index count, std::uint64_t seed) {
  Rng rng(seed);
  MusicTask task;
  double nats = 0;
  for (auto* part : {&task.train, &task.valid, &task.test})
    for (Index k = 0; k < (part == &task.train ? count : count / 8 + 1); ++k) {
      Tune tune = make_tune(rng);
      if (part == &task.test) nats += tune.nats;
      part->push_back(std::move(tune.notes));
    }
  task.judged = "new tunes";
  task.rule = nats / static_cast<double>(steps_of(task.test));
  std::ranges::transform(task.train, std::back_inserter(task.styles), style_of);
  return task;
}

MusicTask read_music(const std::string& path, std::uint64_t seed) {
  PianoRolls rolls = read_piano_rolls(path);
  MusicTask task;
  if (rolls.parts.size() == 1) {
    auto& pieces = rolls.parts[0].second;
    Rng rng(seed);
    const auto count = static_cast<double>(std::max<std::size_t>(pieces.size(), 1));
    const Split split = split_items(std::ssize(pieces), rng, {.test = std::max(0.1, 1 / count)});
    for (const Index k : split.train) task.train.push_back(pieces[static_cast<std::size_t>(k)]);
    for (const Index k : split.test) task.valid.push_back(pieces[static_cast<std::size_t>(k)]);
    task.test = task.valid, task.judged = "held-out pieces";
  } else {
    const auto has_test = std::ranges::any_of(rolls.parts, [](const auto& part) { return part.first == "test"; });
    task.train = rolls.part("train"), task.valid = rolls.part("valid");
    task.judged = has_test ? "test" : "valid";
    task.test = rolls.part(task.judged);
  }
  for (auto* part : {&task.train, &task.valid, &task.test})
    std::erase_if(*part, [](const PianoRoll& piece) { return piece.empty(); });
  check_parts(task, path);
  std::ranges::transform(task.train, std::back_inserter(task.styles), style_of);
  return task;
}

std::vector<Segment> segments_of(const std::vector<PianoRoll>& pieces, Index steps) {
  std::vector<Segment> segments;
  for (Index p = 0; p < std::ssize(pieces); ++p) {
    const Index length = std::ssize(pieces[static_cast<std::size_t>(p)]), count = (length + steps - 1) / steps;
    for (Index k = 0; k < count; ++k) segments.push_back({p, length * k / count, length * (k + 1) / count});
  }
  return segments;
}

std::vector<RollBatch> batches_of(std::span<const PianoRoll> pieces, bool known_styles) {
  std::vector<RollBatch> batches;
  for (std::size_t k = 0; k < pieces.size(); ++k) {
    if (k % 8 == 0) batches.emplace_back();
    add_piece(batches.back(), pieces[k], 0, std::ssize(pieces[k]), 0, known_styles ? style_of(pieces[k]) : Style{});
  }
  return batches;
}

RollBatch training_batch(const MusicTask& task, std::span<const Segment> segments, std::span<const Index> items,
                         int transpose, Rng& rng) {
  RollBatch batch;
  for (const Index item : items) {
    const Segment& s = segments[static_cast<std::size_t>(item)];
    const PianoRoll& piece = task.train[static_cast<std::size_t>(s.piece)];
    const Index earlier = s.from > 0 ? rng.integer(std::min(s.from, (s.to - s.from) / 2) + 1) : 0;
    int lowest = 0, highest = kPitches - 1, shift = 0;
    if (transpose > 0) {
      shift = static_cast<int>(rng.integer(2 * transpose + 1)) - transpose;
      for (const auto& step : piece)
        if (!step.empty())
          lowest = std::min(lowest, step.front() + shift), highest = std::max(highest, step.back() + shift);
      if (lowest < 0 || highest >= kPitches) shift = 0;
    }
    const bool known = rng.bernoulli(0.5);
    add_piece(batch, piece, s.from - earlier, s.to - earlier, shift,
              known ? transposed(task.styles[static_cast<std::size_t>(s.piece)], shift) : Style{});
  }
  return batch;
}

Index steps_of(std::span<const Segment> segments, std::span<const Index> items) {
  Index steps = 0;
  for (const Index item : items)
    steps += segments[static_cast<std::size_t>(item)].to - segments[static_cast<std::size_t>(item)].from;
  return steps;
}

Index steps_of(std::span<const PianoRoll> pieces) {
  Index steps = 0;
  for (const PianoRoll& piece : pieces) steps += std::ssize(piece);
  return steps;
}

MusicBaselines baselines_of(const MusicTask& task) {
  MusicBaselines nats{0, 0};
  const auto train_steps = static_cast<double>(steps_of(task.train)), steps = static_cast<double>(steps_of(task.test));
  for (int pitch = 0; pitch < kPitches; ++pitch) {
    const auto train = chains_of(task.train, pitch), test = chains_of(task.test, pitch);
    const auto sounding = [](const std::vector<std::vector<Index>>& chains) {
      double n = 0;
      for (const auto& chain : chains) n += static_cast<double>(std::ranges::count(chain, 1));
      return n;
    };
    const double p = (sounding(train) + 1) / (train_steps + 2), on = sounding(test);
    nats.frequencies -= (on * std::log(p) + (steps - on) * std::log1p(-p)) / steps;
    MarkovChain chain(2, 1);
    chain.fit(train, std::vector<double>(train.size(), 1));
    std::vector<double> logs(test.size());
    chain.log_likelihoods(test, logs);
    for (const double log : logs) nats.chains -= log / steps;
  }
  return nats;
}

std::vector<int> draw_notes(std::span<const float> logits, double temperature, Rng& rng) {
  std::vector<int> notes;
  for (std::size_t n = 0; n < logits.size(); ++n) {
    const auto x = static_cast<double>(logits[n]);
    if (1 / (1 + std::exp(-x)) > 0.02 && rng.bernoulli(1 / (1 + std::exp(-x / temperature))))
      notes.push_back(static_cast<int>(n));
  }
  return notes;
}

std::string pitch_name(int pitch) {
  constexpr const char* kNames[] = {"C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"};
  return kNames[pitch % 12] + std::to_string(pitch / 12 - 1);
}

std::string roll_text(const PianoRoll& piece, Index steps) {
  std::string lines;
  const Index shown = std::min<Index>(steps, std::ssize(piece));
  for (int pitch = kPitches - 1; pitch >= 0; --pitch) {
    std::string row;
    for (Index t = 0; t < shown; ++t)
      row += std::ranges::binary_search(piece[static_cast<std::size_t>(t)], pitch) ? '#' : t % 8 == 0 ? '.' : ' ';
    if (row.find('#') != row.npos) lines += text("%4s %s\n", pitch_name(pitch).c_str(), row.c_str());
  }
  return lines;
}

void draw_roll(const std::string& file, const PianoRoll& piece, std::span<const float> probabilities) {
  if (file.empty()) return;
  int lowest = kPitches - 1, highest = 0;
  for (const auto& step : piece)
    if (!step.empty()) lowest = std::min(lowest, step.front()), highest = std::max(highest, step.back());
  if (lowest > highest) lowest = 60, highest = 72;
  lowest = std::max(0, lowest - 2), highest = std::min(static_cast<int>(kPitches) - 1, highest + 2);
  std::string image = "$image << EOD\n", notes = "$notes << EOD\n", tics;
  for (std::size_t t = 0; t < piece.size(); ++t) {
    for (int pitch = lowest; pitch <= highest; ++pitch)
      image += text("%zu %d %.4g\n", t, pitch,
                    static_cast<double>(probabilities[t * kPitches + static_cast<std::size_t>(pitch)]));
    for (const int pitch : piece[t]) notes += text("%zu %d\n", t, pitch);
  }
  for (int pitch = lowest; pitch <= highest; ++pitch)
    if (pitch % 12 == 0 || pitch % 12 == 4 || pitch % 12 == 7)
      tics += text("%s'%s' %d", tics.empty() ? "" : ", ", pitch_name(pitch).c_str(), pitch);
  draw(file,
       image + "EOD\n" + notes + "EOD\n" +
           text("set title 'a piece, and how likely each note was'\nset xlabel 'step'\nset ytics (%s)\n"
                "set xrange [-0.5:%g]\nset yrange [%g:%g]\nset cbrange [0:1]\nset cblabel 'probability'\n"
                "set palette defined (0 '#ffffff', 0.25 '#c6dbef', 0.6 '#6baed6', 1 '#08519c')\nunset key\n"
                "plot $image using 1:2:3 with image, $notes using 1:2 with points pt 7 ps 0.45 lc rgb '#d94801'\n",
                tics.c_str(), static_cast<double>(piece.size()) - 0.5, lowest - 0.5, highest + 0.5),
       1100, 600);
}

Style parse_style(const std::string& words, std::span<const Style> styles, Rng& rng) {
  const auto count = std::ssize(styles);
  if (words == "random") {
    const Style &a = styles[static_cast<std::size_t>(rng.integer(count))],
                &b = styles[static_cast<std::size_t>(rng.integer(count))];
    const auto share = rng.uniform<float>();
    Style style;
    for (std::size_t k = 0; k < style.size(); ++k) style[k] = share * a[k] + (1 - share) * b[k];
    return style;
  }
  std::vector<float> numbers;
  for (const char *at = words.data(), *end = at + words.size(); at != end;) {
    float number = 0;
    const auto [stop, error] = std::from_chars(at, end, number);
    if (error != std::errc() || !std::isfinite(number)) break;
    numbers.push_back(number);
    at = stop != end && *stop == ',' ? stop + 1 : stop;
    if (at == end && numbers.size() == kStyle - 1 && *stop != ',') {
      Style style{};
      std::ranges::copy(numbers, style.begin());
      style[kKnownAt] = 1;
      return style;
    }
    if (at == end && numbers.size() == 1 && number >= 1 && number <= static_cast<float>(count) &&
        number == std::floor(number))
      return styles[static_cast<std::size_t>(number) - 1];
  }
  throw DataError("style '" + words + "': expected random, a piece's number from 1 to " + std::to_string(count) +
                  ", or " + std::to_string(kStyle - 1) + " numbers parted by commas");
}

std::vector<int> parse_chord(const std::string& chord) {
  std::vector<int> pitches;
  for (const char *at = chord.data(), *end = at + chord.size(); at != end;) {
    int pitch = -1;
    const auto [stop, error] = std::from_chars(at, end, pitch);
    const bool more = stop != end && *stop == ',' && stop + 1 != end;
    if (error != std::errc() || pitch < 0 || pitch >= kPitches || (stop != end && !more))
      throw DataError("chord '" + chord + "': expected pitches 0 .. 127 parted by commas, such as 60,64,67");
    pitches.push_back(pitch);
    at = stop + (more ? 1 : 0);
  }
  std::ranges::sort(pitches);
  pitches.erase(std::unique(pitches.begin(), pitches.end()), pitches.end());
  return pitches;
}

}  // namespace unroll::examples
