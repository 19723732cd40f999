#include <charconv>

#include "ir/dispatch.h"
#include "ir/graph.h"

namespace varve::ir {
namespace {

/// Shortest text that reads back to the same double, always with a mark of being real.
std::string real_text(double v) {
  char text[40];
  auto end = std::to_chars(text, text + sizeof text, v).ptr;
  std::string s(text, end);
  return s.find_first_of(".en") == s.npos ? s + ".0" : s;
}

std::string quoted(const std::string& s) {
  std::string out = "\"";
  for (char c : s) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string literal_text(const Literal& v, size_t elide) {
  std::string out = TensorType{v.dtype, v.shape}.to_string() + " (";
  const Array a = is_contiguous(v.shape, v.array.strides)
                      ? v.array
                      : contiguous_copy({v.dtype, v.shape}, v.array);
  const auto n = static_cast<size_t>(v.shape.size());
  dispatch(v.dtype, [&]<class T>(T) {
    const T* p = reinterpret_cast<const T*>(a.data());
    for (size_t i = 0; i < n; ++i) {
      if (elide && i == elide) {
        out += ", ...";
        break;
      }
      if (i) out += ", ";
      if constexpr (std::is_same_v<T, double>) {
        out += real_text(p[i]);
      } else if constexpr (is_float_element<T>) {
        out += real_text(static_cast<double>(static_cast<float>(p[i])));
      } else {
        out += std::to_string(p[i]);
      }
    }
  });
  return out + ")";
}

template <class List, class F>
std::string list_text(const List& list, F f) {
  std::string out = "[";
  for (size_t i = 0; i < list.size(); ++i) out += (i ? ", " : "") + f(list[i]);
  return out + "]";
}

std::string value_text(ValueId v) {
  std::string s = "%" + std::to_string(v.node);
  return v.output ? s + "." + std::to_string(v.output) : s;
}

std::string indented(const std::string& text) {
  std::string out;
  for (char c : text) {
    out += c;
    if (c == '\n') out += "  ";
  }
  return out;
}

std::string node_text(const GraphNode& node, int index, const PrintOptions& options) {
  // The verifier shows broken nodes, so nothing that a node should have is taken for granted.
  std::string out = "%" + std::to_string(index) + " = " + (node.op ? node.op->name : "(no op)");
  for (size_t i = 0; i < node.inputs.size(); ++i)
    out += (i ? ", " : " ") + value_text(node.inputs[i]);
  if (!node.attributes.empty()) {
    out += " {";
    bool first = true;
    for (const auto& [name, value] : node.attributes) {
      out += (first ? "" : ", ") + name + " = " + to_text(value, options);
      first = false;
    }
    out += "}";
  }
  out += " :";
  for (size_t i = 0; i < node.outputs.size(); ++i)
    out += (i ? ", " : " ") + node.outputs[i].to_string();
  if (options.sites) {
    if (std::string at = node.site.to_string(); !at.empty()) out += "  // " + at;
  }
  return out;
}

}  // namespace

std::string to_text(const Attribute& attribute, PrintOptions options) {
  struct Visitor {
    PrintOptions options;
    std::string operator()(bool v) const { return v ? "true" : "false"; }
    std::string operator()(int64_t v) const { return std::to_string(v); }
    std::string operator()(double v) const { return real_text(v); }
    std::string operator()(const std::string& v) const { return quoted(v); }
    std::string operator()(DType v) const { return name_of(v); }
    std::string operator()(const Ints& v) const {
      return list_text(v, [](int64_t i) { return std::to_string(i); });
    }
    // The r tells an empty list of reals from an empty list of integers.
    std::string operator()(const Doubles& v) const { return "r" + list_text(v, real_text); }
    std::string operator()(const GraphRef& v) const {
      return v ? indented(to_text(*v, options)) : "(no graph)";
    }
    std::string operator()(const Literal& v) const {
      return v.array ? literal_text(v, options.elide) : "(no elements)";
    }
    std::string operator()(const Opaque& v) const { return "<" + v.name + ">"; }
  };
  return std::visit(Visitor{options}, attribute);
}

std::string to_text(const GraphNode& node, int index) {
  return node_text(node, index, {.sites = true});
}

std::string to_text(const Graph& graph, PrintOptions options) {
  std::string out = "graph(";
  for (size_t i = 0; i < graph.inputs.size(); ++i) {
    const int32_t n = graph.inputs[i];
    out += (i ? ", %" : "%") + std::to_string(n) + ": " +
           graph.nodes[static_cast<size_t>(n)].outputs[0].to_string();
  }
  out += ") {\n";
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    if (!is_input(graph.nodes[n]))
      out += "  " + node_text(graph.nodes[n], static_cast<int>(n), options) + "\n";
  }
  out += "  return";
  for (size_t i = 0; i < graph.outputs.size(); ++i)
    out += (i ? ", " : " ") + value_text(graph.outputs[i]);
  return out + "\n}";
}

}  // namespace varve::ir
