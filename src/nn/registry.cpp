#include "nn/registry.h"

#include <algorithm>
#include <map>
#include <mutex>

#include "base/error.h"
#include "nn/names.h"
#include "varve/nn/layers.h"

namespace varve::nn {
namespace {

using varve::detail::Spec;

template <class S>
std::unique_ptr<Spec> make() {
  return varve::detail::hold(S{});
}
struct Row {
  const char* type;
  std::unique_ptr<Spec> (*make)();
};
/// Every layer of the library; files name it by its type in snake case.
constexpr Row kBuiltin[] = {
    {"activation", make<Activation>},
    {"activity_regularization", make<ActivityRegularization>},
    {"adaptive_average_pool1d", make<AdaptiveAveragePool1D>},
    {"adaptive_average_pool2d", make<AdaptiveAveragePool2D>},
    {"adaptive_average_pool3d", make<AdaptiveAveragePool3D>},
    {"adaptive_max_pool1d", make<AdaptiveMaxPool1D>},
    {"adaptive_max_pool2d", make<AdaptiveMaxPool2D>},
    {"adaptive_max_pool3d", make<AdaptiveMaxPool3D>},
    {"add", make<Add>},
    {"additive_attention", make<AdditiveAttention>},
    {"alpha_dropout", make<AlphaDropout>},
    {"apply_mask", make<ApplyMask>},
    {"attention", make<Attention>},
    {"average", make<Average>},
    {"average_pool1d", make<AveragePool1D>},
    {"average_pool2d", make<AveragePool2D>},
    {"average_pool3d", make<AveragePool3D>},
    {"batch_norm", make<BatchNorm>},
    {"bias", make<Bias>},
    {"bidirectional", make<Bidirectional>},
    {"blur_pool2d", make<BlurPool2D>},
    {"celu", make<CELU>},
    {"concatenate", make<Concatenate>},
    {"conv1d", make<Conv1D>},
    {"conv1d_transpose", make<Conv1DTranspose>},
    {"conv2d", make<Conv2D>},
    {"conv2d_transpose", make<Conv2DTranspose>},
    {"conv3d", make<Conv3D>},
    {"conv3d_transpose", make<Conv3DTranspose>},
    {"conv_lstm2d", make<ConvLSTM2D>},
    {"cropping1d", make<Cropping1D>},
    {"cropping2d", make<Cropping2D>},
    {"cropping3d", make<Cropping3D>},
    {"dense", make<Dense>},
    {"depthwise_conv1d", make<DepthwiseConv1D>},
    {"depthwise_conv2d", make<DepthwiseConv2D>},
    {"dot", make<Dot>},
    {"drop_mask", make<DropMask>},
    {"dropout", make<Dropout>},
    {"einsum_dense", make<EinsumDense>},
    {"elu", make<ELU>},
    {"embedding", make<Embedding>},
    {"flatten", make<Flatten>},
    {"gaussian_dropout", make<GaussianDropout>},
    {"gaussian_noise", make<GaussianNoise>},
    {"global_average_pool1d", make<GlobalAveragePool1D>},
    {"global_average_pool2d", make<GlobalAveragePool2D>},
    {"global_average_pool3d", make<GlobalAveragePool3D>},
    {"global_max_pool1d", make<GlobalMaxPool1D>},
    {"global_max_pool2d", make<GlobalMaxPool2D>},
    {"global_max_pool3d", make<GlobalMaxPool3D>},
    {"glu", make<GLU>},
    {"group_norm", make<GroupNorm>},
    {"gru", make<GRU>},
    {"hard_shrink", make<HardShrink>},
    {"hard_sigmoid", make<HardSigmoid>},
    {"hard_tanh", make<HardTanh>},
    {"input", make<Input>},
    {"instance_norm", make<InstanceNorm>},
    {"lambda", make<Lambda>},
    {"layer_norm", make<LayerNorm>},
    {"leaky_relu", make<LeakyReLU>},
    {"local_response_norm", make<LocalResponseNorm>},
    {"lstm", make<LSTM>},
    {"masking", make<Masking>},
    {"max_pool1d", make<MaxPool1D>},
    {"max_pool2d", make<MaxPool2D>},
    {"max_pool3d", make<MaxPool3D>},
    {"maximum", make<Maximum>},
    {"maxout", make<Maxout>},
    {"minimum", make<Minimum>},
    {"multi_head_attention", make<MultiHeadAttention>},
    {"multiply", make<Multiply>},
    {"padding_mask", make<PaddingMask>},
    {"permute", make<Permute>},
    {"pixel_shuffle", make<PixelShuffle>},
    {"position_embedding", make<PositionEmbedding>},
    {"prelu", make<PReLU>},
    {"reflection_padding1d", make<ReflectionPadding1D>},
    {"reflection_padding2d", make<ReflectionPadding2D>},
    {"reflection_padding3d", make<ReflectionPadding3D>},
    {"relu", make<ReLU>},
    {"reparameterize", make<Reparameterize>},
    {"repeat_vector", make<RepeatVector>},
    {"rescaling", make<Rescaling>},
    {"reshape", make<Reshape>},
    {"resizing", make<Resizing>},
    {"rms_norm", make<RMSNorm>},
    {"rotary_embedding", make<RotaryEmbedding>},
    {"rrelu", make<RReLU>},
    {"separable_conv1d", make<SeparableConv1D>},
    {"separable_conv2d", make<SeparableConv2D>},
    {"simple_rnn", make<SimpleRNN>},
    {"sinusoidal_positions", make<SinusoidalPositions>},
    {"soft_shrink", make<SoftShrink>},
    {"softmax", make<Softmax>},
    {"softplus", make<Softplus>},
    {"spatial_dropout1d", make<SpatialDropout1D>},
    {"spatial_dropout2d", make<SpatialDropout2D>},
    {"spatial_dropout3d", make<SpatialDropout3D>},
    {"spectral_norm", make<SpectralNorm>},
    {"step", make<Step>},
    {"subtract", make<Subtract>},
    {"swish", make<Swish>},
    {"thresholded_relu", make<ThresholdedReLU>},
    {"time_distributed", make<TimeDistributed>},
    {"transformer_decoder", make<TransformerDecoder>},
    {"transformer_encoder", make<TransformerEncoder>},
    {"unit_norm", make<UnitNorm>},
    {"up_sampling1d", make<UpSampling1D>},
    {"up_sampling2d", make<UpSampling2D>},
    {"up_sampling3d", make<UpSampling3D>},
    {"weight_norm", make<WeightNorm>},
    {"zero_padding1d", make<ZeroPadding1D>},
    {"zero_padding2d", make<ZeroPadding2D>},
    {"zero_padding3d", make<ZeroPadding3D>},
};

/// Types of the user's own.
struct Registry {
  std::mutex mutex;
  std::map<std::string, std::unique_ptr<Spec>> by_type;
  std::map<std::string, std::string, std::less<>> type_of_spelling;
};
Registry& registry() {
  static Registry r;
  return r;
}

}  // namespace

std::string type_of(const Spec& spec) {
  {
    Registry& r = registry();
    const std::lock_guard lock(r.mutex);
    if (const auto at = r.type_of_spelling.find(spec.spelling()); at != r.type_of_spelling.end())
      return at->second;
  }
  std::string type = type_of_spelling(spec.spelling());
  return type.empty() ? "layer" : type;
}

std::unique_ptr<Spec> make_spec(const std::string& type) {
  for (const Row& row : kBuiltin) {
    if (row.type == type) return row.make();
  }
  Registry& r = registry();
  const std::lock_guard lock(r.mutex);
  const auto at = r.by_type.find(type);
  return at == r.by_type.end() ? nullptr : at->second->copy();
}

std::vector<std::string> layer_types() {
  std::vector<std::string> types = {"model", "sequential"};
  for (const Row& row : kBuiltin) types.push_back(row.type);
  {
    Registry& r = registry();
    const std::lock_guard lock(r.mutex);
    for (const auto& [type, spec] : r.by_type) types.push_back(type);
  }
  std::sort(types.begin(), types.end());
  return types;
}

}  // namespace varve::nn

namespace varve {

void detail::register_type(const std::string& type, std::unique_ptr<Spec> fresh) {
  using nn::kBuiltin;
  if (type.empty() || varve::detail::snake_case(type) != type) {
    throw ValueError("register_layer: expected a name in snake case, got \"" + escaped(type) +
                     "\"");
  }
  auto taken = [&] { throw ValueError("register_layer: \"" + type + "\" is another type's name"); };
  for (const nn::Row& row : kBuiltin) {
    if (row.type == type) taken();
  }
  nn::Registry& r = nn::registry();
  const std::lock_guard lock(r.mutex);
  const auto at = r.by_type.find(type);
  if (at != r.by_type.end() && at->second->spelling() != fresh->spelling()) taken();
  r.type_of_spelling[std::string(fresh->spelling())] = type;
  r.by_type[type] = std::move(fresh);
}

}  // namespace varve
