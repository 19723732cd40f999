// Raw nodes may come from a file: whatever stands in their attributes, a shape rule refuses it or
// the kernels can run on it.
#include <gtest/gtest.h>

#include <cstdint>
#include <set>

#include "ir/graph.h"
#include "ir/infer.h"
#include "ops/table.h"
#include "runtime/evaluate.h"
#include "samples_inputs.h"
#include "varve/error.h"

namespace varve::samples {
namespace {

constexpr int64_t kMost = INT64_MAX, kLeast = INT64_MIN;

/// What an attribute may be changed to: numbers at and beyond the edges, lists of other lengths,
/// other types.
std::vector<ir::Attribute> damaged(const ir::Attribute& a) {
  std::vector<ir::Attribute> out{int64_t{1}, true, 0.5, ir::Ints{}, std::string("nd"), f16};
  if (auto* v = std::get_if<int64_t>(&a)) {
    for (int64_t n : {int64_t{-1}, int64_t{-2}, int64_t{0}, int64_t{3}, int64_t{7}, *v + 1, *v - 1,
                      int64_t{1} << 31, int64_t{1} << 62, kMost, kLeast, kMost - 1, kLeast + 1})
      out.emplace_back(n);
  }
  if (auto* v = std::get_if<ir::Ints>(&a)) {
    for (size_t i = 0; i < v->size(); ++i) {
      for (int64_t n : {int64_t{-1}, int64_t{-2}, int64_t{0}, int64_t{1}, int64_t{2}, (*v)[i] + 1,
                        (*v)[i] - 1, int64_t{1} << 31, int64_t{1} << 62, kMost, kLeast}) {
        ir::Ints changed = *v;
        changed[i] = n;
        out.emplace_back(changed);
      }
    }
    for (int64_t n : {int64_t{-1}, int64_t{0}, int64_t{1}, kMost}) {
      ir::Ints longer = *v;
      longer.push_back(n);
      out.emplace_back(longer);
      longer.insert(longer.end(), 40, n);
      out.emplace_back(longer);
    }
    ir::Ints shorter = *v;
    if (!shorter.empty()) shorter.pop_back();
    out.emplace_back(shorter);
  }
  if (std::get_if<std::string>(&a)) {
    for (const char* s : {"", "take", "along", "nd", "nonsense"}) out.emplace_back(std::string(s));
  }
  if (std::get_if<DType>(&a)) {
    for (DType d : kAll) out.emplace_back(d);
  }
  return out;
}

/// Runs the node where its shape rule takes it. Gives what went wrong; empty where nothing did.
std::string tried(const ir::GraphNode& node, const std::vector<Tensor>& inputs) {
  ir::Types types;
  std::vector<ir::Array> arrays;
  for (const Tensor& x : inputs) {
    types.push_back(ir::type_of(x));
    arrays.push_back(ir::contiguous_array(x));
  }
  ir::GraphNode changed = node;
  try {
    changed.outputs = ir::infer(*node.op, types, node.attributes);
  } catch (const Error&) {
    return "";
  }
  for (const ir::TensorType& t : changed.outputs) {
    if (t.shape.size() > 1 << 16) return "";  // right, but large
  }
  try {
    runtime::run_node(changed, types, arrays);
  } catch (const InternalError& e) {
    return e.message();
  } catch (const Error&) {
  }
  return "";
}

/// The samples of an op; what each node of them becomes by each damage to an attribute.
void damage(const Row& row, const Sample& sample) {
  const std::vector<DType>& types = dtypes_of(row, sample);
  const Tensors x =
      make_inputs(row, sample, std::count(types.begin(), types.end(), f32) ? f32 : types.front());
  ir::Types in;
  for (const Tensor& t : x) in.push_back(ir::type_of(t));
  const ir::Graph g = ir::trace_body(in, [&](std::span<const Tensor> v) {
    return run(row, sample, Tensors(std::vector<Tensor>(v.begin(), v.end()))).list();
  });
  const auto made = ir::replay_all(g, x.list());
  for (const ir::GraphNode& node : g.nodes) {
    if (node.op->traits.structural) continue;
    std::vector<Tensor> inputs;
    for (ir::ValueId v : node.inputs)
      inputs.push_back(made[static_cast<size_t>(v.node)][static_cast<size_t>(v.output)]);
    for (const auto& [name, value] : node.attributes) {
      ir::GraphNode changed = node;
      changed.attributes = {};
      for (const auto& [other, kept] : node.attributes) {
        if (other != name) changed.attributes.set(other, kept);
      }
      EXPECT_EQ(tried(changed, inputs), "") << node.op->name << " without " << name;
      for (const ir::Attribute& a : damaged(value)) {
        changed.attributes.set(name, a);
        EXPECT_EQ(tried(changed, inputs), "")
            << node.op->name << " with " << name << " = " << ir::to_text(a);
      }
    }
    if (testing::Test::HasFailure()) return;
  }
}

class Attributes : public testing::TestWithParam<const Row*> {};

TEST_P(Attributes, OfAnyKindAreRefusedOrRunWithin) {
  for (const Sample& sample : GetParam()->samples) {
    SCOPED_TRACE(sample.name);
    damage(*GetParam(), sample);
    if (HasFailure()) return;
  }
}

std::vector<const Row*> rows() {
  std::vector<const Row*> list;
  for (const Row& row : all_rows()) list.push_back(&row);
  return list;
}
INSTANTIATE_TEST_SUITE_P(Rows, Attributes, testing::ValuesIn(rows()), [](const auto& p) {
  std::string name;
  for (char c : std::string(p.param->op)) name += std::isalnum(c) ? c : '_';
  return name;
});

struct Refusal {
  const char* op;
  ir::Types inputs;
  ir::Attributes attributes;
  const char* text;
};

TEST(RawNodes, WithAttributesOutOfRangeAreRefusedByName) {
  const ir::TensorType image{f32, {1, 5, 5, 2}}, cube{f32, {2, 3, 4}};
  const auto window = [](ir::Ints size, int64_t dilation, int64_t low) {
    return ir::Attributes{{"window", size},
                          {"strides", ir::Ints{2, 2}},
                          {"dilation", ir::Ints{dilation, dilation}},
                          {"padding_low", ir::Ints{low, low}},
                          {"padding_high", ir::Ints{low, low}}};
  };
  const std::vector<Refusal> refusals{
      {"normalize",
       {cube},
       {{"axes", ir::Ints{-1}}, {"parameter_axes", ir::Ints{}}, {"epsilon", 1e-3}},
       "normalize: axes are not sorted axes of [2, 3, 4]"},
      {"transpose", {cube}, {{"axes", ir::Ints{0, 1, 1}}}, "transpose: axis 1 is given twice"},
      {"transpose",
       {cube},
       {{"axes", ir::Ints{0, -1, -2}}},
       "transpose: axis -1 out of range for rank 3 (-3..2)"},
      {"diagonal",
       {cube},
       {{"axes", ir::Ints{0}}, {"offset", int64_t{0}}},
       "diagonal: axes: expected 2 numbers, got 1"},
      {"diagonal",
       {cube},
       {{"axes", ir::Ints{1, 1}}, {"offset", int64_t{0}}},
       "diagonal: axis 1 is given twice"},
      {"diagonal",
       {cube},
       {{"axes", ir::Ints{0, 3}}, {"offset", int64_t{0}}},
       "diagonal: axis 3 out of range for rank 3 (-3..2)"},
      {"reshape",
       {cube},
       {{"shape", ir::Ints{-4, -6}}},
       "reshape: shape [-4, -6]: sizes must not be negative"},
      {"broadcast_to",
       {{f32, {}}},
       {{"shape", ir::Ints{int64_t{1} << 31, int64_t{1} << 31}}},
       "broadcast_to: f32[2147483648, 2147483648] has more than 2^63 bytes"},
      {"max_pool",
       {image},
       window({int64_t{1} << 40, 2}, int64_t{1} << 40, 0),
       "max_pool: a window of 1099511627776 elements, dilation 1099511627776, reaches over more "
       "than 2^63"},
      {"max_pool",
       {image},
       window({2, 2}, 3, 4),
       "max_pool: window 2x2 with dilation 3x3 lies on padding alone at a position of an input "
       "5x5"},
  };
  for (const Refusal& r : refusals) {
    try {
      ir::infer(ops::get(r.op), r.inputs, r.attributes);
      ADD_FAILURE() << r.text;
    } catch (const Error& e) {
      EXPECT_EQ(e.message(), r.text);
    }
  }
}

}  // namespace
}  // namespace varve::samples
