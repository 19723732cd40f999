// Convolution and its gradients as plain loops over three spatial axes (missing ones have size 1).
#include <array>

#include "backend/ref/families.h"
#include "backend/ref/loops.h"
#include "ops/window.h"

namespace varve::backend::ref {
namespace {

using Three = std::array<int64_t, 3>;

/// An operand [batch, spatial x 3, channels] or [spatial x 3, in, out].
struct View {
  int64_t first = 0, last = 0;  // steps of batch and channel (kernels: of in and out)
  Three space{};
};

struct Problem {
  int64_t batch, in, out, groups;  // in, out: channels a group
  Three x_size{1, 1, 1}, y_size{1, 1, 1}, taps{1, 1, 1};
  Three stride{1, 1, 1}, dilation{1, 1, 1}, low{};
  View x, kernel, y;
  int64_t bias_step = 0;
};

/// The input position that tap t sees from output position p; false in the padding.
bool input_at(const Problem& c, const Three& p, const Three& t, Three& x) {
  for (size_t i = 0; i < 3; ++i) {
    x[i] = p[i] * c.stride[i] + t[i] * c.dilation[i] - c.low[i];
    if (x[i] < 0 || x[i] >= c.x_size[i]) return false;
  }
  return true;
}
/// The output position from which tap t sees input position x; false where there is none.
bool output_at(const Problem& c, const Three& x, const Three& t, Three& p) {
  for (size_t i = 0; i < 3; ++i) {
    const int64_t start = x[i] + c.low[i] - t[i] * c.dilation[i];
    p[i] = start / c.stride[i];
    if (start < 0 || start % c.stride[i] != 0 || p[i] >= c.y_size[i]) return false;
  }
  return true;
}

template <class F>
void for_each(const Three& size, F f) {
  for (int64_t i = 0; i < size[0]; ++i) {
    for (int64_t j = 0; j < size[1]; ++j) {
      for (int64_t k = 0; k < size[2]; ++k) f(Three{i, j, k});
    }
  }
}
int64_t offset(const View& v, const Three& at) {
  return at[0] * v.space[0] + at[1] * v.space[1] + at[2] * v.space[2];
}

template <class T>
void forward(const Problem& c, const T* x, const T* kernel, const T* bias, T* y) {
  for (int64_t b = 0; b < c.batch; ++b) {
    for_each(c.y_size, [&](const Three& p) {
      for (int64_t o = 0; o < c.out * c.groups; ++o) {
        const int64_t group = o / c.out;
        double sum = bias ? static_cast<double>(bias[o * c.bias_step]) : 0;
        for_each(c.taps, [&](const Three& t) {
          Three at;
          if (!input_at(c, p, t, at)) return;
          const T* from = x + b * c.x.first + offset(c.x, at) + group * c.in * c.x.last;
          const T* by = kernel + offset(c.kernel, t) + o * c.kernel.last;
          for (int64_t i = 0; i < c.in; ++i) {
            sum += static_cast<double>(from[i * c.x.last]) *
                   static_cast<double>(by[i * c.kernel.first]);
          }
        });
        y[b * c.y.first + offset(c.y, p) + o * c.y.last] = ir::convert<T>(sum);
      }
    });
  }
}

template <class T>
void input_gradient(const Problem& c, const T* dy, const T* kernel, T* dx) {
  for (int64_t b = 0; b < c.batch; ++b) {
    for_each(c.x_size, [&](const Three& at) {
      for (int64_t i = 0; i < c.in * c.groups; ++i) {
        const int64_t group = i / c.in;
        double sum = 0;
        for_each(c.taps, [&](const Three& t) {
          Three p;
          if (!output_at(c, at, t, p)) return;
          const int64_t o = group * c.out;
          const T* from = dy + b * c.y.first + offset(c.y, p) + o * c.y.last;
          const T* by =
              kernel + offset(c.kernel, t) + (i % c.in) * c.kernel.first + o * c.kernel.last;
          for (int64_t n = 0; n < c.out; ++n) {
            sum += static_cast<double>(from[n * c.y.last]) *
                   static_cast<double>(by[n * c.kernel.last]);
          }
        });
        dx[b * c.x.first + offset(c.x, at) + i * c.x.last] = ir::convert<T>(sum);
      }
    });
  }
}

template <class T>
void filter_gradient(const Problem& c, const T* x, const T* dy, T* dk) {
  for_each(c.taps, [&](const Three& t) {
    for (int64_t i = 0; i < c.in; ++i) {
      for (int64_t o = 0; o < c.out * c.groups; ++o) {
        const int64_t channel = o / c.out * c.in + i;
        double sum = 0;
        for (int64_t b = 0; b < c.batch; ++b) {
          for_each(c.y_size, [&](const Three& p) {
            Three at;
            if (!input_at(c, p, t, at)) return;
            sum += static_cast<double>(x[b * c.x.first + offset(c.x, at) + channel * c.x.last]) *
                   static_cast<double>(dy[b * c.y.first + offset(c.y, p) + o * c.y.last]);
          });
        }
        dk[offset(c.kernel, t) + i * c.kernel.first + o * c.kernel.last] = ir::convert<T>(sum);
      }
    }
  });
}

void fill(Three& to, const int64_t* from, size_t axes) {
  for (size_t i = 0; i < axes; ++i) to[3 - axes + i] = from[i];
}

Problem problem(const Request& r, const Layout& x, const Layout& kernel, const Layout& y) {
  const size_t axes = static_cast<size_t>(x.shape.rank()) - 2;
  const auto taps = kernel.shape.dims().begin();
  const ops::Window w =
      ops::window_of(r.attributes, ir::Ints(taps, taps + static_cast<std::ptrdiff_t>(axes)));
  Problem c;
  c.batch = x.shape[0];
  c.groups = r.attributes.integer("groups");
  c.in = kernel.shape[-2];
  c.out = kernel.shape[-1] / c.groups;
  fill(c.x_size, x.shape.dims().data() + 1, axes);
  fill(c.y_size, y.shape.dims().data() + 1, axes);
  fill(c.taps, w.size.data(), axes);
  fill(c.stride, w.strides.data(), axes);
  fill(c.dilation, w.dilation.data(), axes);
  fill(c.low, w.low.data(), axes);
  c.x = {x.strides[0], x.strides[axes + 1], {}};
  c.y = {y.strides[0], y.strides[axes + 1], {}};
  c.kernel = {kernel.strides[axes], kernel.strides[axes + 1], {}};
  fill(c.x.space, x.strides.data() + 1, axes);
  fill(c.y.space, y.strides.data() + 1, axes);
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
