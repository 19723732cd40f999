// Every op of the table leaves as ONNX and comes back with the same values, or says why it cannot.
// With VARVE_ONNX_OUT in the environment the cases are kept there in ONNX's own layout, for another
// program to run (tests/onnx/compare.py).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "formats/onnx.h"
#include "io/onnx/export.h"
#include "io/onnx/program.h"
#include "ir/graph.h"
#include "samples_inputs.h"
#include "support/onnx_cases.h"
#include "varve/ops/pointwise.h"

namespace varve::samples {
namespace {

namespace onnx = io::onnx;

/// What the export says of an op without an operator.
std::string no_operator(const std::string& op) {
  return op + ": there is no ONNX operator for it at opset 17";
}
std::string later(const std::string& op) {
  return op + ": bits of integers have operators from opset 18 on";
}

// Ops no sample of which can leave, and what refuses them.
const std::map<std::string, std::string> kNotInOnnx{
    {"bitwise_and", later("bitwise_and")},
    {"bitwise_or", later("bitwise_or")},
    {"bitwise_xor", later("bitwise_xor")},
    // Came with opset 18.
    {"scatter_max", no_operator("scatter_max")},
    {"scatter_min", no_operator("scatter_min")},
    {"segment_max", no_operator("scatter_max")},
    {"segment_min", no_operator("scatter_min")},
    {"segment_softmax", no_operator("scatter_max")},
    // A count that is known beforehand.
    {"nonzero", no_operator("nonzero")},
    {"unique", no_operator("unique")},
    {"non_max_suppression", no_operator("non_max_suppression")},
    // Order by several columns.
    {"argsort_rows", no_operator("argsort_rows")},
    {"unique_slices", no_operator("argsort_rows")},
    // Random numbers of a key.
    {"fold_in", no_operator("fold_in")},
    {"random_bits", no_operator("random_bits")},
    {"random_unit", no_operator("random_unit")},
    {"random_permutation", no_operator("random_permutation")},
    // Of training.
    {"scatter_sum", no_operator("scatter_sum")},
    {"gather_dot", no_operator("gather_dot")},
    // Here the largest of linear samples, there of their four neighbours.
    {"roi_align_max", no_operator("roi_align_max")},
    // Places within a window, there counted through the whole tensor.
    {"max_pool2d_with_indices", "max_pool: the places of the largest elements are read"},
    {"max_unpool", "max_pool: the places of the largest elements are read"},
    // Linear algebra.
    {"solve", no_operator("solve")},
    {"triangular_solve", no_operator("triangular_solve")},
    {"cholesky", no_operator("cholesky")},
    {"qr", no_operator("qr")},
    {"svd", no_operator("svd")},
    {"singular_values", no_operator("singular_values")},
    {"eigh", no_operator("eigh")},
    {"inverse", no_operator("inverse")},
    {"pinv", no_operator("pinv")},
    {"lstsq", no_operator("pinv")},
    {"slogdet", no_operator("slogdet")},
    {"condition_number", no_operator("singular_values")},
    {"matrix_exp", no_operator("matrix_exp")},
};

// Samples that cannot leave, of ops that can, and what refuses them.
const std::map<std::pair<std::string, std::string>, std::string> kVariantsNotInOnnx{
    {{"attention", "dropped"}, no_operator("random_unit")},
    // Of truth values it is Not.
    {{"bitwise_not", "[2, 3]"}, later("bitwise_not")},
    {{"bitwise_not", "[]"}, later("bitwise_not")},
    {{"bitwise_not", "[0, 3]"}, later("bitwise_not")},
    {{"bitwise_not", "[1]"}, later("bitwise_not")},
    {{"bitwise_not", "[7]"}, later("bitwise_not")},
    {{"bitwise_not", "[1, 5, 1]"}, later("bitwise_not")},
    {{"bitwise_not", "[2, 1, 3, 2]"}, later("bitwise_not")},
    {{"bitwise_not", "[33]"}, later("bitwise_not")},
    {{"bitwise_not", "[4, 17]"}, later("bitwise_not")},
    {{"bitwise_not", "[3, 0]"}, later("bitwise_not")},
    {{"bitwise_not", "[1009]"}, later("bitwise_not")},
    {{"bitwise_not", "[8, 129]"}, later("bitwise_not")},
    {{"average_pool", "dilated"}, "average_pool: dilation has an operator from opset 19 on"},
    {{"resample", "region"}, "resample: a region of the picture is resampled"},
    {{"matrix_norm", "nuclear"}, no_operator("singular_values")},
    {{"matrix_norm", "spectral"}, no_operator("singular_values")},
    {{"matrix_power", "to -2"}, no_operator("inverse")},
};

/// What the lists say of a sample; empty where it must leave.
std::string expected_refusal(const Row& row, const Sample& sample) {
  if (const auto at = kNotInOnnx.find(row.op); at != kNotInOnnx.end()) return at->second;
  const auto at = kVariantsNotInOnnx.find({row.op, sample.name});
  return at == kVariantsNotInOnnx.end() ? "" : at->second;
}

bool for_training(const std::string& op) {
  return op.find("gradient") != op.npos || op == "max_pool_gather" || op == "resample_transpose";
}

std::vector<std::string> numbered(const char* stem, size_t count) {
  std::vector<std::string> names;
  for (size_t i = 0; i < count; ++i) names.push_back(stem + std::to_string(i));
  return names;
}

class OnnxExport : public testing::TestWithParam<const Row*> {};

TEST_P(OnnxExport, ComesBackWithTheSameValues) {
  const Row& row = *GetParam();
  if (for_training(row.op)) GTEST_SKIP() << "of training";
  int64_t left = 0;
  for (const Sample& sample : row.samples) {
    SCOPED_TRACE(sample.name);
    const auto& types = dtypes_of(row, sample);
    const auto has = [&](DType d) {
      return std::find(types.begin(), types.end(), d) != types.end();
    };
    const DType dtype = has(f32) ? f32 : has(u32) ? u32 : has(i64) ? i64 : types.front();
    const Tensors x = make_inputs(row, sample, dtype);
    ir::Types in;
    for (const Tensor& t : x) in.push_back(ir::type_of(t));
    const ir::Graph graph = ir::trace_body(in, [&](std::span<const Tensor> v) {
      return run(row, sample, Tensors(std::vector<Tensor>(v.begin(), v.end()))).list();
    });
    const auto from = numbered("x", graph.inputs.size()), to = numbered("y", graph.outputs.size());
    std::string bytes;
    try {
      bytes = formats::onnx::serialize(onnx::to_onnx(graph, from, to));
    } catch (const UnsupportedError& e) {
      EXPECT_EQ(e.message(), "ONNX export: " + expected_refusal(row, sample));
      continue;
    }
    ++left;
    EXPECT_EQ(expected_refusal(row, sample), "") << "is excused, but leaves";
    const Tensors expected = run(row, sample, x);
    test::keep_onnx_case(std::string(row.op) + "_" + sample.name, bytes, x, expected);
    const onnx::Program program(
        formats::onnx::parse_model("export", std::as_bytes(std::span(bytes))));
    std::map<std::string, onnx::Value> inputs;
    for (size_t i = 0; i < x.size(); ++i) inputs[from[i]] = x[i];
    const onnx::Values got = program.run(inputs);
    ASSERT_EQ(got.size(), expected.size());
    for (size_t i = 0; i < got.size(); ++i) {
      const Tensor &a = got[i].tensor, &b = expected[i];
      ASSERT_EQ(a.shape(), b.shape());
      ASSERT_EQ(a.dtype(), b.dtype());
      const auto va = a.to_doubles(), vb = b.to_doubles();
      for (size_t k = 0; k < va.size(); ++k) {
        if (std::isnan(vb[k]) || std::isinf(vb[k])) {
          EXPECT_TRUE(va[k] == vb[k] || (std::isnan(va[k]) && std::isnan(vb[k])))
              << va[k] << " for " << vb[k] << " at " << k;
        } else {
          EXPECT_NEAR(va[k], vb[k], 1e-5 + 1e-4 * std::abs(vb[k])) << "at " << k;
        }
      }
    }
  }
  if (!row.samples.empty()) {
    EXPECT_EQ(left == 0, kNotInOnnx.contains(row.op)) << left << " samples left";
  }
}

TEST(OnnxExportLists, NameSamplesThatAreThere) {
  for (const auto& [op, why] : kNotInOnnx) EXPECT_NE(row_of(op), nullptr) << op;
  for (const auto& [at, why] : kVariantsNotInOnnx) {
    const Row* row = row_of(at.first);
    ASSERT_NE(row, nullptr) << at.first;
    EXPECT_TRUE(std::any_of(row->samples.begin(), row->samples.end(),
                            [&, &name = at.second](const Sample& s) { return s.name == name; }))
        << at.first << ", " << at.second;
  }
}

std::vector<const Row*> rows() {
  std::vector<const Row*> all;
  for (const Row& row : all_rows()) all.push_back(&row);
  return all;
}

INSTANTIATE_TEST_SUITE_P(Row, OnnxExport, testing::ValuesIn(rows()),
                         [](const auto& i) { return std::string(i.param->op); });

}  // namespace
}  // namespace varve::samples
