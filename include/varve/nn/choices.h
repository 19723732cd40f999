// room: nn
// Choices with open ends: activations, initializers, regularizers, constraints. Each is a name
// (checked at once), a spec or a function of one's own.
#pragma once
#include <concepts>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "varve/fields.h"
#include "varve/nn/mask.h"
#include "varve/tensor.h"

namespace varve {

namespace detail {

/// The compiler's spelling of a type, for names in texts and files.
template <class T>
constexpr std::string_view spelled() {
  return __PRETTY_FUNCTION__;
}
/// "MaxPool2D" out of that spelling; empty for types that have no name (lambdas).
std::string type_name(std::string_view spelled);
/// "max_pool2d".
std::string snake_case(std::string_view type_name);

template <class S>
void visit_fields(S& spec, Fields& fields) {
  if constexpr (requires { spec.fields(fields); }) spec.fields(fields);
}

/// A choice that is a spec: what it does, and its fields.
template <class R, class... A>
struct Rule {
  virtual ~Rule() = default;
  virtual R apply(A... arguments) const = 0;
  virtual void fields(Fields&) = 0;
  virtual std::string_view spelling() const = 0;
};
struct ActivationRule : Rule<Tensor, const Tensor&> {
  virtual nn::Masks masks() const = 0;
};
using InitializerRule = Rule<Tensor, const Key&, const Shape&, DType>;
using RegularizerRule = Rule<Tensor, const Tensor&>;
using ConstraintRule = Rule<Tensor, const Tensor&>;

template <class S>
struct ActivationOf final : ActivationRule {
  S spec;
  explicit ActivationOf(S s) : spec(std::move(s)) {}
  Tensor apply(const Tensor& x) const override { return spec.activate(x); }
  void fields(Fields& f) override { visit_fields(spec, f); }
  std::string_view spelling() const override { return spelled<S>(); }
  nn::Masks masks() const override { return nn::masks_of_spec<S>(nn::Masks::by_step); }
};
template <class S>
struct InitializerOf final : InitializerRule {
  S spec;
  explicit InitializerOf(S s) : spec(std::move(s)) {}
  Tensor apply(const Key& key, const Shape& shape, DType dtype) const override {
    return spec.make(key, shape, dtype);
  }
  void fields(Fields& f) override { visit_fields(spec, f); }
  std::string_view spelling() const override { return spelled<S>(); }
};
template <class S>
struct RegularizerOf final : RegularizerRule {
  S spec;
  explicit RegularizerOf(S s) : spec(std::move(s)) {}
  Tensor apply(const Tensor& x) const override { return spec.penalty(x); }
  void fields(Fields& f) override { visit_fields(spec, f); }
  std::string_view spelling() const override { return spelled<S>(); }
};

template <class S>
struct ConstraintOf final : ConstraintRule {
  S spec;
  explicit ConstraintOf(S s) : spec(std::move(s)) {}
  Tensor apply(const Tensor& x) const override { return spec.project(x); }
  void fields(Fields& f) override { visit_fields(spec, f); }
  std::string_view spelling() const override { return spelled<S>(); }
};

}  // namespace detail

/// An elementwise (or, for softmax, row-wise) function of a tensor. Names: linear, relu, relu6,
/// leaky_relu, thresholded_relu, elu, celu, selu, softplus, squareplus, softsign, silu (swish),
/// gelu, gelu_tanh, quick_gelu, mish, sigmoid, log_sigmoid, hard_sigmoid, hard_silu (hard_swish),
/// hard_tanh, tanh, tanh_shrink, hard_shrink, soft_shrink, step, exponential, sparse_plus,
/// sparse_sigmoid, softmax, log_softmax, softmin, sparsemax; of half the size: glu, swiglu, geglu.
/// Specs: those layers that have `Tensor activate(const Tensor&) const`, such as
/// nn::LeakyReLU{.negative_slope = 0.1}.
class Activation {
 public:
  /// linear: the tensor itself.
  Activation() = default;
  /// Throws ValueError for an unknown name, "did you mean".
  Activation(const char* name, Where where = Where::here());
  Activation(const std::string& name, Where where = Where::here());
  /// A function of your own; it cannot be saved.
  template <class F>
  requires std::is_invocable_r_v<Tensor, const F&, const Tensor&> &&
      (!requires { typename F::IsLayer; })Activation(F f)
      : function_(std::move(f)), masks_(nn::Masks::by_step) {}
  template <class S>
  requires requires(const S& s, const Tensor& x) {
    { s.activate(x) } -> std::convertible_to<Tensor>;
  }
  Activation(S spec, Where where = Where::here())
      : Activation(std::make_shared<detail::ActivationOf<S>>(std::move(spec)), where) {}

  Tensor operator()(const Tensor& x) const { return function_ ? function_(x) : x; }
  bool is_linear() const { return !function_; }  ///< does nothing
  /// nn::Masks::elementwise, or by_step where it mixes what lies along the last axis (softmax) or
  /// may do so (a function of your own).
  nn::Masks masks() const { return masks_; }
  /// JSON: `"relu"`, `{"type": "elu", "alpha": 0.5}`. Throws UnsupportedError for a function.
  std::string config() const;
  static Activation from_config(std::string_view json);

 private:
  Activation(std::shared_ptr<detail::ActivationRule> spec, Where where);
  std::string name_;
  std::shared_ptr<detail::ActivationRule> spec_;
  std::function<Tensor(const Tensor&)> function_;
  nn::Masks masks_ = nn::Masks::elementwise;
};

/// How a variable begins. Names: zeros, ones, glorot_uniform, glorot_normal, he_uniform, he_normal,
/// lecun_uniform, lecun_normal, random_normal, random_uniform, truncated_normal, orthogonal;
/// `xavier_*` and `kaiming_*` are other names for glorot and he. Specs: nn::RandomNormal{} and
/// those beside it. A number means that number everywhere. A function of (Key, Shape) may be one's
/// own.
class Initializer {
 public:
  /// Throws ValueError for an unknown name, "did you mean".
  Initializer(const char* name, Where where = Where::here());
  Initializer(const std::string& name, Where where = Where::here());
  Initializer(Number auto constant) : Initializer(static_cast<double>(constant), Constant{}) {}
  template <class F>
  requires std::is_invocable_r_v<Tensor, const F&, const Key&, const Shape&> Initializer(F f)
      : function_(std::move(f)) {}
  template <class S>
  requires requires(const S& s, const Key& k, const Shape& shape) {
    { s.make(k, shape, DType::f32) } -> std::convertible_to<Tensor>;
  }
  Initializer(S spec, Where where = Where::here())
      : Initializer(std::make_shared<detail::InitializerOf<S>>(std::move(spec)), where) {}

  /// The tensor for a variable of this shape and type, computed. Throws ShapeError or DTypeError
  /// where a function of one's own gives another.
  Tensor operator()(const Key& key, const Shape& shape, DType dtype = f32) const;
  std::string config() const;
  static Initializer from_config(std::string_view json);

 private:
  struct Constant {};
  Initializer(double constant, Constant);
  Initializer(std::shared_ptr<detail::InitializerRule> spec, Where where);
  std::string name_;
  std::shared_ptr<detail::InitializerRule> spec_;
  std::function<Tensor(const Key&, const Shape&)> function_;
};

/// A penalty on a variable, added to the loss. Names: l1, l2 (0.01 each), l1_l2. Specs: nn::L1{},
/// nn::L2{.rate = 1e-4}, nn::L1L2{}. A function of the tensor may be one's own.
class Regularizer {
 public:
  /// No penalty.
  Regularizer() = default;
  Regularizer(const char* name, Where where = Where::here());
  Regularizer(const std::string& name, Where where = Where::here());
  template <class F>
  requires std::is_invocable_r_v<Tensor, const F&, const Tensor&> Regularizer(F f)
      : function_(std::move(f)) {}
  template <class S>
  requires requires(const S& s, const Tensor& x) {
    { s.penalty(x) } -> std::convertible_to<Tensor>;
  }
  Regularizer(S spec, Where where = Where::here())
      : Regularizer(std::make_shared<detail::RegularizerOf<S>>(std::move(spec)), where) {}

  explicit operator bool() const { return static_cast<bool>(function_); }
  /// A scalar. Needs: not empty.
  Tensor operator()(const Tensor& x) const { return function_(x); }
  std::string config() const;
  static Regularizer from_config(std::string_view json);

 private:
  Regularizer(std::shared_ptr<detail::RegularizerRule> spec, Where where);
  std::shared_ptr<detail::RegularizerRule> spec_;
  std::function<Tensor(const Tensor&)> function_;
};

/// What a variable's value is brought back to after each update of an optimizer. Names: max_norm,
/// min_max_norm, unit_norm, non_negative. Specs: nn::MaxNorm{.max_value = 3} and those beside it. A
/// function of the tensor that keeps its type may be one's own.
class Constraint {
 public:
  /// None.
  Constraint() = default;
  Constraint(const char* name, Where where = Where::here());
  Constraint(const std::string& name, Where where = Where::here());
  template <class F>
  requires std::is_invocable_r_v<Tensor, const F&, const Tensor&> Constraint(F f)
      : function_(std::move(f)) {}
  template <class S>
  requires requires(const S& s, const Tensor& x) {
    { s.project(x) } -> std::convertible_to<Tensor>;
  }
  Constraint(S spec, Where where = Where::here())
      : Constraint(std::make_shared<detail::ConstraintOf<S>>(std::move(spec)), where) {}

  explicit operator bool() const { return static_cast<bool>(function_); }
  /// The nearest value that is allowed. Needs: not empty.
  Tensor operator()(const Tensor& x) const { return function_(x); }
  /// The function itself; empty where there is none.
  const std::function<Tensor(const Tensor&)>& function() const { return function_; }
  std::string config() const;
  static Constraint from_config(std::string_view json);

 private:
  Constraint(std::shared_ptr<detail::ConstraintRule> spec, Where where);
  std::shared_ptr<detail::ConstraintRule> spec_;
  std::function<Tensor(const Tensor&)> function_;
};

namespace nn {

/// What a weight's shape says of a unit's inputs and outputs. [in, out]: these; convolution kernels
/// [..., in, out]: times the receptive field; [n]: n and n; []: 1 and 1 (Keras' rule).
struct Fans {
  double in = 1, out = 1;
};
Fans fans(const Shape& shape);  ///< of a weight of this shape

/// N(mean, stddev).
struct RandomNormal {
  Real mean = 0, stddev = 0.05;
  Tensor make(const Key& key, const Shape& shape, DType dtype) const;
  void fields(Fields& f);
};
/// Uniform in [minval, maxval).
struct RandomUniform {
  Real minval = -0.05, maxval = 0.05;
  Tensor make(const Key& key, const Shape& shape, DType dtype) const;
  void fields(Fields& f);
};
/// N(mean, stddev) cut at two standard deviations.
struct TruncatedNormal {
  Real mean = 0, stddev = 0.05;
  Tensor make(const Key& key, const Shape& shape, DType dtype) const;
  void fields(Fields& f);
};
/// Variance scale / n, where n is the mode's count: fan_in, fan_out or their mean (fan_avg).
/// Distribution: truncated_normal (of that variance after the cut), untruncated_normal, uniform.
/// Glorot is (1, fan_avg), He (2, fan_in), LeCun (1, fan_in). Glorot & Bengio 2010, He et al. 2015.
struct VarianceScaling {
  Real scale = 1;
  std::string mode = "fan_in", distribution = "truncated_normal";
  Tensor make(const Key& key, const Shape& shape, DType dtype) const;
  void fields(Fields& f);
};
/// The same number everywhere.
struct Constant {
  Real value = 0;
  Tensor make(const Key& key, const Shape& shape, DType dtype) const;
  void fields(Fields& f);
};
/// Columns (or rows, where there are more of them) of the last axis against all others are
/// orthonormal, times gain (Saxe et al. 2014). Needs: rank 2 at least (ShapeError).
struct Orthogonal {
  Real gain = 1;
  Tensor make(const Key& key, const Shape& shape, DType dtype) const;
  void fields(Fields& f);
};

/// rate * sum |x|.
struct L1 {
  Real rate = 0.01;
  Tensor penalty(const Tensor& x) const;
  void fields(Fields& f);
};
/// rate * sum x^2.
struct L2 {
  Real rate = 0.01;
  Tensor penalty(const Tensor& x) const;
  void fields(Fields& f);
};
/// l1 * sum |x| + l2 * sum x^2.
struct L1L2 {
  Real l1 = 0.01, l2 = 0.01;
  Tensor penalty(const Tensor& x) const;
  void fields(Fields& f);
};

/// Weights of each unit (along `axes`, Keras' axis; {0}: the inputs of a dense kernel) are scaled
/// down to a length of max_value where they are longer. For kernels of convolutions: axes = {0, 1,
/// 2}. Srebro & Shraibman 2005, Srivastava et al. 2014.
struct MaxNorm {
  Real max_value = 2;
  std::vector<int> axes = {0};
  Tensor project(const Tensor& x) const;
  void fields(Fields& f);
};
/// Lengths are brought to min_value..max_value, by the share `rate` of the way.
struct MinMaxNorm {
  Real min_value = 0, max_value = 1, rate = 1;
  std::vector<int> axes = {0};
  Tensor project(const Tensor& x) const;
  void fields(Fields& f);
};
/// Every length is 1.
struct UnitLength {
  std::vector<int> axes = {0};
  Tensor project(const Tensor& x) const;
  void fields(Fields& f);
};
/// Negative weights become 0.
struct NonNegative {
  Tensor project(const Tensor& x) const;
};

/// The names that `Activation`, `Initializer`, `Regularizer` and `Constraint` know, sorted.
std::vector<std::string> activation_names();
std::vector<std::string> initializer_names();  ///< see activation_names
std::vector<std::string> regularizer_names();  ///< see activation_names
std::vector<std::string> constraint_names();   ///< see activation_names

}  // namespace nn
}  // namespace varve
