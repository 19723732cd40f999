// Words read by a step that is not 1: backwards, and every second one.
#pragma once
#include <cstdint>

namespace varve::cpu {

/// y[i] = x[n - 1 - i], i < n; x and y share no memory.
void reverse(const uint8_t* x, uint8_t* y, int64_t n) noexcept;
void reverse(const uint16_t* x, uint16_t* y, int64_t n) noexcept;
void reverse(const uint32_t* x, uint32_t* y, int64_t n) noexcept;
void reverse(const uint64_t* x, uint64_t* y, int64_t n) noexcept;

/// y[i] = x[2 i], i < n; x and y share no memory, and nothing is read past x[2 (n - 1)].
void every_second(const uint8_t* x, uint8_t* y, int64_t n) noexcept;
void every_second(const uint16_t* x, uint16_t* y, int64_t n) noexcept;
void every_second(const uint32_t* x, uint32_t* y, int64_t n) noexcept;
void every_second(const uint64_t* x, uint64_t* y, int64_t n) noexcept;

}  // namespace varve::cpu
