// room: nn
// Fields: the members of a spec, told once. Files, validation, printing and the command line read
// the same listing.
#pragma once
#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "varve/types.h"

namespace varve {

struct Padding;
struct DataFormat;

/// What an integer field may hold, bounds included.
struct IntRule {
  int64_t min = std::numeric_limits<int64_t>::min();
  int64_t max = std::numeric_limits<int64_t>::max();
};
/// What a real field may hold: `min <= v <= max`, `above < v < below`. NaN never.
struct RealRule {
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
  double above = -std::numeric_limits<double>::infinity();
  double below = std::numeric_limits<double>::infinity();
};

/// A field of an open set of choices (activation, initializer, schedule, layer ...), seen through
/// its JSON text: `"relu"` or `{"type": "leaky_relu", "negative_slope": 0.2}`.
class ChoiceField {
 public:
  /// Its JSON text. Throws UnsupportedError for a function of one's own.
  virtual std::string config() const = 0;
  /// Sets it from such a text. Throws ConfigError.
  virtual void set_config(std::string_view json) = 0;

 protected:
  ~ChoiceField() = default;
};
/// Types with `config()` and `from_config` are choices; both throw where they cannot.
template <class C>
concept Choice = requires(const C& c, std::string_view json) {
  { c.config() } -> std::same_as<std::string>;
  { C::from_config(json) } -> std::same_as<C>;
};
/// A field that holds a function of the user's own: it has no text form.
struct FunctionField {
  bool set = false;
};

/// One visited member.
struct Field {
  /// A pointer to the member, by its type.
  using Value =
      std::variant<Dim*, int*, Real*, bool*, std::string*, Shape*, DType*, Padding*, DataFormat*,
                   Extents<1>*, Extents<2>*, Extents<3>*, std::vector<int>*,
                   std::vector<std::string>*, std::vector<double>*, std::optional<double>*,
                   std::optional<int64_t>*, ChoiceField*, FunctionField>;
  const char* name;
  const char* doc;
  Value value;
  IntRule integers = {};
  RealRule reals = {};
};

/// The visitor that a spec's `void fields(Fields&)` shows its members to, in their order:
///     void Dropout::fields(Fields& f) { f("rate", rate, "Share that is dropped.", {.min = 0}); }
class Fields {
 public:
  virtual ~Fields() = default;
  /// Called once a member, in order; visitors override it.
  virtual void visit(const Field& field) = 0;

  void operator()(const char* name, Dim& value, const char* doc, IntRule rule = {});
  void operator()(const char* name, int& value, const char* doc, IntRule rule = {});
  void operator()(const char* name, Real& value, const char* doc, RealRule rule = {});
  void operator()(const char* name, bool& value, const char* doc);
  void operator()(const char* name, std::string& value, const char* doc);
  /// The rule holds for each size.
  void operator()(const char* name, Shape& value, const char* doc, IntRule rule = {});
  void operator()(const char* name, DType& value, const char* doc);
  void operator()(const char* name, Padding& value, const char* doc);
  void operator()(const char* name, DataFormat& value, const char* doc);
  void operator()(const char* name, Extents<1>& value, const char* doc, IntRule rule = {});
  void operator()(const char* name, Extents<2>& value, const char* doc, IntRule rule = {});
  void operator()(const char* name, Extents<3>& value, const char* doc, IntRule rule = {});
  void operator()(const char* name, std::vector<int>& value, const char* doc, IntRule rule = {});
  void operator()(const char* name, std::vector<std::string>& value, const char* doc);
  /// The rule holds for each number.
  void operator()(const char* name, std::vector<double>& value, const char* doc,
                  RealRule rule = {});
  void operator()(const char* name, std::optional<double>& value, const char* doc,
                  RealRule rule = {});
  void operator()(const char* name, std::optional<int64_t>& value, const char* doc,
                  IntRule rule = {});
  template <Choice C>
  void operator()(const char* name, C& value, const char* doc) {
    struct Adapter final : ChoiceField {
      C& c;
      explicit Adapter(C& choice) : c(choice) {}
      std::string config() const override { return c.config(); }
      void set_config(std::string_view json) override { c = C::from_config(json); }
    } adapter(value);
    visit_choice(name, adapter, doc);
  }
  /// A member that is a function; `set` says whether it holds one.
  void function(const char* name, bool set, const char* doc);

 private:
  void visit_choice(const char* name, ChoiceField& value, const char* doc);
};

}  // namespace varve
