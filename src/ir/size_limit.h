// A bound on what is made of a file that cannot be trusted.
#pragma once
#include <cstdint>

namespace varve::ir {

/// While it lives, no node is made on this thread that gives a tensor of more elements: a
/// ShapeError says so before memory is taken.
class SizeLimit {
 public:
  explicit SizeLimit(int64_t elements);
  ~SizeLimit();
  SizeLimit(const SizeLimit&) = delete;
  SizeLimit& operator=(const SizeLimit&) = delete;

 private:
  int64_t before_;
};

}  // namespace varve::ir
