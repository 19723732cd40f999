#include "varve/types.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <ostream>

#include "base/any_batch.h"
#include "base/error.h"
#include "base/math.h"

namespace varve {
namespace {

struct DTypeInfo {
  const char* name;
  int64_t size;
};
constexpr DTypeInfo kInfo[kDTypeCount] = {
    {"bool", 1}, {"u8", 1},  {"i8", 1},  {"u16", 2},  {"i16", 2}, {"u32", 4}, {"i32", 4},
    {"u64", 8},  {"i64", 8}, {"f16", 2}, {"bf16", 2}, {"f32", 4}, {"f64", 8}};

}  // namespace

int64_t size_of(DType dtype) { return kInfo[static_cast<int>(dtype)].size; }

std::ostream& operator<<(std::ostream& stream, DType dtype) { return stream << name_of(dtype); }
const char* name_of(DType dtype) { return kInfo[static_cast<int>(dtype)].name; }

DType parse_dtype(std::string_view name) {
  std::vector<std::string> names;
  for (int i = 0; i < kDTypeCount; ++i) {
    if (name == kInfo[i].name) return static_cast<DType>(i);
    names.push_back(kInfo[i].name);
  }
  throw ValueError("dtype \"" + escaped(name) + "\" is unknown", did_you_mean(name, names));
}

DType promote(DType a, DType b) {
  if (a == b) return a;
  if (a > b) std::swap(a, b);
  if (a == DType::bool_) return b;
  if (is_floating(b)) {
    if (is_floating(a)) return a == DType::f16 && b == DType::bf16 ? DType::f32 : b;
    if (b != DType::f16 && b != DType::bf16) return b == DType::f32 && size_of(a) >= 4 ? f64 : b;
    // As NumPy: half precision holds 8-bit integers; wider ones ask for wider floats.
    return size_of(a) == 1 ? b : size_of(a) == 2 ? DType::f32 : DType::f64;
  }
  if (is_signed(a) == is_signed(b)) return size_of(a) > size_of(b) ? a : b;
  DType sign = is_signed(a) ? a : b, unsign = is_signed(a) ? b : a;
  if (size_of(sign) > size_of(unsign)) return sign;
  switch (size_of(unsign)) {
    case 1:
      return DType::i16;
    case 2:
      return DType::i32;
    case 4:
      return DType::i64;
    default:
      return DType::f64;
  }
}

Float16::Float16(float v) {
  const uint32_t x = std::bit_cast<uint32_t>(v);
  const uint32_t sign = (x >> 16) & 0x8000u, mantissa = x & 0x7fffffu;
  const int exponent = static_cast<int>((x >> 23) & 0xff);
  if (exponent == 0xff) {
    bits = static_cast<uint16_t>(sign | 0x7c00u | (mantissa ? 0x200u | (mantissa >> 13) : 0u));
    return;
  }
  const int e = exponent - 127 + 15;
  if (e >= 31) {
    bits = static_cast<uint16_t>(sign | 0x7c00u);
  } else if (e >= -10) {
    const uint32_t full = mantissa | (exponent ? 0x800000u : 0u);
    const int shift = e > 0 ? 13 : 14 - e;
    uint32_t half = e > 0 ? (static_cast<uint32_t>(e - 1) << 10) + (full >> 13) : full >> shift;
    const uint32_t rest = full & ((1u << shift) - 1u), middle = 1u << (shift - 1);
    if (rest > middle || (rest == middle && (half & 1u))) ++half;
    bits = static_cast<uint16_t>(sign | half);
  } else {
    bits = static_cast<uint16_t>(sign);
  }
}

Float16::operator float() const {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
  const uint32_t exponent = (bits >> 10) & 31u, mantissa = bits & 0x3ffu;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | (mantissa << 13));
  if (exponent == 0) {
    const float v = std::ldexp(static_cast<float>(mantissa), -24);
    return sign ? -v : v;
  }
  return std::bit_cast<float>(sign | ((exponent + 112u) << 23) | (mantissa << 13));
}

BFloat16::BFloat16(float v) {
  uint32_t x = std::bit_cast<uint32_t>(v);
  if (std::isnan(v)) {
    bits = static_cast<uint16_t>((x >> 16) | 0x40u);  // stays a NaN when the low bits go
  } else {
    bits = static_cast<uint16_t>((x + 0x7fffu + ((x >> 16) & 1u)) >> 16);
  }
}

BFloat16::operator float() const { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

Shape::Shape(std::initializer_list<Dim> dims) : dims_(dims.begin(), dims.end()) {}

int64_t Shape::operator[](int axis) const {
  const int r = rank(), i = axis < 0 ? axis + r : axis;
  if (i < 0 || i >= r) throw IndexError("shape " + to_string() + ": " + axis_range(axis, r));
  return dims_[static_cast<size_t>(i)];
}

int64_t Shape::size() const {
  int64_t n = 1;
  for (int64_t d : dims_) {
    if (d == 0) return 0;
  }
  for (int64_t d : dims_) {
    if (!checked_multiply(n, d, n)) {
      throw ShapeError("shape " + to_string() + ": element count passes 2^63");
    }
  }
  return n;
}

std::string Shape::to_string() const {
  std::string s = "[";
  for (size_t i = 0; i < dims_.size(); ++i) {
    const int64_t batches = batches_in(dims_[i]);
    if (i) s += ", ";
    if (batches > 1) s += std::to_string(batches) + "*";
    s += batches ? "batch" : std::to_string(dims_[i]);
  }
  return s + "]";
}

std::string axis_range(int64_t axis, int rank) {
  std::string s = "axis " + std::to_string(axis) + " out of range for rank " + std::to_string(rank);
  return rank == 0 ? s : s + " (" + std::to_string(-rank) + ".." + std::to_string(rank - 1) + ")";
}

}  // namespace varve
