#include "ratios.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <memory>
#include <tuple>
#include <vector>

#include "backend/kernel.h"
#include "ir/storage.h"
#include "ops/table.h"
#include "varve/error.h"

namespace varve::bench {
namespace {

using backend::Layout;
using Clock = std::chrono::steady_clock;
using Buffer = std::vector<float>;

/// A prepared kernel with its operands.
class Job {
 public:
  Job(const char* op, const ir::Attributes& attributes, const std::vector<Layout>& in,
      const std::vector<Layout>& out, std::vector<Buffer*> operands, int threads)
      : choice_(backend::choose_kernel({ops::get(op), attributes, in, out, threads},
                                       backend::KernelSet::cpu)) {
    if (!choice_.kernel) throw UnsupportedError(std::string("no kernel for ") + op);
    for (Buffer* b : operands) pointers_.push_back(b->data());
    inputs_ = in.size();
    scratch_ = std::make_unique<ir::Storage>(choice_.kernel->scratch_bytes());
  }
  void run() {
    backend::Fault fault;
    choice_.kernel->run({pointers_.data(), pointers_.data() + inputs_, scratch_->data(), &fault});
  }

 private:
  backend::Choice choice_;
  std::vector<void*> pointers_;
  size_t inputs_ = 0;
  std::unique_ptr<ir::Storage> scratch_;
};

double microseconds(const std::function<void()>& f) {
  const auto start = Clock::now();
  f();
  return std::chrono::duration<double>(Clock::now() - start).count() * 1e6;
}

/// All of them, one after the other.
std::function<void()> each(std::vector<Job> jobs) {
  return [list = std::make_shared<std::vector<Job>>(std::move(jobs))] {
    for (Job& j : *list) j.run();
  };
}

// --- attention -----------------------------------------------------------------------------------

struct AttentionCase {
  int64_t batch, heads, time, size;
};

// Text of a small and of a large model, the patches of a picture, and long texts.
const std::vector<AttentionCase> kAttention{{16, 4, 128, 32},  {8, 12, 128, 64}, {8, 12, 197, 64},
                                            {8, 4, 256, 64},   {4, 8, 512, 64},  {4, 12, 512, 32},
                                            {1, 12, 1024, 64}, {1, 8, 2048, 64}};

/// Operands of attention and of its gradient; `scores` serve the products.
struct AttentionOperands {
  AttentionCase c;
  Layout heads_last, of_query, heads_first, matrix;
  Buffer q, k, v, y, largest, total, dy, dq, dk, dv, scores, gradient;

  explicit AttentionOperands(const AttentionCase& of) : c(of) {
    const auto packed = [](const Shape& s) { return backend::packed({f32, s}); };
    heads_last = packed({c.batch, c.time, c.heads, c.size});
    of_query = packed({c.batch, c.heads, c.time});
    heads_first = packed({c.batch, c.heads, c.time, c.size});
    matrix = packed({c.batch, c.heads, c.time, c.time});
    for (Buffer* b : {&q, &k, &v, &y, &dy, &dq, &dk, &dv}) fill(*b, heads_last);
    for (Buffer* b : {&largest, &total}) fill(*b, of_query);
    for (Buffer* b : {&scores, &gradient}) fill(*b, matrix);
  }

  std::vector<Job> kernel(bool forward, bool backward, int threads) {
    const ir::Attributes attributes{{"scale", 1 / std::sqrt(static_cast<double>(c.size))},
                                    {"softcap", 0.},
                                    {"causal", false},
                                    {"dropout", 0.},
                                    {"offset", int64_t{0}}};
    const Layout &x = heads_last, &r = of_query;
    std::vector<Job> jobs;
    if (forward)
      jobs.emplace_back("attention", attributes, std::vector{x, x, x}, std::vector{x, r, r},
                        std::vector{&q, &k, &v, &y, &largest, &total}, threads);
    if (backward)
      jobs.emplace_back("attention_gradient", attributes, std::vector{x, x, x, x, r, r, x},
                        std::vector{x, x, x},
                        std::vector{&q, &k, &v, &y, &largest, &total, &dy, &dq, &dk, &dv}, threads);
    return jobs;
  }
  std::vector<Job> products(bool forward, bool backward, int threads) {
    const Layout &x = heads_first, &s = matrix;
    std::vector<Job> jobs;
    const auto add = [&](bool ta, bool tb, const Layout& a, const Layout& b, const Layout& out,
                         std::vector<Buffer*> operands) {
      jobs.emplace_back("matmul", ir::Attributes{{"transpose_a", ta}, {"transpose_b", tb}},
                        std::vector{a, b}, std::vector{out}, std::move(operands), threads);
    };
    if (forward) {
      add(false, true, x, x, s, {&q, &k, &scores});
      add(false, false, s, x, x, {&scores, &v, &y});
    }
    if (backward) {
      add(false, true, x, x, s, {&q, &k, &scores});
      add(false, true, x, x, s, {&dy, &v, &gradient});
      add(true, false, s, x, x, {&scores, &dy, &dv});
      add(false, false, s, x, x, {&gradient, &k, &dq});
      add(true, false, s, x, x, {&gradient, &q, &dk});
    }
    return jobs;
  }

 private:
  static void fill(Buffer& b, const Layout& l) {
    b.resize(static_cast<size_t>(l.shape.size()));
    for (size_t i = 0; i < b.size(); ++i) b[i] = static_cast<float>(i * 7919 % 31) / 16 - 1;
  }
};

void print_attention(int threads, double min_time) {
  for (const AttentionCase& c : kAttention) {
    AttentionOperands o(c);
    const std::string name = "attention [" + std::to_string(c.batch) + ", " +
                             std::to_string(c.time) + ", " + std::to_string(c.heads) + ", " +
                             std::to_string(c.size) + "] ";
    for (const auto& [pass, forward, backward] :
         {std::tuple("forward", true, false), std::tuple("backward", false, true)}) {
      for (Job& j : o.kernel(true, false, threads)) j.run();  // what the gradient reads
      print_ratio(name + pass, each(o.kernel(forward, backward, threads)),
                  each(o.products(forward, backward, threads)), threads, min_time);
    }
  }
}

}  // namespace

void print_ratio(const std::string& name, const std::function<void()>& one,
                 const std::function<void()>& other, int threads, double min_time) {
  double least[2] = {1e300, 1e300};
  std::vector<double> ratios;
  microseconds(one), microseconds(other);
  const auto begin = Clock::now();
  while (std::chrono::duration<double>(Clock::now() - begin).count() < min_time ||
         ratios.size() < 5) {
    const double a = microseconds(one), b = microseconds(other);
    least[0] = std::min(least[0], a);
    least[1] = std::min(least[1], b);
    ratios.push_back(a / b);
  }
  std::nth_element(ratios.begin(), ratios.begin() + static_cast<std::ptrdiff_t>(ratios.size() / 2),
                   ratios.end());
  std::printf(
      "{\"name\": \"%s\", \"threads\": %d, \"us\": %.1f, \"other_us\": %.1f, "
      "\"ratio\": %.3f}\n",
      name.c_str(), threads, least[0], least[1], ratios[ratios.size() / 2]);
  std::fflush(stdout);
}

void print_ratios(const std::string& what, int threads, double min_time) {
  if (what == "attention") return print_attention(threads, min_time);
  if (what == "recurrent") return print_recurrent(threads, min_time);
  if (what == "winograd") return print_winograd(threads, min_time);
  throw ValueError("ratio: expected attention, recurrent or winograd, got " + what);
}

}  // namespace varve::bench
