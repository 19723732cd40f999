# Reads the version from include/varve/version.h into VARVE_VERSION.
file(STRINGS ${CMAKE_CURRENT_LIST_DIR}/../include/varve/version.h line REGEX "kVersion = ")
string(REGEX MATCH "[0-9]+\\.[0-9]+\\.[0-9]+" VARVE_VERSION "${line}")
if(NOT VARVE_VERSION)
  message(FATAL_ERROR "include/varve/version.h: no version found in its line 'kVersion = '")
endif()
