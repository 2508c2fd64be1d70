#include "caption/task.hpp"

#include <algorithm>

#include "common/program.hpp"
#include "unroll/core/error.hpp"
#include "unroll/data/batches/batches.hpp"
#include "unroll/data/batches/split.hpp"
#include "unroll/data/metrics/edit_distance.hpp"
#include "unroll/optim/extra/nearest.hpp"

namespace unroll::examples {

CaptionOptions::CaptionOptions() { cell = "gru", epochs = 15, lr = 4e-3; }

void add_caption_options(CLI::App& app, CaptionOptions& o) {
  auto* data = app.add_option("--data", o.data, "lines `file.pgm TAB sentence`; a tenth is to be judged by");
  auto* train = app.add_option("--train", o.train, "such lines to learn from")->excludes(data);
  auto* test = app.add_option("--test", o.test, "such lines to be judged by")->excludes(data);
  train->needs(test);
  app.add_option("--write", o.write, "folder for drawn pictures and their sentences, as files for --data")
      ->excludes(data)
      ->excludes(test);
  app.add_option("--look", o.look, "PGM pictures: says what the model of --load sees")->needs("--load");
  add_number(app, "--pictures", o.pictures, 1, 10000000, "drawn for an epoch");
  add_number(app, "--hidden", o.hidden, 1, 16384, "units of a layer in each direction; the decoder has twice as many");
  add_number(app, "--embed", o.embed, 1, 16384, "size of a word's vector");
  add_number(app, "--dropout", o.dropout, 0, 0.99, "share dropped of what is seen at each patch");
  add_number(app, "--beam", o.beam, 1, 1000, "sentences followed side by side when it speaks");
}

nlohmann::json settings_of(const CaptionOptions& o, const Language& language) {
  return {
      {"cell", o.cell}, {"hidden", o.hidden}, {"embed", o.embed}, {"dropout", o.dropout}, {"words", language.words()}};
}

std::optional<Language> load_settings(CaptionOptions& o) {
  if (o.load.empty()) return {};
  const auto settings = read_settings(o.load, "caption");
  get_settings(settings, o.load, "cell", o.cell, "hidden", o.hidden, "embed", o.embed, "dropout", o.dropout);
  return Language(setting<std::vector<std::string>>(settings, "words", o.load));
}

Language::Language(const std::vector<Picture>& pictures) {
  TokenCounts counts;
  for (const Picture& p : pictures) count_tokens(counts, p.sentence);
  words_ = Vocabulary(counts, {.specials = {"<end>", "<unk>"}});
}

std::vector<Index> Language::numbers(const std::vector<std::string>& sentence) const {
  std::vector<Index> numbers = words_.encode(sentence);
  numbers.push_back(mark);
  return numbers;
}

std::vector<std::string> Language::words() const {
  std::vector<std::string> words;
  for (Index i = 0; i < words_.size(); ++i) words.push_back(words_.token(i));
  return words;
}

CaptionTask::CaptionTask(const CaptionOptions& o, const std::optional<Language>& known) {
  Rng rng(static_cast<std::uint64_t>(o.seed) + 1);
  if (!o.data.empty()) {
    const auto all = read_pictures(o.data);
    const Split split = split_items(std::ssize(all), rng, {.test = 0.1});
    train_ = chosen(all, split.train), test_ = chosen(all, split.test);
  } else if (!o.test.empty()) {
    if (!o.train.empty()) train_ = read_pictures(o.train);
    test_ = read_pictures(o.test);
  } else {
    drawn_ = o.pictures;
    for (Index k = 0; k < 2000; ++k) train_.push_back(draw_picture(false, rng));
    for (Index k = 0; k < 500; ++k) test_.push_back(draw_picture(true, rng));
    print("drawn pictures; %d sentences about two things to learn, %d others to be judged by",
          static_cast<int>(sentence_count(false)), static_cast<int>(sentence_count(true)));
  }
  if (test_.empty() || (train_.empty() && !known))
    throw DataError("too few pictures: " + std::to_string(train_.size()) + " to learn from, " +
                    std::to_string(test_.size()) + " to be judged by");
  if (!o.write.empty()) write_pictures(o.write, train_);
  language_ = known ? *known : Language(train_);
  print("%d pictures an epoch, %zu to be judged by; %d words", static_cast<int>(train_size()), test_.size(),
        static_cast<int>(language_->size() - 2));
}

MetricsLine CaptionTask::report(const std::vector<std::string>& guesses) const {
  ErrorRate words, nearest_words;
  for (std::size_t i = 0; i < test_.size(); ++i) {
    const std::string truth = sentence_text(test_[i].sentence);
    if (i < 3)
      print("%s    it is:   %s\n    it says: %s\n", as_characters(test_[i]).c_str(), truth.c_str(), guesses[i].c_str());
    words.add_words(truth, guesses[i]);
  }
  MetricsLine line = {{"exact", 1 - words.sequence_rate()}, {"word_error_rate", words.rate()}};
  std::string beside;
  if (!train_.empty()) {
    std::vector<float> pixels;
    std::vector<Index> numbers;
    for (std::size_t k = 0; k < std::min<std::size_t>(train_.size(), 2000); ++k) {
      pixels.insert(pixels.end(), train_[k].pixels.begin(), train_[k].pixels.end());
      numbers.push_back(static_cast<Index>(k));
    }
    const NearestNeighbours nearest(pixels, picture_size * picture_size, numbers);
    for (const Picture& p : test_)
      nearest_words.add_words(sentence_text(p.sentence),
                              sentence_text(train_[static_cast<std::size_t>(nearest.classify(p.pixels))].sentence));
    line.emplace_back("nearest_word_error_rate", nearest_words.rate());
    beside = text("; those of the most similar pictures in training: %.1f %%, %.1f %%",
                  100 * (1 - nearest_words.sequence_rate()), 100 * nearest_words.rate());
  }
  print("sentences exactly right %.1f %%, words wrong %.1f %%%s", 100 * (1 - words.sequence_rate()), 100 * words.rate(),
        beside.c_str());
  return line;
}

}  // namespace unroll::examples
