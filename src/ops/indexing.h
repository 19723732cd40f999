// Attributes of gathers and scatters.
#pragma once
#include "ops/shape.h"

namespace varve::ops {

/// form: "take", "along" or "nd" (axis 0); negative: indices -n..-1 count from the end.
Attributes gather_form(const char* form, int64_t axis, bool negative = true);

}  // namespace varve::ops
