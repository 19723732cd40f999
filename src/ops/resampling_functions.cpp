// The functions that users call for other sizes: resize, blocks of pixels, crops, blurs.
#include <algorithm>
#include <cmath>

#include "base/count.h"
#include "base/error.h"
#include "ops/build.h"
#include "ops/call.h"
#include "ops/resampling_taps.h"
#include "ops/shape.h"
#include "varve/ops/convolution.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/resampling.h"
#include "varve/ops/shape.h"

namespace varve {
namespace {

[[noreturn]] void refuse(const char* what, std::string_view got,
                         const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& n : names) list += (list.empty() ? "\"" : ", \"") + n + "\"";
  throw ValueError(
      std::string(what) + ": expected one of " + list + ", got \"" + escaped(got) + "\"",
      did_you_mean(got, names));
}

}  // namespace

Interpolation Interpolation::parse(std::string_view name) {
  if (!known(name)) {
    refuse("interpolation", name,
           {"nearest", "linear", "bilinear", "trilinear", "cubic", "bicubic", "area"});
  }
  Interpolation i;
  i.kind = read(name);
  return i;
}
Interpolation Interpolation::from_config(std::string_view json) {
  const bool quoted = json.size() >= 2 && json.front() == '"' && json.back() == '"';
  return parse(quoted ? json.substr(1, json.size() - 2) : json);
}
const char* Interpolation::to_string() const {
  constexpr const char* kAll[] = {"nearest", "linear", "cubic", "area"};
  return kAll[static_cast<size_t>(kind)];
}

Coordinates Coordinates::parse(std::string_view name) {
  Coordinates c;
  c.kind = read(name);
  if (c.to_string() != name) refuse("coordinates", name, {std::begin(kNames), std::end(kNames)});
  return c;
}

NearestRounding NearestRounding::parse(std::string_view name) {
  NearestRounding r;
  r.kind = read(name);
  if (r.to_string() != name) refuse("rounding", name, {std::begin(kNames), std::end(kNames)});
  return r;
}

namespace {

using ops::Call;

std::vector<int> resized_axes(const Call& call, const Tensor& x, const ResizeOptions& o) {
  std::vector<int> axes;
  if (!o.axes.empty()) {
    for (int a : o.axes) {
      axes.push_back(ops::axis_at(call.name, a, x, call.where));
      if (std::count(axes.begin(), axes.end(), axes.back()) > 1)
        call.value_error("axis " + std::to_string(axes.back()) + " is given twice");
    }
    return axes;
  }
  if (x.rank() < 3) {
    call.shape_error("expected batch, channels and spatial axes, got " + x.shape().to_string());
  }
  const int first = o.data_format.channels_first ? 2 : 1;
  for (int i = 0; i < x.rank() - 2; ++i) axes.push_back(first + i);
  return axes;
}

/// One axis of a resize: the attributes of its node.
ir::Attributes axis_attributes(const Call& call, const ResizeOptions& o, size_t i, int axis,
                               int64_t n) {
  int64_t size = o.size.empty() ? 0 : o.size[i];
  if (n < 1) call.shape_error("axis " + std::to_string(axis) + " has no element");
  const double scale =
      !o.scale.empty() ? o.scale[i] : static_cast<double>(size) / static_cast<double>(n);
  if (!(scale > 0) || !std::isfinite(scale)) {
    call.value_error(o.scale.empty()
                         ? "size: expected at least 1, got " + std::to_string(size)
                         : "scale: expected a number above 0, got " + std::to_string(scale));
  }
  // As products of decimal scales are meant: 0.6 * 5 is 3.
  if (o.size.empty())
    size = static_cast<int64_t>(std::floor(static_cast<double>(n) * scale + 1e-9));
  if (size < 1) call.value_error("size: expected at least 1, got " + std::to_string(size));
  const bool crop = o.coordinates.kind == Coordinates::Kind::tf_crop_and_resize;
  return {{"axis", int64_t{axis}},
          {"size", size},
          {"scale", scale},
          {"method", std::string(o.interpolation.to_string())},
          {"coordinates", std::string(o.coordinates.to_string())},
          {"rounding", std::string(o.rounding.to_string())},
          {"cubic_coefficient", o.cubic_coefficient.value},
          {"antialias", o.antialias},
          {"exclude_outside", o.exclude_outside},
          {"start", crop && !o.start.empty() ? o.start[i] : 0.},
          {"end", crop && !o.end.empty() ? o.end[i] : 1.}};
}

/// True along one axis where an output element lies outside of the input.
Tensor outside(const ir::Attributes& a, int64_t n, int rank) {
  const int64_t size = a.integer("size");
  std::vector<uint8_t> out(static_cast<size_t>(size));
  for (int64_t i = 0; i < size; ++i) {
    const double at = ops::source_of(a, i, n);
    out[static_cast<size_t>(i)] = !(at >= 0 && at <= static_cast<double>(n - 1));
  }
  std::vector<int64_t> dims(static_cast<size_t>(rank), 1);
  dims[static_cast<size_t>(a.integer("axis"))] = size;
  return reshape(tensor(out, {size}) != 0, Shape(std::move(dims)));
}

void require_image(const Call& call, const Tensor& x) {
  if (x.rank() != 4)
    call.shape_error("expected an image batch of rank 4, got " + x.shape().to_string());
}

/// Rows, columns and channels of an image batch.
struct Image {
  int64_t batch, height, width, channels;
  Image(const Tensor& x, bool first)
      : batch(x.shape()[0]),
        height(x.shape()[first ? 2 : 1]),
        width(x.shape()[first ? 3 : 2]),
        channels(x.shape()[first ? 1 : 3]) {}
};

void require_block(const Call& call, int64_t block) {
  if (block < 1 || block > (int64_t{1} << 20))
    call.value_error("block: expected at least 1, got " + std::to_string(block));
}

Tensor depth_to_space(const Call& call, const Tensor& x, int64_t b, const DepthOptions& o) {
  require_image(call, x);
  require_block(call, b);
  const bool first = o.data_format.channels_first;
  const Image in(x, first);
  if (in.channels % (b * b) != 0) {
    call.shape_error(std::to_string(in.channels) + " channels are no multiple of the block's " +
                     std::to_string(b * b) + " pixels");
  }
  const int64_t depth = in.channels / (b * b);
  const ir::CallerScope caller(call.where);
  // The channels' axis as three: block row, block column, channel, in the order of the mode.
  if (first) {
    const Tensor split = o.column_row_depth
                             ? reshape(x, {in.batch, depth, b, b, in.height, in.width})
                             : reshape(x, {in.batch, b, b, depth, in.height, in.width});
    const Tensor moved = o.column_row_depth ? transpose(split, {0, 1, 4, 2, 5, 3})
                                            : transpose(split, {0, 3, 4, 1, 5, 2});
    return reshape(moved, {in.batch, depth, in.height * b, in.width * b});
  }
  const Tensor split = o.column_row_depth
                           ? reshape(x, {in.batch, in.height, in.width, depth, b, b})
                           : reshape(x, {in.batch, in.height, in.width, b, b, depth});
  const Tensor moved = o.column_row_depth ? transpose(split, {0, 1, 4, 2, 5, 3})
                                          : transpose(split, {0, 1, 3, 2, 4, 5});
  return reshape(moved, {in.batch, in.height * b, in.width * b, depth});
}

Tensor space_to_depth(const Call& call, const Tensor& x, int64_t b, const DepthOptions& o) {
  require_image(call, x);
  require_block(call, b);
  const bool first = o.data_format.channels_first;
  const Image in(x, first);
  if (in.height % b != 0 || in.width % b != 0) {
    call.shape_error("an image of " + std::to_string(in.height) + "x" + std::to_string(in.width) +
                     " is no multiple of blocks of " + std::to_string(b));
  }
  const int64_t h = in.height / b, w = in.width / b;
  const ir::CallerScope caller(call.where);
  if (first) {
    const Tensor split = reshape(x, {in.batch, in.channels, h, b, w, b});
    const Tensor moved = o.column_row_depth ? transpose(split, {0, 1, 3, 5, 2, 4})
                                            : transpose(split, {0, 3, 5, 1, 2, 4});
    return reshape(moved, {in.batch, in.channels * b * b, h, w});
  }
  const Tensor split = reshape(x, {in.batch, h, b, w, b, in.channels});
  const Tensor moved = o.column_row_depth ? transpose(split, {0, 1, 3, 5, 2, 4})
                                          : transpose(split, {0, 1, 3, 2, 4, 5});
  return reshape(moved, {in.batch, h, w, in.channels * b * b});
}

}  // namespace

Tensor resize(const Operand& operand, const ResizeOptions& o) {
  const Call call{"resize", operand.where()};
  const bool copies = o.interpolation.kind == Interpolation::Kind::nearest;
  Tensor x = copies ? operand.tensor() : ops::floating(operand);
  const std::vector<int> axes = resized_axes(call, x, o);
  if (o.size.empty() && o.scale.empty()) call.value_error("expected sizes or scales");
  const auto check = [&](const char* name, size_t given) {
    if (given != 0 && given != axes.size()) {
      call.value_error(std::string(name) + ": expected one number for each of " +
                       count_of(static_cast<int64_t>(axes.size()), "axis", "axes") + ", got " +
                       std::to_string(given));
    }
  };
  check("size", o.size.size());
  check("scale", o.scale.size());
  check("start", o.start.size());
  check("end", o.end.size());
  const bool crop = o.coordinates.kind == Coordinates::Kind::tf_crop_and_resize;
  const ir::CallerScope caller(operand.where());
  std::vector<ir::Attributes> nodes;
  for (size_t i = 0; i < axes.size(); ++i)
    nodes.push_back(axis_attributes(call, o, i, axes[i], x.shape()[axes[i]]));
  // Axes that get shorter first: less is left to do for the others.
  std::stable_sort(nodes.begin(), nodes.end(),
                   [](const ir::Attributes& a, const ir::Attributes& b) {
                     return a.real("scale") < b.real("scale");
                   });
  Tensor beyond;
  for (const ir::Attributes& a : nodes) {
    const int64_t n = x.shape()[static_cast<int>(a.integer("axis"))];
    if (crop) {
      const Tensor here = outside(a, n, x.rank());
      beyond = beyond.defined() ? beyond | here : here;
    } else if (n == a.integer("size") && a.real("scale") == 1 && !o.antialias) {
      continue;
    }
    x = ops::make("resample", {x}, a, operand.where());
  }
  return beyond.defined() ? where(beyond, o.extrapolation, x) : x;
}

Tensor depth_to_space(const Operand& x, Dim block, const DepthOptions& o) {
  return depth_to_space({"depth_to_space", x.where()}, x.tensor(), block, o);
}
Tensor space_to_depth(const Operand& x, Dim block, const DepthOptions& o) {
  return space_to_depth({"space_to_depth", x.where()}, x.tensor(), block, o);
}
Tensor pixel_shuffle(const Operand& x, Dim factor, const PixelOptions& o) {
  return depth_to_space({"pixel_shuffle", x.where()}, x.tensor(), factor,
                        {.column_row_depth = true, .data_format = o.data_format});
}
Tensor pixel_unshuffle(const Operand& x, Dim factor, const PixelOptions& o) {
  return space_to_depth({"pixel_unshuffle", x.where()}, x.tensor(), factor,
                        {.column_row_depth = true, .data_format = o.data_format});
}

Tensor center_crop_pad(const Operand& operand, const std::vector<int64_t>& sizes,
                       const CropPadOptions& o) {
  const Call call{"center_crop_pad", operand.where()};
  const Tensor x = operand.tensor();
  std::vector<int> axes = o.axes;
  if (axes.empty()) {
    for (int i = 0; i < x.rank(); ++i) axes.push_back(i);
  }
  if (axes.size() != sizes.size()) {
    call.value_error("sizes: expected one number for each of " +
                     count_of(static_cast<int64_t>(axes.size()), "axis", "axes") + ", got " +
                     std::to_string(sizes.size()));
  }
  std::vector<PadWidth> widths(static_cast<size_t>(x.rank()));
  std::vector<bool> taken(widths.size());
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto axis = static_cast<size_t>(ops::axis_at(call.name, axes[i], x, call.where));
    if (taken[axis]) call.value_error("axis " + std::to_string(axis) + " is given twice");
    taken[axis] = true;
    if (sizes[i] < 0)
      call.value_error("sizes: expected 0 or more, got " + std::to_string(sizes[i]));
    const int64_t more = sizes[i] - x.shape().dims()[axis];
    const int64_t before = more < 0 ? -(-more / 2) : more / 2;
    widths[axis] = {before, more - before};
  }
  return pad(Operand(x, operand.where()), widths);
}

Tensor blur_pool(const Operand& operand, const BlurPoolOptions& o) {
  const Call call{"blur_pool", operand.where()};
  const Tensor x = ops::floating(operand);
  require_image(call, x);
  if (o.size < 1 || o.size > 64)
    call.value_error("size: expected 1 to 64, got " + std::to_string(o.size.value));
  if (o.stride < 1)
    call.value_error("stride: expected at least 1, got " + std::to_string(o.stride.value));
  const bool first = o.data_format.channels_first;
  const Image in(x, first);
  std::vector<double> row{1};
  for (int64_t k = 1; k < o.size; ++k) {
    row.push_back(0);
    for (size_t i = row.size() - 1; i > 0; --i) row[i] = (row[i] + row[i - 1]) / 2;
    row[0] /= 2;
  }
  std::vector<double> weights;
  for (double a : row) {
    for (double b : row) weights.push_back(a * b);
  }
  const ir::CallerScope caller(operand.where());
  const int64_t low = (o.size - 1) / 2, high = o.size - 1 - low;
  std::vector<PadWidth> widths(4);
  widths[first ? 2 : 1] = widths[first ? 3 : 2] = {low, high};
  const Tensor padded = o.size == 1 ? x : pad(x, widths, {.mode = "reflect"});
  const Tensor kernel = cast(tensor(weights, {o.size, o.size, 1, 1}), x.dtype());
  const Tensor each = broadcast_to(kernel, {o.size, o.size, 1, in.channels});
  return conv2d(padded, first ? transpose(each, {3, 2, 0, 1}) : each,
                {.strides = o.stride.value,
                 .data_format = o.data_format,
                 .groups = std::max<int64_t>(in.channels, 1)});
}

}  // namespace varve
