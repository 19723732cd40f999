// varve doctor: what this Varve was built with and what it finds on this machine.
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "backend/cpu/libraries.h"
#include "base/environment.h"
#include "base/threads.h"
#include "command.h"
#include "console.h"
#include "formats/file.h"
#include "threads.h"
#include "varve/numerics.h"
#include "varve/version.h"

namespace varve::app {
namespace {

struct Processor {
  std::string model = "unknown";
  std::vector<std::string> features;
};

// The features that kernels are chosen by; the kernel's names for them.
constexpr std::array kFeatures{"sse4_1",      "avx",      "avx2",        "fma",
                               "avx512f",     "avx512bw", "avx512_vnni", "avx512_bf16",
                               "avx512_fp16", "amx_tile", "amx_bf16",    "amx_int8"};

Processor processor() {
  Processor out;
  std::ifstream file("/proc/cpuinfo");
  std::string line;
  bool model = false, flags = false;
  while (std::getline(file, line) && !(model && flags)) {
    const size_t colon = line.find(": ");
    if (colon == line.npos) continue;
    if (!model && line.starts_with("model name")) {
      out.model = line.substr(colon + 2);
      model = true;
    }
    if (!flags && line.starts_with("flags")) {
      std::istringstream words(line.substr(colon + 2));
      std::vector<std::string> all{std::istream_iterator<std::string>(words), {}};
      for (const char* f : kFeatures) {
        if (std::find(all.begin(), all.end(), f) != all.end()) out.features.push_back(f);
      }
      flags = true;
    }
  }
  return out;
}

std::string joined(const std::vector<std::string>& list) {
  std::string out;
  for (const std::string& s : list) out += (out.empty() ? "" : " ") + s;
  return out.empty() ? "none" : out;
}

std::string set_or(const char* name, const char* otherwise) {
  const std::string value = environment(name);
  return value.empty() ? otherwise : value;
}

#if defined(__clang__)
constexpr const char* kCompiler = "clang " __clang_version__;
#else
constexpr const char* kCompiler = "g++ " __VERSION__;
#endif
#if defined(NDEBUG)
constexpr const char* kBuild = "release";
#else
constexpr const char* kBuild = "debug";
#endif

// How many programs ran or waited to run during the last minute, on average.
double load() {
  double minutes[1] = {0};
  getloadavg(minutes, 1);
  return minutes[0];
}

// What keeps this machine from its speed, and what to do about it.
std::vector<std::string> findings(const Processor& p, const cpu::Libraries& l, double load) {
  std::vector<std::string> out;
  // Both are the machine's, of which this process may have a part.
  if (load > get_nprocs()) {
    out.push_back(
        fmt::format("the processors are busy (load {:.1f} of {}): times say little now; "
                    "run one program at a time, or each with fewer --threads",
                    load, get_nprocs()));
  }
  const auto has = [&](const char* f) {
    return std::find(p.features.begin(), p.features.end(), f) != p.features.end();
  };
  if (!has("avx2") || !has("fma")) out.push_back("no AVX2: kernels run at SSE4 speed");
  if (l.openblas_threads != "OpenMP") {
    out.push_back(
        "OpenBLAS is not the OpenMP flavour, so its kernels are left out; install "
        "libopenblas0-openmp "
        "and choose it with update-alternatives");
  }
  if (l.onednn_threads != "OpenMP") out.push_back("oneDNN was built without OpenMP");
  if (std::string(kBuild) == "debug")
    out.push_back("this is a debug build; -DCMAKE_BUILD_TYPE=Release is many times faster");
  if (const std::string cap = environment("VARVE_MAX_CPU_ISA"); !cap.empty()) {
    out.push_back("VARVE_MAX_CPU_ISA caps the instruction set at " + cap);
  }
  if (!winograd_allowed()) out.push_back("VARVE_WINOGRAD=0: 3x3 convolutions run direct kernels");
  const std::string data = environment("VARVE_DATA");
  if (!data.empty() && !formats::file_exists(data)) {
    out.push_back("VARVE_DATA=" + formats::shown(data) +
                  ": there is no such folder; the data that came with Varve are taken");
  }
  return out;
}

int doctor(bool as_json) {
  const Processor p = processor();
  const cpu::Libraries l = cpu::libraries();
  struct sysinfo memory {};
  sysinfo(&memory);
  const double busy = load(),
               gigabytes = static_cast<double>(memory.totalram) * memory.mem_unit / 1e9;
  const std::vector<std::pair<std::string, std::string>> rows{
      {"varve", fmt::format("{} ({} build, {})", kVersion, kBuild, kCompiler)},
      {"processor", p.model},
      {"features", joined(p.features)},
      {"memory", fmt::format("{:.1f} GB", gigabytes)},
      {"processors", fmt::format("{} usable", available_processors())},
      {"load", fmt::format("{:.1f} in the last minute", busy)},
      {"threads", std::to_string(thread_count())},
      {"OMP_PROC_BIND", set_or("OMP_PROC_BIND", "not set")},
      {"GOMP_SPINCOUNT", set_or("GOMP_SPINCOUNT", "not set")},
      {"VARVE_MAX_CPU_ISA", set_or("VARVE_MAX_CPU_ISA", "not set")},
      {"VARVE_WINOGRAD", set_or("VARVE_WINOGRAD", "not set")},
      {"VARVE_DATA", set_or("VARVE_DATA", "not set")},
      {"oneDNN",
       fmt::format("{} (threads: {}; uses {})", l.onednn, l.onednn_threads, l.onednn_isa)},
      {"OpenBLAS", fmt::format("{} (threads: {})", l.openblas, l.openblas_threads)},
  };
  const std::vector<std::string> notes = findings(p, l, busy);
  if (as_json) {
    nlohmann::ordered_json out;
    for (const auto& [name, value] : rows) out[name] = value;
    out["findings"] = notes;
    say(out.dump(2) + "\n");
    return 0;
  }
  for (const auto& [name, value] : rows) say(fmt::format("{:<19}{}\n", name, value));
  say("\n");
  for (const std::string& note : notes) say("note: " + note + "\n");
  if (notes.empty()) say("Nothing stands in the way of full speed.\n");
  return 0;
}

}  // namespace

Action declare_doctor(Arguments& arguments) {
  auto json = std::make_shared<bool>(false);
  arguments.flag("--json", *json, "As JSON, for programs.");
  return [json] { return doctor(*json); };
}

}  // namespace varve::app
