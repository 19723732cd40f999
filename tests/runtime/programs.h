// Random programs over all families of operations: the same one runs at once, traced, compiled and
// differentiated. What a program does depends on its seed and on shapes, never on elements.
#pragma once
#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "varve/varve.h"

namespace varve::test {

/// Whole numbers, small enough that every sum is exact whatever its order; or real numbers under
/// smooth functions that do not amplify.
enum class Arithmetic { exact, smooth };

class Program {
  struct Random {
    explicit Random(uint64_t seed) : engine(seed) {}
    int64_t below(int64_t n) {
      return static_cast<int64_t>(engine() % static_cast<uint64_t>(std::max<int64_t>(n, 1)));
    }
    bool chance(int64_t one_in) { return below(one_in) == 0; }
    template <class List>
    const auto& of(const List& list) {
      return list[static_cast<size_t>(below(static_cast<int64_t>(std::size(list))))];
    }
    int axis(const Tensor& x) { return static_cast<int>(below(x.rank())); }
    Shape shape() {
      // Of no elements now and then, of one, primes, and sizes about a vector's.
      static constexpr int64_t sizes[] = {1, 1, 2, 3, 4, 5, 7, 8, 9, 16, 17};
      std::vector<int64_t> dims(static_cast<size_t>(below(5)));
      for (int64_t& d : dims) d = of(sizes);
      if (!dims.empty() && chance(12)) dims[static_cast<size_t>(below(std::ssize(dims)))] = 0;
      if (dims.size() == 4) dims[0] = 1 + below(3);
      return Shape(dims);
    }
    std::mt19937_64 engine;
  };

 public:
  Program(uint64_t seed, Arithmetic arithmetic, int length = 14)
      : seed_(seed), exact_(arithmetic == Arithmetic::exact), length_(length) {}

  /// Three tensors; the same types for every variant, other elements.
  std::vector<Tensor> inputs(uint64_t variant = 0) const {
    Random r(seed_);
    std::vector<Tensor> list;
    for (uint64_t i = 0; i < 3; ++i) {
      const DType dtype = exact_ ? r.of(kExactTypes) : r.chance(3) ? f64 : f32;
      const Shape shape = r.shape();
      const Key key = Key(seed_, variant).fold_in(i);
      list.push_back(exact_ ? cast(random::integers(key, dtype == u8 ? 0 : -4, 5, shape), dtype)
                            : random::normal(key, shape, {.dtype = dtype}));
      list.back().evaluate();
    }
    return list;
  }

  /// Some values that it computed, views, inputs and repetitions among them.
  Tensors operator()(std::span<const Tensor> inputs) const {
    Random r(seed_ ^ 0x9e3779b97f4a7c15u);
    std::vector<Tensor> values(inputs.begin(), inputs.end());
    for (int step = 0; step < length_; ++step) {
      try {
        const Tensor& x = r.chance(3) ? values.back() : r.of(values);
        for (const Tensor& y : this->step(r, x, values)) {
          if (y.size() <= 6000) values.push_back(y);
        }
      } catch (const InternalError&) {
        throw;
      } catch (const Error&) {
        // These shapes or types do not fit; the next step does something else.
      }
    }
    std::vector<Tensor> out{values.back()};
    for (int i = 0; i < 3; ++i) out.push_back(r.of(values));
    return Tensors(out);
  }

 private:
  using Values = std::vector<Tensor>;
  static constexpr DType kExactTypes[] = {f32, f32, f64, i32, i64, u8, f16, bf16};

  /// What an operation gave, brought back to numbers that are not too large.
  Tensor bounded(const Tensor& x) const {
    if (x.dtype() == DType::bool_) return x;
    return exact_ ? clip(x, x.dtype() == u8 ? 0 : -8, 8) : tanh(x * 0.5);
  }

  Values step(Random& r, const Tensor& x, const Values& values) const {
    switch (r.below(12)) {
      case 0:
      case 1:
        return {unary(r, x)};
      case 2:
      case 3:
        return {binary(r, x, r.chance(3) ? broadcastable(r, x) : r.of(values))};
      case 4:
        return {reduction(r, x)};
      case 5:
      case 6:
        return {shaped(r, x)};
      case 7:
        return joined(r, x, r.of(values));
      case 8:
        return {indexed(r, x)};
      case 9:
        return {product(r, x, r.of(values))};
      case 10:
        return {windowed(r, x)};
      default:
        return {exact_ ? chosen(r, x, r.of(values)) : normalized(r, x)};
    }
  }

  Tensor unary(Random& r, const Tensor& x) const {
    if (exact_) {
      using F = Tensor (*)(const Operand&);
      static constexpr F f[] = {negative,     varve::abs, sign,  relu,  varve::floor,
                                varve::round, relu6,      trunc, square};
      if (r.chance(4)) return bounded(cast(x, r.of(kExactTypes)));
      return bounded(r.of(f)(x));
    }
    switch (r.below(12)) {
      case 0:
        return exp(clip(x, -3, 1));
      case 1:
        return log1p(square(x));
      case 2:
        return sqrt(square(x) + 1);
      case 3:
        return gelu(x);
      case 4:
        return softplus(x);
      case 5:
        return silu(x);
      case 6:
        return erf(x);
      case 7:
        return sin(x);
      case 8:
        return sigmoid(x);
      case 9:
        return leaky_relu(x);
      case 10:
        return cast(x, x.dtype() == f32 ? f64 : f32);
      default:
        return varve::abs(x);
    }
  }

  /// x's largest elements along an axis, or a number.
  Tensor broadcastable(Random& r, const Tensor& x) const {
    if (x.rank() == 0 || r.chance(4)) return full({}, exact_ ? 2 : 0.75, x.dtype());
    return max(x, {.axes = {r.axis(x)}, .keep_dims = r.chance(2)});
  }

  Tensor binary(Random& r, const Tensor& a, const Tensor& b) const {
    switch (r.below(exact_ ? 9 : 6)) {
      case 0:
        return bounded(a + b);
      case 1:
        return bounded(a - b);
      case 2:
        return bounded(a * b);
      case 3:
        return maximum(a, b);
      case 4:
        return minimum(a, b);
      case 5:
        return exact_ ? cast(a < b, r.of(kExactTypes)) : a / (1 + square(b));
      case 6:
        return bounded(floor_divide(a, b * b + 1));
      case 7:
        return bounded(remainder(a, maximum(b, 1)));
      default:
        return where(a == b, a, b);
    }
  }

  Tensor reduction(Random& r, const Tensor& x) const {
    std::vector<int> axes;
    for (int a = 0; a < x.rank(); ++a) {
      if (r.chance(2)) axes.push_back(a);
    }
    const ReduceOptions o{.axes = axes, .keep_dims = r.chance(2)};
    switch (r.below(6)) {
      case 0:
        return bounded(sum(x, o));
      case 1:
        return max(x, o);
      case 2:
        return min(x, o);
      case 3:
        return exact_ ? cast(any(x, o), f32) : mean(x, o);
      case 4:
        return exact_ ? bounded(argmax(x, {.axis = r.axis(x)})) : logsumexp(x, o);
      default:
        return exact_ ? bounded(count_nonzero(x, o)) : var(x, {.axes = axes});
    }
  }

  Tensor shaped(Random& r, const Tensor& x) const {
    switch (r.below(10)) {
      case 0: {
        std::vector<int> axes(static_cast<size_t>(x.rank()));
        for (size_t i = 0; i < axes.size(); ++i) axes[i] = static_cast<int>(i);
        std::shuffle(axes.begin(), axes.end(), r.engine);
        return transpose(x, axes);
      }
      case 1:
        return x.rank() ? flatten(x, r.axis(x)) : reshape(x, {1, 1});
      case 2:
        return reshape(x, {x.size()});
      case 3: {
        std::vector<Slice> slices;
        for (int64_t n : x.shape()) {
          const int64_t step = r.of(std::vector<int64_t>{1, 1, 2, -1});
          const int64_t from = r.below(n);
          slices.push_back(step > 0 ? Slice{from, {}, step} : Slice{from, {}, step});
        }
        return slice(x, slices);
      }
      case 4:
        return flip(x, {r.axis(x)});
      case 5:
        return roll(x, 1 + r.below(3), r.axis(x));
      case 6:
        return expand_dims(x, static_cast<int>(r.below(x.rank() + 1)));
      case 7: {
        std::vector<int64_t> dims = x.shape().dims();
        dims.insert(dims.begin(), 1 + r.below(3));
        return broadcast_to(x, Shape(dims));
      }
      case 8:
        return tril(x, r.below(3) - 1);
      default:
        return diagonal(x);
    }
  }

  Values joined(Random& r, const Tensor& x, const Tensor& y) const {
    const int axis = r.axis(x);
    switch (r.below(6)) {
      case 0: {
        std::vector<PadWidth> widths;
        for (int64_t n : x.shape()) widths.push_back({r.below(3), r.chance(3) && n > 1 ? -1 : 1});
        return {pad(x, widths, {.value = 1})};
      }
      case 1:
        return {concat({x, flip(x, {axis})}, axis)};
      case 2:
        return {concat({x, y, x}, axis)};
      case 3:
        return {stack({x, y}, axis)};
      case 4:
        return split_sizes(x, {1, x.shape()[axis] - 1}, axis).list();
      default:
        return {tile(x, {2}), repeat(x, 2, axis)};
    }
  }

  Tensor indexed(Random& r, const Tensor& x) const {
    const int axis = r.axis(x);
    const int64_t n = x.shape()[axis];
    if (n == 0) throw ShapeError("there is no position");
    std::vector<int64_t> at;
    for (int i = 0; i < 4; ++i) at.push_back(r.below(n) - (r.chance(3) ? n : 0));
    const Tensor positions = tensor(at, Shape{at.size()});
    switch (r.below(7)) {
      case 0:
        return take(x, positions, axis);
      case 1:
        return bounded(scatter_add(x, positions, take(x, positions, axis) + 1, axis));
      case 2:
        return scatter_set(x, positions, take(x, flip(positions), axis), axis);
      case 3:
        return sort(x, {.axis = axis, .descending = r.chance(2)});
      case 4:
        return bounded(cumsum(x, {.axis = axis, .reverse = r.chance(2)}));
      case 5:
        return top_k(x, std::min<int64_t>(n, 3), {.axis = axis}).values;
      default:
        return exact_ ? take_along_axis(x, argsort(x, {.axis = axis}), axis)
                      : index_add(x, {0}, 0.5);
    }
  }

  Tensor product(Random& r, const Tensor& x, const Tensor& y) const {
    if (x.rank() >= 2 && r.chance(2)) return bounded(matmul(x, swap_axes(x, -1, -2)));
    if (x.rank() >= 2 && r.chance(2)) {
      return bounded(matmul(x, x, {.transpose_a = true}));
    }
    if (x.rank() >= 1 && r.chance(2)) {
      const Tensor w = constant(r, {x.shape()[-1], 5}, x.dtype());
      return bounded(matmul(x, w, {.bias = constant(r, {5}, x.dtype())}));
    }
    return bounded(matmul(x, y));
  }

  Tensor constant(Random& r, const Shape& shape, DType dtype) const {
    const Key key(r.engine());
    const Tensor whole = random::integers(key, 0, 3, shape);
    return (exact_ ? cast(whole, dtype) : random::normal(key, shape, {.dtype = dtype}) * 0.5)
        .evaluate();
  }

  Tensor windowed(Random& r, const Tensor& x) const {
    const DType dtype = x.dtype() == f64 ? f64 : f32;
    // Any tensor as a batch of pictures: [n, h, w, c].
    const int64_t last = x.rank() > 0 ? x.shape()[-1] : 1;
    const Tensor wide = cast(x, dtype);
    const Tensor image = x.rank() == 4   ? wide
                         : x.rank() == 3 ? expand_dims(wide, 0)
                                         : reshape(wide, {1, -1, last, 1});
    const Padding padding = r.chance(2) ? Padding("same") : Padding(1);
    const int64_t channels = image.shape()[-1], stride = 1 + r.below(2);
    switch (r.below(5)) {
      case 0:
      case 1: {
        const Tensor y = conv2d(image, constant(r, {3, 3, channels, 4}, dtype),
                                {.strides = stride, .padding = padding});
        return r.chance(2) ? relu(bounded(y)) : bounded(y);
      }
      case 2:
        return max_pool2d(image, {.window = 2, .strides = stride, .padding = padding});
      case 3: {
        const Tensor y = average_pool2d(image, {.window = 2, .strides = stride});
        return exact_ ? varve::floor(y) : y;
      }
      default:
        return bounded(
            conv_transpose2d(image, constant(r, {2, 2, 3, channels}, dtype), {.strides = stride}));
    }
  }

  /// Whole numbers by conditions, masks and classes.
  Tensor chosen(Random& r, const Tensor& x, const Tensor& y) const {
    switch (r.below(5)) {
      case 0:
        return where(x > y, x, y);
      case 1:
        return where(random::bernoulli(Key(r.engine()), 0.5, x.shape()), x, 0);
      case 2:
        return one_hot(cast(clip(x, 0, 4), i64), 5);
      case 3:
        return cast(((x > 0) & (y < 2)) | !(x == y), r.of(kExactTypes));
      default:
        return bounded(segment_sum(x, arange(x.shape()[0]) % 2, 2));
    }
  }

  Tensor normalized(Random& r, const Tensor& x) const {
    switch (r.below(7)) {
      case 0:
        return softmax(x, r.axis(x));
      case 1:
        return log_softmax(x, r.axis(x));
      case 2:
        return layer_norm(x, {.epsilon = 0.5});
      case 3:
        return batch_norm(x, {.axis = r.axis(x), .epsilon = 0.5}).output;
      case 4: {
        const int64_t classes = x.shape()[-1];
        std::vector<int64_t> dims(x.shape().begin(), x.shape().end() - 1);
        const Key key(r.engine());
        return cross_entropy(x, random::integers(key, 0, classes, Shape(dims)));
      }
      case 5:
        return x * 0.5 + random::uniform(Key(r.engine()), x.shape());
      default:
        return where(random::bernoulli(Key(r.engine()), 0.5, x.shape()), x * 2, 0);
    }
  }

  uint64_t seed_;
  bool exact_;
  int length_;
};

/// The first difference of two lists of tensors in words, empty where there is none: each element
/// the same, or within `tolerance` times one more than the largest.
inline std::string difference(const Tensors& got, const Tensors& expected, double tolerance = 0) {
  if (got.size() != expected.size()) return "another number of tensors";
  for (size_t t = 0; t < got.size(); ++t) {
    const std::string which = "tensor " + std::to_string(t);
    if (got[t].dtype() != expected[t].dtype() || got[t].shape() != expected[t].shape())
      return which + ": another type";
    const std::vector<double> a = got[t].to_doubles(), b = expected[t].to_doubles();
    double largest = 0;
    for (double v : b) largest = std::isfinite(v) ? std::max(largest, std::abs(v)) : largest;
    for (size_t i = 0; i < a.size(); ++i) {
      if (a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i]))) continue;
      if (std::abs(a[i] - b[i]) <= tolerance * (1 + largest)) continue;
      return which + " " + got[t].shape().to_string() + " at " + std::to_string(i) + ": " +
             std::to_string(a[i]) + ", expected " + std::to_string(b[i]);
    }
  }
  return {};
}

}  // namespace varve::test
