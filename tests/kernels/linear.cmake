set(sources linear_test.cc linear_dispatch_test.cc trit5_test.cc trit_batch_test.cc linear_case.cc)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64" AND NOT TERN_SANITIZE)  # bodies that other kernels have checked
  list(APPEND sources avxvnni_test.cc avxvnni_by_definition.cc)
  set_source_files_properties(avxvnni_by_definition.cc PROPERTIES COMPILE_OPTIONS "-mavx2;-mfma;-mf16c;-mbmi2")
endif()
set_source_files_properties(linear_test.cc trit5_test.cc trit_batch_test.cc linear_case.cc PROPERTIES COMPILE_OPTIONS -O1)  # see elements.cmake
tern_test(linear_kernels
  SOURCES ${sources}
  LINK tern_kernels tern_encoding tern_base)

# The multiplication-free kernels are so in machine code.
find_package(Python3 COMPONENTS Interpreter)
if(Python3_FOUND AND CMAKE_OBJDUMP AND CMAKE_BUILD_TYPE MATCHES "Rel" AND NOT TERN_SANITIZE)
  add_test(NAME no_multiply COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/no_multiply.py
    ${CMAKE_OBJDUMP} $<TARGET_FILE:test_linear_kernels>)
endif()

tern_test(onednn
  SOURCES onednn_test.cc linear_case.cc
  LINK tern_onednn tern_kernels tern_encoding tern_base)
