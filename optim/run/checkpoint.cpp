#include "checkpoint.hpp"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstring>
#include <deque>

#include "../../core/error.hpp"
#include "../../data/tensors/parameter_file.hpp"

namespace unroll {
namespace {

constexpr const char* kFormat = "unroll-checkpoint";

// 64 bits over everything. Each step is a bijection of the lane's state for a given word and of the word for a given
// state, so a change within one word is always seen; any other goes unseen once in 2^64.
class Checksum {
 public:
  void add(std::span<const std::byte> bytes) {
    word(bytes.size());
    std::size_t at = 0;
    for (; at + 8 <= bytes.size(); at += 8) {
      std::uint64_t w = 0;
      std::memcpy(&w, bytes.data() + at, 8);
      word(w);
    }
    std::uint64_t rest = 0;
    if (at < bytes.size()) std::memcpy(&rest, bytes.data() + at, bytes.size() - at);
    word(rest);
  }
  void add(std::string_view text) { add(std::as_bytes(std::span(text.data(), text.size()))); }
  void word(std::uint64_t w) {
    std::uint64_t& lane = lanes_[at_++ % 4];
    lane = std::rotl((lane ^ w) * 0x9e3779b97f4a7c15u, 31);
  }
  std::string text() const {
    std::uint64_t h = at_;
    for (const std::uint64_t lane : lanes_) {
      h = (h ^ lane) * 0xbf58476d1ce4e5b9u;
      h ^= h >> 29;
    }
    char hex[17];
    std::snprintf(hex, sizeof hex, "%016llx", static_cast<unsigned long long>(h));
    return hex;
  }

 private:
  std::uint64_t lanes_[4] = {1, 2, 3, 4};
  std::uint64_t at_ = 0;
};

// `tensors` sorted by name.
std::string checksum_of(std::span<const TensorView> tensors, const Metadata& metadata) {
  Checksum sum;
  for (const auto& [key, value] : metadata) {
    if (key == "checksum") continue;
    sum.add(key);
    sum.add(value);
  }
  for (const TensorView& t : tensors) {
    sum.add(t.name);
    sum.word(static_cast<std::uint64_t>(t.dtype));
    sum.word(t.shape.size());
    for (const Index n : t.shape) sum.word(static_cast<std::uint64_t>(n));
    sum.add(t.bytes);
  }
  return sum.text();
}

std::string quoted(const std::string& name) { return "'" + name + "'"; }

std::string kind_text(DType dtype, std::span<const Index> shape) {
  return std::string(dtype_name(dtype)) + " " + detail::shape_text(shape);
}

void check_machine(const char* op) {
  if constexpr (std::endian::native != std::endian::little)
    throw FileError("[", op, "] checkpoints are little-endian, this machine is not");
}

SafetensorsFile open_checked(const std::string& path) {
  SafetensorsFile file(path);
  const auto format = file.metadata().find("format");
  const auto sum = file.metadata().find("checksum");
  if (format == file.metadata().end() || format->second != kFormat || sum == file.metadata().end())
    throw FileError("[checkpoint] ", path, ": a safetensors file, but no checkpoint");
  const std::string found = checksum_of(file.tensors(), file.metadata());
  if (found != sum->second)
    throw FileError("[checkpoint] ", path, ": is damaged: its checksum is ", sum->second, ", its content has ", found);
  return file;
}

struct Differences {
  std::vector<std::string> missing, unexpected, mismatched, differing;
  std::string str() {
    for (auto* names : {&missing, &unexpected, &mismatched, &differing}) std::ranges::sort(*names);
    return detail::name_lists(
        {{"missing", missing}, {"unexpected", unexpected}, {"of another kind", mismatched}, {"different", differing}});
  }
};

std::size_t bytes_in(const detail::StateLeaf& leaf) {
  return static_cast<std::size_t>(detail::tensor_bytes(leaf.dtype, leaf.shape));
}

bool fits(const detail::StateLeaf& leaf, const TensorView& t) {
  if (t.dtype != leaf.dtype || t.shape.size() != leaf.shape.size()) return false;
  return leaf.resize || t.shape == leaf.shape;
}

// Copies arrays into a walk, as `find` gives them for their names.
template <class Find>
void fill(const detail::StateWalk& walk, const Find& find, Differences& d) {
  detail::StateCalls reader([&]<class T>(const std::string& name, std::span<T> values) {
    const std::string full = walk.name + "." + name;
    const TensorView* t = find(full);
    const Index n[] = {static_cast<Index>(values.size())};
    if (!t) {
      d.missing.push_back(quoted(full));
    } else if (t->dtype != dtype_of<T>() || t->bytes.size() != values.size_bytes()) {
      d.mismatched.push_back(detail::text(quoted(full), " is ", kind_text(t->dtype, t->shape), ", expected ",
                                          kind_text(dtype_of<T>(), n)));
    } else if (!values.empty()) {
      std::memcpy(values.data(), t->bytes.data(), t->bytes.size());
    }
  });
  walk.each(reader);
}

// What a walk shows. Small arrays may be gone after it and are copied, all of them when `keep`.
struct Collected {
  Collected(const detail::StateWalk& walk, bool keep) {
    detail::StateCalls collector([&]<class T>(const std::string& name, std::span<T> values) {
      std::span<const std::byte> bytes = std::as_bytes(values);
      if (keep || bytes.size() <= 256) bytes = copies.emplace_back(bytes.begin(), bytes.end());
      views.push_back({walk.name + "." + name, dtype_of<T>(), {static_cast<Index>(values.size())}, bytes});
    });
    walk.each(collector);
  }
  std::vector<TensorView> views;
  std::deque<std::vector<std::byte>> copies;
};

// `known` gets the leaves' names.
Differences compare(const SafetensorsFile& file, const std::vector<detail::StateLeaf>& leaves,
                    std::vector<std::string>& known) {
  Differences d;
  for (const detail::StateLeaf& leaf : leaves) {
    known.push_back(leaf.name);
    const TensorView* t = file.find(leaf.name);
    if (!t) {
      d.missing.push_back(quoted(leaf.name));
    } else if (leaf.must_agree) {
      if (t->dtype != leaf.dtype || t->bytes.size() != bytes_in(leaf) ||
          std::memcmp(t->bytes.data(), leaf.data, t->bytes.size()) != 0)
        d.differing.push_back(quoted(leaf.name));
    } else if (!fits(leaf, *t)) {
      d.mismatched.push_back(quoted(leaf.name) + " is " + kind_text(t->dtype, t->shape) + ", expected " +
                             kind_text(leaf.dtype, leaf.shape));
    }
  }
  return d;
}

}  // namespace

void save_checkpoint(const std::string& path, const TrainingState& state, const Metadata& metadata) {
  check_machine("save_checkpoint");
  const detail::StateLeaves found = state.leaves();
  std::vector<TensorView> tensors;
  for (const detail::StateLeaf& leaf : found.leaves)
    tensors.push_back({leaf.name, leaf.dtype, leaf.shape, {leaf.data, bytes_in(leaf)}});
  std::deque<Collected> walked;
  for (const detail::StateWalk& walk : found.walks) {
    const Collected& w = walked.emplace_back(walk, false);
    tensors.insert(tensors.end(), w.views.begin(), w.views.end());
  }
  std::sort(tensors.begin(), tensors.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  Metadata all = metadata;
  all["format"] = kFormat;
  all["checksum"] = checksum_of(tensors, all);
  write_safetensors(path, tensors, all);
}

Metadata check_checkpoint(const std::string& path) { return open_checked(path).metadata(); }

Metadata load_checkpoint(const std::string& path, const TrainingState& state) {
  check_machine("load_checkpoint");
  const SafetensorsFile file = open_checked(path);
  detail::StateLeaves found = state.leaves();
  std::vector<std::string> known;
  Differences d = compare(file, found.leaves, known);
  // A walk fills in as it goes: which arrays there are depends on those before. So its object is filled first, and put
  // back to what it was when anything does not fit.
  std::deque<Collected> before;
  for (const detail::StateWalk& walk : found.walks) before.emplace_back(walk, true);
  const auto in_file = [&](const std::string& name) {
    known.push_back(name);
    return file.find(name);
  };
  for (const detail::StateWalk& walk : found.walks) fill(walk, in_file, d);
  std::sort(known.begin(), known.end());
  for (const TensorView& t : file.tensors())
    if (!std::binary_search(known.begin(), known.end(), t.name)) d.unexpected.push_back(quoted(t.name));
  if (const std::string found_wrong = d.str(); !found_wrong.empty()) {
    Differences ignored;
    for (std::size_t i = 0; i < found.walks.size(); ++i) {
      const auto as_before = [&](const std::string& name) {
        const auto view = std::ranges::find(before[i].views, name, &TensorView::name);
        return view == before[i].views.end() ? nullptr : &*view;
      };
      fill(found.walks[i], as_before, ignored);
    }
    throw ValueError("[load_checkpoint] ", path, " does not fit: ", found_wrong);
  }
  for (detail::StateLeaf& leaf : found.leaves) {
    if (leaf.must_agree) continue;
    const TensorView& t = *file.find(leaf.name);
    std::byte* data = leaf.resize ? leaf.resize(leaf.list, t.shape[0]) : leaf.data;
    if (!t.bytes.empty()) std::memcpy(data, t.bytes.data(), t.bytes.size());
    if (leaf.version) ++*leaf.version;
  }
  for (const auto& finish : found.finish) finish();
  return file.metadata();
}

}  // namespace unroll
