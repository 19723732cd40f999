#include "allocations.h"

#include <dlfcn.h>
#include <execinfo.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define VARVE_TEST_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define VARVE_TEST_SANITIZED 1
#endif
#endif

namespace varve::test {
namespace {

constexpr size_t kSeen = 4096;
constexpr int kFrames = 24;
using Frames = std::array<void*, kFrames>;

std::atomic<bool> counting{false};
std::atomic<size_t> seen{0};
std::array<Frames, kSeen> stacks;
std::array<int, kSeen> depths;
thread_local bool inside = false;

/// Notes who asks for memory. Allocates nothing itself, once `backtrace` has been called before.
[[maybe_unused]] void note() {
  if (!counting.load(std::memory_order_relaxed) || inside) return;
  inside = true;
  const size_t at = seen.fetch_add(1);
  if (at < kSeen) depths[at] = backtrace(stacks[at].data(), kFrames);
  inside = false;
}

const void* module_of(const void* address) {
  Dl_info info;
  return dladdr(address, &info) ? info.dli_fbase : nullptr;
}
bool is_standard(const void* address) {
  Dl_info info;
  if (!dladdr(address, &info) || !info.dli_fname) return false;
  const char* slash = std::strrchr(info.dli_fname, '/');
  const char* name = slash ? slash + 1 : info.dli_fname;
  return std::strncmp(name, "libstdc++", 9) == 0 || std::strncmp(name, "libc.", 5) == 0 ||
         std::strncmp(name, "libc++", 6) == 0;
}

}  // namespace

bool allocations_visible() {
#ifdef VARVE_TEST_SANITIZED
  return false;
#else
  return true;
#endif
}

void begin_counting() {
  void* frame = nullptr;
  backtrace(&frame, 1);  // its first call loads a library
  seen = 0;
  counting = true;
}

Allocations end_counting() {
  counting = false;
  Allocations a;
  const void* program = module_of(reinterpret_cast<const void*>(&end_counting));
  for (size_t i = 0; i < std::min(seen.load(), kSeen); ++i) {
    // The first two frames are this file's: note() and the function that it stands in.
    int f = 2;
    while (f < depths[i] && is_standard(stacks[i][static_cast<size_t>(f)])) ++f;
    const bool own = f < depths[i] && module_of(stacks[i][static_cast<size_t>(f)]) == program;
    ++(own ? a.own : a.libraries);
    if (!own || a.own > 8) continue;
    for (int k = f; k < std::min(f + 6, depths[i]); ++k) {
      char text[32];
      std::snprintf(text, sizeof text, " %tx",
                    static_cast<const char*>(stacks[i][static_cast<size_t>(k)]) -
                        static_cast<const char*>(program));
      a.places += text;
    }
    a.places += "\n";
  }
  return a;
}

}  // namespace varve::test

#ifndef VARVE_TEST_SANITIZED
// Stand before the C library's own, for the whole program and the libraries that it loads.
extern "C" {
void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);

__attribute__((noinline)) void* malloc(size_t n) {
  varve::test::note();
  return __libc_malloc(n);
}
__attribute__((noinline)) void* calloc(size_t n, size_t size) {
  varve::test::note();
  return __libc_calloc(n, size);
}
__attribute__((noinline)) void* realloc(void* p, size_t n) {
  varve::test::note();
  return __libc_realloc(p, n);
}
__attribute__((noinline)) void* aligned_alloc(size_t alignment, size_t n) {
  varve::test::note();
  return __libc_memalign(alignment, n);
}
__attribute__((noinline)) void* memalign(size_t alignment, size_t n) {
  varve::test::note();
  return __libc_memalign(alignment, n);
}
__attribute__((noinline)) int posix_memalign(void** p, size_t alignment, size_t n) {
  varve::test::note();
  *p = __libc_memalign(alignment, n);
  return *p ? 0 : ENOMEM;
}
}
#endif
