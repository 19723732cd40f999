// Counts what is allocated while somebody asks, by whom: Varve's own code or a library below it.
#pragma once
#include <string>

namespace varve::test {

struct Allocations {
  int own = 0;         ///< by this program's code, the standard library called from it included
  int libraries = 0;   ///< within oneDNN, OpenMP and others
  std::string places;  ///< return addresses of own ones, relative to the program
};

/// Whether allocations can be seen in this build (not under a sanitizer).
bool allocations_visible();
/// Starts counting, in all threads.
void begin_counting();
Allocations end_counting();

}  // namespace varve::test
