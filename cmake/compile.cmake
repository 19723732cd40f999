# How every room, program and test is compiled: the target varve_flags.
find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
include(CheckPIESupported)
check_pie_supported()

add_library(varve_flags INTERFACE)
# -ffp-contract=off: the same source gives the same bits in the reference kernels whatever
# instruction set the compiler is allowed.
target_compile_options(varve_flags INTERFACE -Wall -Wextra -Wpedantic -ffp-contract=off)
# GCC 12 warns of overlap inside its own std::string operator+ (GCC bug 105651).
target_compile_options(varve_flags INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)
if(VARVE_WERROR)
  target_compile_options(varve_flags INTERFACE -Werror)
endif()
target_include_directories(varve_flags INTERFACE
  ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
target_link_libraries(varve_flags INTERFACE OpenMP::OpenMP_CXX)

# Where a check failed is told relative to the source tree, and no binary holds a path of its builder.
# (The second form is what a path looks like once the compiler cache has made it relative.)
file(RELATIVE_PATH source_from_build ${CMAKE_BINARY_DIR} ${PROJECT_SOURCE_DIR})
string(REGEX REPLACE "/$" "" source_from_build "${source_from_build}")
target_compile_options(varve_flags INTERFACE
  -ffile-prefix-map=${PROJECT_SOURCE_DIR}/= -ffile-prefix-map=${source_from_build}/=)

if(VARVE_SANITIZE)
  # -O1: without it the kernels of the suite take many times as long; -g1: lines, no variables.
  set(CMAKE_CXX_FLAGS_DEBUG "-O1")
  target_compile_definitions(varve_flags INTERFACE _GLIBCXX_ASSERTIONS)
  target_compile_options(varve_flags INTERFACE
    -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -g1
    # Here GCC 12 gives this warning falsely for <regex> and others (GCC bug 105562); the plain build
    # has it.
    -Wno-maybe-uninitialized)
  target_link_options(varve_flags INTERFACE -fsanitize=address,undefined)
else()
  # Hardening that costs nothing measurable: stack canaries, checked libc calls, read-only relocations.
  target_compile_options(varve_flags INTERFACE -fstack-protector-strong
    $<$<CONFIG:Release,RelWithDebInfo>:-U_FORTIFY_SOURCE$<SEMICOLON>-D_FORTIFY_SOURCE=2>)
  target_link_options(varve_flags INTERFACE LINKER:-z,relro,-z,now)
endif()
