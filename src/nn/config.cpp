#include "nn/config.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "base/error.h"
#include "formats/json.h"
#include "varve/ops/padding.h"

namespace varve::config {
namespace {

std::string number_text(double v) { return Json(v).dump(); }

std::string range_text(const IntRule& r) {
  const IntRule free;
  if (r.min != free.min && r.max != free.max)
    return " " + std::to_string(r.min) + ".." + std::to_string(r.max);
  if (r.min != free.min) return " >= " + std::to_string(r.min);
  if (r.max != free.max) return " <= " + std::to_string(r.max);
  return "";
}

/// 0 and 1 rather than 0.0 and 1.0.
std::string bound_text(double v) {
  return v == std::floor(v) && std::abs(v) < 1e15 ? std::to_string(static_cast<int64_t>(v))
                                                  : number_text(v);
}

std::string range_text(const RealRule& r) {
  if (std::isfinite(r.min) && std::isfinite(r.max))
    return " " + bound_text(r.min) + ".." + bound_text(r.max);
  std::string text;
  auto add = [&](const char* relation, double bound) {
    if (std::isfinite(bound))
      text += (text.empty() ? " " : " and ") + (relation + bound_text(bound));
  };
  add(">= ", r.min);
  add("> ", r.above);
  add("<= ", r.max);
  add("< ", r.below);
  return text;
}

bool holds(const IntRule& r, int64_t v) { return v >= r.min && v <= r.max; }
bool holds(const RealRule& r, double v) {
  return v >= r.min && v <= r.max && v > r.above && v < r.below;
}

/// What a field takes, in words.
struct Expected {
  const Field& f;
  std::string integer() const { return "integer" + range_text(f.integers); }
  std::string integers() const { return "list of integers" + range_text(f.integers); }
  std::string sizes(int n) const {
    return integer() + (n > 1 ? " or a list of " + std::to_string(n) : "");
  }
  std::string operator()(Dim*) const { return integer(); }
  std::string operator()(int*) const { return integer(); }
  std::string operator()(Real*) const { return "number" + range_text(f.reals); }
  std::string operator()(std::optional<double>*) const { return "number" + range_text(f.reals); }
  std::string operator()(std::optional<int64_t>*) const { return integer(); }
  std::string operator()(std::vector<double>*) const {
    return "list of numbers" + range_text(f.reals);
  }
  std::string operator()(bool*) const { return "true or false"; }
  std::string operator()(std::string*) const { return "string"; }
  std::string operator()(Shape*) const { return integers(); }
  std::string operator()(std::vector<int>*) const { return integers(); }
  std::string operator()(std::vector<std::string>*) const { return "list of strings"; }
  std::string operator()(DType*) const { return "an element type such as \"f32\""; }
  std::string operator()(Padding*) const {
    return "\"valid\", \"same\", \"causal\", a number or a list of [low, high]";
  }
  std::string operator()(DataFormat*) const { return "\"channels_last\" or \"channels_first\""; }
  std::string operator()(Extents<1>*) const { return sizes(1); }
  std::string operator()(Extents<2>*) const { return sizes(2); }
  std::string operator()(Extents<3>*) const { return sizes(3); }
  std::string operator()(ChoiceField*) const { return "a name or an object with \"type\""; }
  std::string operator()(FunctionField) const { return "nothing: functions are set from C++"; }
};

/// A field's value as JSON.
struct ToJson {
  template <int N>
  Json extents(const Extents<N>& e) const {
    if (std::all_of(e.v.begin(), e.v.end(), [&](int64_t x) { return x == e.v[0]; })) return e.v[0];
    return e.list();
  }
  Json operator()(Dim* v) const { return v->value; }
  Json operator()(int* v) const { return *v; }
  Json operator()(Real* v) const { return v->value; }
  Json operator()(std::optional<double>* v) const { return *v ? Json(**v) : Json(); }
  Json operator()(std::optional<int64_t>* v) const { return *v ? Json(**v) : Json(); }
  Json operator()(std::vector<double>* v) const { return *v; }
  Json operator()(bool* v) const { return *v; }
  Json operator()(std::string* v) const { return *v; }
  Json operator()(Shape* v) const { return v->dims(); }
  Json operator()(std::vector<int>* v) const { return *v; }
  Json operator()(std::vector<std::string>* v) const { return *v; }
  Json operator()(DType* v) const { return name_of(*v); }
  Json operator()(Padding* v) const {
    if (v->kind != Padding::Kind::sides) return v->to_string();
    if (v->count == 1 && v->sides[0].low == v->sides[0].high) return v->sides[0].low;
    Json list = Json::array();
    for (int i = 0; i < v->count; ++i) {
      const Padding::Side& side = v->sides[static_cast<size_t>(i)];
      list.push_back({side.low, side.high});
    }
    return list;
  }
  Json operator()(DataFormat* v) const { return v->to_string(); }
  Json operator()(Extents<1>* v) const { return extents(*v); }
  Json operator()(Extents<2>* v) const { return extents(*v); }
  Json operator()(Extents<3>* v) const { return extents(*v); }
  Json operator()(ChoiceField* v) const { return Json::parse(v->config()); }
  Json operator()(FunctionField v) const { return v.set ? Json("a function") : Json(); }
};

[[noreturn]] void refuse(const std::string& path, const std::string& expected, const Json& got) {
  throw ConfigError(path + ": expected " + expected + ", got " + escaped(got.dump()));
}

/// Sets a field from JSON.
class FromJson {
 public:
  FromJson(const Field& field, const Json& value, std::string path)
      : field_(field), value_(value), path_(std::move(path)) {}

  void operator()(Dim* v) const { v->value = integer(value_); }
  void operator()(int* v) const { *v = narrow(integer(value_)); }
  void operator()(Real* v) const { v->value = number(value_); }
  void operator()(std::optional<double>* v) const {
    v->reset();
    if (!value_.is_null()) *v = number(value_);
  }
  void operator()(std::optional<int64_t>* v) const {
    v->reset();
    if (!value_.is_null()) *v = integer(value_);
  }
  void operator()(std::vector<double>* v) const {
    if (!value_.is_array()) fail();
    v->clear();
    for (const Json& item : value_) v->push_back(number(item));
  }
  void operator()(bool* v) const {
    if (!value_.is_boolean()) fail();
    *v = value_.get<bool>();
  }
  void operator()(std::string* v) const {
    if (!value_.is_string()) fail();
    *v = value_.get<std::string>();
  }
  void operator()(Shape* v) const { *v = Shape(integers()); }
  void operator()(std::vector<int>* v) const {
    v->clear();
    for (int64_t i : integers()) v->push_back(narrow(i));
  }
  void operator()(std::vector<std::string>* v) const {
    if (!value_.is_array()) fail();
    v->clear();
    for (const Json& item : value_) {
      if (!item.is_string()) fail();
      v->push_back(item.get<std::string>());
    }
  }
  void operator()(DType* v) const {
    if (!value_.is_string()) fail();
    try {
      *v = parse_dtype(value_.get<std::string>());
    } catch (const Error& e) {
      throw ConfigError(path_ + ": " + e.message(), e.hint());
    }
  }
  void operator()(Padding* v) const {
    if (value_.is_number_integer()) {
      *v = Padding(integer(value_));
    } else if (value_.is_string()) {
      closed(*v);
    } else {
      if (!value_.is_array() || value_.empty() || value_.size() > v->sides.size()) fail();
      *v = Padding();
      v->kind = Padding::Kind::sides;
      for (const Json& side : value_) {
        const bool pair = side.is_array() && side.size() == 2;
        v->sides[static_cast<size_t>(v->count++)] =
            pair ? Padding::Side(integer(side[0]), integer(side[1])) : Padding::Side(integer(side));
      }
    }
  }
  void operator()(DataFormat* v) const {
    if (!value_.is_string()) fail();
    closed(*v);
  }
  void operator()(Extents<1>* v) const { extents(*v); }
  void operator()(Extents<2>* v) const { extents(*v); }
  void operator()(Extents<3>* v) const { extents(*v); }
  void operator()(ChoiceField* v) const {
    try {
      v->set_config(value_.dump());
    } catch (const Error& e) {
      // What begins with the name of the field goes on where the path ends.
      const std::string& m = e.message();
      const size_t length = std::string_view(field_.name).size();
      const bool named =
          m.starts_with(field_.name) && m.size() > length && (m[length] == ':' || m[length] == '.');
      throw ConfigError(path_ + (named ? m.substr(length) : ": " + m), e.hint());
    }
  }
  void operator()(FunctionField) const {
    if (!value_.is_null()) fail();
  }

 private:
  [[noreturn]] void fail() const {
    refuse(path_, std::visit(Expected{field_}, field_.value), value_);
  }
  template <class C>
  void closed(C& choice) const {
    try {
      choice = C::parse(value_.get<std::string>());
    } catch (const Error& e) {
      throw ConfigError(path_ + ": " + e.message(), e.hint());
    }
  }
  int64_t integer(const Json& j) const {
    if (!j.is_number_integer()) fail();
    if (j.is_number_unsigned() &&
        j.get<uint64_t>() > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      fail();
    }
    const int64_t v = j.get<int64_t>();
    if (!holds(field_.integers, v)) fail();
    return v;
  }
  int narrow(int64_t v) const {
    if (v < std::numeric_limits<int>::min() || v > std::numeric_limits<int>::max()) fail();
    return static_cast<int>(v);
  }
  double number(const Json& j) const {
    if (!j.is_number() || !holds(field_.reals, j.get<double>())) fail();
    return j.get<double>();
  }
  std::vector<int64_t> integers() const {
    if (!value_.is_array()) fail();
    std::vector<int64_t> list;
    for (const Json& item : value_) list.push_back(integer(item));
    return list;
  }
  template <int N>
  void extents(Extents<N>& e) const {
    if (!value_.is_array()) {
      e.v.fill(integer(value_));
      return;
    }
    const std::vector<int64_t> list = integers();
    if (list.size() != N) fail();
    std::copy(list.begin(), list.end(), e.v.begin());
  }

  const Field& field_;
  const Json& value_;
  std::string path_;
};

/// Calls a function for every field.
class EachField final : public Fields {
 public:
  explicit EachField(FunctionRef<void(const Field&)> f) : f_(f) {}
  void visit(const Field& field) override { f_(field); }

 private:
  FunctionRef<void(const Field&)> f_;
};
void each(Visit visit, FunctionRef<void(const Field&)> f) {
  EachField visitor(f);
  visit(visitor);
}

/// Whether a field keeps its rule.
struct Keeps {
  const Field& f;
  bool all(const auto& list) const {
    return std::all_of(list.begin(), list.end(), [&](int64_t v) { return holds(f.integers, v); });
  }
  bool operator()(Dim* v) const { return holds(f.integers, v->value); }
  bool operator()(int* v) const { return holds(f.integers, *v); }
  bool operator()(Real* v) const { return holds(f.reals, v->value); }
  bool operator()(std::optional<double>* v) const { return !*v || holds(f.reals, **v); }
  bool operator()(std::optional<int64_t>* v) const { return !*v || holds(f.integers, **v); }
  bool operator()(std::vector<double>* v) const {
    return std::all_of(v->begin(), v->end(), [&](double x) { return holds(f.reals, x); });
  }
  bool operator()(Shape* v) const { return all(v->dims()); }
  bool operator()(std::vector<int>* v) const { return all(*v); }
  bool operator()(Extents<1>* v) const { return all(v->v); }
  bool operator()(Extents<2>* v) const { return all(v->v); }
  bool operator()(Extents<3>* v) const { return all(v->v); }
  template <class T>
  bool operator()(T) const {
    return true;
  }
};

/// JSON writes null for what is no number.
std::string value_text(const Field& f) {
  double v = 0;
  if (const auto* real = std::get_if<Real*>(&f.value)) v = **real;
  if (const auto* optional = std::get_if<std::optional<double>*>(&f.value))
    v = (*optional)->value_or(0);
  if (std::isfinite(v)) {
    return std::holds_alternative<Real*>(f.value) ? bound_text(v)
                                                  : std::visit(ToJson{}, f.value).dump();
  }
  return std::isnan(v) ? "nan" : v < 0 ? "-inf" : "inf";
}

}  // namespace

Json parse(std::string_view text, const std::string& what) {
  return formats::parse_json(text, what);
}

Json write(const std::string& owner, Visit visit) {
  Json object = Json::object();
  each(visit, [&](const Field& f) {
    if (const auto* function = std::get_if<FunctionField>(&f.value); function && function->set) {
      throw UnsupportedError(
          owner + ": " + f.name + " is a function of your own and has no text form",
          "write it as a layer struct and register it with nn::register_layer");
    }
    try {
      Json value = std::visit(ToJson{}, f.value);
      if (!value.is_null()) object[f.name] = std::move(value);
    } catch (const UnsupportedError& e) {
      throw UnsupportedError(owner + ": " + f.name + ": " + e.message(), e.hint());
    }
  });
  return object;
}

void read(const Json& object, const std::string& path, Visit visit,
          const std::vector<std::string>& also) {
  if (!object.is_object()) refuse(path, "an object", object);
  const std::string prefix = path.empty() ? "" : path + ".";
  const std::vector<std::string> known = names(visit);
  for (const auto& [key, value] : object.items()) {
    auto listed = [&](const std::vector<std::string>& list) {
      return std::find(list.begin(), list.end(), key) != list.end();
    };
    if (listed(known) || listed(also)) continue;
    std::vector<std::string> all = known;
    std::copy_if(also.begin(), also.end(), std::back_inserter(all), [&](const std::string& k) {
      return std::find(all.begin(), all.end(), k) == all.end();
    });
    throw ConfigError(prefix + escaped(key) + ": unknown key", did_you_mean(key, all));
  }
  each(visit, [&](const Field& f) {
    if (const auto at = object.find(f.name); at != object.end())
      std::visit(FromJson(f, *at, prefix + f.name), f.value);
  });
}

void validate(const std::string& owner, Visit visit, Where where) {
  each(visit, [&](const Field& f) {
    if (std::visit(Keeps{f}, f.value)) return;
    throw ValueError(owner + ": " + f.name + ": expected " + std::visit(Expected{f}, f.value) +
                         ", got " + value_text(f),
                     "", where.to_string());
  });
}

std::string print(Visit visit, Visit defaults) {
  auto text = [](const Field& f) {
    try {
      return std::visit(ToJson{}, f.value).dump();
    } catch (const UnsupportedError&) {
      return std::string("a function");
    }
  };
  std::vector<std::string> usual;
  each(defaults, [&](const Field& f) { usual.push_back(text(f)); });
  std::string out;
  size_t i = 0;
  each(visit, [&](const Field& f) {
    const std::string value = text(f);
    if (i >= usual.size() || value != usual[i])
      out += (out.empty() ? "" : ", ") + std::string(f.name) + "=" + value;
    ++i;
  });
  return out;
}

std::vector<std::string> names(Visit visit) {
  std::vector<std::string> list;
  each(visit, [&](const Field& f) { list.push_back(f.name); });
  return list;
}

std::string choice_text(const std::string& type, Visit visit) {
  Json object{{"type", type}};
  object.update(write(type, visit));
  if (const auto name = object.find("name"); name != object.end() && *name == "")
    object.erase(name);
  return object.size() == 1 ? Json(type).dump() : object.dump();
}

std::string choice_type(const Json& value, const std::string& path) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_object()) refuse(path, "a name or an object with \"type\"", value);
  const auto at = value.find("type");
  if (at == value.end()) throw ConfigError(path + ": expected a member \"type\"");
  if (!at->is_string()) refuse(path + ".type", "string", *at);
  return at->get<std::string>();
}

}  // namespace varve::config
