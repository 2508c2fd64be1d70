#pragma once
/// \file
/// k nearest neighbours among vectors, such as the states of a trained encoder.

#include <span>
#include <vector>

#include "../../core/shape.hpp"

namespace unroll {

/// An example and how far it is from what was asked about.
struct Neighbour {
  Index example;
  double distance;
};

enum class Distance {
  euclidean,  ///< |x - y|
  cosine,     ///< 1 - x.y / (|x| |y|), 1 where one is zero
};

struct NearestOptions {
  Index k = 1;  ///< neighbours that vote; all, where there are fewer
  Distance distance = Distance::euclidean;
  bool by_distance = false;  ///< a vote counts 1 / distance; at distance 0 it decides alone
};

/// Remembers vectors and their labels; a new one is of the class of most of its neighbours (Cover and Hart, "Nearest
/// neighbor pattern classification", 1967). Equal votes go to the class with the nearest neighbour, equal distances to
/// the example that came first. Compares with every example: O(N F) a question.
class NearestNeighbours {
 public:
  /// `examples` (N, F) row-major, labels of 0 or more. Throws ShapeError when numbers do not fit, ValueError on k below
  /// 1, no example, a negative label, or a number that is not finite.
  NearestNeighbours(std::span<const float> examples, Index features, std::vector<Index> labels,
                    const NearestOptions& options = {});

  /// The k nearest examples, nearest first. Throws ShapeError unless x has F numbers.
  std::vector<Neighbour> neighbours(std::span<const float> x) const;
  /// The class of x (F).
  Index classify(std::span<const float> x) const;
  /// The classes of M vectors, (M, F) row-major.
  std::vector<Index> classify_all(std::span<const float> x) const;

 private:
  std::vector<float> examples_;
  Index features_;
  std::vector<Index> labels_;
  NearestOptions options_;
  std::vector<double> lengths_;
};

/// The class that neighbours vote for, nearest first; as above.
Index vote(std::span<const Neighbour> neighbours, std::span<const Index> labels, bool by_distance = false);

}  // namespace unroll
