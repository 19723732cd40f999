// Derivatives by differences: what gradcheck holds rules against, and what users ask for.
#pragma once
#include <functional>
#include <vector>

#include "varve/gradcheck.h"

namespace varve::transform {

using Numbers = std::vector<double>;

/// The derivatives of eval() by the elements of x, one column of results an element. `x` is moved
/// and put back; eval reads it. `dtype`: the type that x is rounded to before it is used.
std::vector<Numbers> difference_columns(Numbers& x, DType dtype,
                                        const std::function<Numbers()>& eval,
                                        const NumericOptions& options);

}  // namespace varve::transform
