#include "nn/targets.h"

#include "ir/node.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/shape.h"

namespace varve::nn {
namespace {

std::vector<int64_t> leading(const Shape& shape) {
  return {shape.dims().begin(), shape.dims().end() - 1};
}

[[noreturn]] void refuse(const char* what, const Tensor& prediction, const Tensor& target,
                         const std::string& expected) {
  throw ShapeError(std::string(what) + ": prediction is " + ir::type_of(prediction).to_string() +
                   ", target is " + ir::type_of(target).to_string() + "; expected " + expected);
}

}  // namespace

TargetKind kind_of(const char* what, const Tensor& prediction, const Tensor& target) {
  const Shape& p = prediction.shape();
  const Shape& t = target.shape();
  if (p.rank() == 0) refuse(what, prediction, target, "a batch of predictions");
  if (p.rank() == 1 || p[-1] == 1) {
    if (t.size() == p.size()) return TargetKind::binary;
    refuse(what, prediction, target, "targets " + p.to_string());
  }
  if (t == p) return TargetKind::distribution;
  const std::vector<int64_t> lead = leading(p);
  std::vector<int64_t> column = lead;
  column.push_back(1);
  if (t.dims() != lead && t.dims() != column) {
    refuse(what, prediction, target,
           "classes " + Shape(lead).to_string() + " or rows " + p.to_string());
  }
  if (is_floating(target.dtype())) {
    throw DTypeError(std::string(what) + ": classes " + t.to_string() +
                         ": expected integers, got " + name_of(target.dtype()),
                     "cast(target, i64) where they are whole numbers");
  }
  return TargetKind::classes;
}

Tensor beside(const Tensor& prediction, const Tensor& target) {
  const bool more = prediction.rank() > target.rank();
  std::vector<int64_t> longer = (more ? prediction : target).shape().dims();
  const std::vector<int64_t> shorter = (more ? target : prediction).shape().dims();
  if (longer.empty() || longer.back() != 1) return target;
  longer.pop_back();
  return longer == shorter ? reshape(target, prediction.shape()) : target;
}

Tensor align(const char* what, const Tensor& prediction, const Tensor& target) {
  const Tensor y = beside(prediction, target);
  if (y.shape() != prediction.shape()) refuse(what, prediction, target, "the same shape");
  return y.dtype() == prediction.dtype() ? y : cast(y, prediction.dtype());
}

Tensor class_indices(const Tensor& prediction, const Tensor& target) {
  const Shape lead(leading(prediction.shape()));
  return target.shape() == lead ? target : reshape(target, lead);
}

}  // namespace varve::nn
