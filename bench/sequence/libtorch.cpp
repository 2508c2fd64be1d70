// LibTorch's rows.

#include "contender.hpp"

#ifndef UNROLL_HAVE_TORCH

namespace bench {

Contender torch_labelling(const Labelling&, int) { return {"libtorch", {}, {}}; }
Contender torch_tagging(const Tagging&, int) { return {"libtorch", {}, {}}; }
Contender torch_sampling(const Labelling&) { return {"libtorch", {}, {}}; }
Contender torch_chain() { return {"libtorch", {}, {}}; }
std::string torch_version() { return "LibTorch is not installed (libtorch-dev) and left out\n"; }

}  // namespace bench

#else

namespace bench {

Contender torch_labelling(const Labelling&, int) { return {"libtorch", {}, {}}; }
Contender torch_tagging(const Tagging&, int) { return {"libtorch", {}, {}}; }
Contender torch_sampling(const Labelling&) { return {"libtorch", {}, {}}; }
Contender torch_chain() { return {"libtorch", {}, {}}; }
std::string torch_version() { return ""; }

}  // namespace bench

#endif
