#include "varve/nn/mask.h"

#include <algorithm>

#include "ir/node.h"
#include "nn/masks.h"
#include "varve/nn/recurrent_layers.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/shape.h"

namespace varve::nn {
namespace {

bool fits(const Shape& mask, const Shape& x) {
  return mask.rank() <= x.rank() && std::equal(mask.begin(), mask.end(), x.begin());
}

}  // namespace

Tensor mask_of(const Tensor& x) { return x.mask_cell() ? Tensor(x.mask_cell()) : Tensor(); }

Tensor with_mask(const Tensor& x, const Tensor& mask, Where where) {
  if (!mask.defined()) {
    if (!x.mask_cell()) return x;
    return x.cell()->symbolic ? DropMask{}(x, {}, where) : Tensor(x.cell());
  }
  if (mask.dtype() != DType::bool_) {
    throw DTypeError("with_mask: expected a bool mask, got " + ir::type_of(mask).to_string(), "",
                     where.to_string());
  }
  if (!fits(mask.shape(), x.shape())) {
    throw ShapeError("with_mask: expected a mask of the first axes of " + x.shape().to_string() +
                         ", got " + mask.shape().to_string(),
                     "", where.to_string());
  }
  if (x.cell()->symbolic || mask.cell()->symbolic) return ApplyMask{}({x, mask}, {}, where);
  return Tensor(x.cell(), mask.cell());
}

MaskedTypes masked_types_of(const Tensors& x) {
  MaskedTypes all;
  for (const Tensor& t : x) {
    all.types.push_back(ir::type_of(t));
    const Tensor mask = mask_of(t);
    all.masks.push_back(mask.defined() ? std::optional(ir::type_of(mask)) : std::nullopt);
  }
  return all;
}

ir::Types values_and_masks(const MaskedTypes& types) {
  ir::Types all = types.types;
  for (const auto& mask : types.masks) {
    if (mask) all.push_back(*mask);
  }
  return all;
}

ir::Ints masked_places(const MaskedTypes& types) {
  ir::Ints places;
  for (size_t i = 0; i < types.masks.size(); ++i) {
    if (types.masks[i]) places.push_back(static_cast<int64_t>(i));
  }
  return places;
}

std::vector<Tensor> with_masks(const std::vector<Tensor>& all, const MaskedTypes& types) {
  std::vector<Tensor> tensors;
  size_t next = types.types.size();
  for (size_t i = 0; i < types.types.size(); ++i) {
    const bool masked = i < types.masks.size() && types.masks[i];
    tensors.push_back(masked ? Tensor(all[i].cell(), all[next++].cell()) : all[i]);
  }
  return tensors;
}

namespace {

Tensor joined(const Tensor& a, const Tensor& b, Tensor (*f)(const Operand&, const Operand&)) {
  if (!a.defined() || (b.defined() && a.cell() == b.cell())) return b;
  if (!b.defined()) return a;
  const int rank = std::max(a.rank(), b.rank());
  return f(mask_beside(a, rank), mask_beside(b, rank));
}

}  // namespace

Tensor both(const Tensor& a, const Tensor& b) { return joined(a, b, logical_and); }
Tensor either(const Tensor& a, const Tensor& b) { return joined(a, b, logical_or); }

Tensor merged_mask(const Tensors& x) {
  Tensor mask;
  for (const Tensor& t : x) mask = either(mask, mask_of(t));
  return mask;
}

Tensor mask_beside(const Tensor& mask, int rank) {
  std::vector<int64_t> dims = mask.shape().dims();
  dims.resize(static_cast<size_t>(rank), 1);
  return reshape(mask, Shape(std::move(dims)));
}

void check_masks(Masks rule, const Tensors& x) {
  if (rule == Masks::own || rule == Masks::elementwise) return;
  for (const Tensor& t : x) {
    const Tensor mask = mask_of(t);
    if (!mask.defined()) continue;
    if (rule == Masks::refused) {
      throw ValueError(
          "its input has a mask " + mask.shape().to_string() + ", which the layer does not take",
          kTakeMaskOff);
    }
    if (t.rank() <= mask.rank()) {
      throw ValueError("its input " + t.shape().to_string() + " has a mask " +
                           mask.shape().to_string() + ", and the layer mixes what it masks",
                       kTakeMaskOff);
    }
  }
}

Tensors hand_on(Masks rule, const Tensors& x, Tensors y) {
  if (rule != Masks::elementwise && rule != Masks::by_step) return y;
  const Tensor mask = merged_mask(x);
  if (!mask.defined()) return y;
  std::vector<Tensor> masked;
  for (const Tensor& t : y) {
    if (t.mask_cell()) {
      masked.push_back(t);
      continue;
    }
    if (!t.defined() || !fits(mask.shape(), t.shape())) {
      throw ValueError("its input has a mask " + mask.shape().to_string() +
                           ", which has no place in its result" +
                           (t.defined() ? " " + t.shape().to_string() : ""),
                       kTakeMaskOff);
    }
    masked.push_back(Tensor(t.cell(), mask.cell()));
  }
  return Tensors(std::move(masked));
}

void require_within_step(const Tensor& x, int axis) {
  const Tensor mask = mask_of(x);
  if (!mask.defined() || (axis < 0 ? axis + x.rank() : axis) >= mask.rank()) return;
  throw ValueError("axis " + std::to_string(axis) + " of " + x.shape().to_string() +
                       " is one of its mask's " + mask.shape().to_string(),
                   kTakeMaskOff);
}

}  // namespace varve::nn
