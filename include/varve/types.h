// room: base
// Sizes and element types: Dim, Real, Extents, Shape, DType.
#pragma once
#include <array>
#include <compare>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace varve {

/// Any integer type but bool and char: what sizes are given by.
template <class T>
concept Integer = std::integral<T> && !std::same_as<T, bool> && !std::same_as<T, char>;
/// Any number: what tensors are combined with.
template <class T>
concept Number = std::integral<T> || std::floating_point<T>;

/// A size or count given by any integer type (no bool, no char), without narrowing complaints.
struct Dim {
  int64_t value = 0;
  constexpr Dim() = default;
  constexpr Dim(Integer auto v) : value(static_cast<int64_t>(v)) {}
  constexpr operator int64_t() const { return value; }
};

/// A double that takes an integer too.
struct Real {
  double value = 0;
  constexpr Real() = default;
  constexpr Real(Number auto v) : value(static_cast<double>(v)) {}
  constexpr operator double() const { return value; }
};

/// What options hold for a number.
template <class T>
concept OptionNumber = std::same_as<T, Dim> || std::same_as<T, Real>;
/// The plain number that one of them makes with another.
template <OptionNumber A, OptionNumber B>
using NumberOf = std::common_type_t<decltype(A::value), decltype(B::value)>;
/// They combine as the plain numbers they hold, though with a tensor they make a tensor.
template <OptionNumber A, OptionNumber B>
constexpr auto operator+(A a, B b) {
  return NumberOf<A, B>(a.value) + NumberOf<A, B>(b.value);
}
template <OptionNumber A, OptionNumber B>
constexpr auto operator-(A a, B b) {
  return NumberOf<A, B>(a.value) - NumberOf<A, B>(b.value);
}
template <OptionNumber A, OptionNumber B>
constexpr auto operator*(A a, B b) {
  return NumberOf<A, B>(a.value) * NumberOf<A, B>(b.value);
}
template <OptionNumber A, OptionNumber B>
constexpr auto operator/(A a, B b) {
  return NumberOf<A, B>(a.value) / NumberOf<A, B>(b.value);
}
template <OptionNumber A, OptionNumber B>
constexpr auto operator%(A a, B b) {
  return NumberOf<A, B>(a.value) % NumberOf<A, B>(b.value);
}
template <OptionNumber A, OptionNumber B>
constexpr bool operator==(A a, B b) {
  return NumberOf<A, B>(a.value) == NumberOf<A, B>(b.value);
}
template <OptionNumber A, OptionNumber B>
constexpr auto operator<=>(A a, B b) {
  return NumberOf<A, B>(a.value) <=> NumberOf<A, B>(b.value);
}
constexpr auto operator-(OptionNumber auto x) { return -x.value; }
constexpr bool operator!(OptionNumber auto x) { return !x.value; }

/// N sizes: `3` means all of them, `{3, 5}` (N = 2) or `{3, 5, 7}` (N = 3) one each. Default: 0.
template <int N>
struct Extents {
  std::array<int64_t, N> v{};
  constexpr Extents() = default;
  constexpr Extents(Integer auto all) { v.fill(static_cast<int64_t>(all)); }
  constexpr Extents(Dim a, Dim b) requires(N == 2) : v{a, b} {}
  constexpr Extents(Dim a, Dim b, Dim c) requires(N == 3) : v{a, b, c} {}
  constexpr int64_t operator[](int i) const { return v[static_cast<size_t>(i)]; }
  std::vector<int64_t> list() const { return {v.begin(), v.end()}; }  ///< one an axis
  bool operator==(const Extents&) const = default;
};

/// The element type of a tensor.
enum class DType : uint8_t { bool_, u8, i8, u16, i16, u32, i32, u64, i64, f16, bf16, f32, f64 };
inline constexpr DType u8 = DType::u8, i8 = DType::i8, u16 = DType::u16, i16 = DType::i16,
                       u32 = DType::u32, i32 = DType::i32, u64 = DType::u64, i64 = DType::i64,
                       f16 = DType::f16, bf16 = DType::bf16, f32 = DType::f32, f64 = DType::f64;
inline constexpr int kDTypeCount = 13;

/// Bytes of one element.
int64_t size_of(DType dtype);
/// "bool", "u8" ... "f64".
const char* name_of(DType dtype);
/// The inverse of name_of. Throws ValueError with the list of names.
DType parse_dtype(std::string_view name);
/// f16, bf16, f32 and f64.
constexpr bool is_floating(DType d) { return d >= DType::f16; }
constexpr bool is_integer(DType d) { return d > DType::bool_ && d < DType::f16; }  ///< u8 ... i64
/// Types that hold negative numbers.
constexpr bool is_signed(DType d) {
  return is_floating(d) || d == DType::i8 || d == DType::i16 || d == DType::i32 || d == DType::i64;
}
/// NumPy's promotion of two strong types; f16 with bf16 gives f32. Weak scalars are settled before.
DType promote(DType a, DType b);

/// IEEE half precision, storage only: converts to and from float (round to nearest even).
struct Float16 {
  uint16_t bits = 0;
  Float16() = default;
  explicit Float16(float v);
  operator float() const;
};
/// The upper half of a float: 8 exponent bits, 7 mantissa bits (round to nearest even).
struct BFloat16 {
  uint16_t bits = 0;
  BFloat16() = default;
  explicit BFloat16(float v);
  operator float() const;
};

/// The element type that stands for a C++ type.
template <class T>
struct DTypeOf;  // defined for the 13 element types only
template <>
struct DTypeOf<bool> {
  static constexpr DType value = DType::bool_;
};
template <>
struct DTypeOf<uint8_t> {
  static constexpr DType value = DType::u8;
};
template <>
struct DTypeOf<int8_t> {
  static constexpr DType value = DType::i8;
};
template <>
struct DTypeOf<uint16_t> {
  static constexpr DType value = DType::u16;
};
template <>
struct DTypeOf<int16_t> {
  static constexpr DType value = DType::i16;
};
template <>
struct DTypeOf<uint32_t> {
  static constexpr DType value = DType::u32;
};
template <>
struct DTypeOf<int32_t> {
  static constexpr DType value = DType::i32;
};
template <>
struct DTypeOf<uint64_t> {
  static constexpr DType value = DType::u64;
};
template <>
struct DTypeOf<int64_t> {
  static constexpr DType value = DType::i64;
};
template <>
struct DTypeOf<Float16> {
  static constexpr DType value = DType::f16;
};
template <>
struct DTypeOf<BFloat16> {
  static constexpr DType value = DType::bf16;
};
template <>
struct DTypeOf<float> {
  static constexpr DType value = DType::f32;
};
template <>
struct DTypeOf<double> {
  static constexpr DType value = DType::f64;
};
/// The C++ types of elements: bool, the fixed-width integers, Float16, BFloat16, float, double.
template <class T>
concept Element = requires {
  DTypeOf<T>::value;
};
/// dtype_of<float> is f32.
template <Element T>
inline constexpr DType dtype_of = DTypeOf<T>::value;

/// The sizes of a tensor's axes, outermost first; `{}` is a scalar. A size of -1 is meaningful only
/// where an operation says so (reshape).
class Shape {
 public:
  Shape() = default;
  Shape(std::initializer_list<Dim> dims);
  explicit Shape(std::vector<int64_t> dims) : dims_(std::move(dims)) {}

  int rank() const { return static_cast<int>(dims_.size()); }  ///< how many axes
  /// The size of an axis; negative axes count from the end. Throws IndexError.
  int64_t operator[](int axis) const;
  /// Product of all sizes. Throws ShapeError where it passes 2^63.
  int64_t size() const;
  const std::vector<int64_t>& dims() const { return dims_; }  ///< all sizes
  auto begin() const { return dims_.begin(); }
  auto end() const { return dims_.end(); }
  /// "[2, 3]".
  std::string to_string() const;
  bool operator==(const Shape&) const = default;

 private:
  std::vector<int64_t> dims_;
};

/// What has a text form: a Tensor, a Shape, a Layer, a GradcheckReport.
template <class T>
concept Printable = requires(const T& x) {
  { x.to_string() } -> std::same_as<std::string>;
};
/// Writes the text form: `std::cout << x.shape() << x`.
template <Printable T>
std::ostream& operator<<(std::ostream& stream, const T& x) {
  return stream << x.to_string();
}
/// Writes the name: `std::cout << x.dtype()`.
std::ostream& operator<<(std::ostream& stream, DType dtype);

}  // namespace varve
