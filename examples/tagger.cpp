// Many to many of equal length: a tag for each word of a sentence, and so the names in it (persons, firms, places).
//
//     f_t = sum of E_k over features k of word t          itself, its shape ("Xx0"), first and last 1 .. 4 characters,
//                                                         each left out with --drop-features in training
//     c_t = max over characters of [cell read forward; cell read backward]
//     x_t = dropout([f_t, c_t])
//     h_t = [cell(x_t, forward_{t-1}), cell(x_t, backward_{t+1})]       RNN, LSTM or GRU; --layers of them
//     s_t = W dropout(h_t) + b                            a score for each tag: O, B-person, I-person ...
//     p(y | x) = exp(sum_t s_t[y_t] + A[y_{t-1}, y_t]) / Z              a conditional random field, in which no I-X
//                                                         follows anything but B-X and I-X; --no-crf: softmax(s_t)
//
// In training O scores --recall higher where a name stands: a margin in nats, by which more names are found.
//     tagger                                              sentences made of frames and names
//     tagger --train train.conll --test test.conll        CoNLL columns: word first, tag last; IOB1, IOB2 or BIOES
//            --dev dev.conll                              chooses the epoch; without --test it only judges the last one
//     tagger ... --save names.safetensors                 then: --load names.safetensors --sentence "I met Ann ."
//     tagger ... --predict out.txt                        `word tag guess` lines, also for the CoNLL scorer
//     tagger --score out.txt                              precision, recall and F1 of such a file, as it counts
//
// Without files it makes 3000 sentences from frames ("X joined Y", "the mayor of X thanked Y") and lists of names, and
// is judged by 500 of other frames and other names. Its controls: the same with the words in random order, and
// sentences on Teddy Roosevelt and Teddy bears, where a cell that reads forward only cannot know yet.
// Entity F1 in percent, counted as the CoNLL scorer does. To expect, median of seeds 1, 2 and 3, and time on two cores:
//     no arguments          97; words in random order 34; "Teddy": one way 47 % right, both ways 100 %        8 s
//     WNUT 2017             --train, --dev: 32.2 (30.6, 32.2, 32.7), the last epoch's; settings by dev         16 s

#include <optional>

#include "common/plot.hpp"
#include "tagger/name_frames.hpp"
#include "tagger/options.hpp"
#include "tagger/tag_scores.hpp"
#include "unroll/data/batches/batches.hpp"
#include "unroll/data/text/tokenize.hpp"
#include "unroll/nn/linear.hpp"
#include "unroll/nn/stack.hpp"
#include "unroll/nn/structured/crf.hpp"

using namespace unroll;
using namespace unroll::examples;

using Numbers = std::vector<std::vector<Index>>;  // of words or tags, a list a sentence

template <class Cell>
struct Tagger {
  Tagger(const TaggerKey& key, const TaggerOptions& o, Rng& rng)
      : words(key.forms, o.words, rng),
        out(o.two_way ? 2 * o.hidden : o.hidden, std::ssize(key.tags), rng),
        dropout(o.words.dropout),
        recall(o.recall) {
    const StackOptions options{.layers = o.layers, .dropout = dropout};
    if (o.two_way)
      two_ways.emplace(words.output_size(), o.hidden, rng, options);
    else
      one_way.emplace(words.output_size(), o.hidden, rng, options);
    if (o.crf) crf.emplace(std::ssize(key.tags), rng, CrfOptions{tag_rules(key.tags, TagScheme::iob2)});
  }

  /// (N, K): a score for each tag of each word.
  Sequence<> operator()(const WordForms& forms, const Numbers& sentences) const {
    const auto x = words(forms, sentences);
    const auto h = two_ways ? (*two_ways)(x) : (*one_way)(x);
    return h.with(out(unroll::dropout(h.rows, dropout)));
  }

  /// The mean over `word_count` words.
  Variable<> loss(const Sequence<>& scores, const Numbers& tags, double word_count) const {
    const auto s = with_margin(scores, tags, recall);
    if (crf) return crf->negative_log_likelihood(s, tags, {.denominator = word_count});
    return softmax_cross_entropy(s, tags, {.denominator = word_count});
  }

  /// The tags of each sentence: the best path, or each word's best tag.
  Lists tags_of(const Lists& sentences, TaggerKey& key, Tape<float>& tape) const {
    const Numbers numbers = word_numbers(sentences, key.forms);
    const Vocabulary names(key.tags);
    Lists tags;
    for (const auto& batch : ordered_batches(std::ssize(numbers), 64)) {
      const Evaluation scope(tape);
      const auto scores = (*this)(key.forms, chosen(numbers, batch));
      for (const auto& path : crf ? crf->viterbi(scores).tags : best_of_steps(scores))
        tags.push_back(names.decode(path));
    }
    return tags;
  }

  void each(auto&& visit) {
    visit("words", words), visit("two_ways", two_ways), visit("one_way", one_way), visit("out", out);
    visit("crf", crf), visit("dropout", dropout), visit("recall", recall);
  }

  WordEncoder<Cell> words;
  std::optional<Stack<Bidirectional<Rnn<Cell>>>> two_ways;
  std::optional<Stack<Rnn<Cell>>> one_way;
  Linear<> out;
  std::optional<Crf<>> crf;
  double dropout, recall;
};

/// Trains a tagger; `f1` gives the percentage on what chooses the epoch, if there is such.
template <class Model>
TrainingResult train_tagger(Model& model, TaggerKey& key, const TaggerData& data, TaggerOptions& o,
                            Shards<float>& shards, MetricsFile& metrics, bool silent = false) {
  const Numbers words = word_numbers(data.train.words, key.forms), tags = tag_numbers(data.train, key.tags);
  TrainingPlan plan{.program = "tagger", .settings = settings_of(key, o), .work = lengths_of(words)};
  plan.data.add(data.train.words, data.train.tags, data.dev.words, data.dev.tags);
  plan.unit = "sentences";
  plan.validation = "100 - F1 of --dev";
  if (!data.dev.words.empty())
    plan.validate = [&] {
      return 100 - 100 * score_of(data.dev, model.tags_of(data.dev.words, key, shards.tape(0))).overall.f1();
    };
  if (silent) plan.on_epoch = [](const FitEpoch&) {};
  return train(model, o, std::ssize(words), metrics, plan, shards, [&](auto share, auto batch) {
    return model.loss(model(key.forms, chosen(words, share)), chosen(tags, share), work_of(batch, plan.work));
  });
}

/// The tags that a tagger of its own, trained on `data` on the side, gives to data.test.
template <class Cell>
Lists tags_beside(const TaggerData& data, TaggerOptions o) {
  o.save.clear(), o.resume = false;
  TaggerKey key = learn_key(data.train, o);
  Rng rng(static_cast<std::uint64_t>(o.seed));
  Tagger<Cell> model(key, o, rng);
  Shards<float> shards(o.threads, rng.next());
  MetricsFile nowhere("");
  train_tagger(model, key, data, o, shards, nowhere, true);
  return model.tags_of(data.test.words, key, shards.tape(0));
}

/// What happens when the order of words says nothing, and when a cell cannot see the words to come.
template <class Cell>
MetricsLine controls(const TaggerData& data, TaggerOptions o) {
  Rng rng(static_cast<std::uint64_t>(o.seed) + 1);
  o.epochs = std::min<Index>(o.epochs, 6);
  const TaggerData mixed{shuffled_words(data.train, rng), {}, shuffled_words(data.test, rng)};
  const double shuffled = 100 * score_of(mixed.test, tags_beside<Cell>(mixed, o)).overall.f1();
  print("The same with words in random order (names kept whole): F1 %.2f", shuffled);

  const TaggerData teddy{make_teddy_sentences(600, false, rng), {}, make_teddy_sentences(300, true, rng)};
  o.crf = false;  // whose best path would tell the word before of the word behind
  o.two_way = false;
  const double one = report_teddy("one way", teddy.test, tags_beside<Cell>(teddy, o));
  o.two_way = true;
  const double two = report_teddy("both ways", teddy.test, tags_beside<Cell>(teddy, o));
  return {{"shuffled_f1", shuffled}, {"teddy_one_way", one}, {"teddy_two_ways", two}};
}

template <class Cell>
void run(TaggerOptions& o, std::optional<TaggerKey> loaded) {
  check_plot(o.plot);
  MetricsFile metrics(o.metrics);
  const bool judged = !loaded || loaded->made || !o.test.empty() || !o.dev.empty();
  const TaggerData data =
      judged ? read_sentence_data(o, "sentences", read_tagged, make_name_sentences, 3000) : TaggerData();
  TaggerKey key = loaded ? std::move(*loaded) : learn_key(data.train, o);
  Rng rng(static_cast<std::uint64_t>(o.seed));
  Tagger<Cell> model(key, o, rng);
  Shards<float> shards(o.threads, rng.next());
  TrainingResult result;
  if (o.load.empty()) {
    print("sentences to learn from %zu, to be judged by %zu; %s %s, parameters %d", data.train.words.size(),
          data.test.words.size(), o.cell.c_str(), o.two_way ? "both ways" : "one way",
          static_cast<int>(parameter_count(model)));
    result = train_tagger(model, key, data, o, shards, metrics);
  } else {
    load_parameters(o.load, model);
  }
  const auto say = [&](const std::string& sentence) {
    const Lists words = {tokenize_space(sentence)};
    if (words[0].empty()) return;
    const Lists tags = in_scheme(model.tags_of(words, key, shards.tape(0)), key.scheme);
    print("%s", with_tags(words[0], tags[0]).c_str());
  };
  MetricsLine figures;
  if (judged) figures = report_tags(data.test, model.tags_of(data.test.words, key, shards.tape(0)), key.scheme, o);
  if (o.load.empty() && key.made && !result.interrupted) {
    const auto more = controls<Cell>(data, o);
    figures.insert(figures.end(), more.begin(), more.end());
  }
  if (key.made) say("Sumesh worked at Cisco in Bengaluru");
  for (const auto& sentence : o.sentences) say(sentence);
  o.load.empty() ? finish_training(metrics, figures, result) : finish_metrics(metrics, figures);
}

int main(int argc, char** argv) {
  TaggerOptions o;
  CLI::App app("Finds names in sentences: a tag for each word.", "tagger");
  add_training_options(app, o, "picture of which types are taken for which (.png, .svg), drawn by gnuplot");
  add_tagger_options(app, o);
  catch_interrupts();
  return run_program(app, argc, argv, [&] {
    if (!o.score.empty()) return print("%s", score_file(o.score).text().c_str());
    std::optional<TaggerKey> key;
    if (!o.load.empty()) key = read_key(o);
    with_cell(o.cell, [&]<class Cell> { run<Cell>(o, std::move(key)); });
  });
}
