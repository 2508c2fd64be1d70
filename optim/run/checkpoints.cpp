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

std::optional<double> value_of(const Metadata& metadata) {
  const auto value = metadata.find("value");
  if (value == metadata.end()) return {};
  double number = 0;
  const char* end = value->second.data() + value->second.size();
  if (std::from_chars(value->second.data(), end, number).ptr != end) return {};
  return number;
}

}  // namespace

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
    if (name.starts_with(prefix) && name.ends_with(suffix) && name.find(".safetensors.") != std::string::npos)
      remove_abandoned(entry->path().string());
  }
}

void Checkpoints::remove() {
  std::error_code ignored;
  for (const std::string& file : files()) std::filesystem::remove(file, ignored);
  remove_leftovers();
}

void Checkpoints::save(const TrainingState& state, Index step, std::optional<double> value) {
  if (step < 0) throw ValueError("[Checkpoints] step " + std::to_string(step) + ", expected 0 or more");
  if (!looked_) {
    looked_ = true;
    remove_leftovers();
    try {
      // Without others beside it, it is of a run that is over.
      if (!files().empty() && std::filesystem::exists(best())) best_value_ = value_of(check_checkpoint(best()));
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
