// What a built model consists of: for summaries, plots and reports.
#include <algorithm>
#include <map>
#include <unordered_map>
#include <unordered_set>

#include "base/any_batch.h"
#include "base/error.h"
#include "ir/frame.h"
#include "nn/batch.h"
#include "nn/network.h"
#include "transform/flops.h"
#include "varve/nn/network.h"

namespace varve::nn {

using detail::Call;
using detail::LayerState;
using detail::Watched;

namespace {

OpenType open(const ir::TensorType& t) {
  std::vector<int64_t> dims = t.shape.dims();
  for (int64_t& d : dims) d = batches_in(d) ? -1 : d;
  return {t.dtype, Shape(std::move(dims))};
}

std::vector<std::string> input_names(const LayerState& model) {
  if (const auto* f = dynamic_cast<const FunctionalSpec*>(model.spec.get())) {
    std::vector<std::string> names;
    for (int32_t i : f->inputs) names.push_back(f->steps[static_cast<size_t>(i)].name);
    return names;
  }
  if (model.samples.size() == 1) return {"input"};
  std::vector<std::string> names;
  for (size_t i = 0; i < model.samples.size(); ++i)
    names.push_back("input_" + std::to_string(i + 1));
  return names;
}

const ir::Types& samples_of(const Layer& model) {
  const ir::Types& samples = model.state()->samples;
  if (samples.empty()) {
    throw ValueError("layer \"" + model.name() + "\" was not built for samples of a known shape",
                     "call build({sizes of one sample}) first");
  }
  return samples;
}

/// One call of a model on placeholders, watched.
struct Run {
  struct Row {
    std::string path;
    LayerState* layer;
    std::vector<int> from;
    ir::Types outputs;
  };
  std::vector<Row> rows;
  std::map<std::string, double> flops;  // by the path of the layer whose call made the nodes

  Run(LayerState& model, const ir::Types& samples, int64_t batch) {
    ir::Frame frame(ir::Frame::Kind::trace);
    std::vector<Tensor> x;
    for (const ir::TensorType& t : samples) x.push_back(ir::placeholder(at_batch(t, batch)));
    const std::vector<std::string> names = input_names(model);
    for (size_t i = 0; i < x.size(); ++i) {
      made_[""][x[i].cell().get()] = static_cast<int>(i);
      rows.push_back({names[i], nullptr, {}, {ir::type_of(x[i])}});
    }
    Call call(model, {.training = false});
    auto note = [&](const Watched& w) { watch(w); };
    FunctionRef<void(const Watched&)> watcher(note);
    call.watch = &watcher;
    const Tensors y = detail::call_part(call, model, "", Tensors(x));
    call.finish();
    std::vector<Tensor> inputs = x;
    for (const ir::Binding& b : frame.bindings()) {
      if (b.input.defined()) inputs.push_back(b.input);
    }
    const ir::Graph graph = ir::linearize(y.list(), inputs);
    for (const ir::GraphNode& node : graph.nodes)
      flops[node.site.layer ? *node.site.layer : std::string()] += transform::flops_of(graph, node);
  }

  double below(const std::string& path) const {
    double sum = 0;
    for (const auto& [at, count] : flops) {
      if (path.empty() || at == path || at.rfind(path + ".", 0) == 0) sum += count;
    }
    return sum;
  }

 private:
  using Made = std::unordered_map<const detail::Cell*, int>;

  void watch(const Watched& w) {
    Row row{w.path, w.layer, {}, {}};
    const size_t dot = w.path.rfind('.');
    const std::string parent = dot == std::string::npos ? "" : w.path.substr(0, dot);
    Made& beside = made_[parent];
    for (const Tensor& t : w.inputs) add_producers(t, beside, row.from);
    if (w.layer->type == "input") {  // in a sequence: it gives what the model is given
      for (const Tensor& t : w.outputs) {
        beside[t.cell().get()] = row.from.front();
        kept_.push_back(t);
      }
      return;
    }
    for (const Tensor& t : w.outputs) {
      row.outputs.push_back(ir::type_of(t));
      beside[t.cell().get()] = static_cast<int>(rows.size());
      kept_.push_back(t);
    }
    rows.push_back(std::move(row));
  }

  /// The calls beside this one that a value comes from, through the operations between.
  static void add_producers(const Tensor& value, const Made& made, std::vector<int>& from) {
    std::vector<const detail::Cell*> stack{value.cell().get()};
    std::unordered_set<const detail::Cell*> seen;
    while (!stack.empty()) {
      const detail::Cell* v = stack.back();
      stack.pop_back();
      if (!seen.insert(v).second) continue;
      if (const auto at = made.find(v); at != made.end()) {
        if (std::find(from.begin(), from.end(), at->second) == from.end())
          from.push_back(at->second);
      } else if (v->node) {
        for (const auto& input : v->node->inputs) stack.push_back(input.get());
      }
    }
  }

  std::map<std::string, Made> made_;  // by the parent's path: values of calls, and their rows
  std::vector<Tensor> kept_;          // so that no address is used twice
};

}  // namespace

std::vector<LayerCall> describe(const Layer& model) {
  const ir::Types& samples = samples_of(model);
  LayerState& state = *model.state();
  const ir::Types any = detail::probe_any_batch(state, {samples}).types;
  const Run two(state, samples, 2), three(state, samples, 3);
  std::vector<LayerCall> list;
  for (size_t i = 0; i < two.rows.size(); ++i) {
    const Run::Row& row = two.rows[i];
    LayerCall c{row.path, "input", 1, model, row.from, {}, 0, 0, 0};
    for (size_t o = 0; o < row.outputs.size(); ++o) {
      // A size that differs between the batches is the batch's.
      std::vector<int64_t> dims = row.outputs[o].shape.dims();
      const Shape& other = three.rows[i].outputs[o].shape;
      for (int a = 0; a < other.rank(); ++a) {
        if (other[a] != dims[static_cast<size_t>(a)]) dims[static_cast<size_t>(a)] = -1;
      }
      c.outputs.push_back({row.outputs[o].dtype, Shape(std::move(dims))});
    }
    if (row.layer) {
      // A handle of the part: the root itself has the empty path.
      c.layer = row.path.empty() ? model : model[row.path];
      c.type = row.layer->type;
      c.depth = row.path.empty()
                    ? 0
                    : 1 + static_cast<int>(std::count(row.path.begin(), row.path.end(), '.'));
      c.parameters = c.layer.parameter_count();
      for (const Variable& v : c.layer.trainable()) c.trainable += v.shape().size();
      c.flops = three.below(row.path) - two.below(row.path);
    }
    list.push_back(std::move(c));
  }
  return list;
}

std::vector<Port> inputs_of(const Layer& model) {
  const ir::Types& samples = samples_of(model);
  const std::vector<std::string> names = input_names(*model.state());
  std::vector<Port> ports;
  for (size_t i = 0; i < samples.size(); ++i) ports.push_back({names[i], open(samples[i])});
  return ports;
}

std::vector<Port> outputs_of(const Layer& model) {
  LayerState& state = *model.state();
  const ir::Types types = detail::probe_any_batch(state, {samples_of(model)}).types;
  const auto* f = dynamic_cast<const FunctionalSpec*>(state.spec.get());
  std::vector<Port> ports;
  std::map<std::string, int> count;
  for (size_t i = 0; i < types.size(); ++i) {
    std::string name = f                      ? f->producer(state, f->outputs[i])
                       : !state.parts.empty() ? state.parts.back().name
                                              : "output";
    const int n = ++count[name];
    if (n > 1) name += "_" + std::to_string(n);
    ports.push_back({std::move(name), open(types[i])});
  }
  return ports;
}

}  // namespace varve::nn
