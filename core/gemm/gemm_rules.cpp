#include <span>
#include <type_traits>

#include "../error.hpp"
#include "../isa.hpp"
#include "gemm_rules_detail.hpp"

namespace unroll::detail {
namespace {

// Which products a rule is about: vectors first, then by what is transposed.
enum class Form { any, row, column, outer, ab, abt, atb };
using enum Form;

constexpr double no_limit = 1e300;

// One row times a matrix comes here only when the matrix is large (core/gemm/gemm.cpp).
// A rule holds for products of its form whose m, n, k, results m n and multiply-adds m n k are within its bounds. The first rule
// of a table that holds decides; the last of each holds always.
struct Rule {
  Form form = any;
  Backend who = Backend::own;
  double least_m = 0, least_n = 0, least_k = 0, least_results = 0;
  double most_m = no_limit, most_results = no_limit, most_work = no_limit;
};

// Measured by bench/gemm_door.cpp, on one thread of a Zen 5 (AVX-512), held to fewer instructions by the libraries' own
// variables for the other classes: OpenBLAS 0.3.21, oneDNN 2.6.3. Over its 170 shapes what a table chooses takes 1.2 to
// 3.1 % longer in the mean than the best would.
constexpr Backend own = Backend::own, cblas = Backend::cblas, dnnl = Backend::dnnl;

constexpr Rule float_avx512[] = {
    {.form = column, .who = cblas, .most_work = 2048},
    {.form = ab, .who = cblas, .most_work = 1e6},  // kernels that do not pack
    {.form = abt, .who = cblas, .most_m = 4, .most_work = 140000},
    {.form = abt, .who = cblas, .most_results = 1200, .most_work = 1e6},
    {.form = atb, .who = cblas, .most_work = 6e5},
    {.form = atb, .who = cblas, .least_m = 1024, .least_k = 64},
    {.who = dnnl},
};
// oneDNN reads B as it lies, which a leading dimension of 1024 or more makes twice as slow, and its A^T B takes 1.4 times
// OpenBLAS' time (on a Zen 3 up to 2.1 times).
constexpr Rule float_avx2[] = {
    {.form = outer, .who = cblas, .least_results = 131072},
    {.form = ab, .who = own, .most_work = 8192},
    {.form = ab, .who = own, .least_m = 64},
    {.form = ab, .who = own, .least_n = 1024},
    {.form = abt, .who = own, .least_m = 500},
    {.form = atb, .who = own, .most_m = 16, .most_work = 4000},
    {.form = atb, .who = cblas, .least_k = 32, .least_results = 131072},
    {.form = atb, .who = cblas, .least_k = 256, .least_results = 16384},
    {.who = dnnl},
};
constexpr Rule float_mixed[] = {
    {.form = ab, .who = own, .most_work = 8192},
    {.form = atb, .who = own, .least_k = 32, .least_results = 131072},
    {.who = dnnl},
};
constexpr Rule float_sse[] = {
    {.form = outer, .who = cblas},
    {.form = ab, .who = own, .most_work = 8192},
    {.form = abt, .who = own, .most_m = 5},
    {.form = atb, .who = cblas, .least_k = 64, .least_results = 131072},
    {.who = dnnl},
};
// Of double, and of float without oneDNN. OpenBLAS packs every product; the loops of our own are 1.3 to 1.6 times as fast
// at most shapes of a recurrent step.
constexpr Rule cblas_avx512[] = {
    {.form = row, .who = cblas},
    {.form = column, .who = cblas},
    {.form = ab, .who = cblas, .most_m = 4},
    {.form = ab, .who = cblas, .most_work = 4e5},
    {.form = abt, .who = cblas, .most_m = 4},
    {.form = abt, .who = cblas, .most_results = 1200},
    {.form = atb, .who = cblas, .most_m = 256, .most_work = 6e5},
    {.who = own},
};
constexpr Rule cblas_avx2[] = {
    {.form = row, .who = cblas},
    {.form = column, .who = cblas},
    {.form = outer, .who = cblas, .least_results = 16384},
    {.form = atb, .who = own, .most_results = 4096},
    {.form = atb, .who = cblas},
    {.who = own},
};
constexpr Rule cblas_sse[] = {
    {.form = ab, .who = own, .most_work = 4000},
    {.form = ab, .who = own, .least_k = 500, .most_m = 16},
    {.who = cblas},
};
// Without a CBLAS.
constexpr Rule dnnl_alone[] = {{.who = own, .most_work = 1e5}, {.who = dnnl}};
constexpr Rule own_alone[] = {{.who = own}};
// Not measured: oneDNN has no kernels of its own there without another library.
constexpr Rule arm64_rules[] = {{.form = ab, .who = own, .most_work = 4000}, {.who = cblas}};

template <class T>
std::span<const Rule> find_rules() {
  const bool has_dnnl = std::is_same_v<T, float> && gemm_has_dnnl();
  const GemmClass c = gemm_class();
  if (!cblas_is_fast()) return has_dnnl && c != GemmClass::arm64 ? std::span<const Rule>(dnnl_alone) : own_alone;
  switch (c) {
    case GemmClass::avx512: return has_dnnl ? std::span<const Rule>(float_avx512) : cblas_avx512;
    case GemmClass::avx2: return has_dnnl ? std::span<const Rule>(float_avx2) : cblas_avx2;
    case GemmClass::mixed: return has_dnnl ? std::span<const Rule>(float_mixed) : cblas_avx2;
    case GemmClass::sse: return has_dnnl ? std::span<const Rule>(float_sse) : cblas_sse;
    case GemmClass::arm64: break;
  }
  return arm64_rules;
}

template <class T>
std::span<const Rule> rules() {
  static const std::span<const Rule> found = find_rules<T>();
  return found;
}

Form form_of(Trans transpose_a, Trans transpose_b, Index m, Index n, Index k) {
  if (m == 1) return row;
  if (n == 1) return column;
  if (k == 1) return outer;
  if (transpose_a == Trans::yes) return atb;
  return transpose_b == Trans::yes ? abt : ab;
}

const char* form_name(Form form) {
  constexpr const char* names[] = {"the others", "one row", "one column", "k = 1", "A B", "A B^T", "A^T B"};
  return names[static_cast<int>(form)];
}

GemmClass find_class() {
#if defined(__aarch64__)
  return GemmClass::arm64;
#else
  const std::string core = cblas_core();
  const bool cblas_512 = core == "SkylakeX" || core == "Cooperlake" || core == "SapphireRapids";
  const bool cblas_sse = core == "Prescott" || core == "Core2" || core == "Penryn" || core == "Dunnington" ||
                         core == "Atom" || core == "Nano" || core == "Nehalem" || core == "Athlon" ||
                         core == "Opteron" || core == "Opteron_SSE3" || core == "Barcelona" || core == "Bobcat";
  const Isa dnnl = gemm_has_dnnl() ? dnnl_isa() : active_isa();
  if (cblas_sse || dnnl == Isa::sse2) return GemmClass::sse;
  if (cblas_512 && dnnl == Isa::avx512) return GemmClass::avx512;
  return dnnl == Isa::avx512 && gemm_has_dnnl() ? GemmClass::mixed : GemmClass::avx2;
#endif
}

}  // namespace

GemmClass gemm_class() noexcept {
  static const GemmClass found = find_class();
  return found;
}

const char* class_name(GemmClass c) noexcept {
  switch (c) {
    case GemmClass::avx512: return "AVX-512";
    case GemmClass::avx2: return "AVX2";
    case GemmClass::mixed: return "AVX2 with AVX-512";
    case GemmClass::sse: return "SSE";
    case GemmClass::arm64: return "64-bit ARM";
  }
  return "?";
}

const char* backend_name(Backend backend) noexcept {
  return backend == own ? "own loops" : backend == cblas ? "CBLAS" : "oneDNN";
}

template <class T>
Backend choose_backend(Trans transpose_a, Trans transpose_b, Index m, Index n, Index k) noexcept {
  const Form form = form_of(transpose_a, transpose_b, m, n, k);
  const double dm = static_cast<double>(m), dn = static_cast<double>(n), dk = static_cast<double>(k);
  const double results = dm * dn, work = results * dk;
  for (const Rule& r : rules<T>())
    if ((r.form == form || r.form == any) && dm >= r.least_m && dm <= r.most_m && dn >= r.least_n && dk >= r.least_k &&
        results >= r.least_results && results <= r.most_results && work <= r.most_work)
      return r.who;
  return own;
}

template <class T>
std::string rules_text() {
  std::string text;
  for (const Rule& r : rules<T>()) {
    text += std::string("  ") + form_name(r.form);
    const auto bound = [&](const char* what, double least, double most) {
      if (least > 0) text += detail::text(", ", what, " >= ", static_cast<Index>(least));
      if (most < no_limit) text += detail::text(", ", what, " <= ", static_cast<Index>(most));
    };
    bound("m", r.least_m, r.most_m);
    bound("n", r.least_n, no_limit);
    bound("k", r.least_k, no_limit);
    bound("m n", r.least_results, r.most_results);
    bound("m n k", 0, r.most_work);
    text += std::string(": ") + backend_name(r.who) + "\n";
  }
  return text;
}

template Backend choose_backend<float>(Trans, Trans, Index, Index, Index) noexcept;
template Backend choose_backend<double>(Trans, Trans, Index, Index, Index) noexcept;
template std::string rules_text<float>();
template std::string rules_text<double>();

}  // namespace unroll::detail
