// room: ops
// Choosing elements by position: NumPy's indexing, gather and scatter, order, running sums.
// Indices may be of any integer type and count from the end where negative (-n..n-1); others are an
// IndexError when the elements are computed: "take: index[37] = 10, expected 0..9".
#pragma once
#include <optional>
#include <variant>
#include <vector>

#include "varve/ops/shape.h"
#include "varve/tensor.h"

namespace varve {

/// All axes that the other indices leave over.
struct Ellipsis {};
/// A new axis of size 1.
struct NewAxis {};
inline constexpr Ellipsis ellipsis{};
inline constexpr NewAxis new_axis{};

/// One index of `index`: an integer, a Slice, `ellipsis`, `new_axis`, or a tensor of integers or
/// (a mask) of bools.
class Index {
 public:
  Index(Integer auto i) : value_(static_cast<int64_t>(i)) {}
  Index(const Slice& s) : value_(s) {}
  Index(Ellipsis e) : value_(e) {}
  Index(NewAxis n) : value_(n) {}
  Index(const Tensor& t) : value_(t) {}

  /// The kinds of index.
  using Value = std::variant<int64_t, Slice, Ellipsis, NewAxis, Tensor>;
  const Value& value() const { return value_; }  ///< what it was made of

 private:
  Value value_;
};

/// x[...] by NumPy's rules: integers take one element and drop the axis, slices are views, tensors
/// of integers broadcast together and gather, a mask of k axes takes the elements where it is true
/// (its count depends on data: it is evaluated at once, so it cannot be inside a trace).
///     index(x, {0})                          x[0]
///     index(x, {ellipsis, Slice{1, 5}})      x[..., 1:5]
///     index(x, {rows, new_axis, Slice{}})    x[rows, None, :]
///     index(x, {x > 0})                      x[x > 0]
/// Throws IndexError for too many indices or an integer outside its axis, ShapeError for a mask
/// that does not fit its axes, DTypeError for other tensors.
Tensor index(const Operand& x, const std::vector<Index>& at);
/// x with the elements at an index replaced by `value` (which broadcasts and takes x's type). Where
/// an element is named twice, the last one stays. x itself is not changed.
Tensor index_set(const Operand& x, const std::vector<Index>& at, const Operand& value);
/// x with `value` added at an index, as often as it is named.
Tensor index_add(const Operand& x, const std::vector<Index>& at, const Operand& value);

/// NumPy's take: the slices of x at `indices` along an axis.
/// Shapes: x [A..., n, B...], indices [I...] -> [A..., I..., B...].
/// Example: take(table, ids, 0)  // an embedding lookup
Tensor take(const Operand& x, const Operand& indices, int axis);
/// What `take` makes of indices outside -n..n-1: an error ("raise"), the nearest element ("clip";
/// negative ones are the first), the one counted around ("wrap").
struct TakeMode {
  enum class Kind { raise, clip, wrap };
  Kind kind;
  consteval TakeMode(const char* name) : kind(read(name)) {}
  /// Throws ValueError with the choices.
  static TakeMode parse(std::string_view name);

 private:
  explicit constexpr TakeMode(Kind k) : kind(k) {}
  static void mode_must_be_raise_clip_or_wrap();
  static constexpr Kind read(std::string_view n) {
    if (n == "clip") return Kind::clip;
    if (n == "wrap") return Kind::wrap;
    if (n != "raise") mode_must_be_raise_clip_or_wrap();
    return Kind::raise;
  }
};
Tensor take(const Operand& x, const Operand& indices, int axis, TakeMode mode);  ///< see TakeMode
/// The slices of x along an axis at which `condition` (bools, at most as many as the axis is long)
/// is true; without an axis, of all elements in a row. Evaluated at once, so not inside a trace.
Tensor compress(const Operand& x, const Operand& condition, std::optional<int> axis = {});
struct ReverseSequenceOptions {
  int time_axis = 1, batch_axis = 0;
};
/// The first lengths[b] steps of each sequence b turned around, the others as they are (ONNX,
/// TensorFlow). Throws ShapeError unless lengths are integers [batch]; IndexError, when computed,
/// for lengths outside 0..steps.
Tensor reverse_sequence(const Operand& x, const Operand& lengths,
                        const ReverseSequenceOptions& options = {});
/// The rows of a table [n, B...] for ids [I...]; negative ids are errors, too.
Tensor embedding(const Operand& table, const Operand& ids);
/// Element by element: out[.., i, ..] = x[.., indices[.., i, ..], ..]. Both have the same rank;
/// axes beside `axis` broadcast (NumPy's take_along_axis).
Tensor take_along_axis(const Operand& x, const Operand& indices, int axis);
/// Tuples of positions: indices [I..., k] name slices of x's first k axes.
/// Shapes: x [n1..nk, B...] -> [I..., B...].
Tensor gather_nd(const Operand& x, const Operand& indices);

/// x with `updates` added (set) where `take(x, indices, axis)` would read; updates have that
/// shape, or broadcast to it. Where an element is named twice, set keeps the last in row-major
/// order, and the gradient goes to that one alone.
Tensor scatter_add(const Operand& x, const Operand& indices, const Operand& updates, int axis);
Tensor scatter_set(const Operand& x, const Operand& indices, const Operand& updates,
                   int axis);  ///< see scatter_add
/// The same where `take_along_axis(x, indices, axis)` would read.
Tensor scatter_add_along_axis(const Operand& x, const Operand& indices, const Operand& updates,
                              int axis);
/// As scatter_add_along_axis; the last update of an element stays.
Tensor scatter_set_along_axis(const Operand& x, const Operand& indices, const Operand& updates,
                              int axis);
/// The same where `gather_nd(x, indices)` would read.
Tensor scatter_nd_add(const Operand& x, const Operand& indices, const Operand& updates);
Tensor scatter_nd_set(const Operand& x, const Operand& indices,
                      const Operand& updates);  ///< see scatter_add
/// What a scatter does with an element and its updates: "set", "add", "multiply", "max", "min" (the
/// element itself counts among them; NaN goes through max and min).
struct ScatterMode {
  enum class Kind { set, add, multiply, max, min };
  Kind kind;
  consteval ScatterMode(const char* name) : kind(read(name)) {}
  /// Throws ValueError with the choices.
  static ScatterMode parse(std::string_view name);

 private:
  explicit constexpr ScatterMode(Kind k) : kind(k) {}
  static void mode_must_be_set_add_multiply_max_or_min();
  static constexpr Kind read(std::string_view n) {
    if (n == "set") return Kind::set;
    if (n == "add") return Kind::add;
    if (n == "multiply") return Kind::multiply;
    if (n == "max") return Kind::max;
    if (n != "min") mode_must_be_set_add_multiply_max_or_min();
    return Kind::min;
  }
};
/// As scatter_add, combined by the mode. Gradients: equal extremes share; of products, those of
/// higher order are right where no factor is 0.
Tensor scatter_reduce(const Operand& x, const Operand& indices, const Operand& updates, int axis,
                      ScatterMode mode);
/// As scatter_add_along_axis, combined by the mode (PyTorch's scatter_reduce; ONNX's
/// ScatterElements).
Tensor scatter_reduce_along_axis(const Operand& x, const Operand& indices, const Operand& updates,
                                 int axis, ScatterMode mode);
/// As scatter_nd_add, combined by the mode (ONNX's ScatterND).
Tensor scatter_nd_reduce(const Operand& x, const Operand& indices, const Operand& updates,
                         ScatterMode mode);
/// out[s] = sum of the x[i] with segments[i] = s, over the first axis; `count` segments.
Tensor segment_sum(const Operand& x, const Operand& segments, Dim count);

struct OneHotOptions {
  int axis = -1;  ///< where the new axis stands in the output
  DType dtype = f32;
};
/// 1 at the class, 0 elsewhere: [I...] -> [I..., classes]. Classes outside 0..classes-1 are an
/// IndexError when computed: "one_hot: index[2] = 10, expected 0..9".
Tensor one_hot(const Operand& indices, Dim classes, const OneHotOptions& options = {});

struct BoundOptions {
  std::optional<int64_t> size = {};  ///< how many results to keep room for, inside a trace
};
struct NonzeroResult {
  Tensor indices;  ///< i64 [n, rank]: positions in row-major order, as gather_nd takes them
  Tensor count;    ///< i64 []: how many there are; rows of `indices` from there on are 0
};
/// Where elements are not 0. Without a bound the count is evaluated at once, which a trace refuses;
/// with one, `size` rows are made and what is beyond them left out.
NonzeroResult nonzero(const Operand& x, const BoundOptions& options = {});
/// The same: where(condition).
NonzeroResult where(const Operand& condition, const BoundOptions& options = {});

struct UniqueResult {
  Tensor values;   ///< [n], ascending; NaN last, all NaN as one
  Tensor inverse;  ///< i64, x's shape: which value each element is
  Tensor counts;   ///< i64 [n]: how often each value occurs
  Tensor count;    ///< i64 []: how many values there are; beyond it values and counts are 0
  Tensor first;    ///< i64 [n]: where each value occurs first, row-major; beyond count 0
};
struct UniqueOptions {
  std::optional<int64_t> size = {};  ///< as BoundOptions
  /// Whole slices along this axis, in lexicographic order: values keep x's other axes, `inverse` is
  /// [axis' size], and positions are those along the axis.
  std::optional<int> axis = {};
};
/// The distinct elements. Bound as in nonzero; values beyond it are left out, and `inverse` of
/// their elements is `size`.
UniqueResult unique(const Operand& x, const UniqueOptions& options = {});

struct SortOptions {
  int axis = -1;
  bool descending = false;
};
/// Ordered along an axis, NaN as if above infinity.
Tensor sort(const Operand& x, const SortOptions& options = {});
/// The positions that order an axis, i64; equal elements stay in their order (stable).
Tensor argsort(const Operand& x, const SortOptions& options = {});

/// The order of the rows of x [n, ...], i64 [n]: by the first column, equal ones by the next, and
/// so on; equal rows stay in their order.
Tensor argsort_rows(const Operand& x);

struct TopKOptions {
  int axis = -1;
};
struct TopKResult {
  Tensor values, indices;
};
/// The k largest along an axis, largest first, and where they stand (i64); equal ones in their
/// order. Throws ValueError unless 0 <= k <= size.
TopKResult top_k(const Operand& x, Dim k, const TopKOptions& options = {});

struct CumulativeOptions {
  int axis = -1;
  bool reverse = false;    ///< from the end
  bool exclusive = false;  ///< without the element itself
};
/// Running sums along an axis; bool and integers give i64 (u64 stays).
Tensor cumsum(const Operand& x, const CumulativeOptions& options = {});
/// Running products; the gradient is right where elements are 0.
Tensor cumprod(const Operand& x, const CumulativeOptions& options = {});

/// Running extremes; NaN goes through. Exclusive: the first is the type's lowest (-inf). Equal ones
/// share the gradient.
Tensor cummax(const Operand& x, const CumulativeOptions& options = {});
Tensor cummin(const Operand& x, const CumulativeOptions& options = {});  ///< As cummax.

struct SearchOptions {
  bool right = false;  ///< after equal elements instead of before them
};
/// Where each value would stand in the ascending vector `sorted`, i64 in 0..n: how many elements
/// are below it (right: not above it). NaN counts as above everything.
Tensor searchsorted(const Operand& sorted, const Operand& values,
                    const SearchOptions& options = {});

}  // namespace varve
