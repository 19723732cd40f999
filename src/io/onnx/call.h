// One node that is being replayed: its inputs and attributes, checked as they are asked for.
#pragma once
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "io/onnx/value.h"
#include "varve/types.h"

namespace varve::io::onnx {

struct Row;
class Run;

/// While the layer is trained, nodes that are exported for inference do what they were made for:
/// Dropout drops, BatchNormalization uses the batch and moves its running statistics.
struct Training {
  std::function<Key()> key;                          ///< for what is dropped
  std::function<bool(const TensorData&)> is_frozen;  ///< whether a weight stays as it is
  std::map<std::string, Tensor> statistics = {};     ///< new running statistics by their names
};

/// What an iteration counts that leaves nodes or values behind: a kilobyte or two.
inline constexpr int64_t kKept = 512;

class Call {
 public:
  Call(Run& run, const Node& node, int64_t index, int64_t version, Values inputs);

  const Node& node() const { return node_; }
  /// The opset of the node's domain.
  int64_t version() const { return version_; }

  // Inputs. A missing one, or one of another kind, is a FormatError that names the node.
  int inputs() const { return static_cast<int>(inputs_.size()); }
  bool has(int i) const { return i < inputs() && !inputs_[static_cast<size_t>(i)].none(); }
  const Value& value(int i) const;
  const Tensor& tensor(int i) const;
  const Strings& strings(int i) const;
  const Values& items(int i) const;
  Type type(int i) const { return value(i).type; }
  DType dtype(int i) const { return tensor(i).dtype(); }
  const Shape& shape(int i) const { return tensor(i).shape(); }
  Shape shape_of(int i) const;  ///< of texts, too
  /// Elements that must be known now: while a trace records, and they depend on its inputs, an
  /// UnsupportedError that names the node.
  std::vector<int64_t> ints(int i) const;
  std::vector<double> numbers(int i) const;
  int64_t integer(int i) const;  ///< of a tensor of one element
  double number(int i) const;
  /// The same for what is no input itself.
  void require_known(const Value& v, const char* what) const;

  // Attributes; FormatError for another kind, or where there is none and no fallback.
  const Attribute* find(const char* name) const;
  int64_t integer(const char* name) const;
  int64_t integer(const char* name, int64_t fallback) const;
  double real(const char* name, double fallback) const;
  double real(const char* name) const;
  std::string text(const char* name) const;
  std::string text(const char* name, const char* fallback) const;
  std::vector<int64_t> integers(const char* name) const;
  std::vector<int64_t> integers(const char* name, std::vector<int64_t> fallback) const;
  /// One integer >= least a spatial axis: `strides[0]: expected >= 1, got 0`.
  std::vector<int64_t> sizes(const char* name, size_t count, int64_t fallback,
                             int64_t least = 1) const;
  std::vector<float> reals(const char* name, std::vector<float> fallback = {}) const;
  std::vector<std::string> texts(const char* name, std::vector<std::string> fallback = {}) const;
  Value tensor_attribute(const char* name) const;
  Value sparse_attribute(const char* name) const;  ///< as a dense tensor
  const Graph& graph(const char* name) const;
  /// An attribute with a type's number; FormatError where there is no such type.
  Type type_attribute(const char* name, Type fallback) const;
  /// As an attribute before opset `since`, as input `i` from it on; empty where it is not given.
  std::optional<std::vector<int64_t>> ints_by_version(const char* name, int since, int i) const;

  // Outputs.
  int outputs() const { return static_cast<int>(node_.outputs.size()); }
  bool wants(int i) const {
    return i < outputs() && !node_.outputs[static_cast<size_t>(i)].empty();
  }

  /// -rank..rank-1 to 0..rank-1; FormatError else.
  int axis(int64_t given, int rank, const char* what = "axis") const;
  std::vector<int> axes(const std::vector<int64_t>& given, int rank) const;
  /// Refuses a shape of more elements than the run allows (Run::allowed): hostile sizes must not
  /// take memory. `because` names the attribute or input that says so. Outputs are held to it
  /// anyway: for lists on the host, and for what an op makes on its way.
  void limit(const Shape& shape, const char* because = nullptr) const;
  /// Takes iterations from what all loops of the run have together; one that stays in memory, in a
  /// graph or a list, counts kKept-fold.
  void spend(int64_t iterations, int64_t each = 1) const;
  int64_t iterations_left() const;
  /// Program::Options::replayed.
  bool replayed() const;

  /// The batch that a model was written for, where it is a fixed one, and the one it runs at; else
  /// 0.
  std::pair<int64_t, int64_t> batch() const;
  /// How nodes behave while the layer is trained; null where they compute what the file says.
  Training* training() const;
  /// The key of what is drawn anew each time.
  Key fresh_key() const;
  /// Replays a graph in an attribute: it sees the names around the node.
  Values run(const Graph& body, Values inputs) const;
  /// The same where an operation of Varve's own traces it.
  Values run_traced(const Graph& body, Values inputs) const;
  /// Replays what this node's graph computed of `name` before it, with other values for some names.
  Value recompute(const std::string& name,
                  const std::vector<std::pair<std::string, Value>>& given) const;

  /// FormatError / UnsupportedError `node "conv1": <what>`.
  [[noreturn]] void fail(const std::string& what, std::string hint = {}) const;
  [[noreturn]] void unsupported(const std::string& why, std::string hint = {}) const;
  /// `node "conv1"`, or `node 7 (Conv)` where it has no name.
  std::string label() const;

 private:
  const Attribute& require(const char* name, Attribute::Kind kind) const;
  const Attribute* checked(const char* name, Attribute::Kind kind) const;
  template <class T>
  const T& only(const char* name, const std::vector<T>& list) const;
  Run& run_;
  const Node& node_;
  int64_t index_, version_;
  Values inputs_;
};

}  // namespace varve::io::onnx
