#include "ir/storage.h"

#include <sys/mman.h>

#include <algorithm>
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

/// What is asked of the system for so many bytes.
struct Block {
  int64_t size, alignment;
  explicit Block(int64_t bytes) {
    const int64_t lines = up(bytes, kAlignment);
    alignment = lines >= kHuge ? kHugePage : kAlignment;
    size = up(lines, alignment);
  }
  bool huge() const { return alignment == kHugePage; }

 private:
  static int64_t up(int64_t bytes, int64_t to) {
    return bytes > INT64_MAX - to ? bytes : round_up(std::max<int64_t>(bytes, 1), to);
  }
};

/// Blocks that were given back, kept for the next request of their size: fresh pages cost more to
/// fault in than most kernels take to fill them. Where there is no room, those kept longest leave.
class Kept {
 public:
  void* take(int64_t size) {
    if (!worth(size)) return nullptr;
    const std::lock_guard lock(mutex_);
    const auto at = blocks_.find(size);
    if (at == blocks_.end()) return nullptr;
    void* block = at->second.back().data;
    at->second.pop_back();
    if (at->second.empty()) blocks_.erase(at);
    bytes_ -= size;
    return block;
  }
  /// False where it is not worth keeping.
  bool give(void* block, int64_t size) noexcept {
    if (!worth(size)) return false;
    const std::lock_guard lock(mutex_);
    while (bytes_ + size > kMost) drop_oldest();
    try {
      blocks_[size].push_back({block, ++given_});
    } catch (const std::bad_alloc&) {
      return false;
    }
    bytes_ += size;
    return true;
  }
  void drop_all() noexcept {
    const std::lock_guard lock(mutex_);
    while (!blocks_.empty()) drop_oldest();
  }

 private:
  struct Given {
    void* data;
    uint64_t when;
  };
  void drop_oldest() noexcept {
    const auto oldest = std::min_element(
        blocks_.begin(), blocks_.end(),
        [](const auto& a, const auto& b) { return a.second.front().when < b.second.front().when; });
    std::free(oldest->second.front().data);
    oldest->second.erase(oldest->second.begin());
    bytes_ -= oldest->first;
    if (oldest->second.empty()) blocks_.erase(oldest);
  }

  static constexpr int64_t kLeast = int64_t{64} << 10, kLargest = int64_t{32} << 20,
                           kMost = int64_t{128} << 20;
#if VARVE_ADDRESS_SANITIZER
  static bool worth(int64_t) { return false; }  // what is freed must look freed
#else
  static bool worth(int64_t size) { return size >= kLeast && size <= kLargest; }
#endif
  std::mutex mutex_;
  std::unordered_map<int64_t, std::vector<Given>> blocks_;  // by size, in the order of giving
  int64_t bytes_ = 0;
  uint64_t given_ = 0;
};

/// Never destroyed: tensors of static life give their blocks back after it would be.
Kept& kept() {
  static Kept& blocks = *new Kept;
  return blocks;
}

}  // namespace

Storage::Storage(int64_t bytes) : bytes_(bytes) {
  const Block block(bytes);
  data_ = static_cast<std::byte*>(kept().take(block.size));
  if (!data_) {
    const auto ask = [&] {
      return static_cast<std::byte*>(std::aligned_alloc(static_cast<size_t>(block.alignment),
                                                        static_cast<size_t>(block.size)));
    };
    data_ = ask();
    if (!data_) {
      kept().drop_all();
      data_ = ask();
    }
    if (!data_) {
      throw ShapeError("out of memory: a tensor needs " + std::to_string(bytes) + " bytes");
    }
    if (block.huge()) madvise(data_, static_cast<size_t>(block.size), MADV_HUGEPAGE);
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
  if (!owner_ && !kept().give(data_, Block(bytes_).size)) std::free(data_);
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
