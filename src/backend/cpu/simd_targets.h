// Include before anything of Highway: which instruction sets our kernels are compiled for.
#pragma once

// On x86: SSE4, AVX2 and AVX-512, chosen at run time. SSE4.2 (x86-64-v2, every processor since
// 2011) is the least, for its emulation would double the size of the code; SSSE3 would add nothing.
#if defined(__x86_64__) && !defined(HWY_BASELINE_TARGETS)
#define HWY_BASELINE_TARGETS (1LL << 11)
#endif
