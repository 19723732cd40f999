#include "base/error.h"
#include "nn/recurrent.h"
#include "nn/weights.h"
#include "ops/shape.h"
#include "varve/ops/convolution.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/shape.h"

namespace varve::nn {
namespace {

constexpr RealRule kShare{.min = 0, .below = 1};

Tensor gate(const Tensor& x, int64_t i, int64_t filters) {
  return ops::narrow(x, 3, i * filters, filters);
}

/// Frames [batch, time, ...] as one batch.
Tensor frames_of(const Tensor& x) {
  std::vector<int64_t> dims(x.shape().begin() + 1, x.shape().end());
  dims[0] = x.shape()[0] * x.shape()[1];
  return reshape(x, Shape(std::move(dims)));
}

}  // namespace

Tensors ConvLSTM2D::call(const Tensors& inputs, Scope& s) const {
  SequenceInputs in = sequence_inputs(inputs, 5, 2, "[batch, time, height, width, channels]");
  const DType dtype = weight_type(in.x);
  const Tensor x = cast(dropped_alike(in.x, dropout, s), dtype);
  const int64_t steps = x.shape()[1], n = 4 * filters;
  if (steps == 0) throw ShapeError("expected a step at least, got " + x.shape().to_string());
  const Tensor kernel =
      fitted(s, "kernel", {kernel_size[0], kernel_size[1], x.shape()[4], n}, 2, 1,
             weight(kernel_initializer, dtype, kernel_regularizer, kernel_constraint));
  const Tensor recurrent_kernel =
      s.variable("recurrent_kernel", {kernel_size[0], kernel_size[1], filters, n},
                 weight(recurrent_initializer, dtype, recurrent_regularizer, recurrent_constraint));
  ConvOptions<2> options{.strides = strides, .padding = padding, .dilation = dilation_rate};
  if (use_bias) {
    options.bias =
        s.variable("bias", {n},
                   weight(unit_forget_bias ? with_ones(bias_initializer, 4, 1) : bias_initializer,
                          dtype, bias_regularizer, bias_constraint));
  }
  // What the frames bring, all at once.
  const Tensor brought = conv2d(frames_of(x), kernel, options);
  const Shape& size = brought.shape();
  const int64_t batch = x.shape()[0];
  const Tensor by_step = reshape(brought, {batch, steps, size[1], size[2], n});
  const Shape each{batch, size[1], size[2], filters};
  Tensor h = in.states.empty() ? zeros(each, dtype) : cast(in.states[0], dtype);
  Tensor c = in.states.empty() ? zeros(each, dtype) : cast(in.states[1], dtype);
  const Tensor scale = dropout_factor(each, dtype, recurrent_dropout, s);
  std::vector<Tensor> states;
  for (int64_t i = 0; i < steps; ++i) {
    const int64_t t = go_backwards ? steps - 1 - i : i;
    const Tensor sum = ops::step_of(by_step, t) + conv2d(scale.defined() ? h * scale : h,
                                                         recurrent_kernel, {.padding = "same"});
    const Tensor enter = recurrent_activation(gate(sum, 0, filters)),
                 forget = recurrent_activation(gate(sum, 1, filters)),
                 out = recurrent_activation(gate(sum, 3, filters));
    const Tensor cell = forget * c + enter * activation(gate(sum, 2, filters));
    const Tensor state = out * activation(cell);
    if (in.mask.defined()) {
      const Tensor there = mask_beside(ops::step_of(in.mask, t), h.rank());
      c = where(there, cell, c);
      h = where(there, state, h);
    } else {
      c = cell;
      h = state;
    }
    states.push_back(h);
  }
  Tensor y = h;
  if (return_sequences) {
    const bool turned = go_backwards && in.mask.defined();
    y = with_mask(stack(Tensors(states), 1), turned ? flip(in.mask, {1}) : in.mask);
  }
  std::vector<Tensor> results{y};
  if (return_state) results.insert(results.end(), {h, c});
  return Tensors(std::move(results));
}
Outputs ConvLSTM2D::operator()(const Tensors& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void ConvLSTM2D::fields(Fields& f) {
  f("filters", filters, "Channels of the state.", {.min = 1});
  f("kernel_size", kernel_size, "Sizes of the kernels.", {.min = 1});
  f("strides", strides, "Steps between positions.", {.min = 1});
  f("padding", padding, "What is added at the borders.");
  f("dilation_rate", dilation_rate, "Steps between a kernel's taps.", {.min = 1});
  f("activation", activation, "Function of the candidate and of the cell.");
  f("recurrent_activation", recurrent_activation, "Function of the gates.");
  f("use_bias", use_bias, "Whether a bias is added.");
  f("kernel_initializer", kernel_initializer, "How the kernel begins.");
  f("recurrent_initializer", recurrent_initializer, "How the recurrent kernel begins.");
  f("bias_initializer", bias_initializer, "How the bias begins.");
  f("unit_forget_bias", unit_forget_bias, "Whether the forget gate's bias begins at 1.");
  f("kernel_regularizer", kernel_regularizer, "Penalty on the kernel.");
  f("recurrent_regularizer", recurrent_regularizer, "Penalty on the recurrent kernel.");
  f("bias_regularizer", bias_regularizer, "Penalty on the bias.");
  f("kernel_constraint", kernel_constraint, "What the kernel is brought back to.");
  f("recurrent_constraint", recurrent_constraint, "What the recurrent kernel is brought back to.");
  f("bias_constraint", bias_constraint, "What the bias is brought back to.");
  f("dropout", dropout, "Share of the inputs that is dropped.", kShare);
  f("recurrent_dropout", recurrent_dropout, "Share of the state that is dropped.", kShare);
  f("return_sequences", return_sequences, "Whether every state is given, not the last alone.");
  f("return_state", return_state, "Whether the last states are given, too.");
  f("go_backwards", go_backwards, "From the last step to the first.");
  f("name", name, kLayerName);
}

}  // namespace varve::nn
