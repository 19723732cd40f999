// Reductions and changes of shape as ONNX operators.
#include <algorithm>
#include <limits>

#include "base/any_batch.h"
#include "io/onnx/emit.h"

namespace varve::io::onnx {
namespace {

using formats::onnx::Type;

Attribute to(Type type) { return integer("to", static_cast<int64_t>(type)); }

void reshape(const Exported& e) { e.give(e.to.reshape(e.plain(0), e.ints("shape"))); }

/// Nothing is written: what reads it broadcasts, or asks for the whole.
void broadcast_to(const Exported& e) {
  const Emitted& x = *e.inputs[0];
  e.outputs[0].narrow = x.narrow.empty() ? e.plain(0) : x.narrow;
  e.outputs[0].narrow_shape = x.narrow.empty() ? x.type.shape : x.narrow_shape;
}

void transpose(const Exported& e) { e.give(e.to.transpose(e.plain(0), e.ints("axes"))); }

void slice(const Exported& e) {
  const ir::Ints &start = e.ints("start"), &size = e.ints("size"), &step = e.ints("step");
  const Shape& shape = e.type(0).shape;
  std::vector<int64_t> starts, ends, axes, steps;
  for (int i = 0; i < shape.rank(); ++i) {
    const auto k = static_cast<size_t>(i);
    if (start[k] == 0 && size[k] == shape[i] && (step[k] == 1 || size[k] < 2)) continue;
    axes.push_back(i);
    const bool back = step[k]<0, open = batches_in(shape[i])> 0;
    const bool whole = size[k] == shape[i] && (step[k] == 1 || step[k] == -1);
    // Of an axis of open size all is taken, or what lies at its beginning.
    if (open && !whole && std::max(start[k], start[k] + size[k] * step[k]) > shape[i] / 2)
      e.refuse("a part that ends with the batch");
    if (open && whole) {
      starts.push_back(back ? std::numeric_limits<int64_t>::max() : 0);
      ends.push_back(back ? std::numeric_limits<int64_t>::min()
                          : std::numeric_limits<int64_t>::max());
      steps.push_back(step[k]);
      continue;
    }
    starts.push_back(start[k]);
    const int64_t end = start[k] + size[k] * step[k];
    ends.push_back(back && end < 0 ? std::numeric_limits<int64_t>::min() : end);
    steps.push_back(size[k] < 2 ? 1 : step[k]);
    if (size[k] < 2) ends.back() = starts.back() + size[k];
  }
  if (axes.empty()) {
    e.outputs[0] = *e.inputs[0];
    return;
  }
  e.give(e.to.add("Slice", {e.plain(0), e.to.ints(starts), e.to.ints(ends), e.to.ints(axes),
                            e.to.ints(steps)}));
}

void pad(const Exported& e) {
  const ir::Ints &low = e.ints("low"), &high = e.ints("high"), &interior = e.ints("interior");
  std::string x = e.plain(0);
  std::vector<int64_t> shape = e.type(0).shape.dims();
  for (size_t i = 0; i < shape.size(); ++i) {
    if (interior[i] == 0 || shape[i] == 0) continue;
    // Each element gets its zeros behind it; those behind the last one go.
    std::vector<int64_t> split = shape, pads(2 * shape.size() + 2, 0);
    split.insert(split.begin() + static_cast<int64_t>(i) + 1, 1);
    pads[split.size() + i + 1] = interior[i];
    x = e.to.add("Pad", {e.to.reshape(x, split), e.to.ints(pads), e.plain(1)});
    shape[i] *= interior[i] + 1;
    x = e.to.reshape(x, shape);
    shape[i] -= interior[i];
    x = e.to.add("Slice", {x, e.to.ints({0}), e.to.ints({-interior[i]}),
                           e.to.ints({static_cast<int64_t>(i)})});
  }
  std::vector<int64_t> pads = low;
  pads.insert(pads.end(), high.begin(), high.end());
  if (std::any_of(pads.begin(), pads.end(), [](int64_t n) { return n != 0; }))
    x = e.to.add("Pad", {x, e.to.ints(pads), e.plain(1)});
  e.give(x);
}

void concat(const Exported& e) {
  std::vector<std::string> parts;
  const int64_t axis = e.integer("axis"), rank = e.node.outputs[0].shape.rank();
  const bool all_first = rank > 2 && std::all_of(e.inputs.begin(), e.inputs.end(), [](auto* v) {
                           return !v->channels_first.empty();
                         });
  for (Emitted* v : e.inputs) parts.push_back(all_first ? v->channels_first : e.to.plain(*v));
  if (all_first) {
    const int64_t there = axis == 0 ? 0 : axis == rank - 1 ? 1 : axis + 1;
    e.outputs[0].channels_first = e.to.add("Concat", parts, {integer("axis", there)});
  } else {
    e.give(e.to.add("Concat", parts, {integer("axis", axis)}));
  }
}

void diagonal(const Exported& e) {
  const Shape& shape = e.type(0).shape;
  const ir::Ints& axes = e.ints("axes");
  std::vector<int64_t> order, flat;
  for (int64_t i = 0; i < shape.rank(); ++i) {
    if (i == axes[0] || i == axes[1]) continue;
    order.push_back(i);
    flat.push_back(shape[static_cast<int>(i)]);
  }
  const int64_t rows = shape[static_cast<int>(axes[0])], columns = shape[static_cast<int>(axes[1])];
  order.insert(order.end(), axes.begin(), axes.end());
  flat.push_back(rows * columns);
  const int64_t offset = e.integer("offset"), count = e.node.outputs[0].shape[-1];
  std::vector<int64_t> places;
  for (int64_t i = 0; i < count; ++i)
    places.push_back((offset < 0 ? i - offset : i) * columns + (offset < 0 ? i : i + offset));
  const std::string x = e.to.reshape(e.to.transpose(e.plain(0), order), flat);
  e.give(e.to.add("Gather", {x, e.to.ints(places)}, {integer("axis", -1)}));
}

void arange(const Exported& e) {
  const ir::TensorType& t = e.node.outputs[0];
  if (batches_in(e.integer("size")) > 0) e.refuse("numbers as many as the batch");
  const Tensor all = ir::apply(*e.node.op, {}, e.node.attributes)[0];
  e.give(e.to.literal({t.dtype, t.shape, ir::contiguous_array(all)}));
}

// Reductions.

/// Reduces over axes; over all places of what a convolution gave without turning it around.
template <class F>
void reduced(const Exported& e, F make) {
  const ir::Ints& axes = e.ints("axes");
  const bool keep = e.node.attributes.flag("keep_dims");
  const int64_t rank = e.type(0).shape.rank();
  const Emitted& x = *e.inputs[0];
  if (const DType to_type = e.node.outputs[0].dtype; to_type != x.type.dtype) {
    e.give(make(e.to.add("Cast", {e.plain(0)}, {to(formats::onnx::type_of(to_type))}), axes, keep));
    return;
  }
  const bool places = !keep && rank > 2 && x.plain.empty() && !x.channels_first.empty() &&
                      static_cast<int64_t>(axes.size()) == rank - 2 && axes.front() == 1 &&
                      axes.back() == rank - 2;
  if (!places) {
    e.give(make(e.plain(0), axes, keep));
    return;
  }
  std::vector<int64_t> behind;
  for (int64_t i = 2; i < rank; ++i) behind.push_back(i);
  e.give(make(x.channels_first, behind, keep));
}

/// Axes are attributes at opset 17, of ReduceSum alone an input.
template <const char* Op>
void reduce(const Exported& e) {
  reduced(e, [&](const std::string& x, const std::vector<int64_t>& axes, bool keep) {
    if (axes.empty()) return x;
    return e.to.add(Op, {x}, {integers("axes", axes), integer("keepdims", keep)});
  });
}
constexpr char kMean[] = "ReduceMean", kProd[] = "ReduceProd", kMax[] = "ReduceMax",
               kMin[] = "ReduceMin", kLogSumExp[] = "ReduceLogSumExp";

std::string sum_over(const Exported& e, const std::string& x, const std::vector<int64_t>& axes,
                     bool keep) {
  return e.to.add("ReduceSum", {x, e.to.ints(axes)}, {integer("keepdims", keep)});
}

void sum(const Exported& e) {
  reduced(e, [&](const std::string& x, const std::vector<int64_t>& axes, bool keep) {
    return axes.empty() ? x : sum_over(e, x, axes, keep);
  });
}

/// The mean of nothing is 0 / 0.
void mean(const Exported& e) {
  const ir::Ints& over = e.ints("axes");
  if (std::none_of(over.begin(), over.end(), [&](int64_t axis) {
        return e.type(0).shape.dims()[static_cast<size_t>(axis)] == 0;
      })) {
    reduce<kMean>(e);
    return;
  }
  reduced(e, [&](const std::string& x, const std::vector<int64_t>& axes, bool keep) {
    return e.to.add("Div", {sum_over(e, x, axes, keep), e.to.number(0, e.node.outputs[0].dtype)});
  });
}

/// Truth values have no reductions: all is the least of them as numbers, any that not all are
/// false.
template <bool Any>
void truths(const Exported& e) {
  std::string x = e.plain(0);
  if (e.type(0).dtype != DType::bool_) x = e.to.add("Cast", {x}, {to(Type::boolean)});
  if (Any) x = e.to.add("Not", {x});
  x = e.to.add("Cast", {x}, {to(Type::int32)});
  if (!e.ints("axes").empty())
    x = e.to.add("ReduceMin", {x},
                 {integers("axes", e.ints("axes")),
                  integer("keepdims", e.node.attributes.flag("keep_dims"))});
  x = e.to.add("Cast", {x}, {to(Type::boolean)});
  e.give(Any ? e.to.add("Not", {x}) : x);
}

template <const char* Op>
void arg(const Exported& e) {
  e.give(e.to.add(Op, {e.plain(0)}, {integer("axis", e.integer("axis")), integer("keepdims", 0)}));
}
constexpr char kArgMax[] = "ArgMax", kArgMin[] = "ArgMin";

}  // namespace

std::span<const ExportRow> shape_exports() {
  static constexpr ExportRow rows[] = {
      {"reshape", reshape},
      {"broadcast_to", broadcast_to},
      {"transpose", transpose},
      {"slice", slice},
      {"pad", pad},
      {"concat", concat},
      {"diagonal", diagonal},
      {"arange", arange},
  };
  return rows;
}

std::span<const ExportRow> reduction_exports() {
  static constexpr ExportRow rows[] = {
      {"sum", sum},
      {"mean", mean},
      {"prod", reduce<kProd>},
      {"max", reduce<kMax>},
      {"min", reduce<kMin>},
      {"logsumexp", reduce<kLogSumExp>},
      {"any", truths<true>},
      {"all", truths<false>},
      {"argmax", arg<kArgMax>},
      {"argmin", arg<kArgMin>},
  };
  return rows;
}

}  // namespace varve::io::onnx
