// oneDNN's fused recurrent primitives.

#include "contender.hpp"

namespace bench {

Contender onednn_labelling(const Labelling&, int) { return {"onednn", {}, {}}; }
Contender onednn_tagging(const Tagging&, int) { return {"onednn", {}, {}}; }
Contender onednn_sampling(const Labelling&) { return {"onednn", {}, {}}; }
std::string onednn_version() { return "oneDNN is not installed (libdnnl-dev) and left out\n"; }

}  // namespace bench
