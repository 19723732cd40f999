// oneDNN behind the kernel contract: a kernel is a short program of primitives, prepared once and
// run on the operands' own memory. Compiles against 2.x and 3.x.
#pragma once
#include <atomic>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <optional>
#include <string>
#include <vector>

#include "backend/cpu/thread_scope.h"
#include "backend/kernel.h"
#include "base/pointwise.h"

namespace varve::backend::cpu {

using dnnl::memory;
using Dims = memory::dims;

const dnnl::engine& engine();
/// Attributes of every primitive: scratch memory is handed in by us, not kept by the library; an
/// function of what it writes: none, or one that `attachable` takes.
const dnnl::primitive_attr& attributes(Pointwise activation = Pointwise::identity);
bool attachable(Pointwise activation);

/// f32 and bf16; empty for types that oneDNN does not compute in.
std::optional<memory::data_type> type_of(DType dtype);

inline Dims dims_of(const memory::desc& d) {
#if DNNL_VERSION_MAJOR >= 3
  return d.get_dims();
#else
  return d.dims();
#endif
}

/// Where an operand lies: input or output number, or bytes into scratch.
struct Place {
  enum class Kind { input, output, scratch } kind = Kind::input;
  int64_t at = 0;

  friend bool operator==(const Place&, const Place&) = default;
};
struct Operand {
  int argument = 0;  ///< DNNL_ARG_...
  memory::desc desc;
  Place place;
};

class Program final : public Kernel {
 public:
  explicit Program(int threads) : threads_(threads) {}
  ~Program() override;

  /// Room in scratch, aligned to 64 bytes.
  Place reserve(size_t bytes);
  /// Input `i` as row-major elements without gaps, or in its format: itself, or a copy made first.
  Place row_major_input(const Request& r, size_t i);
  /// Adds a primitive and its scratchpad.
  template <class PrimitiveDesc>
  void add(const PrimitiveDesc& made, dnnl::primitive primitive, std::vector<Operand> operands) {
    const memory::desc pad = made.scratchpad_desc();
    if (pad.get_size() > 0) operands.push_back({DNNL_ARG_SCRATCHPAD, pad, reserve(pad.get_size())});
    steps_.push_back({std::move(primitive), std::move(operands), {}, {}, {}});
  }
  /// Input `i`, which lies as `from` (made row-major first where `copied`), as `to`: itself, or
  /// laid out first, which take_packing hands out.
  Place packed_input(const Request& r, size_t i, bool copied, const memory::desc& from,
                     const memory::desc& to);
  void add_reorder(const memory::desc& from, Place source, const memory::desc& to, Place target);

  void run(const Arguments& a) const noexcept override;
  int64_t scratch_bytes() const override { return scratch_; }
  Packing take_packing(int input) override;

 private:
  struct Step {
    dnnl::primitive primitive;  // or, where it is empty, a copy of `layout` from `from` to `to`
    std::vector<Operand> operands;
    Layout layout;
    Place from, to;
  };
  /// oneDNN's argument objects: one set a concurrent run.
  struct Objects;
  std::unique_ptr<Objects> make_objects() const;
  static std::byte* address(const Place& place, const Arguments& a);
  template <class F>
  void each_place(F f);
  void replace(const Place& old, const Place& by);
  void drop_unused_rooms();

  struct Room {
    int64_t at, bytes;
  };
  /// Steps that lay an input out.
  struct PackedInput {
    int64_t input;
    size_t first, end;
    Place to;
    int64_t bytes;
  };
  int threads_;
  int64_t scratch_ = 0;
  std::vector<Step> steps_;
  std::vector<Room> rooms_;  // of scratch, in order
  std::optional<PackedInput> packed_;
  mutable std::atomic<Objects*> spare_{nullptr};
};

/// Why a primitive descriptor is of no use; empty where it is good.
template <class PrimitiveDesc>
std::string refusal(const PrimitiveDesc& made) {
  if (!made) return "oneDNN has no implementation";
  const std::string name = made.impl_info_str();
  return name.rfind("ref", 0) == 0 ? "oneDNN has only its reference loops (" + name + ")" : "";
}

/// [batch, spatial..., channels] in row-major order, or in a format of blocks, as oneDNN's batch,
/// channels, spatial.
memory::desc activation_desc(const Shape& shape, memory::data_type type,
                             Format format = Format::plain);

/// Kernels of average_pool and average_pool_gradient.
Offer onednn_average_pool(const Request& request);
/// Kernels of matmul, and of convolution and its gradients; `activation` (identity: none) follows
/// what they write.
Offer onednn_matmul(const Request& request, Pointwise activation = Pointwise::identity);
Offer onednn_convolution(const Request& request, Pointwise activation = Pointwise::identity);
/// Whether there is a kernel for f32 operands of convolution or of a gradient of it as they lie;
/// makes none.
bool onednn_has_convolution(const Request& request);

}  // namespace varve::backend::cpu
