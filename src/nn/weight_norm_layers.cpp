// Layers around another layer that change its weights before it reads them.
#include <algorithm>

#include "ir/frame.h"
#include "nn/layer_state.h"
#include "nn/recurrent.h"
#include "nn/weights.h"
#include "ops/build.h"
#include "varve/nn/core_layers.h"
#include "varve/nn/norm_layers.h"
#include "varve/ops/matmul.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/random.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve::nn {
namespace {

/// Whether a variable is what these layers change.
bool is_weight(std::string_view name) {
  return name == "kernel" || name == "embeddings" || name == "depthwise_kernel" ||
         name == "pointwise_kernel";
}

/// Of EinsumDense: which axes of its kernel are in the result.
std::vector<int> einsum_outputs(const std::string& equation) {
  std::string all;
  std::copy_if(equation.begin(), equation.end(), std::back_inserter(all),
               [](char c) { return c != ' '; });
  const size_t comma = all.find(','), arrow = all.find("->");
  std::vector<int> axes;
  for (size_t i = comma + 1; i < arrow; ++i) {
    if (all.find(all[i], arrow) != std::string::npos)
      axes.push_back(static_cast<int>(i - comma) - 1);
  }
  return axes;
}

/// The axes of a part's weight that number its outputs, in order.
std::vector<int> output_axes(const Layer& part, std::string_view name, int rank) {
  const std::string& type = part.type();
  if (name == "depthwise_kernel" || type.starts_with("depthwise_conv")) return {rank - 2, rank - 1};
  if (type.starts_with("conv") && type.ends_with("_transpose")) return {rank - 2};
  if (const auto* dense =
          dynamic_cast<const detail::SpecOf<EinsumDense>*>(part.state()->spec.get()))
    return einsum_outputs(dense->spec.equation);
  return {rank - 1};
}

/// One weight of a part, and how its axes are numbered.
struct Weight {
  const Layer& part;
  std::string_view name;
  std::vector<int> outputs, others;  // axes

  Weight(const Layer& l, std::string_view called, int rank)
      : part(l), name(called), outputs(output_axes(l, called, rank)) {
    for (int i = 0; i < rank; ++i) {
      if (std::find(outputs.begin(), outputs.end(), i) == outputs.end()) others.push_back(i);
    }
  }
  /// A variable of the wrapper for each output, which begins as f(key, the weight's first value).
  template <class F>
  Tensor variable(Scope& s, const char* what, const Tensor& value, bool trainable, F f) const {
    const std::string full = own_name(what);
    VariableOptions options{.trainable = trainable, .dtype = value.dtype()};
    const auto& made = s.layer().variables;
    if (std::none_of(made.begin(), made.end(), [&](const auto& v) { return v.name == full; })) {
      // Copies of the layer share this function, so it reads no variable.
      options.initializer = [f, first = first_value()](const Key& key,
                                                       const Shape& shape) -> Tensor {
        return reshape(f(key, first()), shape);
      };
    }
    int64_t count = 1;
    for (int axis : outputs) count *= value.shape()[axis];
    return s.variable(full, {count}, std::move(options));
  }
  /// "g", or "depthwise_g" beside a depthwise_kernel.
  std::string own_name(const char* what) const {
    const size_t prefix = name.find("kernel");
    return std::string(name.substr(0, prefix == name.npos ? 0 : prefix)) + what;
  }

 private:
  std::function<Tensor()> first_value() const {
    for (const detail::Owned& o : part.state()->variables) {
      if (o.name != name) continue;
      const detail::VariableState& state = *o.variable.state();
      if (state.value.defined()) return [value = state.value] { return value; };
      return state.initial;
    }
    throw InternalError("a weight that the part has not");
  }
};

/// The length of each output's weights; the axes that are summed stay with size 1.
Tensor lengths(const Tensor& v, const std::vector<int>& others) {
  return norm(v, {.axes = others, .keep_dims = true});
}

/// v as [weights of an output, outputs].
Tensor matrix_of(const Tensor& v, const std::vector<int>& others, const std::vector<int>& outputs) {
  std::vector<int> order = others;
  order.insert(order.end(), outputs.begin(), outputs.end());
  int64_t rows = 1;
  for (int axis : others) rows *= v.shape()[axis];
  return reshape(transpose(v, order), {rows, -1});
}

/// Calls the part with each of its weights replaced by f(weight).
Tensors with_weights(Scope& s, const Layer& part, const Tensors& x,
                     FunctionRef<Tensor(const Weight&, const Tensor&)> f) {
  bool found = false;
  const auto adjust = [&](std::string_view name, const Tensor& value) {
    if (!is_weight(name)) return value;
    found = true;
    return f(Weight(part, name, value.rank()), value);
  };
  const detail::Adjusted adjusted{part.state().get(), adjust, s.call().adjusted};
  const detail::Adjusted* outer = std::exchange(s.call().adjusted, &adjusted);
  Tensors y;
  try {
    y = s("layer", part, x);
  } catch (...) {
    s.call().adjusted = outer;
    throw;
  }
  s.call().adjusted = outer;
  if (!found) {
    throw ValueError("layer: expected one with a kernel or embeddings, got " + part.type());
  }
  return y;
}

/// A vector of length 1, or 0.
Tensor unit(const Tensor& v) { return v / maximum(norm(v), 1e-12); }

/// The vector u of a matrix after some steps of power iteration, as PyTorch begins.
Tensor begun(const Key& key, const Tensor& matrix) {
  constexpr int kSteps = 15;
  Tensor u = unit(random::normal(key, {matrix.shape()[1]}, {.dtype = matrix.dtype()}));
  for (int i = 0; i < kSteps; ++i) u = unit(matmul(unit(matmul(matrix, u)), matrix));
  return u;
}

}  // namespace

Tensors WeightNorm::call(const Tensors& x, Scope& s) const {
  const Layer part = kept_part(s, "layer", layer.get());
  return with_weights(s, part, x, [&](const Weight& w, const Tensor& v) {
    // g begins where kernel = v.
    const Tensor g = w.variable(s, "g", v, true, [others = w.others](const Key&, const Tensor& x) {
      return lengths(x, others);
    });
    const Tensor length = lengths(v, w.others);
    return v * (reshape(g, length.shape()) / maximum(length, 1e-12));
  });
}
Outputs WeightNorm::operator()(const Tensors& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void WeightNorm::fields(Fields& f) {
  f("layer", layer, "The layer whose weights are normalized.");
  f("name", name, kLayerName);
}

Tensors SpectralNorm::call(const Tensors& x, Scope& s) const {
  const Layer part = kept_part(s, "layer", layer.get());
  return with_weights(s, part, x, [&](const Weight& w, const Tensor& weight) {
    const Tensor matrix = matrix_of(weight, w.others, w.outputs);
    // Neither vector is differentiated: at the solution their derivative adds nothing.
    const Tensor fixed = ops::make("stop_gradient", {matrix});
    Tensor u =
        w.variable(s, "vector_u", weight, false,
                   [others = w.others, outputs = w.outputs](const Key& key, const Tensor& x) {
                     return begun(key, matrix_of(x, others, outputs));
                   });
    const bool learns = s.training() && !s.frozen();
    Tensor v = unit(matmul(fixed, unit(u)));
    if (learns) {
      for (int64_t i = 0; i < power_iterations; ++i) {
        u = unit(matmul(v, fixed));
        if (i + 1 < power_iterations) v = unit(matmul(fixed, u));
      }
      s.update(w.own_name("vector_u"), u);
    }
    const Tensor largest = sum(matmul(v, matrix) * unit(u));
    return weight / maximum(largest, 1e-12);
  });
}
Outputs SpectralNorm::operator()(const Tensors& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void SpectralNorm::fields(Fields& f) {
  f("layer", layer, "The layer whose weights are normalized.");
  f("power_iterations", power_iterations, "Steps of power iteration a call.", {.min = 1});
  f("name", name, kLayerName);
}

}  // namespace varve::nn
