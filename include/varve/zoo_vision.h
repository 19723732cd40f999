// room: zoo
// Networks of images. Each is a spec that becomes a Model of plain layers; nothing is allocated
// until it is used. `input` is a sample's shape (channels last), `width` multiplies all numbers of
// channels, `include_top = false` leaves out the classifier and gives the last feature maps. All
// give logits. Counts of parameters are trainable ones, for the sizes of the defaults.
//     Model model = zoo::ResNet{.depth = 18, .classes = 10, .input = {32, 32, 3}, .width = 0.25};
// Layers are named as in PyTorch's (torchvision's) state_dict with `_` for dots, where there is
// one.
#pragma once
#include <string>
#include <vector>

#include "varve/fields.h"
#include "varve/model.h"
#include "varve/ops/padding.h"

namespace varve::zoo {

/// LeNet-5 as in the paper (LeCun et al. 1998): trained subsampling (a factor and a bias a map),
/// the third layer's maps each see some of the six before (table I), and distances from fixed
/// random codes of +-1 as outputs (negated, so that the largest is the class). 60,000 parameters.
struct LeNet5Paper {
  Dim classes = 10;
  operator Model() const;
  void fields(Fields& f);
};
/// Caffe's LeNet: 20 and 50 filters of 5 x 5, 500 units. 431,080.
struct LeNet5Caffe {
  Dim classes = 10;
  Shape input = {28, 28, 1};
  Real width = 1;
  operator Model() const;
  void fields(Fields& f);
};
/// Keras' mnist_cnn and PyTorch's MNIST example: 3 x 3 convolutions of 32 and 64 filters, one
/// pooling, 128 units. 1,199,882. Dropout behind the pooling (conv_dropout) and behind the units.
struct MnistCnn {
  Dim classes = 10;
  Shape input = {28, 28, 1};
  Real width = 1, conv_dropout = 0.25, dropout = 0.5;
  operator Model() const;
  void fields(Fields& f);
};
/// Keras' cifar10_cnn: twice two 3 x 3 convolutions and pooling, 512 units. 1,250,858.
struct Cifar10Cnn {
  Dim classes = 10;
  Shape input = {32, 32, 3};
  Real width = 1;
  operator Model() const;
  void fields(Fields& f);
};

/// AlexNet. two_groups: as in the paper (Krizhevsky et al. 2012) on 227 x 227, 60,965,224; else
/// torchvision's on 224 x 224 ("one weird trick", Krizhevsky 2014), 61,100,840.
struct AlexNet {
  bool two_groups = false;
  Dim classes = 1000;
  Shape input = {224, 224, 3};
  Real width = 1, dropout = 0.5;
  operator Model() const;
  void fields(Fields& f);
};

/// VGG of 11, 13, 16 or 19 layers (Simonyan & Zisserman 2015): 132,863,336 / 133,047,848 /
/// 138,357,544 / 143,667,240. conv_bias = false leaves out the convolutions' biases, which batch
/// norm takes away again. hidden: units of the classifier's two hidden layers; 0: the classes
/// alone, as for CIFAR-10 (11 layers, batch norm, no biases, {32, 32, 3}: 9,228,362).
struct VGG {
  Dim depth = 16;
  bool batch_norm = false, conv_bias = true;
  Dim hidden = 4096;
  Dim classes = 1000;
  Shape input = {224, 224, 3};
  Real width = 1, dropout = 0.5;
  bool include_top = true;
  operator Model() const;
  void fields(Fields& f);
};

/// GoogLeNet without its auxiliary classifiers (Szegedy et al. 2015). batch_norm: torchvision's,
/// with 3 x 3 in the place of 5 x 5, 6,624,904; else the paper's, with biases, 6,998,552.
struct GoogLeNet {
  bool batch_norm = true;
  Dim classes = 1000;
  Shape input = {224, 224, 3};
  Real width = 1, dropout = 0.2;
  bool include_top = true;
  operator Model() const;
  void fields(Fields& f);
};

/// ResNet of 18, 34 (basic blocks), 50, 101 or 152 layers (bottlenecks; He et al. 2016; the stride
/// in the 3 x 3 convolution): 11,689,512 / 21,797,672 / 25,557,032 / 44,549,160 / 60,192,808.
/// conv_bias: convolutions have biases, as Keras' have.
struct ResNet {
  Dim depth = 50;
  bool conv_bias = false;
  Dim classes = 1000;
  Shape input = {224, 224, 3};
  Real width = 1;
  bool include_top = true;
  operator Model() const;
  void fields(Fields& f);
};

/// ResNet of 6 n + 2 layers for CIFAR-10 (He et al. 2016, section 4.2). shortcut "A": every second
/// pixel and zeros for the new channels, half of them before; "B": a 1 x 1 convolution. 20 layers:
/// 269,722 (A), 272,474 (B).
struct CifarResNet {
  Dim depth = 20;
  std::string shortcut = "A";
  Dim classes = 10;
  Shape input = {32, 32, 3};
  Real width = 1;
  operator Model() const;
  void fields(Fields& f);
};

/// DenseNet-121, 161, 169 or 201 (Huang et al. 2017): 7,978,856 / 28,681,000 / 14,149,480 /
/// 20,013,928.
struct DenseNet {
  Dim depth = 121;
  Dim classes = 1000;
  Shape input = {224, 224, 3};
  Real width = 1;
  bool include_top = true;
  operator Model() const;
  void fields(Fields& f);
};
/// DenseNet for CIFAR-10: three blocks. L = 40, k = 12: 1,019,722; bottlenecks and compression by
/// half (BC), L = 100: 769,162.
struct CifarDenseNet {
  Dim depth = 40, growth = 12;
  bool bottleneck = false;
  Dim classes = 10;
  Shape input = {32, 32, 3};
  operator Model() const;
  void fields(Fields& f);
};

/// MobileNet (Howard et al. 2017): depthwise separable convolutions; `width` is the paper's alpha.
/// 4,231,976. Named as in Keras.
struct MobileNet {
  Dim classes = 1000;
  Shape input = {224, 224, 3};
  Real width = 1, dropout = 1e-3;
  bool include_top = true;
  operator Model() const;
  void fields(Fields& f);
};
/// MobileNetV2 (Sandler et al. 2018): inverted residuals; channels are multiples of 8. 3,504,872.
struct MobileNetV2 {
  Dim classes = 1000;
  Shape input = {224, 224, 3};
  Real width = 1, dropout = 0.2;
  bool include_top = true;
  operator Model() const;
  void fields(Fields& f);
};
/// The small Xception of Keras' example "Image classification from scratch": a convolution of
/// stride 2, three blocks of two separable convolutions and pooling beside a 1 x 1 convolution, one
/// separable convolution more. padding: of windows of stride 2; 1 pads both sides alike, as PyTorch
/// does. epsilon: of batch norm. 2,723,802.
struct XceptionMini {
  Dim classes = 2;
  Shape input = {180, 180, 3};
  Padding padding = "same";
  Real width = 1, dropout = 0.25, epsilon = 1e-3;
  operator Model() const;
  void fields(Fields& f);
};
/// Xception (Chollet 2017): separable convolutions with skips. 22,855,952. Named as in Keras.
struct Xception {
  Dim classes = 1000;
  Shape input = {299, 299, 3};
  Real width = 1;
  bool include_top = true;
  operator Model() const;
  void fields(Fields& f);
};

/// U-Net (Ronneberger et al. 2015): `levels` times two 3 x 3 convolutions and pooling, then back up
/// by 2 x 2 transposed convolutions, joined with the maps of the same level. padding "valid": as in
/// the paper, 572 x 572 gives 388 x 388 and the maps are cropped; "same": as large as the image,
/// whose sides must be multiples of 2^levels. batch_norm: convolutions without biases, each
/// followed by it. 31,030,658.
struct UNet {
  Dim classes = 2, levels = 4;
  Shape input = {572, 572, 1};
  Padding padding = "valid";
  bool batch_norm = false;
  Real width = 1;
  operator Model() const;
  void fields(Fields& f);
};

/// The twin of Koch, Zemel & Salakhutdinov 2015: two images -> a logit, by the weighted distance of
/// their features. 38,951,745.
struct KochSiamese {
  Shape input = {105, 105, 1};
  Real width = 1;
  operator Model() const;
  void fields(Fields& f);
};
/// The features of prototypical networks (Snell et al. 2017): four times convolution, batch norm,
/// relu, pooling. 111,936.
struct ProtoNet {
  Shape input = {28, 28, 1};
  Real width = 1;
  operator Model() const;
  void fields(Fields& f);
};
/// The features of Keras' siamese example. 4,804.
struct KerasSiamese {
  Shape input = {28, 28, 1};
  Dim features = 10;
  operator Model() const;
  void fields(Fields& f);
};

}  // namespace varve::zoo
