#include "base/count.h"
#include "base/error.h"
#include "nn/config.h"
#include "nn/recurrent.h"
#include "nn/weights.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/random.h"
#include "varve/ops/shape.h"

namespace varve::nn {

SequenceInputs sequence_inputs(const Tensors& x, int rank, size_t states, const char* axes) {
  SequenceInputs in;
  if (x.size() == 0) throw ValueError("expected a tensor, got none");
  require_rank(x[0], rank, rank, axes);
  in.x = real(x[0]);
  in.mask = mask_of(x[0]);
  if (in.mask.defined()) {
    const Shape expected{in.x.shape()[0], in.x.shape()[1]};
    if (in.mask.shape() != expected) {
      throw ShapeError("mask: expected [batch, time] " + expected.to_string() + ", got " +
                       in.mask.shape().to_string());
    }
  }
  in.states.assign(x.begin() + 1, x.end());
  for (const Tensor& state : in.states) {
    if (state.dtype() != DType::bool_) continue;
    throw DTypeError("expected a floating state, got " + ir::type_of(state).to_string(),
                     "a mask goes with the sequence: nn::with_mask(x, mask)");
  }
  if (!in.states.empty() && in.states.size() != states) {
    throw ValueError("expected {x} or {x" +
                     std::string(states == 1
                                     ? ", state}"
                                     : ", a state for each of " + std::to_string(states) + "}") +
                     ", got " + count_of(x.size(), "tensor"));
  }
  return in;
}

Tensor dropout_factor(const Shape& shape, DType dtype, double rate, Scope& s) {
  if (!s.training() || rate == 0) return {};
  const Tensor keep = random::bernoulli(s.key(), 1 - rate, shape);
  return cast(keep, dtype) * (1 / (1 - rate));
}

Tensor dropped_alike(const Tensor& x, double rate, Scope& s) {
  std::vector<int64_t> dims = x.shape().dims();
  dims[1] = 1;
  const Tensor factor = dropout_factor(Shape(std::move(dims)), x.dtype(), rate, s);
  return factor.defined() ? x * factor : x;
}

std::string fused_name(const varve::Activation& activation) {
  if (activation.is_linear()) return "linear";
  try {
    const config::Json value = config::parse(activation.config(), "activation");
    const auto name = value.is_string() ? value.get<std::string>() : "";
    // Names whose functions have no numbers of their own.
    for (const char* known : {"tanh", "sigmoid", "relu", "relu6", "softsign", "softplus", "selu",
                              "silu", "gelu", "mish", "exponential"}) {
      if (name == known) return name;
    }
  } catch (const UnsupportedError&) {  // a function of the user's own
  }
  return "";
}

Initializer with_ones(const Initializer& others, int64_t gates, int64_t gate) {
  return [=](const Key& key, const Shape& shape) -> Tensor {
    const int64_t units = shape[0] / gates;
    const Tensor all = others(key, shape);
    const Tensor place = arange(shape[0]);
    const Tensor own = (place >= gate * units) & (place < (gate + 1) * units);
    return where(own, ones_like(all), all);
  };
}

KeptStates::KeptStates(bool stateful, int64_t batch_size, const Tensor& x, Scope& s)
    : s_(s), batch_(batch_size), kept_(stateful) {
  if (!stateful) return;
  if (batch_size == 0)
    throw ValueError("a stateful layer needs batch_size: how many sequences go on side by side");
  fits_ = x.shape()[0] == batch_size;
  if (!fits_ && !s.call().probing) {
    throw ShapeError("a stateful layer goes on with " + std::to_string(batch_size) +
                     " sequences (batch_size), got a batch of " + std::to_string(x.shape()[0]));
  }
}

Tensor KeptStates::read(const char* name, const Shape& shape, DType dtype) {
  if (!kept_) return {};
  std::vector<int64_t> dims = shape.dims();
  dims[0] = batch_;
  const Tensor value = s_.variable(name, Shape(std::move(dims)),
                                   {.initializer = "zeros", .trainable = false, .dtype = dtype});
  return fits_ ? value : Tensor();
}

void KeptStates::write(const char* name, const Tensor& value) {
  if (kept_ && fits_) s_.update(name, value);
}

Layer kept_part(Scope& s, std::string_view name, FunctionRef<Layer()> make) {
  for (const detail::Part& p : s.layer().parts) {
    if (p.name == name) return p.layer;
  }
  return make();
}
Layer kept_part(Scope& s, std::string_view name, const Layer& otherwise) {
  return kept_part(s, name, [&] { return otherwise; });
}

void reset_states(const Layer& layer) {
  constexpr std::string_view kStates[] = {"state_h", "state_c", "cached_keys", "cached_values",
                                          "cached_count"};
  const auto built_in = [](const detail::LayerState& l) {
    for (const char* type : {"simple_rnn", "lstm", "gru", "multi_head_attention"}) {
      if (l.type == type) return true;
    }
    return false;
  };
  detail::walk(*layer.state(), [&](const std::string&, detail::LayerState& l) {
    if (!built_in(l)) return;
    for (detail::Owned& v : l.variables) {
      for (std::string_view state : kStates) {
        if (v.name == state) v.variable.assign(zeros(v.variable.shape(), v.variable.dtype()));
      }
    }
  });
}

}  // namespace varve::nn
