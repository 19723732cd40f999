// Layers put together: sequences and graphs, and what calling and building a layer from outside is.
#pragma once
#include "ir/graph.h"
#include "nn/config.h"
#include "nn/layer_state.h"

namespace varve::nn {

/// A call from outside: recorded where an input comes from nn::Input, else run.
Tensors call(const Layer& layer, const Tensors& x, const CallOptions& options, Where where);
/// Describes the variables for inputs of these types (the batch a multiple of kAnyBatch).
void build(detail::LayerState& layer, const ir::Types& samples);

/// A spec whose parts are layers that others made.
struct NetworkSpec : detail::Spec {
  std::unique_ptr<detail::Spec> fresh() const override { return nullptr; }
  const std::string* name() const override { return nullptr; }
  void fields(Fields&) override {}
  Masks masks() const override { return Masks::own; }
  /// Adds what stands beside "type" and "name" to a model's config.
  virtual void write(const detail::LayerState& layer, config::Json& object) const = 0;
};
NetworkSpec* network_of(const detail::LayerState& layer);

/// Grows with every layer that is added to a sequence: what was made for a model before may not be
/// what it computes now.
uint64_t structure_version();

/// One layer after another.
struct SequentialSpec final : NetworkSpec {
  Tensors call(const Tensors& x, Scope& scope) const override;
  std::unique_ptr<Spec> copy() const override { return std::make_unique<SequentialSpec>(); }
  std::string_view spelling() const override { return "[T = varve::nn::Sequential]"; }
  bool takes_many() const override { return true; }
  void write(const detail::LayerState& layer, config::Json& object) const override;
};

/// One value or more of a functional model, made of those before it. Not `Step`: so a layer is
/// called.
struct FunctionalStep {
  enum class Kind { input, constant, layer, op };
  Kind kind = Kind::op;
  std::vector<ir::ValueId> inputs;  // steps
  ir::Types outputs;                // for any batch
  std::string name = {};            // of an input
  Tensor value = {};                // of a constant
  size_t part = 0;                  // a layer's place among the parts
  std::optional<bool> training = {};
  std::vector<int64_t> masked = {};  // results of a layer whose masks are values behind them
  const ir::OpDef* op = nullptr;
  ir::Attributes attributes = {};  // for any batch
  Where where = {};
};

/// Layers and operations between inputs and outputs, replayed at each batch size.
struct FunctionalSpec final : NetworkSpec {
  std::vector<FunctionalStep> steps;
  std::vector<int32_t> inputs;
  std::vector<ir::ValueId> outputs;

  Tensors call(const Tensors& x, Scope& scope) const override;
  std::unique_ptr<Spec> copy() const override { return std::make_unique<FunctionalSpec>(*this); }
  std::string_view spelling() const override { return "[T = varve::nn::Model]"; }
  bool takes_many() const override { return true; }
  void write(const detail::LayerState& layer, config::Json& object) const override;

  const FunctionalStep& step(ir::ValueId v) const { return steps[static_cast<size_t>(v.node)]; }
  /// The layer, input or operation that makes a value, by name.
  std::string producer(const detail::LayerState& layer, ir::ValueId v) const;
};

/// The type of a batch that an nn::Input stands for; nothing for other layers.
std::optional<ir::TensorType> input_type(const Layer& layer);

/// Runs every operation's shape rule at batches 2 and 3. Throws ShapeError, naming the line, where
/// sizes other than the first change with the batch.
void check_batches(const FunctionalSpec& spec);

/// The op of a recorded layer call.
const ir::OpDef& layer_call_op();

/// Adds "layers" to, and reads them from, a sequence's config; the same for a graph.
Layer sequential_from(const config::Json& object, const std::string& path);
Layer functional_from(const config::Json& object, const std::string& path);

}  // namespace varve::nn
