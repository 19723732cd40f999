// room: nn
// Layers of several tensors. A result has a mask (see mask.h) where a tensor has one: a step
// is there where it is in one of those that have. Joined along an axis of the masks, these are
// joined, too. Dot takes none.
#pragma once
#include <string>
#include <vector>

#include "varve/nn/layer.h"

namespace varve::nn {

/// One after the other along an axis (-1: the last; the batch is axis 0).
struct Concatenate {
  int axis = -1;
  std::string name = {};
  static constexpr Masks masks = Masks::own;
  Tensor call(const Tensors& x, Scope& s) const;
  Tensor operator()(const Tensors& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

/// Elementwise, of two tensors or more that broadcast: a + b + ...
struct Add {
  std::string name = {};
  static constexpr Masks masks = Masks::own;
  Tensor call(const Tensors& x, Scope& s) const;
  Tensor operator()(const Tensors& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};
/// a - b, of exactly two.
struct Subtract {
  std::string name = {};
  static constexpr Masks masks = Masks::own;
  Tensor call(const Tensors& x, Scope& s) const;
  Tensor operator()(const Tensors& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};
/// a * b * ...
struct Multiply {
  std::string name = {};
  static constexpr Masks masks = Masks::own;
  Tensor call(const Tensors& x, Scope& s) const;
  Tensor operator()(const Tensors& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};
/// (a + b + ...) / count.
struct Average {
  std::string name = {};
  static constexpr Masks masks = Masks::own;
  Tensor call(const Tensors& x, Scope& s) const;
  Tensor operator()(const Tensors& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};
/// The largest of each element.
struct Maximum {
  std::string name = {};
  static constexpr Masks masks = Masks::own;
  Tensor call(const Tensors& x, Scope& s) const;
  Tensor operator()(const Tensors& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};
/// The least of each element.
struct Minimum {
  std::string name = {};
  static constexpr Masks masks = Masks::own;
  Tensor call(const Tensors& x, Scope& s) const;
  Tensor operator()(const Tensors& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};
/// Scalar products of samples along one axis of each: [batch, n] and [batch, n] -> [batch, 1];
/// [batch, m, n] and [batch, k, n] -> [batch, m, k], the axes that are left, first those of the
/// first tensor. With `normalize` their cosine.
struct Dot {
  std::vector<int> axes = {
      -1};  ///< of each tensor, or one for both; 1 is the first after the batch
  bool normalize = false;
  std::string name = {};
  Tensor call(const Tensors& x, Scope& s) const;
  Tensor operator()(const Tensors& x, CallOptions options = {}, Where where = Where::here()) &&;
  void fields(Fields& f);
};

}  // namespace varve::nn
