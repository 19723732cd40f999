// Counter-based random numbers: pure functions of a key.
#include "base/error.h"
#include "base/philox.h"
#include "ops/build.h"

namespace varve::ops {
namespace {

void require_key(const InferArguments& a) {
  if (a[0] != TensorType{u64, Shape{2}}) {
    throw ShapeError(text_of(a.op.name, "key: expected u64[2], got " + a[0].to_string()));
  }
}

}  // namespace

std::span<const ir::OpDef> random_rows() {
  static const std::vector<ir::OpDef> rows = {
      {.name = "fold_in",
       .doc = "A new key from a key and a u64 number: Philox4x32-10 of the number under the key "
              "(Salmon et al. 2011).",
       .min_inputs = 2,
       .max_inputs = 2,
       .infer = [](const InferArguments& a) -> Types {
         require_key(a);
         if (a[1] != TensorType{u64, Shape{}}) {
           throw ShapeError(text_of(a.op.name, "number: expected u64[], got " + a[1].to_string()));
         }
         return {a[0]};
       },
       .derivative = ir::NotDifferentiable{"keys are integers"}},
  };
  return rows;
}

}  // namespace varve::ops

namespace varve {

Key::Key(uint64_t seed, uint64_t stream) : bits_(varve::tensor({seed, stream})) {}

Key::Key(const Tensor& bits) : bits_(bits) {
  if (bits.dtype() != u64 || bits.shape() != Shape{2}) {
    throw ShapeError("Key: expected u64[2], got " + ir::type_of(bits).to_string());
  }
}

Key Key::fold_in(uint64_t number) const {
  return Key(ops::make("fold_in", {bits_, varve::tensor({number}, Shape{})}));
}

Key Key::fold_in(std::string_view name) const {
  uint64_t h = 0xcbf29ce484222325;  // FNV-1a, 64 bits
  for (char c : name) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return fold_in(h);
}

}  // namespace varve
