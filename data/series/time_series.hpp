#pragma once
/// \file
/// Series of numbers with a label each, from sktime's .ts files.

#include <string>
#include <vector>

#include "../../core/shape.hpp"

namespace unroll {

/// One series: `steps` steps of several dimensions.
struct TimeSeries {
  std::string label;          ///< empty in a file without labels
  Index steps = 0;            ///< T; 0 where the file gives no values
  std::vector<float> values;  ///< (T, D) row-major; NaN where a value is missing ("?")
  std::string where;          ///< "file:line", for messages about it
};

/// A .ts file.
struct TimeSeriesFile {
  std::string name;                  ///< @problemName
  Index dimensions = 0;              ///< D, the same for every series
  bool labels = false;               ///< every series has one
  bool targets = false;              ///< labels are numbers (@targetLabel)
  std::vector<std::string> classes;  ///< as declared by @classLabel; empty for @targetLabel
  std::vector<TimeSeries> series;
};

/// Reads a .ts file of the time series classification and regression archives (univariate or multivariate, of equal or
/// different lengths): lines that start with `@` (in any case) declare, after `@data` each line is a series, its
/// dimensions separated by ':', their values by ',', its label last. Lines that start with '#', and blank ones, do not
/// count.
///
/// Throws DataError, with file and line, for what is missing, unreadable or empty; a declaration or number that cannot
/// be understood; another number of dimensions than declared (or than the first series has); dimensions of different
/// lengths in one series; a label that was not declared; a file with time stamps.
TimeSeriesFile read_ts(const std::string& path);

}  // namespace unroll
