// room: ir
// Tensor, Variable, Operand, Key: what computations are written with.
#pragma once
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "varve/error.h"
#include "varve/types.h"

namespace varve {

namespace detail {
class Cell;
struct VariableState;
const void* read(const std::shared_ptr<Cell>& cell, DType expected, const char* operation);
}  // namespace detail

/// An immutable n-dimensional array, or the promise of one: a handle to one output of a node of the
/// computation graph. Calling an operation runs nothing; reading (`item`, `span`, printing)
/// evaluates what is needed. Cheap to copy. A default-made tensor holds nothing.
class Tensor {
 public:
  Tensor() = default;

  /// Whether it holds anything.
  bool defined() const { return cell_ != nullptr; }
  /// Known without evaluating. Throw ValueError where the tensor holds nothing.
  const Shape& shape() const;
  DType dtype() const;
  int rank() const { return shape().rank(); }
  int64_t size() const { return shape().size(); }

  /// The only element of a one-element tensor. Throws ShapeError for more, DTypeError for another
  /// T.
  template <Element T>
  T item() const {
    require_one();
    return *static_cast<const T*>(detail::read(cell_, dtype_of<T>, "item"));
  }
  /// The elements in row-major order, valid as long as any copy of this tensor lives.
  /// Throws DTypeError unless T is the tensor's type.
  template <Element T>
  std::span<const T> span() const {
    return {static_cast<const T*>(detail::read(cell_, dtype_of<T>, "span")),
            static_cast<size_t>(size())};
  }
  /// The elements converted to double, whatever the type, row-major.
  std::vector<double> to_doubles() const;
  /// The only element as a double, whatever the type. Throws ShapeError for more.
  double to_double() const;
  /// The truth of the only element (NumPy's rule). Throws ShapeError for more than one element.
  explicit operator bool() const { return to_double() != 0; }
  /// Evaluates now; returns itself.
  const Tensor& evaluate() const;
  /// Type, shape and elements, the middle of long axes left out.
  std::string to_string() const;

  explicit Tensor(std::shared_ptr<detail::Cell> cell, std::shared_ptr<detail::Cell> mask = nullptr)
      : cell_(std::move(cell)), mask_(std::move(mask)) {}
  const std::shared_ptr<detail::Cell>& cell() const { return cell_; }  ///< for Varve itself
  /// For Varve itself; see nn::mask_of.
  const std::shared_ptr<detail::Cell>& mask_cell() const { return mask_; }

 private:
  void require_one() const;
  std::shared_ptr<detail::Cell> cell_, mask_;
};

/// A tensor of the given elements in row-major order. Throws ShapeError where the count differs.
template <Element T>
Tensor tensor(std::span<const T> elements, const Shape& shape);
template <Element T>
Tensor tensor(const std::vector<T>& elements, const Shape& shape) {
  return tensor(std::span<const T>(elements), shape);
}
/// A one-axis tensor: `tensor({1.f, 2.f})`.
template <Element T>
Tensor tensor(std::initializer_list<T> elements) {
  return tensor(std::span<const T>(elements.begin(), elements.size()), Shape{elements.size()});
}
template <Element T>
Tensor tensor(std::initializer_list<T> elements, const Shape& shape) {
  return tensor(std::span<const T>(elements.begin(), elements.size()), shape);
}
namespace detail {
/// Equal tensors under each other.
Tensor stacked(const std::vector<Tensor>& rows);
}  // namespace detail
/// A tensor of two axes: `tensor({{1.f, 2.f}, {3.f, 4.f}})`. Throws ShapeError where rows have
/// unequal lengths.
template <Element T>
Tensor tensor(std::initializer_list<std::initializer_list<T>> rows) {
  std::vector<Tensor> list;
  for (const auto& row : rows) list.push_back(tensor(row));
  return detail::stacked(list);
}
/// A tensor of three axes, see above.
template <Element T>
Tensor tensor(std::initializer_list<std::initializer_list<std::initializer_list<T>>> matrices) {
  std::vector<Tensor> list;
  for (const auto& rows : matrices) list.push_back(tensor(rows));
  return detail::stacked(list);
}
/// A tensor of rank 0.
Tensor scalar(double value, DType dtype);
/// A tensor over raw row-major bytes of the given type, copied.
Tensor tensor_from_bytes(const void* bytes, DType dtype, const Shape& shape);
/// A tensor over bytes that `owner` keeps alive, not copied. Needs: 64-byte aligned, never changed.
Tensor tensor_from_shared(std::shared_ptr<const void> owner, const void* bytes, DType dtype,
                          const Shape& shape);

/// How a variable is made.
struct VariableMade {
  std::string name = {};
  bool trainable = true;
};

/// The only mutable thing: a named cell that holds a tensor. Copies name the same cell.
/// Reading gives a snapshot that later assignments do not change.
class Variable {
 public:
  Variable() = default;
  explicit Variable(const Tensor& initial, VariableMade made = {});
  /// Made on first use: nothing is allocated until `value()` is called.
  Variable(const Shape& shape, DType dtype, std::function<Tensor()> initial,
           VariableMade made = {});

  bool defined() const { return state_ != nullptr; }
  const std::string& name() const;  ///< as it was made; empty for none
  const Shape& shape() const;
  DType dtype() const;
  /// Whether `Layer::trainable` lists it; nothing else depends on it.
  bool trainable() const;
  void set_trainable(bool trainable);  ///< see trainable
  /// A snapshot: later assignments do not change it.
  Tensor value() const;
  /// Throws ShapeError or DTypeError where the tensor's type differs from the variable's.
  void assign(const Tensor& value);
  /// Counts assignments: what is derived from a variable is cached by it.
  uint64_t version() const;
  bool operator==(const Variable& other) const { return state_ == other.state_; }

  explicit Variable(std::shared_ptr<detail::VariableState> state) : state_(std::move(state)) {}
  const std::shared_ptr<detail::VariableState>& state() const { return state_; }

 private:
  std::shared_ptr<detail::VariableState> state_;
};
/// Several variables, in order.
using Variables = std::vector<Variable>;

/// What operations take: a Tensor, a Variable (its value) or a number, and the caller's line. A
/// number is weak: it takes the type of the tensors it meets (x * 2 stays f32).
class Operand {
 public:
  Operand(const Tensor& tensor, Where where = Where::here())
      : value_(Tensor(tensor.cell())), where_(where) {}  // operations leave masks behind
  Operand(const Variable& variable, Where where = Where::here())
      : value_(variable.value()), where_(where) {}
  /// What a model gave, where that is one tensor (ValueError otherwise):
  /// `argmax(model.predict(x))`.
  template <class T>
  requires requires { typename T::IsOutputs; }
  Operand(const T& outputs, Where where = Where::here()) : Operand(outputs.only(), where) {}
  Operand(Number auto number, Where where = Where::here()) : where_(where) {
    using N = decltype(number);
    if constexpr (std::is_same_v<N, bool>) {
      value_ = number;
    } else if constexpr (std::is_floating_point_v<N>) {
      value_ = static_cast<double>(number);
    } else if (std::is_unsigned_v<N> && static_cast<int64_t>(number) < 0) {
      value_ = static_cast<uint64_t>(number);  // only 64 bits turn negative
    } else {
      value_ = static_cast<int64_t>(number);
    }
  }
  /// A number that options hold, Real or Dim: `rate * x` in a layer of one's own.
  Operand(OptionNumber auto number, Where where = Where::here()) : Operand(number.value, where) {}

  bool is_tensor() const { return std::holds_alternative<Tensor>(value_); }  ///< else a number
  /// The tensor; a number becomes one of its default type (bool, i64, f32; u64 above 2^63 - 1).
  Tensor tensor() const;
  /// The number as a tensor of rank 0 of the given type; a tensor unchanged. Throws ValueError
  /// where an integer type does not hold the number.
  Tensor as(DType dtype) const;
  /// -1 or 1 where the number is an integer below or above all that the integer type holds; else 0.
  int beyond(DType integer) const;
  /// bool_, i64, u64 or f32 for a number; the tensor's type.
  DType dtype() const;
  const Where& where() const { return where_; }  ///< the caller's line

 private:
  std::variant<Tensor, bool, int64_t, double, uint64_t> value_;  // uint64_t: above 2^63 - 1
  Where where_;
};

/// One tensor or several.
class Tensors {
 public:
  Tensors() = default;
  Tensors(const Tensor& one) : list_{one} {}
  Tensors(std::initializer_list<Tensor> many) : list_(many) {}
  Tensors(std::vector<Tensor> many) : list_(std::move(many)) {}

  /// Throws IndexError.
  const Tensor& operator[](size_t i) const;
  /// The only one. Throws ValueError where there are more or none.
  const Tensor& only() const;
  size_t size() const { return list_.size(); }  ///< how many
  auto begin() const { return list_.begin(); }
  auto end() const { return list_.end(); }
  const std::vector<Tensor>& list() const { return list_; }  ///< all of them

 private:
  std::vector<Tensor> list_;
};

/// A key of counter-based random numbers: a random operation is a pure function of its key.
/// Keys are values (two u64: seed and stream), so a compiled step can compute its own.
class Key {
 public:
  explicit Key(uint64_t seed, uint64_t stream = 0);
  /// A key held in a u64 tensor of shape [2].
  explicit Key(const Tensor& bits);
  /// A new, independent key. The same number gives the same key.
  Key fold_in(uint64_t number) const;
  /// A new key that depends on the name.
  Key fold_in(std::string_view name) const;
  const Tensor& bits() const { return bits_; }  ///< u64 [2]: seed and stream

 private:
  Tensor bits_;
};

}  // namespace varve
