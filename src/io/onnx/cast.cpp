// Changing element types, those that Varve does not compute in included.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <string_view>
#include <type_traits>

#include "base/error.h"
#include "io/onnx/helpers.h"
#include "ir/dispatch.h"
#include "varve/custom_op.h"
#include "varve/ops/pointwise.h"

namespace varve::io::onnx {
namespace {

using formats::onnx::held_as;

bool is_small_float(Type t) { return formats::onnx::minifloat_of(t) != nullptr; }

// Whether a decimal number, known to lie outside of f64's range, lies above it: its first digit
// that is not 0 stands for a positive power of ten.
bool above_range(std::string_view digits) {
  const size_t e = std::min(digits.find('e'), digits.size());
  const size_t point = std::min(digits.find('.'), e), first = digits.find_first_of("123456789");
  int64_t exponent = 0;
  if (e < digits.size()) {
    const std::string_view power = digits.substr(e + (digits[e + 1] == '+' ? 2 : 1));
    const auto [end, error] = std::from_chars(power.begin(), power.end(), exponent);
    if (error != std::errc()) return power[0] != '-';
  }
  return exponent + static_cast<int64_t>(point) - static_cast<int64_t>(first) > 0;
}

// A '+' that from_chars would not take.
std::string_view without_plus(std::string_view text) {
  const bool plus = text.size() > 1 && text[0] == '+' && text[1] != '-';
  return text.substr(plus ? 1 : 0);
}

// "+INF", "nan", "3.14", "1e-5"; other texts are refused. What f64 cannot hold is infinite, or 0.
double parse_number(const Call& c, const std::string& text) {
  std::string lower;
  for (const char ch : without_plus(text))
    lower += static_cast<char>(std::tolower(static_cast<unsigned char>(ch)));
  if (lower == "inf") return INFINITY;
  if (lower == "-inf") return -INFINITY;
  if (lower == "nan") return NAN;
  double value = 0;
  const char* last = lower.data() + lower.size();
  const auto [end, error] = std::from_chars(lower.data(), last, value);
  const bool outside = error == std::errc::result_out_of_range;
  if (end != last || (error != std::errc() && !outside)) {
    c.fail("\"" + escaped(text) + "\" is no number");
  }
  if (!outside) return value;
  return std::copysign(above_range(lower) ? INFINITY : 0., lower[0] == '-' ? -1. : 1.);
}

// Digits as they are, with all their bits; "2.9" and "1e3" cut off to whole numbers. What the type
// does not hold is refused, as NumPy does: infinities, NaN, 300 for u8.
template <class T>
T parse_integer(const Call& c, const std::string& text, DType type) {
  const std::string_view digits = without_plus(text);
  T value = 0;
  const auto [end, error] = std::from_chars(digits.begin(), digits.end(), value);
  if (error == std::errc() && end == digits.end()) return value;
  const double number = std::trunc(parse_number(c, text));
  // The number behind the greatest is a power of two, and so exact.
  const double least = static_cast<double>(std::numeric_limits<T>::min()),
               behind = std::ldexp(1., std::numeric_limits<T>::digits);
  if (!(number >= least && number < behind)) {
    c.fail("\"" + escaped(text) + "\" is no number of " + varve::name_of(type));
  }
  return static_cast<T>(number);
}

Tensor numbers_of(const Call& c, const Strings& s, DType to) {
  if (is_integer(to)) {
    return ir::dispatch(to, [&]<class T>(T) -> Tensor {
      if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
        std::vector<T> out;
        for (const std::string& t : s.elements) out.push_back(parse_integer<T>(c, t, to));
        return varve::tensor(out, s.shape);
      }
      return {};
    });
  }
  std::vector<double> out;
  for (const std::string& t : s.elements) out.push_back(parse_number(c, t));
  return as(varve::tensor(out, s.shape), to);
}

// The shortest digits that read back as the same number of its type; the standard says no more.
// As NumPy an exponent stands where they would be many, below 1e-4 and from 1e16 on; as in ONNX
// Runtime whole numbers have no point.
template <class T>
std::string number_text(T value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-INF" : "INF";
  const T size = std::abs(value);
  const bool plain = size == 0 || (size >= T(1e-4) && size < T(1e16));
  char text[64];
  const auto end = std::to_chars(text, text + sizeof(text), value,
                                 plain ? std::chars_format::fixed : std::chars_format::scientific)
                       .ptr;
  return {text, end};
}

Strings texts_of(const Call& c, const Value& v) {
  c.require_known(v, "the text of numbers");
  Strings out{v.tensor.shape(), {}};
  const Tensor& t = v.tensor;
  if (t.dtype() == DType::bool_) {
    for (const bool b : t.span<bool>()) out.elements.push_back(b ? "True" : "False");
  } else if (t.dtype() == f64) {
    for (const double x : t.span<double>()) out.elements.push_back(number_text(x));
  } else if (t.dtype() == u64) {
    for (const uint64_t x : t.span<uint64_t>()) out.elements.push_back(std::to_string(x));
  } else if (is_floating(t.dtype())) {
    const Tensor wide = as(t, f32);
    for (const float x : wide.span<float>()) out.elements.push_back(number_text(x));
  } else {
    const Tensor wide = as(t, i64);
    for (const int64_t x : wide.span<int64_t>()) out.elements.push_back(std::to_string(x));
  }
  return out;
}

// Integers of 2 and 4 bits keep the lowest bits, as wider ones do; floats are cut off first.
Tensor to_small_integer(const Tensor& x, formats::onnx::SmallRange range, DType held) {
  const Tensor whole = is_floating(x.dtype()) ? cast(trunc(x), i32) : as(x, i32);
  const int count = range.high - range.low + 1;
  Tensor low = bitwise_and(whole, count - 1);
  if (range.low < 0) low = where(greater(low, range.high), subtract(low, count), low);
  return as(low, held);
}

MiniRound round_mode(const Call& c) {
  const std::string mode = c.text("round_mode", "up");
  if (mode == "up") return MiniRound::up;
  if (mode == "down") return MiniRound::down;
  if (mode == "nearest") return MiniRound::nearest;
  c.fail("attribute round_mode: expected \"up\", \"down\" or \"nearest\"");
}

Values cast_(Call& c) {
  const Type to = c.type_attribute("to", Type::undefined);
  return {cast_value(c, c.value(0), to,
                     {.saturate = c.integer("saturate", 1) != 0, .round = round_mode(c)})};
}

Values cast_like(Call& c) {
  return {cast_value(c, c.value(0), c.type(1),
                     {.saturate = c.integer("saturate", 1) != 0, .round = round_mode(c)})};
}

constexpr Row kRows[] = {
    {"Cast", 6, cast_},
    {"CastLike", 15, cast_like},
};

}  // namespace

Tensor round_to(const Tensor& x, Type type, CastRules rules) {
  const MiniFloat& format = *formats::onnx::minifloat_of(type);
  const auto op = custom_op({
      .name = std::string("round_to_") + formats::onnx::name_of(type),
      .infer = [](const std::vector<TensorSpec>& in) { return in; },
      .forward =
          [&format, rules](const std::vector<Elements>& in, const std::vector<Elements>& out) {
            const auto from = in[0].span<float>(), to = out[0].span<float>();
            for (size_t i = 0; i < from.size(); ++i) {
              to[i] = decode(format, encode(format, from[i], rules.saturate, rules.round));
            }
          },
      .vjp = [](const Tensors&, const Tensors&, const Tensors& cotangents) { return cotangents; },
  });
  return op({as(x, f32)}).only();
}

Value cast_value(const Call& c, const Value& v, Type to, CastRules rules) {
  if (formats::onnx::is_complex(to)) c.unsupported("complex numbers are not cast");
  if (v.kind == Value::Kind::strings) {
    if (to == Type::string) return v;
    const Tensor t = numbers_of(c, *v.strings, is_small_float(to) ? f32 : held_as(to));
    if (is_small_float(to)) return {round_to(t, to, rules), to};
    return {t, to};
  }
  if (v.kind != Value::Kind::tensor) c.fail("expected a tensor");
  if (to == Type::string) return Value(texts_of(c, v));
  if (v.type == to) return v;
  if (is_small_float(to)) return {round_to(v.tensor, to, rules), to};
  if (const auto range = formats::onnx::small_range(to)) {
    return {to_small_integer(v.tensor, *range, held_as(to)), to};
  }
  return {as(v.tensor, held_as(to)), to};
}

std::span<const Row> cast_rows() { return kRows; }

}  // namespace varve::io::onnx
