// room: ops
// Operations and derivatives of one's own, on plain spans.
#pragma once
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "varve/tensor.h"

namespace varve {

/// Type and shape of an operand of a custom operation.
struct TensorSpec {
  DType dtype = DType::f32;
  Shape shape;
};

/// Row-major elements of an operand, valid during the call. `span<T>` throws DTypeError for another
/// T.
class Elements {
 public:
  Elements(const TensorSpec& spec, void* data) : spec_(&spec), data_(data) {}
  DType dtype() const { return spec_->dtype; }
  const Shape& shape() const { return spec_->shape; }
  template <Element T>
  std::span<T> span() const {
    require(dtype_of<T>);
    return {static_cast<T*>(data_), static_cast<size_t>(spec_->shape.size())};
  }

 private:
  void require(DType asked) const;
  const TensorSpec* spec_;
  void* data_;
};

/// What an operation of your own is made of; see custom_op.
struct CustomOp {
  std::string name = {};
  /// Types of the outputs from those of the inputs; throws varve errors for what it does not take.
  std::function<std::vector<TensorSpec>(const std::vector<TensorSpec>& inputs)> infer = {};
  /// Fills the outputs. May run on any thread; must depend on nothing but the inputs.
  std::function<void(const std::vector<Elements>& inputs, const std::vector<Elements>& outputs)>
      forward = {};
  /// Cotangents of the inputs, of their types (ShapeError), from inputs, outputs and cotangents of
  /// the outputs; empty: no derivative.
  std::function<Tensors(const Tensors& x, const Tensors& y, const Tensors& cotangents)> vjp = {};
};

/// An operation of one's own, which evaluates, differentiates and compiles as the library's do.
/// Throws ValueError where name, infer or forward is missing.
/// Example: `auto cube = custom_op({.name = "cube", .infer = ..., .forward = ...}); cube({x});`
std::function<Tensors(const Tensors&)> custom_op(CustomOp op);

namespace debug {
/// Returns x and shows it on standard error as "label: f32[2]" and its elements: at once, or, in a
/// compiled step, when the step ends. No derivative flows through what is shown; the returned x is
/// x itself.
Tensor print(const Tensor& x, const std::string& label = "");
}  // namespace debug

}  // namespace varve
