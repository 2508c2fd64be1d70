// RLtools' layers, compiled twice: with its own products, and (BENCH_BLAS) with OpenBLAS; RL_TOOLS_NAMESPACE_WRAPPER
// keeps the two apart.

// Their order matters.
// clang-format off
#include <rl_tools/operations/cpu_mux.h>
#include <rl_tools/nn/optimizers/adam/instance/operations_generic.h>
#include <rl_tools/nn/layers/embedding/operations_generic.h>
#include <rl_tools/nn/layers/gru/operations_generic.h>
#include <rl_tools/nn/operations_cpu_mux.h>
#include <rl_tools/nn/loss_functions/categorical_cross_entropy/operations_generic.h>
#include <rl_tools/nn_models/sequential/operations_generic.h>
#include <rl_tools/nn/optimizers/adam/operations_generic.h>
// clang-format on

#include "text_gru.hpp"

extern "C" __attribute__((weak)) void openblas_set_num_threads(int);

namespace text_gru {
namespace {

namespace rlt = RL_TOOLS_NAMESPACE_WRAPPER::rl_tools;
namespace layers = rlt::nn::layers;

using Device = rlt::devices::DEVICE_FACTORY<>;
using Size = Device::index_t;
using Policy = rlt::numeric_types::Policy<float>;

template <Size... N>
using Dims = rlt::tensor::Shape<Size, N...>;

template <Size Width>
using Dense = layers::dense::BindConfiguration<
    layers::dense::Configuration<Policy, Size, Width, rlt::nn::activation_functions::ActivationFunction::IDENTITY>>;
template <class Layer, class Next = rlt::nn_models::sequential::OutputModule>
using Then = rlt::nn_models::sequential::Module<Layer, Next>;

struct Numbers : rlt::nn::optimizers::adam::DEFAULT_PARAMETERS_TENSORFLOW<Policy> {
  static constexpr float ALPHA = 0.003f;
  static constexpr float EPSILON_SQRT = 0;  // the least it lets stand under the root; others have no such bound
};

template <bool Approximate>
class RlTools : public Contender {
  using Letters =
      layers::embedding::BindConfiguration<layers::embedding::Configuration<Policy, Size, classes, embedding>>;
  using Gru = layers::gru::BindConfiguration<
      layers::gru::Configuration<Policy, Size, hidden, rlt::nn::parameters::groups::Normal, Approximate>>;
  using Input = Dims<steps, batch, 1>;
  using Model =
      rlt::nn_models::sequential::Build<rlt::nn::capability::Gradient<rlt::nn::parameters::Adam>,
                                        Then<Letters, Then<Gru, Then<Dense<embedding>, Then<Dense<classes>>>>>, Input>;
  template <class Shape>
  using Tensor = rlt::Tensor<rlt::tensor::Specification<float, Size, Shape>>;

 public:
  explicit RlTools(const Weights& weights) {
    if (openblas_set_num_threads) openblas_set_num_threads(1);
    rlt::init(device_);
    rlt::malloc(device_, rng_);
    rlt::init(device_, rng_, 0);
    rlt::malloc(device_, model_);
    rlt::malloc(device_, buffer_);
    rlt::malloc(device_, input_);
    rlt::malloc(device_, d_output_);
    rlt::malloc(device_, target_);
    rlt::malloc(device_, adam_);
    rlt::init_weights(device_, model_, rng_);
    rlt::init(device_, adam_);
    rlt::reset_optimizer_state(device_, adam_, model_);

    auto& letters = model_.content;
    auto& gru = model_.next_module.content;
    auto& down = model_.next_module.next_module.content;
    auto& out = model_.next_module.next_module.next_module.content;
    auto from = weights.begin();
    fill(letters.weights.parameters, *from++);
    fill(gru.weights_input.parameters, *from++);
    fill(gru.weights_hidden.parameters, *from++);
    fill(gru.biases_input.parameters, *from++);
    fill(gru.biases_hidden.parameters, *from++);
    rlt::set_all(device_, gru.initial_hidden_state.parameters, 0);
    fill(down.weights.parameters, *from++);
    fill(down.biases.parameters, *from++);
    fill(out.weights.parameters, *from++);
    fill(out.biases.parameters, *from++);
  }

  void step(const std::vector<std::ptrdiff_t>& bytes, const std::vector<std::ptrdiff_t>& next) override {
    for (Size t = 0, k = 0; t < steps; ++t)
      for (Size b = 0; b < batch; ++b, ++k) {
        rlt::set(device_, input_, static_cast<float>(bytes[k]), t, b, 0);
        rlt::set(device_, target_, static_cast<float>(next[k]), t, b, 0);
      }
    rlt::forward(device_, model_, input_, buffer_, rng_);
    auto logits = rlt::output(device_, model_);
    rlt::nn::loss_functions::categorical_cross_entropy::gradient_tiled(device_, rlt::matrix_view(device_, logits),
                                                                       rlt::matrix_view(device_, target_),
                                                                       rlt::matrix_view(device_, d_output_));
    rlt::zero_gradient(device_, model_);
    rlt::backward(device_, model_, input_, d_output_, buffer_);
    rlt::step(device_, adam_, model_);
  }
  // The logits are those of before the update.
  double loss() override {
    auto logits = rlt::output(device_, model_);
    return rlt::nn::loss_functions::categorical_cross_entropy::evaluate(device_, rlt::matrix_view(device_, logits),
                                                                        rlt::matrix_view(device_, target_));
  }

 private:
  // Its parameters lie row by row, as unroll's.
  template <class To>
  void fill(To& to, const std::vector<float>& values) {
    if constexpr (requires { To::ROWS; }) {
      for (Size r = 0; r < To::ROWS; ++r)
        for (Size c = 0; c < To::COLS; ++c) rlt::set(to, r, c, values[r * To::COLS + c]);
    } else {
      using Shape = typename To::SPEC::SHAPE;
      for (Size k = 0; k < values.size(); ++k) {
        if constexpr (rlt::length(Shape{}) == 1) {
          rlt::set(device_, to, values[k], k);
        } else {
          constexpr Size cols = rlt::get<1>(Shape{});
          rlt::set(device_, to, values[k], k / cols, k % cols);
        }
      }
    }
  }

  Device device_;
  typename Device::SPEC::RANDOM::template ENGINE<> rng_;
  Model model_;
  typename Model::template Buffer<> buffer_;
  Tensor<Input> input_, target_;
  Tensor<typename Model::OUTPUT_SHAPE> d_output_;
  rlt::nn::optimizers::Adam<rlt::nn::optimizers::adam::Specification<Policy, Size, Numbers>> adam_;
};

}  // namespace

#ifdef BENCH_BLAS
std::unique_ptr<Contender> make_rltools_blas(const Weights& w) { return std::make_unique<RlTools<false>>(w); }
std::unique_ptr<Contender> make_rltools_blas_approximate(const Weights& w) {
  return std::make_unique<RlTools<true>>(w);
}
#else
std::unique_ptr<Contender> make_rltools(const Weights& w) { return std::make_unique<RlTools<false>>(w); }
std::unique_ptr<Contender> make_rltools_approximate(const Weights& w) { return std::make_unique<RlTools<true>>(w); }
#endif

}  // namespace text_gru
