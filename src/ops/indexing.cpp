// Gather and scatter, order, running sums: rows with their derivatives.
#include "varve/ops/indexing.h"

#include <algorithm>

#include "base/error.h"
#include "ops/checks.h"
#include "ops/indexing.h"
#include "varve/ops/pointwise.h"

namespace varve::ops {
namespace {

using Cotangents = std::span<const Tensor>;

const TensorType& indices_of(const InferArguments& a, size_t which) {
  if (!is_integer(a[which].dtype)) {
    throw DTypeError(text_of(
        a.op.name, std::string("indices: expected integers, got ") + name_of(a[which].dtype)));
  }
  return a[which];
}

size_t own_axis(const InferArguments& a) {
  return static_cast<size_t>(require_axis(a, a.attributes.integer("axis"), a[0].shape.rank()));
}

/// The form of a gather is that of its op; a scatter takes any of the three.
void require_form(const InferArguments& a) {
  const std::string& form = a.attributes.get<std::string>("form");
  const std::string_view op = a.op.name;
  const bool known = op == "take"              ? form == "take"
                     : op == "take_along_axis" ? form == "along"
                     : op == "gather_nd"       ? form == "nd"
                                               : form == "take" || form == "along" || form == "nd";
  if (!known) throw ValueError(text_of(a.op.name, "form: got \"" + escaped(form) + "\""));
  if (form == "nd" && a.attributes.integer("axis") != 0)
    throw ValueError(text_of(a.op.name, "axis: expected 0 for tuples of positions"));
}

/// The shape that indices read from x: what a gather gives and a scatter takes.
Shape read_shape(const InferArguments& a, const Shape& x, const Shape& indices) {
  require_form(a);
  require_flags(a, {"negative"});
  const std::string& form = a.attributes.get<std::string>("form");
  std::vector<int64_t> dims;
  if (form == "nd") {
    const int64_t k = indices.rank() ? indices[-1] : -1;
    if (k < 0 || k > x.rank()) {
      throw ShapeError(
          text_of(a.op.name, "indices " + indices.to_string() + ": expected a last axis of 0.." +
                                 std::to_string(x.rank()) + " positions in " + x.to_string()));
    }
    dims.assign(indices.begin(), indices.end() - 1);
    dims.insert(dims.end(), x.begin() + k, x.end());
    return Shape(std::move(dims));
  }
  const auto axis = static_cast<int64_t>(own_axis(a));
  if (form == "take") {
    dims = x.dims();
    dims.erase(dims.begin() + axis);
    dims.insert(dims.begin() + axis, indices.begin(), indices.end());
    return Shape(std::move(dims));
  }
  dims = indices.dims();
  if (indices.rank() == x.rank())
    dims[static_cast<size_t>(axis)] = x.dims()[static_cast<size_t>(axis)];
  if (dims != x.dims()) {
    throw ShapeError(text_of(a.op.name, "x " + x.to_string() + " and indices " +
                                            indices.to_string() + " differ beside axis " +
                                            std::to_string(axis)));
  }
  return indices;
}

Types gather_type(const InferArguments& a) {
  return {{a[0].dtype, read_shape(a, a[0].shape, indices_of(a, 1).shape)}};
}

}  // namespace

Types scatter_type(const InferArguments& a) {
  if (a[0].dtype == DType::bool_ && std::string_view(a.op.name) != "scatter_set") {
    throw DTypeError(text_of(a.op.name, "bool has no arithmetic"), "cast it first");
  }
  const Shape expected = read_shape(a, a[0].shape, indices_of(a, 2).shape);
  if (a[1] != TensorType{a[0].dtype, expected}) {
    throw ShapeError(text_of(a.op.name, "updates: expected " +
                                            TensorType{a[0].dtype, expected}.to_string() +
                                            ", got " + a[1].to_string()));
  }
  return {a[0]};
}

Tensor scatter(const char* op, const Tensor& x, const Tensor& updates, const Tensor& indices,
               const Attributes& how) {
  return make(op, {x, updates, indices}, how);
}
Tensor gathered(const Tensor& x, const Tensor& indices, const Attributes& how) {
  const std::string& form = how.get<std::string>("form");
  const char* op = form == "take" ? "take" : form == "along" ? "take_along_axis" : "gather_nd";
  return make(op, {x, indices}, how);
}

namespace {

Slots gather_back(const Local& at, Cotangents ct) {
  return {scatter("scatter_add", full_like(at.x(0), 0), ct[0], at.x(1), at.attributes), Tensor()};
}

Tensor or_zero(const Tensor& tangent, const Tensor& like) {
  return tangent.defined() ? tangent : full_like(like, 0);
}

Slots scatter_forward(const char* op, const Local& at, Cotangents t) {
  if (!t[0].defined() && !t[1].defined()) return {Tensor()};
  return {scatter(op, or_zero(t[0], at.x(0)), or_zero(t[1], at.x(1)), at.x(2), at.attributes)};
}

/// Which updates are still there after a set: those that nothing later overwrote.
Tensor survivors(const Local& at) {
  const Tensor number = reshaped(counted(at.x(1).size(), i64), at.x(1).shape());
  const Tensor left =
      scatter("scatter_set", full(-1, i64, at.x(0).shape()), number, at.x(2), at.attributes);
  return gathered(left, at.x(2), at.attributes) == number;
}

Slots scatter_set_back(const Local& at, Cotangents ct) {
  Slots slots(3);
  if (at.wanted[0]) {
    slots[0] = scatter("scatter_set", ct[0], full_like(at.x(1), 0), at.x(2), at.attributes);
  }
  if (at.wanted[1]) {
    slots[1] = where(survivors(at), gathered(ct[0], at.x(2), at.attributes), 0);
  }
  return slots;
}

Types one_hot_type(const InferArguments& a) {
  std::vector<int64_t> dims = indices_of(a, 0).shape.dims();
  dims.push_back(a.attributes.integer("classes"));
  if (dims.back() < 0) {
    throw ShapeError(
        text_of(a.op.name, "classes: expected 0 or more, got " + std::to_string(dims.back())));
  }
  return {{a.attributes.get<DType>("dtype"), Shape(std::move(dims))}};
}

Types argsort_type(const InferArguments& a) {
  own_axis(a);
  require_flags(a, {"descending"});
  return {{i64, a[0].shape}};
}

Types argsort_rows_type(const InferArguments& a) {
  if (a[0].shape.rank() != 2)
    throw ShapeError(text_of(a.op.name, "expected [n, m], got " + a[0].shape.to_string()));
  return {{i64, Shape{a[0].shape[0]}}};
}

Types top_k_type(const InferArguments& a) {
  const size_t axis = own_axis(a);
  const int64_t k = a.attributes.integer("k");
  std::vector<int64_t> dims = a[0].shape.dims();
  const int64_t n = dims[axis];
  if (k < 0 || k > n) {
    throw ValueError(text_of(a.op.name, "k: expected 0.." + std::to_string(n) + " (axis " +
                                            std::to_string(axis) + " of " + a[0].shape.to_string() +
                                            "), got " + std::to_string(k)));
  }
  dims[axis] = k;
  return {{i64, Shape(std::move(dims))}};
}

Types cumulative_type(const InferArguments& a) {
  own_axis(a);
  require_flags(a, {"reverse", "exclusive"});
  const DType d = a[0].dtype;
  return {{is_floating(d) || d == u64 ? d : i64, a[0].shape}};
}

Slots cumsum_back(const Local& at, Cotangents ct) {
  Attributes how = at.attributes;
  how.set("reverse", !how.flag("reverse"));
  return {make("cumsum", {ct[0]}, how)};
}

/// log2(n) rounds of y[i] *= y[i - 2^r]: multiplications alone, so that derivatives of every order
/// are right at 0.
std::vector<Tensor> cumprod_decomposition(std::span<const Tensor> inputs, const Attributes& a) {
  const int axis = static_cast<int>(a.integer("axis"));
  const bool reverse = a.flag("reverse");
  const DType d = inputs[0].dtype();
  Tensor y = is_floating(d) || d == u64 ? inputs[0] : cast(inputs[0], i64);
  const int64_t n = y.shape()[axis];
  auto shifted = [&](const Tensor& t, int64_t by) {
    const Shape& shape = t.shape();
    std::vector<int64_t> dims = shape.dims();
    dims[static_cast<size_t>(axis)] = by;
    const Tensor front = full(1, t.dtype(), Shape(std::move(dims)));
    const Tensor rest = narrow(t, axis, reverse ? by : 0, n - by);
    return reverse ? concat({rest, front}, axis) : concat({front, rest}, axis);
  };
  if (a.flag("exclusive") && n > 0) y = shifted(y, 1);
  for (int64_t by = 1; by < n; by *= 2) y = y * shifted(y, by);
  return {y};
}

Types searchsorted_type(const InferArguments& a) {
  require_flags(a, {"right"});
  if (a[0].shape.rank() != 1) {
    throw ShapeError(
        text_of(a.op.name, "sorted: expected one axis, got " + a[0].shape.to_string()));
  }
  if (a[0].dtype != a[1].dtype) {
    throw DTypeError(text_of(a.op.name, "inputs are of different types: " + a[0].to_string() +
                                            " and " + a[1].to_string()));
  }
  return {{i64, a[1].shape}};
}

int64_t bound_of(const InferArguments& a) {
  const int64_t size = a.attributes.integer("size");
  if (size < 0) {
    throw ValueError(text_of(a.op.name, "size: expected 0 or more, got " + std::to_string(size)));
  }
  return size;
}

Types nonzero_type(const InferArguments& a) {
  return {{i64, Shape{bound_of(a), a[0].shape.rank()}}, {i64, Shape{}}};
}

Types unique_type(const InferArguments& a) {
  const int64_t size = bound_of(a);
  return {{a[0].dtype, Shape{size}}, {i64, a[0].shape}, {i64, Shape{size}}, {i64, Shape{}}};
}

double free_of_flops(const InferArguments&, const Types&) { return 0; }

ir::OpDef row(const char* name, const char* doc, int inputs, Types (*infer)(const InferArguments&),
              ir::Derivative derivative) {
  return {.name = name,
          .doc = doc,
          .min_inputs = inputs,
          .max_inputs = inputs,
          .infer = infer,
          .derivative = std::move(derivative),
          .flops = free_of_flops};
}

constexpr const char* kPlaces = "it gives places, not values";

std::vector<ir::OpDef> gather_rows() {
  const ir::Multilinear gather{1, gather_back};
  return {
      row("take",
          "x [A..., n, B...] and indices [I...] -> [A..., I..., B...]: the slices at the indices "
          "along attribute axis. Attribute negative: indices -n..-1 count from the end.",
          2, gather_type, gather),
      row("take_along_axis",
          "out[.., i, ..] = x[.., indices[.., i, ..], ..] along attribute axis; out has the shape "
          "of indices.",
          2, gather_type, gather),
      row("gather_nd",
          "x [n1..nk, B...] and indices [I..., k] -> [I..., B...]: slices at tuples of positions.",
          2, gather_type, gather),
      row("scatter_add",
          "x with updates added where the gather of attribute form (take, along, nd) would read; "
          "inputs x, updates, indices.",
          3, scatter_type,
          ir::Custom{
              [](const Local& at, Cotangents ct) -> Slots {
                return {ct[0], at.wanted[1] ? gathered(ct[0], at.x(2), at.attributes) : Tensor(),
                        Tensor()};
              },
              [](const Local& at, Cotangents t) { return scatter_forward("scatter_add", at, t); }}),
      row("scatter_set",
          "x with updates put where the gather of attribute form would read, the last one staying; "
          "inputs x, updates, indices.",
          3, scatter_type,
          ir::Custom{
              scatter_set_back,
              // The updates that stay are chosen by order alone, so the op is linear.
              [](const Local& at, Cotangents t) { return scatter_forward("scatter_set", at, t); }}),
      row("one_hot", "1 at the class, 0 elsewhere: [I...] -> [I..., classes], attribute dtype.", 1,
          one_hot_type, ir::NotDifferentiable{"its input is integers"}),
  };
}

std::vector<ir::OpDef> order_rows() {
  ir::OpDef cumsum = row("cumsum",
                         "Running sums along attribute axis; reverse: from the end; exclusive: "
                         "without the element itself.",
                         1, cumulative_type, ir::Linear{cumsum_back});
  ir::OpDef cumprod = row("cumprod", "Running products; attributes as cumsum.", 1, cumulative_type,
                          ir::FromDecomposition{});
  cumprod.decompose = cumprod_decomposition;
  cumsum.flops = cumprod.flops = nullptr;
  return {
      row("argsort", "The positions that order attribute axis (stable, NaN above infinity).", 1,
          argsort_type, ir::NotDifferentiable{kPlaces}),
      row("argsort_rows",
          "The positions that order the rows of x [n, m] by their first columns, then the next "
          "(stable, NaN above infinity).",
          1, argsort_rows_type, ir::NotDifferentiable{kPlaces}),
      row("top_k",
          "The positions of the k largest along attribute axis, largest first, equal ones in their "
          "order.",
          1, top_k_type, ir::NotDifferentiable{kPlaces}),
      row("searchsorted",
          "How many elements of an ascending vector are below each value (attribute right: not "
          "above it).",
          2, searchsorted_type, ir::NotDifferentiable{kPlaces}),
      row("nonzero",
          "Positions [size, rank] of the elements that are not 0, zeros after the last, and their "
          "count.",
          1, nonzero_type, ir::NotDifferentiable{kPlaces}),
      row("unique",
          "The distinct elements ascending [size], which of them each element is, how often each "
          "occurs [size], and how many there are.",
          1, unique_type, ir::NotDifferentiable{"its output jumps where elements become equal"}),
      cumsum,
      cumprod,
  };
}

}  // namespace

std::span<const ir::OpDef> indexing_rows() {
  static const std::vector<ir::OpDef> rows = [] {
    std::vector<ir::OpDef> all = gather_rows();
    for (auto& r : scatter_reduce_rows()) all.push_back(std::move(r));
    for (auto& r : all) r.traits.faults = true;
    for (auto& r : order_rows()) all.push_back(std::move(r));
    return all;
  }();
  return rows;
}

Attributes gather_form(const char* form, int64_t axis, bool negative) {
  return {{"form", std::string(form)}, {"axis", axis}, {"negative", negative}};
}

}  // namespace varve::ops
