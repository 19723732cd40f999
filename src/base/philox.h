// Counter-based random numbers: Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as
// easy as 1, 2, 3"). A pure function of (key, counter): no state, any element computable alone.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

namespace varve::philox {

using Block = std::array<uint32_t, 4>;

/// The 128 random bits of one counter under a 64-bit key.
constexpr Block block(uint64_t key, uint64_t counter_low, uint64_t counter_high = 0) {
  uint32_t k0 = static_cast<uint32_t>(key), k1 = static_cast<uint32_t>(key >> 32);
  Block c{static_cast<uint32_t>(counter_low), static_cast<uint32_t>(counter_low >> 32),
          static_cast<uint32_t>(counter_high), static_cast<uint32_t>(counter_high >> 32)};
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53} * c[0], b = uint64_t{0xCD9E8D57} * c[2];
    c = {static_cast<uint32_t>(b >> 32) ^ c[1] ^ k0, static_cast<uint32_t>(b),
         static_cast<uint32_t>(a >> 32) ^ c[3] ^ k1, static_cast<uint32_t>(a)};
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return c;
}

/// Word `index` of the stream (key, stream): element i of a random tensor uses word i, whatever the
/// layout or the tile it is computed in.
constexpr uint32_t word(uint64_t key, uint64_t stream, uint64_t index) {
  return block(key, index >> 2, stream)[index & 3];
}

/// The key (seed, stream) that folding a number into a key makes. Another seed than that of the
/// key's own words, so that the two never meet.
constexpr std::array<uint64_t, 2> fold(uint64_t key, uint64_t stream, uint64_t number) {
  const Block b = block(key ^ 0x9E3779B97F4A7C15, number, stream);  // 2^64 / golden ratio
  return {b[0] | uint64_t{b[1]} << 32, b[2] | uint64_t{b[3]} << 32};
}

/// Uniform in [0, 1) with 24 bits, so that 1 is never reached.
constexpr float unit_float(uint32_t bits) { return static_cast<float>(bits >> 8) * 0x1p-24f; }
/// Uniform in [0, 1) with 53 bits: element i of a random f64 tensor, from words 2 i and 2 i + 1.
constexpr double unit_double(uint64_t key, uint64_t stream, uint64_t i) {
  const Block b = block(key, i >> 1, stream);
  const size_t at = (i & 1) * 2;
  const uint64_t bits = b[at] | uint64_t{b[at + 1]} << 32;
  return static_cast<double>(bits >> 11) * 0x1p-53;
}

}  // namespace varve::philox
