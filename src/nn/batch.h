// Types and attributes that hold any batch, made ones of a batch size.
#pragma once
#include "ir/graph.h"

namespace varve::nn {

/// Multiples of kAnyBatch become the same multiples of `batch`.
int64_t at_batch(int64_t size, int64_t batch);
Shape at_batch(const Shape& shape, int64_t batch);
ir::TensorType at_batch(const ir::TensorType& type, int64_t batch);
/// Integers, lists of integers and graphs.
ir::Attributes at_batch(const ir::Attributes& attributes, int64_t batch);

}  // namespace varve::nn
