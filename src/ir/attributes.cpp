#include "ir/attributes.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <functional>

#include "base/error.h"
#include "base/mix.h"
#include "ir/graph.h"

namespace varve::ir {

Attributes::Attributes(std::initializer_list<std::pair<std::string, Attribute>> list) {
  for (const auto& [name, value] : list) set(name, value);
}

void Attributes::set(std::string name, Attribute value) {
  auto at =
      std::lower_bound(list_.begin(), list_.end(), name,
                       [](const auto& entry, const std::string& n) { return entry.first < n; });
  if (at != list_.end() && at->first == name) {
    at->second = std::move(value);
  } else {
    list_.insert(at, {std::move(name), std::move(value)});
  }
}

const Attribute* Attributes::find(std::string_view name) const {
  for (const auto& [key, value] : list_) {
    if (key == name) return &value;
  }
  return nullptr;
}

void Attributes::missing(std::string_view name) const {
  throw InternalError("attribute \"" + std::string(name) + "\" is missing or of another type");
}

namespace {

bool same_literal(const Literal& a, const Literal& b) {
  if (a.dtype != b.dtype || a.shape != b.shape) return false;
  if (a.array.storage == b.array.storage && a.array.offset == b.array.offset &&
      a.array.strides == b.array.strides) {
    return true;
  }
  if (!is_contiguous(a.shape, a.array.strides) || !is_contiguous(b.shape, b.array.strides))
    return false;
  return std::memcmp(a.array.data(), b.array.data(),
                     static_cast<size_t>(a.shape.size() * size_of(a.dtype))) == 0;
}

// As the hash has it: NaN is itself, 0 and -0 differ.
bool same_bits(double a, double b) {
  return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b);
}

size_t hash_one(const Attribute& a) {
  size_t h = a.index();
  if (auto* v = std::get_if<bool>(&a)) h = mix(h, *v);
  if (auto* v = std::get_if<int64_t>(&a)) h = mix(h, static_cast<size_t>(*v));
  if (auto* v = std::get_if<double>(&a)) h = mix(h, std::bit_cast<size_t>(*v));
  if (auto* v = std::get_if<std::string>(&a)) h = mix(h, std::hash<std::string>()(*v));
  if (auto* v = std::get_if<DType>(&a)) h = mix(h, static_cast<size_t>(*v));
  if (auto* v = std::get_if<Ints>(&a)) {
    for (int64_t i : *v) h = mix(h, static_cast<size_t>(i));
  }
  if (auto* v = std::get_if<Doubles>(&a)) {
    for (double d : *v) h = mix(h, std::bit_cast<size_t>(d));
  }
  if (auto* v = std::get_if<Literal>(&a)) {
    for (int64_t d : v->shape) h = mix(h, static_cast<size_t>(d));
  }
  return h;  // graphs and opaque functions: compared, not hashed
}

}  // namespace

bool same(const Attribute& a, const Attribute& b) {
  if (a.index() != b.index()) return false;
  if (auto* v = std::get_if<GraphRef>(&a)) {
    const GraphRef& w = std::get<GraphRef>(b);
    return *v == w || same(**v, *w);
  }
  if (auto* v = std::get_if<Literal>(&a)) return same_literal(*v, std::get<Literal>(b));
  if (auto* v = std::get_if<Opaque>(&a)) return v->object == std::get<Opaque>(b).object;
  if (auto* v = std::get_if<double>(&a)) return same_bits(*v, std::get<double>(b));
  if (auto* v = std::get_if<bool>(&a)) return *v == std::get<bool>(b);
  if (auto* v = std::get_if<int64_t>(&a)) return *v == std::get<int64_t>(b);
  if (auto* v = std::get_if<std::string>(&a)) return *v == std::get<std::string>(b);
  if (auto* v = std::get_if<DType>(&a)) return *v == std::get<DType>(b);
  if (auto* v = std::get_if<Ints>(&a)) return *v == std::get<Ints>(b);
  const Doubles &v = std::get<Doubles>(a), &w = std::get<Doubles>(b);
  return std::equal(v.begin(), v.end(), w.begin(), w.end(), same_bits);
}

bool same(const Attributes& a, const Attributes& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.first == y.first && same(x.second, y.second);
  });
}

size_t hash(const Attributes& attributes) {
  size_t h = 0;
  for (const auto& [name, value] : attributes) {
    h = mix(mix(h, std::hash<std::string>()(name)), hash_one(value));
  }
  return h;
}

}  // namespace varve::ir
