# Linear kernels: per encoding one reference and one small file per ISA, compiled with that ISA's flags alone.
target_sources(tern_kernels PRIVATE
  dispatch/lists.cc dispatch/select.cc
  limits/limits.cc
  dispatch/self_check.cc dispatch/self_check_linear.cc dispatch/self_check_elements.cc
  linear/trit/trit_reference.cc linear/phase/phase_reference.cc linear/int/int_reference.cc
  linear/dense/dense_reference.cc linear/vector/vector_reference.cc)
set_source_files_properties(dispatch/lists.cc PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
if(TERN_SANITIZE)  # unrolled and instrumented in full, a file takes minutes
  set(unrolled -O1 -fno-sanitize=undefined)
  target_compile_options(tern_kernels PRIVATE -O1)
else()
  set(unrolled)
  target_compile_options(tern_kernels PRIVATE $<$<NOT:$<CONFIG:Debug>>:-O3>)
endif()

# GCC reorders the inner loops so that accumulators and codes spill; these passes are the ones at fault.
set(keep_order $<$<CXX_COMPILER_ID:GNU>:-fno-tree-ter> $<$<CXX_COMPILER_ID:GNU>:-fno-tree-reassoc>
  $<$<CXX_COMPILER_ID:GNU>:-fno-gcse>)

# tern_linear_isa("flags" ISA encodings...): linear/<encoding>/<encoding>_<ISA>.cc
function(tern_linear_isa flags isa)
  foreach(encoding ${ARGN})
    set(file linear/${encoding}/${encoding}_${isa}.cc)
    set(scalar)
    if(encoding STREQUAL vector)  # GCC would join sums of scalar look-ups to vectors, value by value
      set(scalar -fno-tree-slp-vectorize)
    endif()
    target_sources(tern_kernels PRIVATE ${file})
    set_source_files_properties(${file} PROPERTIES COMPILE_OPTIONS "${keep_order};${unrolled};${scalar};${flags}")
  endforeach()
endfunction()

if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(avx2 -mavx2 -mfma -mf16c -mbmi2)
  # GCC 12 calls the undefined operands of its own avx512fintrin.h uninitialized (bug 105593).
  set(avx512 ${avx2} -mavx512f -mavx512bw -mavx512dq -mavx512vl -Wno-uninitialized
    $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  if(TERN_SANITIZE)  # kernels that this machine cannot run need no checks; threads share AVX2's rows as they do these
    file(STRINGS /proc/cpuinfo avx512_here REGEX avx512bw LIMIT_COUNT 1)
    if(TERN_SANITIZE STREQUAL thread OR NOT avx512_here)
      list(APPEND avx512 -O0 -fno-sanitize=all)
    endif()
  endif()
  tern_linear_isa("${avx2}" avx2 trit int dense phase vector)
  tern_linear_isa("${avx2};-mavxvnni" avxvnni trit int phase vector)
  tern_linear_isa("${avx512}" avx512 trit int dense phase vector)
  tern_linear_isa("${avx512};-mavx512vnni" avx512vnni trit int phase vector)
  tern_linear_isa("${avx512};-mavx512vbmi" avx512vbmi trit vector)
  tern_linear_isa("${avx512};-mavx512vnni;-mavx512vbmi" avx512vnnivbmi trit vector)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  tern_linear_isa("" neon trit int dense phase vector)
  tern_linear_isa("-march=armv8.2-a+dotprod" dotprod trit int phase vector)
  tern_linear_isa("-march=armv8.2-a+dotprod+i8mm" i8mm trit int phase vector)
endif()
