# What the tests of the examples share. A test is NAME.cmake, run as
#
#     cmake -D program=... -D work=... -D case=... -D source=... -P NAME.cmake
#
# with each of the cases that its line `# cases: ...` names. `work` is a folder of the case's own, `source` the project.

get_filename_component(name "${CMAKE_SCRIPT_MODE_FILE}" NAME_WE)
file(MAKE_DIRECTORY "${work}")
set(log "${work}/${case}.jsonl")

# run(STATUS COMMAND...): sets `out` and `err`.
function(run expected)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE out ERROR_VARIABLE err)
  if(NOT status STREQUAL expected)
    message(FATAL_ERROR "status ${status}, expected ${expected}\n${ARGN}\n${out}\n${err}")
  endif()
  set(out "${out}" PARENT_SCOPE)
  set(err "${err}" PARENT_SCOPE)
endfunction()

# fails(STATUS PATTERN ARGUMENTS...): the program ends with that status and one line that says PATTERN.
function(fails status message)
  run(${status} ${program} ${ARGN})
  if(NOT err MATCHES "^${name}: [^\n]*\n$" OR NOT err MATCHES "${message}")
    message(FATAL_ERROR "${ARGN}: expected one line with '${message}', got\n${err}")
  endif()
endfunction()

# metric(VARIABLE KEY [PATTERN]): KEY of the last line of ${log} with PATTERN, without one of the line that says it is
# the final one.
function(metric variable key)
  set(pattern "\"final\":true")
  if(ARGC GREATER 2)
    set(pattern "${ARGV2}")
  endif()
  file(STRINGS "${log}" lines REGEX "${pattern}")
  list(GET lines -1 line)
  string(JSON value GET "${line}" "${key}")
  set(${variable} "${value}" PARENT_SCOPE)
endfunction()

# expect(CONDITION...): as if() understands it; else the test fails and shows what the program printed last.
macro(expect)
  if(NOT (${ARGN}))
    string(REPLACE ";" " " condition "${ARGN}")
    message(FATAL_ERROR "expected ${condition}\n${out}\n${err}")
  endif()
endmacro()

# picture(FILE): is there and holds more than a kilobyte.
function(picture file)
  file(SIZE "${file}" size)
  if(size LESS 1000)
    message(FATAL_ERROR "${file} has ${size} bytes")
  endif()
endfunction()
