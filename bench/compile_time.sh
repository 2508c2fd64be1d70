#!/usr/bin/env bash
# What a user's file costs: CPU seconds (user + system, best of 3) to compile it with the flags of a Release build, and the
# size of the stripped program that it and build/libunroll.a make, with what it uses of libstdc++ inside (--gc-sections);
# the BLAS, oneDNN, libzip and libsndfile stay outside. Beside it the same program with LibTorch, where it is installed.
#   bench/compile_time.sh [FILE]      default: bench/tagger/unroll.cpp, a program that builds and trains a tagger
#   CXX=clang++ BUILD=build-clang FLAGS="-O2" bench/compile_time.sh
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
file=${1:-$root/bench/tagger/unroll.cpp}
build=$root/${BUILD:-build}
compiler=${CXX:-g++}
read -ra flags <<<"${FLAGS:--O3 -DNDEBUG -march=native}"
[ -f "$file" ] || { echo "$file: no such file" >&2; exit 2; }
[ -f "$build/libunroll.a" ] || { echo "$build/libunroll.a is not there; build it first: cmake --build --preset release" >&2; exit 2; }
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# compile TIMES NAME FILE FLAGS...: the best of some compilations into NAME.o.
compile() {
  local times=$1 name=$2 TIMEFORMAT='%U %S'
  shift 2
  for ((k = 0; k < times; k++)); do
    { time "$compiler" -std=c++20 "${flags[@]}" -c "$@" -o "$scratch/$name.o" 2>"$scratch/errors" \
      || { cat "$scratch/errors" >&2; exit 1; }; } 2>>"$scratch/times"
  done
  awk '{ s = $1 + $2; if (NR == 1 || s < best) best = s } END { printf "%.2f", best }' "$scratch/times"
  rm "$scratch/times"
}
# size NAME LIBRARIES...: links NAME.o, strips it, runs it; megabytes.
size() {
  local name=$1
  shift
  "$compiler" -s -static-libstdc++ -static-libgcc -Wl,--gc-sections "$scratch/$name.o" "$@" -o "$scratch/$name"
  "$scratch/$name" >"$scratch/out" || { echo "$name fails" >&2; exit 1; }
  stat -c %s "$scratch/$name" | awk '{ printf "%.2f", $1 / 1e6 }'
}
report() { printf '%6s s  %7s MB  %s\n' "$1" "$2" "$3"; }

read -ra includes <<<"-I$build/include $(pkg-config --cflags xtensor xsimd)"
libraries=("$build/libunroll.a" -ldl -pthread)
# What the build found, as the linker's arguments.
for library in DNNL CBLAS ZIP SNDFILE; do
  path=$(sed -n "s/^UNROLL_${library}_LIBRARY:[^=]*=//p" "$build/CMakeCache.txt")
  [ ! -f "$path" ] || libraries+=(-Wl,--as-needed "$path")
done
seconds=$(compile 3 user "$file" "${includes[@]}")
report "$seconds" "$(size user "${libraries[@]}")" "$(realpath --relative-to="$root" "$file")"
echo '#include <unroll/unroll.hpp>' >"$scratch/umbrella.cpp"
report "$(compile 3 umbrella "$scratch/umbrella.cpp" "${includes[@]}")" - "#include <unroll/unroll.hpp>"

torch=$(sed -n 's/^UNROLL_TORCH_API_DIR:[^=]*=//p' "$build/CMakeCache.txt")
torch=${torch:-/usr/include/torch/csrc/api/include}
if [ -d "$torch" ]; then
  seconds=$(compile 1 torch "$root/bench/tagger/libtorch.cpp" -isystem "$torch")
  own=$(size torch -ltorch -ltorch_cpu -lc10 -lglog)
  report "$seconds" "$own" "bench/tagger/libtorch.cpp, and its shared libraries:"
  ldd "$scratch/torch" | awk '/lib(torch|torch_cpu|c10)\.so/ { print $3 }' | while read -r library; do
    report - "$(stat -Lc %s "$library" | awk '{ printf "%.2f", $1 / 1e6 }')" "$library"
  done
else
  echo "LibTorch is not installed (libtorch-dev): nothing to compare with"
fi
