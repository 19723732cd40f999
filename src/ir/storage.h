// Memory of computed tensors: reference-counted, 64-byte aligned blocks, and strided arrays on
// them.
#pragma once
#include <cstddef>
#include <memory>
#include <vector>

#include "varve/types.h"

namespace varve::ir {

/// A block of bytes; freed with the last reference.
class Storage {
 public:
  /// Throws ShapeError where the system has no such block.
  explicit Storage(int64_t bytes);
  /// Bytes that `owner` keeps alive; never written.
  Storage(std::shared_ptr<const void> owner, const void* bytes, int64_t count);
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  std::byte* data() const { return data_; }
  int64_t bytes() const { return bytes_; }
  bool writable() const { return owner_ == nullptr; }

 private:
  std::byte* data_ = nullptr;
  int64_t bytes_ = 0;
  std::shared_ptr<const void> owner_;
};

using Strides = std::vector<int64_t>;

/// Row-major strides in elements.
Strides row_major(const Shape& shape);

/// Elements in a storage. Strides are in elements; 0 repeats, negative runs backwards.
struct Array {
  std::shared_ptr<Storage> storage;
  int64_t offset = 0;  // bytes to the element of index 0
  Strides strides;

  explicit operator bool() const { return storage != nullptr; }
  std::byte* data() const { return storage->data() + offset; }
};

/// Whether the elements lie in row-major order without gaps (axes of size 1 have any stride).
bool is_contiguous(const Shape& shape, const Strides& strides);
/// The bytes of a tensor. ShapeError where a size is negative or they pass 2^63.
int64_t bytes_of(DType dtype, const Shape& shape);
/// An unfilled row-major array. ShapeError where no memory holds it.
Array allocate(DType dtype, const Shape& shape);

}  // namespace varve::ir
