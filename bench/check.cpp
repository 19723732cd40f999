#include "check.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <string>
#include <vector>

#include "compiled.h"
#include "formats/safetensors.h"
#include "varve/error.h"
#include "varve/foreign_weights.h"
#include "varve/ops/pointwise.h"

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

std::string text(double x) {
  char out[32];
  std::snprintf(out, sizeof out, "%.2g", x);
  return out;
}

/// A few names, or how many there are.
std::string listed(const std::vector<std::string>& names) {
  constexpr size_t kMost = 8;
  if (names.size() > kMost) return std::to_string(names.size()) + " variables";
  std::string out;
  for (const std::string& n : names) out += (out.empty() ? "" : ", ") + n;
  return out;
}

class Peer {
 public:
  explicit Peer(const std::string& file)
      : path_(file), file_(formats::SafetensorsFile::open(file)) {}

  bool has(const std::string& name) const { return file_.find(name) != nullptr; }
  Tensor get(const std::string& name) const {
    const auto* entry = file_.find(name);
    if (!entry) throw FormatError(file_.name() + ": tensor \"" + name + "\": not in the file");
    const formats::Array a = file_.read(*entry);
    return tensor_from_bytes(a.bytes.data(), a.dtype, a.shape);
  }
  /// Weights, or what lies like them, into a network.
  void load(const std::string& prefix, const Layer& network) const {
    load_pytorch_weights(path_, network, {.prefix = prefix});
  }
  /// A step's data, in the case's floating type; what changes from step to step is stacked.
  Tensors data(const Bench& b, int64_t step) const {
    std::vector<Tensor> out;
    for (const NamedTensor& n : b.data) {
      const Tensor t = get(has("data." + n.name) ? "data." + n.name
                                                 : "steps." + std::to_string(step) + "." + n.name);
      out.push_back(is_floating(t.dtype()) ? cast(t, n.value.dtype()).evaluate() : t);
    }
    return Tensors(std::move(out));
  }

 private:
  std::string path_;
  formats::SafetensorsFile file_;
};

/// Values of the trained variables of one that looks like `network`, read under `prefix`.
std::vector<std::vector<double>> like_weights(const Peer& peer, const std::string& prefix,
                                              const Layer& network) {
  const Layer twin = network.clone();
  peer.load(prefix, twin);
  std::vector<std::vector<double>> out;
  for (const Variable& v : twin.trainable()) out.push_back(v.value().to_doubles());
  return out;
}

/// Of all gradients as one vector, as a share of its length.
struct Whole {
  double squares = 0, exact = 0;
  void add(const std::vector<double>& a, const std::vector<double>& b) {
    for (size_t i = 0; i < a.size(); ++i) {
      squares += (a[i] - b[i]) * (a[i] - b[i]);
      exact += b[i] * b[i];
    }
  }
  double distance() const { return std::sqrt(squares / exact); }
};

struct Distances {
  double ours = 0, peers = 0;
  /// Variables whose gradient is so small a difference of large terms (or 0, as that of a bias
  /// before batch normalization) that the peer's f32 is further than kBound from its f64.
  std::vector<std::string> beyond;
};
constexpr double kBound = 1e-4;
/// Two networks are the same whose gradients in f64 are as near as this.
constexpr double kSame = 1e-9;

/// The largest distance of the case's own gradients in f64, as a share of a variable's largest
/// element; infinite where the case has no f64 form.
double distance_in_f64(const Peer& peer, const Bench& b) {
  if (!b.in_type) return std::numeric_limits<double>::infinity();
  const Bench twin = b.in_type(f64);
  const auto& [name, network] = twin.networks[0];
  peer.load("weights." + name + ".", network);
  const auto exact = like_weights(peer, "gradients_f64." + name + ".", network);
  const auto grads = compiled(twin.gradients, twin.data.size()).run(peer.data(twin, 0)).grads;
  double worst = 0;
  size_t i = 0;
  for (const Variable& v : network.trainable()) {
    // Those that are 0 but for rounding are left out.
    const double most = largest(exact[i]);
    if (most > 1e-12) worst = std::max(worst, distance(grads[v].to_doubles(), exact[i]) / most);
    ++i;
  }
  return worst;
}

/// Distances from the gradients in f64, as shares of a variable's largest element. Where rounding
/// takes an input of a relu or of a maximum across its edge, in the peer as here, single gradients
/// are no measure: the networks must then be the same in f64, and the whole gradient as near to
/// that as twice the peer's.
Distances check_gradients(const Case& c, const Peer& peer, const Bench& b) {
  const auto& [name, network] = b.networks[0];
  const auto exact = like_weights(peer, "gradients_f64." + name + ".", network),
             theirs = like_weights(peer, "gradients." + name + ".", network);
  const auto grads = compiled(b.gradients, b.data.size()).run(peer.data(b, 0)).grads;
  Distances worst;
  Whole whole, their_whole;
  std::string off;  // the first gradient that is, and by how much
  size_t i = 0;
  for (const Variable& v : network.trainable()) {
    const double most = largest(exact[i]), size = most > 0 ? most : 1;
    const std::vector<double> own = grads[v].to_doubles();
    const double ours = distance(own, exact[i]) / size,
                 peers = distance(theirs[i], exact[i]) / size;
    whole.add(own, exact[i]), their_whole.add(theirs[i], exact[i]);
    const double allowed = std::max(kBound, 2 * peers);
    if (allowed > kBound) {
      worst.beyond.push_back(v.name());
    } else {
      worst.ours = std::max(worst.ours, ours);
      worst.peers = std::max(worst.peers, peers);
    }
    if (!(ours <= allowed) && off.empty()) {
      off = "gradient of " + v.name() + " differs from the peer's by " + text(ours) +
            " of its largest element (at most " + text(allowed) +
            "; the peer's f32: " + text(peers) + ")";
    }
    ++i;
  }
  if (off.empty()) return worst;
  const double same = distance_in_f64(peer, b), most = std::max(kBound, 2 * their_whole.distance());
  const std::string found = off + "; in f64 all gradients are within " + text(same) +
                            ", in f32 the whole gradient within " + text(whole.distance()) +
                            " (the peer's: " + text(their_whole.distance()) + ")";
  if (!(same <= kSame && whole.distance() <= most)) throw NumericError(c.name + ": " + found);
  std::printf("%-18s %s\n", c.name.c_str(), found.c_str());
  return worst;
}

}  // namespace

void check_against(const Case& c, const std::string& file) {
  const Peer peer(file);
  const Bench b = c.make({.deterministic = true});
  for (const auto& [name, network] : b.networks) peer.load("weights." + name + ".", network);
  const Distances gradients = check_gradients(c, peer, b);
  const auto step = compiled(b.step, b.data.size());
  const auto single = peer.get("losses").to_doubles(), twice = peer.get("losses_f64").to_doubles();
  // Running statistics have seen a step, which no loss of training depends on.
  std::vector<double> ours;
  for (size_t i = 0; i < single.size(); ++i) {
    ours.push_back(step.run(peer.data(b, static_cast<int64_t>(i))).to_double());
  }
  const double theirs = distance(single, twice), off = distance(ours, twice),
               allowed = std::max(2 * theirs, 1e-6);
  std::printf(
      "%-18s gradients within %.1e of f64 (peer %.1e); losses of %zu steps, %.4f to %.4f, within "
      "%.1e of f64 (peer %.1e)\n",
      c.name.c_str(), gradients.ours, gradients.peers, single.size(), twice.front(), twice.back(),
      off, theirs);
  if (!gradients.beyond.empty())
    std::printf("%-18s within twice the peer's own distance only: %s\n", "",
                listed(gradients.beyond).c_str());
  if (!(off <= allowed))
    throw NumericError(c.name + ": losses leave the peer's by more than twice its own rounding");
}

}  // namespace varve::bench
