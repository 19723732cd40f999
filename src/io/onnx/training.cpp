// Optimizers, and derivatives of parts of the graph itself.
#include "io/onnx/helpers.h"
#include "varve/derivatives.h"
#include "varve/ops/shape.h"

namespace varve::io::onnx {
namespace {

// Inputs R (rate) and T (steps so far), then lists of as many tensors each: X..., G..., states...
struct Lists {
  Tensor rate, step;
  int count = 0;
  const Call& c;

  Lists(const Call& call, int lists) : c(call) {
    rate = call.tensor(0);
    step = call.tensor(1);
    if ((call.inputs() - 2) % lists != 0) {
      call.fail("expected R, T and " + std::to_string(lists) + " lists of one length, got " +
                std::to_string(call.inputs()) + " inputs");
    }
    count = (call.inputs() - 2) / lists;
  }
  const Tensor& at(int list, int i) const { return c.tensor(2 + list * count + i); }
};

Tensor as_of(const Tensor& x, const Tensor& like) { return as(x, like.dtype()); }

Values adagrad(Call& c) {
  const Lists in(c, 3);
  const double decay = c.real("decay_factor", 0), epsilon = c.real("epsilon", 0),
               penalty = c.real("norm_coefficient", 0);
  Values x, h;
  for (int i = 0; i < in.count; ++i) {
    const Tensor& w = in.at(0, i);
    const Tensor rate = divide(as_of(in.rate, w), add(multiply(as_of(in.step, w), decay), 1));
    const Tensor g = add(multiply(w, penalty), in.at(1, i));
    const Tensor sum = add(in.at(2, i), square(g));
    x.emplace_back(subtract(w, divide(multiply(rate, g), add(sqrt(sum), epsilon))));
    h.emplace_back(sum);
  }
  x.insert(x.end(), h.begin(), h.end());
  return x;
}

Values adam(Call& c) {
  const Lists in(c, 4);
  const double alpha = c.real("alpha", 0.9), beta = c.real("beta", 0.999),
               epsilon = c.real("epsilon", 0), penalty = c.real("norm_coefficient", 0),
               after = c.real("norm_coefficient_post", 0);
  Values x, v, h;
  for (int i = 0; i < in.count; ++i) {
    const Tensor& w = in.at(0, i);
    const Tensor t = as_of(in.step, w), rate = as_of(in.rate, w);
    const Tensor g = add(multiply(w, penalty), in.at(1, i));
    const Tensor first = add(multiply(in.at(2, i), alpha), multiply(g, 1 - alpha));
    const Tensor second = add(multiply(in.at(3, i), beta), multiply(square(g), 1 - beta));
    const auto left = [&](double b) { return subtract(1, power(number_like(b, w), t)); };
    const Tensor corrected = divide(multiply(rate, sqrt(left(beta))), left(alpha));
    const Tensor step = where(greater(t, 0), corrected, rate);
    const Tensor next = subtract(w, divide(multiply(step, first), add(sqrt(second), epsilon)));
    x.emplace_back(multiply(next, 1 - after));
    v.emplace_back(first);
    h.emplace_back(second);
  }
  x.insert(x.end(), v.begin(), v.end());
  x.insert(x.end(), h.begin(), h.end());
  return x;
}

Values momentum(Call& c) {
  const Lists in(c, 3);
  const double alpha = c.real("alpha"), beta = c.real("beta"), penalty = c.real("norm_coefficient");
  const std::string mode = c.text("mode");
  if (mode != "standard" && mode != "nesterov") {
    c.fail("attribute mode: expected \"standard\" or \"nesterov\", got \"" + mode + "\"");
  }
  Values x, v;
  for (int i = 0; i < in.count; ++i) {
    const Tensor& w = in.at(0, i);
    const Tensor g = add(multiply(w, penalty), in.at(1, i));
    // The first step takes the whole gradient.
    const Tensor share = where(greater(in.step, 0), number_like(beta, w), number_like(1, w));
    const Tensor velocity = add(multiply(in.at(2, i), alpha), multiply(reshape(share, {}), g));
    const Tensor step = mode == "nesterov" ? add(g, multiply(velocity, alpha)) : velocity;
    x.emplace_back(subtract(w, multiply(as_of(in.rate, w), step)));
    v.emplace_back(velocity);
  }
  x.insert(x.end(), v.begin(), v.end());
  return x;
}

// dy/dx for each of xs: the part of the graph between them is replayed on xs as arguments.
Values gradient(Call& c) {
  const std::vector<std::string> xs = c.texts("xs"), zs = c.texts("zs");
  const std::string y = c.text("y");
  if (xs.empty() || static_cast<int>(xs.size() + zs.size()) != c.inputs()) {
    c.fail("expected as many inputs as xs and zs, got " + std::to_string(c.inputs()));
  }
  std::vector<Tensor> at;
  for (size_t i = 0; i < xs.size(); ++i) at.push_back(c.tensor(static_cast<int>(i)));
  const auto f = [&](const Tensors& x) -> Tensors {
    std::vector<std::pair<std::string, Value>> given;
    for (size_t i = 0; i < xs.size(); ++i) given.emplace_back(xs[i], Value(x[i]));
    for (size_t i = 0; i < zs.size(); ++i) {
      given.emplace_back(zs[i], c.value(static_cast<int>(xs.size() + i)));
    }
    const Value out = c.recompute(y, given);
    if (out.kind != Value::Kind::tensor) c.fail("y: expected a tensor");
    return out.tensor;
  };
  const Tensors shape = f(at);
  const ValueAndCotangents r = vjp(f, at, ones_like(shape.only()));
  Values out;
  for (const Tensor& g : r.cotangents) out.emplace_back(g);
  return out;
}

constexpr Row kRows[] = {
    {.name = "Adagrad", .since = 1, .function = adagrad, .domain = kTraining},
    {.name = "Adam", .since = 1, .function = adam, .domain = kTraining},
    {.name = "Gradient", .since = 1, .function = gradient, .domain = kTraining},
    {.name = "Momentum", .since = 1, .function = momentum, .domain = kTraining},
};

}  // namespace

std::span<const Row> training_rows() { return kRows; }

}  // namespace varve::io::onnx
