#include "io/onnx/call.h"

#include <charconv>
#include <cmath>

#include "base/error.h"
#include "io/onnx/run.h"
#include "ir/frame.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/random.h"

namespace varve::io::onnx {

Call::Call(Run& run, const Node& node, int64_t index, int64_t version, Values inputs)
    : run_(run), node_(node), index_(index), version_(version), inputs_(std::move(inputs)) {}

std::string Call::label() const { return formats::onnx::label_of(node_, index_); }

void Call::fail(const std::string& what, std::string hint) const {
  throw FormatError(label() + ": " + what, std::move(hint));
}

void Call::unsupported(const std::string& why, std::string hint) const {
  throw UnsupportedError(label() + ", opset " + std::to_string(version_) + ": " + why,
                         std::move(hint));
}

const Value& Call::value(int i) const {
  if (!has(i)) fail("input " + std::to_string(i) + " is missing");
  return inputs_[static_cast<size_t>(i)];
}

const Tensor& Call::tensor(int i) const {
  const Value& v = value(i);
  if (v.kind != Value::Kind::tensor) {
    fail("input " + std::to_string(i) + ": expected a tensor of numbers, got " +
         (v.kind == Value::Kind::strings ? "strings" : "a sequence"));
  }
  return v.tensor;
}

const Strings& Call::strings(int i) const {
  const Value& v = value(i);
  if (v.kind != Value::Kind::strings) fail("input " + std::to_string(i) + ": expected strings");
  return *v.strings;
}

const Values& Call::items(int i) const {
  const Value& v = value(i);
  if (v.kind != Value::Kind::sequence) fail("input " + std::to_string(i) + ": expected a sequence");
  return *v.items;
}

Shape Call::shape_of(int i) const {
  const Value& v = value(i);
  if (v.kind == Value::Kind::sequence) {
    fail("input " + std::to_string(i) + ": expected a tensor, got a sequence");
  }
  return v.shape();
}

void Call::require_known(const Value& v, const char* what) const {
  if (v.known || !ir::tracing()) return;
  unsupported(std::string(what) + " depends on data, which has no elements while a trace records",
              "run it uncompiled");
}

std::vector<int64_t> Call::ints(int i) const {
  const Tensor& t = tensor(i);
  require_known(value(i), ("input " + std::to_string(i)).c_str());
  const Tensor wide = t.dtype() == i64 ? t : cast(t, i64);
  const auto span = wide.span<int64_t>();
  return {span.begin(), span.end()};
}

std::vector<double> Call::numbers(int i) const {
  const Tensor& t = tensor(i);
  require_known(value(i), ("input " + std::to_string(i)).c_str());
  return t.to_doubles();
}

int64_t Call::integer(int i) const {
  const std::vector<int64_t> v = ints(i);
  if (v.size() != 1) {
    fail("input " + std::to_string(i) + ": expected one element, got " + shape(i).to_string());
  }
  return v[0];
}

double Call::number(int i) const {
  const std::vector<double> v = numbers(i);
  if (v.size() != 1) {
    fail("input " + std::to_string(i) + ": expected one element, got " + shape(i).to_string());
  }
  return v[0];
}

const Attribute* Call::find(const char* name) const {
  for (const Attribute& a : node_.attributes) {
    if (a.name == name) return run_.resolve(a);
  }
  return nullptr;
}

const Attribute* Call::checked(const char* name, Attribute::Kind kind) const {
  const Attribute* a = find(name);
  if (a && a->kind != kind) {
    fail("attribute " + std::string(name) + ": expected " + formats::onnx::name_of(kind) +
         ", got " + formats::onnx::name_of(a->kind));
  }
  return a;
}

const Attribute& Call::require(const char* name, Attribute::Kind kind) const {
  const Attribute* a = checked(name, kind);
  if (!a) fail("attribute " + std::string(name) + " is missing");
  return *a;
}

int64_t Call::integer(const char* name) const {
  return require(name, Attribute::Kind::integer).integer;
}
int64_t Call::integer(const char* name, int64_t fallback) const {
  const Attribute* a = checked(name, Attribute::Kind::integer);
  return a ? a->integer : fallback;
}
namespace {

/// The number that was meant: the shortest decimal that the file's f32 stands for, 0.8 for 0.8f.
double as_written(float v) {
  char digits[32];
  const auto end = std::to_chars(digits, digits + sizeof digits, v).ptr;
  double meant = v;
  std::from_chars(digits, end, meant);
  return meant;
}

}  // namespace

double Call::real(const char* name) const {
  return as_written(require(name, Attribute::Kind::real).real);
}
double Call::real(const char* name, double fallback) const {
  const Attribute* a = checked(name, Attribute::Kind::real);
  return a ? as_written(a->real) : fallback;
}
std::string Call::text(const char* name) const {
  return require(name, Attribute::Kind::string).string;
}
std::string Call::text(const char* name, const char* fallback) const {
  const Attribute* a = checked(name, Attribute::Kind::string);
  return a ? a->string : fallback;
}
std::vector<int64_t> Call::integers(const char* name) const {
  return require(name, Attribute::Kind::integers).integers;
}
std::vector<int64_t> Call::integers(const char* name, std::vector<int64_t> fallback) const {
  const Attribute* a = checked(name, Attribute::Kind::integers);
  return a ? a->integers : fallback;
}
std::vector<int64_t> Call::sizes(const char* name, size_t count, int64_t fallback,
                                 int64_t least) const {
  const std::vector<int64_t> out = integers(name, std::vector<int64_t>(count, fallback));
  if (out.size() != count) {
    fail(std::string(name) + ": expected " + std::to_string(count) + " integers, got " +
         std::to_string(out.size()));
  }
  for (size_t i = 0; i < count; ++i) {
    if (out[i] >= least && out[i] <= INT32_MAX) continue;
    fail(std::string(name) + "[" + std::to_string(i) + "]: expected " +
         (out[i] < least ? ">= " + std::to_string(least) : "<= " + std::to_string(INT32_MAX)) +
         ", got " + std::to_string(out[i]));
  }
  return out;
}
std::vector<float> Call::reals(const char* name, std::vector<float> fallback) const {
  const Attribute* a = checked(name, Attribute::Kind::reals);
  return a ? a->reals : fallback;
}
std::vector<std::string> Call::texts(const char* name, std::vector<std::string> fallback) const {
  const Attribute* a = checked(name, Attribute::Kind::strings);
  return a ? a->strings : fallback;
}
// A reference inside a reference may stand for nothing, and a list be empty.
template <class T>
const T& Call::only(const char* name, const std::vector<T>& list) const {
  if (list.empty()) fail("attribute " + std::string(name) + ": expected one, got none");
  return list[0];
}
Value Call::tensor_attribute(const char* name) const {
  return value_of(only(name, require(name, Attribute::Kind::tensor).tensors));
}
Value Call::sparse_attribute(const char* name) const {
  return value_of(only(name, require(name, Attribute::Kind::sparse).sparse));
}
const Graph& Call::graph(const char* name) const {
  return *only(name, require(name, Attribute::Kind::graph).graphs);
}

Type Call::type_attribute(const char* name, Type fallback) const {
  const int64_t number = integer(name, static_cast<int64_t>(fallback));
  if (number <= 0 || number >= formats::onnx::kTypeCount) {
    fail("attribute " + std::string(name) + ": expected a type 1.." +
         std::to_string(formats::onnx::kTypeCount - 1) + ", got " + std::to_string(number));
  }
  return static_cast<Type>(number);
}

std::optional<std::vector<int64_t>> Call::ints_by_version(const char* name, int since,
                                                          int i) const {
  if (version_ >= since) return has(i) ? std::optional(ints(i)) : std::nullopt;
  const Attribute* a = checked(name, Attribute::Kind::integers);
  return a ? std::optional(a->integers) : std::nullopt;
}

int Call::axis(int64_t given, int rank, const char* what) const {
  if (given < -rank || given >= rank) {
    fail(std::string(what) + ": expected " + std::to_string(-rank) + ".." +
         std::to_string(rank - 1) + ", got " + std::to_string(given));
  }
  return static_cast<int>(given < 0 ? given + rank : given);
}

std::vector<int> Call::axes(const std::vector<int64_t>& given, int rank) const {
  std::vector<int> out;
  for (const int64_t a : given) out.push_back(axis(a, rank, "axes"));
  return out;
}

void Call::limit(const Shape& shape, const char* because) const {
  const std::string reason = too_large(shape, run_.allowed());
  if (!reason.empty()) fail((because ? std::string(because) + ": " : "") + reason);
}

int64_t Call::iterations_left() const { return run_.iterations_left(); }

void Call::spend(int64_t iterations, int64_t each) const {
  if (run_.spend(iterations, each)) return;
  fail("needs more than " + std::to_string(run_.options().iterations) + " iterations");
}

std::pair<int64_t, int64_t> Call::batch() const {
  return {run_.options().declared_batch, run_.options().batch};
}

Value Call::recompute(const std::string& name,
                      const std::vector<std::pair<std::string, Value>>& given) const {
  return run_.recompute(name, given, index_);
}

bool Call::replayed() const { return run_.options().replayed; }

Training* Call::training() const { return run_.training(); }

Key Call::fresh_key() const {
  if (Training* training = run_.training()) return training->key();
  if (replayed()) unsupported("it draws anew each time");
  return random::key();
}

Values Call::run(const Graph& body, Values inputs) const {
  return run_.body(body, std::move(inputs), false);
}
Values Call::run_traced(const Graph& body, Values inputs) const {
  return run_.body(body, std::move(inputs), true);
}

}  // namespace varve::io::onnx
