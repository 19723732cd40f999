#include "ir/storage.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <mutex>
#include <new>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "base/math.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define VARVE_ADDRESS_SANITIZER 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define VARVE_ADDRESS_SANITIZER 1
#endif

namespace varve::ir {
namespace {
constexpr int64_t kAlignment = 64;
// From here on a block is worth whole huge pages: fresh 4K pages fill at a fifth of the speed.
constexpr int64_t kHuge = int64_t{4} << 20, kHugePage = int64_t{2} << 20;

int64_t alignment_of(int64_t bytes) { return bytes >= kHuge ? kHugePage : kAlignment; }
int64_t rounded(int64_t bytes) {
  const int64_t alignment = alignment_of(bytes);
  return bytes > INT64_MAX - alignment ? bytes : round_up(std::max<int64_t>(bytes, 1), alignment);
}

/// Blocks that were given back, kept for the next request of their size: fresh pages cost more to
/// fault in than most kernels take to fill them.
class Kept {
 public:
  void* take(int64_t size) {
    if (!worth(size)) return nullptr;
    const std::lock_guard lock(mutex_);
    const auto at = blocks_.find(size);
    if (at == blocks_.end() || at->second.empty()) return nullptr;
    void* block = at->second.back();
    at->second.pop_back();
    bytes_ -= size;
    return block;
  }
  /// False where there is no room for it.
  bool give(void* block, int64_t size) noexcept {
    if (!worth(size)) return false;
    const std::lock_guard lock(mutex_);
    if (bytes_ + size > kMost) return false;
    try {
      blocks_[size].push_back(block);
    } catch (const std::bad_alloc&) {
      return false;
    }
    bytes_ += size;
    return true;
  }

 private:
  static constexpr int64_t kLeast = int64_t{64} << 10, kLargest = int64_t{32} << 20,
                           kMost = int64_t{128} << 20;
#if VARVE_ADDRESS_SANITIZER
  static bool worth(int64_t) { return false; }  // what is freed must look freed
#else
  static bool worth(int64_t size) { return size >= kLeast && size <= kLargest; }
#endif
  std::mutex mutex_;
  std::unordered_map<int64_t, std::vector<void*>> blocks_;
  int64_t bytes_ = 0;
};

/// Never destroyed: tensors of static life give their blocks back after it would be.
Kept& kept() {
  static Kept& blocks = *new Kept;
  return blocks;
}

}  // namespace

Storage::Storage(int64_t bytes) : bytes_(bytes) {
  const int64_t alignment = alignment_of(bytes), size = rounded(bytes);
  data_ = static_cast<std::byte*>(kept().take(size));
  if (!data_) {
    data_ = static_cast<std::byte*>(
        std::aligned_alloc(static_cast<size_t>(alignment), static_cast<size_t>(size)));
    if (!data_) {
      throw ShapeError("out of memory: a tensor needs " + std::to_string(bytes) + " bytes");
    }
    if (bytes >= kHuge) madvise(data_, static_cast<size_t>(size), MADV_HUGEPAGE);
  }
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
  if (!owner_ && !kept().give(data_, rounded(bytes_))) std::free(data_);
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
