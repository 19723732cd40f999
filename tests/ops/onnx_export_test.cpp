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

// What ONNX has no operator for at opset 17.
const std::map<std::string, std::string> kNotInOnnx{
    {"bitwise_and", "bits of integers came with opset 18"},
    {"bitwise_or", "bits of integers came with opset 18"},
    {"bitwise_xor", "bits of integers came with opset 18"},
    {"bitwise_not", "bits of integers came with opset 18"},
    {"nonzero", "a count that is known beforehand"},
    {"unique", "a count that is known beforehand"},
    {"cumprod", "came with opset 27"},
    {"fold_in", "random numbers of a key"},
    {"random_bits", "random numbers of a key"},
    {"random_unit", "random numbers of a key"},
    {"random_permutation", "random numbers of a key"},
    {"scatter_max", "came with opset 18"},
    {"scatter_min", "came with opset 18"},
    {"scatter_sum", "of training"},
    {"gather_dot", "of training"},
    {"roi_align_max", "here the largest of linear samples, there of their four neighbours"},
    {"non_max_suppression", "a count that is known beforehand"},
    {"argsort_rows", "orders by several columns"},
    {"average_pool", "dilation came with opset 19"},
    {"max_pool", "places within a window"},
    {"resample", "a region of the picture"},
    {"solve", "linear algebra"},
    {"triangular_solve", "linear algebra"},
    {"cholesky", "linear algebra"},
    {"qr", "linear algebra"},
    {"svd", "linear algebra"},
    {"singular_values", "linear algebra"},
    {"eigh", "linear algebra"},
    {"inverse", "linear algebra"},
    {"pinv", "linear algebra"},
    {"slogdet", "linear algebra"},
    {"matrix_exp", "linear algebra"},
};

/// The op that could not leave: `ONNX export: fft: there is ...`.
std::string refused(const std::string& message) {
  const size_t start = message.find(": ") + 2;
  return message.substr(start, message.find(':', start) - start);
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
      EXPECT_TRUE(kNotInOnnx.contains(refused(e.message()))) << e.what();
      continue;
    }
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
