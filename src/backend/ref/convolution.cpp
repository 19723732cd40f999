// Convolution and its gradients as plain loops over three spatial axes (missing ones have size 1).
#include "backend/ref/families.h"
#include "backend/ref/loops.h"
#include "backend/ref/windows.h"

namespace varve::backend::ref {
namespace {

struct Problem {
  Windows windows;
  int64_t batch, in, out, groups;  // in, out: channels a group
  Spatial x, y, kernel;            // the kernel's first and last step are of in and out
  int64_t bias_step = 0;
};

template <class T>
void forward(const Problem& c, const T* x, const T* kernel, const T* bias, T* y) {
  for (int64_t b = 0; b < c.batch; ++b) {
    for_each(c.windows.y_size, [&](const Three& p) {
      for (int64_t o = 0; o < c.out * c.groups; ++o) {
        const int64_t group = o / c.out;
        double sum = bias ? static_cast<double>(bias[o * c.bias_step]) : 0;
        for_each(c.windows.taps, [&](const Three& t) {
          Three at;
          if (!c.windows.input_at(p, t, at)) return;
          const T* from = x + b * c.x.first + c.x.at(at) + group * c.in * c.x.last;
          const T* by = kernel + c.kernel.at(t) + o * c.kernel.last;
          for (int64_t i = 0; i < c.in; ++i) {
            sum += static_cast<double>(from[i * c.x.last]) *
                   static_cast<double>(by[i * c.kernel.first]);
          }
        });
        y[b * c.y.first + c.y.at(p) + o * c.y.last] = convert<T>(sum);
      }
    });
  }
}

template <class T>
void input_gradient(const Problem& c, const T* dy, const T* kernel, T* dx) {
  for (int64_t b = 0; b < c.batch; ++b) {
    for_each(c.windows.x_size, [&](const Three& at) {
      for (int64_t i = 0; i < c.in * c.groups; ++i) {
        const int64_t group = i / c.in;
        double sum = 0;
        for_each(c.windows.taps, [&](const Three& t) {
          Three p;
          if (!c.windows.output_at(at, t, p)) return;
          const int64_t o = group * c.out;
          const T* from = dy + b * c.y.first + c.y.at(p) + o * c.y.last;
          const T* by = kernel + c.kernel.at(t) + (i % c.in) * c.kernel.first + o * c.kernel.last;
          for (int64_t n = 0; n < c.out; ++n) {
            sum += static_cast<double>(from[n * c.y.last]) *
                   static_cast<double>(by[n * c.kernel.last]);
          }
        });
        dx[b * c.x.first + c.x.at(at) + i * c.x.last] = convert<T>(sum);
      }
    });
  }
}

template <class T>
void filter_gradient(const Problem& c, const T* x, const T* dy, T* dk) {
  for_each(c.windows.taps, [&](const Three& t) {
    for (int64_t i = 0; i < c.in; ++i) {
      for (int64_t o = 0; o < c.out * c.groups; ++o) {
        const int64_t channel = o / c.out * c.in + i;
        double sum = 0;
        for (int64_t b = 0; b < c.batch; ++b) {
          for_each(c.windows.y_size, [&](const Three& p) {
            Three at;
            if (!c.windows.input_at(p, t, at)) return;
            sum += static_cast<double>(x[b * c.x.first + c.x.at(at) + channel * c.x.last]) *
                   static_cast<double>(dy[b * c.y.first + c.y.at(p) + o * c.y.last]);
          });
        }
        dk[c.kernel.at(t) + i * c.kernel.first + o * c.kernel.last] = convert<T>(sum);
      }
    }
  });
}

Problem problem(const Request& r, const Layout& x, const Layout& kernel, const Layout& y) {
  const size_t axes = static_cast<size_t>(x.shape.rank()) - 2;
  const auto taps = kernel.shape.dims().begin();
  const ops::Window w =
      ops::window_of(r.attributes, ir::Ints(taps, taps + static_cast<std::ptrdiff_t>(axes)));
  Problem c;
  c.windows = windows_of(w, x.shape, y.shape);
  c.batch = x.shape[0];
  c.groups = r.attributes.integer("groups");
  c.in = kernel.shape[-2];
  c.out = kernel.shape[-1] / c.groups;
  c.x = spatial_of(x.strides);
  c.y = spatial_of(y.strides);
  c.kernel = {kernel.strides[axes], kernel.strides[axes + 1], {}};
  fill(c.kernel.space, kernel.strides.data(), axes);
  return c;
}

template <class F>
void floating(DType d, F f) {
  ir::dispatch(d, [&]<class T>(T v) {
    if constexpr (ir::is_float_element<T>) f(v);
  });
}

Offer prepare_forward(const Request& r) {
  Problem c = problem(r, r.inputs[0], r.inputs[1], r.outputs[0]);
  const bool bias = r.inputs.size() == 3;
  if (bias) c.bias_step = r.inputs[2].strides[0];
  return kernel([c, bias, d = r.outputs[0].dtype](const Arguments& a) {
    floating(d, [&]<class T>(T) {
      forward<T>(c, in<T>(a, 0), in<T>(a, 1), bias ? in<T>(a, 2) : nullptr, out<T>(a));
    });
  });
}

Offer prepare_input_gradient(const Request& r) {
  const Problem c = problem(r, r.outputs[0], r.inputs[1], r.inputs[0]);
  return kernel([c, d = r.outputs[0].dtype](const Arguments& a) {
    floating(d, [&]<class T>(T) { input_gradient<T>(c, in<T>(a, 0), in<T>(a, 1), out<T>(a)); });
  });
}

Offer prepare_filter_gradient(const Request& r) {
  const Problem c = problem(r, r.inputs[0], r.outputs[0], r.inputs[1]);
  return kernel([c, d = r.outputs[0].dtype](const Arguments& a) {
    floating(d, [&]<class T>(T) { filter_gradient<T>(c, in<T>(a, 0), in<T>(a, 1), out<T>(a)); });
  });
}

}  // namespace

std::vector<KernelRow> convolution_kernels() {
  return {
      {"convolution", "ref convolution", prepare_forward},
      {"convolution_input_gradient", "ref convolution_input_gradient", prepare_input_gradient},
      {"convolution_filter_gradient", "ref convolution_filter_gradient", prepare_filter_gradient}};
}

}  // namespace varve::backend::ref
