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

/// By variable, in their order in the network.
using Gradients = std::vector<std::vector<double>>;

/// Values of the trained variables of one that looks like `network`, read under `prefix`.
Gradients like_weights(const Peer& peer, const std::string& prefix, const Layer& network) {
  const Layer twin = network.clone();
  peer.load(prefix, twin);
  Gradients out;
  for (const Variable& v : twin.trainable()) out.push_back(v.value().to_doubles());
  return out;
}

Gradients own_gradients(const Peer& peer, const Bench& b, const JitOptions& options = {}) {
  const auto grads = compiled(b.gradients, b.data.size(), options).run(peer.data(b, 0)).grads;
  Gradients out;
  for (const Variable& v : b.networks[0].second.trainable()) out.push_back(grads[v].to_doubles());
  return out;
}

/// Of all gradients as one vector, as a share of its length.
double whole_distance(const Gradients& a, const Gradients& exact) {
  double squares = 0, length = 0;
  for (size_t i = 0; i < exact.size(); ++i) {
    for (size_t k = 0; k < exact[i].size(); ++k) {
      squares += (a[i][k] - exact[i][k]) * (a[i][k] - exact[i][k]);
      length += exact[i][k] * exact[i][k];
    }
  }
  return std::sqrt(squares / length);
}

/// The ways in which the peer computed in f32. Each adds in another order, and its distance from
/// f64 is the furthest of them.
constexpr const char* kWays[] = {"", "_channels_last", "_one_thread"};

struct Distances {
  double ours = 0, peers = 0;
  /// Variables whose gradient is so small a difference of large terms (or 0, as that of a bias
  /// before batch normalization) that the peer's f32 is further than kBound from its f64.
  std::vector<std::string> beyond;
};
constexpr double kBound = 1e-4;
constexpr double kLossesInBf16 = 2e-2;
/// Two networks are the same whose gradients in f64 are as near as this.
constexpr double kSame = 1e-9;

/// The largest distance of the case's own gradients in f64, as a share of a variable's largest
/// element; infinite where the case has no f64 form.
double distance_in_f64(const Peer& peer, const Bench& b) {
  if (!b.in_type) return std::numeric_limits<double>::infinity();
  const Bench twin = b.in_type(f64);
  const auto& [name, network] = twin.networks[0];
  peer.load("weights." + name + ".", network);
  const Gradients exact = like_weights(peer, "gradients_f64." + name + ".", network),
                  own = own_gradients(peer, twin);
  double worst = 0;
  for (size_t i = 0; i < own.size(); ++i) {
    // Those that are 0 but for rounding are left out.
    const double most = largest(exact[i]);
    if (most > 1e-12) worst = std::max(worst, distance(own[i], exact[i]) / most);
  }
  return worst;
}

/// Distances from the gradients in f64, as shares of a variable's largest element. Where rounding
/// takes an input of a relu or of a maximum across its edge, in the peer as here, single gradients
/// are no measure: the networks must then be the same in f64, and the whole gradient as near to
/// that as twice the peer's.
Distances check_gradients(const Case& c, const Peer& peer, const Bench& b) {
  const auto& [name, network] = b.networks[0];
  const Gradients exact = like_weights(peer, "gradients_f64." + name + ".", network),
                  own = own_gradients(peer, b);
  std::vector<Gradients> theirs;
  double their_whole = 0;
  for (const std::string way : kWays) {
    theirs.push_back(like_weights(peer, "gradients" + way + "." + name + ".", network));
    their_whole = std::max(their_whole, whole_distance(theirs.back(), exact));
  }
  Distances worst;
  std::string off;  // the first gradient that is, and by how much
  size_t i = 0;
  for (const Variable& v : network.trainable()) {
    const double most = largest(exact[i]), size = most > 0 ? most : 1;
    const double ours = distance(own[i], exact[i]) / size;
    double peers = 0;
    for (const Gradients& g : theirs) peers = std::max(peers, distance(g[i], exact[i]) / size);
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
  const double same = distance_in_f64(peer, b), whole = whole_distance(own, exact);
  const std::string found = off + "; in f64 all gradients are within " + text(same) +
                            ", in f32 the whole gradient within " + text(whole) +
                            " (the peer's: " + text(their_whole) + ")";
  if (!(same <= kSame && whole <= std::max(kBound, 2 * their_whole)))
    throw NumericError(c.name + ": " + found);
  std::printf("%-18s %s\n", c.name.c_str(), found.c_str());
  return worst;
}

}  // namespace

void check_against(const Case& c, const std::string& file, Precision precision) {
  const bool mixed = precision != Precision::f32;
  const Peer peer(file);
  const Bench b = c.make({.deterministic = true});
  for (const auto& [name, network] : b.networks) peer.load("weights." + name + ".", network);
  const JitOptions options{.precision = precision};
  Distances gradients;
  double whole = 0;
  if (mixed) {
    const auto& [name, network] = b.networks[0];
    whole = whole_distance(own_gradients(peer, b, options),
                           like_weights(peer, "gradients_f64." + name + ".", network));
  } else {
    gradients = check_gradients(c, peer, b);
  }
  const auto step = compiled(b.step, b.data.size(), options);
  const auto twice = peer.get("losses_f64").to_doubles();
  double theirs = 0;
  if (mixed) {
    theirs = distance(peer.get("losses_bf16").to_doubles(), twice);
  } else {
    for (const std::string way : kWays)
      theirs = std::max(theirs, distance(peer.get("losses" + way).to_doubles(), twice));
  }
  // Running statistics have seen a step, which no loss of training depends on.
  std::vector<double> ours;
  for (size_t i = 0; i < twice.size(); ++i) {
    ours.push_back(step.run(peer.data(b, static_cast<int64_t>(i))).to_double());
  }
  const double off = distance(ours, twice),
               allowed = std::max(2 * theirs, mixed ? kLossesInBf16 : 1e-6);
  std::printf("%-18s ", c.name.c_str());
  if (mixed) {
    std::printf("the whole gradient within %.1e of f64; ", whole);
  } else {
    std::printf("gradients within %.1e of f64 (peer %.1e); ", gradients.ours, gradients.peers);
  }
  std::printf("losses of %zu steps, %.4f to %.4f, within %.1e of f64 (peer %.1e)\n", twice.size(),
              twice.front(), twice.back(), off, theirs);
  if (!gradients.beyond.empty())
    std::printf("%-18s within twice the peer's own distance only: %s\n", "",
                listed(gradients.beyond).c_str());
  if (!(off <= allowed)) {
    throw NumericError(c.name + ": losses leave those in f64 by " + text(off) + " (at most " +
                       text(allowed) + ")");
  }
}

}  // namespace varve::bench
