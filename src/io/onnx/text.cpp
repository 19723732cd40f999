// Texts, the bits behind numbers, and tables of labels.
#include <algorithm>
#include <cctype>
#include <cstring>
#include <limits>
#include <map>
#include <numeric>

#include "base/error.h"
#include "io/onnx/helpers.h"
#include "ir/dispatch.h"
#include "varve/custom_op.h"
#include "varve/ops/indexing.h"
#include "varve/ops/shape.h"

namespace varve::io::onnx {
namespace {

// Texts as positions in a list of all of them, so that they broadcast as numbers do.
Tensor numbered(const Strings& s) {
  std::vector<int64_t> out(s.elements.size());
  std::iota(out.begin(), out.end(), 0);
  return varve::tensor(out, s.shape);
}

Values string_concat(Call& c) {
  const Strings &a = c.strings(0), &b = c.strings(1);
  const Tensor left = numbered(a), right = numbered(b);
  // Each in the shape of both.
  const Tensor wide_left = add(left, multiply(right, 0)),
               wide_right = add(right, multiply(left, 0));
  c.limit(wide_left.shape());
  int64_t letters = 0;
  const auto i = wide_left.span<int64_t>(), k = wide_right.span<int64_t>();
  Strings out{wide_left.shape(), {}};
  for (size_t n = 0; n < i.size(); ++n) {
    out.elements.push_back(a.elements[static_cast<size_t>(i[n])] +
                           b.elements[static_cast<size_t>(k[n])]);
    // Texts that are put together with themselves grow as fast as shapes do.
    letters += static_cast<int64_t>(out.elements.back().size());
    c.limit(Shape({letters}));
  }
  return {Value(std::move(out))};
}

// The words of a text; none of an empty one. Without a delimiter any run of blanks parts them.
std::vector<std::string> words_of(const std::string& text, const std::string& delimiter,
                                  int64_t most) {
  std::vector<std::string> out;
  size_t at = 0;
  const auto left = [&] { return most < 0 || static_cast<int64_t>(out.size()) < most; };
  if (!delimiter.empty()) {
    if (text.empty()) return out;
    for (size_t next; left() && (next = text.find(delimiter, at)) != text.npos;) {
      out.push_back(text.substr(at, next - at));
      at = next + delimiter.size();
    }
    out.push_back(text.substr(at));
    return out;
  }
  const char* blanks = " \t\n\r\f\v";
  while ((at = text.find_first_not_of(blanks, at)) != text.npos) {
    const size_t end = left() ? std::min(text.find_first_of(blanks, at), text.size()) : text.size();
    std::string word = text.substr(at, end - at);
    if (!left()) word.erase(word.find_last_not_of(blanks) + 1);
    out.push_back(std::move(word));
    at = end;
  }
  return out;
}

Values string_split(Call& c) {
  const Strings& s = c.strings(0);
  const std::string delimiter = c.text("delimiter", "");
  const int64_t most = c.integer("maxsplit", -1);
  std::vector<std::vector<std::string>> words;
  std::vector<int64_t> counts;
  int64_t width = 0;
  for (const std::string& text : s.elements) {
    words.push_back(words_of(text, delimiter, most));
    counts.push_back(static_cast<int64_t>(words.back().size()));
    width = std::max(width, counts.back());
  }
  std::vector<int64_t> sizes = s.shape.dims();
  sizes.push_back(width);
  c.limit(Shape(sizes));
  Strings out{Shape(sizes), {}};
  for (std::vector<std::string>& w : words) {
    w.resize(static_cast<size_t>(width));
    for (std::string& word : w) out.elements.push_back(std::move(word));
  }
  return {Value(std::move(out)), known(varve::tensor(counts, s.shape))};
}

std::string changed_case(std::string text, const std::string& action) {
  for (char& ch : text) {
    const auto u = static_cast<unsigned char>(ch);
    if (action == "LOWER") ch = static_cast<char>(std::tolower(u));
    if (action == "UPPER") ch = static_cast<char>(std::toupper(u));
  }
  return text;
}

// Stop words go, then the case changes; where nothing is left, one empty text.
Values string_normalizer(Call& c) {
  const Strings& s = c.strings(0);
  const std::string action = c.text("case_change_action", "NONE");
  if (action != "NONE" && action != "LOWER" && action != "UPPER") {
    c.fail("attribute case_change_action: expected NONE, LOWER or UPPER, got \"" + action + "\"");
  }
  const bool two = s.shape.rank() == 2;
  if (!two && s.shape.rank() != 1)
    c.fail("expected [words] or [1, words], got " + s.shape.to_string());
  const bool exact = c.integer("is_case_sensitive", 0) != 0;
  const auto key = [&](const std::string& t) { return exact ? t : changed_case(t, "LOWER"); };
  std::vector<std::string> stop;
  for (const std::string& w : c.texts("stopwords")) stop.push_back(key(w));
  Strings out;
  for (const std::string& t : s.elements) {
    for (const char ch : t) {
      if (static_cast<unsigned char>(ch) >= 128 && action != "NONE") {
        c.unsupported("case of letters beyond ASCII");
      }
    }
    if (std::find(stop.begin(), stop.end(), key(t)) != stop.end()) continue;
    out.elements.push_back(changed_case(t, action));
  }
  if (out.elements.empty()) out.elements.emplace_back();
  const auto n = static_cast<int64_t>(out.elements.size());
  out.shape = two ? Shape({1, n}) : Shape({n});
  return {Value(std::move(out))};
}

// Keys and values of a LabelEncoder, each a list of one kind or a tensor.
Value list_of(const Call& c, const std::string& what) {
  if (c.find((what + "_tensor").c_str())) return c.tensor_attribute((what + "_tensor").c_str());
  if (c.find((what + "_strings").c_str())) {
    std::vector<std::string> v = c.texts((what + "_strings").c_str());
    const Shape shape{v.size()};
    return known(Value(Strings{shape, std::move(v)}));
  }
  if (c.find((what + "_int64s").c_str())) return known_ints(c.integers((what + "_int64s").c_str()));
  const std::vector<float> v = c.reals((what + "_floats").c_str());
  return known(varve::tensor(v, Shape{v.size()}));
}

// Keys that are alike where the labels are equal.
std::vector<std::string> keys_of(const Value& v) {
  if (v.kind == Value::Kind::strings) return v.strings->elements;
  std::vector<std::string> out;
  const auto bytes = [&](auto x) { out.emplace_back(reinterpret_cast<const char*>(&x), sizeof x); };
  if (is_integer(v.tensor.dtype())) {
    // f64 would take integers beyond 2^53 for one another.
    const Tensor wide = as(v.tensor, i64);
    for (const int64_t x : wide.span<int64_t>()) bytes(x);
    return out;
  }
  // All NaN are one key, and both zeros.
  for (const double x : v.tensor.to_doubles()) {
    bytes(x != x ? std::numeric_limits<double>::quiet_NaN() : x == 0 ? 0. : x);
  }
  return out;
}

// The last value of the list stands for what is no key.
Value default_of(const Call& c, const Value& values) {
  if (c.find("default_tensor")) {
    Value v = c.tensor_attribute("default_tensor");
    if (v.kind != values.kind || v.shape().size() != 1) {
      c.fail("attribute default_tensor: expected one element of the type of the values");
    }
    return v;
  }
  if (values.kind == Value::Kind::strings) {
    return Value(Strings{{1}, {c.text("default_string", "_Unused")}});
  }
  if (values.tensor.dtype() == i64) return known_ints({c.integer("default_int64", -1)});
  return Value(full({1}, c.real("default_float", -0.), values.tensor.dtype()));
}

Values label_encoder(Call& c) {
  const Value keys = list_of(c, "keys"), values = list_of(c, "values");
  c.require_known(c.value(0), "the label");
  const Value fallback = default_of(c, values);
  const auto whole = [](const Value& v) {
    return v.kind == Value::Kind::tensor && is_integer(v.tensor.dtype());
  };
  if (keys.kind != c.value(0).kind || whole(keys) != whole(c.value(0))) {
    c.fail("expected labels of the type of the keys");
  }
  std::map<std::string, int64_t> place;
  const std::vector<std::string> names = keys_of(keys);
  for (size_t i = 0; i < names.size(); ++i) place.emplace(names[i], static_cast<int64_t>(i));
  if (values.shape().size() != static_cast<int64_t>(names.size())) {
    c.fail("expected as many values as keys");
  }
  const auto none = static_cast<int64_t>(names.size());
  std::vector<int64_t> at;
  for (const std::string& k : keys_of(c.value(0))) {
    const auto found = place.find(k);
    at.push_back(found == place.end() ? none : found->second);
  }
  const Shape shape = c.shape_of(0);
  if (values.kind == Value::Kind::strings) {
    Strings out{shape, {}};
    for (const int64_t i : at) {
      out.elements.push_back(i == none ? fallback.strings->elements[0]
                                       : values.strings->elements[static_cast<size_t>(i)]);
    }
    return {Value(std::move(out))};
  }
  const Tensor all = concat({reshape(values.tensor, {-1}), reshape(fallback.tensor, {-1})}, 0);
  return {take(all, varve::tensor(at, shape), 0)};
}

// The same bits as another type of that size.
Values bit_cast(Call& c) {
  const Type to = c.type_attribute("to", Type::undefined), from = c.type(0);
  using formats::onnx::bits_of;
  using formats::onnx::held_as;
  if (to == Type::string || bits_of(from) != bits_of(to)) {
    c.fail(std::string("to: ") + formats::onnx::name_of(to) + " has not the size of " +
           formats::onnx::name_of(from));
  }
  const auto small = [](Type t) {
    return formats::onnx::minifloat_of(t) != nullptr || formats::onnx::small_range(t).has_value();
  };
  if (small(from) || small(to)) {
    // By way of the file's form, which is the bits.
    c.require_known(c.value(0), "the bits of a small type");
    return {value_of(formats::onnx::reinterpreted(data_of(c.value(0)), to))};
  }
  const auto op = custom_op({
      .name = "bit_cast",
      .infer =
          [to](const std::vector<TensorSpec>& in) {
            return std::vector<TensorSpec>{{held_as(to), in[0].shape}};
          },
      .forward =
          [](const std::vector<Elements>& in, const std::vector<Elements>& out) {
            ir::dispatch(in[0].dtype(), [&]<class A>(A) {
              ir::dispatch(out[0].dtype(), [&]<class B>(B) {
                if constexpr (sizeof(A) == sizeof(B)) {
                  const auto a = in[0].span<A>();
                  const auto b = out[0].span<B>();
                  if constexpr (std::is_same_v<B, bool>) {
                    for (size_t i = 0; i < a.size(); ++i) b[i] = a[i] != A{};
                  } else if (!a.empty()) {
                    std::memcpy(static_cast<void*>(b.data()), a.data(), a.size_bytes());
                  }
                }
              });
            });
          },
  });
  return {Value(op({c.tensor(0)}).only(), to)};
}

// 1 above the threshold, else 0.
Values binarizer(Call& c) {
  const Tensor& x = c.tensor(0);
  return {cast(greater(x, c.real("threshold", 0)), x.dtype())};
}

constexpr Row kRows[] = {
    {.name = "Binarizer", .since = 1, .function = binarizer, .domain = kMl},
    {"BitCast", 26, bit_cast},
    {.name = "LabelEncoder", .since = 2, .function = label_encoder, .domain = kMl},
    {"StringConcat", 20, string_concat},
    {"StringNormalizer", 10, string_normalizer},
    {"StringSplit", 20, string_split},
};

}  // namespace

std::span<const Row> text_rows() { return kRows; }

}  // namespace varve::io::onnx
