// Counter-based random numbers: pure functions of a key.
#include "varve/ops/random.h"

#include <atomic>
#include <cmath>
#include <limits>
#include <numbers>

#include "base/error.h"
#include "base/integers.h"
#include "base/philox.h"
#include "ops/build.h"
#include "varve/ops/pointwise.h"

namespace varve::ops {
namespace {

void require_key(const InferArguments& a) {
  if (a[0] != TensorType{u64, Shape{2}}) {
    throw ShapeError(text_of(a.op.name, "key: expected u64[2], got " + a[0].to_string()));
  }
}

Types fold_in_type(const InferArguments& a) {
  require_key(a);
  if (a[1] != TensorType{u64, Shape{}}) {
    throw ShapeError(text_of(a.op.name, "number: expected u64[], got " + a[1].to_string()));
  }
  return {a[0]};
}

Types bits_type(const InferArguments& a) {
  require_key(a);
  return {{u32, Shape(a.attributes.ints("shape"))}};
}

Types unit_type(const InferArguments& a) {
  require_key(a);
  const DType d = a.attributes.get<DType>("dtype");
  if (!is_floating(d)) {
    throw DTypeError(
        text_of(a.op.name, std::string("expected a floating type, got ") + name_of(d)));
  }
  return {{d, Shape(a.attributes.ints("shape"))}};
}

Types permutation_type(const InferArguments& a) {
  require_key(a);
  return {{i64, Shape{a.attributes.integer("n")}}};
}

ir::OpDef row(const char* name, const char* doc, Types (*infer)(const InferArguments&)) {
  return {.name = name,
          .doc = doc,
          .min_inputs = 1,
          .max_inputs = 1,
          .infer = infer,
          .derivative = ir::NotDifferentiable{"random bits are integers by nature"},
          .traits = {.random = true}};
}

}  // namespace

std::span<const ir::OpDef> random_rows() {
  static const std::vector<ir::OpDef> rows = {
      {.name = "fold_in",
       .doc = "A new key from a key and a u64 number: Philox4x32-10 of the number under the key "
              "(Salmon et al. 2011).",
       .min_inputs = 2,
       .max_inputs = 2,
       .infer = fold_in_type,
       .derivative = ir::NotDifferentiable{"keys are integers"}},
      row("random_bits",
          "32 random bits an element (u32) of attribute shape: element i, in row-major order, is "
          "word i of the key's stream.",
          bits_type),
      row("random_unit",
          "Uniform in [0, 1) of attributes shape and dtype: f32 the upper 24 of the 32 bits of "
          "random_bits, f16 the upper 11, bf16 the upper 8; f64 53 bits of words 2 i and 2 i + 1.",
          unit_type),
      row("random_permutation",
          "0 ... n - 1 (attribute n) in random order, i64[n]: each order equally likely.",
          permutation_type),
  };
  return rows;
}

}  // namespace varve::ops

namespace varve {

Key::Key(uint64_t seed, uint64_t stream) : bits_(varve::tensor({seed, stream})) {}

Key::Key(const Tensor& bits) : bits_(bits) {
  if (bits.dtype() != u64 || bits.shape() != Shape{2}) {
    throw ShapeError("Key: expected u64[2], got " + ir::type_of(bits).to_string());
  }
}

Key Key::fold_in(uint64_t number) const {
  return Key(ops::make("fold_in", {bits_, varve::tensor({number}, Shape{})}));
}

Key Key::fold_in(std::string_view name) const {
  uint64_t h = 0xcbf29ce484222325;  // FNV-1a, 64 bits
  for (char c : name) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return fold_in(h);
}

namespace random {
namespace {

std::atomic<uint64_t> root{0}, count{0};

Shape checked(const char* operation, const Shape& shape) {
  for (int64_t n : shape) {
    if (n < 0) {
      throw ShapeError(std::string(operation) + ": shape " + shape.to_string() +
                       ": sizes must not be negative");
    }
  }
  shape.size();  // throws where the count passes 2^63
  return shape;
}

Tensor unit(const char* operation, const Key& key, const Shape& shape, DType dtype) {
  if (!is_floating(dtype)) {
    throw DTypeError(std::string(operation) + ": expected a floating type, got " + name_of(dtype));
  }
  return ops::make("random_unit", {key.bits()},
                   {{"shape", checked(operation, shape).dims()}, {"dtype", dtype}});
}

/// The largest half below v.
template <class Half>
double half_below(double v) {
  Half h(static_cast<float>(v));
  if (static_cast<double>(h) < v) return h;
  if (static_cast<float>(h) == 0) {
    h.bits = 0x8001;
  } else {
    h.bits = static_cast<uint16_t>(h.bits + (h.bits & 0x8000 ? 1 : -1));
  }
  return h;
}

/// The largest number of the type below v.
double below(double v, DType dtype) {
  if (dtype == f64) return std::nextafter(v, -INFINITY);
  if (dtype == f16) return half_below<Float16>(v);
  if (dtype == bf16) return half_below<BFloat16>(v);
  const float f = static_cast<float>(v);
  return f < v ? f : std::nextafter(f, -INFINITY);
}

/// The largest finite number of a floating type.
double largest(DType dtype) {
  if (dtype == f16) return 65504;
  if (dtype == bf16) return 0x1.fep127;
  return dtype == f32 ? std::numeric_limits<float>::max() : std::numeric_limits<double>::max();
}

void require_deviation(const char* operation, const NormalOptions& o) {
  if (!(o.standard_deviation >= 0)) {
    throw ValueError(std::string(operation) + ": standard_deviation: expected at least 0, got " +
                     std::to_string(o.standard_deviation.value));
  }
}

Tensor scaled(const Tensor& standard, const NormalOptions& o) {
  Tensor x = o.standard_deviation == 1 ? standard : standard * o.standard_deviation.value;
  return o.mean == 0 ? x : x + o.mean.value;
}

/// The inverse of erf on |x| < 0.99: the central polynomial of Giles (2010), "Approximating the
/// erfinv function", to 1e-7 relative; f64 is finished by Newton's method.
Tensor central_inverse_erf(const Tensor& x) {
  constexpr double kPolynomial[] = {2.81022636e-08,  3.43273939e-07, -3.5233877e-06,
                                    -4.39150654e-06, 0.00021858087,  -0.00125372503,
                                    -0.00417768164,  0.246640727,    1.50140941};
  const Tensor w = -log((1 - x) * (1 + x)) - 2.5;
  Tensor p = ops::full_like(x, kPolynomial[0]);
  for (size_t i = 1; i < std::size(kPolynomial); ++i) p = p * w + kPolynomial[i];
  Tensor y = p * x;
  if (x.dtype() != f64) return y;
  constexpr double kHalfSqrtPi = 0.5 / std::numbers::inv_sqrtpi;
  for (int step = 0; step < 2; ++step) y = y - (erf(y) - x) * kHalfSqrtPi * exp(square(y));
  return y;
}

/// Box and Muller and inverse functions need the range of f32 at least.
DType wide(DType dtype) { return dtype == f64 ? f64 : f32; }

}  // namespace

void seed(uint64_t value) {
  root = value;
  count = 0;
}

Key key() {
  // A stream of its own, so that Key(s) of a user's own never equals a key of the root s.
  constexpr uint64_t kRootStream = ~uint64_t{0};
  const auto [s, stream] = philox::fold(root, kRootStream, count++);
  return Key(s, stream);
}

Tensor bits(const Key& key, const Shape& shape) {
  return ops::make("random_bits", {key.bits()}, {{"shape", checked("random::bits", shape).dims()}});
}

Tensor uniform(const Key& key, const Shape& shape, const UniformOptions& o) {
  const double low = o.low, high = o.high;
  const Tensor u = unit("random::uniform", key, shape, o.dtype);
  const double most = largest(o.dtype);
  if (!(low <= high) || !(-most <= low) || !(high <= most)) {
    throw ValueError("random::uniform: expected low <= high, both finite in " +
                     std::string(name_of(o.dtype)) + ", got " + std::to_string(low) + " and " +
                     std::to_string(high));
  }
  if (low == 0 && high == 1) return u;
  if (low == high) return ops::full_like(u, low);
  // A width that the type does not hold: no part of this sum passes the ends.
  if (high - low > most) return minimum(low * (1 - u) + high * u, below(high, o.dtype));
  // The sum may round up to high itself.
  return minimum(low + (high - low) * u, below(high, o.dtype));
}

Tensor normal(const Key& key, const Shape& shape, const NormalOptions& o) {
  require_deviation("random::normal", o);
  if (!is_floating(o.dtype)) unit("random::normal", key, shape, o.dtype);  // throws
  const DType d = wide(o.dtype);
  const Tensor u = unit("random::normal", key.fold_in(0), shape, d);
  const Tensor v = unit("random::normal", key.fold_in(1), shape, d);
  const Tensor x = sqrt(-2 * log(1 - u)) * cos(2 * std::numbers::pi * v);
  return cast(scaled(x, o), o.dtype);
}

Tensor truncated_normal(const Key& key, const Shape& shape, const NormalOptions& o) {
  require_deviation("random::truncated_normal", o);
  if (!is_floating(o.dtype)) unit("random::truncated_normal", key, shape, o.dtype);  // throws
  const Tensor u = unit("random::truncated_normal", key, shape, wide(o.dtype));
  // erf(2 / sqrt(2)): the share of the numbers within two standard deviations.
  constexpr double kWithinTwo = 0.95449973610364158560;
  const Tensor x = std::numbers::sqrt2 * central_inverse_erf(kWithinTwo * (2 * u - 1));
  return cast(scaled(clip(x, -2, 2), o), o.dtype);
}

Tensor bernoulli(const Key& key, const Operand& p, const Shape& shape) {
  const DType d = p.dtype() == f64 && p.is_tensor() ? f64 : f32;
  const Tensor u = unit("random::bernoulli", key, shape, d);
  const Tensor limit = cast(Operand(p.as(d), p.where()), d);
  if (ops::broadcast_shapes("random::bernoulli", shape, limit.shape()) != shape) {
    throw ShapeError("random::bernoulli: p of shape " + limit.shape().to_string() +
                         " does not broadcast to " + shape.to_string(),
                     "", p.where().to_string());
  }
  return u < limit;
}

Tensor integers(const Key& key, int64_t low, int64_t high, const Shape& shape, DType dtype) {
  constexpr int64_t kMost = int64_t{1} << 31;
  int64_t range = 0;
  if (low >= high || __builtin_sub_overflow(high, low, &range) || range > kMost) {
    throw ValueError("random::integers: expected low < high <= low + 2^31, got " +
                     std::to_string(low) + " and " + std::to_string(high));
  }
  if (!is_integer(dtype)) {
    throw DTypeError(std::string("random::integers: expected an integer type, got ") +
                     name_of(dtype));
  }
  const IntegerRange held = range_of(dtype);
  if (!held.holds(low) || !held.holds(high - 1)) {
    throw ValueError("random::integers: " + std::to_string(low) + ".." + std::to_string(high - 1) +
                     " are not all of " + name_of(dtype));
  }
  // The upper half of bits * range (Lemire 2019): uniform but for range / 2^32.
  const Tensor wide = cast(bits(key, shape), u64) * range;
  return cast(cast(right_shift(wide, 32), i64) + low, dtype);
}

Tensor permutation(const Key& key, Dim n) {
  if (n < 0) {
    throw ValueError("random::permutation: n: expected at least 0, got " + std::to_string(n));
  }
  return ops::make("random_permutation", {key.bits()}, {{"n", n.value}});
}

}  // namespace random
}  // namespace varve
