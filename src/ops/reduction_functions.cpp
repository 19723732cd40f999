// The reductions users call: axes are normalized, then one node is made.
#include <cmath>

#include "base/error.h"
#include "ops/build.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve {
namespace {

ir::Ints axes_of(const char* op, const Operand& x, const Tensor& t, const std::vector<int>& axes) {
  try {
    return ops::normalize_axes(op, axes, t.rank());
  } catch (const IndexError& e) {
    throw IndexError(e.message(), "the operand is " + t.shape().to_string(), x.where().to_string());
  } catch (const ValueError& e) {
    throw ValueError(e.message(), e.hint(), x.where().to_string());
  }
}

/// `name` is the function's, for errors.
Tensor reduce(const char* op, const char* name, const Operand& x, const Tensor& t,
              const ReduceOptions& o) {
  return ops::make(op, {t}, {{"axes", axes_of(name, x, t, o.axes)}, {"keep_dims", o.keep_dims}},
                   x.where());
}
Tensor reduce(const char* op, const Operand& x, const Tensor& t, const ReduceOptions& o) {
  return reduce(op, op, x, t, o);
}

Tensor arg(const char* op, const Operand& x, const ArgOptions& o) {
  Tensor t = x.tensor();
  const int rank = t.rank();
  int axis = 0;
  if (o.axis) {
    axis = static_cast<int>(axes_of(op, x, t, {*o.axis})[0]);
  } else {
    t = reshape(Operand(t, x.where()), {-1});
  }
  const Tensor y = ops::make(op, {t}, {{"axis", int64_t{axis}}}, x.where());
  if (!o.keep_dims) return y;
  std::vector<int64_t> dims(static_cast<size_t>(rank), 1);
  if (o.axis) dims = t.shape().dims(), dims[static_cast<size_t>(axis)] = 1;
  return reshape(Operand(y, x.where()), Shape(std::move(dims)));
}

/// A root whose derivative at 0 is 0 instead of infinite.
Tensor safe_root(const Tensor& x) {
  const Tensor zero = x == 0;
  return where(zero, 0, sqrt(where(zero, 1, x)));
}

}  // namespace

Tensor sum(const Operand& x, const ReduceOptions& o) { return reduce("sum", x, x.tensor(), o); }
Tensor mean(const Operand& x, const ReduceOptions& o) {
  return reduce("mean", x, ops::floating(x), o);
}
Tensor prod(const Operand& x, const ReduceOptions& o) { return reduce("prod", x, x.tensor(), o); }
Tensor max(const Operand& x, const ReduceOptions& o) { return reduce("max", x, x.tensor(), o); }
Tensor min(const Operand& x, const ReduceOptions& o) { return reduce("min", x, x.tensor(), o); }
Tensor logsumexp(const Operand& x, const ReduceOptions& o) {
  return reduce("logsumexp", x, ops::floating(x), o);
}
Tensor any(const Operand& x, const ReduceOptions& o) { return reduce("any", x, x.tensor(), o); }
Tensor all(const Operand& x, const ReduceOptions& o) { return reduce("all", x, x.tensor(), o); }

Tensor count_nonzero(const Operand& x, const ReduceOptions& o) {
  const Tensor t = cast(x, DType::bool_);
  return reduce("sum", "count_nonzero", x, t, o);
}

namespace {

Tensor variance(const char* name, const Operand& x, const MomentOptions& o) {
  const ir::CallerScope caller(x.where());
  const Tensor t = ops::floating(x);
  const ir::Ints axes = axes_of(name, x, t, o.axes);
  double count = 1;
  for (int64_t a : axes) count *= static_cast<double>(t.shape()[static_cast<int>(a)]);
  const double divisor = count - o.correction.value;
  const Tensor v = ir::apply(ops::get("moments"), {{t}},
                             {{"axes", axes}, {"keep_dims", o.keep_dims}}, x.where())[1];
  if (divisor == count) return v;
  return v * (divisor > 0 ? count / divisor : std::nan(""));
}

}  // namespace

Moments moments(const Operand& x, const ReduceOptions& o) {
  const Tensor t = ops::floating(x);
  const std::vector<Tensor> y = ir::apply(
      ops::get("moments"), {{t}},
      {{"axes", axes_of("moments", x, t, o.axes)}, {"keep_dims", o.keep_dims}}, x.where());
  return {y[0], y[1]};
}
Tensor var(const Operand& x, const MomentOptions& o) { return variance("var", x, o); }
Tensor std(const Operand& x, const MomentOptions& o) {
  const ir::CallerScope caller(x.where());
  return safe_root(variance("std", x, o));
}

Tensor norm(const Operand& x, const NormOptions& o) {
  const double p = o.order;
  if (!(p > 0)) {
    throw ValueError("norm: order: expected a number above 0, got " + std::to_string(p), "",
                     x.where().to_string());
  }
  const ir::CallerScope caller(x.where());
  const Tensor t = ops::floating(x);
  const ReduceOptions over{o.axes, o.keep_dims};
  if (p == 1) return reduce("sum", "norm", x, abs(t), over);
  if (p == 2) return safe_root(reduce("sum", "norm", x, square(t), over));
  if (std::isinf(p)) return reduce("max", "norm", x, abs(t), over);
  const Tensor total = reduce("sum", "norm", x, power(abs(t), p), over);
  const Tensor zero = total == 0;
  return where(zero, 0, power(where(zero, 1, total), 1 / p));
}

Tensor argmax(const Operand& x, const ArgOptions& o) { return arg("argmax", x, o); }
Tensor argmin(const Operand& x, const ArgOptions& o) { return arg("argmin", x, o); }

}  // namespace varve
