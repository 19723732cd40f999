// The benchmark's cases: those of bench/peers: the same networks, on synthetic data of the same
// sizes.
#pragma once
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "varve/derivatives.h"
#include "varve/nn/layer.h"
#include "varve/optim.h"
#include "varve/tensor.h"

namespace varve::bench {

/// A tensor of a case, by the name that files of checks give it.
struct NamedTensor {
  std::string name;
  Tensor value;
};

/// A case made ready. Its functions take tensors of the types of `data`, respectively `seen`; they
/// are made to be compiled.
struct Bench {
  int64_t batch = 0;  ///< samples a training step
  std::vector<std::pair<std::string, Layer>> networks;
  std::vector<NamedTensor> data;
  /// The first optimizer's loss and gradients, as they are before clipping.
  std::function<ValueAndGradsOf(const Tensors& data)> gradients;
  /// A whole training step: losses, gradients, updates. Gives the (first) loss.
  std::function<Tensor(const Tensors& data)> step;
  std::vector<NamedTensor> seen;  ///< what inference takes
  int64_t infer_batch = 0;        ///< samples among it, along the first axis; a graph is one
  std::function<Tensor(const Tensors& seen)> infer;
  /// The same case in another floating type; empty where the network takes ids.
  std::function<Bench(DType dtype)> in_type;
};

/// How a case is made.
struct CaseOptions {
  /// Nothing is drawn within a step: dropout is 0, and noise stands among the data.
  bool deterministic = false;
};

struct Case {
  std::string name;
  std::function<Bench(const CaseOptions& options)> make;
};

/// In the order in which they are reported.
const std::vector<Case>& cases();
/// Throws ValueError with the nearest name.
const Case& find_case(const std::string& name);

/// The cases by family.
std::vector<Case> image_cases();
std::vector<Case> sequence_cases();
std::vector<Case> other_cases();

// ---- what cases are made of ----

using LossFunctionOf = std::function<Tensor(const Tensor& output, const Tensor& target)>;
/// The mean cross-entropy of logits and classes.
LossFunctionOf cross_entropy();

/// PyTorch's Adam, AdamW and gradient descent, with the settings that it has by default.
Optimizer adam(std::optional<double> clip_norm = {});
Optimizer adam_w();
Optimizer momentum();
Optimizer descent(std::optional<double> clip_norm = {});

/// A whole training step of one optimizer: the gradients, and the update.
std::function<Tensor(const Tensors& data)> step_of(
    std::function<ValueAndGradsOf(const Tensors& data)> gradients, Optimizer optimizer);

/// One network, one loss, one optimizer.
struct Supervised {
  Layer network;
  Tensors x;
  Tensor y;
  Optimizer optimizer = adam();
  LossFunctionOf loss = cross_entropy();
};
/// Builds the network for samples of x.
Bench supervised(const Supervised& s);

/// Standard normal numbers, classes below n; the same ones each time.
Tensor normal(const Shape& shape);
Tensor labels(int64_t n, const Shape& shape);

}  // namespace varve::bench
