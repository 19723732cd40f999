// Connectionist temporal classification (Graves et al. 2006). Over the labels with blanks between
// them (L = 2 S + 1 places) alpha[t, l] is the log probability of all beginnings that stand at
// place l after step t, beta that of all ends from there on (step t included in both).
#include "varve/ops/ctc.h"

#include <limits>

#include "base/error.h"
#include "ops/build.h"
#include "ops/checks.h"
#include "varve/ops/indexing.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve::ops {
namespace {

// "Impossible": a probability of e^-1e30 is 0, yet differences of two are numbers.
constexpr double kNever = -1e30;

TensorType loss_type(const InferArguments& a) {
  const TensorType &x = a[0], &labels = a[1];
  const int64_t blank = a.attributes.integer("blank");
  if (x.dtype != DType::f32 && x.dtype != DType::f64) {
    throw DTypeError(
        text_of(a.op.name, std::string("log_probs: expected f32 or f64, got ") + name_of(x.dtype)));
  }
  for (size_t i = 1; i < 4; ++i) {
    if (a[i].dtype == DType::i64) continue;
    throw DTypeError(
        text_of(a.op.name, "labels and lengths: expected i64, got " + a[i].to_string()));
  }
  const Shape batch{x.shape.rank() == 3 ? x.shape[0] : 0};
  if (x.shape.rank() != 3 || labels.shape.rank() != 2 || labels.shape[0] != x.shape[0] ||
      a[2].shape != batch || a[3].shape != batch) {
    throw ShapeError(text_of(a.op.name,
                             "expected log_probs [B, T, C], labels [B, S] and lengths "
                             "[B], got " +
                                 x.shape.to_string() + ", " + labels.shape.to_string() + ", " +
                                 a[2].shape.to_string() + " and " + a[3].shape.to_string()));
  }
  if (blank < 0 || blank >= x.shape[2]) {
    throw IndexError(text_of(a.op.name, "blank " + std::to_string(blank) + " of " +
                                            std::to_string(x.shape[2]) + " classes"));
  }
  return {x.dtype, batch};
}

Types ctc_type(const InferArguments& a) { return {loss_type(a)}; }
Types gradient_type(const InferArguments& a) {
  const TensorType loss = loss_type(a);
  if (a[4] != loss) throw ShapeError(text_of(a.op.name, "the gradient is of the losses' type"));
  return {a[0]};
}

/// What both directions walk over.
struct Lattice {
  int64_t batch, steps, places;
  Tensor emission;  // [B, T, L]: log probability of a place's class
  Tensor classes;   // [B, L]
  Tensor may_skip;  // bool [B, L]: whether the place two before may come right before
  Tensor places_used, steps_used;  // i64 [B, 1]
};

Tensor counted(int64_t n) { return reshape(arange(n), {1, n}); }

Lattice lattice(std::span<const Tensor> in, const Attributes& a) {
  const Tensor &x = in[0], &labels = in[1];
  const int64_t batch = x.shape()[0], steps = x.shape()[1], count = labels.shape()[1];
  Lattice l{batch, steps, 2 * count + 1, {}, {}, {}, {}, {}};
  const int64_t blank = a.integer("blank");
  // What lies beyond a sample's labels is never reached; it must only be a class.
  const Tensor used = where(counted(count) < reshape(in[3], {batch, 1}), labels, blank);
  const Tensor blanks = full({batch, count}, blank, i64);
  l.classes = concat(
      {reshape(stack({blanks, used}, 2), {batch, 2 * count}), full({batch, 1}, blank, i64)}, 1);
  const Tensor at =
      broadcast_to(reshape(l.classes, {batch, 1, l.places}), {batch, steps, l.places});
  l.emission = maximum(take_along_axis(x, at, 2), kNever);
  // A label may follow the label before at once, unless they are equal.
  const Tensor two_before =
      slice(concat({full({batch, 2}, blank, i64), l.classes}, 1), {{}, {0, l.places}});
  l.may_skip = logical_and(l.classes != blank, l.classes != two_before);
  l.places_used = 2 * reshape(in[3], {batch, 1}) + 1;
  l.steps_used = reshape(in[2], {batch, 1});
  return l;
}

Tensor log_add(const Tensor& a, const Tensor& b, const Tensor& c) {
  const Tensor top = make("stop_gradient", {maximum(maximum(a, b), c)});
  return top + log(exp(a - top) + exp(b - top) + exp(c - top));
}

Tensor emission_at(const Lattice& l, int64_t t) {
  return reshape(slice(l.emission, {{}, {t, t + 1}}), {l.batch, l.places});
}
Tensor never(const Lattice& l, int64_t columns) {
  return full({l.batch, columns}, kNever, l.emission.dtype());
}

/// Before the first step the walk stands in front of the places: it begins on the first blank or
/// the first label.
Tensor start(const Lattice& l) {
  return concat({full({l.batch, 1}, 0, l.emission.dtype()), never(l, l.places - 1)}, 1);
}

/// alpha of every step, [B, L] each; after a sample's last step they stay.
std::vector<Tensor> forwards(const Lattice& l) {
  std::vector<Tensor> all;
  Tensor before = start(l);
  for (int64_t t = 0; t < l.steps; ++t) {
    const Tensor padded = concat({never(l, 2), before}, 1);
    const Tensor one = slice(padded, {{}, {1, l.places + 1}});
    const Tensor two = where(l.may_skip, slice(padded, {{}, {0, l.places}}), kNever);
    const Tensor now = log_add(before, one, two) + emission_at(l, t);
    before = maximum(where(l.steps_used > t, now, before), kNever);
    all.push_back(before);
  }
  return all;
}

/// The log probability of all ways: those that end on the last label or the blank after it.
Tensor total(const Lattice& l, const Tensor& last) {
  const Tensor place = counted(l.places);
  const Tensor ends =
      logical_or(place == l.places_used - 1, logical_and(place == l.places_used - 2, place >= 0));
  return logsumexp(where(ends, last, kNever), {.axes = {1}});
}

std::vector<Tensor> ctc_parts(std::span<const Tensor> in, const Attributes& a) {
  const Lattice l = lattice(in, a);
  const std::vector<Tensor> alpha = forwards(l);
  const Tensor sum = total(l, alpha.empty() ? start(l) : alpha.back());
  return {where(sum < kNever / 2, full_like(sum, std::numeric_limits<double>::infinity()), -sum)};
}

/// -exp(alpha + beta - emission + loss), added up over the places of a class.
std::vector<Tensor> gradient_parts(std::span<const Tensor> in, const Attributes& a) {
  const Lattice l = lattice(in, a);
  const Tensor& x = in[0];
  if (l.steps == 0) return {zeros_like(x)};
  const std::vector<Tensor> alpha = forwards(l);
  const Tensor sum = reshape(total(l, alpha.back()), {l.batch, 1});
  const Tensor place = counted(l.places);
  const Tensor ends = logical_or(place == l.places_used - 1, place == l.places_used - 2);
  const Tensor over = where(ends, full_like(alpha[0], 0), kNever);  // after the last step
  // Whether the place two after may come right after this one.
  const Tensor may_skip = slice(concat({l.may_skip, full({l.batch, 2}, false, DType::bool_)}, 1),
                                {{}, {2, l.places + 2}});
  std::vector<Tensor> shares(static_cast<size_t>(l.steps));
  Tensor after = never(l, l.places);  // beta of step t + 1
  for (int64_t t = l.steps - 1; t >= 0; --t) {
    const Tensor padded = concat({after, never(l, 2)}, 1);
    const Tensor one = slice(padded, {{}, {1, l.places + 1}});
    const Tensor two = where(may_skip, slice(padded, {{}, {2, l.places + 2}}), kNever);
    const Tensor onwards =
        where(l.steps_used - 1 == t, over, log_add(after, one, two));  // without step t itself
    const Tensor share = exp(alpha[static_cast<size_t>(t)] + onwards - sum);
    const Tensor counts = logical_and(l.steps_used > t, sum > kNever / 2);
    shares[static_cast<size_t>(t)] = where(counts, share, 0);
    after =
        maximum(where(l.steps_used > t, onwards + emission_at(l, t), never(l, l.places)), kNever);
  }
  const Tensor by_place = stack(Tensors(shares), 1);  // [B, T, L]
  const Tensor at =
      broadcast_to(reshape(l.classes, {l.batch, 1, l.places}), {l.batch, l.steps, l.places});
  const Tensor by_class = scatter_add_along_axis(zeros_like(x), at, by_place, 2);
  return {-by_class * reshape(in[4], {l.batch, 1, 1})};
}

Slots ctc_vjp(const Local& at, std::span<const Tensor> ct) {
  return {make("ctc_loss_gradient", {at.x(0), at.x(1), at.x(2), at.x(3), ct[0]}, at.attributes),
          Tensor(), Tensor(), Tensor()};
}
Slots ctc_jvp(const Local& at, std::span<const Tensor> t) {
  const Tensor g = make("ctc_loss_gradient",
                        {at.x(0), at.x(1), at.x(2), at.x(3), full_like(at.y(), 1)}, at.attributes);
  return {sum(g * t[0], {.axes = {1, 2}})};
}

double flops_of(const InferArguments& a, const Types&) {
  return 8. * static_cast<double>(a[0].shape[0] * a[0].shape[1] * (2 * a[1].shape[1] + 1));
}

}  // namespace

std::span<const ir::OpDef> ctc_rows() {
  static const std::vector<ir::OpDef> rows = {
      {.name = "ctc_loss",
       .doc = "-log of the probability of the labels, summed over all alignments (Graves et al. "
              "2006). Inputs log_probs [B, T, C], labels i64 [B, S], input lengths and label "
              "lengths i64 [B]; attribute blank; output [B], infinite where the labels do not fit.",
       .min_inputs = 4,
       .max_inputs = 4,
       .infer = ctc_type,
       .derivative = ir::Custom{ctc_vjp, ctc_jvp},
       .decompose = ctc_parts,
       .traits = {.faults = true, .precision = ir::PrecisionTrait::f32},
       .flops = flops_of},
      {.name = "ctc_loss_gradient",
       .doc = "The gradient of ctc_loss by log_probs: minus the probability that a step says a "
              "class of the labels, times the loss's gradient. Inputs as ctc_loss, then gradient "
              "[B].",
       .min_inputs = 5,
       .max_inputs = 5,
       .infer = gradient_type,
       .derivative = ir::FromDecomposition{},
       .decompose = gradient_parts,
       .traits = {.precision = ir::PrecisionTrait::f32},
       .flops = flops_of},
  };
  return rows;
}

}  // namespace varve::ops

namespace varve {

Tensor ctc_loss(const Operand& log_probs, const Operand& labels, const CtcOptions& o) {
  const ir::CallerScope caller(log_probs.where());
  Tensor x = ops::floating(log_probs);
  if (size_of(x.dtype()) == 2) x = cast(x, f32);
  const Tensor given = labels.tensor();
  const auto refuse = [&](const std::string& what) {
    throw ShapeError("ctc_loss: expected " + what, "", log_probs.where().to_string());
  };
  if (x.rank() != 3) refuse("log_probs [B, T, C], got " + x.shape().to_string());
  const int64_t batch = x.shape()[0];
  if (given.rank() != 2 || given.shape()[0] != batch) {
    refuse("labels [" + std::to_string(batch) + ", S], got " + given.shape().to_string());
  }
  const auto integers = [&](const Tensor& t, const char* what) {
    if (is_integer(t.dtype())) return cast(t, i64);
    throw DTypeError(
        std::string("ctc_loss: ") + what + ": expected integers, got " + name_of(t.dtype()), "",
        log_probs.where().to_string());
  };
  const Tensor y = integers(given, "labels");
  const auto lengths = [&](const Tensor& t, const char* what) {
    if (t.shape() != Shape{batch})
      refuse(std::string(what) + " [" + std::to_string(batch) + "], got " + t.shape().to_string());
    return integers(t, what);
  };
  const Tensor steps = o.input_lengths.defined() ? lengths(o.input_lengths, "input_lengths")
                                                 : full({batch}, x.shape()[1], i64);
  // Labels before the first negative one: those up to which no negative one was counted.
  const Tensor labels_used =
      o.label_lengths.defined()
          ? lengths(o.label_lengths, "label_lengths")
          : sum(cast(cumsum(cast(y < 0, i64), {.axis = 1}) == 0, i64), {.axes = {1}});
  if (o.blank < 0 || o.blank >= x.shape()[2]) {
    throw IndexError("ctc_loss: blank " + std::to_string(o.blank) + " of " +
                         std::to_string(x.shape()[2]) + " classes",
                     "", log_probs.where().to_string());
  }
  return ops::make("ctc_loss", {x, y, steps, labels_used}, {{"blank", o.blank}}, log_probs.where());
}

}  // namespace varve
