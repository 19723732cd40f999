// Plain structs to the bytes of ONNX files.
#include <protozero/pbf_writer.hpp>

#include "formats/onnx.h"

namespace varve::formats::onnx {
namespace {

using protozero::pbf_writer;

// Lists in one go, as proto3 writes them.
template <class T>
void add_integers(pbf_writer& w, uint32_t tag, const std::vector<T>& values) {
  if (!values.empty()) w.add_packed_int64(tag, values.begin(), values.end());
}

// Codes of small types, packed as raw data: the first element in the lowest bits.
std::string packed_codes(const TensorData& t) {
  const int bits = bits_of(t.type), in_byte = 8 / bits, mask = (1 << bits) - 1;
  const MiniFloat* format = minifloat_of(t.type);
  const int64_t n = t.shape.size();
  std::string out(static_cast<size_t>((n * bits + 7) / 8), '\0');
  for (int64_t i = 0; i < n; ++i) {
    const auto at = static_cast<size_t>(i);
    int code;
    if (format) {
      code = encode(*format, t.array.span<float>()[at]);
    } else if (t.array.dtype == i8) {
      code = t.array.span<int8_t>()[at];
    } else {
      code = t.array.span<uint8_t>()[at];
    }
    char& byte = out[static_cast<size_t>(i / in_byte)];
    byte = static_cast<char>(byte | (code & mask) << (static_cast<int>(i % in_byte) * bits));
  }
  return out;
}

void write(pbf_writer& w, const TensorData& t) {
  add_integers(w, 1, t.shape.dims());
  w.add_int32(2, static_cast<int32_t>(t.type));
  if (!t.name.empty()) w.add_string(8, t.name);
  if (t.absent) {
    w.add_enum(14, 1);
  } else if (t.type == Type::string) {
    for (const std::string& s : t.strings) w.add_bytes(6, s);
  } else if (minifloat_of(t.type) || small_range(t.type)) {
    w.add_bytes(9, packed_codes(t));
  } else {
    const std::string_view text = t.array.bytes.text();
    w.add_bytes(9, text.data(), text.size());
  }
}

void write(pbf_writer& w, const ValueType& type);

void write_shape(pbf_writer& w, const ValueType& type) {
  if (!type.has_shape) return;
  if (type.dims.empty()) {  // a nested message that stays empty would not be written
    w.add_message(2, std::string());
    return;
  }
  pbf_writer shape(w, 2);
  for (const ValueType::Dim& d : type.dims) {
    if (d.value < 0 && d.parameter.empty()) {  // not known: as above
      shape.add_message(1, std::string());
      continue;
    }
    pbf_writer dim(shape, 1);
    if (d.value >= 0) {
      dim.add_int64(1, d.value);
    } else if (!d.parameter.empty()) {
      dim.add_string(2, d.parameter);
    }
  }
}

void write(pbf_writer& w, const ValueType& type) {
  using Kind = ValueType::Kind;
  switch (type.kind) {
    case Kind::none:
      return;
    case Kind::tensor:
    case Kind::sparse: {
      pbf_writer body(w, type.kind == Kind::tensor ? 1 : 8);
      body.add_enum(1, static_cast<int32_t>(type.element));
      write_shape(body, type);
      return;
    }
    case Kind::sequence:
    case Kind::optional: {
      pbf_writer body(w, type.kind == Kind::sequence ? 4 : 9);
      pbf_writer inner(body, 1);
      if (type.inner) write(inner, *type.inner);
      return;
    }
    case Kind::map: {
      pbf_writer body(w, 5);
      body.add_enum(1, static_cast<int32_t>(type.element));
      pbf_writer inner(body, 2);
      if (type.inner) write(inner, *type.inner);
      return;
    }
  }
}

void write(pbf_writer& w, const ValueInfo& v) {
  w.add_string(1, v.name);
  pbf_writer type(w, 2);
  write(type, v.type);
}

void write(pbf_writer& w, const SparseTensor& s) {
  {
    pbf_writer values(w, 1);
    write(values, s.values);
  }
  {
    pbf_writer indices(w, 2);
    write(indices, s.indices);
  }
  add_integers(w, 3, s.dims);
}

void write(pbf_writer& w, const Graph& g);
void write(pbf_writer& w, const Node& n);
void write(pbf_writer& w, const Attribute& a);
void write(pbf_writer& w, const Function& f);

template <class T>
void add_message(pbf_writer& w, uint32_t tag, const T& value) {
  pbf_writer inner(w, tag);
  write(inner, value);
}

void write(pbf_writer& w, const Attribute& a) {
  using Kind = Attribute::Kind;
  w.add_string(1, a.name);
  w.add_enum(20, static_cast<int32_t>(a.kind));
  if (!a.reference.empty()) {
    w.add_string(21, a.reference);
    return;
  }
  switch (a.kind) {
    case Kind::real:
      w.add_float(2, a.real);
      break;
    case Kind::integer:
      w.add_int64(3, a.integer);
      break;
    case Kind::string:
      w.add_bytes(4, a.string);
      break;
    case Kind::tensor:
    case Kind::tensors:
      for (const TensorData& t : a.tensors) add_message(w, a.kind == Kind::tensor ? 5 : 10, t);
      break;
    case Kind::graph:
    case Kind::graphs:
      for (const auto& g : a.graphs) add_message(w, a.kind == Kind::graph ? 6 : 11, *g);
      break;
    case Kind::reals:
      w.add_packed_float(7, a.reals.begin(), a.reals.end());
      break;
    case Kind::integers:
      add_integers(w, 8, a.integers);
      break;
    case Kind::strings:
      for (const std::string& s : a.strings) w.add_bytes(9, s);
      break;
    case Kind::sparse:
    case Kind::sparse_list:
      for (const SparseTensor& s : a.sparse) add_message(w, a.kind == Kind::sparse ? 22 : 23, s);
      break;
    case Kind::type:
    case Kind::types:
      for (const ValueType& t : a.types) add_message(w, a.kind == Kind::type ? 14 : 15, t);
      break;
    case Kind::undefined:
      break;
  }
}

void write(pbf_writer& w, const Node& n) {
  for (const std::string& i : n.inputs) w.add_string(1, i);
  for (const std::string& o : n.outputs) w.add_string(2, o);
  if (!n.name.empty()) w.add_string(3, n.name);
  w.add_string(4, n.op);
  for (const Attribute& a : n.attributes) add_message(w, 5, a);
  if (!n.domain.empty()) w.add_string(7, n.domain);
  if (!n.overload.empty()) w.add_string(8, n.overload);
}

void write(pbf_writer& w, const Graph& g) {
  for (const Node& n : g.nodes) add_message(w, 1, n);
  w.add_string(2, g.name);
  for (const TensorData& t : g.initializers) add_message(w, 5, t);
  for (const ValueInfo& v : g.inputs) add_message(w, 11, v);
  for (const ValueInfo& v : g.outputs) add_message(w, 12, v);
  for (const ValueInfo& v : g.values) add_message(w, 13, v);
  for (const auto& [name, s] : g.sparse_initializers) add_message(w, 15, s);
}

void write_opsets(pbf_writer& w, uint32_t tag, const Opsets& opsets) {
  for (const auto& [domain, version] : opsets) {
    pbf_writer entry(w, tag);
    if (!domain.empty()) entry.add_string(1, domain);
    entry.add_int64(2, version);
  }
}

void write(pbf_writer& w, const Function& f) {
  w.add_string(1, f.name);
  for (const std::string& i : f.inputs) w.add_string(4, i);
  for (const std::string& o : f.outputs) w.add_string(5, o);
  for (const std::string& a : f.attributes) w.add_string(6, a);
  for (const Node& n : f.nodes) add_message(w, 7, n);
  write_opsets(w, 9, f.opsets);
  w.add_string(10, f.domain);
  for (const Attribute& a : f.defaults) add_message(w, 11, a);
  if (!f.overload.empty()) w.add_string(13, f.overload);
}

}  // namespace

std::string serialize(const Model& model) {
  std::string out;
  pbf_writer w(out);
  w.add_int64(1, model.ir_version);
  if (!model.producer.empty()) w.add_string(2, model.producer);
  add_message(w, 7, model.graph);
  write_opsets(w, 8, model.opsets);
  for (const auto& [key, value] : model.metadata) {
    pbf_writer entry(w, 14);
    entry.add_string(1, key);
    entry.add_string(2, value);
  }
  for (const Function& f : model.functions) add_message(w, 25, f);
  return out;
}

std::string serialize(const TensorData& tensor) {
  std::string out;
  pbf_writer w(out);
  write(w, tensor);
  return out;
}

}  // namespace varve::formats::onnx
