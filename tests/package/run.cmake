# Installs the build into a folder of its own and builds the outside program against it in each way a user may:
# find_package, pkg-config, add_subdirectory. Takes build, work, compiler, config, generator, libdir.
set(outside "${CMAKE_CURRENT_LIST_DIR}")
set(prefix "${work}/prefix")

function(run)
  list(JOIN ARGN " " command)
  message(STATUS "${command}")
  execute_process(COMMAND ${ARGN} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

function(try_project name source)
  set(dir "${work}/${name}")
  run("${CMAKE_COMMAND}" -S "${source}" -B "${dir}" -G "${generator}" "-DCMAKE_CXX_COMPILER=${compiler}" ${ARGN})
  run("${CMAKE_COMMAND}" --build "${dir}" --target outside)
  run("${dir}/outside")
endfunction()

file(REMOVE_RECURSE "${work}")
run("${CMAKE_COMMAND}" --install "${build}" --prefix "${prefix}" --config "${config}")

try_project(find_package "${outside}" "-DCMAKE_PREFIX_PATH=${prefix}" "-DCMAKE_BUILD_TYPE=${config}")

set(ENV{PKG_CONFIG_PATH} "${prefix}/${libdir}/pkgconfig")
set(ENV{LD_LIBRARY_PATH} "${prefix}/${libdir}")
execute_process(COMMAND pkg-config --cflags --libs unroll OUTPUT_VARIABLE flags OUTPUT_STRIP_TRAILING_WHITESPACE
                COMMAND_ERROR_IS_FATAL ANY)
separate_arguments(flags UNIX_COMMAND "${flags}")
run("${compiler}" -std=c++20 "${outside}/main.cpp" -o "${work}/with_pkg_config" ${flags})
run("${work}/with_pkg_config")

# Shared and unoptimised: it is the project files that are tried here, and the library is compiled once more.
try_project(add_subdirectory "${outside}/subdirectory" -DBUILD_SHARED_LIBS=ON -DCMAKE_BUILD_TYPE=Debug
            -DCMAKE_CXX_FLAGS_DEBUG=-O0)
