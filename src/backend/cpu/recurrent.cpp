// Kernels of recurrent networks in f32: what x brings to all steps is one product by the library,
// the steps are our own.
#include <algorithm>

#include "backend/cpu/kernels.h"
#include "backend/cpu/simd_recurrent.h"
#include "backend/cpu/thread_scope.h"
#include "base/math.h"
#include "ops/table.h"

namespace varve::backend::cpu {
namespace {

using varve::cpu::CellKind;
using varve::cpu::RecurrentShape;

CellKind kind_of(const Request& r) {
  const std::string_view name = r.op.name;
  if (name.starts_with("lstm")) return CellKind::lstm;
  if (name.starts_with("gru")) return CellKind::gru;
  return r.attributes.get<std::string>("activation") == "relu" ? CellKind::relu : CellKind::tanh;
}

/// Why a request is not taken; empty where it is. Strided operands are packed before another try.
std::string refusal(const Request& r, const RecurrentShape& s) {
  if (r.outputs[0].dtype != f32) return "has f32 only";
  if (s.batch * s.steps * s.units == 0) return "takes no empty sequences";
  for (const Layout& l : r.inputs) {
    if (!l.contiguous()) return "wants operands without gaps";
  }
  for (const Layout& l : r.outputs) {
    if (!l.contiguous()) return "wants operands without gaps";
  }
  return {};
}

/// Threads for the steps: each must be worth it by itself.
int threads_of(const RecurrentShape& s, int threads) {
  const double step = 2. * static_cast<double>(s.batch) * static_cast<double>(s.units) *
                      static_cast<double>(s.units) * gates_of(s.kind);
  // Between two steps the threads wait for each other, some microseconds.
  constexpr double kWorthAThread = 5e5;
  return step < kWorthAThread ? 1 : threads;
}

constexpr int64_t kAlign = 64;
int64_t bytes_of(int64_t floats) {
  return round_up(floats * static_cast<int64_t>(sizeof(float)), kAlign);
}

const float* in(const Arguments& a, size_t i) { return static_cast<const float*>(a.inputs[i]); }
float* out(const Arguments& a, size_t i) { return static_cast<float*>(a.outputs[i]); }

// Inputs x, kernel, recurrent kernel, bias, state, the cell of an LSTM, mask.
class Forward final : public Kernel {
 public:
  Forward(RecurrentShape shape, std::unique_ptr<Kernel> product, int64_t mask, int threads)
      : s_(shape), product_(std::move(product)), mask_(mask), threads_(threads) {}

  /// An LSTM's gates are made where they stay; the others need room for what x brings.
  int64_t scratch_bytes() const override {
    return packed() + brought() + product_->scratch_bytes();
  }

  void run(const Arguments& a) const noexcept override {
    varve::cpu::RecurrentForward f{};
    const bool lstm = s_.kind == CellKind::lstm;
    auto* sums = lstm ? out(a, 2) : reinterpret_cast<float*>(a.scratch + packed());
    void* to[] = {sums};
    void* from[] = {a.inputs[0], a.inputs[1], a.inputs[3]};
    product_->run({from, to, a.scratch + packed() + brought(), a.fault});
    f.brought = sums;
    f.recurrent_kernel = in(a, 2);
    f.bias = s_.kind == CellKind::gru ? in(a, 3) + 3 * s_.units : nullptr;
    f.state = in(a, 4);
    f.cell = lstm ? in(a, 5) : nullptr;
    f.mask = mask_ > 0 ? static_cast<const bool*>(a.inputs[mask_]) : nullptr;
    f.states = out(a, 0);
    f.cells = lstm ? out(a, 1) : nullptr;
    f.kept = lstm ? out(a, 2) : s_.kind == CellKind::gru ? out(a, 1) : nullptr;
    f.scratch = reinterpret_cast<float*>(a.scratch);
    varve::cpu::recurrent_forward(s_, f, threads_);
  }

 private:
  int64_t packed() const { return bytes_of(varve::cpu::packed_forward(s_)); }
  int64_t brought() const {
    if (s_.kind == CellKind::lstm) return 0;
    return bytes_of(s_.batch * s_.steps * s_.units * gates_of(s_.kind));
  }

  RecurrentShape s_;
  std::unique_ptr<Kernel> product_;
  int64_t mask_;
  int threads_;
};

/// x kernel + bias for all steps.
std::unique_ptr<Kernel> product_of(const Request& r, const RecurrentShape& s) {
  const int64_t rows = s.batch * s.steps, width = gates_of(s.kind) * s.units;
  const int64_t features = r.inputs[0].shape[2];
  const Layout inputs[] = {packed({f32, Shape{rows, features}}),
                           packed({f32, Shape{features, width}}), packed({f32, Shape{width}})};
  const Layout output = packed({f32, Shape{rows, width}});
  const ir::Attributes attributes{{"transpose_a", false}, {"transpose_b", false}};
  return choose_kernel({ops::get("matmul"), attributes, inputs, std::span(&output, 1), r.threads},
                       KernelSet::all)
      .kernel;
}

Offer prepare_forward(const Request& r) {
  const Shape& y = r.outputs[0].shape;
  const RecurrentShape s{kind_of(r), y[0], y[1], y[2], r.attributes.flag("reverse")};
  if (std::string why = refusal(r, s); !why.empty()) return Offer::decline(why);
  const size_t mask = s.kind == CellKind::lstm ? 6 : 5;
  auto product = product_of(r, s);
  if (!product) return Offer::decline("there is no kernel for the product");
  return Offer(std::make_unique<Forward>(s, std::move(product),
                                         r.inputs.size() > mask ? static_cast<int64_t>(mask) : 0,
                                         threads_of(s, r.threads)));
}

class Backward final : public Kernel {
 public:
  Backward(RecurrentShape shape, bool masked, int threads)
      : s_(shape), masked_(masked), threads_(threads) {}

  int64_t scratch_bytes() const override {
    return bytes_of(varve::cpu::packed_backward(s_) + 2 * s_.batch * s_.units);
  }

  void run(const Arguments& a) const noexcept override {
    varve::cpu::RecurrentBackward b{};
    const auto mask = [&](size_t i) {
      return masked_ ? static_cast<const bool*>(a.inputs[i]) : nullptr;
    };
    b.recurrent_kernel = in(a, 0);
    b.sums = out(a, 0);
    b.state_gradient = out(a, 1);
    b.scratch = reinterpret_cast<float*>(a.scratch);
    if (s_.kind == CellKind::lstm) {
      b.cell = in(a, 1);
      b.cells = in(a, 2);
      b.kept = in(a, 3);
      b.states_gradient = in(a, 4);
      b.cells_gradient = in(a, 5);
      b.cell_gradient = out(a, 2);
      b.mask = mask(6);
    } else if (s_.kind == CellKind::gru) {
      b.state = in(a, 1);
      b.states = in(a, 2);
      b.kept = in(a, 3);
      b.states_gradient = in(a, 4);
      b.state_sums = out(a, 1);
      b.state_gradient = out(a, 2);
      b.mask = mask(5);
    } else {
      b.states = in(a, 1);
      b.states_gradient = in(a, 2);
      b.mask = mask(3);
    }
    varve::cpu::recurrent_backward(s_, b, threads_);
  }

 private:
  RecurrentShape s_;
  bool masked_;
  int threads_;
};

Offer prepare_backward(const Request& r) {
  const CellKind kind = kind_of(r);
  const size_t least = kind == CellKind::lstm ? 6 : kind == CellKind::gru ? 5 : 3;
  const Shape& y = r.inputs[kind == CellKind::tanh || kind == CellKind::relu ? 1 : 2].shape;
  const RecurrentShape s{kind, y[0], y[1], y[2], r.attributes.flag("reverse")};
  if (std::string why = refusal(r, s); !why.empty()) return Offer::decline(why);
  return Offer(std::make_unique<Backward>(s, r.inputs.size() > least, threads_of(s, r.threads)));
}

}  // namespace

std::vector<KernelRow> recurrent_kernels() {
  return {{"rnn", "simd rnn", prepare_forward},
          {"lstm", "simd lstm", prepare_forward},
          {"gru", "simd gru", prepare_forward},
          {"rnn_gradient", "simd rnn", prepare_backward},
          {"lstm_gradient", "simd lstm", prepare_backward},
          {"gru_gradient", "simd gru", prepare_backward}};
}

}  // namespace varve::backend::cpu
