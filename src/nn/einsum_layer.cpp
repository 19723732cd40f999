// A dense layer whose product an equation names.
#include <algorithm>
#include <map>

#include "nn/weights.h"
#include "varve/nn/core_layers.h"
#include "varve/ops/contraction.h"
#include "varve/ops/pointwise.h"

namespace varve::nn {
namespace {

constexpr std::string_view kDots = "...";

/// Where `...` stands beside letters.
enum class Dots { none, leading, trailing };

struct Side {
  std::string letters;
  Dots dots = Dots::none;
};

/// "abc,cd->abd", taken apart and checked as far as it can be without sizes.
struct Equation {
  std::string text;
  Side input, kernel, output;

  explicit Equation(const std::string& equation) : text(equation) {
    std::string all;
    std::copy_if(equation.begin(), equation.end(), std::back_inserter(all),
                 [](char c) { return c != ' '; });
    const size_t comma = all.find(','), arrow = all.find("->");
    const bool two = comma != all.npos && all.find(',', comma + 1) == all.npos;
    if (!two || arrow == all.npos || comma > arrow) fail("");
    input = side(all.substr(0, comma));
    kernel = side(all.substr(comma + 1, arrow - comma - 1));
    output = side(all.substr(arrow + 2));
    check();
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw ValueError("equation \"" + escaped(text) + "\"" + (what.empty() ? "" : ": " + what),
                     "expected one as \"abc,cd->abd\" or \"...c,cd->...d\"");
  }
  bool leading() const { return input.dots == Dots::leading; }
  /// The letter of the batch; 0 where `...` holds it.
  char batch() const { return leading() ? '\0' : input.letters[0]; }

 private:
  Side side(std::string_view letters) const {
    Side s;
    if (letters.starts_with(kDots)) {
      s.dots = Dots::leading;
      letters.remove_prefix(kDots.size());
    } else if (letters.ends_with(kDots)) {
      s.dots = Dots::trailing;
      letters.remove_suffix(kDots.size());
    }
    s.letters = letters;
    for (char c : s.letters) {
      if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z')) fail("");
      if (std::count(s.letters.begin(), s.letters.end(), c) > 1)
        fail(std::string("axis \"") + c + "\" is named twice in one place");
    }
    return s;
  }
  void check() const {
    if (kernel.letters.empty() || kernel.dots != Dots::none || input.dots != output.dots) fail("");
    for (char c : output.letters) {
      if (!has(input, c) && !has(kernel, c))
        fail(std::string("output axis \"") + c + "\" is in no operand");
    }
    for (char c : kernel.letters) {
      if (!has(input, c) && !has(output, c))
        fail(std::string("axis \"") + c + "\" of the kernel is neither in x nor in the output");
    }
    if (leading()) return;
    if (input.letters.empty() || output.letters.empty() || input.letters[0] != output.letters[0] ||
        has(kernel, input.letters[0]))
      fail("the first axis of x and of the output is the batch, which the kernel has not");
  }
  static bool has(const Side& s, char c) { return s.letters.find(c) != s.letters.npos; }
};

/// The size of every letter.
class Sizes {
 public:
  Sizes(const Equation& e, const Shape& x, const Shape& output) {
    const auto named = static_cast<int>(e.input.letters.size()), more = x.rank() - named;
    if (e.input.dots == Dots::none ? more != 0 : more < (e.leading() ? 1 : 0)) {
      throw ShapeError("expected axes \"" + with_dots(e.input) + "\", got " + x.to_string());
    }
    for (int i = 0; i < named; ++i)
      sizes_[e.input.letters[static_cast<size_t>(i)]] = x[e.leading() ? i + more : i];
    const std::string letters = e.output.letters.substr(e.leading() ? 0 : 1);
    if (static_cast<size_t>(output.rank()) != letters.size()) {
      throw ShapeError("output_shape: expected a size for each of the axes \"" + letters +
                       "\", got " + output.to_string());
    }
    for (size_t i = 0; i < letters.size(); ++i) add(letters[i], output.dims()[i]);
  }
  int64_t operator[](char c) const { return sizes_.at(c); }

 private:
  static std::string with_dots(const Side& s) {
    if (s.dots == Dots::leading) return std::string(kDots) + s.letters;
    return s.letters + std::string(s.dots == Dots::trailing ? kDots : "");
  }
  void add(char c, int64_t size) {
    const auto known = sizes_.find(c);
    const std::string what = std::string("output_shape: axis \"") + c + "\"";
    if (known == sizes_.end()) {
      if (size < 0) throw ShapeError(what + " is the kernel's alone, so its size must be given");
      sizes_[c] = size;
    } else if (size >= 0 && size != known->second) {
      throw ShapeError(what + " is " + std::to_string(size) + ", of x " +
                       std::to_string(known->second));
    }
  }
  std::map<char, int64_t> sizes_;
};

/// From the first of the bias' axes to the last axis of the result.
Shape bias_shape(const Equation& e, const Sizes& sizes, const std::string& axes, int rank) {
  const std::string& letters = e.output.letters;
  size_t first = letters.size();
  for (char c : axes) {
    const size_t at = letters.find(c);
    if (at == letters.npos || c == e.batch()) {
      throw ValueError(std::string("bias_axes: \"") + escaped(std::string(1, c)) +
                       "\" is no axis of the output \"" + letters + "\" beside the batch");
    }
    first = std::min(first, at);
  }
  std::vector<int64_t> dims;
  for (char c : letters.substr(first)) dims.push_back(axes.find(c) == axes.npos ? 1 : sizes[c]);
  if (e.output.dots == Dots::trailing)
    dims.resize(dims.size() + static_cast<size_t>(rank) - letters.size(), 1);
  return Shape(std::move(dims));
}

/// The kernel; where it is there already and an axis does not fit, the error names it.
Tensor kernel_of(const Equation& e, const Sizes& sizes, Scope& s, VariableOptions options) {
  std::vector<int64_t> dims;
  int shared = 0;
  for (char c : e.kernel.letters) {
    if (e.input.letters.find(c) != std::string::npos) shared = static_cast<int>(dims.size());
    dims.push_back(sizes[c]);
  }
  return fitted(s, "kernel", Shape(std::move(dims)), shared, 1, std::move(options));
}

}  // namespace

Tensor EinsumDense::call(const Tensor& input, Scope& s) const {
  const Equation e(equation);
  const Tensor x = real(input);
  const DType dtype = weight_type(x);
  const Sizes sizes(e, x.shape(), output_shape);
  const Tensor kernel = kernel_of(
      e, sizes, s, weight(kernel_initializer, dtype, kernel_regularizer, kernel_constraint));
  Tensor y = einsum(equation, {x, kernel});
  if (!bias_axes.empty()) {
    y = y + s.variable("bias", bias_shape(e, sizes, bias_axes, y.rank()),
                       weight(bias_initializer, dtype, bias_regularizer, bias_constraint));
  }
  return activation(y);
}
Tensor EinsumDense::operator()(const Tensor& x, CallOptions options, Where where) && {
  return once(std::move(*this), x, options, where);
}
void EinsumDense::fields(Fields& f) {
  f("equation", equation, "Axes of x, of the kernel and of the result, as \"abc,cd->abd\".");
  f("output_shape", output_shape,
    "Sizes of the result's named axes, without the batch; -1: as x has it.", {.min = -1});
  f("activation", activation, "Function of the result.");
  f("bias_axes", bias_axes, "Letters of the result along which there is a bias; empty: none.");
  kernel_and_bias_fields(*this, f);
  f("name", name, kLayerName);
}

}  // namespace varve::nn
