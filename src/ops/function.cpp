// Ops about derivatives themselves: stop_gradient, functions with a derivative of the user's own.
#include "ops/function.h"

#include "base/error.h"
#include "ir/frame.h"
#include "ir/graph.h"
#include "ops/build.h"

namespace varve::ops {

namespace {

std::optional<ir::View> same_view(const InferArguments&, const TensorType&,
                                  const ir::Strides& input) {
  return ir::View{0, input};
}

const ir::Graph& body_of(const Attributes& a) { return *a.get<ir::GraphRef>("body"); }

Types body_types(const InferArguments& a) {
  const ir::Graph& body = body_of(a.attributes);
  if (a.inputs.size() != body.inputs.size()) {
    throw ShapeError(text_of(a.op.name, std::to_string(a.inputs.size()) + " inputs for a body of " +
                                            std::to_string(body.inputs.size())));
  }
  for (size_t i = 0; i < a.inputs.size(); ++i) {
    if (a[i] != body.nodes[static_cast<size_t>(body.inputs[i])].outputs[0]) {
      throw ShapeError(text_of(a.op.name, "input " + std::to_string(i) + " is " + a[i].to_string() +
                                              ", not what the body was traced for"));
    }
  }
  Types out;
  for (ir::ValueId v : body.outputs) out.push_back(body.type(v));
  return out;
}

std::vector<Tensor> replay_body(std::span<const Tensor> x, const Attributes& a) {
  return ir::replay(body_of(a), x);
}

Slots users_vjp(const Local& at, std::span<const Tensor> ct) {
  const auto& opaque = at.attributes.get<ir::Opaque>("backward");
  const auto& backward = *static_cast<const Backward*>(opaque.object.get());
  const ir::SiteScope users_own(nullptr);
  const Tensors grads = backward(Tensors(std::vector<Tensor>(at.inputs.begin(), at.inputs.end())),
                                 Tensors(std::vector<Tensor>(at.outputs.begin(), at.outputs.end())),
                                 Tensors(std::vector<Tensor>(ct.begin(), ct.end())));
  return checked_cotangents("custom_derivative", "the backward function", grads, at.inputs);
}

Slots no_jvp(const Local&, std::span<const Tensor>) {
  throw UnsupportedError(
      "custom_derivative: a function with a reverse rule of its own has no forward mode",
      "use vjp or grad");
}

}  // namespace

std::vector<Tensor> checked_cotangents(const std::string& operation, const char* rule,
                                       const Tensors& cotangents, std::span<const Tensor> inputs) {
  if (cotangents.size() != inputs.size()) {
    throw ValueError(operation + ": " + rule + " must return one tensor an argument: expected " +
                     std::to_string(inputs.size()) + ", got " + std::to_string(cotangents.size()));
  }
  for (size_t i = 0; i < cotangents.size(); ++i) {
    if (cotangents[i].defined() && ir::type_of(cotangents[i]) != ir::type_of(inputs[i])) {
      throw ShapeError(operation + ": cotangent " + std::to_string(i) + ": expected " +
                       ir::type_of(inputs[i]).to_string() + ", got " +
                       ir::type_of(cotangents[i]).to_string());
    }
  }
  return cotangents.list();
}

std::span<const ir::OpDef> function_rows() {
  static const std::vector<ir::OpDef> rows = {
      {.name = "identity",
       .doc = "x itself, as a node of its own: what derivatives are taken at.",
       .min_inputs = 1,
       .max_inputs = 1,
       .infer = same_type,
       .derivative =
           ir::Linear{[](const Local&, std::span<const Tensor> ct) -> Slots { return {ct[0]}; }},
       .view = same_view},
      {.name = "stop_gradient",
       .doc = "x, through which no derivative flows.",
       .min_inputs = 1,
       .max_inputs = 1,
       .infer = same_type,
       .derivative = ir::NotDifferentiable{"it stops derivatives"},
       .view = same_view},
      {.name = "group",
       .doc = "The graph in attribute body: ops that one kernel runs together.",
       .min_inputs = 0,
       .max_inputs = 1 << 20,
       .infer = body_types,
       .derivative = ir::FromDecomposition{},
       .decompose = replay_body,
       .traits = {.body = true}},
      {.name = "custom_derivative",
       .doc = "The graph in attribute body, with the derivative of attribute backward.",
       .min_inputs = 1,
       .max_inputs = 1 << 20,
       .infer = body_types,
       .derivative = ir::Custom{users_vjp, no_jvp},
       .decompose = replay_body,
       .traits = {.body = true}},
  };
  return rows;
}

}  // namespace varve::ops
