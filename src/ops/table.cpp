#include "ops/table.h"

#include <unordered_map>

#include "base/error.h"

namespace varve::ops {

const std::vector<const ir::OpDef*>& all() {
  static const std::vector<const ir::OpDef*> table = [] {
    std::vector<const ir::OpDef*> t;
    // One line a family.
    // clang-format off
    for (auto family : {
             pointwise_rows,
             activation_rows,
             reduction_rows,
             shape_rows,
             indexing_rows,
             matmul_rows,
             convolution_rows,
             pooling_rows,
             resampling_rows,
             windows_rows,
             sampling_rows,
             detection_rows,
             normalization_rows,
             loss_rows,
             recurrent_rows,
             attention_rows,
             fourier_rows,
             linalg_rows,
             sparse_rows,
             ctc_rows,
             random_rows,
             function_rows,
             custom_rows,
             control_rows,
         }) {
      // clang-format on
      for (const ir::OpDef& row : family()) t.push_back(&row);
    }
    return t;
  }();
  return table;
}

const ir::OpDef* find(std::string_view name) {
  static const std::unordered_map<std::string_view, const ir::OpDef*> names = [] {
    std::unordered_map<std::string_view, const ir::OpDef*> m;
    for (const ir::OpDef* op : all())
      check(m.emplace(op->name, op).second, "op names are distinct");
    return m;
  }();
  auto at = names.find(name);
  return at == names.end() ? nullptr : at->second;
}

const ir::OpDef& get(std::string_view name) {
  const ir::OpDef* op = find(name);
  if (!op) throw InternalError("no op \"" + std::string(name) + "\" in the table");
  return *op;
}

}  // namespace varve::ops
