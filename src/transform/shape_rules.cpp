// Identities of shapes, element types, choices and reductions.
#include <algorithm>
#include <cstring>

#include "ir/dispatch.h"
#include "transform/rewrite.h"

namespace varve::transform {
namespace {

using Result = std::optional<ir::ValueId>;
constexpr std::nullopt_t no = std::nullopt;

Result input_itself(Rewriting& at) { return at.x(); }

bool same_type(const Rewriting& at) { return at.type(at.x()) == at.result(); }
Result of_same_type(Rewriting& at) { return same_type(at) ? Result(at.x()) : no; }

Result broadcast_twice(Rewriting& at) {
  auto b = at.made_by(at.x(), "broadcast_to");
  return b ? Result(at.broadcast(b->inputs[0], at.result().shape)) : no;
}

/// Whether `longer` is `shape` after axes of size 1.
bool adds_leading_ones(const Shape& shape, const Shape& longer) {
  const int extra = longer.rank() - shape.rank();
  if (extra < 0) return false;
  for (int i = 0; i < extra; ++i) {
    if (longer[i] != 1) return false;
  }
  return std::equal(shape.begin(), shape.end(), longer.begin() + extra);
}

Result broadcast_after_reshape(Rewriting& at) {
  auto r = at.made_by(at.x(), "reshape");
  if (!r || !adds_leading_ones(at.type(r->inputs[0]).shape, at.type(at.x()).shape)) return no;
  return at.broadcast(r->inputs[0], at.result().shape);
}

Result reshape_twice(Rewriting& at) {
  auto r = at.made_by(at.x(), "reshape");
  return r ? Result(at.reshape(r->inputs[0], at.result().shape)) : no;
}

/// The scalar behind a repeated number.
Result scalar_of(Rewriting& at, ir::ValueId v) {
  if (!at.number(v)) return no;
  auto b = at.made_by(v, "broadcast_to");
  return b ? Result(b->inputs[0]) : no;
}

/// Views of a repeated number repeat it in another shape.
Result view_of_number(Rewriting& at) {
  auto scalar = scalar_of(at, at.x());
  if (!scalar) return no;
  if (at.type(*scalar).shape.rank() != 0) scalar = at.reshape(*scalar, {});
  return at.broadcast(*scalar, at.result().shape);
}

Result transpose_twice(Rewriting& at) {
  auto inner = at.made_by(at.x(), "transpose");
  if (!inner) return no;
  ir::Ints axes;
  for (int64_t a : at.attributes().ints("axes"))
    axes.push_back(inner->attributes.ints("axes")[static_cast<size_t>(a)]);
  return at.make("transpose", {inner->inputs[0]}, {{"axes", axes}});
}

/// Axes longer than 1 stay in order: elements stay where they are.
Result transpose_of_ones(Rewriting& at) {
  const Shape from = at.type(at.x()).shape;
  int64_t last = -1;
  for (int64_t a : at.attributes().ints("axes")) {
    if (from[static_cast<int>(a)] == 1) continue;
    if (a < last) return no;
    last = a;
  }
  return at.reshape(at.x(), at.result().shape);
}

Result slice_twice(Rewriting& at) {
  auto inner = at.made_by(at.x(), "slice");
  if (!inner) return no;
  ir::Ints start = inner->attributes.ints("start"), step = inner->attributes.ints("step");
  const ir::Ints& size = at.attributes().ints("size");
  for (size_t i = 0; i < start.size(); ++i) {
    start[i] += at.attributes().ints("start")[i] * step[i];
    step[i] *= at.attributes().ints("step")[i];
    if (size[i] <= 1) step[i] = 1;
    if (size[i] == 0) start[i] = 0;
  }
  return at.make("slice", {inner->inputs[0]}, {{"start", start}, {"size", size}, {"step", step}});
}

Result slice_whole(Rewriting& at) {
  if (!same_type(at)) return no;
  for (const char* name : {"start", "step"}) {
    const int64_t whole = std::strcmp(name, "step") == 0 ? 1 : 0;
    const ir::Ints& list = at.attributes().ints(name);
    if (std::any_of(list.begin(), list.end(), [&](int64_t i) { return i != whole; })) return no;
  }
  return at.x();
}

Result pad_nothing(Rewriting& at) {
  for (const char* name : {"low", "high", "interior"}) {
    const ir::Ints& list = at.attributes().ints(name);
    if (std::any_of(list.begin(), list.end(), [](int64_t i) { return i != 0; })) return no;
  }
  return at.x(0);
}

Result concat_of_one(Rewriting& at) { return at.node().inputs.size() == 1 ? Result(at.x()) : no; }

/// Binary digits of the largest integer up to which every integer is a value of the type.
int digits(DType d) {
  switch (d) {
    case DType::f16:
      return 11;
    case DType::bf16:
      return 8;
    case DType::f32:
      return 24;
    case DType::f64:
      return 53;
    default:
      return static_cast<int>(8 * size_of(d)) - (is_signed(d) ? 1 : 0);
  }
}

/// Whether `wide` has every value of `d`.
bool holds(DType wide, DType d) {
  if (wide == d || d == DType::bool_) return true;
  if (wide == DType::bool_) return false;
  if (is_floating(d)) {
    const bool range = d == f16 ? wide != bf16 : wide != f16;
    return is_floating(wide) && range && digits(wide) >= digits(d);
  }
  if (is_floating(wide)) return digits(wide) >= digits(d);
  return digits(wide) >= digits(d) && (is_signed(wide) || !is_signed(d));
}

Result cast_twice(Rewriting& at) {
  auto inner = at.made_by(at.x(), "cast");
  if (!inner) return no;
  const DType from = at.type(inner->inputs[0]).dtype, by = at.type(at.x()).dtype,
              to = at.result().dtype;
  if (!holds(by, from)) return no;
  // Integers wrap into integers but are cut off at the ends on the way from floats.
  const bool cut = is_floating(by) && !is_floating(from) && !is_floating(to);
  if (cut && !holds(to, from) && to != DType::bool_) return no;
  if (to == from) return inner->inputs[0];
  return at.make("cast", {inner->inputs[0]}, {{"dtype", to}});
}

Result select_constant(Rewriting& at) {
  const auto c = at.number(at.x(0));
  if (!c) return no;
  return *c != 0 ? at.x(1) : at.x(2);
}

Result select_same(Rewriting& at) { return at.x(1) == at.x(2) ? Result(at.x(1)) : no; }

Result select_not(Rewriting& at) {
  auto n = at.made_by(at.x(0), "logical_not");
  if (!n || at.type(n->inputs[0]).dtype != DType::bool_) return no;
  return at.make("select", {n->inputs[0], at.x(2), at.x(1)});
}

/// Elements reduced into each output element.
int64_t reduced(const Rewriting& at) {
  const Shape from = at.type(at.x()).shape;
  int64_t n = 1;
  for (int64_t a : at.attributes().ints("axes")) n *= from[static_cast<int>(a)];
  return n;
}

Result reduce_one(Rewriting& at) {
  if (at.type(at.x()).dtype != at.result().dtype || reduced(at) != 1) return no;
  return at.reshape(at.x(), at.result().shape);
}

/// What a reduction leaves of a broadcast whose reduced axes are all repetitions.
Result unrepeated(Rewriting& at) {
  auto b = at.made_by(at.x(), "broadcast_to");
  if (!b || at.type(at.x()).dtype != at.result().dtype || reduced(at) == 0) return no;
  const Shape from = at.type(b->inputs[0]).shape, to = at.type(at.x()).shape;
  const ir::Ints& axes = at.attributes().ints("axes");
  const bool keep = at.attributes().flag("keep_dims");
  const int extra = to.rank() - from.rank();
  std::vector<int64_t> left;  // the source's sizes at the axes of the result
  for (int i = 0; i < to.rank(); ++i) {
    const int64_t size = i < extra ? 1 : from[i - extra];
    const bool gone = std::find(axes.begin(), axes.end(), i) != axes.end();
    if (gone && size != 1) return no;
    if (!gone || keep) left.push_back(size);
  }
  return at.broadcast(at.reshape(b->inputs[0], Shape(left)), at.result().shape);
}

/// Whether a count is a number of the type.
bool holds(DType d, int64_t count) {
  const auto n = static_cast<double>(count);
  return ir::dispatch(d, [&]<class T>(T) { return static_cast<double>(convert<T>(n)) == n; });
}

Result sum_repeated(Rewriting& at) {
  const int64_t n = reduced(at);
  const DType d = at.result().dtype;
  if (is_floating(d) && !holds(d, n)) return no;
  auto source = unrepeated(at);
  if (!source) return no;
  const ir::ValueId count = is_floating(d) ? at.full(static_cast<double>(n), at.result())
                                           : at.wrapped(static_cast<uint64_t>(n), at.result());
  return at.make("multiply", {*source, count});
}

/// Which of a reduction's axes are neighbours, axes of size 1 aside: runs of reduced and kept ones
/// in turns.
int runs_of(const Shape& shape, const ir::Ints& axes) {
  int runs = 0;
  bool last = false;
  for (int i = 0; i < shape.rank(); ++i) {
    if (shape[i] == 1) continue;
    const bool gone = std::find(axes.begin(), axes.end(), i) != axes.end();
    if (runs == 0 || gone != last) ++runs;
    last = gone;
  }
  return runs;
}
/// More runs than that and no kernel but the reference takes a reduction.
constexpr int kMostRuns = 3;

/// Over the axes in front first, which leaves little for the rest: the groups of group
/// normalization.
Result reduce_in_two(Rewriting& at) {
  const ir::TensorType from = at.type(at.x());
  const ir::Ints axes = at.attributes().ints("axes");
  if (from.dtype != at.result().dtype || size_of(from.dtype) < 4 || from.shape.size() == 0 ||
      runs_of(from.shape, axes) <= kMostRuns) {
    return no;
  }
  size_t split = axes.size() - 1;  // the last run begins there
  while (split > 0 && axes[split - 1] == axes[split] - 1) --split;
  if (split == 0) return no;
  const auto middle = axes.begin() + static_cast<std::ptrdiff_t>(split);
  const char* op = at.node().op->name;
  const ir::ValueId first =
      at.make(op, {at.x()}, {{"axes", ir::Ints(axes.begin(), middle)}, {"keep_dims", true}});
  const ir::ValueId rest =
      at.make(op, {first}, {{"axes", ir::Ints(middle, axes.end())}, {"keep_dims", true}});
  return at.reshape(rest, at.result().shape);
}

/// One reduction over the axes of both, where both keep or both drop theirs.
Result reduce_twice(Rewriting& at) {
  auto inner = at.made_by(at.x(), at.node().op->name);
  const bool keep = at.attributes().flag("keep_dims");
  if (!inner || !at.only_reader(0) || inner->attributes.flag("keep_dims") != keep) return no;
  if (at.type(inner->inputs[0]).dtype != at.result().dtype) return no;
  const ir::Ints &first = inner->attributes.ints("axes"), &second = at.attributes().ints("axes");
  ir::Ints axes = first, left;
  for (int i = 0; i < at.type(inner->inputs[0]).shape.rank(); ++i) {
    if (keep || std::find(first.begin(), first.end(), i) == first.end()) left.push_back(i);
  }
  for (int64_t a : second) axes.push_back(left[static_cast<size_t>(a)]);
  std::sort(axes.begin(), axes.end());
  axes.erase(std::unique(axes.begin(), axes.end()), axes.end());
  if (runs_of(at.type(inner->inputs[0]).shape, axes) > kMostRuns) return no;
  return at.make(at.node().op->name, {inner->inputs[0]}, {{"axes", axes}, {"keep_dims", keep}});
}

/// Elementwise work on repeated elements is done once, before they are repeated.
Result pointwise_of_broadcasts(Rewriting& at) {
  if (!at.node().op->traits.pointwise) return no;
  std::optional<Shape> source;
  for (ir::ValueId v : at.node().inputs) {
    auto b = at.made_by(v, "broadcast_to");
    if (at.number(v)) continue;
    if (!b || (source && at.type(b->inputs[0]).shape != *source)) return no;
    source = at.type(b->inputs[0]).shape;
  }
  if (!source) source = Shape{};  // numbers alone
  if (source->size() >= at.result().shape.size()) return no;
  std::vector<ir::ValueId> inputs;
  for (ir::ValueId v : at.node().inputs) {
    const auto c = at.number(v);
    inputs.push_back(c ? at.full(*c, {at.type(v).dtype, *source})
                       : at.made_by(v, "broadcast_to")->inputs[0]);
  }
  return at.broadcast(at.again(std::move(inputs)), at.result().shape);
}

/// Whether a transpose swaps the last two axes and nothing else.
bool swaps_last_two(const ir::GraphNode& transpose) {
  const ir::Ints& axes = transpose.attributes.ints("axes");
  const auto n = static_cast<int64_t>(axes.size());
  for (int64_t i = 0; i < n; ++i) {
    const int64_t expected = i < n - 2 ? i : 2 * n - 3 - i;
    if (axes[static_cast<size_t>(i)] != expected) return false;
  }
  return n >= 2;
}

Result matmul_of_transposed(Rewriting& at) {
  std::vector<ir::ValueId> inputs = at.node().inputs;
  ir::Attributes attributes = at.attributes();
  bool any = false;
  for (size_t i = 0; i < 2; ++i) {
    auto t = at.made_by(inputs[i], "transpose");
    if (!t || !swaps_last_two(*t)) continue;
    const char* name = i == 0 ? "transpose_a" : "transpose_b";
    attributes.set(name, !attributes.flag(name));
    inputs[i] = t->inputs[0];
    any = true;
  }
  return any ? Result(at.make("matmul", inputs, attributes)) : no;
}

/// A product or convolution read only here, with a vector along its last axis added.
Result add_bias(Rewriting& at) {
  for (size_t i = 0; i < 2; ++i) {
    for (const char* op : {"matmul", "convolution"}) {
      auto product = at.made_by(at.x(i), op);
      auto vector = at.made_by(at.x(1 - i), "broadcast_to");
      if (!product || !vector || product->inputs.size() != 2 || !at.only_reader(i)) continue;
      if (at.type(vector->inputs[0]).shape != Shape{at.result().shape[-1]}) continue;
      std::vector<ir::ValueId> inputs = product->inputs;
      inputs.push_back(vector->inputs[0]);
      return at.make(op, std::move(inputs), product->attributes);
    }
  }
  return no;
}

constexpr Rule kRules[] = {
    {"identity(x) -> x", "identity", input_itself},
    {"stop_gradient(x) -> x", "stop_gradient", input_itself},
    {"broadcast to the same shape -> x", "broadcast_to", of_same_type},
    {"broadcast of broadcast -> one", "broadcast_to", broadcast_twice},
    {"broadcast of a reshape that adds leading ones -> broadcast", "broadcast_to",
     broadcast_after_reshape},
    {"reshape to the same shape -> x", "reshape", of_same_type},
    {"reshape of reshape -> one", "reshape", reshape_twice},
    {"reshape of a repeated number -> repeated number", "reshape", view_of_number},
    {"transpose of transpose -> one", "transpose", transpose_twice},
    {"transpose of a repeated number -> repeated number", "transpose", view_of_number},
    {"transpose that moves only axes of size 1 -> reshape, or x", "transpose", transpose_of_ones},
    {"slice of slice -> one", "slice", slice_twice},
    {"slice of everything -> x", "slice", slice_whole},
    {"slice of a repeated number -> repeated number", "slice", view_of_number},
    {"pad by nothing -> x", "pad", pad_nothing},
    {"concat of one -> x", "concat", concat_of_one},
    {"cast to the same type -> x", "cast", of_same_type},
    {"cast of cast -> one, where the first loses nothing", "cast", cast_twice},
    {"select(true, a, b) -> a; select(false, a, b) -> b", "select", select_constant},
    {"select(c, a, a) -> a", "select", select_same},
    {"select(not c, a, b) -> select(c, b, a)", "select", select_not},
    {"sum over axes of size 1 -> reshape", "sum", reduce_one},
    {"mean over axes of size 1 -> reshape", "mean", reduce_one},
    {"prod over axes of size 1 -> reshape", "prod", reduce_one},
    {"max over axes of size 1 -> reshape", "max", reduce_one},
    {"min over axes of size 1 -> reshape", "min", reduce_one},
    {"sum over repeated axes -> x * count (in the last digit)", "sum", sum_repeated},
    {"mean over repeated axes -> x", "mean", unrepeated},
    {"max over repeated axes -> x", "max", unrepeated},
    {"min over repeated axes -> x", "min", unrepeated},
    {"sum of sum -> one (in the last digit)", "sum", reduce_twice},
    {"max of max -> one", "max", reduce_twice},
    {"min of min -> one", "min", reduce_twice},
    {"sum over axes apart -> two sums (in the last digit)", "sum", reduce_in_two},
    {"max over axes apart -> two", "max", reduce_in_two},
    {"min over axes apart -> two", "min", reduce_in_two},
    {"matmul of transposed matrices -> matmul with flags", "matmul", matmul_of_transposed},
    {"matmul or convolution + vector -> the same with bias", "add", add_bias},
    {"pointwise op of equally repeated inputs -> repeated result", "*", pointwise_of_broadcasts},
};

}  // namespace

std::span<const Rule> shape_rules() { return kRules; }

}  // namespace varve::transform
