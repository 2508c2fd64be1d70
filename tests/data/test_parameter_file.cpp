// Modules to and from files by name: strict and partial, tied parameters, other scalars, PyTorch's names.

#include <doctest/doctest.h>

#include "temporary_folder.hpp"
#include "unroll/data/foreign/torch_names.hpp"
#include "unroll/data/tensors/parameter_file.hpp"
#include "unroll/nn/bidirectional.hpp"
#include "unroll/nn/cells/projected_lstm.hpp"
#include "unroll/nn/embedding.hpp"
#include "unroll/nn/linear.hpp"
#include "unroll/nn/lstm.hpp"
#include "unroll/nn/norm.hpp"
#include "unroll/nn/rnn.hpp"
#include "unroll/nn/stack.hpp"
#include "unroll/nn/tied_linear.hpp"

using namespace unroll;

namespace {

template <class T>
struct Tagger {
  Embedding<T> words;
  Stack<Bidirectional<Rnn<LSTMCell<T>>>> encoder;
  Linear<T> output;
  double dropout = 0.5;
  using scalar = T;

  explicit Tagger(std::uint64_t seed) : Tagger(Rng(seed)) {}
  explicit Tagger(Rng&& rng)
      : words(5, 3, rng), encoder(3, 2, rng, {.layers = 2}), output(4, 6, rng, {.bias = false}) {}
  void each(auto&& visit) {
    visit("words", words), visit("encoder", encoder), visit("output", output), visit("dropout", dropout);
  }
};

template <class T>
struct LanguageModel {
  Embedding<T> words;
  TiedLinear<T> output;
  using scalar = T;

  explicit LanguageModel(std::uint64_t seed) : LanguageModel(Rng(seed)) {}
  explicit LanguageModel(Rng&& rng) : words(3, 2, rng), output(words) {}
  void each(auto&& visit) { visit("words", words), visit("output", output); }
};

template <class A, class B>
void check_equal(const A& a, const B& b) {
  const auto p = parameters(a);
  const auto q = parameters(b);
  REQUIRE(p.size() == q.size());
  for (std::size_t i = 0; i < p.size(); ++i) {
    CHECK(p[i].name == q[i].name);
    for (Index k = 0; k < p[i].storage->shape.size(); ++k)
      CHECK(static_cast<double>(p[i].storage->value[k]) == static_cast<double>(q[i].storage->value[k]));
  }
}

std::string prefixed(std::string_view name) { return "model." + torch_name(name); }

}  // namespace

TEST_CASE("a module comes back as it was saved") {
  const TemporaryFolder folder;
  const std::string path = folder.file("tagger.safetensors");
  const Tagger<float> saved(1);
  Tagger<float> loaded(2);
  save_parameters(path, saved, {.metadata = {{"epoch", "7"}}});
  const auto version = loaded.output.weight.storage().version;
  const LoadReport report = load_parameters(path, loaded);
  CHECK(report.complete());
  CHECK(report.str() == "");
  check_equal(saved, loaded);
  CHECK(loaded.output.weight.storage().version > version);
  const SafetensorsFile file(path);
  CHECK(file.metadata().at("epoch") == "7");
  CHECK(file.tensors().size() == parameters(saved).size());
  CHECK(file.find("encoder.layers.1.bwd.cell.weight_hh")->shape == std::vector<Index>{8, 2});

  Tagger<double> wide(3);
  load_parameters(path, wide);  // float numbers in a model of doubles
  check_equal(saved, wide);
  save_parameters(path, wide, {.dtype = DType::f32});
  Tagger<float> again(4);
  load_parameters(path, again);
  check_equal(saved, again);
  save_parameters(path, saved, {.dtype = DType::bf16});
  load_parameters(path, again);
  CHECK(again.output.weight.values()[0] == doctest::Approx(saved.output.weight.values()[0]).epsilon(1. / 256));
  CHECK_THROWS_AS(save_parameters(path, saved, {.dtype = DType::i8}), ValueError);
}

TEST_CASE("strict loading names everything that does not fit, and changes nothing") {
  const TemporaryFolder folder;
  const std::string path = folder.file("m.safetensors");
  Tagger<float> model(1);
  const Tagger<float> before = clone(model);
  auto tensors = state_dict(Tagger<float>(2));
  tensors.erase("words.weight");
  tensors.erase("encoder.layers.0.bwd.cell.bias_hh");
  tensors["extra"] = {{2}, {1, 2}};
  tensors["output.bias"] = {{6}, std::vector<float>(6)};
  tensors["output.weight"] = {{4, 6}, std::vector<float>(24)};
  tensors["encoder.layers.0.fwd.cell.bias_hh"] = {{}, {1}};
  const std::string text =
      "2 missing: 'encoder.layers.0.bwd.cell.bias_hh', 'words.weight'; 2 unexpected: 'extra', 'output.bias'; "
      "2 mismatched: 'encoder.layers.0.fwd.cell.bias_hh' is (), the module's (8), 'output.weight' is (4,6), the "
      "module's "
      "(6,4)";
  const std::string ending = text + " (strict; the module has 18 parameters, here are 18 tensors)";
  CHECK_THROWS_WITH_AS(load_state_dict(model, tensors), ("[load_state_dict] " + ending).c_str(), ValueError);
  check_equal(model, before);
  write_safetensors(path, tensors);
  CHECK_THROWS_WITH_AS(load_parameters(path, model), ("[load_parameters] " + path + ": " + ending).c_str(), ValueError);
  check_equal(model, before);

  const LoadReport report = load_parameters(path, model, {.strict = false});
  CHECK(report.str() == text);
  CHECK(report.missing.size() == 2);
  CHECK(report.unexpected == std::vector<std::string>{"'extra'", "'output.bias'"});
  CHECK(report.mismatched.size() == 2);
  const auto now = state_dict(model);
  const auto old = state_dict(before);
  for (const auto& entry : now) {  // a lambda, as CAPTURE makes one, may not use a structured binding
    const std::string& name = entry.first;
    const PlainTensor<float>& tensor = entry.second;
    CAPTURE(name);
    const bool fits = name != "words.weight" && name != "output.weight" && !name.ends_with("cell.bias_hh");
    if (fits) CHECK(tensor == tensors.at(name));
    if (report.str().find(name) != std::string::npos) CHECK(tensor == old.at(name));
  }
}

TEST_CASE("integers are no weights") {
  const TemporaryFolder folder;
  const std::string path = folder.file("m.safetensors");
  Rng rng(1);
  Linear<float> layer(2, 1, rng, {.bias = false});
  const std::int64_t numbers[] = {1, 2};
  const TensorView views[] = {{"weight", DType::i64, {1, 2}, std::as_bytes(std::span(numbers))}};
  write_safetensors(path, views);
  CHECK_THROWS_WITH_AS(load_parameters(path, layer),
                       doctest::Contains("1 mismatched: 'weight' is I64 (1,2), the module's (1,2)"), ValueError);
}

TEST_CASE("tied parameters: saved once, loaded from any of their names") {
  const TemporaryFolder folder;
  const std::string path = folder.file("m.safetensors");
  const LanguageModel<float> saved(1);
  LanguageModel<float> loaded(2);
  save_parameters(path, saved);
  CHECK(SafetensorsFile(path).tensors().size() == 2);
  CHECK(SafetensorsFile(path).find("output.weight") == nullptr);
  load_parameters(path, loaded);
  check_equal(saved, loaded);
  CHECK(loaded.words.weight.share() == loaded.output.weight.share());

  auto tensors = state_dict(LanguageModel<float>(3));
  tensors["output.weight"] = tensors["words.weight"];  // as PyTorch's state_dict() lists them
  CHECK(load_state_dict(loaded, tensors).complete());
  CHECK(loaded.words.weight.values()[0] == tensors["words.weight"].values[0]);
  tensors.erase("words.weight");
  tensors["output.weight"].values[0] = 5;
  CHECK(load_state_dict(loaded, tensors).complete());
  CHECK(loaded.words.weight.values()[0] == 5);
  tensors["words.weight"] = {{3, 2}, std::vector<float>(6, 1)};
  CHECK_THROWS_WITH_AS(
      load_state_dict(loaded, tensors),
      doctest::Contains("1 mismatched: 'words.weight' and 'output.weight' are one tensor in the module, two "
                        "different ones here"),
      ValueError);
  CHECK(loaded.words.weight.values()[0] == 5);
}

TEST_CASE("PyTorch's names") {
  const std::pair<const char*, const char*> names[] = {
      {"cell.weight_ih", "weight_ih_l0"},
      {"encoder.cell.bias_hh", "encoder.bias_hh_l0"},
      {"fwd.cell.weight_hh", "weight_hh_l0"},
      {"bwd.cell.weight_hh", "weight_hh_l0_reverse"},
      {"layers.12.cell.bias_ih", "bias_ih_l12"},
      {"a.encoder.layers.1.fwd.cell.weight_ih", "a.encoder.weight_ih_l1"},
      {"a.encoder.layers.1.bwd.cell.weight_hr", "a.encoder.weight_hr_l1_reverse"},
      {"layers.cell.weight_ih", "layers.weight_ih_l0"},
      {"blocks.1.cell.weight_ih", "blocks.1.weight_ih_l0"},
      {"1.cell.weight_ih", "1.weight_ih_l0"},
      // PyTorch's already
      {"output.weight", "output.weight"},
      {"weight_ih", "weight_ih"},
      {"cell.weight", "cell.weight"},
      {"cell.peephole_i", "cell.peephole_i"},
      {"supercell.weight_ih", "supercell.weight_ih"},
      {"", ""}};
  for (const auto& [ours, theirs] : names) CHECK(torch_name(ours) == theirs);
}

TEST_CASE("files with PyTorch's names, both ways") {
  const TemporaryFolder folder;
  const std::string path = folder.file("m.safetensors");
  const Tagger<float> saved(1);
  Tagger<float> loaded(2);
  save_parameters(path, saved, {.names = torch_name});
  const SafetensorsFile file(path);
  std::vector<std::string> names;
  for (const auto& t : file.tensors()) names.push_back(t.name);
  CHECK(names ==
        std::vector<std::string>{"encoder.bias_hh_l0", "encoder.bias_hh_l0_reverse", "encoder.bias_hh_l1",
                                 "encoder.bias_hh_l1_reverse", "encoder.bias_ih_l0", "encoder.bias_ih_l0_reverse",
                                 "encoder.bias_ih_l1", "encoder.bias_ih_l1_reverse", "encoder.weight_hh_l0",
                                 "encoder.weight_hh_l0_reverse", "encoder.weight_hh_l1", "encoder.weight_hh_l1_reverse",
                                 "encoder.weight_ih_l0", "encoder.weight_ih_l0_reverse", "encoder.weight_ih_l1",
                                 "encoder.weight_ih_l1_reverse", "output.weight", "words.weight"});
  CHECK_THROWS_AS(load_parameters(path, loaded), ValueError);
  CHECK(load_parameters(path, loaded, {.names = torch_name}).complete());
  check_equal(saved, loaded);

  save_parameters(path, saved, {.names = prefixed});
  Tagger<float> other(3);
  CHECK(load_parameters(path, other, {.names = prefixed}).complete());
  check_equal(saved, other);
  save_parameters(path, saved);  // our own names are found all the same
  Tagger<float> third(4);
  CHECK(load_parameters(path, third, {.names = torch_name}).complete());
  check_equal(saved, third);

  const auto same = [](std::string_view) { return std::string("x"); };
  CHECK_THROWS_WITH_AS(state_dict(saved, same), "[state_dict] two parameters would be named 'x'", ValueError);
  CHECK_THROWS_WITH_AS(save_parameters(path, saved, {.names = same}), "[write_safetensors] tensor 'x' is there twice",
                       ValueError);
  CHECK_THROWS_WITH_AS(
      load_state_dict(loaded, StateDict<float>{{"x", {{5, 3}, std::vector<float>(15)}}}, {.names = same}),
      doctest::Contains("'x' is wanted by more than one parameter"), ValueError);
}
