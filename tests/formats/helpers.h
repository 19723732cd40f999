// What the tests of the readers share: a folder of their own, errors by full text, a table of bad
// inputs, and the two loops that no reader may crash in.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "formats/array.h"
#include "formats/atomic_file.h"
#include "formats/file.h"
#include "support/errors.h"
#include "support/folder.h"

namespace varve::formats {

using test::Folder;
using test::message_of;
using test::read_text;

/// Seconds that `f` takes of this process's time, the best of three runs. Tests hold them against
/// other work of the same run, never against a number: machines and builds differ.
template <class F>
double cpu_seconds(F&& f) {
  double best = std::numeric_limits<double>::infinity();
  for (int run = 0; run < 3; ++run) {
    const std::clock_t begin = std::clock();
    f();
    best = std::min(best, static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC);
  }
  return best;
}

/// Raw bytes from numbers: bytes({0x1f, 0x8b}).
inline std::string bytes(std::initializer_list<int> values) {
  std::string out;
  for (int v : values) out += static_cast<char>(v);
  return out;
}

inline std::string repeated(std::string_view part, int64_t times) {
  std::string out;
  for (int64_t i = 0; i < times; ++i) out += part;
  return out;
}

using Reader = std::function<void(const std::string& path)>;

/// A row of the catalogue of bad inputs: what `read` says of a file with these bytes, after
/// "<path>: ".
struct BadInput {
  const char* id;
  std::string bytes;
  std::string expected;
};

inline void check_bad_inputs(const Reader& read, const std::vector<BadInput>& rows) {
  Folder folder;
  for (const BadInput& row : rows) {
    const std::string path = folder.file("input", row.bytes);
    EXPECT_EQ(message_of([&] { read(path); }), path + ": " + row.expected) << row.id;
    EXPECT_EQ(read_text(path), row.bytes) << row.id;
  }
}

/// Reads every beginning of `good`, `good` with each single bit turned, and 2,000 files made from
/// it by random edits; every outcome but a result or a varve::Error fails. `must_fail`: a shorter
/// file is always refused.
inline void check_damage(const std::function<void(const Source&)>& read, const std::string& good,
                         bool must_fail = true) {
  const auto outcome = [&](const std::string& file) {
    // A copy of its own, so that the sanitizer sees a byte read behind the end.
    const std::vector<char> bytes(file.begin(), file.end());
    const Source source = Source::memory("file", as_bytes({bytes.data(), bytes.size()}));
    return message_of([&] { read(source); });
  };
  for (size_t n = 0; n < good.size(); ++n) {
    const std::string message = outcome(good.substr(0, n));
    ASSERT_FALSE(must_fail && message == "no error") << "cut at " << n;
    ASSERT_FALSE(message.starts_with("another type")) << "cut at " << n << ": " << message;
  }
  for (size_t bit = 0; bit < 8 * good.size(); ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    const std::string message = outcome(bad);
    ASSERT_FALSE(message.starts_with("another type")) << "bit " << bit << ": " << message;
  }
  std::mt19937 random(7);
  const auto below = [&](size_t n) { return random() % std::max<size_t>(n, 1); };
  constexpr std::string_view kTelling("\0\1\x7f\x80\xff\n\"[]{},.:-09e", 18);
  for (int i = 0; i < 2000; ++i) {
    std::string bad = good;
    for (size_t edits = 1 + below(4); edits > 0; --edits) {
      const size_t at = below(bad.size()), n = 1 + below(8);
      switch (below(4)) {
        case 0:
          bad.replace(at, n, std::string(n, kTelling[below(kTelling.size())]));
          break;
        case 1:
          bad.erase(at, n);
          break;
        case 2:
          bad.insert(at, bad.substr(below(bad.size()), n));
          break;
        default:
          bad.insert(at, n, kTelling[below(kTelling.size())]);
      }
    }
    const std::string message = outcome(bad);
    ASSERT_FALSE(message.starts_with("another type")) << "edit " << i << ": " << message;
  }
}

}  // namespace varve::formats
