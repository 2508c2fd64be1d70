# Fails unless the program made of docs/guide.md prints what the guide says that it does.
file(READ "${expected}" text)
execute_process(COMMAND "${program}" WORKING_DIRECTORY "${work}" OUTPUT_VARIABLE out ERROR_VARIABLE err
                RESULT_VARIABLE status)
if(NOT status STREQUAL "0" OR NOT out STREQUAL text)
  message(FATAL_ERROR "status ${status} ${err}\n--- it prints\n${out}\n--- docs/guide.md says\n${text}")
endif()
