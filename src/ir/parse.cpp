#include <algorithm>
#include <charconv>
#include <numeric>
#include <unordered_map>

#include "base/error.h"
#include "base/math.h"
#include "ir/dispatch.h"
#include "ir/graph.h"

namespace varve::ir {
namespace {

/// Recursive descent over the text form; the grammar is what print.cpp writes.
class Parser {
 public:
  Parser(std::string_view text, const std::function<const OpDef*(std::string_view)>& find)
      : text_(text), find_(find) {}

  Graph whole() {
    Graph g = graph();
    skip();
    if (at_ != text_.size()) fail("end of text");
    return g;
  }

 private:
  static constexpr int kDepth = 64;  // bodies inside bodies

  /// Which node a name stands for. Inputs are named before the nodes, but lie among them where
  /// their names say; until then they stand for -1 - their number.
  struct Names {
    std::unordered_map<int64_t, int32_t> of;
    std::vector<std::pair<int64_t, TensorType>> inputs;
    std::vector<size_t> order;  // of the inputs, by name
  };

  Graph graph() {
    if (++depth_ > kDepth) fail("at most 64 nested graphs");
    Graph g;
    Names names;
    expect("graph(");
    while (!accept(")")) {
      if (!names.of.empty()) expect(",");
      const int64_t name = value_name();
      define(names, name, static_cast<int32_t>(-1 - std::ssize(names.inputs)));
      expect(":");
      names.inputs.emplace_back(name, type());
    }
    g.inputs.assign(names.inputs.size(), -1);
    names.order.resize(names.inputs.size());
    std::iota(names.order.begin(), names.order.end(), size_t{0});
    std::sort(names.order.begin(), names.order.end(),
              [&](size_t i, size_t j) { return names.inputs[i].first < names.inputs[j].first; });
    expect("{");
    while (!accept("return")) statement(g, names);
    for (size_t i : names.order) place_input(g, names, i);
    if (peek() == '%') {
      do g.outputs.push_back(use(g, names));
      while (accept(","));
    }
    expect("}");
    --depth_;
    return g;
  }

  void place_input(Graph& g, Names& names, size_t i) {
    if (g.inputs[i] >= 0) return;
    const auto& [name, type] = names.inputs[i];
    names.of[name] = g.inputs[i] = g.add({&input_op(), {}, {}, {type}, {}}).node;
  }

  void statement(Graph& g, Names& names) {
    const int64_t name = value_name();
    if (names.of.contains(name)) fail("a new name", "%" + std::to_string(name));
    for (size_t i : names.order) {
      if (names.inputs[i].first < name) place_input(g, names, i);
    }
    expect("=");
    GraphNode node;
    const std::string op = word();
    node.op = op == "constant" ? &constant_op() : find_(op);
    if (!node.op) fail("a known op", op);
    if (peek() == '%') {
      do node.inputs.push_back(use(g, names));
      while (accept(","));
    }
    if (accept("{")) {
      do {
        std::string key = word();
        expect("=");
        node.attributes.set(std::move(key), attribute());
      } while (accept(","));
      expect("}");
    }
    expect(":");
    do node.outputs.push_back(type());
    while (accept(","));
    define(names, name, g.add(std::move(node)).node);
  }

  void define(Names& names, int64_t name, int32_t node) {
    if (!names.of.emplace(name, node).second) fail("a new name", "%" + std::to_string(name));
  }

  ValueId use(Graph& g, Names& names) {
    const int64_t name = value_name();
    auto found = names.of.find(name);
    if (found == names.of.end()) fail("a value defined before", "%" + std::to_string(name));
    if (found->second < 0) place_input(g, names, static_cast<size_t>(-1 - found->second));
    ValueId v{found->second, 0};
    if (at_ < text_.size() && text_[at_] == '.') {
      ++at_;
      v.output = static_cast<int32_t>(integer());
    }
    if (v.output < 0 || static_cast<size_t>(v.output) >= g.node(v).outputs.size())
      fail("an output of that node");
    return v;
  }

  int64_t value_name() {
    expect("%");
    return integer();
  }

  TensorType type() {
    TensorType t;
    try {
      t.dtype = parse_dtype(word());
    } catch (const ValueError& e) {
      fail("an element type (" + e.message() + ")");
    }
    t.shape = shape();
    return t;
  }

  /// Sizes whose product can be counted.
  Shape shape() {
    Shape s(ints());
    int64_t count = 1;
    for (int64_t n : s) {
      if (n < 0 || !checked_multiply(count, std::max<int64_t>(n, 1), count))
        fail("sizes of 0 or more", s.to_string());
    }
    return s;
  }

  Ints ints() {
    Ints list;
    expect("[");
    while (!accept("]")) {
      if (!list.empty()) expect(",");
      list.push_back(integer());
    }
    return list;
  }

  Attribute attribute() {
    const char c = peek();
    if (c == '"') return string();
    if (c == '[') return ints();
    if (c == '-' || (c >= '0' && c <= '9')) return number();
    if (text_.substr(at_, 6) == "graph(") return std::make_shared<const Graph>(graph());
    if (text_.substr(at_, 2) == "r[") return doubles();
    const size_t before = at_;
    const std::string w = word();
    if (w == "true") return true;
    if (w == "false") return false;
    if (w == "inf" || w == "nan") {
      at_ = before;
      return real();
    }
    DType dtype;
    try {
      dtype = parse_dtype(w);
    } catch (const ValueError&) {
      fail("an attribute value", w);
    }
    if (peek() != '[') return dtype;
    return literal(dtype);
  }

  Attribute literal(DType dtype) {
    Literal v{dtype, shape(), {}};
    expect("(");
    if (v.shape.size() > static_cast<int64_t>(text_.size()))
      fail("fewer elements than characters left");
    v.array = allocate(dtype, v.shape);
    const int64_t n = v.shape.size();
    for (int64_t i = 0; i < n; ++i) {
      if (i) expect(",");
      skip();
      dispatch(dtype, [&]<class T>(T) {
        T* p = reinterpret_cast<T*>(v.array.data()) + i;
        if constexpr (is_float_element<T>) {
          *p = convert<T>(real());
        } else if constexpr (std::is_same_v<T, uint64_t>) {
          *p = scan<uint64_t>();
        } else {
          *p = static_cast<T>(integer());
        }
      });
    }
    expect(")");
    return v;
  }

  Attribute doubles() {
    Doubles list;
    expect("r[");
    while (!accept("]")) {
      if (!list.empty()) expect(",");
      list.push_back(real());
    }
    return list;
  }

  Attribute number() {
    const size_t before = at_;
    while (at_ < text_.size() &&
           std::string_view("+-.0123456789einfa").find(text_[at_]) != std::string_view::npos)
      ++at_;
    const bool is_real =
        text_.substr(before, at_ - before).find_first_of(".en") != std::string_view::npos;
    at_ = before;
    if (is_real) return real();
    return integer();
  }

  Attribute string() {
    std::string out;
    expect("\"");
    while (at_ < text_.size() && text_[at_] != '"') {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) {
        ++at_;
        out += text_[at_] == 'n' ? '\n' : text_[at_];
      } else {
        out += text_[at_];
      }
      ++at_;
    }
    expect("\"");
    return out;
  }

  template <class T>
  T scan() {
    skip();
    T v{};
    const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), v);
    if (error != std::errc()) fail("a number");
    at_ = static_cast<size_t>(end - text_.data());
    return v;
  }
  int64_t integer() { return scan<int64_t>(); }
  double real() { return scan<double>(); }

  std::string word() {
    skip();
    const size_t begin = at_;
    while (at_ < text_.size() &&
           (std::isalnum(static_cast<unsigned char>(text_[at_])) || text_[at_] == '_'))
      ++at_;
    if (begin == at_) fail("a word");
    return std::string(text_.substr(begin, at_ - begin));
  }

  void skip() {
    while (at_ < text_.size()) {
      if (text_.substr(at_, 2) == "//") {
        while (at_ < text_.size() && text_[at_] != '\n') ++at_;
      } else if (std::isspace(static_cast<unsigned char>(text_[at_]))) {
        ++at_;
      } else {
        break;
      }
    }
  }
  char peek() {
    skip();
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool accept(std::string_view token) {
    skip();
    if (text_.substr(at_, token.size()) != token) return false;
    at_ += token.size();
    return true;
  }
  void expect(std::string_view token) {
    if (!accept(token)) fail("\"" + std::string(token) + "\"");
  }
  [[noreturn]] void fail(const std::string& expected) {
    fail(expected, text_.substr(std::min(at_, text_.size()), 20));
  }
  [[noreturn]] void fail(const std::string& expected, std::string_view got) {
    const auto end = text_.begin() + static_cast<ptrdiff_t>(std::min(at_, text_.size()));
    const auto line = 1 + std::count(text_.begin(), end, '\n');
    throw FormatError("graph text: line " + std::to_string(line) + ": expected " + expected +
                      ", got \"" + escaped(got) + "\"");
  }

  std::string_view text_;
  const std::function<const OpDef*(std::string_view)>& find_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

Graph parse_graph(std::string_view text,
                  const std::function<const OpDef*(std::string_view)>& find) {
  Graph g = Parser(text, find).whole();
  // Kernels and passes believe the types that stand in a graph.
  try {
    verify(g);
  } catch (const InternalError& e) {
    throw FormatError("graph text: " + e.message());
  }
  return g;
}

}  // namespace varve::ir
