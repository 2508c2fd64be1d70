# Fails if an object of an instruction set (isa, objects) defines a function that an object without it may define too,
# an inline function of a common header for one: the linker keeps one of them for everybody, perhaps the one that
# older machines cannot run. Names that carry the instruction set are its own. With `only`, a namespace, no other
# functions are looked at; of its classes neither constructors, destructors nor assignments, which the compiler writes,
# nor the virtual function of Error, which the library's tables of functions name, too.
set(shared "")
foreach(object IN LISTS objects)
  execute_process(COMMAND ${nm} --defined-only "${object}" OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCHALL "[^\n]+ [WVu] [^\n]+" weak "${symbols}")
  list(FILTER weak EXCLUDE REGEX "${isa}|DW\\.ref\\.")
  if(only)
    string(LENGTH "${only}" length)
    list(FILTER weak INCLUDE REGEX " W _Z(Z?NK?|L|Z)*${length}${only}")
    list(FILTER weak EXCLUDE REGEX "${length}${only}(4test|8examples)|[CD][0-3][EI]|aSE[OR]|5Error4whatEv")
  endif()
  list(APPEND shared ${weak})
endforeach()
if(shared)
  list(REMOVE_DUPLICATES shared)
  list(JOIN shared "\n  " shared)
  message(FATAL_ERROR "compiled for ${isa} under a name that others share:\n  ${shared}")
endif()
