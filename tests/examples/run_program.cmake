# What the tests of the examples share. A test is NAME.cmake, run as
#
#     cmake -D program=... -D work=... -D case=... -D source=... -P NAME.cmake
#
# with each of the cases that its line `# cases: ...` names. `work` is a folder of the case's own, `source` the project.

get_filename_component(name "${CMAKE_SCRIPT_MODE_FILE}" NAME_WE)
file(MAKE_DIRECTORY "${work}")
set(log "${work}/${case}.jsonl")

# needs(TOOL): sets a variable of its name to where that program is. Where there is none, the rest of the test is
# skipped.
macro(needs tool)
  find_program(${tool} ${tool})
  if(NOT ${tool})
    message(STATUS "no ${tool}: skipped")
    return()
  endif()
endmacro()

# run(STATUS COMMAND...): sets `out` and `err`.
function(run expected)
  execute_process(COMMAND ${ARGN} ${typing} RESULT_VARIABLE status OUTPUT_VARIABLE out ERROR_VARIABLE err)
  if(NOT status STREQUAL expected)
    message(FATAL_ERROR "status ${status}, expected ${expected}\n${ARGN}\n${out}\n${err}")
  endif()
  set(out "${out}" PARENT_SCOPE)
  set(err "${err}" PARENT_SCOPE)
endfunction()

# run_typing(TEXT STATUS COMMAND...): the same, while TEXT is typed.
function(run_typing text expected)
  file(WRITE "${work}/typed" "${text}")
  set(typing INPUT_FILE "${work}/typed")
  run(${expected} ${ARGN})
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

# common_mistakes(ARGUMENTS...): those that all programs refuse, beside arguments that are right.
function(common_mistakes)
  fails(1 "cannot be written" ${ARGN} --metrics "${work}/missing/log")
  fails(1 "must end in .svg or .png" ${ARGN} --plot "${work}/picture.gif")
  fails(2 "--bogus" --bogus)
  run(0 ${program} --help)
  set(help "${out}")
  if(help MATCHES "--threads ")
    set(ENV{UNROLL_NUM_THREADS} "two")
    run(0 ${program} --help)
    fails(1 "UNROLL_NUM_THREADS. 'two'; expected a whole number" ${ARGN})
    unset(ENV{UNROLL_NUM_THREADS})
  endif()
  if(help MATCHES "--cell ")
    fails(2 "--cell: foo" --cell foo)
  endif()
  if(help MATCHES "--resume ")
    fails(2 "--lr: got 'nan'" --lr nan)
    fails(2 "--resume requires --save" --resume)
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

# same_again(KEYS COMMAND...): the command ends well, and in the same KEYS (a list) of ${log} as the run before it.
function(same_again keys)
  foreach(key IN LISTS keys)
    metric(${key}_before ${key})
  endforeach()
  run(0 ${ARGN})
  foreach(key IN LISTS keys)
    metric(${key}_again ${key})
    expect(${key}_again STREQUAL ${key}_before)
  endforeach()
  set(out "${out}" PARENT_SCOPE)
  set(err "${err}" PARENT_SCOPE)
endfunction()

# same_file(FILE FILE): byte by byte.
function(same_file first second)
  file(SHA256 "${first}" one)
  file(SHA256 "${second}" other)
  if(NOT one STREQUAL other)
    message(FATAL_ERROR "${first} and ${second} differ")
  endif()
endfunction()

# picture(FILE): is there and holds more than a kilobyte.
function(picture file)
  file(SIZE "${file}" size)
  if(size LESS 1000)
    message(FATAL_ERROR "${file} has ${size} bytes")
  endif()
endfunction()

# end_training(MILLISECONDS SIGNAL ARGUMENTS...): runs the program for so long. Sets `status`, `out` and `err`.
macro(end_training milliseconds signal)
  execute_process(COMMAND ${timeout} --foreground --preserve-status -s ${signal} ${milliseconds}e-3 ${program} ${ARGN}
                  RESULT_VARIABLE status OUTPUT_VARIABLE out ERROR_VARIABLE err)
endmacro()

# leave_unfinished(MODEL SIGNAL COUNT ARGUMENTS...): a training of MODEL that SIGNAL ended when there were COUNT
# checkpoints or more. When that is depends on the machine and on what else it does, so moments are tried out; the test
# fails when none is found. Sets `checkpoints` to the files and `delay` to the milliseconds. Needs timeout.
function(leave_unfinished model signal count)
  set(delay 100)
  foreach(try RANGE 1 20)
    file(GLOB old "${model}*")
    file(REMOVE "${model}" ${old})
    end_training(${delay} ${signal} ${ARGN} --save "${model}" --resume)
    file(GLOB checkpoints "${model}.run-*.safetensors")
    list(LENGTH checkpoints found)
    if(NOT found LESS count)
      set(checkpoints "${checkpoints}" PARENT_SCOPE)
      set(delay "${delay}" PARENT_SCOPE)
      return()
    elseif(status STREQUAL 0 AND NOT out MATCHES "interrupted after")
      math(EXPR delay "${delay} * 5 / 6")  # it was over
    else()
      math(EXPR delay "${delay} * 8 / 5")
    endif()
  endforeach()
  message(FATAL_ERROR "no moment found at which ${signal} leaves ${count} checkpoints:\n${ARGN}\n${out}\n${err}")
endfunction()

# resumes([KILLED] [TIMES 1] [FIGURES KEY...] ARGUMENTS ... [OTHER ...]): a training with ARGUMENTS that is ended by
# Ctrl-C, or else by a kill, up to TIMES over, and resumed gives the same model, to the bit, and the same FIGURES of
# ${log} as one that is left alone. Without --resume it is not written over; OTHER arguments, of the same training with
# other data, are refused.
function(resumes)
  needs(timeout)
  cmake_parse_arguments(PARSE_ARGV 0 the "KILLED" "TIMES" "FIGURES;ARGUMENTS;OTHER")
  set(signal INT)
  if(the_KILLED)
    set(signal KILL)
  endif()
  set(ended "${work}/ended.safetensors")
  set(whole "${work}/whole.safetensors")
  file(GLOB old "${whole}*")
  file(REMOVE "${whole}" ${old})
  leave_unfinished("${ended}" ${signal} 1 ${the_ARGUMENTS})
  fails(1 "is of an unfinished training: --resume goes on with it" ${the_ARGUMENTS} --save "${ended}")
  if(the_OTHER)
    fails(1 "is of a training with other data" ${the_OTHER} --save "${ended}" --resume)
  endif()
  while(the_TIMES GREATER 1 AND checkpoints)
    end_training(${delay} ${signal} ${the_ARGUMENTS} --save "${ended}" --resume)
    file(GLOB checkpoints "${ended}.run-*.safetensors")
    math(EXPR the_TIMES "${the_TIMES} - 1")
  endwhile()
  if(checkpoints)
    run(0 ${program} ${the_ARGUMENTS} --save "${ended}" --resume)
    expect(err MATCHES "going on from ")
    same_again("${the_FIGURES}" ${program} ${the_ARGUMENTS} --save "${whole}")
  else()  # over before the last signal came
    run(0 ${program} ${the_ARGUMENTS} --save "${whole}")
  endif()
  same_file("${ended}" "${whole}")
  file(GLOB left "${ended}.run-*")
  expect(NOT left)
endfunction()
