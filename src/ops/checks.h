// What shape rules ask of attributes: a raw node may come from a file.
#pragma once
#include <string_view>

#include "ir/op.h"

namespace varve::ops {

/// 0..rank - 1 (IndexError).
int require_axis(const ir::InferArguments& a, int64_t axis, int rank);
/// The ints of a name: ascending axes of the first input, each once (IndexError).
const ir::Ints& require_axes(const ir::InferArguments& a, std::string_view name);
/// The ints of a name: `count` of them (ShapeError).
const ir::Ints& require_count(const ir::InferArguments& a, std::string_view name, size_t count);
/// Attributes that kernels alone read are there, with their types (InternalError).
void require_flags(const ir::InferArguments& a, std::initializer_list<std::string_view> names);
void require_real(const ir::InferArguments& a, std::string_view name);

}  // namespace varve::ops
