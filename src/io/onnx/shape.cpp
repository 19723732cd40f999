// Shapes, and where elements lie.
#include "varve/ops/shape.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "base/math.h"
#include "io/onnx/helpers.h"

namespace varve::io::onnx {
namespace {

// Of all sizes >= 0; nothing where it passes 2^63.
std::optional<int64_t> product(const std::vector<int64_t>& sizes) {
  int64_t out = 1;
  bool fits = true;
  for (const int64_t d : sizes) {
    if (d == 0) return 0;
    if (d > 0) fits = fits && checked_multiply(out, d, out);
  }
  return fits ? std::optional(out) : std::nullopt;
}

std::string shown(const std::vector<int64_t>& sizes) { return Shape(sizes).to_string(); }

// A model written for a fixed batch says it in its shapes, too: where what is shaped depends on an
// input with the batch, and its elements are just those of another batch, the first size follows.
void follow_batch(const Call& c, std::vector<int64_t>& sizes, int64_t elements) {
  const int64_t declared = c.batch().first, batch = c.batch().second;
  if (!c.value(0).batched || declared <= 0 || declared == batch || sizes.empty() ||
      sizes[0] != declared)
    return;
  const bool open = std::count(sizes.begin(), sizes.end(), -1) > 0;
  const std::optional<int64_t> wanted = product(sizes);
  if (!open && wanted == elements) return;
  int64_t given = 0, scaled = 0;
  if (open || (wanted && checked_multiply(elements, declared, given) &&
               checked_multiply(*wanted, batch, scaled) && given == scaled)) {
    sizes[0] = batch;
  }
}

Values reshape_(Call& c) {
  const Tensor& x = c.tensor(0);
  std::vector<int64_t> sizes = c.version() >= 5 ? c.ints(1) : c.integers("shape");
  const bool zero_is_zero = c.integer("allowzero", 0) != 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] != 0 || zero_is_zero) continue;
    if (static_cast<int>(i) >= x.rank()) {
      c.fail("shape[" + std::to_string(i) + "] = 0: the input has " + std::to_string(x.rank()) +
             " axes");
    }
    sizes[i] = x.shape()[static_cast<int>(i)];
  }
  follow_batch(c, sizes, x.size());
  const auto refuse = [&] {
    c.fail("Reshape: " + std::to_string(x.size()) + " elements into " + shown(sizes));
  };
  const auto open = std::count(sizes.begin(), sizes.end(), -1);
  if (std::any_of(sizes.begin(), sizes.end(), [](int64_t d) { return d < -1; })) refuse();
  const std::optional<int64_t> known = product(sizes);
  if (!known) refuse();
  const int64_t rest = *known;
  if (open > 1 || (open == 0 && rest != x.size())) refuse();
  if (open == 1 && (rest == 0 ? x.size() != 0 || !zero_is_zero : x.size() % rest != 0)) refuse();
  for (int64_t& d : sizes) {
    if (d == -1) d = rest == 0 ? 0 : x.size() / rest;
  }
  return {reshape(x, Shape(sizes))};
}

Values flatten_(Call& c) {
  const Tensor& x = c.tensor(0);
  const int64_t given = c.integer("axis", 1);
  const int axis = given == x.rank() ? x.rank() : c.axis(given, x.rank());
  int64_t rows = 1, columns = 1;
  for (int i = 0; i < x.rank(); ++i) (i < axis ? rows : columns) *= x.shape()[i];
  return {reshape(x, {rows, columns})};
}

Values squeeze_(Call& c) {
  const Tensor& x = c.tensor(0);
  const auto given = c.ints_by_version("axes", 13, 1);
  if (!given) return {squeeze(x)};
  if (given->empty()) return {x};
  return {squeeze(x, c.axes(*given, x.rank()))};
}

Values unsqueeze(Call& c) {
  const Tensor& x = c.tensor(0);
  const auto given = c.ints_by_version("axes", 13, 1);
  if (!given) c.fail("axes are missing");
  const int rank = x.rank() + static_cast<int>(given->size());
  std::vector<int> axes = c.axes(*given, rank);
  std::sort(axes.begin(), axes.end());
  if (std::adjacent_find(axes.begin(), axes.end()) != axes.end()) c.fail("axes: one is repeated");
  std::vector<int64_t> sizes = x.shape().dims();
  for (const int a : axes) sizes.insert(sizes.begin() + a, 1);
  return {reshape(x, Shape(std::move(sizes)))};
}

Values transpose_(Call& c) {
  const Tensor& x = c.tensor(0);
  std::vector<int> axes;
  for (const int64_t a : c.integers("perm", {})) axes.push_back(c.axis(a, x.rank(), "perm"));
  if (axes.empty()) return {transpose(x)};
  return {transpose(x, axes)};
}

Values concat_(Call& c) {
  std::vector<Tensor> parts;
  for (int i = 0; i < c.inputs(); ++i) parts.push_back(c.tensor(i));
  if (parts.empty()) c.fail("expected an input");
  return {concat(parts, c.axis(c.integer("axis"), parts[0].rank()))};
}

// Given sizes, or equal parts; the last one smaller where they do not divide (opset 18).
Values split_(Call& c) {
  const Tensor& x = c.tensor(0);
  const int axis = c.axis(c.integer("axis", 0), x.rank());
  const int64_t size = x.shape()[axis];
  std::vector<int64_t> sizes;
  if (const auto given = c.ints_by_version("split", 13, 1)) {
    sizes = *given;
  } else {
    const int64_t parts = c.integer("num_outputs", c.outputs());
    if (parts < 1 || parts != c.outputs()) {
      c.fail("num_outputs: expected the " + std::to_string(c.outputs()) + " outputs, got " +
             std::to_string(parts));
    }
    const int64_t each = (size + parts - 1) / parts;
    for (int64_t left = size, i = 0; i < parts; ++i) {
      sizes.push_back(std::min(each, left));
      left -= sizes.back();
    }
  }
  Values out;
  for (const Tensor& t : split_sizes(x, sizes, axis)) out.emplace_back(t, c.type(0));
  return out;
}

Values slice_(Call& c) {
  const Tensor& x = c.tensor(0);
  const bool attributes = c.version() < 10;
  const std::vector<int64_t> starts = attributes ? c.integers("starts") : c.ints(1);
  const std::vector<int64_t> ends = attributes ? c.integers("ends") : c.ints(2);
  std::vector<int64_t> given(starts.size()), steps(starts.size(), 1);
  std::iota(given.begin(), given.end(), 0);
  if (attributes) {
    given = c.integers("axes", given);
  } else {
    if (c.has(3)) given = c.ints(3);
    if (c.has(4)) steps = c.ints(4);
  }
  if (ends.size() != starts.size() || given.size() != starts.size() ||
      steps.size() != starts.size()) {
    c.fail("starts, ends, axes and steps: expected as many of each");
  }
  std::vector<Slice> slices(static_cast<size_t>(x.rank()));
  for (size_t i = 0; i < starts.size(); ++i) {
    const int axis = c.axis(given[i], x.rank(), "axes");
    if (steps[i] == 0) c.fail("steps[" + std::to_string(i) + "]: expected other than 0");
    const int64_t n = x.shape()[axis];
    // Bounds in 0..n (backwards -1..n-1), then as Python's slices, which have no number for -1.
    const bool back = steps[i] < 0;
    const int64_t low = back ? -1 : 0, high = back ? n - 1 : n;
    const auto bound = [&](int64_t v) {
      return std::clamp(v >= 0 ? v : v >= -n ? v + n : -1, low, high);
    };
    const int64_t start = bound(starts[i]), stop = bound(ends[i]);
    Slice& s = slices[static_cast<size_t>(axis)];
    const int64_t step = std::clamp(steps[i], -(n + 1), n + 1);
    if (back ? start <= stop : start >= stop) {
      s = {.start = 0, .stop = 0};
    } else {
      s = {.start = start, .step = step};
      if (stop >= 0) s.stop = stop;
    }
  }
  return {slice(x, slices)};
}

// Both shapes broadcast, as NumPy's do.
Values expand(Call& c) {
  const Tensor& x = c.tensor(0);
  std::vector<int64_t> sizes = c.ints(1);
  const auto rank = std::max(sizes.size(), static_cast<size_t>(x.rank()));
  sizes.insert(sizes.begin(), rank - sizes.size(), 1);
  const size_t offset = rank - static_cast<size_t>(x.rank());
  for (size_t i = offset; i < rank; ++i) {
    if (sizes[i] == 1) sizes[i] = x.shape()[static_cast<int>(i - offset)];
  }
  const Shape shape(sizes);
  c.limit(shape);
  return {broadcast_to(x, shape)};
}

Values tile_(Call& c) {
  const Tensor& x = c.tensor(0);
  const std::vector<int64_t> repeats = c.ints(1);
  if (static_cast<int>(repeats.size()) != x.rank()) {
    c.fail("repeats: expected " + std::to_string(x.rank()) + ", got " +
           std::to_string(repeats.size()));
  }
  std::vector<int64_t> sizes = x.shape().dims();
  for (size_t i = 0; i < sizes.size(); ++i) {
    if (repeats[i] < 0) c.fail("repeats: expected integers >= 0");
    // Checked before the product, which could wrap.
    c.limit(Shape({sizes[i], repeats[i]}));
    sizes[i] *= repeats[i];
  }
  c.limit(Shape(sizes));
  return {tile(x, repeats)};
}

Values shape_(Call& c) {
  const std::vector<int64_t> all = c.shape_of(0).dims();
  const auto rank = static_cast<int64_t>(all.size());
  const auto bound = [&](int64_t v) { return std::clamp<int64_t>(v < 0 ? v + rank : v, 0, rank); };
  const int64_t start = bound(c.integer("start", 0)), end = bound(c.integer("end", rank));
  if (start >= end) return {known_ints({})};
  return {known_ints({all.begin() + start, all.begin() + end})};
}

Values size_(Call& c) {
  Value v = known_ints({c.shape_of(0).size()});
  v.tensor = reshape(v.tensor, {});
  return {v};
}

// f64 holds the integers below it.
constexpr double kExact = 0x1p53;

// Widths are attributes before opset 11; axes may be named from 18 on.
Values pad_(Call& c) {
  const Tensor& x = c.tensor(0);
  const auto given = c.ints_by_version("pads", 11, 1);
  if (!given) c.fail("pads are missing");
  std::vector<int> axes(static_cast<size_t>(x.rank()));
  std::iota(axes.begin(), axes.end(), 0);
  if (c.has(3)) axes = c.axes(c.ints(3), x.rank());
  if (given->size() != 2 * axes.size()) {
    c.fail("pads: expected " + std::to_string(2 * axes.size()) + ", got " +
           std::to_string(given->size()));
  }
  std::vector<PadWidth> widths(static_cast<size_t>(x.rank()));
  std::vector<int64_t> sizes = x.shape().dims();
  for (size_t i = 0; i < axes.size(); ++i) {
    const int64_t before = (*given)[i], after = (*given)[i + axes.size()];
    for (const int64_t w : {before, after}) {
      if (w > kMaxElements || w < -kMaxElements) c.fail("pads: " + std::to_string(w));
    }
    const auto axis = static_cast<size_t>(axes[i]);
    widths[axis] = {before, after};
    sizes[axis] += before + after;
  }
  c.limit(Shape(sizes));
  const std::string mode = c.text("mode", "constant");
  PadOptions options{.mode = PadMode::parse(mode)};
  if (mode != "constant") return {pad(x, widths, options)};
  if (c.version() < 11) {
    options.value = c.real("value", 0);
  } else if (c.has(2)) {
    options.value = c.number(2);
    // Integers that f64 does not hold are put around the elements afterwards.
    if (is_integer(x.dtype()) && std::fabs(options.value) >= kExact) {
      const Tensor inside = pad(ones(x.shape(), DType::bool_), widths);
      return {where(inside, pad(x, widths), as(reshape(c.tensor(2), {}), x.dtype()))};
    }
  }
  // Infinity is no number for integers, and pad takes f16's through f64 exactly.
  return {pad(x, widths, options)};
}

// Its square times a size stays far below 2^63.
constexpr int64_t kMostBlock = int64_t{1} << 15;

// Blocks of channels become blocks of positions; DCR takes the depth first, CRD the column.
Values depth_to_space(Call& c) {
  const Tensor& x = c.tensor(0);
  const int64_t b = c.integer("blocksize");
  if (x.rank() != 4) c.fail("expected 4 axes, got " + x.shape().to_string());
  const int64_t n = x.shape()[0], d = x.shape()[1], h = x.shape()[2], w = x.shape()[3];
  if (b < 1 || b > kMostBlock || d % (b * b) != 0)
    c.fail("blocksize " + std::to_string(b) + " does not fit " + x.shape().to_string());
  const bool crd = c.text("mode", "DCR") == "CRD";
  const int64_t depth = d / (b * b);
  const Tensor parts =
      crd ? reshape(x, {n, depth, b, b, h, w}) : reshape(x, {n, b, b, depth, h, w});
  const Tensor moved =
      crd ? transpose(parts, {0, 1, 4, 2, 5, 3}) : transpose(parts, {0, 3, 4, 1, 5, 2});
  return {reshape(moved, {n, depth, h * b, w * b})};
}

Values space_to_depth(Call& c) {
  const Tensor& x = c.tensor(0);
  const int64_t b = c.integer("blocksize");
  if (x.rank() != 4) c.fail("expected 4 axes, got " + x.shape().to_string());
  const int64_t n = x.shape()[0], d = x.shape()[1], h = x.shape()[2], w = x.shape()[3];
  if (b < 1 || b > kMostBlock || h % b != 0 || w % b != 0)
    c.fail("blocksize " + std::to_string(b) + " does not fit " + x.shape().to_string());
  const Tensor parts = reshape(x, {n, d, h / b, b, w / b, b});
  const std::string mode = c.text("mode", "DCR");
  const Tensor moved =
      mode == "CRD" ? transpose(parts, {0, 1, 3, 5, 2, 4}) : transpose(parts, {0, 3, 5, 1, 2, 4});
  return {reshape(moved, {n, d * b * b, h / b, w / b})};
}

constexpr Row kRows[] = {
    {"Concat", 4, concat_, 0, true},
    {"DepthToSpace", 1, depth_to_space, 0, true},
    {"Expand", 8, expand, input_bit(1), true},
    {"Flatten", 1, flatten_, 0, true},
    {"Pad", 2, pad_, input_bit(1) | input_bit(2) | input_bit(3), true},
    {"Reshape", 1, reshape_, input_bit(1), true},
    {"Shape", 1, shape_},
    {"Size", 1, size_},
    {"Slice", 1, slice_, ~1u, true},
    {"SpaceToDepth", 1, space_to_depth, 0, true},
    {"Split", 2, split_, input_bit(1), true},
    {"Squeeze", 1, squeeze_, input_bit(1), true},
    {"Tile", 6, tile_, input_bit(1), true},
    {"Transpose", 1, transpose_, 0, true},
    {"Unsqueeze", 1, unsqueeze, input_bit(1), true},
};

}  // namespace

std::span<const Row> shape_rows() { return kRows; }

}  // namespace varve::io::onnx
