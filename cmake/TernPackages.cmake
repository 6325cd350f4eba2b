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
