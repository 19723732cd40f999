// Attributes of a node: the arguments that are not tensors. A small sorted list of named values of
// a closed set of types, all with a text form (but for opaque functions of the user's own).
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "ir/storage.h"
#include "varve/types.h"

namespace varve::ir {

struct Graph;
using GraphRef = std::shared_ptr<const Graph>;

/// Elements of a `constant` node.
struct Literal {
  DType dtype = DType::f32;
  Shape shape;
  Array array;
};

/// A function of the user's own (custom ops and derivatives); named, never serialized.
struct Opaque {
  std::string name;
  std::shared_ptr<const void> object;
};

using Ints = std::vector<int64_t>;
using Doubles = std::vector<double>;
using Attribute = std::variant<bool, int64_t, double, std::string, DType, Ints, Doubles, GraphRef,
                               Literal, Opaque>;

class Attributes {
 public:
  Attributes() = default;
  Attributes(std::initializer_list<std::pair<std::string, Attribute>> list);

  void set(std::string name, Attribute value);
  bool has(std::string_view name) const { return find(name) != nullptr; }
  /// The value of a name that must be there with that type; anything else is a bug (InternalError).
  template <class T>
  const T& get(std::string_view name) const {
    const Attribute* a = find(name);
    const T* value = a ? std::get_if<T>(a) : nullptr;
    if (!value) missing(name);
    return *value;
  }
  template <class T>
  T get_or(std::string_view name, T otherwise) const {
    return has(name) ? get<T>(name) : otherwise;
  }
  bool flag(std::string_view name) const { return get<bool>(name); }
  int64_t integer(std::string_view name) const { return get<int64_t>(name); }
  double real(std::string_view name) const { return get<double>(name); }
  const Ints& ints(std::string_view name) const { return get<Ints>(name); }
  auto begin() const { return list_.begin(); }
  auto end() const { return list_.end(); }
  bool empty() const { return list_.empty(); }

 private:
  const Attribute* find(std::string_view name) const;
  [[noreturn]] void missing(std::string_view name) const;
  std::vector<std::pair<std::string, Attribute>> list_;  // sorted by name
};

/// Whether two attributes are the same: structurally, literals by bytes, opaque ones by identity.
bool same(const Attribute& a, const Attribute& b);
bool same(const Attributes& a, const Attributes& b);
/// Equal attributes have equal hashes.
size_t hash(const Attributes& a);

}  // namespace varve::ir
