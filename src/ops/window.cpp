#include "ops/window.h"

#include <charconv>

#include "base/count.h"
#include "base/error.h"
#include "base/math.h"

namespace varve {

Padding Padding::parse(std::string_view text) {
  Padding p;
  p.kind = kind_of(text);
  if (p.kind != Kind::sides) return p;
  int64_t all = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), all);
  if (error != std::errc() || end != text.data() + text.size() || all < 0) {
    throw ValueError(
        "padding: expected \"valid\", \"same\", \"causal\" or a number of elements, "
        "got \"" +
            escaped(text) + "\"",
        did_you_mean(text, {"valid", "same", "causal"}));
  }
  return all;
}

std::string Padding::to_string() const {
  switch (kind) {
    case Kind::valid:
      return "valid";
    case Kind::same:
      return "same";
    case Kind::causal:
      return "causal";
    case Kind::sides:
      break;
  }
  if (count == 1 && sides[0].low == sides[0].high) return std::to_string(sides[0].low);
  std::string out = "[";
  for (size_t i = 0; i < sides.size() && i < static_cast<size_t>(count); ++i) {
    out += (i ? ", [" : "[") + std::to_string(sides[i].low) + ", " + std::to_string(sides[i].high) +
           "]";
  }
  return out + "]";
}

DataFormat DataFormat::parse(std::string_view text) {
  if (text == "channels_last") return "channels_last";
  if (text == "channels_first") return "channels_first";
  throw ValueError("data_format: expected \"channels_last\" or \"channels_first\", got \"" +
                       escaped(text) + "\"",
                   did_you_mean(text, {"channels_last", "channels_first"}));
}

}  // namespace varve

namespace varve::ops {
namespace {

std::string indexed(const char* name, size_t i) {
  return std::string(name) + "[" + std::to_string(i) + "]";
}

void at_least(const char* operation, const std::string& name, int64_t least, int64_t got,
              const Where& where) {
  if (got < least) {
    throw ValueError(text_of(operation, name + ": expected at least " + std::to_string(least) +
                                            ", got " + std::to_string(got)),
                     "", where.to_string());
  }
}

std::string padding_text(const Window& w) {
  bool even = true;
  for (size_t i = 0; i < w.low.size(); ++i) even &= w.low[i] == w.low[0] && w.high[i] == w.low[0];
  if (even) return std::to_string(w.low[0]);
  std::string out;
  for (size_t i = 0; i < w.low.size(); ++i) {
    out += (i ? ", [" : "[") + std::to_string(w.low[i]) + ", " + std::to_string(w.high[i]) + "]";
  }
  return "[" + out + "]";
}

/// Whether the window at every position lies on an element of the axis, not on padding alone.
bool every_position_has_a_tap(const Window& w, size_t axis, int64_t n) {
  const int64_t count = w.positions(axis, n), step = w.dilation[axis];
  if (count == 0) return true;
  if ((count - 1) * w.strides[axis] - w.low[axis] >= n) return false;
  // Windows that begin before the input: their first tap that is not before it.
  for (int64_t i = 0; i < count; ++i) {
    const int64_t before = w.low[axis] - i * w.strides[axis];
    if (before <= 0) break;
    const int64_t tap = (before - 1) / step + 1, at = step - 1 - (before - 1) % step;
    if (tap >= w.size[axis] || at >= n) return false;
    if (n >= step) break;  // the later ones begin nearer to it
  }
  return true;
}

}  // namespace

int64_t Window::reach(size_t axis) const {
  int64_t taps = 0;
  if (!checked_multiply(dilation[axis], size[axis] - 1, taps) || !checked_add(taps, 1, taps)) {
    throw ShapeError("a window of " + std::to_string(size[axis]) + " elements, dilation " +
                     std::to_string(dilation[axis]) + ", reaches over more than 2^63");
  }
  return taps;
}

int64_t Window::positions(size_t axis, int64_t input) const {
  int64_t room = 0;
  if (!checked_add(input, low[axis], room) || !checked_add(room, high[axis], room)) {
    throw ShapeError("padding " + std::to_string(low[axis]) + " and " + std::to_string(high[axis]) +
                     " of " + std::to_string(input) + " elements passes 2^63");
  }
  const int64_t steps = room - reach(axis);
  return steps < 0 ? 0 : steps / strides[axis] + 1;
}

void Window::put(Attributes& attributes) const {
  attributes.set("strides", strides);
  attributes.set("dilation", dilation);
  attributes.set("padding_low", low);
  attributes.set("padding_high", high);
}

Attributes sized(const Attributes& window, const ir::Ints& size) {
  Attributes a = window;
  a.set("size", size);
  return a;
}
Attributes unsized(const Attributes& window) {
  Attributes a;
  for (const auto& [name, value] : window) {
    if (name != "size") a.set(name, value);
  }
  return a;
}

Window window_of(const Attributes& attributes, ir::Ints size) {
  return {std::move(size), attributes.ints("strides"), attributes.ints("dilation"),
          attributes.ints("padding_low"), attributes.ints("padding_high")};
}

ir::Ints spatial_of(const Shape& x) { return {x.begin() + 1, x.end() - 1}; }

std::string sizes_text(const ir::Ints& sizes) {
  std::string out;
  for (int64_t n : sizes) out += (out.empty() ? "" : "x") + std::to_string(n);
  return out;
}

Padding::Side sides_of(const char* operation, const Padding& padding, const Window& w, size_t axis,
                       int64_t input, const Where& where) {
  const auto count = static_cast<size_t>(padding.count);
  switch (padding.kind) {
    case Padding::Kind::valid:
      return {};
    case Padding::Kind::same: {
      const int64_t s = w.strides[axis];
      // From the first element of the last window to the end of the input.
      const int64_t rest = input == 0 ? s : (input - 1) % s + 1;
      const int64_t total = std::max<int64_t>(w.reach(axis) - rest, 0);
      return {total / 2, total - total / 2};
    }
    case Padding::Kind::causal:
      if (w.axes() != 1) {
        throw ValueError(
            text_of(operation, "padding: \"causal\" needs one spatial axis, there are " +
                                   std::to_string(w.axes())),
            "", where.to_string());
      }
      return {w.reach(0) - 1, 0};
    case Padding::Kind::sides:
      break;
  }
  if (count != 1 && count != w.size.size()) {
    throw ValueError(text_of(operation, "padding: expected " + count_of(w.axes(), "axis", "axes") +
                                            ", got " + std::to_string(count)),
                     "", where.to_string());
  }
  const Padding::Side side = padding.sides[count == 1 ? 0 : axis];
  at_least(operation, "padding", 0, std::min(side.low, side.high), where);
  return side;
}

void check_window(const char* operation, const char* what, const Window& w, const Where& where) {
  for (size_t i = 0; i < w.size.size(); ++i) {
    at_least(operation, indexed(what, i), 1, w.size[i], where);
    at_least(operation, indexed("strides", i), 1, w.strides[i], where);
    at_least(operation, indexed("dilation", i), 1, w.dilation[i], where);
  }
}

void settle(const char* operation, const char* what, const Padding& padding, const ir::Ints& input,
            Window& w, const Where& where) {
  w.low.resize(w.size.size());
  w.high.resize(w.size.size());
  check_window(operation, what, w, where);
  bool fits = true;
  named(operation, where.to_string(), [&] {
    for (size_t i = 0; i < w.size.size(); ++i) {
      const Padding::Side side = sides_of(operation, padding, w, i, input[i], where);
      w.low[i] = side.low;
      w.high[i] = side.high;
      fits &= w.positions(i, input[i]) > 0;
    }
  });
  if (fits) return;
  std::string dilation;
  for (int64_t d : w.dilation) {
    if (d != 1) dilation = " (dilation " + sizes_text(w.dilation) + ")";
  }
  throw ShapeError(text_of(operation, std::string(what) + " " + sizes_text(w.size) + dilation +
                                          " larger than input " + sizes_text(input) +
                                          " (+ padding " + padding_text(w) + ")"),
                   "", where.to_string());
}

void require_taps(const char* operation, const Window& w, const ir::Ints& input,
                  const std::string& at) {
  for (size_t i = 0; i < w.size.size(); ++i) {
    if (every_position_has_a_tap(w, i, input[i])) continue;
    throw ShapeError(
        text_of(operation,
                "window " + sizes_text(w.size) + " with dilation " + sizes_text(w.dilation) +
                    " lies on padding alone at a position of an input " + sizes_text(input)),
        "pad less, or dilate less", at);
  }
}

std::vector<int64_t> checked_positions(const char* operation, const Window& w, const Shape& x) {
  const size_t n = w.size.size();
  if (static_cast<size_t>(x.rank()) != n + 2) {
    throw ShapeError(
        text_of(operation, "expected rank " + std::to_string(n + 2) + ", got " + x.to_string()));
  }
  for (const ir::Ints* list : {&w.strides, &w.dilation, &w.low, &w.high}) {
    if (list->size() != n) {
      throw ShapeError(
          text_of(operation, "strides, dilation and padding: expected one number an axis"));
    }
  }
  std::vector<int64_t> out;
  for (size_t i = 0; i < n; ++i) {
    if (w.size[i] < 1 || w.strides[i] < 1 || w.dilation[i] < 1 || w.low[i] < 0 || w.high[i] < 0) {
      throw ValueError(text_of(operation, "sizes, strides and dilation are at least 1, padding 0"));
    }
    const int64_t input = x[static_cast<int>(i) + 1];
    if (input < 0) throw ShapeError(text_of(operation, "sizes of " + x.to_string()));
    named(operation, "", [&] { out.push_back(w.positions(i, input)); });
  }
  return out;
}

Tensor channels_last(const Tensor& x, const Where& where) {
  ir::Ints axes{0};
  for (int i = 2; i < x.rank(); ++i) axes.push_back(i);
  axes.push_back(1);
  return make("transpose", {x}, {{"axes", axes}}, where);
}

Tensor channels_first(const Tensor& x, const Where& where) {
  ir::Ints axes{0, x.rank() - 1};
  for (int i = 1; i + 1 < x.rank(); ++i) axes.push_back(i);
  return make("transpose", {x}, {{"axes", axes}}, where);
}

}  // namespace varve::ops
