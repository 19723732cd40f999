// Fourier transforms of any type, in double.
#include "backend/fourier.h"

#include "backend/ref/families.h"
#include "backend/ref/loops.h"

namespace varve::backend::ref {
namespace {

Offer prepare(const Request& r) {
  std::unique_ptr<Kernel> made;
  ir::dispatch(r.outputs[0].dtype, [&]<class E>(E) {
    if constexpr (ir::is_float_element<E>) made = std::make_unique<FourierKernel<E>>(r);
  });
  return Offer(std::move(made));
}

}  // namespace

std::vector<KernelRow> fourier_kernels() {
  return {
      {"fft", "ref fft", prepare}, {"rfft", "ref rfft", prepare}, {"irfft", "ref irfft", prepare}};
}

}  // namespace varve::backend::ref
