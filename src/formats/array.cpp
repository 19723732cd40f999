#include "formats/array.h"

#include <algorithm>
#include <bit>
#include <new>

#include "base/error.h"
#include "base/math.h"

namespace varve::formats {

static_assert(std::endian::native == std::endian::little,
              "the readers assume a little-endian host");

Buffer::Buffer(int64_t size, const std::string& what) : size_(size) {
  check(size >= 0, "buffer size >= 0");
  constexpr std::align_val_t kAlignment{64};
  auto bytes = static_cast<size_t>(std::max<int64_t>(size, 1));
  auto* raw = static_cast<std::byte*>(::operator new(bytes, kAlignment, std::nothrow));
  if (raw == nullptr) {
    throw IoError(what + ": needs " + std::to_string(size) + " bytes of memory, not available");
  }
  data_ = std::shared_ptr<std::byte[]>(raw, [](std::byte* p) { ::operator delete(p, kAlignment); });
}

Buffer::Buffer(const Buffer& whole, int64_t offset, int64_t size)
    : data_(whole.data_, whole.data_.get() + offset), size_(size) {
  check(offset >= 0 && size >= 0 && offset <= whole.size_ - size, "part lies within the buffer");
}

Array::Array(DType dtype_, Shape shape_, const std::string& what)
    : dtype(dtype_), shape(std::move(shape_)), bytes(byte_count(dtype, shape), what) {}

void Array::check_dtype(DType asked) const {
  if (asked != dtype) {
    throw DTypeError(std::string("array: expected ") + name_of(asked) + ", got " + name_of(dtype));
  }
}

int64_t byte_count(DType dtype, const Shape& shape) {
  int64_t bytes = 0;
  if (!byte_count(size_of(dtype), shape.dims(), bytes)) {
    throw ShapeError("shape " + shape.to_string() + ": element count overflows");
  }
  return bytes;
}

bool byte_count(int64_t item_size, const std::vector<int64_t>& dims, int64_t& out) {
  out = item_size;
  // A zero anywhere makes the product zero, but the others must still fit: a reader that multiplies
  // in another order would overflow.
  bool empty = false;
  for (int64_t dim : dims) {
    if (dim == 0) {
      empty = true;
    } else if (!checked_multiply(out, dim, out)) {
      return false;
    }
  }
  if (empty) out = 0;
  return true;
}

void swap_bytes(std::span<std::byte> bytes, int64_t item_size) {
  if (item_size < 2) return;
  const auto step = static_cast<size_t>(item_size);
  for (size_t i = 0; i + step <= bytes.size(); i += step) {
    std::reverse(bytes.begin() + static_cast<ptrdiff_t>(i),
                 bytes.begin() + static_cast<ptrdiff_t>(i + step));
  }
}

int64_t first_non_bool(std::span<const std::byte> bytes) {
  auto found =
      std::find_if(bytes.begin(), bytes.end(), [](std::byte b) { return b > std::byte{1}; });
  return found == bytes.end() ? -1 : found - bytes.begin();
}

}  // namespace varve::formats
