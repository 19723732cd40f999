// What the export's rows write with: values under their ONNX names, in the layout that ONNX wants.
#pragma once
#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/onnx.h"
#include "ir/graph.h"

namespace varve::io::onnx {

/// A value of the traced graph in the ONNX graph. It may stand there in several forms, each made
/// when it is first asked for.
struct Emitted {
  ir::TensorType type;
  std::string plain;           ///< as Varve has it
  std::string channels_first;  ///< with the last axis moved behind the first: what Conv gives
  std::string narrow;          ///< before it was broadcast to its shape: ONNX operators broadcast
  Shape narrow_shape;
};

using Attribute = formats::onnx::Attribute;
Attribute integer(std::string name, int64_t value);
Attribute integers(std::string name, std::vector<int64_t> values);
Attribute real(std::string name, double value);
Attribute text(std::string name, std::string value);
/// An input or output of a graph; sizes that hold one batch are called so.
formats::onnx::ValueInfo info(const std::string& name, const ir::TensorType& type);

struct Exported;

/// Writes into one graph; bodies of control flow have emitters of their own inside.
class Emitter {
 public:
  Emitter() = default;
  explicit Emitter(Emitter* outer) : outer_(outer) {}

  /// Adds an operator with one output and gives that output's name.
  std::string add(const char* op, std::vector<std::string> inputs,
                  std::vector<Attribute> attributes = {});
  /// The same with several outputs.
  std::vector<std::string> add_many(const char* op, std::vector<std::string> inputs, int outputs,
                                    std::vector<Attribute> attributes = {});
  /// Initializers, each value once. Integers have the shape of the list.
  std::string ints(const std::vector<int64_t>& values);
  std::string number(double value, DType dtype);
  std::string literal(const ir::Literal& value, std::string_view name = "constant");
  /// i64 sizes of a shape that may hold the batch.
  std::string sizes(std::span<const int64_t> shape);
  std::string reshape(const std::string& x, std::span<const int64_t> shape);
  std::string transpose(const std::string& x, const std::vector<int64_t>& axes);

  /// A form of a value; makes it where there is none yet.
  const std::string& plain(Emitted& v);
  const std::string& first(Emitted& v);
  /// An operator that works element by element, in whatever form its operands have in common:
  /// `make` takes names and gives a name.
  Emitted elementwise(const ir::TensorType& out, std::span<Emitted* const> in,
                      const std::function<std::string(const std::vector<std::string>&)>& make);

  /// Every node of a graph; gives its outputs.
  std::vector<Emitted> emit(const ir::Graph& graph, std::vector<Emitted> inputs);

  /// The same values in another type, in one of the forms that they have.
  Emitted cast(Emitted& v, DType to);

  /// A name that nothing has yet.
  std::string fresh(std::string_view stem);
  /// The name of an input whose first size is the batch.
  void set_batch_source(const std::string& input) { batch_source_ = input; }
  formats::onnx::Graph& graph() { return graph_; }

 private:
  std::string batch();
  void emit_node(const Exported& e);
  void emit_wide(const Exported& e);
  Emitter& top() { return outer_ ? outer_->top() : *this; }

  Emitter* outer_ = nullptr;
  formats::onnx::Graph graph_;
  std::string batch_source_, batch_;
  std::map<std::pair<std::string, DType>, std::string> cast_;  // names of this graph alone
  std::map<std::string, int> used_;                            // of the outermost: names by stem
  std::set<std::string> names_;                                // of the outermost
  std::map<std::vector<int64_t>, std::string> integers_;       // of the outermost
};

/// A node and its operands, as a row of the export sees them.
struct Exported {
  Emitter& to;
  const ir::GraphNode& node;
  std::vector<Emitted*> inputs;
  std::vector<Emitted>& outputs;
  std::vector<bool> read = {};  ///< whether anything reads each output

  const std::string& plain(size_t i) const { return to.plain(*inputs[i]); }
  const ir::TensorType& type(size_t i) const { return inputs[i]->type; }
  const ir::Ints& ints(const char* name) const { return node.attributes.ints(name); }
  int64_t integer(const char* name) const { return node.attributes.integer(name); }
  void give(std::string name) const { outputs[0].plain = std::move(name); }
  [[noreturn]] void refuse(const std::string& why) const;
};

/// How one op is written. Rows of a family, a file each.
struct ExportRow {
  const char* op;
  void (*emit)(const Exported& e);
};
std::span<const ExportRow> pointwise_exports();
std::span<const ExportRow> shape_exports();
std::span<const ExportRow> reduction_exports();
std::span<const ExportRow> indexing_exports();
std::span<const ExportRow> network_exports();
std::span<const ExportRow> linear_exports();
std::span<const ExportRow> control_exports();

}  // namespace varve::io::onnx
