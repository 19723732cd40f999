#include "ops/custom.h"

#include "base/error.h"
#include "ir/frame.h"
#include "ops/build.h"
#include "ops/function.h"

namespace varve::ops {

const CustomOp& custom_definition(const ir::Attributes& attributes) {
  return *static_cast<const CustomOp*>(attributes.get<ir::Opaque>("definition").object.get());
}

namespace {

Types users_types(const InferArguments& a) {
  std::vector<TensorSpec> inputs;
  for (const TensorType& t : a.inputs) inputs.push_back({t.dtype, t.shape});
  Types out;
  for (const TensorSpec& s : custom_definition(a.attributes).infer(inputs))
    out.push_back({s.dtype, s.shape});
  return out;
}

Tensors listed(std::span<const Tensor> x) {
  return Tensors(std::vector<Tensor>(x.begin(), x.end()));
}

Slots users_gradient(const Local& at, std::span<const Tensor> ct) {
  const CustomOp& op = custom_definition(at.attributes);
  if (!op.vjp) {
    throw UnsupportedError(op.name + ": this custom operation has no derivative",
                           "give custom_op a .vjp");
  }
  const ir::SiteScope users_own(nullptr);
  const Tensors grads = op.vjp(listed(at.inputs), listed(at.outputs), listed(ct));
  return checked_cotangents(op.name, "vjp", grads, at.inputs);
}

Slots no_tangent(const Local& at, std::span<const Tensor>) {
  throw UnsupportedError(
      custom_definition(at.attributes).name + ": a custom operation has no forward mode",
      "use vjp or grad");
}

}  // namespace

std::span<const ir::OpDef> custom_rows() {
  static const std::vector<ir::OpDef> rows = {
      {.name = "custom_op",
       .doc = "An operation of the user's own: attribute definition.",
       .min_inputs = 0,
       .max_inputs = 1 << 20,
       .infer = users_types,
       .derivative = ir::Custom{users_gradient, no_tangent},
       .traits = {.faults = true, .precision = ir::PrecisionTrait::f32}},
  };
  return rows;
}

}  // namespace varve::ops

namespace varve {

void Elements::require(DType asked) const {
  if (asked != spec_->dtype) {
    throw DTypeError(std::string("span: the operand holds ") + name_of(spec_->dtype) +
                     ", asked for " + name_of(asked));
  }
}

std::function<Tensors(const Tensors&)> custom_op(CustomOp op) {
  if (op.name.empty() || !op.infer || !op.forward) {
    throw ValueError("custom_op: name, infer and forward must be given");
  }
  const ir::Opaque definition{op.name, std::make_shared<const CustomOp>(std::move(op))};
  return [definition](const Tensors& x) {
    return Tensors(ir::apply(ops::get("custom_op"), x.list(), {{"definition", definition}}));
  };
}

namespace debug {

Tensor print(const Tensor& x, const std::string& label) {
  ir::observe(x, [label](const Tensor& value) {
    const std::string text = (label.empty() ? "" : label + ": ") + value.to_string() + "\n";
    std::fwrite(text.data(), 1, text.size(), stderr);
  });
  return x;
}

}  // namespace debug
}  // namespace varve
