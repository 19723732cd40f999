// Allows or forbids a family of kernels for a while.
#pragma once
#include "varve/numerics.h"

namespace varve {

/// Whether Winograd's kernels may run, put back at the end of its life.
struct WinogradRule {
  explicit WinogradRule(bool allowed) : before(winograd_allowed()) { allow_winograd(allowed); }
  ~WinogradRule() { allow_winograd(before); }
  bool before;
};

}  // namespace varve
