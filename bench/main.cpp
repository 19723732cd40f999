// varve-bench: times a training step and inference of each case, one JSON line a case, with the
// keys of bench/peers; --check compares gradients and losses with those of a peer.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/threads.h"
#include "cases.h"
#include "check.h"
#include "compiled.h"
#include "kernel_costs.h"
#include "onnx.h"
#include "ops.h"
#include "peak.h"
#include "ratios.h"
#include "timing.h"
#include "varve/error.h"
#include "varve/ops/indexing.h"

namespace varve::bench {
namespace {

using Json = nlohmann::ordered_json;

double resident_mb() {
  std::ifstream f("/proc/self/statm");
  double total = 0, resident = 0;
  f >> total >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE)) / 1e6;
}

double peak_mb() {
  rusage u{};
  getrusage(RUSAGE_SELF, &u);
  return static_cast<double>(u.ru_maxrss) * 1024 / 1e6;
}

/// What one asks of a case beside its time.
struct Wishes {
  double min_time = 1.5;
  Precision precision = "f32";
  bool plan = false, profile = false;
  bool batch1 = false;
};

/// The plan, or the time of each of its kernels, on the error stream: results stay alone on the
/// standard output.
void explain(CompiledInfo info, const Wishes& wishes, const std::function<void()>& step) {
  if (wishes.plan) std::fprintf(stderr, "%s\n", info.plan().c_str());
  if (!wishes.profile) return;
  info.profile(true);
  for (int i = 0; i < 50; ++i) step();
  std::fprintf(stderr, "%s\n", info.profile().c_str());
}

/// Inference of the first sample alone; what all samples share stays as it is.
void keep_one_sample(Bench& b) {
  for (NamedTensor& t : b.seen) {
    if (t.value.rank() > 0 && t.value.shape()[0] == b.infer_batch && b.infer_batch > 1)
      t.value = slice(t.value, {Slice{0, 1}}).evaluate();
  }
  b.infer_batch = 1;
}

Json run(const Case& c, const std::string& mode, int threads, const Wishes& wishes) {
  const double start_mb = resident_mb();
  Bench b = c.make({});
  if (wishes.batch1) keep_one_sample(b);
  const bool train = mode == "train";
  const Tensors data = values_of(train ? b.data : b.seen);
  const auto f = compiled(train ? b.step : b.infer, data.size(), {.precision = wishes.precision});
  Tensor first, last;
  const Timing t = time_steps(
      [&] {
        last = f.run(data);
        if (!first.defined()) first = last;
      },
      wishes.min_time);
  explain(f.info, wishes, [&] { f.run(data); });
  Json j = {{"name", c.name},
            {"mode", mode},
            {"variant", wishes.precision == Precision::f32 ? "varve" : "varve_bf16"},
            {"threads", threads},
            {"median_ms", t.median * 1e3},
            {"min_ms", t.least * 1e3},
            {"samples_per_s", static_cast<double>(train ? b.batch : b.infer_batch) / t.median},
            {"first_step_ms", t.first * 1e3},
            {"planning_ms", f.info.planning_seconds() * 1e3},
            {"process_to_first_step_ms", t.process_to_first * 1e3},
            {"peak_rss_mb", peak_mb()},
            {"import_rss_mb", start_mb}};
  if (train) {
    j["first_loss"] = first.to_double();
    j["last_loss"] = last.to_double();
  }
  return j;
}

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> out;
  std::istringstream in(list);
  for (std::string s; std::getline(in, s, ',');) out.push_back(s);
  return out;
}

/// Each case in a process of its own, so that memory and first steps are its own.
int run_child(const std::function<void()>& body) {
  std::fflush(nullptr);
  const pid_t pid = fork();
  if (pid == 0) {
    try {
      body();
      std::fflush(nullptr);
      _exit(0);
    } catch (const std::exception& e) {
      std::fprintf(stderr, "error: %s\n", e.what());
      std::fflush(nullptr);  // what was printed before it went wrong
      _exit(1);
    }
  }
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(int argc, char** argv) {
  CLI::App app("Times training steps and inference of Varve's benchmark cases.");
  std::string names, modes = "train,infer", check;
  int threads = 2;
  Wishes wishes;
  bool list = false;
  app.add_flag("--list", list, "Print the names of the cases");
  app.add_option("--cases", names, "Cases, comma-separated; all by default");
  app.add_option("--modes", modes, "train, infer or both")->capture_default_str();
  app.add_option("--threads", threads, "Threads")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app.add_option("--min-time", wishes.min_time, "Seconds measured per case")
      ->check(CLI::PositiveNumber);
  app.add_flag("--batch1", wishes.batch1, "Inference of one sample");
  std::string precision = "f32";
  app.add_option("--precision", precision, "f32 or bf16 (mixed)")
      ->check(CLI::IsMember({"f32", "bf16"}));
  app.add_flag("--plan", wishes.plan, "Print each case's plan on the error stream");
  app.add_flag("--profile", wishes.profile, "Print the time of each kernel on the error stream");
  bool peak = false;
  app.add_flag(
      "--peak", peak,
      "Print what the processor allows, on one thread and on all, instead of timing cases");
  std::string costs;
  app.add_option("--kernel-costs", costs,
                 "Print rows of the kernels' cost table instead of timing cases")
      ->check(CLI::IsMember({"convolutions", "packed", "relays", "products"}));
  app.add_option(
      "--check", check,
      "Folder of a peer's weights, data, gradients and losses: compare instead of timing");
  std::string ops;
  double ops_max_size = 1e7;
  app.add_option("--ops", ops, "Time single ops instead of cases: \"all\" or one by name");
  app.add_option("--ops-max-size", ops_max_size, "The largest number of elements")
      ->capture_default_str();
  std::string onnx;
  app.add_option("--onnx", onnx, "Folder of ONNX models with test data: time these instead");
  std::string ratio;
  app.add_option("--ratio", ratio,
                 "Time kernels beside the least that others need for the same instead")
      ->check(CLI::IsMember({"attention", "recurrent", "winograd"}));
  CLI11_PARSE(app, argc, argv);
  if (precision == "bf16") wishes.precision = "mixed_bf16";
  if (list) {
    for (const Case& c : cases()) std::printf("%s\n", c.name.c_str());
    return 0;
  }
  if (peak) {
    set_thread_count(threads);
    print_peak(1);
    if (threads > 1) print_peak(threads);
    return 0;
  }
  if (!ratio.empty()) {
    set_thread_count(threads);
    print_ratios(ratio, threads, wishes.min_time);
    return 0;
  }
  if (!ops.empty()) {
    set_thread_count(threads);
    print_op_times(ops == "all" ? "" : ops, ops_max_size);
    return 0;
  }
  if (!onnx.empty()) {
    set_thread_count(threads);
    print_onnx_times(onnx, wishes.min_time);
    return 0;
  }
  if (!costs.empty()) {
    print_kernel_costs(costs);
    return 0;
  }
  std::vector<std::string> chosen = split(names);
  if (chosen.empty()) {
    for (const Case& c : cases()) chosen.push_back(c.name);
  }
  const auto wanted = split(modes);
  if (chosen.size() == 1 && wanted.size() == 1 && check.empty()) {
    set_thread_count(threads);
    std::printf("%s\n", run(find_case(chosen[0]), wanted[0], threads, wishes).dump().c_str());
    return 0;
  }
  int failed = 0;
  for (const std::string& name : chosen) {
    const Case& c = find_case(name);
    if (!check.empty()) {
      failed += run_child([&] {
        set_thread_count(threads);
        check_against(c, check + "/" + name + ".safetensors", wishes.precision);
      });
      continue;
    }
    for (const std::string& mode : wanted) {
      failed += run_child([&] {
        set_thread_count(threads);
        std::printf("%s\n", run(c, mode, threads, wishes).dump().c_str());
      });
    }
  }
  return failed ? 1 : 0;
}

}  // namespace
}  // namespace varve::bench

int main(int argc, char** argv) {
  // libgomp reads these when it is loaded, so the program starts itself once more with them set.
  if (!getenv("OMP_PROC_BIND")) {
    setenv("OMP_PROC_BIND", "true", 1);
    execv("/proc/self/exe", argv);
  }
  try {
    return varve::bench::main(argc, argv);
  } catch (const varve::Error& e) {
    std::fprintf(stderr, "error: %s\n", e.what());
    return 1;
  }
}
