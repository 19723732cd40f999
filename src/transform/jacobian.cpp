#include "transform/jacobian.h"

#include "ops/build.h"
#include "ops/shape.h"
#include "transform/differentiate.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/shape.h"

namespace varve::transform {
namespace {

/// One row or column after another, along the first or last axis; zeros where nothing flows.
Tensor assembled(std::vector<Tensor> parts, bool rows, const Tensor& output,
                 const Tensor& argument) {
  const Shape shape = jacobian_shape(output.shape(), argument.shape());
  const Tensor& like = rows ? argument : output;
  bool any = false;
  for (const Tensor& p : parts) any |= p.defined();
  if (!any || shape.size() == 0) return ops::full(0, output.dtype(), shape);
  for (Tensor& p : parts) {
    if (!p.defined()) p = ops::full(0, like.dtype(), like.shape());
  }
  const Tensor whole = reshape(stack(parts, rows ? 0 : like.rank()), shape);
  return cast(whole, output.dtype());
}

}  // namespace

Shape jacobian_shape(const Shape& output, const Shape& argument) {
  std::vector<int64_t> dims = output.dims();
  for (int64_t d : argument) dims.push_back(d);
  return Shape(std::move(dims));
}

Tensor unit(const Tensor& like, int64_t element) {
  return reshape(cast(ops::counted(like.size(), i64) == element, like.dtype()), like.shape());
}

JacobianBlocks jacobian_by_rows(std::span<const Tensor> outputs, std::span<const Tensor> at) {
  JacobianBlocks blocks;
  for (size_t o = 0; o < outputs.size(); ++o) {
    std::vector<std::vector<Tensor>> rows(at.size());
    for (int64_t i = 0; i < outputs[o].size(); ++i) {
      std::vector<Tensor> cotangents(outputs.size());
      cotangents[o] = unit(outputs[o], i);
      const auto row = pullback(outputs, cotangents, at);
      for (size_t a = 0; a < at.size(); ++a) rows[a].push_back(row[a]);
    }
    blocks.emplace_back();
    for (size_t a = 0; a < at.size(); ++a)
      blocks.back().push_back(assembled(std::move(rows[a]), true, outputs[o], at[a]));
  }
  return blocks;
}

JacobianBlocks jacobian_by_columns(std::span<const Tensor> outputs, std::span<const Tensor> at) {
  JacobianBlocks blocks(outputs.size());
  for (size_t a = 0; a < at.size(); ++a) {
    std::vector<std::vector<Tensor>> columns(outputs.size());
    for (int64_t k = 0; k < at[a].size(); ++k) {
      std::vector<Tensor> tangents(at.size());
      tangents[a] = unit(at[a], k);
      const auto moved = pushforward(outputs, at, tangents);
      for (size_t o = 0; o < outputs.size(); ++o) columns[o].push_back(moved[o]);
    }
    for (size_t o = 0; o < outputs.size(); ++o)
      blocks[o].push_back(assembled(std::move(columns[o]), false, outputs[o], at[a]));
  }
  return blocks;
}

}  // namespace varve::transform
