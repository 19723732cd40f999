// Winograd's kernels beside the direct ones: time, and distance from sums in double precision.
#include <cmath>
#include <cstdio>
#include <memory>
#include <vector>

#include "backend/cpu/convolution_ways.h"
#include "backend/cpu/kernels.h"
#include "backend/cpu/onednn.h"
#include "backend/kernel.h"
#include "ir/storage.h"
#include "ops/table.h"
#include "ratios.h"
#include "varve/error.h"

namespace varve::bench {
namespace {

using backend::Layout;

struct Pictures {
  int64_t batch, side, in, out;
};
// Of ResNet-18 at 224, of ResNet-20 for CIFAR, of VGG, of a U-Net's second stage.
constexpr Pictures kPictures[] = {{8, 56, 64, 64},  {8, 28, 128, 128},  {8, 14, 256, 256},
                                  {8, 7, 512, 512}, {128, 32, 16, 16},  {128, 16, 32, 32},
                                  {128, 8, 64, 64}, {16, 16, 128, 256}, {4, 64, 64, 64}};

/// A prepared kernel on operands of its own.
class Prepared {
 public:
  explicit Prepared(std::unique_ptr<backend::Kernel> kernel, std::vector<void*> in, void* out)
      : kernel_(std::move(kernel)), in_(std::move(in)), out_(out) {
    if (kernel_) scratch_ = std::make_unique<ir::Storage>(kernel_->scratch_bytes());
  }
  explicit operator bool() const { return kernel_ != nullptr; }
  void run() {
    backend::Fault fault;
    kernel_->run({in_.data(), &out_, scratch_->data(), &fault});
  }

 private:
  std::unique_ptr<backend::Kernel> kernel_;
  std::vector<void*> in_;
  void* out_;
  std::unique_ptr<ir::Storage> scratch_;
};

/// Elements and where they lie.
template <class T>
struct Array {
  Layout layout;
  std::vector<T> elements;
  Array(DType type, Shape s)
      : layout(backend::packed({type, s})), elements(static_cast<size_t>(s.size())) {}
};

/// Root of the mean square of the difference, as a part of that of what is exact.
double distance(const Array<float>& found, const Array<double>& exact) {
  double off = 0, all = 0;
  for (size_t i = 0; i < exact.elements.size(); ++i) {
    const double d = static_cast<double>(found.elements[i]) - exact.elements[i];
    off += d * d;
    all += exact.elements[i] * exact.elements[i];
  }
  return std::sqrt(off / all);
}

struct Pass {
  const char* op;
  const char* name;
  Shape left, right, made;
  ir::Ints size;
};

void print_pass(const std::string& name, const Pass& p, int threads, double min_time) {
  ir::Attributes a{{"strides", ir::Ints{1, 1}},
                   {"dilation", ir::Ints{1, 1}},
                   {"padding_low", ir::Ints{1, 1}},
                   {"padding_high", ir::Ints{1, 1}},
                   {"groups", int64_t{1}}};
  if (!p.size.empty()) a.set("size", p.size);
  Array<float> left(f32, p.left), right(f32, p.right), made(f32, p.made);
  Array<double> exact_left(f64, p.left), exact_right(f64, p.right), exact(f64, p.made);
  uint64_t state = 1;
  const auto fill = [&](Array<float>& x, Array<double>& copy) {
    for (size_t i = 0; i < x.elements.size(); ++i) {
      state = state * 6364136223846793005u + 1442695040888963407u;
      x.elements[i] = static_cast<float>(static_cast<double>(state >> 40) / (1 << 23) - 1);
      copy.elements[i] = static_cast<double>(x.elements[i]);
    }
  };
  fill(left, exact_left), fill(right, exact_right);
  const auto& op = ops::get(p.op);
  const std::vector<Layout> in{left.layout, right.layout}, out{made.layout};
  const backend::Request request{op, a, in, out, threads};
  const std::vector<void*> operands{left.elements.data(), right.elements.data()};
  Prepared winograd(backend::cpu::any_winograd(request).kernel, operands, made.elements.data());
  Prepared direct(backend::cpu::onednn_convolution(request).kernel, operands, made.elements.data());
  if (!winograd || !direct) return;
  print_ratio(
      name, [&] { winograd.run(); }, [&] { direct.run(); }, threads, min_time);

  const std::vector<Layout> exact_in{exact_left.layout, exact_right.layout},
      exact_out{exact.layout};
  Prepared(
      backend::choose_kernel({op, a, exact_in, exact_out, threads}, backend::KernelSet::ref).kernel,
      {exact_left.elements.data(), exact_right.elements.data()}, exact.elements.data())
      .run();
  const auto error = [&](Prepared& kernel) {
    kernel.run();
    return distance(made, exact);
  };
  const double of_winograd = error(winograd), of_direct = error(direct);
  std::printf("{\"name\": \"%s\", \"error\": %.2g, \"other_error\": %.2g}\n", name.c_str(),
              of_winograd, of_direct);
  std::fflush(stdout);
}

}  // namespace

void print_winograd(int threads, double min_time) {
  for (const Pictures& c : kPictures) {
    const Shape x{c.batch, c.side, c.side, c.in}, y{c.batch, c.side, c.side, c.out},
        k{3, 3, c.in, c.out};
    for (const Pass& p :
         {Pass{"convolution", "forward", x, k, y, {}},
          Pass{"convolution_input_gradient", "gradient of the input", y, k, x, {c.side, c.side}},
          Pass{"convolution_filter_gradient", "gradient of the filter", x, y, k, {3, 3}}}) {
      print_pass(x.to_string() + " to " + std::to_string(c.out) + ", " + p.name, p, threads,
                 min_time);
    }
  }
}

}  // namespace varve::bench
