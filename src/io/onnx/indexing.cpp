// Choosing and placing elements by position.
#include "varve/ops/indexing.h"

#include <algorithm>
#include <numeric>

#include "io/onnx/helpers.h"
#include "ir/dispatch.h"
#include "ir/node.h"
#include "varve/custom_op.h"
#include "varve/ops/shape.h"

namespace varve::io::onnx {
namespace {

Values gather(Call& c) {
  const Tensor& x = c.tensor(0);
  return {take(x, c.tensor(1), c.axis(c.integer("axis", 0), x.rank()))};
}

// 0, 1, ... along one axis, to be combined with positions of that rank.
Tensor counted(int64_t n, int axis, int rank) {
  std::vector<int64_t> sizes(static_cast<size_t>(rank), 1);
  sizes[static_cast<size_t>(axis)] = n;
  return reshape(arange(n), Shape(std::move(sizes)));
}

// Positions along an axis as tuples for all axes: [I..., rank].
Tensor as_tuples(const Tensor& indices, int64_t size, int axis) {
  const Shape& shape = indices.shape();
  std::vector<Tensor> parts;
  for (int a = 0; a < shape.rank(); ++a) {
    const Tensor wide = as(indices, i64);
    parts.push_back(a == axis ? where(less(wide, 0), add(wide, size), wide)
                              : broadcast_to(counted(shape[a], a, shape.rank()), shape));
  }
  return stack(parts, -1);
}

void require_elements(const Call& c, const Tensor& x, const Tensor& indices, int axis) {
  bool fits = indices.rank() == x.rank();
  for (int a = 0; fits && a < x.rank(); ++a) {
    fits = a == axis || indices.shape()[a] <= x.shape()[a];
  }
  if (!fits) {
    c.fail("indices " + indices.shape().to_string() + " do not fit " + x.shape().to_string());
  }
}

// Indices may be smaller than the data on the other axes: what is beyond is not looked at.
Values gather_elements(Call& c) {
  const Tensor &x = c.tensor(0), &indices = c.tensor(1);
  const int axis = c.axis(c.integer("axis", 0), x.rank());
  require_elements(c, x, indices, axis);
  std::vector<Slice> slices(static_cast<size_t>(x.rank()));
  for (int a = 0; a < x.rank(); ++a) {
    if (a != axis) slices[static_cast<size_t>(a)].stop = indices.shape()[a];
  }
  return {take_along_axis(slice(x, slices), indices, axis)};
}

// The first `batch_dims` axes of both go together.
Values gather_nd_(Call& c) {
  const Tensor &x = c.tensor(0), &indices = c.tensor(1);
  const auto batch = static_cast<int>(c.integer("batch_dims", 0));
  if (batch == 0) return {gather_nd(x, indices)};
  if (batch < 0 || batch >= std::min(x.rank(), indices.rank())) {
    c.fail("batch_dims: expected 0.." + std::to_string(std::min(x.rank(), indices.rank()) - 1) +
           ", got " + std::to_string(batch));
  }
  std::vector<Tensor> parts;
  std::vector<int64_t> sizes = indices.shape().dims();
  sizes.back() = 1;
  for (int a = 0; a < batch; ++a) {
    parts.push_back(broadcast_to(counted(x.shape()[a], a, indices.rank()), Shape(sizes)));
  }
  parts.push_back(as(indices, i64));
  return {gather_nd(x, concat(parts, -1))};
}

// x with updates combined in at tuples of positions. For reductions that Varve has no op of; no
// derivative.
Tensor scatter_by(const Tensor& x, const Tensor& tuples, const Tensor& updates,
                  const std::string& how) {
  const auto op = custom_op({
      .name = "scatter_" + how,
      .infer = [](const std::vector<TensorSpec>& in) { return std::vector{in[0]}; },
      .forward =
          [how](const std::vector<Elements>& in, const std::vector<Elements>& out) {
            ir::dispatch(in[0].dtype(), [&]<class T>(T) {
              const auto from = in[0].span<T>(), with = in[2].span<T>(), to = out[0].span<T>();
              const auto at = in[1].span<int64_t>();
              std::copy(from.begin(), from.end(), to.begin());
              const Shape& shape = in[0].shape();
              const auto k = static_cast<size_t>(in[1].shape()[-1]);
              int64_t inner = 1;
              for (int a = static_cast<int>(k); a < shape.rank(); ++a) inner *= shape[a];
              const size_t count = k ? at.size() / k : 0;
              for (size_t i = 0; i < count; ++i) {
                int64_t base = 0;
                for (size_t a = 0; a < k; ++a) {
                  const int64_t n = shape[static_cast<int>(a)];
                  const int64_t p = at[i * k + a] < 0 ? at[i * k + a] + n : at[i * k + a];
                  if (p < 0 || p >= n) {
                    throw IndexError("scatter: index " + std::to_string(at[i * k + a]) +
                                     ", expected " + std::to_string(-n) + ".." +
                                     std::to_string(n - 1));
                  }
                  base = base * n + p;
                }
                for (int64_t j = 0; j < inner; ++j) {
                  T& t = to[static_cast<size_t>(base * inner + j)];
                  const T u = with[i * static_cast<size_t>(inner) + static_cast<size_t>(j)];
                  if (how == "mul") {
                    t = static_cast<T>(t * u);
                  } else if (u != u || (how == "max" ? u > t : u < t)) {
                    t = u;
                  }
                }
              }
            });
          },
  });
  return op({x, tuples, updates}).only();
}

Tensor scatter_tuples(const Call& c, const Tensor& x, const Tensor& tuples, const Tensor& updates) {
  const std::string how = c.text("reduction", "none");
  if (how == "none") return scatter_nd_set(x, tuples, updates);
  if (how == "add") return scatter_nd_add(x, tuples, updates);
  if (how != "mul" && how != "max" && how != "min") {
    c.fail("attribute reduction: expected none, add, mul, max or min, got \"" + how + "\"");
  }
  const int64_t k = tuples.rank() ? tuples.shape()[-1] : -1;
  if (k < 0 || k > x.rank()) {
    c.fail("indices " + tuples.shape().to_string() + ": expected a last axis of 0.." +
           std::to_string(x.rank()) + " positions in " + x.shape().to_string());
  }
  std::vector<int64_t> expected(tuples.shape().begin(), tuples.shape().end() - 1);
  expected.insert(expected.end(), x.shape().begin() + k, x.shape().end());
  if (updates.shape() != Shape(expected) || updates.dtype() != x.dtype()) {
    c.fail("updates: expected " + std::string(varve::name_of(x.dtype())) +
           Shape(expected).to_string() + ", got " + varve::name_of(updates.dtype()) +
           updates.shape().to_string());
  }
  return scatter_by(x, as(tuples, i64), updates, how);
}

Values scatter_elements(Call& c) {
  const Tensor &x = c.tensor(0), &indices = c.tensor(1);
  const int axis = c.axis(c.integer("axis", 0), x.rank());
  require_elements(c, x, indices, axis);
  if (indices.shape() != c.shape(2)) {
    c.fail("indices " + indices.shape().to_string() + " and updates " + c.shape(2).to_string() +
           ": expected the same shape");
  }
  return {scatter_tuples(c, x, as_tuples(indices, x.shape()[axis], axis), c.tensor(2))};
}

Values scatter_nd(Call& c) { return {scatter_tuples(c, c.tensor(0), c.tensor(1), c.tensor(2))}; }

// Classes beyond the depth give a row of the off value.
Values one_hot_(Call& c) {
  const Tensor indices = as(c.tensor(0), i64);
  const int64_t depth = c.integer(1);
  if (depth < 0) c.fail("depth: expected integer >= 0, got " + std::to_string(depth));
  const int rank = indices.rank() + 1;
  const int axis = c.axis(c.integer("axis", -1), rank);
  std::vector<int64_t> sizes = indices.shape().dims();
  sizes.insert(sizes.begin() + axis, depth);
  c.limit(Shape(sizes), "depth");
  const Tensor positive = where(less(indices, 0), add(indices, depth), indices);
  const Tensor on = equal(expand_dims(positive, axis), counted(depth, axis, rank));
  const auto values = split(c.tensor(2), 2, 0);
  return {where(on, reshape(values[1], {}), reshape(values[0], {}))};
}

Values nonzero_(Call& c) {
  c.require_known(c.value(0), "the count of elements that are not 0");
  const Tensor& x = c.tensor(0);
  if (x.rank() > 0) return {transpose(nonzero(x).indices)};
  // Positions of a number have no coordinates: the standard says [0, count]. (ONNX Runtime gives
  // [1, count], as NumPy did.)
  return {zeros({0, nonzero(reshape(x, {1})).indices.shape()[0]}, i64)};
}

Values compress(Call& c) {
  const std::vector<int64_t> mask = c.ints(1);
  std::vector<int64_t> at;
  for (size_t i = 0; i < mask.size(); ++i) {
    if (mask[i]) at.push_back(static_cast<int64_t>(i));
  }
  const Tensor indices = varve::tensor(at, Shape{at.size()});
  if (!c.find("axis")) return {take(reshape(c.tensor(0), {-1}), indices, 0)};
  return {take(c.tensor(0), indices, c.axis(c.integer("axis"), c.tensor(0).rank()))};
}

// The distinct slices along an axis, by order or by first occurrence.
Values unique_(Call& c) {
  c.require_known(c.value(0), "the count of distinct elements");
  const bool has_axis = c.find("axis") != nullptr;
  const Tensor x = has_axis ? c.tensor(0) : reshape(c.tensor(0), {-1});
  const int axis = has_axis ? c.axis(c.integer("axis"), x.rank()) : 0;
  const int64_t n = x.shape()[axis], m = n ? x.size() / n : 0;
  // Rows of nothing take no memory, but lists of them do.
  if (m == 0) c.limit(Shape({n, 64}));
  const Tensor rows = reshape(move_axis(x, axis, 0), {n, m});
  std::vector<int64_t> order(static_cast<size_t>(n)), inverse(order.size());
  std::iota(order.begin(), order.end(), 0);
  std::vector<int64_t> first, counts;
  ir::dispatch(x.dtype(), [&]<class T>(T) {
    const T* data = rows.span<T>().data();
    const auto row = [&](int64_t i) { return std::span(data + i * m, static_cast<size_t>(m)); };
    const auto below = [&](int64_t a, int64_t b) {
      return std::lexicographical_compare(row(a).begin(), row(a).end(), row(b).begin(),
                                          row(b).end());
    };
    std::stable_sort(order.begin(), order.end(), below);
    for (size_t i = 0; i < order.size(); ++i) {
      if (i == 0 || below(order[i - 1], order[i])) {
        first.push_back(order[i]);
        counts.push_back(0);
      }
      ++counts.back();
      inverse[static_cast<size_t>(order[i])] = static_cast<int64_t>(first.size()) - 1;
    }
  });
  if (c.integer("sorted", 1) == 0) {
    std::vector<size_t> by(first.size());
    std::iota(by.begin(), by.end(), size_t{0});
    std::sort(by.begin(), by.end(), [&](size_t a, size_t b) { return first[a] < first[b]; });
    std::vector<int64_t> at(by.size()), f, k;
    for (size_t i = 0; i < by.size(); ++i) {
      at[by[i]] = static_cast<int64_t>(i);
      f.push_back(first[by[i]]);
      k.push_back(counts[by[i]]);
    }
    for (int64_t& i : inverse) i = at[static_cast<size_t>(i)];
    first = f;
    counts = k;
  }
  return {take(x, varve::tensor(first, Shape{first.size()}), axis), known_ints(first),
          known_ints(inverse), known_ints(counts)};
}

// Each sample's first `sequence_lens` steps turned around.
Values reverse_sequence(Call& c) {
  const Tensor& x = c.tensor(0);
  const int time = c.axis(c.integer("time_axis", 0), x.rank(), "time_axis"),
            batch = c.axis(c.integer("batch_axis", 1), x.rank(), "batch_axis");
  if (time == batch) c.fail("time_axis and batch_axis: expected different ones");
  std::vector<int64_t> sizes(static_cast<size_t>(x.rank()), 1);
  sizes[static_cast<size_t>(batch)] = x.shape()[batch];
  const Tensor length = reshape(as(c.tensor(1), i64), Shape(sizes));
  const Tensor step = counted(x.shape()[time], time, x.rank());
  return {take_along_axis(x, where(less(step, length), subtract(subtract(length, 1), step), step),
                          time)};
}

Values trilu(Call& c) {
  const Tensor& x = c.tensor(0);
  if (x.rank() < 2) c.fail("expected a matrix, got " + x.shape().to_string());
  const int64_t k = c.has(1) ? c.integer(1) : 0;
  // Beyond the matrix all diagonals are alike.
  const int64_t bound = x.shape()[-1] + x.shape()[-2];
  const int64_t offset = std::clamp(k, -bound, bound);
  return {c.integer("upper", 1) != 0 ? triu(x, offset) : tril(x, offset)};
}

// A cache of keys or values with new steps written in, for each sample from its own position on.
Values tensor_scatter(Call& c) {
  const Tensor &cache = c.tensor(0), &update = c.tensor(1);
  const int axis = c.axis(c.integer("axis", -2), cache.rank());
  if (axis == 0) c.fail("axis: the batch cannot be written along");
  const std::string mode = c.text("mode", "linear");
  if (mode != "linear" && mode != "circular") {
    c.fail("attribute mode: expected \"linear\" or \"circular\"");
  }
  const int64_t batch = cache.shape()[0], size = cache.shape()[axis], steps = update.shape()[axis];
  const Tensor from = c.has(2) ? as(c.tensor(2), i64) : zeros({batch}, i64);
  Tensor position = add(expand_dims(from, 1), reshape(arange(steps), {1, steps}));
  if (mode == "circular") position = remainder(position, size);
  const Tensor sample = broadcast_to(counted(batch, 0, 2), {batch, steps});
  const Tensor tuples = stack({sample, position}, -1);
  const Tensor out = scatter_nd_set(move_axis(cache, axis, 1), tuples, move_axis(update, axis, 1));
  return {move_axis(out, 1, axis)};
}

Values array_feature_extractor(Call& c) {
  const Tensor& x = c.tensor(0);
  if (x.rank() < 1) c.fail("expected an axis");
  const Tensor picked = take(x, reshape(c.tensor(1), {-1}), x.rank() - 1);
  return {x.rank() == 1 ? reshape(picked, {1, -1}) : picked};
}

constexpr Row kRows[] = {
    {.name = "ArrayFeatureExtractor",
     .since = 1,
     .function = array_feature_extractor,
     .domain = kMl},
    {"Compress", 9, compress, input_bit(1), true},
    {"Gather", 1, gather, 0, true},
    {"GatherElements", 11, gather_elements, 0, true},
    {"GatherND", 11, gather_nd_, 0, true},
    {"NonZero", 9, nonzero_},
    {"OneHot", 9, one_hot_, input_bit(1)},
    {"ReverseSequence", 10, reverse_sequence, 0, true},
    {"Scatter", 9, scatter_elements, 0, true, 10},
    {"ScatterElements", 11, scatter_elements, 0, true},
    {"ScatterND", 11, scatter_nd, 0, true},
    {"TensorScatter", 24, tensor_scatter, 0, true},
    {"Trilu", 14, trilu, input_bit(1), true},
    {"Unique", 11, unique_},
};

}  // namespace

std::span<const Row> index_rows() { return kRows; }

}  // namespace varve::io::onnx
