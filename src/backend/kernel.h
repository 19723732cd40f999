// What a backend offers: prepared kernels, in ordered lists; each says why it declines.
#pragma once
#include <atomic>
#include <exception>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ir/graph.h"
#include "transform/select.h"

namespace varve::backend {

using ir::Format;

/// Type and strides (in elements) of an operand; in a format that is not plain, strides say
/// nothing.
struct Layout {
  DType dtype = DType::f32;
  Shape shape;
  ir::Strides strides;
  Format format = Format::plain;
  /// The elements seldom change: what lays them out (Kernel::take_packing) costs nothing.
  bool steady = false;

  /// Row-major elements without gaps.
  bool contiguous() const { return format == Format::plain && ir::is_contiguous(shape, strides); }
};

/// The row-major layout of a type.
inline Layout packed(const ir::TensorType& type, bool steady = false) {
  return {type.dtype, type.shape, ir::row_major(type.shape), Format::plain, steady};
}

/// What a kernel is made for: everything but the elements.
struct Request {
  const ir::OpDef& op;
  const ir::Attributes& attributes;
  std::span<const Layout> inputs, outputs;
  int threads = 1;
};

/// An input value that no shape rule can see (a label, an index) was out of range. Kernels do not
/// throw: they note faults, and the executor turns the one that lies first, whichever thread met it
/// when, into an IndexError.
struct Fault {
  std::atomic<bool> set{false};
  int input = 0;         ///< which input holds the value
  int64_t position = 0;  ///< row-major index within it
  int64_t value = 0, low = 0, high = 0;

  std::exception_ptr thrown;  ///< by a function of the user's own

  void note_exception(std::exception_ptr e) noexcept {
    const Turn turn(busy_);
    if (!set.exchange(true)) thrown = std::move(e);
  }
  void note(int which, int64_t at, int64_t got, int64_t from, int64_t to) noexcept {
    const Turn turn(busy_);
    if (set.exchange(true) && (thrown || at >= position)) return;
    input = which, position = at, value = got, low = from, high = to;
  }

 private:
  /// One thread at a time; kernels must not wait for a mutex that may throw.
  class Turn {
   public:
    explicit Turn(std::atomic_flag& busy) noexcept : busy_(busy) {
      while (busy_.test_and_set(std::memory_order_acquire)) {
      }
    }
    ~Turn() { busy_.clear(std::memory_order_release); }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    std::atomic_flag& busy_;
  };
  std::atomic_flag busy_ = ATOMIC_FLAG_INIT;
};

struct Arguments {
  void* const* inputs;  ///< elements of index 0 of each input
  void* const* outputs;
  std::byte* scratch;  ///< scratch_bytes(), 64-byte aligned
  Fault* fault;
};

class Kernel;
/// What lays an operand out for a kernel beforehand: one input, one output of so many bytes.
struct Packing {
  std::unique_ptr<Kernel> kernel;
  int64_t bytes = 0;
};

/// Immutable once prepared: several threads may run it at the same time on different arguments.
class Kernel {
 public:
  virtual ~Kernel() = default;
  virtual void run(const Arguments& a) const noexcept = 0;
  virtual int64_t scratch_bytes() const { return 0; }
  /// Whether an output may lie in the very memory of an input (same size and strides): each element
  /// is read before its place is written, and no other place is read later.
  virtual bool in_place(int input, int output) const {
    (void)input, (void)output;
    return false;
  }
  /// From now on reads in an input's place what the returned kernel made of it, and no longer lays
  /// it out anew at every run; not while it runs. Empty where there is nothing to lay out.
  virtual Packing take_packing(int input) {
    (void)input;
    return {};
  }
  /// Whether an output may be a null pointer where nobody reads it.
  virtual bool optional(int output) const {
    (void)output;
    return false;
  }
};

/// A kernel, or why there is none.
struct Offer {
  std::unique_ptr<Kernel> kernel;
  std::string declined;

  Offer(std::unique_ptr<Kernel> k) : kernel(std::move(k)) {}
  static Offer decline(std::string why) {
    Offer o(nullptr);
    o.declined = std::move(why);
    return o;
  }
};

/// One row of a backend's list: tried in order for the op of that name ("*" for every op).
struct KernelRow {
  const char* op;
  const char* name;
  Offer (*prepare)(const Request&);
  /// For a request with plain operands, every way in which the kernel can run it, plain the first,
  /// with predicted times; empty where it cannot, or where a later row tells its ways too. Null: it
  /// takes plain operands only.
  std::vector<transform::Candidate> (*candidates)(const Request&) = nullptr;

  bool is_for(const ir::OpDef& other) const {
    return std::string_view(op) == "*" || std::string_view(op) == other.name;
  }
};

/// Plain loops: one for every primitive op. Families, a file each.
const std::vector<KernelRow>& ref_kernels();
/// oneDNN and SIMD.
const std::vector<KernelRow>& cpu_kernels();

/// Which kernels may be taken.
enum class KernelSet { all, cpu, ref };

struct Choice {
  std::unique_ptr<Kernel> kernel;  ///< null where no row fits
  const char* name = "";
  std::vector<std::string> declined;  ///< "onednn matmul: ...", in order
};
/// The first kernel of the lists that does not decline.
Choice choose_kernel(const Request& request, KernelSet set);

/// The CPU's kernels, as selection sees them.
class CpuTarget final : public transform::Target {
 public:
  /// `steady`: by node, whether what it makes seldom changes; empty for none.
  CpuTarget(KernelSet set, int threads, std::vector<bool> steady = {})
      : set_(set), threads_(threads), steady_(std::move(steady)) {}
  std::vector<transform::Candidate> candidates(const ir::Graph& graph, int32_t node) const override;
  double relay_seconds(const ir::TensorType& type, Format from, Format to) const override;

 private:
  KernelSet set_;
  int threads_;
  std::vector<bool> steady_;
};

/// A kernel of a callable `void(const Arguments&)` that does not throw.
template <class F>
class FunctionKernel final : public Kernel {
 public:
  explicit FunctionKernel(F f) : f_(std::move(f)) {}
  void run(const Arguments& a) const noexcept override { f_(a); }

 private:
  F f_;
};
template <class F>
Offer kernel(F f) {
  return Offer(std::make_unique<FunctionKernel<F>>(std::move(f)));
}

}  // namespace varve::backend
