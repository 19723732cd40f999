// What a layer is made of, and what a call knows.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/function_ref.h"
#include "ir/node.h"
#include "ir/op.h"
#include "nn/masks.h"
#include "varve/nn/layer.h"

namespace varve::detail {

/// A layer inside another.
struct Part {
  std::string name;
  Layer layer;
};

/// A variable of a layer. `trainable` is what it was declared as; freezing changes the variable.
struct Owned {
  std::string name;
  Variable variable;
  bool trainable;
};

struct LayerState {
  std::unique_ptr<Spec> spec;
  Where where;           // where the spec became a layer
  std::string type;      // "dense"
  std::string given;     // the name it was given, or empty
  std::string assigned;  // what its parent calls it (the last one that took it)
  std::vector<Part> parts;
  std::vector<Owned> variables;
  bool built = false;  // called at least once, on data or without computing
  bool frozen = false;
  Variable random;    // made when first asked for
  ir::Types samples;  // what it was built for; sizes that hold the batch are multiples of kAnyBatch
  std::shared_ptr<void> training;  // what compiling a model adds to it

  const std::string& name() const;
  Layer& part(std::string_view name);
};

/// A call of a part that somebody watches (summaries, plots).
struct Watched {
  std::string path;
  LayerState* layer;
  const Tensors& inputs;
  const Tensors& outputs;
};

/// Where a part stands in its parent: its position from 1 (0: in no order) and what made its input.
struct Origin {
  int64_t position = 0;
  std::string producer;
};

/// What stands between a layer's weights and its code while a layer around it calls it.
struct Adjusted {
  const LayerState* layer;
  FunctionRef<Tensor(std::string_view name, const Tensor& value)> value;
  const Adjusted* outer;
  /// What a layer reads for the value of one of its variables.
  static Tensor of(const Adjusted* a, const LayerState& layer, std::string_view name,
                   const Tensor& value) {
    for (; a; a = a->outer) {
      if (a->layer == &layer) return a->value(name, value);
    }
    return value;
  }
};

/// One call from outside, with all calls of parts in it. Unless it is finished, what layers
/// described for the first time during the call is taken back.
class Call {
 public:
  Call(LayerState& root, const CallOptions& options);
  ~Call();
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
  void finish() { finished_ = true; }

  bool training;
  bool probing = false;  // only types are worked out, at batches of its own
  std::vector<Tensor>* losses;
  Origin origin;  // of the layer that runs
  FunctionRef<void(const Watched&)>* watch = nullptr;
  const Adjusted* adjusted = nullptr;

  /// The key of this use of random numbers by the layer of that path.
  Key key(const std::string& path);
  /// Adds a variable's penalty, once a call however often it is read.
  void regularize(const Regularizer& regularizer, const Variable& variable, const Tensor& value);
  /// Notes that a layer is about to be called for the first time.
  void note_first(LayerState& layer);

 private:
  struct First {
    LayerState* layer;
    size_t variables, parts;
  };
  LayerState& root_;
  Call* outer_;
  bool finished_ = false;
  std::vector<First> first_;
  std::optional<Key> step_;
  std::map<std::string, uint64_t> uses_;
  std::vector<Variable> regularized_;
};

/// Calls a layer as part of a call.
Tensors call_part(Call& call, LayerState& layer, const std::string& path, const Tensors& x,
                  Origin origin = {});
/// The layer's seed and counter, made where there is none.
Variable random_state(LayerState& layer);

/// Types of the results for inputs of these types, without computing, at a batch size.
nn::MaskedTypes probe(LayerState& layer, const nn::MaskedTypes& inputs, int64_t batch,
                      std::optional<bool> training = {}, const Origin& origin = {});
/// The types for any batch, from probes at 2 and 3. Throws ShapeError where other sizes than the
/// first of a result change with the batch, or the first is no multiple of it.
nn::MaskedTypes probe_any_batch(LayerState& layer, const nn::MaskedTypes& inputs,
                                std::optional<bool> training = {}, const Origin& origin = {});

/// Calls f(path, layer) for a layer and everything in it, each once, parents first.
void walk(LayerState& root, FunctionRef<void(const std::string& path, LayerState& layer)> f);

/// "a.b", or the one that is not empty.
std::string join(const std::string& a, std::string_view b);

/// The name a new part gets: its own, or its type and number within the parent. Throws ValueError
/// where a part has that name already.
std::string name_for(const LayerState& parent, const LayerState& part);
/// Takes a part into a parent. A layer that is in already keeps its place. Returns its index.
size_t adopt(LayerState& parent, const Layer& part);
/// Names the variables by their paths from this layer.
void name_variables(LayerState& root);

/// Throws an error of the same type with other texts.
[[noreturn]] void throw_like(const Error& e, const std::string& message, const std::string& hint,
                             const std::string& at);

}  // namespace varve::detail
