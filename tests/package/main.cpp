// A program outside the source tree: all it knows of unroll is what was installed.
#include <cstdio>
#include <unroll/unroll.hpp>

int main() {
  const unroll::Shape shape{2, 3};
  std::printf("unroll %s %s\n", UNROLL_VERSION, shape.str().c_str());
  return shape.size() == 6 ? 0 : 1;
}
