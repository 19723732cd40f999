#include "varve/nn/core_layers.h"

#include <algorithm>

#include "base/any_batch.h"
#include "base/count.h"
#include "ir/node.h"
#include "nn/network.h"
#include "nn/weights.h"
#include "varve/ops/indexing.h"
#include "varve/ops/matmul.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/random.h"
#include "varve/ops/shape.h"

namespace varve::nn {
namespace {

Shape with_batch(const Tensor& x, const std::vector<int64_t>& sample) {
  std::vector<int64_t> dims{x.shape()[0]};
  dims.insert(dims.end(), sample.begin(), sample.end());
  return Shape(std::move(dims));
}

int64_t sample_size(const Tensor& x) {
  int64_t n = 1;
  for (int i = 1; i < x.rank(); ++i) n *= x.shape()[i];
  return n;
}

}  // namespace

// ---- Input ----

std::optional<ir::TensorType> input_type(const Layer& layer) {
  const auto* input = dynamic_cast<const detail::SpecOf<Input>*>(layer.state()->spec.get());
  if (!input) return std::nullopt;
  std::vector<int64_t> dims{kAnyBatch};
  dims.insert(dims.end(), input->spec.shape.begin(), input->spec.shape.end());
  return ir::TensorType{input->spec.dtype, Shape(std::move(dims))};
}

Input::operator Tensor() && {
  const std::string label = name.empty() ? "input" : name;
  const Layer checked(std::move(*this), Where{});
  const Tensor x = ir::placeholder(*input_type(checked));
  x.cell()->symbolic = std::make_shared<const std::string>(label);
  return x;
}

Tensor Input::call(const Tensor& x, Scope&) const {
  const Shape expected = with_batch(x, shape.dims());
  if (x.rank() == 0 || x.shape() != expected) {
    throw ShapeError("expected samples of " + shape.to_string() + ", got a batch of shape " +
                     x.shape().to_string());
  }
  return x.dtype() == dtype ? x : cast(x, dtype);
}
void Input::fields(Fields& f) {
  f("shape", shape, "Sizes of a sample, without the batch.", {.min = 0});
  f("dtype", dtype, "Element type.");
  f("name", name, kLayerName);
}

// ---- Dense ----

Tensor Dense::call(const Tensor& x, Scope& s) const {
  require_rank(x, 2, kAnyRank, "[batch, ..., features]");
  const DType dtype = weight_type(x);
  const int64_t features = x.shape()[-1];
  MatmulOptions options;
  const Tensor kernel =
      fitted(s, "kernel", {features, units}, 0, 1,
             weight(kernel_initializer, dtype, kernel_regularizer, kernel_constraint));
  if (use_bias) {
    options.bias = s.variable("bias", {units},
                              weight(bias_initializer, dtype, bias_regularizer, bias_constraint));
  }
  return activation(matmul(is_floating(x.dtype()) ? x : cast(x, dtype), kernel, options));
}
Tensor Dense::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void Dense::fields(Fields& f) {
  f("units", units, "Size of the result's last axis.", {.min = 1});
  f("activation", activation, "Function of the result.");
  f("use_bias", use_bias, "Whether a bias is added.");
  kernel_and_bias_fields(*this, f);
  f("name", name, kLayerName);
}

// ---- shapes ----

Tensor Flatten::call(const Tensor& x, Scope&) const {
  require_rank(x, 1, kAnyRank, "[batch, ...]");
  return reshape(x, with_batch(x, {sample_size(x)}));
}
Tensor Flatten::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void Flatten::fields(Fields& f) { f("name", name, kLayerName); }

Tensor Reshape::call(const Tensor& x, Scope&) const {
  require_rank(x, 1, kAnyRank, "[batch, ...]");
  std::vector<int64_t> dims = target_shape.dims();
  const int64_t count = sample_size(x);
  int64_t known = 1;
  for (int64_t d : dims) known *= d == -1 ? 1 : d;
  const auto open = std::find(dims.begin(), dims.end(), -1);
  // Worked out here, for a batch may be empty.
  if (open != dims.end() && known > 0 && count % known == 0) *open = count / known;
  if (Shape(dims).size() != count) {
    throw ShapeError("reshape: a sample of " + count_of(count, "element") + " into " +
                     target_shape.to_string());
  }
  return reshape(x, with_batch(x, dims));
}
Tensor Reshape::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void Reshape::fields(Fields& f) {
  f("target_shape", target_shape, "Sizes of a sample; one may be -1.", {.min = -1});
  f("name", name, kLayerName);
}

Tensor Permute::call(const Tensor& x, Scope&) const {
  const int rank = static_cast<int>(dims.size()) + 1;
  if (x.rank() != rank) {
    throw ShapeError("permute: expected " + std::to_string(rank) + " axes with the batch, got " +
                     x.shape().to_string());
  }
  std::vector<int> axes{0};
  axes.insert(axes.end(), dims.begin(), dims.end());
  return transpose(x, axes);
}
Tensor Permute::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void Permute::fields(Fields& f) {
  f("dims", dims, "The axes after the batch, from 1, in their new order.", {.min = 1});
  f("name", name, kLayerName);
}

Tensor RepeatVector::call(const Tensor& x, Scope&) const {
  require_rank(x, 2, 2, "[batch, features]");
  const int64_t batch = x.shape()[0], features = x.shape()[1];
  return broadcast_to(reshape(x, {batch, 1, features}), {batch, n, features});
}
Tensor RepeatVector::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void RepeatVector::fields(Fields& f) {
  f("n", n, "How often.", {.min = 1});
  f("name", name, kLayerName);
}

// ---- functions ----

Tensor Rescaling::call(const Tensor& x, Scope&) const {
  const Tensor scaled = real(x) * scale.value;
  return offset == 0 ? scaled : scaled + offset.value;
}
Tensor Rescaling::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void Rescaling::fields(Fields& f) {
  f("scale", scale, "Factor.");
  f("offset", offset, "Added after scaling.");
  f("name", name, kLayerName);
}

Tensor Lambda::call(const Tensors& x, Scope&) const {
  if (!function) throw ValueError("lambda: expected a function, got none");
  return function(x);
}
Tensor Lambda::operator()(const Tensors& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void Lambda::fields(Fields& f) {
  f.function("function", static_cast<bool>(function), "Your function of the tensors.");
  f("name", name, kLayerName);
}

// ---- Embedding ----

Tensor Embedding::call(const Tensor& x, Scope& s) const {
  const Tensor table = s.variable(
      "embeddings", {input_dim, output_dim},
      weight(embeddings_initializer, f32, embeddings_regularizer, embeddings_constraint));
  const Tensor ids = is_floating(x.dtype()) ? cast(x, i64) : x;
  const Tensor rows = embedding(table, ids);
  return with_mask(rows, mask_zero ? ids != 0 : mask_of(x));
}
Tensor Embedding::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void Embedding::fields(Fields& f) {
  f("input_dim", input_dim, "How many indices there are.", {.min = 1});
  f("output_dim", output_dim, "Size of a row.", {.min = 1});
  f("embeddings_initializer", embeddings_initializer, "How the table begins.");
  f("embeddings_regularizer", embeddings_regularizer, "Penalty on the table.");
  f("embeddings_constraint", embeddings_constraint, "What the table is brought back to.");
  f("mask_zero", mask_zero, "Whether index 0 stands for nothing: the result has a mask.");
  f("name", name, kLayerName);
}

}  // namespace varve::nn
