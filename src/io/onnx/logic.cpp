// Comparisons, truth, and choosing by it.
#include <string_view>
#include <unordered_map>

#include "io/onnx/helpers.h"
#include "varve/ops/pointwise.h"

namespace varve::io::onnx {
namespace {

// Texts compare on the host.
Values equal_(Call& c) {
  if (c.value(0).kind != Value::Kind::strings) return {equal(c.tensor(0), c.tensor(1))};
  const Strings &a = c.strings(0), &b = c.strings(1);
  // As positions in a common list of texts, which broadcast as numbers do.
  std::unordered_map<std::string_view, int64_t> all;
  const auto numbered = [&](const Strings& s) {
    std::vector<int64_t> out;
    for (const std::string& e : s.elements) {
      out.push_back(all.emplace(e, static_cast<int64_t>(all.size())).first->second);
    }
    return varve::tensor(out, s.shape);
  };
  const Tensor left = numbered(a), right = numbered(b);
  return {equal(left, right)};
}

Values where_(Call& c) { return {where(c.tensor(0), c.tensor(1), c.tensor(2))}; }

constexpr Row kRows[] = {
    {"And", 7, binary<logical_and>},
    {"Equal", 7, equal_},
    {"Greater", 7, binary<greater>},
    {"GreaterOrEqual", 12, binary<greater_equal>},
    {"Less", 7, binary<less>},
    {"LessOrEqual", 12, binary<less_equal>},
    {"Not", 1, unary<logical_not>},
    {"Or", 7, binary<logical_or>},
    {"Where", 9, where_},
    {"Xor", 7, binary<logical_xor>},
};

}  // namespace

std::span<const Row> logic_rows() { return kRows; }

}  // namespace varve::io::onnx
