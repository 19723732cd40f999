// Derivatives by differences: what gradcheck holds rules against, and what users ask for.
#pragma once
#include <functional>
#include <vector>

#include "varve/gradcheck.h"

namespace varve::transform {

using Numbers = std::vector<double>;

/// Throws ShapeError in the name of the operation.
void require_results(const char* operation, size_t got, size_t expected);

/// The derivatives of values() by the elements of x, one column of `results` numbers an element
/// (ShapeError where it gives more or fewer). `x` is moved and put back; values() reads it.
/// `dtype`: the type that x is rounded to before it is used.
std::vector<Numbers> difference_columns(const char* operation, Numbers& x, DType dtype,
                                        size_t results, const std::function<Numbers()>& values,
                                        const NumericOptions& options);

}  // namespace varve::transform
