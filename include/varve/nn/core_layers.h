// room: nn
// Layers that are no convolution: dense, shapes, dropout, normalization, embedding.
#pragma once
#include <functional>
#include <string>
#include <type_traits>
#include <utility>

#include "varve/nn/layer.h"
#include "varve/ops/padding.h"

namespace varve::nn {

/// What a model is called on: converts to a tensor that stands for a batch of samples of this
/// shape. It has a type, never elements; operations and layers called on it are recorded for
/// `Model(inputs, outputs)`. As the first layer of a Sequential it fixes the shape of a sample.
///     Tensor image = nn::Input{.shape = {28, 28, 1}, .name = "image"};
struct Input {
  Shape shape = {};
  DType dtype = f32;
  std::string name = {};
  operator Tensor() &&;
  static constexpr Masks masks = Masks::elementwise;
  Tensor call(const Tensor& x, Scope& s) const;
  void fields(Fields& f);
};

/// activation(x kernel + bias). [batch, ..., features] -> [batch, ..., units].
/// Variables: kernel [features, units], bias [units].
struct Dense {
  Dim units = 0;
  varve::Activation activation = {};
  bool use_bias = true;
  Initializer kernel_initializer = "glorot_uniform", bias_initializer = "zeros";
  Regularizer kernel_regularizer = {}, bias_regularizer = {};
  Constraint kernel_constraint = {}, bias_constraint = {};
  std::string name = {};
  static constexpr Masks masks = Masks::by_step;
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// activation(einsum(equation, x, kernel) + bias): a dense layer over the axes that an equation
/// names (see varve::einsum).
///     "abc,cd->abd"       Dense on the last axis
///     "...c,cd->...d"     the same for any rank; `...` leads x and the result, or ends both
///     "abc,cde->abde"     the projection of attention: output_shape {-1, heads, size}
/// x begins with the batch, and so does the result. output_shape: the result's sizes that the
/// equation names, without the batch; -1 is the size that x has there. bias_axes: the letters of
/// the result along which the bias has numbers of its own; empty: no bias. Throws ValueError for
/// what is no such equation, ShapeError where sizes differ. Variables: kernel, with an axis for
/// each letter of the second operand; bias, from the first of bias_axes to the last axis, 1 along
/// axes that it does not have. Source: Keras' EinsumDense.
struct EinsumDense {
  std::string equation = "...c,cd->...d";
  Shape output_shape = {};
  varve::Activation activation = {};
  std::string bias_axes = {};
  Initializer kernel_initializer = "glorot_uniform", bias_initializer = "zeros";
  Regularizer kernel_regularizer = {}, bias_regularizer = {};
  Constraint kernel_constraint = {}, bias_constraint = {};
  std::string name = {};
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// [batch, sizes...] -> [batch, product of the sizes].
struct Flatten {
  std::string name = {};
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// [batch, sizes...] -> [batch, target_shape...]; one size may be -1.
struct Reshape {
  Shape target_shape = {};
  std::string name = {};
  static constexpr Masks masks = Masks::elementwise;
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// The axes after the batch in another order, counted from 1: {2, 1} swaps the first two.
struct Permute {
  std::vector<int> dims = {};
  std::string name = {};
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// [batch, features] -> [batch, n, features].
struct RepeatVector {
  Dim n = 0;
  std::string name = {};
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// x * scale + offset, as floating numbers: pictures of bytes to 0..1 by scale = 1. / 255.
struct Rescaling {
  Real scale = 1, offset = 0;
  std::string name = {};
  static constexpr Masks masks = Masks::elementwise;
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// A function of one's own, of a tensor or of several. It has no weights and cannot be saved: for
/// either write a layer struct. Masks are the function's affair (see mask.h): its result has the
/// one that it gives.   nn::Lambda{[](const Tensor& x) { return x * x; }}
struct Lambda {
  /// Takes a function of a Tensor or of Tensors.
  class Function {
   public:
    Function() = default;
    template <class F>
    requires std::is_invocable_r_v<Tensor, const F&, const Tensor&> Function(F f) {
      if constexpr (std::is_invocable_r_v<Tensor, const F&, const Tensors&>) {
        f_ = std::move(f);
      } else {
        f_ = [g = std::move(f)](const Tensors& x) -> Tensor { return g(x.only()); };
      }
    }
    explicit operator bool() const { return static_cast<bool>(f_); }
    Tensor operator()(const Tensors& x) const { return f_(x); }

   private:
    std::function<Tensor(const Tensors&)> f_;
  };
  Function function = {};
  std::string name = {};
  static constexpr Masks masks = Masks::own;
  Tensor call(const Tensors& x, Scope& s) const;
  Tensor operator()(const Tensors& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// While training, elements are 0 with probability rate and the others divided by 1 - rate, so that
/// the mean stays (inverted dropout; Srivastava et al. 2014). Otherwise x.
struct Dropout {
  Real rate = 0.5;
  std::string name = {};
  static constexpr Masks masks = Masks::elementwise;
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// Dropout of whole channels: of [batch, spatial..., channels] one draw a sample and channel, for
/// 1, 2 or 3 spatial axes. Tompson et al. 2015.
struct SpatialDropout1D {
  Real rate = 0.5;
  std::string name = {};
  static constexpr Masks masks = Masks::elementwise;
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};
/// SpatialDropout1D for two spatial axes.
struct SpatialDropout2D {
  Real rate = 0.5;
  DataFormat data_format = "channels_last";
  std::string name = {};
  static constexpr Masks masks = Masks::elementwise;
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};
/// SpatialDropout1D for three spatial axes.
struct SpatialDropout3D {
  Real rate = 0.5;
  DataFormat data_format = "channels_last";
  std::string name = {};
  static constexpr Masks masks = Masks::elementwise;
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// While training, x plus normal noise of that standard deviation.
struct GaussianNoise {
  Real stddev = 0.1;
  std::string name = {};
  static constexpr Masks masks = Masks::elementwise;
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// (x - mean) / sqrt(variance + epsilon) * gamma + beta for each index of the axis. While training
/// (and not frozen) mean and biased variance are those of the batch, and the running ones move
/// towards them: moving * momentum + batch * (1 - momentum). Otherwise, and for a batch that has
/// only one value a channel, the running ones are used and stay. Masked steps count in no
/// statistics. Variables: gamma, beta, moving_mean, moving_variance (the last two not trained).
/// Ioffe & Szegedy 2015.
struct BatchNorm {
  int axis = -1;
  Real momentum = 0.99, epsilon = 1e-3;
  bool center = true, scale = true;
  Initializer beta_initializer = "zeros", gamma_initializer = "ones",
              moving_mean_initializer = "zeros", moving_variance_initializer = "ones";
  Regularizer beta_regularizer = {}, gamma_regularizer = {};
  Constraint beta_constraint = {}, gamma_constraint = {};
  std::string name = {};
  static constexpr Masks masks = Masks::own;
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// (x - mean) / sqrt(variance + epsilon) * gamma + beta, mean and variance over the last axis of
/// each sample. Variables: gamma, beta [features]. Ba et al. 2016.
struct LayerNorm {
  Real epsilon = 1e-3;
  bool center = true, scale = true;
  Initializer beta_initializer = "zeros", gamma_initializer = "ones";
  Regularizer beta_regularizer = {}, gamma_regularizer = {};
  Constraint beta_constraint = {}, gamma_constraint = {};
  std::string name = {};
  static constexpr Masks masks = Masks::by_step;
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// Rows of a table by index: integers [batch, ...] -> [batch, ..., output_dim]. Reading an index
/// outside 0 .. input_dim - 1 is an IndexError. With mask_zero, index 0 stands for nothing: the
/// result has a mask [batch, ...] (see mask.h). Variable: embeddings [input_dim, output_dim].
struct Embedding {
  Dim input_dim = 0, output_dim = 0;
  Initializer embeddings_initializer = "random_uniform";
  Regularizer embeddings_regularizer = {};
  Constraint embeddings_constraint = {};
  bool mask_zero = false;
  std::string name = {};
  static constexpr Masks masks = Masks::own;
  Tensor call(const Tensor& x, Scope& s) const;
  Tensor operator()(const Tensor& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

}  // namespace varve::nn
