#include <array>

#include "base/error.h"
#include "formats/onnx.h"

namespace varve::formats::onnx {
namespace {

struct Row {
  const char* name;
  DType held;
  int bits;
  const MiniFloat* small_float;
};

// By number; strings and `undefined` are never held.
constexpr std::array<Row, kTypeCount> kRows{{{"undefined", f32, 0, nullptr},
                                             {"float32", f32, 32, nullptr},
                                             {"uint8", u8, 8, nullptr},
                                             {"int8", i8, 8, nullptr},
                                             {"uint16", u16, 16, nullptr},
                                             {"int16", i16, 16, nullptr},
                                             {"int32", i32, 32, nullptr},
                                             {"int64", i64, 64, nullptr},
                                             {"string", u8, 0, nullptr},
                                             {"bool", DType::bool_, 8, nullptr},
                                             {"float16", f16, 16, nullptr},
                                             {"float64", f64, 64, nullptr},
                                             {"uint32", u32, 32, nullptr},
                                             {"uint64", u64, 64, nullptr},
                                             {"complex64", f32, 64, nullptr},
                                             {"complex128", f64, 128, nullptr},
                                             {"bfloat16", bf16, 16, nullptr},
                                             {"float8e4m3fn", f32, 8, &kE4M3FN},
                                             {"float8e4m3fnuz", f32, 8, &kE4M3FNUZ},
                                             {"float8e5m2", f32, 8, &kE5M2},
                                             {"float8e5m2fnuz", f32, 8, &kE5M2FNUZ},
                                             {"uint4", u8, 4, nullptr},
                                             {"int4", i8, 4, nullptr},
                                             {"float4e2m1", f32, 4, &kE2M1},
                                             {"float8e8m0", f32, 8, &kE8M0},
                                             {"uint2", u8, 2, nullptr},
                                             {"int2", i8, 2, nullptr}}};

const Row& row(Type type) {
  const auto i = static_cast<size_t>(type);
  check(i < kRows.size(), "a known element type");
  return kRows[i];
}

}  // namespace

const char* name_of(Type type) { return row(type).name; }
DType held_as(Type type) { return row(type).held; }
int bits_of(Type type) { return row(type).bits; }
const MiniFloat* minifloat_of(Type type) { return row(type).small_float; }
bool is_complex(Type type) { return type == Type::complex64 || type == Type::complex128; }

Type type_of(DType dtype) {
  for (int i = 1; i < static_cast<int>(Type::complex64); ++i) {
    const auto type = static_cast<Type>(i);
    if (type != Type::string && held_as(type) == dtype) return type;
  }
  return Type::bfloat16;
}

std::optional<SmallRange> small_range(Type type) {
  switch (type) {
    case Type::uint4:
      return SmallRange{0, 15};
    case Type::int4:
      return SmallRange{-8, 7};
    case Type::uint2:
      return SmallRange{0, 3};
    case Type::int2:
      return SmallRange{-2, 1};
    default:
      return std::nullopt;
  }
}

const char* name_of(Attribute::Kind kind) {
  constexpr const char* names[] = {"undefined", "float",  "int",     "string",  "tensor",
                                   "graph",     "floats", "ints",    "strings", "tensors",
                                   "graphs",    "sparse", "sparses", "type",    "types"};
  return names[static_cast<size_t>(kind)];
}

std::string ValueType::to_string() const {
  switch (kind) {
    case Kind::none:
      return "unknown";
    case Kind::sequence:
      return "seq(" + (inner ? inner->to_string() : "unknown") + ")";
    case Kind::optional:
      return "optional(" + (inner ? inner->to_string() : "unknown") + ")";
    case Kind::map:
      return std::string("map(") + name_of(element) + ", " +
             (inner ? inner->to_string() : "unknown") + ")";
    default:
      break;
  }
  std::string out = kind == Kind::sparse ? "sparse_tensor(" : "tensor(";
  out += std::string(name_of(element)) + ")";
  if (!has_shape) return out;
  std::string sizes;
  for (const Dim& d : dims) {
    if (!sizes.empty()) sizes += ", ";
    sizes += d.value >= 0          ? std::to_string(d.value)
             : d.parameter.empty() ? "?"
                                   : escaped(d.parameter);
  }
  return out + "[" + sizes + "]";
}

}  // namespace varve::formats::onnx
