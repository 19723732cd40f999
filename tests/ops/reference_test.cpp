// docs/ops.md is made of the op table and of the sample rows; here it is held against them.
//     VARVE_WRITE_DOCS=1 build/test_ops --gtest_filter='OpReference.*'      writes it anew
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "ir/graph.h"
#include "ops/table.h"
#include "samples_inputs.h"
#include "support/folder.h"
#include "support/text.h"
#include "varve/derivatives.h"

namespace varve::samples {
namespace {

using Family = std::span<const ir::OpDef> (*)();

struct Section {
  const char* title;
  Family rows;
};
constexpr Section kSections[] = {{"Elementwise", ops::pointwise_rows},
                                 {"Activations of several steps", ops::activation_rows},
                                 {"Reductions", ops::reduction_rows},
                                 {"Shapes", ops::shape_rows},
                                 {"Choosing elements by position", ops::indexing_rows},
                                 {"Matrix product", ops::matmul_rows},
                                 {"Convolution", ops::convolution_rows},
                                 {"Pooling", ops::pooling_rows},
                                 {"Resampling", ops::resampling_rows},
                                 {"Windows", ops::windows_rows},
                                 {"Reading between elements", ops::sampling_rows},
                                 {"Regions and boxes", ops::detection_rows},
                                 {"Normalization", ops::normalization_rows},
                                 {"Losses", ops::loss_rows},
                                 {"Recurrent networks", ops::recurrent_rows},
                                 {"Attention", ops::attention_rows},
                                 {"Fourier transforms", ops::fourier_rows},
                                 {"Linear algebra", ops::linalg_rows},
                                 {"Sparse products", ops::sparse_rows},
                                 {"Losses of sequences", ops::ctc_rows},
                                 {"Random numbers", ops::random_rows},
                                 {"Functions as nodes", ops::function_rows},
                                 {"Control flow", ops::control_rows},
                                 {"Operations of the user's own", ops::custom_rows}};

/// What was seen of an op in the graphs of the sample rows.
struct Seen {
  std::string example;                            ///< "f32[2, 3], f32[3, 4] -> f32[2, 4]"
  std::map<std::string, std::string> attributes;  ///< name to type
  std::vector<std::string> types;                 ///< that its sample row takes
  std::set<std::string> functions;                ///< of users, that make it
};
using SeenOps = std::map<std::string, Seen>;

std::string type_name(const ir::Attribute& a) {
  constexpr const char* kNames[] = {"bool",     "integer", "real",  "text",    "dtype",
                                    "integers", "reals",   "graph", "literal", "function"};
  return kNames[a.index()];
}

std::string types_text(const ir::Types& types) {
  std::string out;
  for (const ir::TensorType& t : types) out += (out.empty() ? "" : ", ") + t.to_string();
  return out;
}

/// `function`: of users, whose graph it is; empty for derivatives.
void look_at(const ir::Graph& graph, const std::string& function, SeenOps& seen) {
  for (const ir::GraphNode& node : graph.nodes) {
    Seen& s = seen[node.op->name];
    if (!function.empty()) s.functions.insert(function);
    for (const auto& [name, value] : node.attributes) {
      s.attributes.emplace(name, type_name(value));
      if (const auto* body = std::get_if<ir::GraphRef>(&value)) look_at(**body, function, seen);
    }
    // The first example that shows something: no scalar and no empty array.
    const ir::Types& outputs = node.outputs;
    if (!s.example.empty() || outputs.empty() || outputs[0].shape.size() == 0) continue;
    ir::Types inputs;
    for (ir::ValueId v : node.inputs) inputs.push_back(graph.type(v));
    if (!inputs.empty() && inputs[0].shape.rank() == 0 && outputs[0].shape.rank() == 0) continue;
    s.example = (inputs.empty() ? "" : types_text(inputs) + " ") + "-> " + types_text(outputs);
  }
}

/// The graphs of a sample: of the call, and of its derivative.
void look_at(const Row& row, const Sample& sample, SeenOps& seen) {
  const std::vector<DType>& dtypes = dtypes_of(row, sample);
  const bool f32_taken = std::find(dtypes.begin(), dtypes.end(), f32) != dtypes.end();
  const Tensors x = make_inputs(row, sample, f32_taken ? f32 : dtypes.front());
  ir::Types types;
  for (const Tensor& t : x) types.push_back({t.dtype(), t.shape()});
  const auto call = [&](std::span<const Tensor> v) {
    return run(row, sample, Tensors(std::vector<Tensor>(v.begin(), v.end()))).list();
  };
  const auto derivative = [&](std::span<const Tensor> v) {
    const TensorsFunction f = [&](const Tensors& moved) {
      std::vector<Tensor> all(v.begin(), v.end());
      for (size_t i = 0, k = 0; i < all.size(); ++i) {
        if (is_floating(all[i].dtype())) all[i] = moved[k++];
      }
      return run(row, sample, Tensors(all));
    };
    std::vector<Tensor> at, cotangents;
    for (const Tensor& t : v) {
      if (is_floating(t.dtype())) at.push_back(t);
    }
    for (const Tensor& y : f(Tensors(at))) cotangents.push_back(y);
    return vjp(f, Tensors(at), Tensors(cotangents)).cotangents.list();
  };
  using Function = std::function<std::vector<Tensor>(std::span<const Tensor>)>;
  // Calls that read values, or have no derivative, show nothing.
  for (const auto& [f, name] : {std::pair<Function, std::string>(call, row.op), {derivative, ""}}) {
    try {
      look_at(ir::trace_body(types, f), name, seen);
    } catch (const Error&) {
    }
  }
}

SeenOps look_at_samples() {
  SeenOps seen;
  for (const Row& row : all_rows()) {
    if (ops::find(row.op)) {
      Seen& s = seen[row.op];
      for (DType d : row.dtypes) s.types.emplace_back(varve::name_of(d));
    }
    for (const Sample& sample : row.samples) look_at(row, sample, seen);
  }
  return seen;
}

std::string types_taken(const std::vector<std::string>& names) {
  const std::map<std::string, std::string> kGroups{
      {"f16 bf16 f32 f64", "floating"},
      {"u8 i8 u16 i16 u32 i32 u64 i64", "integers"},
      {"u8 i8 u16 i16 u32 i32 u64 i64 f16 bf16 f32 f64", "all but bool"},
      {"bool u8 i8 u16 i16 u32 i32 u64 i64", "bool and integers"},
      {"bool u8 i8 u16 i16 u32 i32 u64 i64 f16 bf16 f32 f64", "all"}};
  std::string list;
  for (const std::string& n : names) list += (list.empty() ? "" : " ") + n;
  const auto group = kGroups.find(list);
  return group == kGroups.end() ? list : group->second;
}

std::string derivative_of(const ir::OpDef& op) {
  struct Visitor {
    std::string operator()(const ir::NotDifferentiable& d) const {
      return std::string("none: ") + d.why;
    }
    std::string operator()(const ir::Pointwise&) const { return "partials, elementwise"; }
    std::string operator()(const ir::Linear&) const { return "linear, by its transpose"; }
    std::string operator()(const ir::Multilinear& d) const {
      return "linear in each of " + std::to_string(d.factors) + " inputs, by its transpose";
    }
    std::string operator()(const ir::Custom&) const { return "a rule for each mode"; }
    std::string operator()(const ir::FromDecomposition&) const {
      return "that of its decomposition";
    }
  };
  return std::visit(Visitor{}, op.derivative);
}

std::string inputs_of(const ir::OpDef& op) {
  if (op.min_inputs == op.max_inputs) return std::to_string(op.min_inputs);
  if (op.max_inputs < 0 || op.max_inputs > 1000) return std::to_string(op.min_inputs) + " or more";
  return std::to_string(op.min_inputs) + " to " + std::to_string(op.max_inputs);
}

std::string notes_of(const ir::OpDef& op) {
  std::string out;
  const auto note = [&](bool is, const std::string& text) {
    if (is) out += (out.empty() ? "" : "; ") + text;
  };
  note(op.decompose, "composite: runs as more primitive ops where no kernel takes it");
  note(op.view, "a view: shares its input's elements where their strides allow it");
  note(op.traits.commutative, "the first two inputs may be swapped");
  note(op.traits.random, "random: takes a key first");
  note(op.traits.barrier, "never merged with an equal node");
  note(op.traits.epilogue, "its kernels may apply the activation behind it");
  note(op.traits.residuals > 0,
       "the last " + std::to_string(op.traits.residuals) + " output(s) are for the derivative");
  return out;
}

/// A declaration of a function of users.
struct Signature {
  std::string name, text, header;
};
const std::vector<Signature>& signatures() {
  static const std::vector<Signature> list = [] {
    std::vector<Signature> found;
    std::set<std::filesystem::path> headers;
    for (const auto& e : std::filesystem::directory_iterator(VARVE_SOURCE_DIR "/include/varve/ops"))
      headers.insert(e.path());
    const std::regex declaration(R"((?:^|\n)((?:Tensors?|\w+Result|BatchNorm) (\w+)\([^;{]*\));)");
    for (const std::filesystem::path& path : headers) {
      const std::string s = test::read_text(path);
      for (std::sregex_iterator m(s.begin(), s.end(), declaration), end; m != end; ++m) {
        const std::string one_line = std::regex_replace((*m)[1].str(), std::regex(R"(\s+)"), " ");
        found.push_back({(*m)[2], one_line, path.filename()});
      }
    }
    return found;
  }();
  return list;
}

/// The functions to name at an op: those of its name (or one for each number of axes), or else
/// those whose graphs hold it, where they are few.
std::set<std::string> functions_of(const ir::OpDef& op, const Seen& seen) {
  static const std::map<std::string, std::string> kOtherNames{
      {"convolution", "conv"},
      {"convolution_input_gradient", "conv_transpose"},
      {"select", "where"}};
  const auto other = kOtherNames.find(op.name);
  const std::string wanted = other == kOtherNames.end() ? op.name : other->second;
  std::set<std::string> found;
  for (const Signature& f : signatures()) {
    if (f.name == wanted || std::regex_replace(f.name, std::regex("[123]d$"), "") == wanted)
      found.insert(f.name);
  }
  constexpr size_t kMost = 8;
  if (found.empty() && seen.functions.size() <= kMost) return seen.functions;
  return found;
}

void write_op(std::ostream& out, const ir::OpDef& op, const Seen& seen) {
  out << "\n### " << op.name << "\n\n" << op.doc << "\n\n";
  const auto line = [&](const char* what, const std::string& text) {
    if (!text.empty()) out << "- " << what << ": " << text << "\n";
  };
  line("inputs", inputs_of(op));
  std::string attributes;
  for (const auto& [name, type] : seen.attributes)
    attributes += (attributes.empty() ? "`" : ", `") + name + "` (" + type + ")";
  line("attributes", attributes);
  line("types", types_taken(seen.types));
  std::string functions;
  for (const std::string& name : functions_of(op, seen)) {
    for (const Signature& f : signatures()) {
      if (f.name == name) functions += "\n  - `" + f.text + "` (" + f.header + ")";
    }
  }
  if (!functions.empty()) out << "- functions:" << functions << "\n";
  line("example", seen.example.empty() ? "" : "`" + seen.example + "`");
  line("derivative", derivative_of(op));
  line("traits", notes_of(op));
}

std::string reference() {
  const SeenOps seen = look_at_samples();
  std::ostringstream out;
  out << "# The ops\n\n"
         "Made of the op table and the sample rows of `tests/ops/` by "
         "`tests/ops/reference_test.cpp`; `make docs` writes it.\n\n"
         "These are the nodes of a graph: what `plan()` shows and what a model file may name. "
         "Users "
         "call\nfunctions, which make them; the contracts of these stand in their headers, "
         "`include/varve/ops/`.\nBroadcasting and casts are nodes of their own. Types are those "
         "that the function takes: operands\nare promoted before the node is made. Examples are "
         "out of the tests' graphs: types of the inputs,\ntypes of the outputs.\n";
  for (const Section& section : kSections) {
    out << "\n## " << section.title << "\n";
    for (const ir::OpDef& op : section.rows()) {
      const auto at = seen.find(op.name);
      write_op(out, op, at == seen.end() ? Seen{} : at->second);
    }
  }
  return out.str();
}

TEST(OpReference, HasASectionForEveryFamily) {
  size_t rows = 0;
  for (const Section& section : kSections) rows += section.rows().size();
  EXPECT_EQ(rows, ops::all().size());
}

TEST(OpReference, IsWhatTheTableSays) { test::expect_document("ops.md", reference()); }

}  // namespace
}  // namespace varve::samples
