// TensorProto: every way in which ONNX writes elements down.
#include <bit>
#include <charconv>
#include <cstring>

#include "base/error.h"
#include "formats/onnx_read.h"
#include "varve/warnings.h"

namespace varve::formats::onnx {
namespace {

static_assert(std::endian::native == std::endian::little, "raw data are little-endian");

// The value fields as they came.
struct Fields {
  std::vector<int64_t> dims;
  int64_t type = 0;
  std::vector<float> reals32;
  std::vector<double> reals64;
  std::vector<int64_t> int32s, int64s, uint64s;
  std::vector<std::string> strings;
  std::string_view raw;
  bool has_raw = false, external = false;
  std::vector<std::pair<std::string, std::string>> external_data;
};

class Decoder {
 public:
  Decoder(const ProtoMessage& message, std::string name, Fields fields, Reading& reading)
      : m_(message), f_(std::move(fields)), reading_(reading) {
    out_.name = std::move(name);
  }

  TensorData decode() {
    check_header();
    if (f_.external && f_.external_data.empty() && reading_.stripped) {
      out_.absent = true;
    } else if (f_.external) {
      const Buffer bytes = external();
      from_raw(bytes.span());
    } else if (f_.has_raw) {
      from_raw(as_bytes(f_.raw));
    } else if (out_.type == Type::string) {
      require_count(f_.strings.size(), elements_);
      out_.strings = std::move(f_.strings);
    } else {
      from_lists();
    }
    return std::move(out_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    m_.fail((out_.name.empty() ? "tensor" : "initializer \"" + escaped(out_.name) + "\"") + ": " +
            what);
  }

  void check_header() {
    if (f_.type <= 0 || f_.type >= kTypeCount) {
      fail("data_type: expected 1.." + std::to_string(kTypeCount - 1) + ", got " +
           std::to_string(f_.type));
    }
    out_.type = static_cast<Type>(f_.type);
    for (size_t i = 0; i < f_.dims.size(); ++i) {
      if (f_.dims[i] < 0) {
        fail("dims[" + std::to_string(i) + "]: expected integer >= 0, got " +
             std::to_string(f_.dims[i]));
      }
    }
    out_.shape = Shape(f_.dims);
    int64_t bytes = 0;
    // 16 bytes an element is the widest that is held.
    if (!byte_count(16, f_.dims, bytes)) {
      fail("dims " + out_.shape.to_string() + ": element count overflows");
    }
    elements_ = bytes / 16;
    check_fields();
  }

  void check_fields() const {
    std::string given;
    int count = 0;
    const auto note = [&](bool there, const char* name) {
      if (!there) return;
      given += std::string(count++ ? ", " : "") + name;
    };
    note(f_.has_raw, "raw_data");
    note(f_.external, "external_data");
    note(!f_.reals32.empty(), "float_data");
    note(!f_.reals64.empty(), "double_data");
    note(!f_.int32s.empty(), "int32_data");
    note(!f_.int64s.empty(), "int64_data");
    note(!f_.uint64s.empty(), "uint64_data");
    note(!f_.strings.empty(), "string_data");
    if (count > 1) fail(std::to_string(count) + " value fields (" + given + ")");
  }

  void require_count(size_t got, int64_t expected) const {
    if (static_cast<int64_t>(got) == expected) return;
    fail("expected " + std::to_string(expected) + " values for " + out_.shape.to_string() +
         ", got " + std::to_string(got));
  }

  // Elements that are held, for the complex types twice as many.
  Array& make() {
    Shape shape = out_.shape;
    if (is_complex(out_.type)) {
      std::vector<int64_t> dims = shape.dims();
      dims.push_back(2);
      shape = Shape(std::move(dims));
    }
    out_.array = Array(held_as(out_.type), shape, "initializer");
    return out_.array;
  }

  int64_t raw_size() const {
    int64_t bits = 0;
    if (__builtin_mul_overflow(elements_, int64_t{bits_of(out_.type)}, &bits))
      fail("dims: more elements than memory has");
    return bits / 8 + (bits % 8 != 0);
  }

  void from_raw(std::span<const std::byte> raw) {
    if (out_.type == Type::string) fail("strings cannot be raw data");
    if (static_cast<int64_t>(raw.size()) != raw_size()) {
      fail("expected " + std::to_string(raw_size()) + " bytes, got " + std::to_string(raw.size()));
    }
    Array& a = make();
    if (minifloat_of(out_.type) || small_range(out_.type)) {
      from_codes(raw);
    } else if (!raw.empty()) {
      if (out_.type == Type::boolean && first_non_bool(raw) >= 0) fail("bool: expected 0 or 1");
      std::memcpy(a.bytes.data(), raw.data(), raw.size());
    }
  }

  // Codes of 2, 4 or 8 bits, the first element in the lowest ones.
  void from_codes(std::span<const std::byte> raw) {
    const int bits = bits_of(out_.type), in_byte = 8 / bits, mask = (1 << bits) - 1;
    const MiniFloat* format = minifloat_of(out_.type);
    const bool is_signed = out_.array.dtype == i8;
    for (int64_t i = 0; i < elements_; ++i) {
      const auto byte = std::to_integer<int>(raw[static_cast<size_t>(i / in_byte)]);
      const int code = (byte >> (static_cast<int>(i % in_byte) * bits)) & mask;
      const auto at = static_cast<size_t>(i);
      if (format) {
        out_.array.span<float>()[at] = varve::decode(*format, static_cast<uint8_t>(code));
      } else if (is_signed) {
        const int value = code > mask / 2 ? code - mask - 1 : code;
        out_.array.span<int8_t>()[at] = static_cast<int8_t>(value);
      } else {
        out_.array.span<uint8_t>()[at] = static_cast<uint8_t>(code);
      }
    }
  }

  template <class T, class S>
  void copy(const std::vector<S>& values, const char* field) {
    require_count(values.size(), elements_ * (is_complex(out_.type) ? 2 : 1));
    T* to = reinterpret_cast<T*>(make().bytes.data());
    for (size_t i = 0; i < values.size(); ++i) {
      if constexpr (std::is_integral_v<T> && std::is_integral_v<S>) {
        // uint64_data of uint64 come as the same bits.
        if (sizeof(T) < sizeof(S) && static_cast<S>(static_cast<T>(values[i])) != values[i]) {
          fail(std::string(field) + "[" + std::to_string(i) + "]: " + std::to_string(values[i]) +
               " is no " + name_of(out_.type));
        }
      }
      to[i] = static_cast<T>(values[i]);
    }
  }

  void from_lists() {
    switch (out_.type) {
      case Type::float32:
      case Type::complex64:
        return copy<float>(f_.reals32, "float_data");
      case Type::float64:
      case Type::complex128:
        return copy<double>(f_.reals64, "double_data");
      case Type::int64:
        return copy<int64_t>(f_.int64s, "int64_data");
      case Type::uint64:
        return copy<uint64_t>(f_.uint64s, "uint64_data");
      case Type::uint32:
        return copy<uint32_t>(f_.uint64s, "uint64_data");
      case Type::int32:
        return copy<int32_t>(f_.int32s, "int32_data");
      case Type::int16:
        return copy<int16_t>(f_.int32s, "int32_data");
      case Type::uint16:
      case Type::float16:
      case Type::bfloat16:
        return copy<uint16_t>(f_.int32s, "int32_data");
      case Type::int8:
        return copy<int8_t>(f_.int32s, "int32_data");
      case Type::uint8:
        return copy<uint8_t>(f_.int32s, "int32_data");
      case Type::boolean:
        return copy<bool>(f_.int32s, "int32_data");
      default:
        return from_code_list();
    }
  }

  // Small types: each number is a byte of raw data.
  void from_code_list() {
    require_count(f_.int32s.size(), raw_size());
    std::vector<std::byte> raw(f_.int32s.size());
    for (size_t i = 0; i < raw.size(); ++i) {
      // Small signed numbers may have been written with their sign.
      if (f_.int32s[i] < -128 || f_.int32s[i] > 255) {
        fail("int32_data[" + std::to_string(i) + "]: " + std::to_string(f_.int32s[i]) +
             " is no byte");
      }
      raw[i] = static_cast<std::byte>(f_.int32s[i]);
    }
    make();
    from_codes(raw);
  }

  int64_t external_number(const std::string& key, const std::string& text) const {
    int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value < 0) {
      fail("external data: " + key + ": expected integer >= 0, got \"" + escaped(text) + "\"");
    }
    return value;
  }

  Buffer external() const {
    std::string location;
    int64_t offset = 0, length = raw_size();
    for (const auto& [key, value] : f_.external_data) {
      if (key == "location") {
        location = value;
      } else if (key == "offset") {
        offset = external_number(key, value);
      } else if (key == "length") {
        length = external_number(key, value);
      } else if (key != "checksum") {
        warn(m_.file() + ": external data of \"" + escaped(out_.name) + "\": unknown key \"" +
             escaped(key) + "\" is ignored");
      }
    }
    if (length != raw_size()) {
      fail("external data \"" + escaped(location) + "\": length: expected " +
           std::to_string(raw_size()) + " bytes, got " + std::to_string(length));
    }
    return read_external(reading_.folder, location, offset, length,
                         [&](const std::string& what) { fail(what); });
  }

  const ProtoMessage& m_;
  Fields f_;
  Reading& reading_;
  TensorData out_;
  int64_t elements_ = 0;
};

std::pair<std::string, std::string> read_entry(ProtoMessage m) {
  std::pair<std::string, std::string> out;
  while (m.next()) {
    if (m.field() == 1) {
      out.first = m.text("key");
    } else if (m.field() == 2) {
      out.second = m.text("value");
    } else {
      m.skip();
    }
  }
  return out;
}

}  // namespace

TensorData reinterpreted(TensorData tensor, Type type) {
  varve::check(bits_of(tensor.type) == bits_of(type), "types of one size");
  std::string bytes = serialize(tensor);
  // data_type again: the last one counts.
  bytes += '\x10';
  bytes += static_cast<char>(type);
  Reading reading;
  return read_tensor(ProtoMessage("tensor", as_bytes(bytes)), reading);
}

TensorData read_tensor(ProtoMessage m, Reading& reading) {
  Fields f;
  std::string name;
  while (m.next()) {
    switch (m.field()) {
      case 1:
        m.integers("dims", f.dims);
        break;
      case 2:
        f.type = m.integer("data_type");
        break;
      case 3:
        m.fail("field " + m.path() + ".segment: tensors in segments are not read");
      case 4:
        m.reals32("float_data", f.reals32);
        break;
      case 5:
        m.integers("int32_data", f.int32s);
        break;
      case 6:
        reading.count(m);
        f.strings.push_back(m.text("string_data"));
        break;
      case 7:
        m.integers("int64_data", f.int64s);
        break;
      case 8:
        name = m.text("name");
        break;
      case 9:
        f.raw = m.bytes("raw_data");
        f.has_raw = true;
        break;
      case 10:
        m.reals64("double_data", f.reals64);
        break;
      case 11:
        m.integers("uint64_data", f.uint64s);
        break;
      case 13:
        reading.count(m);
        f.external_data.push_back(read_entry(m.message("external_data")));
        break;
      case 14:
        f.external = m.integer("data_location") == 1;
        break;
      default:
        m.skip();
    }
  }
  if (f.dims.size() > 64) m.fail("dims: a tensor of " + std::to_string(f.dims.size()) + " axes");
  return Decoder(m, std::move(name), std::move(f), reading).decode();
}

SparseTensor read_sparse(ProtoMessage m, Reading& reading) {
  SparseTensor out;
  while (m.next()) {
    if (m.field() == 1) {
      out.values = read_tensor(m.message("values"), reading);
    } else if (m.field() == 2) {
      out.indices = read_tensor(m.message("indices"), reading);
    } else if (m.field() == 3) {
      m.integers("dims", out.dims);
    } else {
      m.skip();
    }
  }
  return out;
}

}  // namespace varve::formats::onnx
