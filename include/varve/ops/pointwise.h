// room: ops
// Elementwise operations. Operands broadcast by NumPy's rules and meet in one type by NumPy's
// promotion, numbers being weak. Functions that are real by nature take integers as f32. An integer
// that an integer type does not hold compares exactly and is refused (ValueError) by arithmetic.
#pragma once
#include "varve/tensor.h"

namespace varve {

Tensor add(const Operand& a, const Operand& b);       ///< a + b
Tensor subtract(const Operand& a, const Operand& b);  ///< a - b
Tensor multiply(const Operand& a, const Operand& b);  ///< a * b
/// a / b. Integers divide as f32; those of 64 bits as f64, as in NumPy.
Tensor divide(const Operand& a, const Operand& b);
/// floor(a / b); integers by zero give 0.
Tensor floor_divide(const Operand& a, const Operand& b);
/// a - floor_divide(a, b) * b, the sign of b; integers by zero give 0.
Tensor remainder(const Operand& a, const Operand& b);
/// a - trunc(a / b) * b, the sign of a (C's fmod and %); integers by zero give 0.
Tensor fmod(const Operand& a, const Operand& b);
Tensor power(const Operand& a, const Operand& b);  ///< a ** b; power(0, 0) = 1
/// The larger; NaN goes through. Where equal, gradients go half to each.
Tensor maximum(const Operand& a, const Operand& b);
Tensor minimum(const Operand& a, const Operand& b);  ///< The smaller; as maximum.
/// log(exp(a) + exp(b)), shifted so that nothing overflows.
Tensor logaddexp(const Operand& a, const Operand& b);
/// Angle of the point (x, y), in (-pi, pi]; types as divide.
Tensor atan2(const Operand& y, const Operand& x);

Tensor equal(const Operand& a, const Operand& b);          ///< a == b, as bool; NaN equals nothing
Tensor not_equal(const Operand& a, const Operand& b);      ///< a != b, as bool; true for NaN
Tensor less(const Operand& a, const Operand& b);           ///< a < b, as bool; false for NaN
Tensor less_equal(const Operand& a, const Operand& b);     ///< a <= b
Tensor greater(const Operand& a, const Operand& b);        ///< a > b
Tensor greater_equal(const Operand& a, const Operand& b);  ///< a >= b
/// Truth of both, as bool; any number other than 0 is true.
Tensor logical_and(const Operand& a, const Operand& b);
Tensor logical_or(const Operand& a, const Operand& b);   ///< one is true
Tensor logical_xor(const Operand& a, const Operand& b);  ///< exactly one is true
Tensor logical_not(const Operand& x);                    ///< x is 0
/// Bit by bit, integers and bools only (DTypeError).
Tensor bitwise_and(const Operand& a, const Operand& b);
Tensor bitwise_or(const Operand& a, const Operand& b);   ///< a | b
Tensor bitwise_xor(const Operand& a, const Operand& b);  ///< a ^ b
Tensor bitwise_not(const Operand& x);                    ///< ~x; of bool: not x
/// Integers only; counts outside 0..width-1 give 0 (right: the sign).
Tensor left_shift(const Operand& a, const Operand& count);
Tensor right_shift(const Operand& a, const Operand& count);  ///< floor(a / 2^count)

/// The operators are the functions: + add, - subtract, * multiply, / divide, % remainder, the
/// comparisons, & | ^ ~ bit by bit, ! logical_not. Not && and ||: these could not be lazy.
Tensor operator+(const Operand& a, const Operand& b);
Tensor operator-(const Operand& a, const Operand& b);
Tensor operator*(const Operand& a, const Operand& b);
Tensor operator/(const Operand& a, const Operand& b);
Tensor operator%(const Operand& a, const Operand& b);
Tensor operator==(const Operand& a, const Operand& b);
Tensor operator!=(const Operand& a, const Operand& b);
Tensor operator<(const Operand& a, const Operand& b);
Tensor operator<=(const Operand& a, const Operand& b);
Tensor operator>(const Operand& a, const Operand& b);
Tensor operator>=(const Operand& a, const Operand& b);
Tensor operator&(const Operand& a, const Operand& b);
Tensor operator|(const Operand& a, const Operand& b);
Tensor operator^(const Operand& a, const Operand& b);
Tensor operator-(const Operand& x);
Tensor operator!(const Operand& x);
Tensor operator!(const Tensor& x);  // beside Tensor's own conversion to bool
Tensor operator~(const Operand& x);

Tensor negative(const Operand& x);    ///< -x; unsigned integers wrap
Tensor abs(const Operand& x);         ///< |x|; derivative 0 at 0
Tensor sign(const Operand& x);        ///< -1, 0 or 1; NaN stays
Tensor square(const Operand& x);      ///< x * x
Tensor reciprocal(const Operand& x);  ///< 1 / x
Tensor sqrt(const Operand& x);        ///< NaN below 0; derivative infinite at 0
Tensor rsqrt(const Operand& x);       ///< 1 / sqrt(x)
Tensor exp(const Operand& x);         ///< e^x
Tensor expm1(const Operand& x);       ///< exp(x) - 1, exact near 0
Tensor log(const Operand& x);         ///< natural logarithm; -inf at 0, NaN below
Tensor log1p(const Operand& x);       ///< log(1 + x), exact near 0
Tensor log2(const Operand& x);        ///< log(x) / log(2)
Tensor sin(const Operand& x);         ///< of an angle in radians
Tensor cos(const Operand& x);         ///< of an angle in radians
Tensor tan(const Operand& x);         ///< sin(x) / cos(x)
Tensor asin(const Operand& x);        ///< in [-pi/2, pi/2]; NaN outside [-1, 1]
Tensor acos(const Operand& x);        ///< in [0, pi]; NaN outside [-1, 1]
Tensor atan(const Operand& x);        ///< in (-pi/2, pi/2)
Tensor sinh(const Operand& x);        ///< (exp(x) - exp(-x)) / 2
Tensor cosh(const Operand& x);        ///< (exp(x) + exp(-x)) / 2
Tensor tanh(const Operand& x);        ///< sinh(x) / cosh(x)
Tensor asinh(const Operand& x);       ///< log(x + sqrt(x^2 + 1))
Tensor acosh(const Operand& x);       ///< log(x + sqrt(x^2 - 1)); NaN below 1
Tensor atanh(const Operand& x);       ///< log((1 + x) / (1 - x)) / 2; NaN outside [-1, 1]
Tensor erf(const Operand& x);         ///< 2/sqrt(pi) * integral of exp(-t^2) over [0, x]
Tensor erfc(const Operand& x);        ///< 1 - erf(x), exact where erf is near 1
Tensor floor(const Operand& x);       ///< largest integer not above x
Tensor ceil(const Operand& x);        ///< least integer not below x
Tensor trunc(const Operand& x);       ///< the integer part
Tensor round(const Operand& x);       ///< halves go to the even neighbour
Tensor is_nan(const Operand& x);      ///< as bool
Tensor is_finite(const Operand& x);   ///< neither NaN nor infinite, as bool
Tensor is_inf(const Operand& x);      ///< plus or minus infinity, as bool

/// a where the condition is true, else b. Gradients flow only through the branch taken.
Tensor where(const Operand& condition, const Operand& a, const Operand& b);
/// minimum(maximum(x, low), high); the gradient is 1 where low <= x <= high.
Tensor clip(const Operand& x, const Operand& low, const Operand& high);
/// Another element type. Floats to integers saturate, NaN gives 0.
Tensor cast(const Operand& x, DType dtype);

/// Activations.
Tensor sigmoid(const Operand& x);      ///< 1 / (1 + exp(-x)), stable on both sides
Tensor log_sigmoid(const Operand& x);  ///< log(sigmoid(x)), stable
Tensor relu(const Operand& x);         ///< max(0, x); derivative 0 at 0 (Nair & Hinton 2010)
Tensor relu6(const Operand& x);        ///< min(max(0, x), 6)
Tensor leaky_relu(const Operand& x, Real negative_slope = 0.01);  ///< x or slope * x (Maas 2013)
Tensor elu(const Operand& x, Real alpha = 1);  ///< x or alpha (exp(x) - 1) (Clevert 2016)
Tensor selu(const Operand& x);                 ///< scaled ELU (Klambauer 2017)
Tensor softplus(const Operand& x);             ///< log(1 + exp(x))
Tensor softsign(const Operand& x);             ///< x / (1 + |x|)
Tensor silu(const Operand& x);                 ///< x sigmoid(x), "swish" with beta 1
Tensor gelu(const Operand& x);                 ///< x Phi(x), exact (Hendrycks & Gimpel 2016)
Tensor gelu_tanh(const Operand& x);            ///< its tanh approximation
Tensor hard_sigmoid(const Operand& x);         ///< clip(x / 6 + 1/2, 0, 1)
Tensor mish(const Operand& x);                 ///< x tanh(softplus(x))

}  // namespace varve
