#include "zoo/registry.h"

#include "base/error.h"
#include "varve/zoo.h"
#include "varve/zoo_generative.h"
#include "varve/zoo_text.h"
#include "varve/zoo_vision.h"

namespace varve::zoo {
namespace {

template <class S>
S read(const config::Json& config, const std::string& path) {
  S spec;
  if (config.is_object()) {
    config::read(config, path, [&](Fields& f) { spec.fields(f); }, {"type"});
  }
  return spec;
}

template <class S>
void fields(Fields& f) {
  S spec;
  spec.fields(f);
}

template <class S>
Model whole(const config::Json& config, const std::string& path) {
  return read<S>(config, path);
}
/// A network that is one layer with parts.
template <class S>
Model layer(const config::Json& config, const std::string& path) {
  register_layers();
  return Model(Layer(read<S>(config, path)));
}
template <class S>
Model generator(const config::Json& config, const std::string& path) {
  return read<S>(config, path).generator();
}
template <class S>
Model discriminator(const config::Json& config, const std::string& path) {
  return read<S>(config, path).discriminator();
}

constexpr Network kNetworks[] = {
    {"actor_critic", whole<ActorCritic>, fields<ActorCritic>},
    {"addition_lstm", whole<AdditionLSTM>, fields<AdditionLSTM>},
    {"alexnet", whole<AlexNet>, fields<AlexNet>},
    {"autoencoder", whole<Autoencoder>, fields<Autoencoder>},
    {"cifar10_cnn", whole<Cifar10Cnn>, fields<Cifar10Cnn>},
    {"cifar_densenet", whole<CifarDenseNet>, fields<CifarDenseNet>},
    {"cifar_resnet", whole<CifarResNet>, fields<CifarResNet>},
    {"conv_vae", whole<ConvVAE>, fields<ConvVAE>},
    {"cyclegan_discriminator", discriminator<CycleGAN>, fields<CycleGAN>},
    {"cyclegan_generator", generator<CycleGAN>, fields<CycleGAN>},
    {"dcgan_discriminator", discriminator<DCGAN>, fields<DCGAN>},
    {"dcgan_generator", generator<DCGAN>, fields<DCGAN>},
    {"densenet", whole<DenseNet>, fields<DenseNet>},
    {"diffusion_unet", layer<DiffusionUNet>, fields<DiffusionUNet>},
    {"dqn", whole<DQN>, fields<DQN>},
    {"gat", whole<GAT>, fields<GAT>},
    {"gcn", whole<GCN>, fields<GCN>},
    {"googlenet", whole<GoogLeNet>, fields<GoogLeNet>},
    {"gpt", layer<GPT>, fields<GPT>},
    {"keras_siamese", whole<KerasSiamese>, fields<KerasSiamese>},
    {"koch_siamese", whole<KochSiamese>, fields<KochSiamese>},
    {"language_lstm", whole<LanguageLSTM>, fields<LanguageLSTM>},
    {"lenet5", whole<LeNet5>, fields<LeNet5>},
    {"lenet5_caffe", whole<LeNet5Caffe>, fields<LeNet5Caffe>},
    {"lenet5_paper", whole<LeNet5Paper>, fields<LeNet5Paper>},
    {"llama", layer<Llama>, fields<Llama>},
    {"mlp", whole<MLP>, fields<MLP>},
    {"mnist_cnn", whole<MnistCnn>, fields<MnistCnn>},
    {"mnist_convnet", whole<MnistConvnet>, fields<MnistConvnet>},
    {"mnist_dcgan_discriminator", discriminator<MnistDCGAN>, fields<MnistDCGAN>},
    {"mnist_dcgan_generator", generator<MnistDCGAN>, fields<MnistDCGAN>},
    {"mobilenet", whole<MobileNet>, fields<MobileNet>},
    {"mobilenet_v2", whole<MobileNetV2>, fields<MobileNetV2>},
    {"nature_dqn", whole<NatureDQN>, fields<NatureDQN>},
    {"protonet", whole<ProtoNet>, fields<ProtoNet>},
    {"resnet", whole<ResNet>, fields<ResNet>},
    {"seq2seq_gru", whole<Seq2SeqGRU>, fields<Seq2SeqGRU>},
    {"seq2seq_lstm", whole<Seq2SeqLSTM>, fields<Seq2SeqLSTM>},
    {"sparse_gcn", layer<SparseGCN>, fields<SparseGCN>},
    {"transformer", layer<Transformer>, fields<Transformer>},
    {"unet", whole<UNet>, fields<UNet>},
    {"vae", whole<VAE>, fields<VAE>},
    {"vgg", whole<VGG>, fields<VGG>},
    {"vit", whole<ViT>, fields<ViT>},
    {"xception", whole<Xception>, fields<Xception>},
    {"xception_mini", whole<XceptionMini>, fields<XceptionMini>},
};

}  // namespace

std::span<const Network> networks() { return kNetworks; }

std::vector<std::string> names() {
  std::vector<std::string> out;
  for (const Network& n : kNetworks) out.push_back(n.name);
  return out;
}

Model from_config(std::string_view json, const std::string& path) {
  const config::Json config = config::parse(json, path);
  const std::string type = config::choice_type(config, path);
  for (const Network& n : kNetworks) {
    if (type != n.name) continue;
    try {
      return n.make(config, path);
    } catch (const ConfigError&) {
      throw;
    } catch (const Error& e) {
      // Settings that do not go with each other.
      throw ConfigError(path + ": " + e.message(), e.hint());
    }
  }
  throw ConfigError(path + ": unknown network \"" + escaped(type) + "\"",
                    did_you_mean(type, names()));
}

}  // namespace varve::zoo
