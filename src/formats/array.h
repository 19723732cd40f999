// Plain arrays: what a reader gives and a writer takes. No Tensor: the rooms below wrap `bytes`
// without a copy.
#pragma once
#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "varve/error.h"
#include "varve/types.h"

namespace varve::formats {

/// Shared, 64-byte aligned bytes.
class Buffer {
 public:
  Buffer() = default;
  /// `size` bytes, not initialised. `what` names them in the IoError of a failed allocation.
  explicit Buffer(int64_t size, const std::string& what = "buffer");
  /// A part of `whole` that keeps it alive.
  Buffer(const Buffer& whole, int64_t offset, int64_t size);

  std::byte* data() { return data_.get(); }
  const std::byte* data() const { return data_.get(); }
  int64_t size() const { return size_; }
  std::span<std::byte> span() { return {data_.get(), static_cast<size_t>(size_)}; }
  std::span<const std::byte> span() const { return {data_.get(), static_cast<size_t>(size_)}; }
  std::string_view text() const {
    return {reinterpret_cast<const char*>(data_.get()), static_cast<size_t>(size_)};
  }
  /// The storage itself, for a tensor that takes it over.
  const std::shared_ptr<std::byte[]>& shared() const { return data_; }

 private:
  std::shared_ptr<std::byte[]> data_;
  int64_t size_ = 0;
};

/// An array in C order and the machine's byte order.
struct Array {
  DType dtype = DType::f32;
  Shape shape;
  Buffer bytes;

  Array() = default;
  /// Storage for `shape`, not initialised.
  Array(DType dtype, Shape shape, const std::string& what = "array");

  /// The elements. Throws DTypeError where T is not the array's type.
  template <Element T>
  std::span<const T> span() const {
    check_dtype(dtype_of<T>);
    return {reinterpret_cast<const T*>(bytes.data()),
            static_cast<size_t>(bytes.size()) / sizeof(T)};
  }
  template <Element T>
  std::span<T> span() {
    check_dtype(dtype_of<T>);
    return {reinterpret_cast<T*>(bytes.data()), static_cast<size_t>(bytes.size()) / sizeof(T)};
  }

 private:
  void check_dtype(DType asked) const;
};

/// The bytes that `shape` takes. Throws ShapeError where they do not fit into an int64_t.
int64_t byte_count(DType dtype, const Shape& shape);
/// The same for untrusted dimensions: false where a product passes 2^63.
bool byte_count(int64_t item_size, const std::vector<int64_t>& dims, int64_t& out);
/// Reverses the bytes of every element of `item_size` bytes, in place.
void swap_bytes(std::span<std::byte> bytes, int64_t item_size);
/// The index of the first byte that is neither 0 nor 1, or -1: other values are no bool in C++.
int64_t first_non_bool(std::span<const std::byte> bytes);

inline std::span<const std::byte> as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
inline std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace varve::formats
