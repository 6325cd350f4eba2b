# The libraries that every room may name. In a cross build fmt and xxHash are compiled in from their
# headers, so that boards need no arm64 copy of them.
find_package(OpenMP REQUIRED COMPONENTS CXX)
find_package(PkgConfig REQUIRED)
find_package(nlohmann_json REQUIRED)
if(CMAKE_CROSSCOMPILING)
  add_library(fmt::fmt INTERFACE IMPORTED)
  target_compile_definitions(fmt::fmt INTERFACE FMT_HEADER_ONLY=1)
  add_library(PkgConfig::xxhash INTERFACE IMPORTED)
  target_compile_definitions(PkgConfig::xxhash INTERFACE XXH_INLINE_ALL=)
else()
  find_package(fmt REQUIRED)
  pkg_check_modules(xxhash REQUIRED IMPORTED_TARGET libxxhash)
endif()
