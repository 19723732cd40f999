// A function that a user calls, for errors of what it was given.
#pragma once
#include <string>

#include "base/error.h"
#include "ops/build.h"

namespace varve::ops {

struct Call {
  const char* name;
  Where where;

  std::string at() const { return where.to_string(); }
  [[noreturn]] void shape_error(const std::string& what) const {
    throw ShapeError(text_of(name, what), "", at());
  }
  [[noreturn]] void value_error(const std::string& what) const {
    throw ValueError(text_of(name, what), "", at());
  }
};

}  // namespace varve::ops
