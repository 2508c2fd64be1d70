# Builds and runs the outside program in the way a user may. Takes way, build, work, compiler, config, generator,
# libdir. The way `installed` installs the build into a folder of its own and goes through find_package and through
# pkg-config; the way `subdirectory` goes through add_subdirectory, which compiles the library once more: unoptimised,
# as it is the project files that are tried, shared, as everything else here is static, and without JSON, zip and sound
# files, which unroll::unroll does not need.
set(outside "${CMAKE_CURRENT_LIST_DIR}")
set(prefix "${work}/prefix")

function(run)
  list(JOIN ARGN " " command)
  message(STATUS "${command}")
  execute_process(COMMAND ${ARGN} WORKING_DIRECTORY "${work}" COMMAND_ERROR_IS_FATAL ANY)
endfunction()

function(try_project name source)
  set(dir "${work}/${name}")
  run("${CMAKE_COMMAND}" -S "${source}" -B "${dir}" -G "${generator}" "-DCMAKE_CXX_COMPILER=${compiler}" ${ARGN})
  run("${CMAKE_COMMAND}" --build "${dir}" --target outside)
  run("${dir}/outside")
endfunction()

file(REMOVE_RECURSE "${work}")
file(MAKE_DIRECTORY "${work}")
if(way STREQUAL "subdirectory")
  try_project(add_subdirectory "${outside}/subdirectory" -DBUILD_SHARED_LIBS=ON -DCMAKE_BUILD_TYPE=Debug
              -DCMAKE_CXX_FLAGS_DEBUG=-O0 -DUNROLL_COMPILER_KNOWS_AVX2=OFF -DUNROLL_COMPILER_KNOWS_AVX512=OFF
              -DCMAKE_DISABLE_FIND_PACKAGE_nlohmann_json=ON -DUNROLL_ZIP=OFF -DUNROLL_SNDFILE=OFF)
  return()
endif()

run("${CMAKE_COMMAND}" --install "${build}" --prefix "${prefix}" --config "${config}")
try_project(find_package "${outside}" "-DCMAKE_PREFIX_PATH=${prefix}" "-DCMAKE_BUILD_TYPE=${config}")
file(STRINGS "${work}/find_package/targets" targets)
if(targets MATCHES "zip|sndfile|data|extra|json")
  message(FATAL_ERROR "unroll::unroll brings along more than it needs: ${targets}")
endif()
file(STRINGS "${work}/find_package/flags" flags)
if(NOT flags MATCHES "-march=native")
  message(FATAL_ERROR "users' code is not compiled for this machine: ${flags}")
endif()
try_project(find_package_baseline "${outside}" "-DCMAKE_PREFIX_PATH=${prefix}" -DUNROLL_NATIVE=OFF)
file(STRINGS "${work}/find_package_baseline/flags" flags)
if(flags MATCHES "-march=native")
  message(FATAL_ERROR "UNROLL_NATIVE=OFF is not heeded: ${flags}")
endif()

try_project(find_package_components "${outside}" "-DCMAKE_PREFIX_PATH=${prefix}" "-DCOMPONENTS=data extra")

set(ENV{PKG_CONFIG_PATH} "${prefix}/${libdir}/pkgconfig")
set(ENV{LD_LIBRARY_PATH} "${prefix}/${libdir}")  # for a shared library
function(try_pkg_config program)
  execute_process(COMMAND pkg-config --cflags --libs ${ARGN} OUTPUT_VARIABLE flags OUTPUT_STRIP_TRAILING_WHITESPACE
                  COMMAND_ERROR_IS_FATAL ANY)
  separate_arguments(flags UNIX_COMMAND "${flags}")
  run("${compiler}" -std=c++20 "${outside}/${program}.cpp" -o "${work}/${program}_with_pkg_config" ${flags})
  run("${work}/${program}_with_pkg_config")
  if(program STREQUAL "main" AND "${flags}" MATCHES "zip|sndfile|json")
    message(FATAL_ERROR "unroll::unroll brings along more than it needs: ${flags}")
  endif()
endfunction()
try_pkg_config(main unroll)
try_pkg_config(components unroll-data unroll-extra)
