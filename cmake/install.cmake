# cmake --install: headers, library, program, and the files by which find_package and pkg-config find
# them. Nothing here holds an absolute path of the build.
include(CMakePackageConfigHelpers)
set(config_dir ${CMAKE_INSTALL_LIBDIR}/cmake/varve)

install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/varve DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS varve EXPORT varve_targets)
if(TARGET varve_app)
  # Strips the program whether or not --strip was given: its symbols serve no one.
  install(CODE "set(CMAKE_INSTALL_DO_STRIP TRUE)")
  install(TARGETS varve_app)
endif()
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

install(EXPORT varve_targets FILE varveTargets.cmake NAMESPACE varve:: DESTINATION ${config_dir})
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/varveConfig.cmake.in varveConfig.cmake
  INSTALL_DESTINATION ${config_dir})
write_basic_package_version_file(varveConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/varveConfig.cmake ${PROJECT_BINARY_DIR}/varveConfigVersion.cmake
  DESTINATION ${config_dir})

# A static varve leaves its libraries to whoever links it, so they stand in the public fields: plain
# `pkg-config --libs varve` then works. (--static would also drag in what those libraries need when
# they are static themselves, such as a Fortran compiler's run time.)
set(needed_libraries "-ldnnl ${OpenMP_CXX_FLAGS}")
if(BUILD_SHARED_LIBS)
  set(private ".private")
  set(library_fields "Libs: -L\${libdir} -lvarve\nLibs.private: ${needed_libraries}")
else()
  set(private "")
  set(library_fields "Libs: -L\${libdir} -lvarve ${needed_libraries}")
endif()
file(RELATIVE_PATH prefix_from_pc
  ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" prefix_from_pc "${prefix_from_pc}")
configure_file(${PROJECT_SOURCE_DIR}/cmake/varve.pc.in varve.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/varve.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
