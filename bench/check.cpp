#include "check.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "formats/safetensors.h"
#include "varve/error.h"
#include "varve/jit.h"
#include "varve/losses.h"
#include "varve/optim.h"

namespace varve::bench {
namespace {

double largest(const std::vector<double>& v) {
  double m = 0;
  for (double x : v) m = std::max(m, std::abs(x));
  return m;
}

double distance(const std::vector<double>& a, const std::vector<double>& b) {
  double m = 0;
  for (size_t i = 0; i < a.size(); ++i) m = std::max(m, std::abs(a[i] - b[i]));
  return m;
}

class Peer {
 public:
  explicit Peer(const std::string& file) : file_(formats::SafetensorsFile::open(file)) {}
  Tensor get(const std::string& name) const {
    const auto* entry = file_.find(name);
    if (!entry) throw FormatError(file_.name() + ": tensor \"" + name + "\": not in the file");
    const formats::Array a = file_.read(*entry);
    return tensor_from_bytes(a.bytes.data(), a.dtype, a.shape);
  }

 private:
  formats::SafetensorsFile file_;
};

}  // namespace

void check_against(const Case& c, const std::string& file) {
  const Peer peer(file);
  const Tensor x = peer.get("x"), y = peer.get("y");
  Layer net = c.network(false);
  net(x);
  const Variables parameters = net.trainable();
  for (size_t i = 0; i < parameters.size(); ++i) {
    Variable(parameters[i]).assign(peer.get("parameter." + std::to_string(i)));
  }
  const Loss loss = losses::CrossEntropy{.from_logits = true};
  Optimizer adam = optim::Adam{.learning_rate = 1e-3, .epsilon = 1e-8};
  auto objective = [&](const Tensor& a, const Tensor& b) {
    return loss(net(a, {.training = true}), b);
  };
  const auto first = jit(value_and_grad(objective, parameters))(x, y);
  double worst = 0;
  for (size_t i = 0; i < parameters.size(); ++i) {
    const auto theirs = peer.get("gradient." + std::to_string(i)).to_doubles();
    const double relative =
        distance(first.grads[parameters[i]].to_doubles(), theirs) / largest(theirs);
    worst = std::max(worst, relative);
    if (!(relative <= 1e-4)) {
      throw NumericError(c.name + ": gradient of " + parameters[i].name() +
                         " differs from the peer's by " + std::to_string(relative) +
                         " of its largest element (at most 1e-4)");
    }
  }
  auto step = jit([&](const Tensor& a, const Tensor& b) {
    auto [value, grads] = value_and_grad(objective, parameters)(a, b);
    adam.update(grads);
    return value;
  });
  const auto single = peer.get("losses").to_doubles(), twice = peer.get("losses_f64").to_doubles();
  std::vector<double> ours;
  for (size_t i = 0; i < single.size(); ++i) ours.push_back(step(x, y).to_double());
  const double allowed = std::max(2 * distance(single, twice), 1e-6), off = distance(ours, twice);
  std::printf(
      "%-14s gradients within %.1e of the peer's; losses of %zu steps within %.1e of f64 (peer "
      "%.1e)\n",
      c.name.c_str(), worst, single.size(), off, distance(single, twice));
  if (!(off <= allowed))
    throw NumericError(c.name + ": losses leave the peer's by more than twice its own rounding");
}

}  // namespace varve::bench
