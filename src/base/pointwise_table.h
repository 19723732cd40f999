// The table of the pointwise functions, for code that builds its own tables from it when compiled.
#pragma once
#include "base/pointwise.h"

namespace varve {

// In the order of the enumeration; the costs were measured with AVX-512 on strips in L1.
inline constexpr PointwiseInfo kPointwiseTable[] = {
    {Pointwise::identity, "identity", 1, PointwiseDomain::any, 1},
    {Pointwise::negative, "negative", 1, PointwiseDomain::any, 1},
    {Pointwise::absolute, "absolute", 1, PointwiseDomain::any, 1},
    {Pointwise::sign, "sign", 1, PointwiseDomain::any, 1},
    {Pointwise::square, "square", 1, PointwiseDomain::any, 1},
    {Pointwise::reciprocal, "reciprocal", 1, PointwiseDomain::floating, 1},
    {Pointwise::sqrt, "sqrt", 1, PointwiseDomain::floating, 2},
    {Pointwise::rsqrt, "rsqrt", 1, PointwiseDomain::floating, 4},
    {Pointwise::exp, "exp", 1, PointwiseDomain::floating, 5},
    {Pointwise::expm1, "expm1", 1, PointwiseDomain::floating, 5},
    {Pointwise::log, "log", 1, PointwiseDomain::floating, 7},
    {Pointwise::log1p, "log1p", 1, PointwiseDomain::floating, 7},
    {Pointwise::log2, "log2", 1, PointwiseDomain::floating, 7},
    {Pointwise::sin, "sin", 1, PointwiseDomain::floating, 6},
    {Pointwise::cos, "cos", 1, PointwiseDomain::floating, 6},
    {Pointwise::tan, "tan", 1, PointwiseDomain::floating, 6},
    {Pointwise::asin, "asin", 1, PointwiseDomain::floating, 7},
    {Pointwise::acos, "acos", 1, PointwiseDomain::floating, 7},
    {Pointwise::atan, "atan", 1, PointwiseDomain::floating, 6},
    {Pointwise::sinh, "sinh", 1, PointwiseDomain::floating, 7},
    {Pointwise::cosh, "cosh", 1, PointwiseDomain::floating, 6},
    {Pointwise::tanh, "tanh", 1, PointwiseDomain::floating, 9},
    {Pointwise::asinh, "asinh", 1, PointwiseDomain::floating, 21},
    {Pointwise::acosh, "acosh", 1, PointwiseDomain::floating, 20},
    {Pointwise::atanh, "atanh", 1, PointwiseDomain::floating, 11},
    {Pointwise::erf, "erf", 1, PointwiseDomain::floating, 14},
    {Pointwise::erfc, "erfc", 1, PointwiseDomain::floating, 95},
    {Pointwise::sigmoid, "sigmoid", 1, PointwiseDomain::floating, 7},
    {Pointwise::log_sigmoid, "log_sigmoid", 1, PointwiseDomain::floating, 19},
    {Pointwise::softplus, "softplus", 1, PointwiseDomain::floating, 19},
    {Pointwise::softsign, "softsign", 1, PointwiseDomain::floating, 2},
    {Pointwise::silu, "silu", 1, PointwiseDomain::floating, 10},
    {Pointwise::gelu, "gelu", 1, PointwiseDomain::floating, 12},
    {Pointwise::relu, "relu", 1, PointwiseDomain::any, 1},
    {Pointwise::floor, "floor", 1, PointwiseDomain::any, 1},
    {Pointwise::ceil, "ceil", 1, PointwiseDomain::any, 1},
    {Pointwise::trunc, "trunc", 1, PointwiseDomain::any, 1},
    {Pointwise::round, "round", 1, PointwiseDomain::any, 1},
    {Pointwise::logical_not, "logical_not", 1, PointwiseDomain::any, 1},
    {Pointwise::is_nan, "is_nan", 1, PointwiseDomain::any, 1},
    {Pointwise::is_finite, "is_finite", 1, PointwiseDomain::any, 1},
    {Pointwise::is_inf, "is_inf", 1, PointwiseDomain::any, 1},
    {Pointwise::bitwise_not, "bitwise_not", 1, PointwiseDomain::integer, 1},
    {Pointwise::add, "add", 2, PointwiseDomain::any, 1},
    {Pointwise::subtract, "subtract", 2, PointwiseDomain::any, 1},
    {Pointwise::multiply, "multiply", 2, PointwiseDomain::any, 1},
    {Pointwise::divide, "divide", 2, PointwiseDomain::any, 2},
    {Pointwise::floor_divide, "floor_divide", 2, PointwiseDomain::any, 85},
    {Pointwise::remainder, "remainder", 2, PointwiseDomain::any, 70},
    {Pointwise::fmod, "fmod", 2, PointwiseDomain::any, 70},
    {Pointwise::power, "power", 2, PointwiseDomain::any, 37},
    {Pointwise::maximum, "maximum", 2, PointwiseDomain::any, 1},
    {Pointwise::minimum, "minimum", 2, PointwiseDomain::any, 1},
    {Pointwise::atan2, "atan2", 2, PointwiseDomain::floating, 10},
    {Pointwise::equal, "equal", 2, PointwiseDomain::any, 1},
    {Pointwise::not_equal, "not_equal", 2, PointwiseDomain::any, 1},
    {Pointwise::less, "less", 2, PointwiseDomain::any, 1},
    {Pointwise::less_equal, "less_equal", 2, PointwiseDomain::any, 1},
    {Pointwise::greater, "greater", 2, PointwiseDomain::any, 1},
    {Pointwise::greater_equal, "greater_equal", 2, PointwiseDomain::any, 1},
    {Pointwise::logical_and, "logical_and", 2, PointwiseDomain::any, 1},
    {Pointwise::logical_or, "logical_or", 2, PointwiseDomain::any, 1},
    {Pointwise::logical_xor, "logical_xor", 2, PointwiseDomain::any, 1},
    {Pointwise::bitwise_and, "bitwise_and", 2, PointwiseDomain::integer, 1},
    {Pointwise::bitwise_or, "bitwise_or", 2, PointwiseDomain::integer, 1},
    {Pointwise::bitwise_xor, "bitwise_xor", 2, PointwiseDomain::integer, 1},
    {Pointwise::left_shift, "left_shift", 2, PointwiseDomain::integer, 1},
    {Pointwise::right_shift, "right_shift", 2, PointwiseDomain::integer, 1},
    {Pointwise::select, "select", 3, PointwiseDomain::any, 1},
    {Pointwise::clip, "clip", 3, PointwiseDomain::any, 2},
};

constexpr bool pointwise_table_in_order() {
  for (int i = 0; i < kPointwiseCount; ++i) {
    if (static_cast<int>(kPointwiseTable[i].function) != i) return false;
  }
  return sizeof(kPointwiseTable) / sizeof(kPointwiseTable[0]) == kPointwiseCount;
}
static_assert(pointwise_table_in_order(), "the table follows the enumeration");

constexpr bool defined_in(PointwiseDomain domain, bool floating) {
  return domain == PointwiseDomain::any || (domain == PointwiseDomain::floating) == floating;
}

}  // namespace varve
