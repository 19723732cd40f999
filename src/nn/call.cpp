// Calling layers: keys, penalties, names in errors, and calls that only work out types.
#include <algorithm>
#include <utility>

#include "base/any_batch.h"
#include "base/error.h"
#include "ir/frame.h"
#include "nn/batch.h"
#include "nn/layer_state.h"
#include "nn/masks.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/random.h"

namespace varve::detail {
namespace {

thread_local Call* current_call = nullptr;

bool is_builtin(const LayerState& layer) {
  return layer.spec->spelling().find("varve::nn::") != std::string_view::npos;
}

[[noreturn]] void rethrow_from(const Error& e, const LayerState& layer, const std::string& path) {
  if (e.at().find("(layer \"") != std::string::npos) throw;
  // A line of the library says nothing to the user: for our own layers it is the line that made
  // the layer.
  std::string at = is_builtin(layer) || e.at().empty() ? layer.where.to_string() : e.at();
  at += (at.empty() ? "(layer \"" : " (layer \"") + (path.empty() ? layer.name() : path) + "\")";
  std::string hint = e.hint();
  if (!is_builtin(layer) && hint == nn::kTakeMaskOff)
    hint += "; or say what becomes of it: static constexpr nn::Masks masks = nn::Masks::by_step;";
  throw_like(e, e.message(), hint, at);
}

}  // namespace

void throw_like(const Error& e, const std::string& message, const std::string& hint,
                const std::string& at) {
  auto as = [&]<class E>(const E*) {
    if (dynamic_cast<const E*>(&e)) throw E(message, hint, at);
  };
  as(static_cast<const ShapeError*>(nullptr));
  as(static_cast<const DTypeError*>(nullptr));
  as(static_cast<const IndexError*>(nullptr));
  as(static_cast<const ValueError*>(nullptr));
  as(static_cast<const IoError*>(nullptr));
  as(static_cast<const FormatError*>(nullptr));
  as(static_cast<const ConfigError*>(nullptr));
  as(static_cast<const NumericError*>(nullptr));
  as(static_cast<const DeviceError*>(nullptr));
  as(static_cast<const DistributedError*>(nullptr));
  as(static_cast<const UnsupportedError*>(nullptr));
  as(static_cast<const InternalError*>(nullptr));
  throw Error(message, hint, at);
}

Call::Call(LayerState& root, const CallOptions& options)
    : training(options.training.value_or(current_call && current_call->training)),
      losses(options.losses || !current_call ? options.losses : current_call->losses),
      root_(root),
      outer_(current_call) {
  current_call = this;
}

Call::~Call() {
  current_call = outer_;
  if (finished_) return;
  for (auto f = first_.rbegin(); f != first_.rend(); ++f) {
    auto& [layer, variables, parts] = *f;
    layer->variables.erase(layer->variables.begin() + static_cast<int64_t>(variables),
                           layer->variables.end());
    layer->parts.erase(layer->parts.begin() + static_cast<int64_t>(parts), layer->parts.end());
    layer->built = false;
  }
}

void Call::note_first(LayerState& layer) {
  first_.push_back({&layer, layer.variables.size(), layer.parts.size()});
}

Variable random_state(LayerState& layer) {
  if (!layer.random.defined()) {
    auto initial = [key = random::key()] {
      return tensor({key.bits().span<uint64_t>()[0], uint64_t{0}});
    };
    layer.random = Variable(Shape{2}, u64, initial, {join(layer.name(), "random_state"), false});
  }
  return layer.random;
}

Key Call::key(const std::string& path) {
  if (!step_) {
    // The state is read and counted up as data, so that a compiled step draws anew each time.
    Variable state = random_state(root_);
    const Tensor now = state.value();
    step_ = Key(now);
    state.assign(now + tensor({uint64_t{0}, uint64_t{1}}));
  }
  return step_->fold_in(path).fold_in(uses_[path]++);
}

void Call::regularize(const Regularizer& regularizer, const Variable& variable,
                      const Tensor& value) {
  if (!losses || !regularizer) return;
  if (std::find(regularized_.begin(), regularized_.end(), variable) != regularized_.end()) return;
  regularized_.push_back(variable);
  losses->push_back(regularizer(value));
}

Tensors call_part(Call& call, LayerState& layer, const std::string& path, const Tensors& x,
                  Origin origin) {
  const std::string& name = path.empty() ? layer.name() : path;
  if (!layer.spec->takes_many() && x.size() != 1) {
    throw ValueError("layer \"" + name + "\": expected one tensor, got " + std::to_string(x.size()),
                     "", layer.where.to_string());
  }
  if (!layer.built) call.note_first(layer);
  Origin outer = std::exchange(call.origin, std::move(origin));
  Tensors y;
  try {
    ir::LayerScope named(name);
    Scope scope(call, layer, path);
    const nn::Masks rule = layer.spec->masks();
    nn::check_masks(rule, x);
    y = nn::hand_on(rule, x, layer.spec->call(x, scope));
  } catch (const Error& e) {
    rethrow_from(e, layer, path);
  }
  call.origin = std::move(outer);
  for (const Tensor& t : y) {
    if (!t.defined()) {
      throw ValueError("layer \"" + name + "\": its call returned an empty Tensor", "",
                       layer.where.to_string());
    }
  }
  // Written once: a built layer may be called from several threads.
  if (!layer.built) layer.built = true;
  if (call.watch) (*call.watch)({path, &layer, x, y});
  return y;
}

nn::MaskedTypes probe(LayerState& layer, const nn::MaskedTypes& inputs, int64_t batch,
                      std::optional<bool> training, const Origin& origin) {
  ir::Frame frame(ir::Frame::Kind::trace);
  std::vector<Tensor> x;
  for (const ir::TensorType& t : inputs.types) x.push_back(ir::placeholder(nn::at_batch(t, batch)));
  for (const auto& mask : inputs.masks) {
    if (mask) x.push_back(ir::placeholder(nn::at_batch(*mask, batch)));
  }
  Call call(layer, {.training = training.value_or(false)});
  call.probing = true;
  const Tensors y = call_part(call, layer, "", Tensors(nn::with_masks(x, inputs)), origin);
  call.finish();
  return nn::masked_types_of(y);
}

namespace {

/// The type for any batch, of those at batches 2 and 3.
ir::TensorType at_any_batch(const ir::TensorType& a, const ir::TensorType& b,
                            const LayerState& layer) {
  std::vector<int64_t> dims = a.shape.dims();
  bool fits = a.shape.rank() == b.shape.rank() && a.dtype == b.dtype;
  for (int axis = 0; fits && axis < a.shape.rank(); ++axis) {
    const int64_t p = a.shape[axis], q = b.shape[axis];
    if (p == q) continue;
    fits = axis == 0 && p % 2 == 0 && q == p / 2 * 3;
    dims[static_cast<size_t>(axis)] = p / 2 * kAnyBatch;
  }
  if (!fits) {
    throw ShapeError(
        "layer \"" + layer.name() +
            "\": its result changes with the batch in more than the first axis: " + a.to_string() +
            " at batch 2, " + b.to_string() + " at batch 3",
        "the sizes of a sample must not depend on how many there are", layer.where.to_string());
  }
  return {a.dtype, Shape(std::move(dims))};
}

}  // namespace

nn::MaskedTypes probe_any_batch(LayerState& layer, const nn::MaskedTypes& inputs,
                                std::optional<bool> training, const Origin& origin) {
  nn::MaskedTypes any = probe(layer, inputs, 2, training, origin);
  const nn::MaskedTypes three = probe(layer, inputs, 3, training, origin);
  for (size_t i = 0; i < any.types.size(); ++i) {
    any.types[i] = at_any_batch(any.types[i], three.types.at(i), layer);
    if (any.masks[i]) any.masks[i] = at_any_batch(*any.masks[i], three.masks.at(i).value(), layer);
  }
  return any;
}

}  // namespace varve::detail

namespace varve {

Scope::Scope(detail::Call& call, detail::LayerState& layer, std::string path)
    : call_(call), layer_(layer), path_(std::move(path)) {}

bool Scope::training() const { return call_.training; }
bool Scope::frozen() const { return layer_.frozen; }
Key Scope::key() { return call_.key(path_); }
void Scope::add_loss(const Operand& penalty) {
  if (call_.losses) call_.losses->push_back(penalty.tensor());
}

Tensor Scope::variable(std::string_view name, const Shape& shape, VariableOptions options) {
  for (detail::Owned& v : layer_.variables) {
    if (v.name != name) continue;
    if (v.variable.shape() != shape) {
      throw ShapeError("variable \"" + v.name + "\": made with shape " +
                           v.variable.shape().to_string() + ", now asked for with " +
                           shape.to_string(),
                       "a layer keeps its weights: the sizes of its input must stay");
    }
    const Tensor value = v.variable.value();
    call_.regularize(options.regularizer, v.variable, value);
    return detail::Adjusted::of(call_.adjusted, layer_, name, value);
  }
  if (name.empty() || name.find('.') != std::string_view::npos) {
    throw ValueError("variable \"" + escaped(name) + "\": expected a name without dots");
  }
  // The key is drawn now: values do not depend on the order in which they are read.
  auto initial = [initializer = options.initializer, key = random::key(), shape,
                  dtype = options.dtype] { return initializer(key, shape, dtype); };
  Variable made(shape, options.dtype, std::move(initial),
                {detail::join(path_, name), options.trainable && !layer_.frozen});
  made.state()->constraint = options.constraint.function();
  layer_.variables.push_back({std::string(name), made, options.trainable});
  const Tensor value = made.value();
  call_.regularize(options.regularizer, made, value);
  return detail::Adjusted::of(call_.adjusted, layer_, name, value);
}

void Scope::update(std::string_view name, const Operand& value) {
  for (detail::Owned& v : layer_.variables) {
    if (v.name == name) {
      v.variable.assign(value.as(v.variable.dtype()));
      return;
    }
  }
  std::vector<std::string> known;
  for (const detail::Owned& v : layer_.variables) known.push_back(v.name);
  throw IndexError("update: the layer has no variable \"" + escaped(name) + "\"",
                   did_you_mean(name, known), value.where().to_string());
}

Tensor Scope::part_variable(std::string_view part, std::string_view path) const {
  std::vector<std::string> known;
  for (const detail::Part& p : layer_.parts) {
    if (p.name == part) return p.layer.variable(path).value();
    known.push_back(p.name);
  }
  throw IndexError("the layer has called no part \"" + escaped(part) + "\"",
                   known.empty() ? "call it first" : did_you_mean(part, known));
}

Outputs Scope::operator()(std::string_view name, const Layer& layer, const Tensors& x) {
  for (const detail::Part& p : layer_.parts) {
    if (p.name != name) continue;
    if (!(p.layer == layer) && layer.built()) {
      throw ValueError("part \"" + p.name + "\": another layer has that name already",
                       "give each part a name of its own");
    }
    return detail::call_part(call_, *p.layer.state(), detail::join(path_, name), x);
  }
  if (name.empty() || name.find('.') != std::string_view::npos) {
    throw ValueError("part \"" + escaped(name) + "\": expected a name without dots");
  }
  layer_.parts.push_back({std::string(name), layer});
  layer.state()->assigned = name;
  return detail::call_part(call_, *layer.state(), detail::join(path_, name), x);
}

Tensor Scope::operator()(std::string_view name, const Layer& layer, const Tensor& x) {
  return (*this)(name, layer, Tensors(x)).only();
}

void Scope::wrong_features(int64_t expected, int64_t got, const char* what) {
  std::string text = "layer ";
  const auto& [position, producer] = call_.origin;
  if (position) text += std::to_string(position) + " ";
  text += "\"" + (path_.empty() ? layer_.name() : path_) + "\": expects " +
          std::to_string(expected) + " " + what + ", ";
  text += producer.empty() ? "got " + std::to_string(got)
                           : "\"" + producer + "\" gives " + std::to_string(got);
  throw ShapeError(text);
}

}  // namespace varve
