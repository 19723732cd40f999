#include "formats/onnx_read.h"

#include "base/error.h"
#include "formats/file.h"
#include "formats/kind.h"

namespace varve::formats::onnx {

void Reading::count(const ProtoMessage& m) {
  if (++entries > kMaxEntries) m.fail("more than " + std::to_string(kMaxEntries) + " entries");
}

namespace {

// Files above this are refused: the format itself ends there.
constexpr int64_t kMaxFile = (int64_t{1} << 31) - 1;

Type read_element_type(ProtoMessage& m, const char* name) {
  const int64_t type = m.integer(name);
  if (type < 0 || type >= kTypeCount) {
    m.fail("field " + m.path() + "." + name + ": expected 0.." + std::to_string(kTypeCount - 1) +
           ", got " + std::to_string(type));
  }
  return static_cast<Type>(type);
}

void read_shape(ProtoMessage m, ValueType& out, Reading& reading) {
  out.has_shape = true;
  while (m.next()) {
    if (m.field() != 1) {
      m.skip();
      continue;
    }
    reading.count(m);
    ValueType::Dim dim;
    ProtoMessage d = m.message("dim", static_cast<int64_t>(out.dims.size()));
    while (d.next()) {
      if (d.field() == 1) {
        dim.value = d.integer("dim_value");
        // Some exporters write -1, or 0 beside no name, for a size that is not known.
        if (dim.value < 0) dim.value = -1;
      } else if (d.field() == 2) {
        dim.parameter = d.text("dim_param");
      } else {
        d.skip();
      }
    }
    out.dims.push_back(std::move(dim));
  }
}

ValueType read_type(ProtoMessage m, Reading& reading);

// tensor_type, sparse_tensor_type, sequence_type, optional_type and map_type are alike enough.
void read_type_body(ProtoMessage m, ValueType& out, Reading& reading) {
  using Kind = ValueType::Kind;
  const bool leaf = out.kind == Kind::tensor || out.kind == Kind::sparse;
  while (m.next()) {
    if (m.field() == 1 && (leaf || out.kind == Kind::map)) {
      out.element = read_element_type(m, leaf ? "elem_type" : "key_type");
    } else if (m.field() == 2 && leaf) {
      read_shape(m.message("shape"), out, reading);
    } else if (m.field() == (out.kind == Kind::map ? 2u : 1u) && !leaf) {
      out.inner = std::make_shared<ValueType>(read_type(m.message("elem_type"), reading));
    } else {
      m.skip();
    }
  }
}

ValueType read_type(ProtoMessage m, Reading& reading) {
  using Kind = ValueType::Kind;
  ValueType out;
  while (m.next()) {
    switch (m.field()) {
      case 1:
        out.kind = Kind::tensor;
        read_type_body(m.message("tensor_type"), out, reading);
        break;
      case 4:
        out.kind = Kind::sequence;
        read_type_body(m.message("sequence_type"), out, reading);
        break;
      case 5:
        out.kind = Kind::map;
        read_type_body(m.message("map_type"), out, reading);
        break;
      case 8:
        out.kind = Kind::sparse;
        read_type_body(m.message("sparse_tensor_type"), out, reading);
        break;
      case 9:
        out.kind = Kind::optional;
        read_type_body(m.message("optional_type"), out, reading);
        break;
      default:
        m.skip();
    }
  }
  return out;
}

ValueInfo read_value_info(ProtoMessage m, Reading& reading) {
  ValueInfo out;
  while (m.next()) {
    if (m.field() == 1) {
      out.name = m.text("name");
    } else if (m.field() == 2) {
      out.type = read_type(m.message("type"), reading);
    } else {
      m.skip();
    }
  }
  return out;
}

Graph read_graph(ProtoMessage m, Reading& reading);

// Files of IR version 1 give no type: it is what is there.
void settle_kind(const ProtoMessage& m, Attribute& a, Attribute::Kind seen, int64_t declared) {
  using Kind = Attribute::Kind;
  if (declared < 0 || declared > static_cast<int64_t>(Kind::types)) {
    m.fail("field " + m.path() + ".type: expected 0..14, got " + std::to_string(declared));
  }
  a.kind = declared ? static_cast<Kind>(declared) : seen;
  // Nothing seen: a zero, an empty string or an empty list that was left out.
  const bool needs_body = a.kind == Kind::tensor || a.kind == Kind::graph ||
                          a.kind == Kind::sparse || a.kind == Kind::type;
  const bool agrees = seen == a.kind || (seen == Kind::undefined && !needs_body);
  if (!agrees && a.reference.empty()) {
    m.fail("attribute \"" + escaped(a.name) + "\": expected " + name_of(a.kind) + ", got " +
           name_of(seen));
  }
}

Attribute read_attribute(ProtoMessage m, Reading& reading) {
  using Kind = Attribute::Kind;
  Attribute a;
  Kind seen = Kind::undefined;
  int64_t declared = 0;
  const auto graph = [&](const char* name) {
    reading.count(m);
    const auto index = static_cast<int64_t>(a.graphs.size());
    a.graphs.push_back(std::make_shared<Graph>(read_graph(m.message(name, index), reading)));
  };
  while (m.next()) {
    const uint32_t field = m.field();
    // The scalar kinds are fields 2 to 6, the lists 7 to 11: kinds 1 to 10 in this order.
    if (field >= 2 && field <= 11) seen = static_cast<Kind>(field - 1);
    switch (field) {
      case 1:
        a.name = m.text("name");
        break;
      case 2:
        a.real = m.real32("f");
        break;
      case 3:
        a.integer = m.integer("i");
        break;
      case 4:
        a.string = m.text("s");
        break;
      case 5:
      case 10:
        reading.count(m);
        a.tensors.push_back(read_tensor(m.message(field == 5 ? "t" : "tensors"), reading));
        break;
      case 6:
        graph("g");
        break;
      case 7:
        m.reals32("floats", a.reals);
        break;
      case 8:
        m.integers("ints", a.integers);
        break;
      case 9:
        reading.count(m);
        a.strings.push_back(m.text("strings"));
        break;
      case 11:
        graph("graphs");
        break;
      case 14:
      case 15:
        reading.count(m);
        seen = field == 14 ? Kind::type : Kind::types;
        a.types.push_back(read_type(m.message("tp"), reading));
        break;
      case 20:
        declared = m.integer("type");
        break;
      case 21:
        a.reference = m.text("ref_attr_name");
        break;
      case 22:
      case 23:
        reading.count(m);
        seen = field == 22 ? Kind::sparse : Kind::sparse_list;
        a.sparse.push_back(read_sparse(m.message("sparse_tensor"), reading));
        break;
      default:
        m.skip();
    }
  }
  settle_kind(m, a, seen, declared);
  if (a.kind == Kind::tensor && a.tensors.size() > 1)
    a.tensors.erase(a.tensors.begin(), a.tensors.end() - 1);
  return a;
}

// The default domain has two names.
std::string domain_of(std::string text) { return text == "ai.onnx" ? "" : text; }

Node read_node(ProtoMessage m, Reading& reading) {
  Node n;
  while (m.next()) {
    switch (m.field()) {
      case 1:
        reading.count(m);
        n.inputs.push_back(m.text("input"));
        break;
      case 2:
        reading.count(m);
        n.outputs.push_back(m.text("output"));
        break;
      case 3:
        n.name = m.text("name");
        break;
      case 4:
        n.op = m.text("op_type");
        break;
      case 5:
        reading.count(m);
        n.attributes.push_back(read_attribute(
            m.message("attribute", static_cast<int64_t>(n.attributes.size())), reading));
        break;
      case 7:
        n.domain = domain_of(m.text("domain"));
        break;
      case 8:
        n.overload = m.text("overload");
        break;
      default:
        m.skip();
    }
  }
  if (n.op.empty()) m.fail("field " + m.path() + ": a node without op_type");
  return n;
}

Graph read_graph(ProtoMessage m, Reading& reading) {
  Graph g;
  const auto next = [&](const char* name, size_t index) {
    reading.count(m);
    return m.message(name, static_cast<int64_t>(index));
  };
  while (m.next()) {
    switch (m.field()) {
      case 1:
        g.nodes.push_back(read_node(next("node", g.nodes.size()), reading));
        break;
      case 2:
        g.name = m.text("name");
        break;
      case 5:
        g.initializers.push_back(read_tensor(next("initializer", g.initializers.size()), reading));
        break;
      case 11:
        g.inputs.push_back(read_value_info(next("input", g.inputs.size()), reading));
        break;
      case 12:
        g.outputs.push_back(read_value_info(next("output", g.outputs.size()), reading));
        break;
      case 13:
        g.values.push_back(read_value_info(next("value_info", g.values.size()), reading));
        break;
      case 15: {
        SparseTensor sparse =
            read_sparse(next("sparse_initializer", g.sparse_initializers.size()), reading);
        std::string name = sparse.values.name;
        g.sparse_initializers.push_back({std::move(name), std::move(sparse)});
        break;
      }
      default:
        m.skip();
    }
  }
  return g;
}

void read_opset(ProtoMessage m, Opsets& opsets) {
  std::string domain;
  int64_t version = 0;
  while (m.next()) {
    if (m.field() == 1) {
      domain = domain_of(m.text("domain"));
    } else if (m.field() == 2) {
      version = m.integer("version");
    } else {
      m.skip();
    }
  }
  opsets[domain] = version;
}

Function read_function(ProtoMessage m, Reading& reading) {
  Function f;
  while (m.next()) {
    switch (m.field()) {
      case 1:
        f.name = m.text("name");
        break;
      case 4:
        reading.count(m);
        f.inputs.push_back(m.text("input"));
        break;
      case 5:
        reading.count(m);
        f.outputs.push_back(m.text("output"));
        break;
      case 6:
        reading.count(m);
        f.attributes.push_back(m.text("attribute"));
        break;
      case 7:
        reading.count(m);
        f.nodes.push_back(
            read_node(m.message("node", static_cast<int64_t>(f.nodes.size())), reading));
        break;
      case 9:
        read_opset(m.message("opset_import"), f.opsets);
        break;
      case 10:
        f.domain = domain_of(m.text("domain"));
        break;
      case 11:
        reading.count(m);
        f.defaults.push_back(read_attribute(m.message("attribute_proto"), reading));
        break;
      case 13:
        f.overload = m.text("overload");
        break;
      default:
        m.skip();
    }
  }
  return f;
}

std::pair<std::string, std::string> read_property(ProtoMessage m) {
  std::pair<std::string, std::string> out;
  while (m.next()) {
    if (m.field() == 1) {
      out.first = m.text("key");
    } else if (m.field() == 2) {
      out.second = m.text("value");
    } else {
      m.skip();
    }
  }
  return out;
}

Datum read_datum(ProtoMessage m, ValueType::Kind kind, Reading& reading);

// SequenceProto and OptionalProto: name, elem_type, then a field for each kind of element.
Datum read_holder(ProtoMessage m, ValueType::Kind kind, Reading& reading) {
  using Kind = ValueType::Kind;
  constexpr Kind kinds[] = {Kind::tensor, Kind::sparse, Kind::sequence, Kind::map, Kind::optional};
  // Optionals hold a sequence in field 5 and a map in 6, sequences likewise.
  Datum out;
  out.kind = kind;
  while (m.next()) {
    if (m.field() < 3 || m.field() > 7) {
      m.skip();
      continue;
    }
    reading.count(m);
    out.items.push_back(read_datum(m.message("value", static_cast<int64_t>(out.items.size())),
                                   kinds[m.field() - 3], reading));
  }
  return out;
}

Datum read_datum(ProtoMessage m, ValueType::Kind kind, Reading& reading) {
  using Kind = ValueType::Kind;
  Datum out;
  if (kind == Kind::sequence || kind == Kind::optional) return read_holder(m, kind, reading);
  if (kind != Kind::tensor) m.fail("maps and sparse tensors are not read");
  out.kind = Kind::tensor;
  out.tensor = read_tensor(std::move(m), reading);
  return out;
}

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == path.npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Model parse_fields(std::string name, std::span<const std::byte> bytes, Reading reading) {
  Model out;
  out.file = shown(name);
  bool has_graph = false;
  ProtoMessage m(std::move(name), bytes);
  while (m.next()) {
    switch (m.field()) {
      case 1:
        out.ir_version = m.integer("ir_version");
        break;
      case 2:
        out.producer = m.text("producer_name");
        break;
      case 7:
        out.graph = read_graph(m.message("graph"), reading);
        has_graph = true;
        break;
      case 8:
        read_opset(m.message("opset_import"), out.opsets);
        break;
      case 14:
        reading.count(m);
        out.metadata.push_back(read_property(m.message("metadata_props")));
        break;
      case 25:
        reading.count(m);
        out.functions.push_back(read_function(
            m.message("functions", static_cast<int64_t>(out.functions.size())), reading));
        break;
      default:
        m.skip();
    }
  }
  if (!has_graph) throw FormatError(out.file + ": no graph", "is it an ONNX model?");
  check_model(out);
  return out;
}

// Any bytes begin with some field: what else they are is looked for only where they are no model.
Model parse(const std::string& name, std::span<const std::byte> bytes, const Reading& reading) {
  try {
    return parse_fields(name, bytes, reading);
  } catch (const FormatError& e) {
    const std::string other = other_kind(bytes, "an ONNX model", {FileKind::onnx}, "");
    if (other.empty()) throw;
    throw FormatError(shown(name) + ": " + other);
  }
}

}  // namespace

Model parse_model(std::string name, std::span<const std::byte> bytes, const std::string& folder) {
  return parse(name, bytes, {.folder = folder});
}

Model parse_stripped(std::string name, std::span<const std::byte> bytes) {
  return parse(name, bytes, {.folder = "", .stripped = true});
}

Model read_model(const std::string& path) {
  const Buffer bytes = read_file(path, kMaxFile);
  return parse_model(path, bytes.span(), folder_of(path));
}

Datum read_datum(const std::string& path, const ValueType& type) {
  const Buffer bytes = read_file(path, kMaxFile);
  Reading reading{.folder = folder_of(path)};
  return read_datum(ProtoMessage(path, bytes.span()), type.kind, reading);
}

}  // namespace varve::formats::onnx
