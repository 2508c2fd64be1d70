# Fails if an object of an instruction set (isa, objects) defines a symbol that an object without it may define too,
# an inline function of a common header for one: the linker keeps one of them for everybody, perhaps the one that
# older machines cannot run. Names that carry the instruction set are its own.
set(shared "")
foreach(object IN LISTS objects)
  execute_process(COMMAND ${nm} -C --defined-only "${object}" OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
  string(REPLACE ";" "," symbols "${symbols}")
  string(REGEX MATCHALL "[^\n]+ [WVu] [^\n]+" weak "${symbols}")
  list(FILTER weak EXCLUDE REGEX "${isa}|DW\\.ref\\.")
  list(APPEND shared ${weak})
endforeach()
if(shared)
  list(JOIN shared "\n  " shared)
  message(FATAL_ERROR "compiled for ${isa} under a name that others share:\n  ${shared}")
endif()
