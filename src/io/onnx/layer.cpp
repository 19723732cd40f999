#include "io/onnx/layer.h"

#include <algorithm>
#include <list>
#include <mutex>

#include "base/error.h"
#include "formats/base64.h"
#include "io/onnx/samples.h"
#include "nn/layer_state.h"
#include "nn/network.h"
#include "varve/jit.h"
#include "varve/onnx.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/shape.h"

namespace varve::io::onnx {
namespace {

using formats::onnx::ValueInfo;

std::shared_ptr<const Program> program_of(const Onnx& layer) {
  if (layer.program) return layer.program;
  const std::optional<std::string> bytes = formats::from_base64(layer.graph);
  if (!bytes) throw FormatError("onnx: graph: expected base64");
  layer.program = std::make_shared<const Program>(
      formats::onnx::parse_stripped("onnx", formats::as_bytes(*bytes)));
  return layer.program;
}

// The batch that all inputs are fixed to; 0 where they are not.
int64_t declared_batch(const std::vector<const ValueInfo*>& inputs) {
  int64_t batch = 0;
  for (const ValueInfo* v : inputs) {
    const int64_t first = v->type.dims.empty() ? 0 : v->type.dims[0].value;
    if (first <= 0 || (batch && first != batch)) return 0;
    batch = first;
  }
  return batch;
}

std::vector<int64_t> without_ones(std::vector<int64_t> sizes) {
  sizes.erase(std::remove(sizes.begin(), sizes.end(), 1), sizes.end());
  return sizes;
}

// In the layout in which samples come.
[[noreturn]] void refuse_sample(const ValueInfo& info, std::vector<int64_t> expected,
                                const std::vector<int64_t>& got, bool channels_last) {
  std::vector<int64_t> turned = expected;
  if (turned.size() > 1) std::rotate(turned.begin(), turned.begin() + 1, turned.end());
  const bool hint = !channels_last && without_ones(got) == without_ones(turned);
  throw ShapeError("onnx: input \"" + escaped(info.name) + "\": expected a sample of " +
                       Shape(channels_last ? turned : expected).to_string() + ", got " +
                       Shape(got).to_string(),
                   hint ? "images with the channels last: varve onnx import --channels-last" : "");
}

// An input as the model takes it: the batch on its axis, channels in front of the others, axes of
// size 1 where it has them.
Tensor arranged(const ValueInfo& info, Tensor x, int batch_axis, bool channels_last) {
  const ValueType& type = info.type;
  if (type.kind != ValueType::Kind::tensor) {
    throw UnsupportedError("onnx: input \"" + escaped(info.name) + "\" is no tensor");
  }
  const DType wanted = formats::onnx::held_as(type.element);
  if (x.dtype() != wanted && is_floating(x.dtype()) && is_floating(wanted)) x = cast(x, wanted);
  const std::vector<int64_t> came(x.shape().begin() + std::min(x.rank(), 1), x.shape().end());
  if (channels_last && x.rank() > 2) x = move_axis(x, -1, 1);
  if (!type.has_shape) return x;
  std::vector<int64_t> sizes;
  for (size_t i = 0; i < type.dims.size(); ++i) {
    if (static_cast<int>(i) != batch_axis) sizes.push_back(type.dims[i].value);
  }
  const std::vector<int64_t> given(x.shape().begin() + std::min(x.rank(), 1), x.shape().end());
  const bool fixed = std::all_of(sizes.begin(), sizes.end(), [](int64_t d) { return d > 0; });
  if (given != sizes && fixed) {
    // Only axes of size 1 come and go: anything else would mix up elements.
    if (without_ones(given) != without_ones(sizes)) refuse_sample(info, sizes, came, channels_last);
    sizes.insert(sizes.begin(), x.shape()[0]);
    x = reshape(x, Shape(std::move(sizes)));
  }
  return batch_axis > 0 && batch_axis < x.rank() ? move_axis(x, 0, batch_axis) : x;
}

// The variables of a layer by their names in the file: what Scope does, but for its check of names,
// as those of ONNX may hold dots; and by a table, for there may be thousands.
class Weights {
 public:
  Weights(Scope& s, const Onnx& layer) : s_(s), layer_(layer) {
    for (const varve::detail::Owned& v : s.layer().variables)
      variables_.emplace(v.name, v.variable);
  }
  /// The value of a weight's variable, which is made at the first call.
  Tensor value(const Program::Weight& weight);
  bool is_frozen(const TensorData& data) const {
    return s_.frozen() || !variables_.at(data.name).trainable();
  }
  void assign(const std::string& name, const Tensor& value) { variables_.at(name).assign(value); }

 private:
  Scope& s_;
  const Onnx& layer_;
  std::map<std::string, Variable> variables_;
};

Tensor Weights::value(const Program::Weight& weight) {
  const TensorData& data = *weight.data;
  const auto at = variables_.find(data.name);
  if (at != variables_.end()) return at->second.value();
  const DType dtype = formats::onnx::held_as(data.type);
  const Shape shape = data.shape;
  std::function<Tensor()> initial = [shape, dtype] { return zeros(shape, dtype).evaluate(); };
  if (layer_.values) {
    initial = [values = layer_.values, name = data.name] { return values->at(name); };
  }
  Variable made(shape, dtype, std::move(initial),
                {varve::detail::join(s_.path(), data.name), weight.trainable && !s_.frozen()});
  s_.layer().variables.push_back({data.name, made, weight.trainable});
  variables_.emplace(data.name, made);
  return made.value();
}

}  // namespace

Tensors Onnx::call(const Tensors& x, Scope& s) const {
  const std::shared_ptr<const Program> p = program_of(*this);
  const std::vector<const ValueInfo*> ports = p->inputs();
  if (x.size() != ports.size()) {
    throw ValueError("onnx: expected " + std::to_string(ports.size()) + " inputs, got " +
                     std::to_string(x.size()));
  }
  Program::Options options{.declared_batch = declared_batch(ports)};
  std::map<std::string, Value> inputs;
  const std::string batch = batch_name(*p);
  for (size_t i = 0; i < ports.size(); ++i) {
    const int axis = batch_axis(*ports[i], batch);
    const Tensor in = arranged(*ports[i], x[i], axis, channels_last);
    // Inputs that keep the size that was declared have no batch in front.
    if (in.rank() > axis && (options.batch == 0 || options.batch == options.declared_batch))
      options.batch = in.shape()[axis];
    inputs[ports[i]->name] = Value(in, ports[i]->type.element);
  }
  Weights weights(s, *this);
  for (const Program::Weight& w : p->weights()) {
    options.weights[w.data->name] = Value(weights.value(w), w.data->type);
  }
  Training training{.key = [&s] { return s.key(); },
                    .is_frozen = [&](const TensorData& data) { return weights.is_frozen(data); }};
  if (s.training() && !s.frozen()) options.training = &training;
  std::vector<Tensor> out;
  const Values results = p->run(inputs, options);
  for (size_t i = 0; i < results.size(); ++i) {
    const Value& v = results[i];
    if (v.kind != Value::Kind::tensor) throw UnsupportedError("onnx: an output is no tensor");
    const int axis = batch_axis(p->model().graph.outputs[i], batch);
    out.push_back(axis > 0 && axis < v.tensor.rank() ? move_axis(v.tensor, axis, 0) : v.tensor);
  }
  for (const auto& [name, value] : training.statistics) weights.assign(name, value);
  return out;
}

void Onnx::fields(Fields& f) {
  f("graph", graph, "The ONNX model without its weights, in base64.");
  f("channels_last", channels_last, "Images come with their channels last.");
  f("name", name, "Name of the layer.");
}

Layer make_layer(std::shared_ptr<const Program> program, bool channels_last, std::string name) {
  register_layer();
  auto values = std::make_shared<std::map<std::string, Tensor>>();
  formats::onnx::Model stripped = program->model();
  for (TensorData& t : stripped.graph.initializers) {
    for (const Program::Weight& w : program->weights()) {
      if (w.data->name != t.name) continue;
      (*values)[t.name] = value_of(t).tensor;
      t.array = {};
      t.absent = true;
    }
  }
  Onnx layer{.graph = formats::base64(formats::as_bytes(formats::onnx::serialize(stripped))),
             .channels_last = channels_last,
             .name = std::move(name)};
  layer.program = std::move(program);
  layer.values = std::move(values);
  return layer;
}

void register_layer() { nn::register_layer<Onnx>("onnx"); }

}  // namespace varve::io::onnx

namespace varve::onnx {

namespace {

using Inputs = std::map<std::string, Tensor>;

/// The outputs; throws UnsupportedError where one is no tensor.
std::vector<Tensor> run_nodes(const io::onnx::Program& program, const Inputs& inputs,
                              const io::onnx::Program::Options& options = {}) {
  std::map<std::string, io::onnx::Value> values;
  for (const auto& [name, tensor] : inputs) values[name] = tensor;
  const auto& ports = program.model().graph.outputs;
  std::vector<Tensor> out;
  for (const io::onnx::Value& v : program.run(values, options)) {
    if (v.kind != io::onnx::Value::Kind::tensor) {
      throw UnsupportedError("output \"" + escaped(ports[out.size()].name) +
                             "\" is no tensor of numbers");
    }
    out.push_back(v.tensor);
  }
  return out;
}

}  // namespace

struct Model::State {
  std::shared_ptr<const io::onnx::Program> program;
  ModelOptions options = {};

  /// The plan for inputs of these names and types, which is made when they come a second time; null
  /// before, and where what the graph does depends on elements.
  std::shared_ptr<detail::Compiled> plan_for(const Inputs& inputs) const;
  void forget_plan(const Inputs& inputs) const;
  /// Drops plans until the others take no more than they may.
  void fit() const;
  int plans() const;

 private:
  static constexpr size_t kKept = 16;
  struct Seen {
    std::vector<std::pair<std::string, ir::TensorType>> inputs;
    std::shared_ptr<detail::Compiled> plan = {};
    bool compiles = true;
  };
  Seen& find(const Inputs& inputs, bool& fresh) const;
  mutable std::mutex mutex_;
  mutable std::list<Seen> seen_;  // the one that came last in front
};

Model::State::Seen& Model::State::find(const Inputs& inputs, bool& fresh) const {
  std::vector<std::pair<std::string, ir::TensorType>> key;
  for (const auto& [name, x] : inputs) key.emplace_back(name, ir::type_of(x));
  const auto at =
      std::find_if(seen_.begin(), seen_.end(), [&](const Seen& s) { return s.inputs == key; });
  fresh = at == seen_.end();
  if (fresh) {
    seen_.push_front({std::move(key)});
    if (seen_.size() > kKept) seen_.pop_back();
  } else {
    seen_.splice(seen_.begin(), seen_, at);
  }
  return seen_.front();
}

std::shared_ptr<detail::Compiled> Model::State::plan_for(const Inputs& inputs) const {
  const std::lock_guard lock(mutex_);
  bool fresh = false;
  Seen& seen = find(inputs, fresh);
  if (fresh || !seen.compiles || options.plan_bytes == 0) return nullptr;
  if (!seen.plan) seen.plan = detail::make_compiled("f32");
  return seen.plan;
}

void Model::State::forget_plan(const Inputs& inputs) const {
  const std::lock_guard lock(mutex_);
  bool fresh = false;
  Seen& seen = find(inputs, fresh);
  seen.compiles = false;
  seen.plan = nullptr;
}

void Model::State::fit() const {
  const std::lock_guard lock(mutex_);
  int64_t bytes = 0;
  // What is dropped has to come twice again: combinations that take turns are not planned each
  // time.
  seen_.remove_if([&](const Seen& seen) {
    if (seen.plan) bytes += detail::plan_bytes(*seen.plan);
    return seen.plan && bytes > options.plan_bytes && &seen != &seen_.front();
  });
}

int Model::State::plans() const {
  const std::lock_guard lock(mutex_);
  return static_cast<int>(
      std::count_if(seen_.begin(), seen_.end(), [](const Seen& s) { return s.plan != nullptr; }));
}

int Model::plans() const { return state_->plans(); }

Model Model::load(std::string_view path, ModelOptions options) {
  if (options.plan_bytes < 0) {
    throw ValueError("onnx::load: plan_bytes: expected >= 0, got " +
                     std::to_string(options.plan_bytes));
  }
  auto state = std::make_shared<State>();
  state->options = options;
  state->program =
      std::make_shared<const io::onnx::Program>(formats::onnx::read_model(std::string(path)));
  return Model(std::move(state));
}

std::vector<Port> Model::inputs() const {
  std::vector<Port> out;
  for (const auto* v : state_->program->inputs()) out.push_back({v->name, v->type.to_string()});
  return out;
}

std::vector<Port> Model::outputs() const {
  std::vector<Port> out;
  for (const auto& v : state_->program->model().graph.outputs) {
    out.push_back({v.name, v.type.to_string()});
  }
  return out;
}

std::map<std::string, Tensor> Model::run(const std::map<std::string, Tensor>& inputs) const {
  const io::onnx::Program& program = *state_->program;
  std::vector<Tensor> results;
  const std::shared_ptr<detail::Compiled> plan =
      detail::inlined() ? nullptr : state_->plan_for(inputs);
  if (plan) {
    std::vector<Tensor> arguments;
    for (const auto& [name, x] : inputs) arguments.push_back(x);
    // Iterations of loops that a plan may repeat: a long loop is no plan but a list without end.
    constexpr int64_t kMostIterations = 256 * io::onnx::kKept;
    bool tracing = false, planned = false;
    const auto traced = [&](std::span<const Tensor> placeholders) {
      tracing = true;
      Inputs given;
      for (const auto& [name, x] : inputs) given[name] = placeholders[given.size()];
      detail::Traced out{
          run_nodes(program, given, {.replayed = true, .iterations = kMostIterations}), nullptr};
      tracing = false;
      planned = true;
      return out;
    };
    try {
      detail::run_compiled(*plan, arguments, traced, [&](const void*, std::span<const Tensor> r) {
        results.assign(r.begin(), r.end());
      });
      if (planned) state_->fit();
    } catch (const UnsupportedError&) {
      state_->forget_plan(inputs);
    } catch (const Error&) {
      // What elements decide cannot be traced; what is wrong otherwise is said again below.
      if (!tracing) throw;
      state_->forget_plan(inputs);
    }
  }
  if (results.empty()) results = run_nodes(program, inputs);
  std::map<std::string, Tensor> out;
  const auto& ports = program.model().graph.outputs;
  for (size_t i = 0; i < results.size(); ++i) out[ports[i].name] = results[i];
  return out;
}

Layer Model::layer(LayerOptions options) const {
  Layer layer =
      io::onnx::make_layer(state_->program, options.channels_last, std::move(options.name));
  try {
    nn::build(*layer.state(), io::onnx::samples_of(*state_->program, options.channels_last));
  } catch (const Error&) {
    // Sizes that the file leaves open come with the first call, which a batch that the graph
    // fixes does not hinder either: build says what is wrong where it is asked for.
  }
  return layer;
}

Model load(std::string_view path, ModelOptions options) { return Model::load(path, options); }

}  // namespace varve::onnx
