// Which instruction sets the CPU kernels may use: ours and oneDNN's.
#pragma once
#include <string_view>

namespace varve::cpu {

/// No more than "sse4", "avx2" or "avx512" from now on. To be called before the first kernel is
/// prepared, since prepared ones keep what they were made for. Throws ConfigError for another name,
/// or where oneDNN has already made its choice.
void cap_instruction_set(std::string_view name);

/// "sse4", "avx2" or "avx512": what our kernels use now. The first call caps it by the
/// environment's VARVE_MAX_CPU_ISA (ConfigError as above).
const char* instruction_set();

/// Whether oneDNN's kernels multiply in bf16 by instructions for that (AVX-512 with bf16 or AMX).
bool computes_in_bf16();
/// Whether it does so by AMX.
bool multiplies_tiles();

}  // namespace varve::cpu
