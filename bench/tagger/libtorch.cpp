// The tagger of unroll.cpp with LibTorch: the same model, data and training.

#include <torch/torch.h>

#include <algorithm>
#include <random>

struct TaggerImpl : torch::nn::Module {
  torch::nn::Embedding words{nullptr};
  torch::nn::LSTM encoder{nullptr};
  torch::nn::Linear output{nullptr};
  TaggerImpl() {
    words = register_module("words", torch::nn::Embedding(50, 16));
    encoder = register_module("encoder", torch::nn::LSTM(torch::nn::LSTMOptions(16, 16).bidirectional(true)));
    output = register_module("output", torch::nn::Linear(32, 2));
  }
  torch::Tensor forward(const torch::nn::utils::rnn::PackedSequence& ids) {
    namespace rnn = torch::nn::utils::rnn;
    const rnn::PackedSequence embedded(words(ids.data()), ids.batch_sizes(), ids.sorted_indices(),
                                       ids.unsorted_indices());
    return output(std::get<0>(encoder->forward_with_packed_input(embedded)).data());
  }
};
TORCH_MODULE(Tagger);

int main() {
  torch::manual_seed(1);
  torch::set_num_threads(1);
  std::mt19937 rng(1);
  const auto integer = [&](std::int64_t n) { return static_cast<std::int64_t>(rng() % static_cast<std::uint64_t>(n)); };
  Tagger tagger;
  torch::optim::Adam adam(tagger->parameters(), torch::optim::AdamOptions(1e-2));
  double loss_of_last = 1;
  for (int step = 0; step < 200; ++step) {
    std::vector<torch::Tensor> words, tags;
    for (int b = 0; b < 32; ++b) {
      std::vector<std::int64_t> word, tag;
      const std::int64_t n = 3 + integer(10);
      for (std::int64_t t = 0, before = 0; t < n; ++t) {
        word.push_back(integer(2) ? before / 2 : integer(50)), tag.push_back(word.back() == before / 2);
        before = word.back();
      }
      words.push_back(torch::tensor(word)), tags.push_back(torch::tensor(tag));
    }
    namespace rnn = torch::nn::utils::rnn;
    adam.zero_grad();
    const auto loss = torch::nn::functional::cross_entropy(
        tagger->forward(rnn::pack_sequence(words, /*enforce_sorted=*/false)), rnn::pack_sequence(tags, false).data());
    loss.backward();
    torch::nn::utils::clip_grad_norm_(tagger->parameters(), 5.0);
    adam.step();
    loss_of_last = loss.item<double>();
  }
  return loss_of_last < 0.4 ? 0 : 1;
}
