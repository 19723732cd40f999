// The part of Python's pickle format that torch.save uses for tensors; nothing is run.
#pragma once
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "varve/types.h"

namespace varve::formats::pickle {

struct Value;
using Ref = std::shared_ptr<const Value>;

/// A storage that lies beside the pickle.
struct Storage {
  std::string key;
  DType dtype = DType::f32;
  int64_t count = 0;
};
/// A strided view of a storage.
struct TensorView {
  Storage storage;
  int64_t offset = 0;
  std::vector<int64_t> sizes, strides;
};
struct Global {
  std::string name;  ///< "torch FloatStorage"
};
/// Lists, tuples and dicts, whose items are key, value, key, value ...
struct Items {
  enum class Kind { tuple, list, dict } kind = Kind::tuple;
  std::vector<Ref> list;
};
struct None {};

struct Value {
  std::variant<None, bool, int64_t, double, std::string, Global, Storage, TensorView, Items> v;
  int depth = 0;
  mutable bool held = false;  ///< inside another value: nothing more is added to it
};

/// Reads one pickle from `bytes` at `at`, which moves behind it. Throws FormatError, "pickle: ...",
/// for an instruction or a global that is not among the known ones.
Ref read(std::span<const std::byte> bytes, size_t& at);

}  // namespace varve::formats::pickle
