#include "unroll/core/gemm_plain_detail.hpp"

namespace unroll::detail {

template void gemm_plain<float>(Trans, Trans, Index, Index, Index, float, const float*, Index, const float*,
                                Index, float, float*, Index);
template void gemm_plain<double>(Trans, Trans, Index, Index, Index, double, const double*, Index,
                                 const double*, Index, double, double*, Index);

}  // namespace unroll::detail
