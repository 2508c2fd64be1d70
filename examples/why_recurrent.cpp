// Why not a standard network: which words are names, by a feed-forward network that sees a window of T words and has
// weights of its own for each place, and by a recurrent one.
//
//     feed-forward    h   = tanh(b + sum_t E_t[word_t])          p_t = sigmoid(v_t . h + c_t)       t = 0 .. T-1
//     recurrent       h_t = cell(E[word_t], h_{t-1})             p_t = sigmoid(v . h_t + c)         any t
//
// With 10,000 words and 100 units each E_t has a million weights, so the first network grows by a million with each
// word of a sentence; the second does not grow. What the first learns of a word at one place it does not know at
// another: "harry", who stands at the first place in training and nowhere else, and whole sentences longer than any it has seen.
// Both read the same batches. Sentences are made by a grammar ("in winter meera patel found old maps while owls admired
// harry") in which nothing but the word itself says whether it is a name.
//
//     why_recurrent --plot out.svg                 parameters against length, names in new places, names by length
//     why_recurrent --cell lstm                    or gru
//     why_recurrent --data train.conll --longest 15 --window 25
//                                                  CoNLL columns: persons, or in a file without them all entities
//
// To expect:                                                            feed-forward     recurrent
//     parameters for sentences of 10 words, of 100                10.0 and 100.0 million   1.0 million
//     F1 of names, sentences of up to 10 words, as in training              99 %           100 %
//     "harry" found where training never had him                            22 %           100 %
//     F1 of names, sentences of 11 to 16 words, never in training           70 %           100 %
// Figures of seed 1; with seed 2 21 % and 67 % instead of 22 % and 70 %. 5 s.

#include "common/plot.hpp"
#include "common/training.hpp"
#include "why_recurrent/name_networks.hpp"
#include "why_recurrent/name_report.hpp"

using namespace unroll;
using namespace unroll::examples;

struct Options : TrainingOptions {
  std::string data;
  Index vocabulary = 10000, hidden = 100, longest = 10, window = 16, sentences = 6000, exam = 1000;
  /// What a model is used with as it was trained: the words' numbers come from the sentences to learn from.
  void each_setting(auto&& visit) {
    visit("cell", cell), visit("data", data), visit("vocabulary", vocabulary), visit("hidden", hidden);
    visit("longest", longest), visit("window", window), visit("sentences", sentences), visit("seed", seed);
  }
};

/// Both networks, side by side: each has its own loss, and none sees the other.
template <class Cell>
struct Model {
  Model(const Options& o, Rng& rng)
      : window(o.vocabulary, o.window, o.hidden, rng), recurrent(o.vocabulary, o.hidden, rng) {}
  void each(auto&& visit) { visit("window", window), visit("recurrent", recurrent); }

  WindowNetwork window;
  RecurrentNetwork<Cell> recurrent;
};

std::vector<std::vector<Index>> words_of(std::span<const NameItem> items) {
  std::vector<std::vector<Index>> words;
  for (const NameItem& item : items) words.push_back(item.words);
  return words;
}

/// Cross-entropy of the words of some sentences, divided by `denominator`.
Variable<> loss_of(const auto& network, std::span<const NameItem> items, double denominator) {
  const Sequence<> y = network(words_of(items));
  std::vector<std::vector<float>> names;
  for (const NameItem& item : items) names.emplace_back(item.names.begin(), item.names.end());
  const auto targets = in_row_order(*current_tape<float>, *y.layout, std::span<const std::vector<float>>(names));
  return binary_cross_entropy_with_logits(y.rows, input(targets, y.rows.shape()), {.denominator = denominator});
}

/// What a network takes for names.
NameGuesser guesser(const auto& network, Tape<float>& tape) {
  return [&](std::span<const NameItem> items) {
    const Evaluation<float> scope(tape);
    const Sequence<> y = network(words_of(items));
    const auto values = y.rows.values();
    std::vector<std::vector<bool>> guesses;
    for (std::size_t b = 0; b < items.size(); ++b) {
      guesses.emplace_back();
      for (std::size_t t = 0; t < items[b].words.size(); ++t)
        guesses.back().push_back(values[static_cast<std::size_t>(y.layout->first[t] + y.layout->place[b])] > 0);
    }
    return guesses;
  };
}

template <class Cell>
void run(Options& o, const nlohmann::json& settings) {
  MetricsFile metrics(o.metrics);
  Rng rng(static_cast<std::uint64_t>(o.seed)), data = rng.split();
  const NameTask task = o.data.empty() ? make_name_task(o.sentences, o.exam, o.longest, o.window, o.vocabulary, data)
                                       : read_name_task(o.data, o.longest, o.window, o.vocabulary, data);
  Model<Cell> model(o, rng);
  Shards<float> shards(o.threads, rng.next());
  FitResult result;
  if (!o.load.empty()) {
    load_parameters(o.load, model);
  } else {
    TrainingPlan plan{.program = "why_recurrent", .settings = settings, .unit = "sentences"};
    plan.data.add_each(task.train, &NameItem::words, &NameItem::names);
    print("%d sentences of up to %d words to learn from, %d different words", static_cast<int>(task.train.size()),
          static_cast<int>(task.longest), static_cast<int>(task.words.size()));
    result = train(model, o, std::ssize(task.train), metrics, plan, shards,
                   [&](std::span<const Index> share, std::span<const Index> batch) {
                     const auto item = [&](Index i) { return task.train[static_cast<std::size_t>(i)]; };
                     std::vector<NameItem> items;
                     double words = 0;
                     for (const Index i : share) items.push_back(item(i));
                     for (const Index i : batch) words += static_cast<double>(item(i).words.size());
                     return loss_of(model.window, items, words) + loss_of(model.recurrent, items, words);
                   });
  }
  NameFigures window = examine("feed-forward", task, guesser(model.window, shards.tape(0)));
  NameFigures recurrent = examine("recurrent", task, guesser(model.recurrent, shards.tape(0)));
  window.parameters = parameter_count(model.window), recurrent.parameters = parameter_count(model.recurrent);
  report_names(task, window, recurrent, o.vocabulary, o.hidden, metrics);
  draw_names(o.plot, task, window, recurrent, o.vocabulary, o.hidden);
  MetricsLine figures;
  for (const auto& [key, f] : {std::pair("window_", &window), std::pair("recurrent_", &recurrent)}) {
    const std::string prefix = key;
    figures.insert(figures.end(), {{prefix + "parameters", f->parameters},
                                   {prefix + "accuracy", f->known.accuracy()},
                                   {prefix + "f1", f->known.f1()},
                                   {prefix + "new_place", f->new_place.recall()},
                                   {prefix + "longer_accuracy", f->longer.accuracy()},
                                   {prefix + "longer_f1", f->longer.f1()}});
  }
  o.load.empty() ? finish_training(metrics, figures, result) : finish_metrics(metrics, figures);
}

int main(int argc, char** argv) {
  Options o;
  o.cell = "rnn", o.epochs = 4, o.batch = 64, o.clip = 1e9;
  CLI::App app("Compares a network with weights of its own for each place with a recurrent one.", "why_recurrent");
  add_training_options(app, o, "picture of parameters, places and lengths (.png, .svg), drawn by gnuplot");
  app.add_option("--data", o.data, "sentences in CoNLL columns, the tag last");
  add_number(app, "--vocabulary", o.vocabulary, 2, 1000000, "words that have a number");
  add_number(app, "--hidden", o.hidden, 1, 16384, "units of either network");
  add_number(app, "--longest", o.longest, 4, 1000, "words of a sentence in training, at most");
  add_number(app, "--window", o.window, 5, 1000, "words of a sentence, at most");
  add_number(app, "--sentences", o.sentences, 2, 10000000, "without a file: sentences to learn from");
  add_number(app, "--exam", o.exam, 1, 10000000, "without a file: sentences of each kind to be judged by");
  catch_interrupts();
  return run_program(app, argc, argv, [&] {
    check_plot(o.plot);
    nlohmann::json settings;
    if (!o.load.empty()) settings = read_settings(o.load, "why_recurrent");
    o.each_setting([&](const char* name, auto& value) {
      if (o.load.empty())
        settings[name] = value;
      else
        value = setting<std::remove_reference_t<decltype(value)>>(settings, name, o.load);
    });
    if (o.window <= o.longest)
      throw DataError("--window " + std::to_string(o.window) + ", expected more than --longest " +
                      std::to_string(o.longest));
    with_cell(o.cell, [&]<class Cell> { run<Cell>(o, settings); });
  });
}
