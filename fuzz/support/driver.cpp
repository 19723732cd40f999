// What stands in for libFuzzer where clang is absent: runs every file given, then inputs mutated
// from them (bytes changed, cut out, doubled, spliced), always the same ones.
//   HARNESS [-runs=N] [-max_total_time=SECONDS] FILE|FOLDER...
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

#include "support/harness.h"

namespace {

using Bytes = std::vector<uint8_t>;
constexpr size_t kLongest = 1 << 16;

Bytes contents(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class Mutator {
 public:
  explicit Mutator(const std::vector<Bytes>& seeds) : seeds_(seeds) {}
  Bytes next() {
    Bytes b = seeds_[below(seeds_.size())];
    for (size_t times = 1 + below(4); times-- > 0;) change(b);
    if (b.size() > kLongest) b.resize(kLongest);
    return b;
  }

 private:
  size_t below(size_t n) { return n == 0 ? 0 : random_() % n; }
  void change(Bytes& b) {
    // The numbers at which lengths and offsets go wrong.
    constexpr uint8_t kEdges[] = {0, 1, 0x7f, 0x80, 0xff, '"', '[', '{', '\n', ','};
    const size_t at = below(b.size());
    const auto place = b.begin() + static_cast<std::ptrdiff_t>(at);
    switch (below(6)) {
      case 0:
        if (!b.empty()) b[at] = static_cast<uint8_t>(random_());
        break;
      case 1:
        if (!b.empty()) b[at] ^= static_cast<uint8_t>(1u << below(8));
        break;
      case 2:
        for (size_t i = at; i < std::min(b.size(), at + 4); ++i)
          b[i] = kEdges[below(std::size(kEdges))];
        break;
      case 3:
        b.erase(place, place + static_cast<std::ptrdiff_t>(below(b.size() - at + 1)));
        break;
      case 4: {
        const Bytes copy(place, b.end());
        b.insert(place, copy.begin(), copy.end());
        break;
      }
      default: {
        const Bytes& other = seeds_[below(seeds_.size())];
        const auto from = other.begin() + static_cast<std::ptrdiff_t>(below(other.size()));
        b.insert(place, from, other.end());
      }
    }
  }
  const std::vector<Bytes>& seeds_;
  std::mt19937 random_{1};
};

const Bytes* running = nullptr;

/// Leaves the input behind at which the program dies.
void keep_input(int signal) {
  const int file = ::open("crash-input", O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (file >= 0 && running) {
    [[maybe_unused]] const auto written = ::write(file, running->data(), running->size());
    ::close(file);
  }
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

void run(const Bytes& b) {
  // A copy of its very size, so that a byte read beyond the end shows.
  const Bytes exact(b);
  running = &exact;
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
  running = nullptr;
}

/// "-name=value" as a number.
bool option(std::string_view argument, std::string_view name, int64_t& value) {
  if (argument.substr(0, name.size()) != name) return false;
  value = std::atoll(argument.data() + name.size());
  return true;
}

}  // namespace

// The sanitizers' findings become signals, too.
extern "C" const char* __asan_default_options() { return "abort_on_error=1"; }
extern "C" const char* __ubsan_default_options() { return "abort_on_error=1:print_stacktrace=1"; }

int main(int count, char** arguments) {
  for (const int signal : {SIGABRT, SIGSEGV, SIGFPE, SIGBUS}) std::signal(signal, keep_input);
  int64_t runs = 3000, seconds = 0;
  std::vector<std::filesystem::path> files;
  for (int i = 1; i < count; ++i) {
    const std::string_view a = arguments[i];
    if (option(a, "-runs=", runs) || option(a, "-max_total_time=", seconds)) continue;
    if (a.substr(0, 1) == "-") continue;  // libFuzzer's alone
    if (std::filesystem::is_regular_file(a)) files.emplace_back(a);
    if (!std::filesystem::is_directory(a)) continue;
    for (const auto& e : std::filesystem::directory_iterator(a)) files.push_back(e.path());
  }
  std::sort(files.begin(), files.end());
  std::vector<Bytes> seeds{{}};
  for (const auto& file : files) {
    seeds.push_back(contents(file));
    run(seeds.back());
  }
  Mutator mutator(seeds);
  const auto begin = std::chrono::steady_clock::now();
  int64_t done = 0;
  const auto more = [&] {
    if (seconds == 0) return done < runs;
    return std::chrono::steady_clock::now() - begin < std::chrono::seconds(seconds);
  };
  for (; more(); ++done) {
    const Bytes input = mutator.next();
    run(input);
  }
  std::printf("Done %lld runs of %zu seeds\n", static_cast<long long>(done), seeds.size() - 1);
}
