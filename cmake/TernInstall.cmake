# cmake --install: the tern command, the library with its headers, and what find_package(tern) and pkg-config read.
include(CMakePackageConfigHelpers)

install(TARGETS tern RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS tern_library EXPORT tern-targets
  ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/tern DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h" PATTERN "*.hpp")

set(tern_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/tern)
install(EXPORT tern-targets NAMESPACE tern:: DESTINATION ${tern_package_dir})
configure_package_config_file(cmake/tern-config.cmake.in tern-config.cmake INSTALL_DESTINATION ${tern_package_dir})
write_basic_package_version_file(tern-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/tern-config.cmake ${PROJECT_BINARY_DIR}/tern-config-version.cmake
  DESTINATION ${tern_package_dir})

# What a static libtern.a needs from its user; a shared one brings it along.
set(tern_pc_requires "fmt, libxxhash")
if(TERN_TEXT)
  list(JOIN tern_text_modules ", " tern_pc_text)
  string(APPEND tern_pc_requires ", ${tern_pc_text}")
endif()
set(tern_pc_libs -lstdc++ -lm)
foreach(library ${OpenMP_CXX_LIB_NAMES})
  list(APPEND tern_pc_libs -l${library})
endforeach()
list(JOIN tern_pc_libs " " tern_pc_libs)
file(RELATIVE_PATH tern_pc_up /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)  # "../../": the tree may be moved
configure_file(cmake/tern.pc.in tern.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/tern.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
