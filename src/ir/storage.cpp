#include "ir/storage.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>

#include "base/error.h"
#include "base/math.h"

namespace varve::ir {
namespace {
constexpr int64_t kAlignment = 64;
// From here on a block is worth whole huge pages: fresh 4K pages fill at a fifth of the speed.
constexpr int64_t kHuge = int64_t{4} << 20, kHugePage = int64_t{2} << 20;
}  // namespace

Storage::Storage(int64_t bytes) : bytes_(bytes) {
  const int64_t alignment = bytes >= kHuge ? kHugePage : kAlignment;
  const int64_t size =
      bytes > (INT64_MAX - alignment) ? bytes : round_up(std::max<int64_t>(bytes, 1), alignment);
  data_ = static_cast<std::byte*>(
      std::aligned_alloc(static_cast<size_t>(alignment), static_cast<size_t>(size)));
  if (!data_) throw ShapeError("out of memory: a tensor needs " + std::to_string(bytes) + " bytes");
  if (bytes >= kHuge) madvise(data_, static_cast<size_t>(size), MADV_HUGEPAGE);
#ifdef VARVE_POISON
  std::memset(data_, 0xff, static_cast<size_t>(bytes));  // NaN in every float type
#endif
}

Storage::Storage(std::shared_ptr<const void> owner, const void* bytes, int64_t count)
    : data_(static_cast<std::byte*>(const_cast<void*>(bytes))),
      bytes_(count),
      owner_(std::move(owner)) {
  check(owner_ != nullptr, "shared storage has an owner");
}

Storage::~Storage() {
  if (!owner_) std::free(data_);
}

Strides row_major(const Shape& shape) {
  Strides strides(static_cast<size_t>(shape.rank()));
  int64_t step = 1;
  for (size_t i = strides.size(); i-- > 0;) {
    strides[i] = step;
    step *= std::max<int64_t>(shape.dims()[i], 1);
  }
  return strides;
}

bool is_contiguous(const Shape& shape, const Strides& strides) {
  int64_t step = 1;
  for (size_t i = strides.size(); i-- > 0;) {
    const int64_t d = shape.dims()[i];
    if (d == 0) return true;
    if (d != 1 && strides[i] != step) return false;
    step *= d;
  }
  return true;
}

int64_t bytes_of(DType dtype, const Shape& shape) {
  int64_t bytes = 0;
  const int64_t count = shape.size();
  if (!checked_multiply(count, size_of(dtype), bytes)) {
    throw ShapeError("shape " + shape.to_string() + " of " + name_of(dtype) +
                     ": byte count passes 2^63");
  }
  for (int64_t d : shape) {
    if (d < 0) throw ShapeError("shape " + shape.to_string() + ": sizes must not be negative");
  }
  return bytes;
}

Array allocate(DType dtype, const Shape& shape) {
  const int64_t bytes = bytes_of(dtype, shape);
  // Sparse address space makes huge requests succeed and the first touch fail; refuse them by name.
  if (bytes > (int64_t{1} << 46)) {
    throw ShapeError("shape " + shape.to_string() + ": needs " + std::to_string(bytes) + " bytes");
  }
  return {std::make_shared<Storage>(bytes), 0, row_major(shape)};
}

}  // namespace varve::ir
