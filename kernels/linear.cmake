# Linear kernels: per encoding one reference and one small file per ISA, compiled with that ISA's flags alone.
target_sources(tern_kernels PRIVATE
  dispatch/linear.cc
  linear/trit/trit_reference.cc linear/int8/int8_reference.cc linear/dense/dense_reference.cc)

function(tern_linear_isa flags)
  target_sources(tern_kernels PRIVATE ${ARGN})
  set_source_files_properties(${ARGN} PROPERTIES COMPILE_OPTIONS "${flags}")
endfunction()

if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(avx2 -mavx2 -mfma -mf16c -mbmi2)
  tern_linear_isa("${avx2}" linear/trit/trit_avx2.cc linear/int8/int8_avx2.cc linear/dense/dense_avx2.cc)
endif()
target_compile_options(tern_kernels PRIVATE $<$<NOT:$<CONFIG:Debug>>:-O3>)
