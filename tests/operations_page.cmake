# Fails unless docs/operations.md names every operation that a user can call, and no other.
#
# Operations: the functions in namespace unroll (not in a nested one) that the headers directly in ops/, nn/sequence.hpp
# and core/from_blob.hpp declare, and those of core that are listed below. A function is a lower-case name, or an
# operator's, directly before a "(" when comments, strings, preprocessor lines and everything in braces are gone; the
# first argument of a macro UNROLL_...(name at namespace level is one as well. On the page it is a name before a "(" in
# the first column of a table; an operator, `a + b` or `a += b` there.
cmake_minimum_required(VERSION 3.25)
set(of_core input zeros full use stop_gradient join)
set(no_functions requires static_assert decltype noexcept alignas alignof sizeof defined)

# Appends to `result` the functions that a header declares.
function(declared_functions header result)
  file(READ "${header}" text)
  string(REPLACE "\\\n" " " text "\n${text}")
  string(REGEX REPLACE "'[\"{}]'" "" text "${text}")
  string(REGEX REPLACE "\"[^\"\n]*\"" "" text "${text}")
  string(REGEX REPLACE "//[^\n]*" "" text "${text}")
  string(REGEX REPLACE "\n *#[^\n]*" "\n" text "${text}")
  string(REGEX REPLACE "\nnamespace unroll {" "\n" text "${text}")
  set(before "")
  while(NOT text STREQUAL before)  # the innermost braces first: namespace detail, classes, bodies
    set(before "${text}")
    string(REGEX REPLACE "{[^{}]*}" " " text "${text}")
  endwhile()
  string(REGEX MATCHALL "[ &*>\n](operator[^ (a-z]+|[a-z][a-z0-9_]*)\\(|\n *UNROLL_[A-Z_]+\\([a-z][a-z0-9_]*" names "${text}")
  list(TRANSFORM names REPLACE "\n *UNROLL_[A-Z_]+\\(" "")
  list(TRANSFORM names REPLACE "^[ &*>\n]|\\($" "")
  list(REMOVE_ITEM names ${no_functions})
  set(${result} ${${result}} ${names} PARENT_SCOPE)
endfunction()

file(GLOB op_headers "${source}/ops/*.hpp")
set(errors "")
foreach(header IN LISTS op_headers ITEMS "${source}/nn/sequence.hpp" "${source}/core/from_blob.hpp")
  declared_functions("${header}" operations)
endforeach()
list(APPEND operations ${of_core})
list(REMOVE_DUPLICATES operations)
list(LENGTH operations count)
if(count LESS 90)
  message(FATAL_ERROR "${count} operations found in the headers; expected at least 90: the pattern no longer fits them")
endif()

file(GLOB_RECURSE headers "${source}/core/*.hpp" "${source}/ops/*.hpp" "${source}/nn/*.hpp")
foreach(header IN LISTS headers)
  declared_functions("${header}" known)
endforeach()

file(READ "${source}/docs/operations.md" page)
string(REGEX MATCHALL "\n\\| `[^|\n]*" cells "${page}")  # of each row of a table the first column
string(REGEX MATCHALL "[a-z][a-z0-9_]*(<[A-Za-z]+>)?\\(" named "${cells}")
list(TRANSFORM named REPLACE "(<[A-Za-z]+>)?\\($" "")
list(REMOVE_DUPLICATES named)

foreach(name IN LISTS operations)
  if(name MATCHES "^operator(.+)$")
    string(FIND "${cells}" "`a ${CMAKE_MATCH_1} b`" found)
  else()
    list(FIND named "${name}" found)
  endif()
  if(found EQUAL -1)
    string(APPEND errors "\n  ${name} is declared, and not on the page")
  endif()
endforeach()
foreach(name IN LISTS named)
  if(NOT name IN_LIST known)
    string(APPEND errors "\n  ${name} is on the page, and no header of core, ops or nn declares it")
  endif()
endforeach()
if(errors)
  message(FATAL_ERROR "docs/operations.md does not fit the headers:${errors}")
endif()
