// room: zoo
// Autoencoders, adversarial networks, and networks of agents and graphs. See zoo_vision.h for what
// `input`, `width` and the like mean.
#pragma once
#include <string>
#include <vector>

#include "varve/fields.h"
#include "varve/model.h"

namespace varve::zoo {

/// Dense layers down to a code and back: [batch, input] -> logits [batch, input]. The defaults are
/// Hinton & Salakhutdinov's 784-1000-500-250-30-..., 2,837,314. Parts: "encoder", "decoder".
struct Autoencoder {
  Dim input = 784;
  std::vector<int> units = {1000, 500, 250};
  Dim code = 30;
  Activation activation = "relu";
  operator Model() const;
  void fields(Fields& f);
};

/// Variational autoencoder (Kingma & Welling 2014): [batch, input] -> logits [batch, input], with
/// kl_weight times the divergence of the code from the unit Gaussian added to the loss. Beside a
/// binary cross-entropy that is averaged over the input, 1 / input makes their sum the ELBO (that
/// is what 0 stands for). Parts: "encoder" (mean and log variance) and "decoder". 652,824.
struct VAE {
  Dim input = 784, hidden = 400, code = 20;
  Real kl_weight = 0;
  operator Model() const;
  void fields(Fields& f);
};
/// The convolutional one of Keras' example: encoder 69,076, decoder 65,089. Sides of the image are
/// multiples of 4.
struct ConvVAE {
  Shape input = {28, 28, 1};
  Dim code = 2;
  Real kl_weight = 0, width = 1;
  operator Model() const;
  void fields(Fields& f);
};

/// DCGAN (Radford et al. 2016) for images of 64 x 64: generator [batch, code] -> images in -1..1,
/// 3,576,704; discriminator, images -> logits [batch, 1], 2,765,568.
struct DCGAN {
  Dim code = 100, channels = 3;
  Real width = 1;
  Model generator() const;      ///< makes images
  Model discriminator() const;  ///< tells them from real ones
  void fields(Fields& f);
};
/// The same idea for images of 28 x 28, as in the tutorials: generator from a dense layer of 7 x 7
/// maps, 771,969; discriminator of two convolutions and a dense layer, 138,689.
struct MnistDCGAN {
  Dim code = 100, channels = 1;
  Real width = 1;
  Model generator() const;      ///< [batch, code] -> images in -1..1
  Model discriminator() const;  ///< images -> logits [batch, 1]
  void fields(Fields& f);
};
/// The denoising network of diffusion models (Ho et al. 2020): {images [batch, h, w, c], steps
/// [batch]} -> the noise in them, [batch, h, w, c]. A U-Net of residual blocks (group norm, swish,
/// convolution, twice) that hear of the step by a dense layer of its waves; a block for each of
/// `multipliers` times `channels` channels, half the size from one to the next; self-attention
/// between the two blocks at the bottom. Sides of the images are multiples of 2^(levels - 1).
/// A layer with parts, as the transformers are (zoo_text.h). Throws ShapeError. 984,257 for
/// images of one channel.
struct DiffusionUNet {
  Dim channels = 32;
  std::vector<int> multipliers = {1, 2, 4};
  Dim groups = 8, heads = 4;
  std::string name = {};
  Tensor call(const Tensors& x, Scope& s) const;
  void fields(Fields& f);
};
/// CycleGAN (Zhu et al. 2017): generator of `blocks` residual blocks, images -> images in -1..1,
/// 11,378,179; discriminator of 70 x 70 patches, images -> logits [batch, h, w, 1], 2,764,737.
/// Instance norm without weights.
struct CycleGAN {
  Shape input = {256, 256, 3};
  Dim blocks = 9;
  Real width = 1;
  Model generator() const;      ///< makes images
  Model discriminator() const;  ///< tells them from real ones
  void fields(Fields& f);
};

/// Policy logits and a value, from one hidden layer: outputs "policy" and "value". 1,027.
struct ActorCritic {
  Dim observations = 4, actions = 2, hidden = 128;
  operator Model() const;
  void fields(Fields& f);
};
/// Values of actions by dense layers. 67,586.
struct DQN {
  Dim observations = 4, actions = 2;
  std::vector<int> units = {256, 256};
  operator Model() const;
  void fields(Fields& f);
};
/// Values of actions from four frames (Mnih et al. 2015). 1,693,362 for 18 actions.
struct NatureDQN {
  Dim actions = 18;
  Shape input = {84, 84, 4};
  Real width = 1;
  operator Model() const;
  void fields(Fields& f);
};

/// Graph convolutions (Kipf & Welling 2017): features [batch, nodes, features] and the normalized
/// adjacency matrix [batch, nodes, nodes] -> logits [batch, nodes, classes]. Cora: 23,063.
struct GCN {
  Dim nodes = 2708, features = 1433, hidden = 16, classes = 7;
  Real dropout = 0.5;
  operator Model() const;
  void fields(Fields& f);
};
/// GCN on one graph whose normalized adjacency matrix is sparse: {features [nodes, n], values
/// [entries], columns [entries], row_starts [nodes + 1]} (see varve::SparseMatrix) -> logits
/// [nodes, classes]. A layer with parts, as the transformers are (zoo_text.h). bias_first: biases
/// are added before the neighbours are, as PyTorch users write it. Throws as sparse_matmul.
struct SparseGCN {
  Dim hidden = 16, classes = 7;
  Real dropout = 0.5;
  bool bias_first = false;
  std::string name = {};
  Tensor call(const Tensors& x, Scope& s) const;
  void fields(Fields& f);
};
/// Graph attention (Velickovic et al. 2018) of eight heads, then one; the adjacency matrix has a
/// number other than 0 where a node sees another, itself included. Cora: 92,373.
struct GAT {
  Dim nodes = 2708, features = 1433, heads = 8, hidden = 8, classes = 7;
  Real dropout = 0.6;
  operator Model() const;
  void fields(Fields& f);
};

}  // namespace varve::zoo
