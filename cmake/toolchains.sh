#!/bin/sh
# Does unroll work with this toolchain? Builds the library and the tests that compilers and versions of xtensor and
# xsimd have disagreed on, and runs them; installs, compiles the README's program against that by pkg-config's flags,
# and runs it. Prints a row of README.md's table of toolchains.
#
#   cmake/toolchains.sh FOLDER [CMAKE ARGUMENTS...]
#   cmake/toolchains.sh build-clang-19 -D CMAKE_CXX_COMPILER=clang++-19 -D CMAKE_CXX_STANDARD=23
#
# Unoptimised, since it asks only whether results are right; with -D CMAKE_UNITY_BUILD=ON it takes four minutes of a
# core. MORE_TESTS in the environment names more tests. What was said on the way is in FOLDER/toolchain.log.
set -eu
tests="test_tiny test_xt test_xt_order test_simd test_elementwise test_cells test_gemm test_linear test_user_cell
test_module test_threads ${MORE_TESTS:-}"
source=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$1"
build=$(cd "$1" && pwd)
shift
log=$build/toolchain.log
: >"$log"

# The two words after $1 in the table of the configure step.
said() { sed -n "s/^  $1 *\([^ ]*\)  *\([^ ]*\).*/\1 \2/p" "$build/configure.log"; }
cached() { sed -n "s/^$1:[A-Z]*=//p" "$build/CMakeCache.txt"; }

cmake -S "$source" -B "$build" -G Ninja -D CMAKE_BUILD_TYPE=Debug -D CMAKE_CXX_FLAGS_DEBUG=-O0 -D UNROLL_EXAMPLES=OFF \
  -D UNROLL_BENCH=OFF -D UNROLL_TORCH=OFF -D UNROLL_WERROR=ON "$@" >"$build/configure.log" 2>&1 ||
  { cat "$build/configure.log" >&2; exit 1; }
standard=$(cached CMAKE_CXX_STANDARD)
kind=static
[ "$(cached BUILD_SHARED_LIBS)" = OFF ] || kind=shared
[ -z "$(cached CMAKE_UNITY_BUILD)" ] || kind="$kind, unity build"
without=
for part in oneDNN CBLAS libzip libsndfile; do
  case $(said "$part") in no*) without="$without $part" ;; esac
done
compiler=$(said compiler)

failed=
try() {  # try NAME COMMAND...
  name=$1
  shift
  echo "---- $name" >>"$log"
  "$@" >>"$log" 2>&1 || failed="$failed $name"
}
try library cmake --build "$build" --target unroll unroll_data unroll_extra
for test in $tests; do
  [ "$failed" != " library" ] || break
  try "$test" cmake --build "$build" --target "$test"
  case $failed in *" $test") ;; *) try "$test" "$build/tests/$test" ;; esac
done

users_program() {
  cmake --install "$build" --prefix "$build/installed"
  lib=$build/installed/$(cached CMAKE_INSTALL_LIBDIR)
  PKG_CONFIG_PATH=$lib/pkgconfig:$(cached CMAKE_PREFIX_PATH)/share/pkgconfig:${PKG_CONFIG_PATH:-}
  export PKG_CONFIG_PATH
  # shellcheck disable=SC2046 # flags are words
  "$(cached CMAKE_CXX_COMPILER)" "-std=c++$(echo "${standard:-20}" | sed s/23/2b/)" -O1 -o "$build/users_program" \
    "$source/examples/readme_cell.cpp" $(pkg-config --cflags --libs unroll) &&
    LD_LIBRARY_PATH=$lib "$build/users_program"
}
[ "$failed" = " library" ] || try "user's program" users_program

[ -n "$failed" ] && result="failed:$failed" || result=passed
echo "| $(echo "${compiler#* }" | sed 's/GNU/g++/; s/Clang/clang/') ${compiler% *} | C++${standard:-20} |" \
  "$(said xtensor | cut -d ' ' -f 1) | $(said xsimd | cut -d ' ' -f 1) | $kind | ${without:-none} | $result |"
[ -z "$failed" ]
