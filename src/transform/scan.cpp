// The row of scan: what it is as a node, and its derivatives, which are scans themselves.
#include "transform/control.h"
#include "transform/control_parts.h"
#include "transform/flops.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/shape.h"

namespace varve::transform {
namespace {

// scan: inputs carries..., xs..., constants...; the body takes the carries, one element of each x
// and the constants, and gives the next carries and what is stacked. Outputs: the last carries, the
// stacked, and the carries before each step, which the derivative reads.

struct ScanParts {
  const Graph& body;
  size_t carries, xs, constants, stacked;
  int64_t length;
  bool reverse;

  explicit ScanParts(const Attributes& a)
      : body(graph_of(a, "body")),
        carries(static_cast<size_t>(a.integer("carries"))),
        xs(static_cast<size_t>(a.integer("scanned"))),
        constants(body.inputs.size() - carries - xs),
        stacked(body.outputs.size() - carries),
        length(a.integer("length")),
        reverse(a.flag("reverse")) {}
  Span carry(Span x) const { return x.first(carries); }
  Span x(Span inputs) const { return inputs.subspan(carries, xs); }
  Span constant(Span inputs) const { return inputs.subspan(carries + xs); }
};

TensorType stacked_type(const TensorType& t, int64_t length) {
  std::vector<int64_t> sizes{length};
  sizes.insert(sizes.end(), t.shape.begin(), t.shape.end());
  return {t.dtype, Shape(std::move(sizes))};
}

Types scan_types(const InferArguments& a) {
  const Graph& body = graph_of(a.attributes, "body");
  const int64_t carries = a.attributes.integer("carries"), xs = a.attributes.integer("scanned"),
                length = a.attributes.integer("length");
  if (carries < 0 || xs < 0 || length < 0 || static_cast<size_t>(carries) > body.outputs.size() ||
      static_cast<size_t>(carries) > body.inputs.size() ||
      static_cast<size_t>(xs) > body.inputs.size() - static_cast<size_t>(carries)) {
    throw ValueError(text_of("scan", "carries, scanned and length do not fit the body"));
  }
  const Types in = input_types(body), out = output_types(body);
  const auto n = static_cast<size_t>(carries);
  Types expected(in.begin(), in.begin() + carries);
  expect_types("scan", "carry that the body gives,", std::span(out).first(n), expected);
  for (size_t i = n; i < in.size(); ++i)
    expected.push_back(i < n + static_cast<size_t>(xs) ? stacked_type(in[i], length) : in[i]);
  expect_types("scan", "input", a.inputs, expected);
  Types made(out.begin(), out.begin() + carries);
  for (size_t i = n; i < out.size(); ++i) made.push_back(stacked_type(out[i], length));
  for (size_t i = 0; i < n; ++i) made.push_back(stacked_type(out[i], length));
  return made;
}

/// Backwards through the steps: the carries are the cotangents of the carries and the sums of those
/// of the constants; what is stacked are those of the xs.
Slots scan_vjp(const Local& at, Span ct) {
  const ScanParts p(at.attributes);
  const Span saved = at.outputs.subspan(p.carries + p.stacked);
  const Packed final_carry(ct.first(p.carries)), stacked(ct.subspan(p.carries, p.stacked)),
      before(ct.subspan(p.carries + p.stacked));
  std::vector<bool> moves(p.carries);  // floating carries have a cotangent, given or not
  ScanInputs in;
  for (size_t i = 0; i < p.carries; ++i) {
    moves[i] = flows(ir::type_of(at.inputs[i]));
    if (moves[i]) in.carry.push_back(or_zeros(ct[i], at.inputs[i]));
  }
  const size_t moving = in.carry.size();
  const auto wanted = [&](size_t input) {
    return at.wanted[input] && flows(ir::type_of(at.inputs[input]));
  };
  for (size_t k = 0; k < p.constants; ++k) {
    const Tensor& c = at.inputs[p.carries + p.xs + k];
    if (wanted(p.carries + p.xs + k)) in.carry.push_back(zeros(ir::type_of(c)));
  }
  in.xs = list(saved);
  append(in.xs, p.x(at.inputs));
  append(in.xs, stacked.values());
  append(in.xs, before.values());
  in.constants = list(p.constant(at.inputs));
  Types types = types_of(in.carry);
  for (const Tensor& t : in.xs) {
    const TensorType& type = ir::type_of(t);
    types.push_back({type.dtype, Shape(std::vector(type.shape.begin() + 1, type.shape.end()))});
  }
  for (const Tensor& t : in.constants) types.push_back(ir::type_of(t));
  const GraphRef body = traced(types, [&](Span v) {
    const Span carried = v.first(in.carry.size());
    Span rest = v.subspan(in.carry.size());
    std::vector<Tensor> x = list(rest.first(p.carries + p.xs));
    rest = rest.subspan(p.carries + p.xs);
    const Slots y = stacked.unpack(rest.first(stacked.size()));
    rest = rest.subspan(stacked.size());
    const Slots held = before.unpack(rest.first(before.size()));
    append(x, rest.subspan(before.size()));
    Slots cotangents;
    for (size_t i = 0, next = 0; i < p.carries; ++i)
      cotangents.push_back(moves[i] ? carried[next++] : Tensor());
    append(cotangents, y);
    const std::vector<Tensor> g = Replayed(p.body, x).pulled(cotangents);
    std::vector<Tensor> out;
    for (size_t i = 0; i < p.carries; ++i) {
      if (moves[i]) out.push_back(held[i].defined() ? g[i] + held[i] : g[i]);
    }
    for (size_t k = 0; k < p.constants; ++k) {
      const size_t input = p.carries + p.xs + k;
      if (wanted(input)) out.push_back(carried[out.size()] + g[input]);
    }
    for (size_t i = p.carries; i < p.carries + p.xs; ++i) {
      if (wanted(i)) out.push_back(g[i]);
    }
    return out;
  });
  const std::vector<Tensor> made = make_scan(body, in, p.length, !p.reverse);
  Slots out(at.inputs.size());
  size_t next = 0, sums = moving, xs = in.carry.size();
  for (size_t i = 0; i < out.size(); ++i) {
    if (i < p.carries) {
      if (moves[i]) out[i] = made[next++];
    } else if (wanted(i)) {
      out[i] = i < p.carries + p.xs ? made[xs++] : made[sums++];
    }
  }
  return out;
}

Slots scan_jvp(const Local& at, Span tangents) {
  const ScanParts p(at.attributes);
  // A carry that is still may be moved by a later step: all floating ones have a tangent.
  Slots all;
  for (size_t i = 0; i < at.inputs.size(); ++i) {
    const bool has = tangents[i].defined() || (i < p.carries && flows(ir::type_of(at.inputs[i])));
    all.push_back(has ? or_zeros(tangents[i], at.inputs[i]) : Tensor());
  }
  const Packed carry(p.carry(all)), xs(p.x(all)), constants(p.constant(all));
  ScanInputs in{list(p.carry(at.inputs)), list(p.x(at.inputs)), list(p.constant(at.inputs))};
  const Types own = input_types(p.body);
  const auto tangent_types = [&](size_t first, size_t count) {
    Types t;
    for (size_t i = first; i < first + count; ++i) {
      if (all[i].defined()) t.push_back(own[i]);
    }
    return t;
  };
  append(in.carry, carry.values());
  append(in.xs, xs.values());
  append(in.constants, constants.values());
  Types types;
  for (const auto& [first, count] : {std::pair(size_t{0}, p.carries), std::pair(p.carries, p.xs),
                                     std::pair(p.carries + p.xs, p.constants)}) {
    types.insert(types.end(), own.begin() + static_cast<int64_t>(first),
                 own.begin() + static_cast<int64_t>(first + count));
    const Types t = tangent_types(first, count);
    types.insert(types.end(), t.begin(), t.end());
  }
  const GraphRef body = traced(types, [&](Span v) {
    std::vector<Tensor> x;
    Slots moved;
    const auto take = [&](size_t count, const Packed& packed) {
      append(x, v.first(count));
      append(moved, packed.unpack(v.subspan(count, packed.size())));
      v = v.subspan(count + packed.size());
    };
    take(p.carries, carry);
    take(p.xs, xs);
    take(p.constants, constants);
    const Replayed r(p.body, x);
    const std::vector<Tensor> t = r.pushed(moved);
    const Span y(r.outputs), ty(t);
    std::vector<Tensor> out = list(y.first(p.carries));
    append(out, defined_ones(ty.first(p.carries)));
    append(out, defined_ones(ty.subspan(p.carries)));
    return out;
  });
  const std::vector<Tensor> made = make_scan(body, in, p.length, p.reverse);
  // Last carries: own, tangents; the stacked tangents; carries before each step: own, tangents.
  Slots out;
  size_t last = p.carries, stacked = p.carries + carry.size();
  for (size_t i = 0; i < p.carries + p.stacked; ++i) {
    const bool has = flows(ir::type_of(at.outputs[i]));
    out.push_back(!has ? Tensor() : i < p.carries ? made[last++] : made[stacked++]);
  }
  size_t held = stacked + p.carries;
  for (size_t i = 0; i < p.carries; ++i)
    out.push_back(flows(ir::type_of(at.inputs[i])) ? made[held++] : Tensor());
  return out;
}

double scan_flops(const InferArguments& a, const Types&) {
  return static_cast<double>(a.attributes.integer("length")) *
         flops_of(graph_of(a.attributes, "body"));
}

}  // namespace

std::vector<Tensor> make_scan(const GraphRef& body, const ScanInputs& in, int64_t length,
                              bool reverse, Where where) {
  std::vector<Tensor> all = in.carry;
  append(all, in.xs);
  append(all, in.constants);
  return ir::apply(ops::get("scan"), all,
                   {{"body", body},
                    {"carries", static_cast<int64_t>(in.carry.size())},
                    {"scanned", static_cast<int64_t>(in.xs.size())},
                    {"length", length},
                    {"reverse", reverse}},
                   where);
}

ir::OpDef scan_row() {
  return {.name = "scan",
          .doc =
              "c_{t+1}, y_t = body(c_t, x_t, constants) along the first axis of the xs: the last "
              "carries, the stacked y and the carries before each step.",
          .min_inputs = 0,
          .max_inputs = 1 << 20,
          .infer = scan_types,
          .derivative = ir::Custom{scan_vjp, scan_jvp},
          .traits = {.body = true, .faults = true, .empty_cotangents = true},
          .flops = scan_flops};
}

}  // namespace varve::transform
