// One utterance to what is wanted and the details of it: a tag for each word and a class for all of them, learnt
// jointly.
//
//     x_t = [features of word t, what a cell makes of its characters]         as in tagger.cpp
//     h_t = [cell(x_t, forward_{t-1}), cell(x_t, backward_{t+1})]             RNN, LSTM or GRU; --layers of them
//     p(slots | x) = exp(sum_t s_t[y_t] + A[y_{t-1}, y_t]) / Z,  s_t = W h_t + b      a conditional random field
//     p(intent | x) = softmax(V sum_t a_t h_t + c),  a = softmax_t(v . tanh(U h_t))   attention over the words
//     loss = - (mean over words of log p(slots)) - (mean over utterances of log p(intent))
//
//     assistant                                           a made world of timers, weather and travel
//     assistant --interactive                             and then answers what is typed, a line an utterance
//     assistant --train atis.train --test atis.test       files in one of these forms:
//         BOS show flights to boston EOS TAB O O O O B-toloc atis_flight        the ATIS corpus: the intent under EOS
//         a folder with seq.in, seq.out and label                               words, tags, intents, by lines
//         columns `word tag`, then a line with the intent, then a blank one
//     assistant ... --save a.safetensors                  then: assistant --load a.safetensors --interactive
//
// Without files it learns from 2400 made utterances and is judged by 500 whose cities, airlines and names of timers
// training never has. Beside it stands what looks at words without their order: each word's commonest tag, and naive
// Bayes for the intent. F1 and accuracies in percent; a sentence is right when its intent and all its slots are.
//
// To expect without arguments, median of three seeds: slot F1 98.9, intents 100, sentences 97.4 (words without order:
// 34, 100 and 9), in 3 s on two cores.

#include <algorithm>
#include <iostream>
#include <optional>

#include "assistant/domain.hpp"
#include "assistant/options.hpp"
#include "common/plot.hpp"
#include "unroll/data/batches/batches.hpp"
#include "unroll/nn/attention.hpp"
#include "unroll/nn/linear.hpp"
#include "unroll/nn/stack.hpp"
#include "unroll/nn/structured/crf.hpp"

using namespace unroll;
using namespace unroll::examples;

using Numbers = std::vector<std::vector<Index>>;  // of words or tags, a list an utterance

template <class Cell>
struct Assistant {
  struct Output {
    Sequence<> slots;   // (N, K): a score for each tag of each word
    Variable<> intent;  // (B, C): a score for each intent
  };

  Assistant(const AssistantKey& key, const AssistantOptions& o, Rng& rng)
      : words(key.forms, o.words, rng),
        layers(words.output_size(), o.hidden, rng, {.layers = o.layers, .dropout = o.words.dropout}),
        attention(layers.output_size(), o.hidden, rng),
        tag(layers.output_size(), std::ssize(key.tags), rng),
        intent(layers.output_size(), std::ssize(key.intents), rng),
        crf(std::ssize(key.tags), rng, {tag_rules(key.tags, TagScheme::iob2)}),
        dropout(o.words.dropout) {}

  Output operator()(const WordForms& forms, const Numbers& utterances) const {
    const auto h = layers(words(forms, utterances));
    return {h.with(tag(unroll::dropout(h.rows, dropout))), intent(unroll::dropout(attention(h), dropout))};
  }

  /// The slots and intents of utterances.
  Utterances understand(const Lists& utterances, AssistantKey& key, Tape<float>& tape) const {
    const Numbers numbers = word_numbers(utterances, key.forms);
    const Vocabulary tags(key.tags);
    Utterances guess;
    guess.sentences.words = utterances;
    for (const auto& batch : ordered_batches(std::ssize(numbers), 64)) {
      const Evaluation scope(tape);
      const auto y = (*this)(key.forms, chosen(numbers, batch));
      for (const auto& path : crf.viterbi(y.slots).tags) guess.sentences.tags.push_back(tags.decode(path));
      const std::size_t width = key.intents.size();
      for (auto row = y.intent.values(); !row.empty(); row = row.subspan(width)) {
        const auto best = std::max_element(row.begin(), row.begin() + y.intent.dim(1)) - row.begin();
        guess.intents.push_back(key.intents[static_cast<std::size_t>(best)]);
      }
    }
    return guess;
  }

  void each(auto&& visit) {
    visit("words", words), visit("layers", layers), visit("attention", attention), visit("tag", tag);
    visit("intent", intent), visit("crf", crf), visit("dropout", dropout);
  }

  WordEncoder<Cell> words;
  Stack<Bidirectional<Rnn<Cell>>> layers;
  AttentionPool<> attention;
  Linear<> tag, intent;
  Crf<> crf;
  double dropout;
};

template <class Cell>
TrainingResult train_assistant(Assistant<Cell>& model, AssistantKey& key, const AssistantData& data,
                               AssistantOptions& o, Shards<float>& shards, MetricsFile& metrics) {
  const Numbers words = word_numbers(data.train.sentences.words, key.forms);
  const Numbers tags = tag_numbers(data.train.sentences, key.tags);
  const std::vector<Index> intents = Vocabulary(key.intents).encode(data.train.intents);
  TrainingPlan plan{.program = "assistant", .settings = settings_of(key, o), .work = lengths_of(words)};
  for (const Utterances* part : {&data.train, &data.dev})
    plan.data.add(part->sentences.words, part->sentences.tags, part->intents);
  plan.unit = "utterances";
  plan.validation = "wrong sentences of --dev, %";
  if (!data.dev.intents.empty())
    plan.validate = [&] {
      const auto guess = model.understand(data.dev.sentences.words, key, shards.tape(0));
      return 100 - score_of(data.dev, guess).sentence_accuracy;
    };
  return train(model, o, std::ssize(words), metrics, plan, shards, [&](auto share, auto batch) {
    const auto y = model(key.forms, chosen(words, share));
    const std::vector<Index> wanted = chosen(intents, share);
    return model.crf.negative_log_likelihood(y.slots, chosen(tags, share), {.denominator = work_of(batch, plan.work)}) +
           softmax_cross_entropy<float>(y.intent, std::span<const Index>(wanted),
                                        {.denominator = static_cast<double>(batch.size())});
  });
}

template <class Cell>
void run(AssistantOptions& o, std::optional<AssistantKey> loaded) {
  check_plot(o.plot);
  MetricsFile metrics(o.metrics);
  const bool judged = !loaded || loaded->made || !o.test.empty() || !o.dev.empty();
  const AssistantData data =
      judged ? read_sentence_data(o, "utterances", read_utterances, make_utterances, 2400) : AssistantData();
  AssistantKey key = loaded ? std::move(*loaded) : learn_key(data.train, o);
  Rng rng(static_cast<std::uint64_t>(o.seed));
  Assistant<Cell> model(key, o, rng);
  Shards<float> shards(o.threads, rng.next());
  TrainingResult result;
  if (o.load.empty()) {
    print("utterances to learn from %zu, to be judged by %zu; intents %zu, tags %zu; %s, parameters %d",
          data.train.intents.size(), data.test.intents.size(), key.intents.size(), key.tags.size(), o.cell.c_str(),
          static_cast<int>(parameter_count(model)));
    result = train_assistant(model, key, data, o, shards, metrics);
  } else {
    load_parameters(o.load, model);
  }
  MetricsLine figures;
  if (judged) {
    const auto guess = model.understand(data.test.sentences.words, key, shards.tape(0));
    figures = report_utterances(data, guess, o);
  }
  const auto answer = [&](const std::string& line) {
    const Lists words = {key.words_of(line)};
    if (words[0].empty()) return;
    const auto guess = model.understand(words, key, shards.tape(0));
    print("%s", answer_text(key, words[0], guess.sentences.tags[0], guess.intents[0]).c_str());
  };
  if (key.made)
    for (const char* line : {"Book a flight from Bengaluru to Oslo on Friday.", "Set a timer for the pizza.",
                             "Do I need an umbrella in New York tomorrow?"}) {
      print("> %s", line);
      answer(line);
    }
  o.load.empty() ? finish_training(metrics, figures, result) : finish_metrics(metrics, figures);
  if (o.interactive)
    for (std::string line; !interrupted() && (print("%s", "> "), std::getline(std::cin, line));) answer(line);
}

int main(int argc, char** argv) {
  AssistantOptions o;
  CLI::App app("Understands utterances: what is wanted, and the details.", "assistant");
  add_training_options(app, o, "picture of which intents are taken for which (.png, .svg), drawn by gnuplot");
  add_assistant_options(app, o);
  catch_interrupts();
  return run_program(app, argc, argv, [&] {
    std::optional<AssistantKey> key;
    if (!o.load.empty()) key = read_key(o);
    with_cell(o.cell, [&]<class Cell> { run<Cell>(o, std::move(key)); });
  });
}
