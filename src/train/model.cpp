#include "varve/model.h"

#include <cstring>

#include "base/error.h"
#include "ir/node.h"
#include "nn/config.h"
#include "train/training.h"
#include "varve/nn/network.h"

namespace varve {

Model::Model(const Tensors& inputs, const Tensors& outputs, Where where)
    : Layer(nn::functional(inputs, outputs, where)) {}

Sequential::Sequential() : Sequential(std::vector<Layer>{}) {}
Sequential::Sequential(std::initializer_list<Layer> layers)
    : Sequential(std::vector<Layer>(layers)) {}
Sequential::Sequential(std::vector<Layer> layers) : Model(nn::sequential(std::move(layers))) {}
void Sequential::add(const Layer& layer) { nn::append(*this, layer); }

void Model::compile(CompileOptions options) {
  train::Training& t = train::training_of(*this);
  if (options.loss.one() && !options.loss.by_output().empty()) {
    throw ValueError("compile: loss: one for all outputs and losses by output are both given");
  }
  if (options.run_eagerly && options.precision != Precision::f32) {
    throw ValueError(std::string("compile: ") + options.precision.to_string() +
                         " needs compiled steps, and run_eagerly runs them uncompiled",
                     "leave out one of the two");
  }
  train::require_distinct_logs({{"", "", {}, 1, options.metrics}});
  for (const auto& [name, metrics] : options.output_metrics) {
    train::require_distinct_logs({{name, name + "_", {}, 1, metrics}});
  }
  options.optimizer.claim(state());
  t.optimizer = options.optimizer;
  t.options = std::move(options);
  t.plan.clear();
  t.predict = {};
  t.compiled = true;
}

bool Model::compiled() const { return train::training_of(*this).compiled; }
Optimizer Model::optimizer() const {
  return train::compiled_training(*this, "optimizer").optimizer;
}

Scores Model::evaluate(const Dataset& data, EvaluateOptions options) {
  train::Training& t = train::compiled_training(*this, "evaluate");
  if (options.batch_size < 1) {
    throw ValueError("evaluate: batch_size: expected at least 1, got " +
                     std::to_string(options.batch_size.value));
  }
  const Dataset samples =
      options.sample_weight.defined() ? data.weighted(options.sample_weight) : data;
  train::make_ready(*this, samples, true);
  train::Meter meter(t.plan);
  const train::Program step = train::evaluation_step(*this, samples, meter);
  return Scores(train::evaluate(step, meter, samples, options.batch_size));
}
Scores Model::evaluate(const Tensors& x, const Tensors& y, EvaluateOptions options) {
  return evaluate(Dataset(x, y), std::move(options));
}

namespace {

// The type of an output for another number of samples.
ir::TensorType of_samples(const Tensor& output, int64_t samples) {
  std::vector<int64_t> dims = output.shape().dims();
  dims.at(0) = samples;
  return {output.dtype(), Shape(std::move(dims))};
}

// A model may give anything; a prediction has a row for each sample.
void require_rows(const std::vector<Tensor>& outputs, int64_t batch) {
  for (size_t i = 0; i < outputs.size(); ++i) {
    const Shape& shape = outputs[i].shape();
    if (shape.rank() > 0 && shape[0] == batch) continue;
    throw ShapeError("predict: output " + std::to_string(i) + ": expected " +
                         std::to_string(batch) + " rows for " + std::to_string(batch) +
                         " samples, got " + ir::type_of(outputs[i]).to_string(),
                     "call the model itself, model(x), for what is not one result a sample");
  }
}

// Copies the rows of a batch's outputs into the whole.
void put_rows(std::vector<ir::Array>& whole, ir::Types& types, const std::vector<Tensor>& part,
              int64_t first, int64_t batch, int64_t samples) {
  require_rows(part, batch);
  if (whole.empty()) {
    for (const Tensor& x : part) {
      types.push_back(of_samples(x, samples));
      whole.push_back(ir::allocate(x.dtype(), types.back().shape));
    }
  }
  if (part.size() != whole.size()) {
    throw ShapeError("predict: " + std::to_string(part.size()) + " outputs for a batch of " +
                     std::to_string(batch) + ", " + std::to_string(whole.size()) +
                     " for the one before");
  }
  for (size_t i = 0; i < part.size(); ++i) {
    if (of_samples(part[i], samples) != types[i]) {
      throw ShapeError("predict: output " + std::to_string(i) + ": expected rows as in " +
                       types[i].to_string() + ", got " + ir::type_of(part[i]).to_string() +
                       " for a batch of " + std::to_string(batch));
    }
    const ir::Array& from = ir::contiguous_array(part[i]);
    const int64_t bytes = part[i].size() * size_of(part[i].dtype());
    if (bytes > 0) {
      std::memcpy(whole[i].data() + first * (bytes / batch), from.data(),
                  static_cast<size_t>(bytes));
    }
  }
}

}  // namespace

namespace {

// Batches are cut and put together again: masks do not come in or out.
Tensors plain(std::span<const Tensor> tensors) {
  std::vector<Tensor> list;
  for (const Tensor& t : tensors) list.push_back(nn::with_mask(t, {}));
  return Tensors(std::move(list));
}

}  // namespace

Outputs Model::predict(const Dataset& data, PredictOptions options) {
  if (options.batch_size < 1) {
    throw ValueError("predict: batch_size: expected at least 1, got " +
                     std::to_string(options.batch_size.value));
  }
  const Dataset samples = data.without_targets();
  const bool none = samples.size() == 0 && built();
  if (!none) train::make_ready(*this, samples, false);
  const train::Program step = train::prediction_step(*this, samples);
  if (none) return Outputs(plain(step(train::arguments_of(samples, {}))));
  std::vector<ir::Array> whole;
  ir::Types types;
  train::for_each_batch(samples.size(), options.batch_size,
                        [&](std::span<const int64_t> positions, int64_t first) {
                          put_rows(whole, types, step(train::arguments_of(samples, positions)),
                                   first, static_cast<int64_t>(positions.size()), samples.size());
                        });
  std::vector<Tensor> out;
  for (size_t i = 0; i < whole.size(); ++i) {
    out.push_back(ir::computed(types[i].dtype, types[i].shape, std::move(whole[i])));
  }
  return Outputs(Tensors(std::move(out)));
}

Outputs Model::predict(const Tensors& x, PredictOptions options) {
  // A batch that fits is run as it is, by a program that is kept: for serving, call after call.
  if (x.size() > 0 && x[0].rank() > 0 && x[0].shape()[0] > 0 &&
      x[0].shape()[0] <= options.batch_size) {
    train::Training& t = train::training_of(*this);
    train::make_ready(*this, Dataset(x), false);
    train::forget_older(t);
    if (!t.predict) {
      // The program lives in the state of the layer, which must not own itself.
      t.predict = train::Program(
          [layer = std::weak_ptr(state())](std::span<const Tensor> in) {
            return plain(Layer(layer.lock())(plain(in), CallOptions{.training = false}).list())
                .list();
          },
          t.options);
    }
    std::vector<Tensor> outputs = t.predict(x.list());
    require_rows(outputs, x[0].shape()[0]);
    return Outputs(Tensors(std::move(outputs)));
  }
  return predict(Dataset(x), options);
}

Outputs Model::predict(const Table& table, PredictOptions options) {
  const std::string text = metadata("preprocessing");
  if (text.empty()) {
    throw ValueError("predict: the model has no preprocessing for tables",
                     "train it on TablePreprocessing::dataset, or predict from tensors");
  }
  return predict(TablePreprocessing::from_json(text).inputs(table), options);
}

void Model::set_metadata(const std::string& key, const std::string& text) {
  train::training_of(*this).metadata[key] = text;
}
std::string Model::metadata(const std::string& key) const {
  const auto& all = train::training_of(*this).metadata;
  const auto at = all.find(key);
  return at == all.end() ? "" : at->second;
}

std::vector<std::string> Model::class_names() const {
  const std::string text = metadata("classes");
  if (text.empty()) return {};
  try {
    return config::parse(text, "classes").get<std::vector<std::string>>();
  } catch (const config::Json::exception& e) {
    throw FormatError("classes: " + escaped(e.what()));
  }
}
void Model::set_class_names(const std::vector<std::string>& names) {
  set_metadata("classes", config::Json(names).dump());
}

Model Model::clone() const {
  Model copy(Layer::clone());
  const train::Training& from = train::training_of(*this);
  train::Training& to = train::training_of(copy);
  to.metadata = from.metadata;
  if (from.compiled) {
    CompileOptions options = from.options;
    options.optimizer = from.optimizer.fresh();
    copy.compile(std::move(options));
  }
  return copy;
}

}  // namespace varve
