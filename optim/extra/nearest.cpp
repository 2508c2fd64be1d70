#include "nearest.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "../../core/error.hpp"

namespace unroll {
namespace {

double dot(const float* a, const float* b, Index n) {
  double sum = 0;
  for (Index i = 0; i < n; ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

double squared_distance(const float* a, const float* b, Index n) {
  double sum = 0;
  for (Index i = 0; i < n; ++i) {
    const double d = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    sum += d * d;
  }
  return sum;
}

}  // namespace

NearestNeighbours::NearestNeighbours(std::span<const float> examples, Index features, std::vector<Index> labels,
                                     const NearestOptions& options)
    : examples_(examples.begin(), examples.end()), features_(features), labels_(std::move(labels)), options_(options) {
  if (features < 1 || std::ssize(examples_) != features * std::ssize(labels_))
    throw ShapeError("[NearestNeighbours] ", examples.size(), " numbers for ", labels_.size(), " labels and ", features,
                     " features");
  if (labels_.empty()) throw ValueError("[NearestNeighbours] got no examples, expected at least one");
  if (options.k < 1) throw ValueError("[NearestNeighbours] k ", options.k, ", expected at least 1");
  for (const Index label : labels_)
    if (label < 0) throw ValueError("[NearestNeighbours] label ", label, ", expected 0 or more");
  if (!std::ranges::all_of(examples_, [](float x) { return std::isfinite(x); }))
    throw ValueError("[NearestNeighbours] an example has a number that is not finite");
  for (Index i = 0; i < std::ssize(labels_); ++i) {
    const float* x = examples_.data() + i * features;
    lengths_.push_back(std::sqrt(dot(x, x, features)));
  }
}

std::vector<Neighbour> NearestNeighbours::neighbours(std::span<const float> x) const {
  if (std::ssize(x) != features_)
    throw ShapeError("[NearestNeighbours] a vector of ", x.size(), " numbers, examples have ", features_);
  const double length = std::sqrt(dot(x.data(), x.data(), features_));
  std::vector<Neighbour> list;
  for (Index i = 0; i < std::ssize(labels_); ++i) {
    const float* y = examples_.data() + i * features_;
    const double scale = length * lengths_[i];
    list.push_back({i, options_.distance == Distance::euclidean ? std::sqrt(squared_distance(x.data(), y, features_))
                       : scale > 0                              ? 1 - dot(x.data(), y, features_) / scale
                                                                : 1});
  }
  const auto k = static_cast<std::ptrdiff_t>(std::min<Index>(options_.k, std::ssize(list)));
  std::ranges::partial_sort(list, list.begin() + k, [](const Neighbour& a, const Neighbour& b) {
    return std::pair(a.distance, a.example) < std::pair(b.distance, b.example);
  });
  list.resize(k);
  return list;
}

Index NearestNeighbours::classify(std::span<const float> x) const {
  return vote(neighbours(x), labels_, options_.by_distance);
}

std::vector<Index> NearestNeighbours::classify_all(std::span<const float> x) const {
  const auto f = static_cast<std::size_t>(features_);
  if (x.size() % f != 0) throw ShapeError("[NearestNeighbours] ", x.size(), " numbers, vectors have ", f);
  std::vector<Index> classes;
  for (std::size_t i = 0; i < x.size(); i += f) classes.push_back(classify(x.subspan(i, f)));
  return classes;
}

Index vote(std::span<const Neighbour> neighbours, std::span<const Index> labels, bool by_distance) {
  if (neighbours.empty()) throw ValueError("[vote] got no neighbours, expected at least one");
  std::vector<std::pair<Index, double>> votes;  // in the order of the nearest
  for (const Neighbour& n : neighbours) {
    const Index label = labels[n.example];
    if (by_distance && n.distance <= 0) return label;
    const double weight = by_distance ? 1 / n.distance : 1;
    const auto place = std::ranges::find(votes, label, &std::pair<Index, double>::first);
    if (place == votes.end()) {
      votes.emplace_back(label, weight);
    } else {
      place->second += weight;
    }
  }
  return std::ranges::max_element(votes, {}, &std::pair<Index, double>::second)->first;
}

}  // namespace unroll
