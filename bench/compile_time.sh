#!/usr/bin/env bash
# CPU seconds (user + system, best of 3) to compile a user's file at -O2, beside one that only includes LibTorch.
#   bench/compile_time.sh [FILE]      default examples/readme_cell.cpp; the headers are those of build/
#   CXX=clang++ BUILD=build-clang bench/compile_time.sh
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
file=${1:-$root/examples/readme_cell.cpp}
include=$root/${BUILD:-build}/include
compiler=${CXX:-g++}
[ -f "$file" ] || { echo "$file: no such file" >&2; exit 2; }
[ -d "$include" ] || { echo "$include is not there; configure first: cmake --preset release" >&2; exit 2; }
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# seconds FILE FLAGS...: the best of three compilations.
seconds() {
  local TIMEFORMAT='%U %S'
  for _ in 1 2 3; do
    { time "$compiler" -std=c++20 -O2 -march=native -c "$@" -o "$scratch/out.o" 2>"$scratch/errors" \
      || { cat "$scratch/errors" >&2; exit 1; }; } 2>>"$scratch/times"
  done
  awk '{ s = $1 + $2; if (NR == 1 || s < best) best = s } END { printf "%.2f\n", best }' "$scratch/times"
  rm "$scratch/times"
}

report() { printf '%6s s  %s\n' "$1" "$2"; }

# shellcheck disable=SC2046 # flags are split on purpose
report "$(seconds "$file" -I"$include" $(pkg-config --cflags xtensor xsimd))" "$(basename "$file")"
echo '#include <unroll/unroll.hpp>' >"$scratch/umbrella.cpp"
# shellcheck disable=SC2046
report "$(seconds "$scratch/umbrella.cpp" -I"$include" $(pkg-config --cflags xtensor xsimd))" "#include <unroll/unroll.hpp>"

torch=/usr/include/torch/csrc/api/include
if [ -d "$torch" ]; then
  echo '#include <torch/torch.h>' >"$scratch/torch.cpp"
  report "$(seconds "$scratch/torch.cpp" -isystem "$torch")" "#include <torch/torch.h>"
else
  echo "LibTorch is not installed (libtorch-dev): nothing to compare with"
fi
