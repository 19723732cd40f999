// Fourier transforms computed in the type of their elements.
#include "backend/fourier.h"

#include "backend/cpu/kernels.h"

namespace varve::backend::cpu {
namespace {

Offer prepare(const Request& r) {
  const DType d = r.outputs[0].dtype;
  if (d == f32) return Offer(std::make_unique<FourierKernel<float, float>>(r));
  if (d == f64) return Offer(std::make_unique<FourierKernel<double, double>>(r));
  return Offer::decline("takes f32 and f64");
}

}  // namespace

std::vector<KernelRow> fourier_kernels() {
  return {
      {"fft", "cpu fft", prepare}, {"rfft", "cpu rfft", prepare}, {"irfft", "cpu irfft", prepare}};
}

}  // namespace varve::backend::cpu
