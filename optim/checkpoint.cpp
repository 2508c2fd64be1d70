#include "unroll/optim/checkpoint.hpp"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <filesystem>

#include "unroll/core/error.hpp"

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
    throw FileError(std::string("[") + op + "] checkpoints are little-endian, this machine is not");
}

SafetensorsFile open_checked(const std::string& path) {
  SafetensorsFile file(path);
  const auto format = file.metadata().find("format");
  const auto sum = file.metadata().find("checksum");
  if (format == file.metadata().end() || format->second != kFormat || sum == file.metadata().end())
    throw FileError("[checkpoint] " + path + ": a safetensors file, but no checkpoint");
  const std::string found = checksum_of(file.tensors(), file.metadata());
  if (found != sum->second)
    throw FileError("[checkpoint] " + path + ": is damaged: its checksum is " + sum->second + ", its content has " +
                    found);
  return file;
}

struct Differences {
  std::vector<std::string> missing, unexpected, mismatched, differing;
  bool none() const { return missing.empty() && unexpected.empty() && mismatched.empty() && differing.empty(); }
  std::string str() const {
    std::string text;
    const auto part = [&](std::vector<std::string> names, const char* what) {
      if (names.empty()) return;
      std::sort(names.begin(), names.end());
      text += (text.empty() ? "" : "; ") + std::to_string(names.size()) + " " + what + ": ";
      for (std::size_t i = 0; i < names.size(); ++i) text += (i > 0 ? ", " : "") + names[i];
    };
    part(missing, "missing");
    part(unexpected, "unexpected");
    part(mismatched, "of another kind");
    part(differing, "different");
    return text;
  }
};

std::size_t bytes_in(const detail::StateLeaf& leaf) {
  return static_cast<std::size_t>(detail::tensor_bytes(leaf.dtype, leaf.shape));
}

bool fits(const detail::StateLeaf& leaf, const TensorView& t) {
  if (t.dtype != leaf.dtype || t.shape.size() != leaf.shape.size()) return false;
  return leaf.resize || t.shape == leaf.shape;
}

// Copies arrays from a walk, by name.
class Reader final : public StateVisitor {
 public:
  using Find = std::function<const TensorView*(const std::string& name)>;
  Reader(std::string prefix, Find find, Differences& d)
      : prefix_(std::move(prefix)), find_(std::move(find)), differences_(d) {}
  void array(const std::string& name, std::span<float> values) override { read(name, values); }
  void array(const std::string& name, std::span<double> values) override { read(name, values); }
  void array(const std::string& name, std::span<std::int64_t> values) override { read(name, values); }

 private:
  template <class T>
  void read(const std::string& name, std::span<T> values) {
    const std::string full = prefix_ + name;
    const TensorView* t = find_(full);
    const Index n[] = {static_cast<Index>(values.size())};
    if (!t) {
      differences_.missing.push_back(quoted(full));
    } else if (t->dtype != dtype_of<T>() || t->bytes.size() != values.size_bytes()) {
      differences_.mismatched.push_back(quoted(full) + " is " + kind_text(t->dtype, t->shape) + ", expected " +
                                        kind_text(dtype_of<T>(), n));
    } else if (!values.empty()) {
      std::memcpy(values.data(), t->bytes.data(), t->bytes.size());
    }
  }
  std::string prefix_;
  Find find_;
  Differences& differences_;
};

// What a walk shows. Small arrays may be gone after it and are copied, all of them when `keep`.
class Collector final : public StateVisitor {
 public:
  Collector(std::string prefix, bool keep) : prefix_(std::move(prefix)), keep_(keep) {}
  void array(const std::string& name, std::span<float> values) override { take(name, values); }
  void array(const std::string& name, std::span<double> values) override { take(name, values); }
  void array(const std::string& name, std::span<std::int64_t> values) override { take(name, values); }

  std::vector<TensorView> views;

 private:
  template <class T>
  void take(const std::string& name, std::span<T> values) {
    std::span<const std::byte> bytes = std::as_bytes(values);
    if (keep_ || bytes.size() <= 256) {
      copies_.emplace_back(bytes.begin(), bytes.end());
      bytes = copies_.back();
    }
    views.push_back({prefix_ + name, dtype_of<T>(), {static_cast<Index>(values.size())}, bytes});
  }
  std::string prefix_;
  bool keep_;
  std::deque<std::vector<std::byte>> copies_;
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

std::optional<double> value_of(const Metadata& metadata) {
  const auto value = metadata.find("value");
  if (value == metadata.end()) return {};
  return std::strtod(value->second.c_str(), nullptr);
}

}  // namespace

void save_checkpoint(const std::string& path, const TrainingState& state, const Metadata& metadata) {
  check_machine("save_checkpoint");
  const detail::StateLeaves found = state.leaves();
  std::vector<TensorView> tensors;
  for (const detail::StateLeaf& leaf : found.leaves)
    tensors.push_back({leaf.name, leaf.dtype, leaf.shape, {leaf.data, bytes_in(leaf)}});
  std::deque<Collector> walked;
  for (const detail::StateWalk& walk : found.walks) {
    walk.each(walked.emplace_back(walk.name + ".", false));
    tensors.insert(tensors.end(), walked.back().views.begin(), walked.back().views.end());
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
  std::deque<Collector> before;
  for (const detail::StateWalk& walk : found.walks) walk.each(before.emplace_back(walk.name + ".", true));
  for (const detail::StateWalk& walk : found.walks) {
    const auto find = [&](const std::string& name) {
      known.push_back(name);
      return file.find(name);
    };
    Reader reader(walk.name + ".", find, d);
    walk.each(reader);
  }
  std::sort(known.begin(), known.end());
  for (const TensorView& t : file.tensors())
    if (!std::binary_search(known.begin(), known.end(), t.name)) d.unexpected.push_back(quoted(t.name));
  if (!d.none()) {
    for (std::size_t i = 0; i < found.walks.size(); ++i) {
      const auto find = [&](const std::string& name) -> const TensorView* {
        for (const TensorView& t : before[i].views)
          if (t.name == name) return &t;
        return nullptr;
      };
      Differences ignored;
      Reader reader(found.walks[i].name + ".", find, ignored);
      found.walks[i].each(reader);
    }
    throw ValueError("[load_checkpoint] " + path + " does not fit: " + d.str());
  }
  for (detail::StateLeaf& leaf : found.leaves) {
    if (leaf.must_agree) continue;
    const TensorView& t = *file.find(leaf.name);
    std::byte* data = leaf.resize ? leaf.resize(leaf.list, static_cast<std::size_t>(t.shape[0])) : leaf.data;
    if (!t.bytes.empty()) std::memcpy(data, t.bytes.data(), t.bytes.size());
    if (leaf.version) ++*leaf.version;
  }
  for (const auto& finish : found.finish) finish();
  return file.metadata();
}

Checkpoints::Checkpoints(std::string stem, const CheckpointsOptions& options)
    : stem_(std::move(stem)), options_(options) {
  if (options.keep < 1)
    throw ValueError("[Checkpoints] keep " + std::to_string(options.keep) + ", expected at least 1");
}

std::string Checkpoints::path(Index step) const {
  char number[48];
  std::snprintf(number, sizeof number, "-%09lld.safetensors", static_cast<long long>(step));
  return stem_ + number;
}

std::vector<std::string> Checkpoints::files() const {
  namespace fs = std::filesystem;
  const fs::path stem(stem_);
  const std::string prefix = stem.filename().string() + "-", suffix = ".safetensors";
  std::vector<std::pair<Index, std::string>> found;
  std::error_code error;
  const fs::path folder = stem.has_parent_path() ? stem.parent_path() : fs::path(".");
  for (auto entry = fs::directory_iterator(folder, error); !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (!name.starts_with(prefix) || !name.ends_with(suffix) || name.size() <= prefix.size() + suffix.size()) continue;
    const std::string number = name.substr(prefix.size(), name.size() - prefix.size() - suffix.size());
    if (number.size() > 18 || number.find_first_not_of("0123456789") != std::string::npos) continue;
    found.emplace_back(std::stoll(number), path(std::stoll(number)));
  }
  std::sort(found.rbegin(), found.rend());
  std::vector<std::string> paths;
  for (auto& [step, file] : found) paths.push_back(std::move(file));
  return paths;
}

void Checkpoints::remove_leftovers() const {
  namespace fs = std::filesystem;
  const fs::path stem(stem_);
  const std::string prefix = stem.filename().string() + "-", suffix = ".tmp";
  std::error_code error;
  const fs::path folder = stem.has_parent_path() ? stem.parent_path() : fs::path(".");
  for (auto entry = fs::directory_iterator(folder, error); !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    // <stem>-<step>.safetensors.<process id>-<number>.tmp
    const std::string name = entry->path().filename().string();
    const auto middle = name.rfind(".safetensors.");
    if (!name.starts_with(prefix) || !name.ends_with(suffix) || middle == std::string::npos) continue;
    const long process = std::strtol(name.c_str() + middle + 13, nullptr, 10);
    // Our own number was another process's: in a container they come again.
    const bool alive = process != ::getpid() && (::kill(static_cast<pid_t>(process), 0) == 0 || errno != ESRCH);
    std::error_code ignored;
    if (process > 0 && !alive) fs::remove(entry->path(), ignored);
  }
}

void Checkpoints::save(const TrainingState& state, Index step, std::optional<double> value) {
  if (step < 0) throw ValueError("[Checkpoints] step " + std::to_string(step) + ", expected 0 or more");
  if (!looked_) {
    looked_ = true;
    remove_leftovers();
    try {
      if (std::filesystem::exists(best())) best_value_ = value_of(check_checkpoint(best()));
    } catch (const FileError&) {
      // Damaged: the next one is better.
    }
  }
  Metadata metadata = {{"step", std::to_string(step)}};
  if (value) metadata["value"] = detail::hyper_parameter_text(*value);
  if (options_.keep_best && value && std::isfinite(*value) && (!best_value_ || *value < *best_value_)) {
    save_checkpoint(best(), state, metadata);
    best_value_ = value;
  }
  save_checkpoint(path(step), state, metadata);
  const std::vector<std::string> all = files();
  for (std::size_t i = 0, kept = 0; i < all.size(); ++i) {
    std::error_code ignored;
    if (static_cast<int>(kept++) >= options_.keep) std::filesystem::remove(all[i], ignored);
  }
}

std::optional<Checkpoints::Restored> Checkpoints::restore(const TrainingState& state) {
  Restored restored;
  std::vector<std::string> damaged_files;
  for (const std::string& file : files()) {
    try {
      const Metadata metadata = load_checkpoint(file, state);
      const auto step = metadata.find("step");
      if (step != metadata.end()) restored.step = std::strtoll(step->second.c_str(), nullptr, 10);
      restored.file = file;
      for (const std::string& damaged : damaged_files) {  // they would count among the newest
        std::error_code ignored;
        std::filesystem::rename(damaged, damaged + ".damaged", ignored);
      }
      return restored;
    } catch (const FileError& e) {
      restored.skipped.push_back(e.what());
      damaged_files.push_back(file);
    }
  }
  if (restored.skipped.empty()) return {};
  std::string message = "[Checkpoints] every checkpoint of " + stem_ + " is damaged: ";
  for (std::size_t i = 0; i < restored.skipped.size(); ++i) message += (i > 0 ? "; " : "") + restored.skipped[i];
  throw FileError(message);
}

}  // namespace unroll
