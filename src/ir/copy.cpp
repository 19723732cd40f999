#include <cstring>

#include "ir/dispatch.h"

namespace varve::ir {
namespace {

/// Copies elements of a fixed size from strided to row-major order.
template <class Word>
void copy_words(const Shape& shape, const Strides& strides, const std::byte* from, std::byte* to) {
  const int rank = shape.rank();
  const int64_t inner = rank ? shape[-1] : 1;
  const int64_t step = rank ? strides.back() : 0;
  const int64_t outer = inner ? shape.size() / inner : 0;
  std::vector<int64_t> index(static_cast<size_t>(rank), 0);
  auto* out = reinterpret_cast<Word*>(to);
  auto* base = reinterpret_cast<const Word*>(from);
  for (int64_t o = 0; o < outer; ++o) {
    const Word* row = base;
    for (int a = 0; a + 1 < rank; ++a)
      row += index[static_cast<size_t>(a)] * strides[static_cast<size_t>(a)];
    if (step == 1) {
      std::memcpy(out, row, static_cast<size_t>(inner) * sizeof(Word));
      out += inner;
    } else {
      for (int64_t i = 0; i < inner; ++i) *out++ = row[i * step];
    }
    for (int a = rank - 2; a >= 0; --a) {
      if (++index[static_cast<size_t>(a)] < shape[a]) break;
      index[static_cast<size_t>(a)] = 0;
    }
  }
}

}  // namespace

Array contiguous_copy(const TensorType& type, const Array& array) {
  Array out = allocate(type.dtype, type.shape);
  if (type.shape.size() == 0) return out;
  switch (size_of(type.dtype)) {
    case 1:
      copy_words<uint8_t>(type.shape, array.strides, array.data(), out.data());
      break;
    case 2:
      copy_words<uint16_t>(type.shape, array.strides, array.data(), out.data());
      break;
    case 4:
      copy_words<uint32_t>(type.shape, array.strides, array.data(), out.data());
      break;
    default:
      copy_words<uint64_t>(type.shape, array.strides, array.data(), out.data());
      break;
  }
  return out;
}

}  // namespace varve::ir
