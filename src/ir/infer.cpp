#include "ir/infer.h"

#include <algorithm>

#include "base/any_batch.h"
#include "base/math.h"
#include "varve/error.h"

namespace varve::ir {
namespace {

void check_sizes(const OpDef& op, const TensorType& t) {
  int64_t bytes = size_of(t.dtype);
  bool fits = true, any_batch = false;
  for (int64_t n : t.shape) {
    if (n < 0) {
      throw ShapeError(std::string(op.name) + ": shape " + t.shape.to_string() +
                       ": sizes must not be negative");
    }
    any_batch |= batches_in(n) > 0;
    fits = fits && checked_multiply(bytes, std::max<int64_t>(n, 1), bytes);
  }
  // No tensor is ever made of any batch.
  if (fits || any_batch) return;
  throw ShapeError(std::string(op.name) + ": " + t.to_string() + " has more than 2^63 bytes");
}

}  // namespace

Types infer(const OpDef& op, std::span<const TensorType> inputs, const Attributes& attributes) {
  Types outputs = op.infer({op, inputs, attributes});
  for (const TensorType& t : outputs) check_sizes(op, t);
  return outputs;
}

}  // namespace varve::ir
