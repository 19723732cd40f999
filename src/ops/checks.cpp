#include "ops/checks.h"

#include "base/math.h"
#include "ops/build.h"
#include "varve/error.h"

namespace varve::ops {

int require_axis(const InferArguments& a, int64_t axis, int rank) {
  if (axis < 0 || axis >= rank) throw IndexError(text_of(a.op.name, axis_range(axis, rank)));
  return static_cast<int>(axis);
}

const ir::Ints& require_axes(const InferArguments& a, std::string_view name) {
  const ir::Ints& axes = a.attributes.ints(name);
  int64_t last = -1;
  for (int64_t axis : axes) {
    if (axis <= last || axis >= a[0].shape.rank()) {
      throw IndexError(text_of(
          a.op.name, std::string(name) + " are not sorted axes of " + a[0].shape.to_string()));
    }
    last = axis;
  }
  return axes;
}

const ir::Ints& require_count(const InferArguments& a, std::string_view name, size_t count) {
  const ir::Ints& list = a.attributes.ints(name);
  if (list.size() != count) {
    throw ShapeError(text_of(a.op.name, std::string(name) + ": expected " + std::to_string(count) +
                                            " numbers, got " + std::to_string(list.size())));
  }
  return list;
}

void require_flags(const InferArguments& a, std::initializer_list<std::string_view> names) {
  for (std::string_view name : names) a.attributes.get<bool>(name);
}

void require_real(const InferArguments& a, std::string_view name) { a.attributes.real(name); }

}  // namespace varve::ops
