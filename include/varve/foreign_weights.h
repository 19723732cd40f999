// room: io
// Weights that other programs wrote, into models of this library: other names, other layouts.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "varve/nn/layer.h"
#include "varve/weights.h"

namespace varve {

struct PyTorchOptions {
  /// What is left off the names in the file: "state_dict.module."; tensors without it are not read.
  std::string prefix = {};
  /// Modules of the file and the layers that take them, where they are not called alike:
  /// {{"features.0", "conv1"}}. Parts below go along. The first that fits holds.
  std::vector<std::pair<std::string, std::string>> map = {};
  bool partial = false;            ///< load what fits and leave the rest as it is
  bool ignore_unexpected = false;  ///< tensors that the model does not know are no fault
};

/// Reads a state_dict: safetensors as PyTorch and Hugging Face write them, or a file of torch.save
/// (zip or older), of which only tensors in dicts and lists are understood and nothing is run.
/// The model must be built. A layer takes the module of its path; dots and underscores are alike
/// ("layer1_0_conv1" is "layer1.0.conv1"). Names and layouts are turned by the layer's type:
///   dense                weight [out, in] -> kernel [in, out]; behind a Flatten of [h, w, c] the
///                        rows, which PyTorch has as [c, h, w], change places
///   conv, its transpose  weight [out, in, ...], [in, out, ...] -> kernel, channels last
///   batch norm           weight, bias, running_mean, running_var -> gamma, beta, moving_*
///   layer, group norm    weight, bias -> gamma, beta
///   embedding, prelu     weight -> embeddings, alpha
///   lstm, gru            weight_ih_l0 ... -> kernel, recurrent_kernel, bias (lstm: their sum), the
///                        gates in this library's order; a layer named "rnn_l1" takes rnn's
///                        second, "rnn_l1_reverse" the reverse one
///   multi_head_attention in_proj_weight, out_proj.weight ... -> query_kernel ... output_kernel
/// Floating types convert. Unless all fits, or `partial` is set, nothing is changed and FormatError
/// lists what is missing, unexpected and different (batch norm's num_batches_tracked is never
/// missed). Throws IoError, FormatError.
///     load_pytorch_weights("resnet18.safetensors", Model(zoo::ResNet{.depth = 18}));
LoadReport load_pytorch_weights(std::string_view path, const Layer& model,
                                const PyTorchOptions& options = {});

}  // namespace varve
