# Flags that everything shares. Floating point is exact and unfused unless the code says fma:
# promise 1 (the same bits everywhere) starts here.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

add_compile_options(-Wall -Wextra -ffp-contract=off -fno-fast-math)
if(CMAKE_UNITY_BUILD AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-Wno-subobject-linkage>)  # a joined source is no header
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-Wno-psabi>)  # notes on pairs of floats, for callers of GCC 9
endif()
if(TERN_STATIC)
  string(APPEND CMAKE_EXE_LINKER_FLAGS " -static")
  include(CheckLinkerFlag)  # the linker warns of dlopen in libgomp.a, where offloading would need it
  check_linker_flag(CXX -Wl,--no-warnings TERN_LINKER_CAN_BE_QUIET)
  if(TERN_LINKER_CAN_BE_QUIET)
    add_link_options(-Wl,--no-warnings)
  endif()
endif()
if(TERN_SANITIZE)
  add_compile_options(-fsanitize=${TERN_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${TERN_SANITIZE})
  if(TERN_SANITIZE MATCHES undefined)
    add_compile_options(-fno-sanitize-recover=undefined)
  endif()
endif()
