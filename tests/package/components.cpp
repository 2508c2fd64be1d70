// An outside program of the parts beside unroll::unroll: a model's file, and a search without gradients.
#include <unroll/data.hpp>
#include <unroll/extra.hpp>

#include <unroll/nn/linear.hpp>

int main() {
  unroll::Rng rng(1);
  const unroll::Linear<> saved(3, 2, rng);
  unroll::Linear<> loaded(3, 2, rng);
  unroll::save_parameters("outside.safetensors", saved);
  unroll::load_parameters("outside.safetensors", loaded);
  unroll::CmaEs search(std::vector<double>{1, 1}, {.sigma = 0.5});
  const std::size_t candidates = search.ask().size();
  return candidates < 2 || loaded.bias.values()[0] != saved.bias.values()[0];
}
