// Choosing elements by position as ONNX operators.
#include "io/onnx/emit.h"
#include "varve/ops/pointwise.h"

namespace varve::io::onnx {
namespace {

std::string indices(const Exported& e, size_t input) {
  const std::string& x = e.plain(input);
  if (e.type(input).dtype == DType::i64 || e.type(input).dtype == DType::i32) return x;
  return e.to.add("Cast", {x}, {integer("to", static_cast<int64_t>(formats::onnx::Type::int64))});
}

template <const char* Op>
void gather(const Exported& e) {
  e.give(e.to.add(Op, {e.plain(0), indices(e, 1)}, {integer("axis", e.integer("axis"))}));
}
constexpr char kGather[] = "Gather", kGatherElements[] = "GatherElements";

void gather_nd(const Exported& e) { e.give(e.to.add("GatherND", {e.plain(0), indices(e, 1)})); }

template <const char* Reduction>
void scatter(const Exported& e) {
  const std::string& form = e.node.attributes.get<std::string>("form");
  std::vector<Attribute> how;
  if (*Reduction) how.push_back(text("reduction", Reduction));
  const std::string &x = e.plain(0), &updates = e.plain(1), at = indices(e, 2);
  const int64_t axis = e.integer("axis");
  if (form == "along") {
    how.push_back(integer("axis", axis));
    e.give(e.to.add("ScatterElements", {x, at, updates}, how));
    return;
  }
  if (form == "nd") {
    e.give(e.to.add("ScatterND", {x, at, updates}, how));
    return;
  }
  // Whole slices along an axis: tuples of one position, with that axis in front.
  const Shape &shape = e.type(0).shape, &places = e.type(2).shape;
  const int64_t rank = shape.rank(), many = places.rank();
  std::vector<int64_t> front{axis}, back, of_updates;
  for (int64_t i = 0; i < rank; ++i) {
    if (i != axis) front.push_back(i);
    back.push_back(i < axis ? i + 1 : i == axis ? 0 : i);
  }
  for (int64_t i = 0; i < many; ++i) of_updates.push_back(axis + i);
  for (int64_t i = 0; i < rank - 1 + many; ++i) {
    if (i < axis || i >= axis + many) of_updates.push_back(i);
  }
  std::vector<int64_t> tuples = places.dims();
  tuples.push_back(1);
  const std::string made = e.to.add(
      "ScatterND",
      {e.to.transpose(x, front), e.to.reshape(at, tuples), e.to.transpose(updates, of_updates)},
      how);
  e.give(e.to.transpose(made, back));
}

constexpr char kAdd[] = "add", kMultiply[] = "mul", kNone[] = "";

void one_hot(const Exported& e) {
  const DType d = e.node.outputs[0].dtype;
  // Indices below 0 count from the end in ONNX, and give zeros here.
  const std::string at = indices(e, 0);
  const DType held = e.type(0).dtype == DType::i32 ? DType::i32 : DType::i64;
  const std::string valid = e.to.add("GreaterOrEqual", {at, e.to.number(0, held)});
  const std::string none = e.to.number(static_cast<double>(e.integer("classes")), held);
  const std::string safe = e.to.add("Where", {valid, at, none});
  // ONNX Runtime makes neither truth values nor small types.
  const DType made = d == i64 ? d : f32;
  const Tensor values = cast(tensor({0.0, 1.0}), made);
  const std::string out = e.to.add("OneHot",
                                   {safe, e.to.ints({e.integer("classes")}),
                                    e.to.literal({made, {2}, ir::contiguous_array(values)})},
                                   {integer("axis", -1)});
  const auto to = static_cast<int64_t>(formats::onnx::type_of(d));
  e.give(made == d ? out : e.to.add("Cast", {out}, {integer("to", to)}));
}

std::string order(const Exported& e, int64_t k, bool largest) {
  return e.to.add_many(
      "TopK", {e.plain(0), e.to.ints({k})}, 2,
      {integer("axis", e.integer("axis")), integer("largest", largest), integer("sorted", 1)})[1];
}
void argsort(const Exported& e) {
  const int64_t n = e.type(0).shape[static_cast<int>(e.integer("axis"))];
  e.give(order(e, n, e.node.attributes.flag("descending")));
}
void top_k(const Exported& e) { e.give(order(e, e.integer("k"), true)); }

/// How many of the sorted ones lie before each value.
void searchsorted(const Exported& e) {
  std::vector<int64_t> column = e.type(1).shape.dims();
  column.push_back(1);
  const bool right = e.node.attributes.flag("right");
  const std::string before =
      e.to.add(right ? "LessOrEqual" : "Less", {e.plain(0), e.to.reshape(e.plain(1), column)});
  const std::string ones =
      e.to.add("Cast", {before}, {integer("to", static_cast<int64_t>(formats::onnx::Type::int64))});
  e.give(e.to.add("ReduceSum", {ones, e.to.ints({-1})}, {integer("keepdims", 0)}));
}

void cumsum(const Exported& e) {
  e.give(e.to.add("CumSum", {e.plain(0), e.to.number(static_cast<double>(e.integer("axis")), i64)},
                  {integer("exclusive", e.node.attributes.flag("exclusive")),
                   integer("reverse", e.node.attributes.flag("reverse"))}));
}

}  // namespace

std::span<const ExportRow> indexing_exports() {
  static constexpr ExportRow rows[] = {
      {"take", gather<kGather>},
      {"take_along_axis", gather<kGatherElements>},
      {"gather_nd", gather_nd},
      {"scatter_add", scatter<kAdd>},
      {"scatter_multiply", scatter<kMultiply>},
      {"scatter_set", scatter<kNone>},
      {"one_hot", one_hot},
      {"argsort", argsort},
      {"top_k", top_k},
      {"searchsorted", searchsorted},
      {"cumsum", cumsum},
  };
  return rows;
}

}  // namespace varve::io::onnx
