#include "char_lm/char_task.hpp"

#include <charconv>
#include <numbers>

#include "char_lm/ngram.hpp"
#include "common/plot.hpp"

namespace unroll::examples {

CharTask::CharTask(std::u32string_view text, const std::optional<Vocabulary>& known)
    : train(text.substr(0, text.size() - text.size() / 10)),
      vocabulary(known ? *known : Vocabulary(train)),
      train_ids(vocabulary.encode(train)),
      held_out_ids(vocabulary.encode(text.substr(train.size()))) {
  if (held_out_ids.empty())
    throw DataError("the text is too short: " + std::to_string(text.size()) + " characters, expected at least 10");
  const auto loss = [&](int order) {
    return NgramModel(train_ids, vocabulary.size(), order).cross_entropy(train_ids, held_out_ids);
  };
  unigram = loss(1), trigram = loss(3), five_gram = loss(5);
}

Metadata char_metadata(const Vocabulary& vocabulary, const std::string& cell, Index layers, Index hidden, Index embed) {
  std::u32string symbols;
  for (Index id = 0; id < vocabulary.unknown(); ++id) symbols += vocabulary.symbol(id);
  return {{"format", "pt"},
          {"cell", cell},
          {"layers", std::to_string(layers)},
          {"hidden", std::to_string(hidden)},
          {"embed", std::to_string(embed)},
          {"vocabulary", encode_utf8(symbols)}};
}

Vocabulary read_char_metadata(const std::string& file, std::string& cell, Index& layers, Index& hidden, Index& embed) {
  const SafetensorsFile opened(file);
  const auto text = [&](const char* key) {
    const auto found = opened.metadata().find(key);
    if (found == opened.metadata().end())
      throw DataError(file + ": its metadata has no '" + key + "': was it saved by char_lm?");
    return found->second;
  };
  const auto number = [&](const char* key) {
    const std::string digits = text(key);
    Index n = 0;
    const auto end = std::from_chars(digits.data(), digits.data() + digits.size(), n);
    if (end.ec != std::errc() || end.ptr != digits.data() + digits.size() || n < 1 || n > 16384)
      throw DataError(file + ": its metadata has '" + key + "' = '" + digits + "', expected 1 .. 16384");
    return n;
  };
  cell = text("cell");
  layers = number("layers"), hidden = number("hidden"), embed = number("embed");
  return Vocabulary(decode_utf8(text("vocabulary"), file));
}

void add_sample_options(CLI::App& app, SampleOptions& o) {
  app.add_option("--prompt", o.prompt, "the sample goes on from this text");
  add_number(app, "--length", o.length, 0, 100000000, "characters to write");
  add_number(app, "--temperature", o.temperature, 0, 100,
             "of the sample: low is careful, 0 always takes the likeliest");
}

void report_result(const CharTask& task, std::u32string_view sample, const FitResult& result, MetricsFile& metrics) {
  const KnownWords words = known_words(sample, task.train);
  print("words of this sample that occur in the text: %.0f %%", 100 * words.share());
  print("held out, nats a character: unigram %.3f, trigram %.3f, 5-gram %.3f, this model %.4f (%.3f bits)",
        task.unigram, task.trigram, task.five_gram, result.best_loss, result.best_loss / std::numbers::ln2);
  print("%s after %d steps in %s of training", result.interrupted ? "interrupted" : "done",
        static_cast<int>(result.steps), duration_text(result.seconds).c_str());
  metrics.write({{"final", true},
                 {"val_loss", result.best_loss},
                 {"val_bits", result.best_loss / std::numbers::ln2},
                 {"unigram", task.unigram},
                 {"trigram", task.trigram},
                 {"five_gram", task.five_gram},
                 {"known_words", words.share()},
                 {"steps", result.steps},
                 {"seconds", result.seconds},
                 {"interrupted", result.interrupted},
                 {"peak_memory", peak_memory()}});
}

void draw_char_losses(const std::string& file, const CharTask& task, std::span<const double> train,
                      std::span<const double> held_out) {
  const auto curve = [](const char* name, std::span<const double> values) {
    Curve c{name, {}};
    for (std::size_t i = 0; i < values.size(); ++i) c.points.emplace_back(static_cast<double>(i + 1), values[i]);
    return c;
  };
  const std::vector<double> ngram(held_out.size(), task.five_gram);
  const Curve curves[] = {curve("training (with dropout)", train), curve("held out", held_out),
                          curve("5-gram model, held out", ngram)};
  draw_curves(file, "Character language model", "epoch", "nats a character", curves);
}

}  // namespace unroll::examples
