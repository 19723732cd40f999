// Data sets that do not come with Varve.
#pragma once
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

namespace varve::test {

/// The folder that $VARVE_DATA names; empty where it names none. One that is not there is said so,
/// once, and the tests that need it are left out.
inline std::string further_data() {
  const char* given = std::getenv("VARVE_DATA");
  if (!given || !*given) return {};
  static const bool there = [&] {
    std::error_code error;
    if (std::filesystem::is_directory(given, error)) return true;
    std::fprintf(stderr, "VARVE_DATA=%s: there is no such folder\n", given);
    return false;
  }();
  return there ? given : "";
}

}  // namespace varve::test
