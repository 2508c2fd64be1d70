#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "../../core/error.hpp"
#include "../../data/files/atomic_file.hpp"
#include "checkpoint.hpp"

namespace unroll {
namespace {

namespace fs = std::filesystem;

std::optional<double> value_of(const Metadata& metadata) {
  const auto value = metadata.find("value");
  if (value == metadata.end()) return {};
  double number = 0;
  const char* end = value->second.data() + value->second.size();
  if (std::from_chars(value->second.data(), end, number).ptr != end) return {};
  return number;
}

// f(path, middle) for every file that is called "<stem>-<middle><suffix>".
template <class F>
void each_file(const fs::path& stem, const std::string& suffix, const F& f) {
  const std::string prefix = stem.filename().string() + "-";
  std::error_code error;
  const fs::path folder = stem.has_parent_path() ? stem.parent_path() : fs::path(".");
  for (auto entry = fs::directory_iterator(folder, error); !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name.starts_with(prefix) && name.ends_with(suffix) && name.size() >= prefix.size() + suffix.size())
      f(entry->path(), name.substr(prefix.size(), name.size() - prefix.size() - suffix.size()));
  }
}

}  // namespace

Checkpoints::Checkpoints(std::string stem, const CheckpointsOptions& options)
    : stem_(std::move(stem)), options_(options) {
  if (options.keep < 1) throw ValueError("[Checkpoints] keep ", options.keep, ", expected at least 1");
}

std::string Checkpoints::path(Index step) const {
  char number[48];
  std::snprintf(number, sizeof number, "-%09lld.safetensors", static_cast<long long>(step));
  return stem_ + number;
}

std::vector<std::string> Checkpoints::files() const {
  std::vector<std::pair<Index, std::string>> found;
  each_file(stem_, ".safetensors", [&](const fs::path&, const std::string& number) {
    if (number.empty() || number.size() > 18 || number.find_first_not_of("0123456789") != number.npos) return;
    found.emplace_back(std::stoll(number), path(std::stoll(number)));
  });
  std::sort(found.rbegin(), found.rend());
  std::vector<std::string> paths;
  for (auto& [step, file] : found) paths.push_back(std::move(file));
  return paths;
}

void Checkpoints::remove_leftovers() const {
  // <stem>-<step>.safetensors.<process id>-<number>.tmp
  each_file(stem_, ".tmp", [](const fs::path& file, const std::string& middle) {
    if (middle.find(".safetensors.") != middle.npos) remove_abandoned(file.string());
  });
}

void Checkpoints::remove() {
  std::error_code ignored;
  for (const std::string& file : files()) fs::remove(file, ignored);
  remove_leftovers();
}

void Checkpoints::save(const TrainingState& state, Index step, std::optional<double> value) {
  if (step < 0) throw ValueError("[Checkpoints] step ", step, ", expected 0 or more");
  if (!looked_) {
    looked_ = true;
    remove_leftovers();
    try {
      // Without others beside it, it is of a run that is over.
      if (!files().empty() && fs::exists(best())) best_value_ = value_of(check_checkpoint(best()));
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
    if (static_cast<int>(kept++) >= options_.keep) fs::remove(all[i], ignored);
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
        fs::rename(damaged, damaged + ".damaged", ignored);
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
