# The few words that the folders' CMakeLists share.

# cmpirun_library(NAME LINK libs...): the static library of this folder, from
# every .c file here that is not a main (foo_main.c).
function(cmpirun_library name)
  cmake_parse_arguments(ARG "" "" "LINK;EXCLUDE" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.c)
  list(FILTER sources EXCLUDE REGEX "_main\\.c$")
  foreach(file ${ARG_EXCLUDE})
    list(REMOVE_ITEM sources ${CMAKE_CURRENT_SOURCE_DIR}/${file})
  endforeach()
  if(NOT sources)
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE ${ARG_LINK})
    return()
  endif()
  add_library(${name} STATIC ${sources})
  target_link_libraries(${name} PUBLIC ${ARG_LINK})
endfunction()

# cmpirun_unit_tests(FOLDER LINK libs...): every tests/unit/FOLDER/*_test.c
# becomes a cmocka program of its own.
function(cmpirun_unit_tests folder)
  cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
  file(GLOB tests CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/unit/${folder}/*_test.c)
  foreach(source ${tests})
    get_filename_component(base ${source} NAME_WE)
    set(target unit_${folder}_${base})
    add_executable(${target} ${source})
    target_link_libraries(${target} PRIVATE ${ARG_LINK} PkgConfig::CMOCKA)
    target_compile_definitions(${target} PRIVATE
      TEST_SOURCE_DIR="${PROJECT_SOURCE_DIR}/tests" TEST_BINARY_DIR="${PROJECT_BINARY_DIR}")
    add_test(NAME unit/${folder}/${base} COMMAND ${target})
    set_tests_properties(unit/${folder}/${base} PROPERTIES TIMEOUT 120
      ENVIRONMENT LSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/lsan.supp)
  endforeach()
endfunction()

# cmpirun_fuzz_targets(FOLDER LINK libs...): every tests/fuzz/FOLDER/*_fuzz.c
# becomes a libFuzzer program; its corpus is the folder of the same name.
function(cmpirun_fuzz_targets folder)
  cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
  file(GLOB targets CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/fuzz/${folder}/*_fuzz.c)
  foreach(source ${targets})
    get_filename_component(base ${source} NAME_WE)
    set(target fuzz_${folder}_${base})
    add_executable(${target} ${source})
    target_link_libraries(${target} PRIVATE ${ARG_LINK})
    target_link_options(${target} PRIVATE -fsanitize=fuzzer)
  endforeach()
endfunction()
