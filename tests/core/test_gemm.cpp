// The door for matrix products and everything behind it, against a naive product in double.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <thread>
#include <vector>

#include "sanitizers.hpp"
#include "unroll/core/error.hpp"
#include "unroll/core/gemm/gemm.hpp"

using namespace unroll;

namespace {

constexpr Trans both[] = {Trans::no, Trans::yes};

/// Numbers in [-1, 1) that a product can not hide: no two neighbours alike.
template <class T>
std::vector<T> numbers(Index count, std::uint32_t seed) {
  std::vector<T> x(static_cast<std::size_t>(count));
  std::uint32_t s = seed * 2654435761u + 1;
  for (T& v : x) {
    s = s * 1664525u + 1013904223u;
    v = static_cast<T>(static_cast<double>(s >> 8) / 8388608.0 - 1.0);
  }
  return x;
}

std::size_t at(Index i) { return static_cast<std::size_t>(i); }

template <class T>
using Product = void (*)(Trans, Trans, Index, Index, Index, T, const T*, Index, const T*, Index, T, T*, Index);

/// One product with padded leading dimensions: the result, and that the padding of C is as it was.
template <class T>
bool right(Product<T> product, Trans ta, Trans tb, Index m, Index n, Index k, T alpha, T beta, Index pad) {
  const bool a_turned = ta == Trans::yes, b_turned = tb == Trans::yes;
  const Index lda = (a_turned ? m : k) + pad, ldb = (b_turned ? k : n) + 2 * pad, ldc = n + 3 * pad;
  const auto a = numbers<T>((a_turned ? k : m) * lda + 1, 1), b = numbers<T>((b_turned ? n : k) * ldb + 1, 2);
  auto c = numbers<T>(m * ldc + 1, 3);
  if (beta == T(0))
    for (T& v : c) v = std::numeric_limits<T>::quiet_NaN();
  const auto before = c;
  product(ta, tb, m, n, k, alpha, a.data(), lda, b.data(), ldb, beta, c.data(), ldc);

  const double tolerance = 8 * (static_cast<double>(k) + 2) * static_cast<double>(std::numeric_limits<T>::epsilon());
  const auto same = [](T x, T y) { return x == y || (std::isnan(x) && std::isnan(y)); };
  for (Index i = 0; i < m; ++i)
    for (Index j = 0; j < ldc; ++j) {
      const T got = c[at(i * ldc + j)], old = before[at(i * ldc + j)];
      if (j >= n) {
        if (!same(got, old)) return false;
        continue;
      }
      double sum = 0, size = 0;
      for (Index p = 0; p < k; ++p) {
        const double x = static_cast<double>(a[at(a_turned ? p * lda + i : i * lda + p)]) *
                         static_cast<double>(b[at(b_turned ? j * ldb + p : p * ldb + j)]);
        sum += x;
        size += std::fabs(x);
      }
      const double want = static_cast<double>(alpha) * sum +
                          (beta == T(0) ? 0.0 : static_cast<double>(beta) * static_cast<double>(old));
      if (!(std::fabs(static_cast<double>(got) - want) <=
            tolerance * (1 + std::fabs(static_cast<double>(alpha)) * size / (static_cast<double>(k) + 1))))
        return false;
    }
  return same(c[at(m * ldc)], before[at(m * ldc)]);
}

/// All transposes, paddings, betas and alphas of a shape.
template <class T>
void check_shape(const char* name, Product<T> product, Index m, Index n, Index k) {
  for (Trans ta : both)
    for (Trans tb : both)
      for (Index pad : {0, 1, 5})
        for (T beta : {T(0), T(1), T(0.5)})
          for (T alpha : {T(1), T(-1.5)}) {
            const bool ok = right(product, ta, tb, m, n, k, alpha, beta, pad);
            if (!ok) {
              CAPTURE(name);
              CAPTURE(m);
              CAPTURE(n);
              CAPTURE(k);
              CAPTURE(pad);
              CAPTURE(alpha);
              CAPTURE(beta);
              CAPTURE((ta == Trans::yes));
              CAPTURE((tb == Trans::yes));
              CHECK(ok);
            }
          }
}

template <class T>
void check_product(const char* name, Product<T> product) {
  const detail::ThreadsScope one(1);
  const Index sizes[] = {0, 1, 2, 3, 8, 17, 33};
  for (Index m : sizes)
    for (Index n : sizes)
      for (Index k : sizes) check_shape<T>(name, product, m, n, k);
  check_shape<T>(name, product, 257, 129, 65);
  check_shape<T>(name, product, 5, 65, 300);
  check_shape<T>(name, product, 1, 247, 131);  // one row, strips of every width
  check_shape<T>(name, product, 1, 300, 129);
  check_shape<T>(name, product, 130, 1, 257);
  check_shape<T>(name, product, 70, 90, 1);
}

}  // namespace

TEST_CASE_TEMPLATE("every product behind the door equals the naive one", T, float, double) {
  check_product<T>("gemm", gemm<T>);
  check_product<T>("own", detail::gemm_own<T>);
  if (gemm_has_cblas()) check_product<T>("cblas", detail::gemm_cblas<T>);
}

TEST_CASE("oneDNN's product equals the naive one") {
  if (gemm_has_dnnl()) check_product<float>("dnnl", detail::gemm_dnnl);
}

TEST_CASE("the comparison notices a wrong product") {
  const Product<double> plus_one = [](Trans ta, Trans tb, Index m, Index n, Index k, double alpha, const double* a,
                                      Index lda, const double* b, Index ldb, double beta, double* c, Index ldc) {
    gemm(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
    c[(m - 1) * ldc + n - 1] += 1e-6;
  };
  const Product<double> over_the_edge = [](Trans ta, Trans tb, Index m, Index n, Index k, double alpha, const double* a,
                                           Index lda, const double* b, Index ldb, double beta, double* c, Index ldc) {
    gemm(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
    c[m * ldc] = 0;
  };
  CHECK(right<double>(gemm<double>, Trans::no, Trans::yes, 5, 7, 9, 1.0, 1.0, 2));
  CHECK_FALSE(right<double>(plus_one, Trans::no, Trans::yes, 5, 7, 9, 1.0, 1.0, 2));
  CHECK_FALSE(right<double>(over_the_edge, Trans::no, Trans::yes, 5, 7, 9, 1.0, 1.0, 2));
}

TEST_CASE("products that read nothing") {
  double c[] = {1, 2, 3, 4};
  gemm<double>(Trans::no, Trans::no, 2, 2, 0, 1.0, nullptr, 0, nullptr, 2, 0.5, c, 2);
  CHECK(c[0] == 0.5);
  CHECK(c[3] == 2.0);
  gemm<double>(Trans::no, Trans::no, 2, 2, 3, 0.0, nullptr, 3, nullptr, 2, 0.5, c, 2);
  CHECK(c[1] == 0.5);
  gemm<double>(Trans::no, Trans::no, 0, 2, 3, 1.0, nullptr, 3, nullptr, 2, 0.0, nullptr, 2);
  gemm<double>(Trans::no, Trans::no, 2, 0, 3, 1.0, nullptr, 3, nullptr, 0, 0.0, nullptr, 0);
}

TEST_CASE("misuse is a ValueError that says what was expected") {
  double x[4] = {};
  CHECK_THROWS_WITH_AS(gemm<double>(Trans::no, Trans::no, 2, 2, 2, 1.0, x, 1, x, 2, 0.0, x, 2),
                       "[gemm] lda=1 ldb=2 ldc=2 for m=2 n=2 k=2; expected at least 2, 2, 2", ValueError);
  CHECK_THROWS_AS(gemm<double>(Trans::no, Trans::yes, 2, 2, 3, 1.0, x, 3, x, 2, 0.0, x, 2), ValueError);
  CHECK_THROWS_AS(gemm<double>(Trans::yes, Trans::no, 3, 2, 2, 1.0, x, 2, x, 2, 0.0, x, 2), ValueError);
  CHECK_THROWS_AS(gemm<double>(Trans::no, Trans::no, 2, 3, 2, 1.0, x, 2, x, 3, 0.0, x, 2), ValueError);
  CHECK_THROWS_WITH_AS(gemm<double>(Trans::no, Trans::no, -1, 2, 2, 1.0, x, 2, x, 2, 0.0, x, 2),
                       "[gemm] m=-1 n=2 k=2; expected sizes of at least 0", ValueError);
  const Index huge = Index(1) << 31;
  CHECK_THROWS_WITH_AS(gemm<double>(Trans::no, Trans::no, 1, 1, huge, 1.0, x, huge, x, 1, 0.0, x, 1),
                       "[gemm] m=1 n=1 k=2147483648 lda=2147483648 ldb=1 ldc=1; expected at most 2147483647 each",
                       ValueError);
}

TEST_CASE_TEMPLATE("products with a packed matrix", T, float, double) {
  // As `gemm`, but B goes through `pack`; what a row becomes is the same bits for any number of rows above one.
  const Product<T> packed_product = [](Trans ta, Trans tb, Index m, Index n, Index k, T alpha, const T* a, Index lda,
                                       const T* b, Index ldb, T beta, T* c, Index ldc) {
    if (ta == Trans::yes) return gemm(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
    std::vector<T> packed(at(packed_size<T>(k, n)), T(7));
    pack(tb, k, n, b, ldb, packed.data());
    gemm_packed(m, n, k, alpha, a, lda, packed.data(), beta, c, ldc, c, ldc);
  };
  check_product<T>("packed", packed_product);
  check_shape<T>("packed", packed_product, 3, 40, 1100);   // more than one block of k
  check_shape<T>("packed", packed_product, 1, 1030, 7);    // several panels side by side
  check_shape<T>("packed", packed_product, 200, 70, 40);   // more than one block of rows
  for (Index rows = 1; rows < 14; ++rows) check_shape<T>("packed", packed_product, rows, 100, 33);

  const Index n = 150, k = 90;
  const auto a = numbers<T>(20 * k, 1), b = numbers<T>(k * n, 2);
  std::vector<T> packed(at(packed_size<T>(k, n))), all(at(20 * n)), two(at(2 * n));
  pack(Trans::no, k, n, b.data(), n, packed.data());
  gemm_packed<T>(20, n, k, T(1), a.data(), k, packed.data(), T(0), nullptr, 0, all.data(), n);
  bool same = true;
  for (Index i = 0; i < 20; i += 2) {
    gemm_packed<T>(2, n, k, T(1), a.data() + i * k, k, packed.data(), T(0), nullptr, 0, two.data(), n);
    for (Index j = 0; j < 2 * n; ++j) same = same && two[at(j)] == all[at(i * n + j)];
  }
  CHECK(same);

  // D apart from C, and one row of it for all.
  const auto d = numbers<T>(20 * n, 3);
  std::vector<T> with_d(at(20 * n)), with_row(at(20 * n)), onto(d);
  gemm_packed<T>(20, n, k, T(1), a.data(), k, packed.data(), T(0.5), d.data(), n, with_d.data(), n);
  gemm_packed<T>(20, n, k, T(1), a.data(), k, packed.data(), T(0.5), onto.data(), n, onto.data(), n);
  CHECK(with_d == onto);
  gemm_packed<T>(20, n, k, T(1), a.data(), k, packed.data(), T(1), d.data(), 0, with_row.data(), n);
  for (Index i = 0; i < 20; ++i) std::copy_n(d.begin(), n, onto.begin() + i * n);
  gemm_packed<T>(20, n, k, T(1), a.data(), k, packed.data(), T(1), onto.data(), n, onto.data(), n);
  CHECK(with_row == onto);
  gemm_packed<T>(20, n, 0, T(1), a.data(), k, packed.data(), T(2), d.data(), 0, with_row.data(), n);
  CHECK(with_row[at(19 * n + 3)] == 2 * d[3]);

  T x[4] = {};
  CHECK_THROWS_WITH_AS(pack(Trans::no, 2, 2, x, 1, x),
                       "[pack] k=2 n=2 ldb=1; expected sizes of at least 0, ldb of at least 2", ValueError);
  CHECK_THROWS_AS(pack(Trans::yes, 2, 1, x, 1, x), ValueError);
  CHECK_THROWS_AS(gemm_packed<T>(1, 1, 2, T(1), x, 1, x, T(0), x, 1, x, 1), ValueError);
  CHECK_THROWS_AS(gemm_packed<T>(1, 2, 1, T(1), x, 1, x, T(0), x, 2, x, 1), ValueError);
  CHECK_THROWS_AS(gemm_packed<T>(-1, 1, 1, T(1), x, 1, x, T(0), x, 1, x, 1), ValueError);
}

TEST_CASE("the number of threads belongs to the thread") {
  CHECK(blas_threads() == 1);
  CHECK(set_blas_threads(2) == 1);
  int other = 0;
  std::thread([&] { other = blas_threads(); }).join();
  CHECK(other == 1);
#ifndef UNROLL_TEST_TSAN  // which can not see how the threads inside the libraries wait for each other
  CHECK(right<float>(gemm<float>, Trans::no, Trans::yes, 200, 190, 180, 1.0f, 1.0f, 0));
  CHECK(right<double>(gemm<double>, Trans::yes, Trans::no, 200, 190, 180, 1.0, 0.0, 0));
#endif
  CHECK(gemm_description().find("2 threads") != std::string::npos);
  CHECK(set_blas_threads(1) == 2);
  CHECK_THROWS_AS(set_blas_threads(0), ValueError);
  CHECK(blas_threads() == 1);
  CHECK(gemm_description().find("; 1 thread; class ") != std::string::npos);
  // Every rule table says what it does with everything: its last line names no bound.
  for (const char* type : {"float:", "double:"}) CHECK(gemm_rules().find(type) != std::string::npos);
  CHECK(gemm_rules().find("  the others: ") != std::string::npos);
}

TEST_CASE("products from several threads at once") {
  std::vector<std::thread> threads;
  std::vector<int> ok(4, 0);
  for (std::size_t t = 0; t < ok.size(); ++t)
    threads.emplace_back([&ok, t] {
      int all = 1;
      for (Index n = 1; n < 20; ++n)
        all &= right<float>(gemm<float>, Trans::no, Trans::yes, 16, 8 * n, 31, 1.0f, 1.0f, 1) &&
               right<double>(gemm<double>, Trans::yes, Trans::no, 16, 8 * n, 31, 1.0, 0.0, 1);
      ok[t] = all;
    });
  for (auto& t : threads) t.join();
  for (int o : ok) CHECK(o == 1);
}
