#include "varve/dataset.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "base/count.h"
#include "base/error.h"
#include "data/state.h"
#include "ir/node.h"

namespace varve {

namespace data {

Tensor gather_rows(const Tensor& x, std::span<const int64_t> rows) {
  std::vector<int64_t> dims = x.shape().dims();
  const int64_t stored = dims[0];
  dims[0] = static_cast<int64_t>(rows.size());
  const Shape shape(std::move(dims));
  const ir::Array& from = ir::contiguous_array(x);
  ir::Array to = ir::allocate(x.dtype(), shape);
  const int64_t stride = stored ? x.size() / stored * size_of(x.dtype()) : 0;
  if (stride > 0) {
    for (size_t i = 0; i < rows.size(); ++i) {
      std::memcpy(to.data() + static_cast<int64_t>(i) * stride, from.data() + rows[i] * stride,
                  static_cast<size_t>(stride));
    }
  }
  return ir::computed(x.dtype(), shape, std::move(to));
}

}  // namespace data

namespace {

using State = detail::DatasetState;
using Rows = std::shared_ptr<const std::vector<int64_t>>;

int64_t check_lengths(const Tensors& inputs, const Tensors& targets, const Tensor& weights) {
  int64_t n = -1;
  const auto look = [&](const Tensor& x, const std::string& name) {
    if (x.rank() == 0) {
      throw ShapeError("dataset: " + name + ": expected a leading axis of examples, got a scalar");
    }
    if (n >= 0 && x.shape()[0] != n) {
      throw ShapeError("dataset: " + name + " has " + count_of(x.shape()[0], "example") +
                       ", input 0 has " + std::to_string(n));
    }
    n = x.shape()[0];
    // Now, as a loader's worker reads the elements beside the caller's thread: views become rows
    // that lie one after the other.
    ir::contiguous_array(x);
  };
  for (size_t i = 0; i < inputs.size(); ++i) look(inputs[i], "input " + std::to_string(i));
  for (size_t i = 0; i < targets.size(); ++i) look(targets[i], "target " + std::to_string(i));
  if (weights.defined()) {
    look(weights, "weights");
    if (weights.rank() != 1 || weights.dtype() != f32) {
      throw ShapeError("dataset: weights: expected f32[" + std::to_string(n) + "], got " +
                       ir::type_of(weights).to_string());
    }
  }
  return n;
}

}  // namespace

Dataset::Dataset() {
  State s;
  s.rows = std::make_shared<std::vector<int64_t>>();
  state_ = std::make_shared<State>(std::move(s));
}

Dataset::Dataset(std::shared_ptr<const State> state) : state_(std::move(state)) {}

Dataset::Dataset(Tensors inputs, Tensors targets, DatasetOptions options) {
  if (inputs.size() == 0) throw ValueError("dataset: there is no input tensor");
  const int64_t n = check_lengths(inputs, targets, options.weights);
  std::vector<int64_t> rows(static_cast<size_t>(n));
  std::iota(rows.begin(), rows.end(), 0);
  State s{std::move(inputs),
          std::move(targets),
          std::move(options.weights),
          std::make_shared<std::vector<int64_t>>(std::move(rows)),
          std::move(options.class_names),
          std::move(options.preprocessing),
          {}};
  if (options.prepare) s.prepare.push_back(std::move(options.prepare));
  state_ = std::make_shared<State>(std::move(s));
}

int64_t Dataset::size() const { return static_cast<int64_t>(state_->rows->size()); }
const std::vector<std::string>& Dataset::class_names() const { return state_->class_names; }
const std::string& Dataset::preprocessing() const { return state_->preprocessing; }
const Tensors& Dataset::stored_inputs() const { return state_->inputs; }
const Tensors& Dataset::stored_targets() const { return state_->targets; }
const Tensor& Dataset::weights() const { return state_->weights; }
std::span<const int64_t> Dataset::rows() const { return *state_->rows; }

Dataset Dataset::subset(std::span<const int64_t> positions) const {
  std::vector<int64_t> rows;
  rows.reserve(positions.size());
  for (int64_t p : positions) {
    if (p < 0 || p >= size()) {
      throw IndexError("dataset: position " + std::to_string(p) + " of " + std::to_string(size()));
    }
    rows.push_back((*state_->rows)[static_cast<size_t>(p)]);
  }
  auto s = std::make_shared<State>(*state_);
  s->rows = std::make_shared<std::vector<int64_t>>(std::move(rows));
  if (s->weights.defined()) s->weights = data::gather_rows(state_->weights, positions);
  return Dataset(std::shared_ptr<const State>(std::move(s)));
}

Dataset Dataset::take(int64_t n) const {
  if (n < 0) throw ValueError("dataset: take: expected at least 0, got " + std::to_string(n));
  std::vector<int64_t> positions(static_cast<size_t>(std::min(n, size())));
  std::iota(positions.begin(), positions.end(), 0);
  return subset(positions);
}

Dataset Dataset::skip(int64_t n) const {
  if (n < 0) throw ValueError("dataset: skip: expected at least 0, got " + std::to_string(n));
  const int64_t first = std::min(n, size());
  std::vector<int64_t> positions(static_cast<size_t>(size() - first));
  std::iota(positions.begin(), positions.end(), first);
  return subset(positions);
}

Dataset Dataset::map(Preparation f) const {
  if (!f) throw ValueError("dataset: map: the function is empty");
  auto s = std::make_shared<State>(*state_);
  s->prepare.push_back(std::move(f));
  s->preprocessing.clear();
  return Dataset(std::shared_ptr<const State>(std::move(s)));
}

Dataset Dataset::without_targets() const {
  auto s = std::make_shared<State>(*state_);
  s->targets = {};
  s->weights = {};
  return Dataset(std::shared_ptr<const State>(std::move(s)));
}

Dataset Dataset::weighted(const Tensor& weights) const {
  if (weights.shape() != Shape{size()} || weights.dtype() != f32) {
    throw ShapeError("dataset: weights: expected f32[" + std::to_string(size()) + "], got " +
                     ir::type_of(weights).to_string());
  }
  ir::contiguous_array(weights);  // as the tensors of the constructor
  auto s = std::make_shared<State>(*state_);
  s->weights = weights;
  return Dataset(std::shared_ptr<const State>(std::move(s)));
}

Tensors Dataset::prepare(const Tensors& stored_inputs) const {
  Tensors x = stored_inputs;
  for (const Preparation& f : state_->prepare) x = f(x);
  return x;
}

Batch Dataset::stored_batch(std::span<const int64_t> positions) const {
  std::vector<int64_t> rows;
  rows.reserve(positions.size());
  for (int64_t p : positions) {
    if (p < 0 || p >= size()) {
      throw IndexError("dataset: position " + std::to_string(p) + " of " + std::to_string(size()));
    }
    rows.push_back((*state_->rows)[static_cast<size_t>(p)]);
  }
  const auto gather = [&](const Tensors& from) {
    std::vector<Tensor> out;
    for (const Tensor& x : from) out.push_back(data::gather_rows(x, rows));
    return Tensors(std::move(out));
  };
  Batch b{gather(state_->inputs), gather(state_->targets), {}};
  if (state_->weights.defined()) b.weights = data::gather_rows(state_->weights, positions);
  return b;
}

Batch Dataset::batch(std::span<const int64_t> positions) const {
  Batch b = stored_batch(positions);
  b.inputs = prepare(b.inputs);
  return b;
}

Batch Dataset::all() const {
  std::vector<int64_t> positions(static_cast<size_t>(size()));
  std::iota(positions.begin(), positions.end(), 0);
  return batch(positions);
}

std::vector<int64_t> Dataset::classes() const {
  const Tensors& targets = state_->targets;
  if (targets.size() != 1) {
    throw ValueError("dataset: classes: expected one target, there are " +
                     std::to_string(targets.size()));
  }
  const Tensor& y = targets[0];
  const int64_t width = y.shape()[0] ? y.size() / y.shape()[0] : 1;
  const bool one_hot = y.rank() == 2 && width > 1;
  if (y.rank() > 2 || (y.rank() == 2 && width < 1)) {
    throw ValueError("dataset: classes: expected targets [n], [n, 1] or one-hot rows, got " +
                     ir::type_of(y).to_string());
  }
  const std::vector<double> v = y.to_doubles();
  std::vector<int64_t> out;
  out.reserve(state_->rows->size());
  for (int64_t row : *state_->rows) {
    const auto first = v.begin() + row * width;
    if (one_hot) {
      out.push_back(std::max_element(first, first + width) - first);
    } else {
      if (*first != std::floor(*first)) {
        throw ValueError("dataset: classes: expected whole numbers, got " + std::to_string(*first));
      }
      out.push_back(static_cast<int64_t>(*first));
    }
  }
  return out;
}

}  // namespace varve
