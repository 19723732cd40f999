// Copies to row-major order, by the backend's kernel.
#include "base/threads.h"
#include "ir/dispatch.h"
#include "runtime/evaluate.h"
#include "runtime/prepare.h"

namespace varve::ir {

Array contiguous_copy(const TensorType& type, const Array& array) {
  Array out = allocate(type.dtype, type.shape);
  if (type.shape.size() == 0) return out;
  const backend::Layout from{type.dtype, type.shape, array.strides};
  const auto kernel = runtime::prepare_copy(from, backend::packed(type),
                                            runtime::execute_options().kernels, thread_count());
  void *source = array.data(), *target = out.data();
  backend::Fault fault;
  kernel->run({&source, &target, nullptr, &fault});
  return out;
}

}  // namespace varve::ir
