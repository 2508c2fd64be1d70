// oneDNN's primitives, which may keep the weights in a form of their own.

#include "products.hpp"

#ifdef BENCH_DNNL

#include <oneapi/dnnl/dnnl.hpp>

namespace bench {
namespace {

using dnnl::memory;
constexpr auto f32 = memory::data_type::f32;

const dnnl::engine& engine() {
  static const dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

/// A primitive with its memories; the pointers change from call to call.
struct Primitive {
  dnnl::primitive primitive;
  dnnl::stream stream{engine()};
  memory a, b, c;
  int arg_a, arg_b, arg_c;

  Primitive(const dnnl::primitive& p, const memory::desc& md_a, int arg_a_, memory b_, int arg_b_,
            const memory::desc& md_c, int arg_c_)
      : primitive(p),
        a(md_a, engine(), nullptr),
        b(std::move(b_)),
        c(md_c, engine(), nullptr),
        arg_a(arg_a_),
        arg_b(arg_b_),
        arg_c(arg_c_) {}

  void run(const float* pa, const float* pb, float* pc) {
    dnnl_memory_set_data_handle(a.get(), const_cast<float*>(pa));
    if (pb) dnnl_memory_set_data_handle(b.get(), const_cast<float*>(pb));
    dnnl_memory_set_data_handle(c.get(), pc);
    const dnnl_exec_arg_t args[] = {{arg_a, a.get()}, {arg_b, b.get()}, {arg_c, c.get()}};
    dnnl_primitive_execute(primitive.get(), stream.get(), 3, args);
  }
};

memory::desc plain(Index rows, Index cols) { return {{rows, cols}, f32, memory::format_tag::ab}; }
memory::desc transposed(Index rows, Index cols) { return {{rows, cols}, f32, memory::format_tag::ba}; }
memory::desc any(Index rows, Index cols) { return {{rows, cols}, f32, memory::format_tag::any}; }

}  // namespace

void Product::add_dnnl_primitives() {
  const auto add = [&](const char* name, std::shared_ptr<Primitive> p, bool transposed_result,
                       std::function<void(const Weights&)> pack) {
    const bool gradient = gradient_;
    candidates_.push_back({name,
                           [p, gradient](const float* a, const Weights*, const float* b, float* c) {
                             gradient ? p->run(a, b, c) : p->run(a, nullptr, c);
                           },
                           transposed_result, std::move(pack)});
  };
  const auto packer = [](std::shared_ptr<Primitive> p, const memory::desc& stored) {
    return [p, stored](const Weights& w) {
      memory from(stored, engine(), w.w.data());
      dnnl::reorder(from, p->b).execute(p->stream, from, p->b);
    };
  };
  if (gradient_) {
    {
      const dnnl::matmul::primitive_desc pd({transposed(m_, k_), plain(k_, n_), plain(m_, n_)}, engine());
      add("oneDNN matmul",
          std::make_shared<Primitive>(dnnl::matmul(pd), transposed(m_, k_), DNNL_ARG_SRC,
                                      memory(plain(k_, n_), engine(), nullptr), DNNL_ARG_WEIGHTS, plain(m_, n_),
                                      DNNL_ARG_DST),
          false, {});
    }
    using Forward = dnnl::inner_product_forward;
    using Backward = dnnl::inner_product_backward_weights;
    const Forward::primitive_desc hint({dnnl::prop_kind::forward_training, plain(k_, n_), any(m_, n_), plain(k_, m_)},
                                       engine());
    for (const bool turned : {false, true}) {
      const memory::desc weights = turned ? transposed(m_, n_) : plain(m_, n_);
      try {
        const Backward::primitive_desc pd({plain(k_, n_), weights, plain(k_, m_)}, engine(), hint);
        add(turned ? "oneDNN inner, C^T" : "oneDNN inner",
            std::make_shared<Primitive>(Backward(pd), plain(k_, m_), DNNL_ARG_DIFF_DST,
                                        memory(plain(k_, n_), engine(), nullptr), DNNL_ARG_SRC, weights,
                                        DNNL_ARG_DIFF_WEIGHTS),
            turned, {});
      } catch (const dnnl::error&) {  // not every shape and layout is there
      }
    }
    return;
  }
  {
    const dnnl::matmul::primitive_desc pd({plain(m_, k_), any(k_, n_), plain(m_, n_)}, engine());
    const auto p =
        std::make_shared<Primitive>(dnnl::matmul(pd), plain(m_, k_), DNNL_ARG_SRC, memory(pd.weights_desc(), engine()),
                                    DNNL_ARG_WEIGHTS, plain(m_, n_), DNNL_ARG_DST);
    add("oneDNN matmul, packed", p, false, packer(p, transposed(k_, n_)));
  }
  {
    const dnnl::inner_product_forward::primitive_desc pd(
        {dnnl::prop_kind::forward_training, plain(m_, k_), any(n_, k_), plain(m_, n_)}, engine());
    const auto p =
        std::make_shared<Primitive>(dnnl::inner_product_forward(pd), plain(m_, k_), DNNL_ARG_SRC,
                                    memory(pd.weights_desc(), engine()), DNNL_ARG_WEIGHTS, plain(m_, n_), DNNL_ARG_DST);
    add("oneDNN inner, packed", p, false, packer(p, plain(n_, k_)));
  }
}

}  // namespace bench

#else

namespace bench {
void Product::add_dnnl_primitives() {}
}  // namespace bench

#endif
