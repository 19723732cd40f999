// The op table: one row an op, a file per family.
#pragma once
#include <span>
#include <string_view>
#include <vector>

#include "ir/op.h"

namespace varve::ops {

/// Rows of one family; each family's file defines its own.
std::span<const ir::OpDef> pointwise_rows();
std::span<const ir::OpDef> activation_rows();
std::span<const ir::OpDef> reduction_rows();
std::span<const ir::OpDef> matmul_rows();
std::span<const ir::OpDef> shape_rows();
std::span<const ir::OpDef> indexing_rows();
std::span<const ir::OpDef> convolution_rows();
std::span<const ir::OpDef> pooling_rows();
std::span<const ir::OpDef> resampling_rows();
std::span<const ir::OpDef> windows_rows();
std::span<const ir::OpDef> sampling_rows();
std::span<const ir::OpDef> detection_rows();
std::span<const ir::OpDef> normalization_rows();
std::span<const ir::OpDef> loss_rows();
std::span<const ir::OpDef> recurrent_rows();
std::span<const ir::OpDef> attention_rows();
std::span<const ir::OpDef> fourier_rows();
std::span<const ir::OpDef> linalg_rows();
std::span<const ir::OpDef> sparse_rows();
std::span<const ir::OpDef> ctc_rows();
std::span<const ir::OpDef> random_rows();
std::span<const ir::OpDef> function_rows();
std::span<const ir::OpDef> custom_rows();
std::span<const ir::OpDef> control_rows();  // defined in transform: their rules differentiate

/// Every row, family by family. The rows never move.
const std::vector<const ir::OpDef*>& all();
/// The row of that name; null where there is none.
const ir::OpDef* find(std::string_view name);
/// The row of a name that must be there (InternalError otherwise).
const ir::OpDef& get(std::string_view name);

}  // namespace varve::ops
