# The libraries that every room may name. Static builds compile fmt and xxHash in from their headers: there is no
# static libfmt, and a cross build has no copy for its target.
if(TERN_STATIC)
  set(CMAKE_FIND_LIBRARY_SUFFIXES .a)  # the linker would take libgomp.so without a word and leave its calls null
endif()
find_package(OpenMP REQUIRED COMPONENTS CXX)
find_package(PkgConfig REQUIRED)
find_package(nlohmann_json REQUIRED)
if(TERN_STATIC)
  add_library(tern_fmt STATIC cmake/fmt_static.cc)
  add_library(fmt::fmt INTERFACE IMPORTED)
  target_link_libraries(fmt::fmt INTERFACE tern_fmt)
  add_library(PkgConfig::xxhash INTERFACE IMPORTED)
  target_compile_definitions(PkgConfig::xxhash INTERFACE XXH_INLINE_ALL=)
else()
  find_package(fmt REQUIRED)
  pkg_check_modules(xxhash REQUIRED IMPORTED_TARGET libxxhash)
endif()
if(TERN_TEXT)
  set(tern_text_modules sentencepiece libpcre2-8 libutf8proc)  # pkg-config's names
  set(tern_text_libraries)
  foreach(module ${tern_text_modules})
    pkg_check_modules(${module} REQUIRED IMPORTED_TARGET ${module})
    list(APPEND tern_text_libraries PkgConfig::${module})
  endforeach()
endif()
# Line editing in tern chat; without it lines are read as they are.
if(TERN_TEXT AND NOT TERN_STATIC AND NOT CMAKE_CROSSCOMPILING)
  pkg_check_modules(libedit IMPORTED_TARGET libedit)
endif()
# --dense onednn and a baseline in benches. The package brings GCC's OpenMP: its threads are those of our teams only where
# our own code has the same.
if(TERN_ONEDNN AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND NOT TERN_STATIC AND NOT CMAKE_CROSSCOMPILING)
  find_path(TERN_ONEDNN_INCLUDE oneapi/dnnl/dnnl.h)
  find_library(TERN_ONEDNN_LIBRARY dnnl)
  if(TERN_ONEDNN_INCLUDE AND TERN_ONEDNN_LIBRARY)
    add_library(onednn::onednn UNKNOWN IMPORTED)
    set_target_properties(onednn::onednn PROPERTIES
      IMPORTED_LOCATION ${TERN_ONEDNN_LIBRARY} INTERFACE_INCLUDE_DIRECTORIES ${TERN_ONEDNN_INCLUDE})
  endif()
endif()
