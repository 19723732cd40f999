// Nothing of the op table is left out: each row says what it is, has a kernel or a decomposition, a
// derivative or the reason for none, and samples; and no check of the driver is passed by doing
// nothing.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <regex>
#include <set>

#include "backend/kernel.h"
#include "ir/graph.h"
#include "ops/build.h"
#include "samples_inputs.h"
#include "varve/derivatives.h"

namespace varve::samples {
namespace {

// What users cannot call by itself has no row of its own.
const std::map<std::string, std::string> kTestedElsewhere{
    {"group", "made by the passes: tests/transform/group_test.cpp"},
    {"identity", "where derivatives are taken: every gradient check goes through one"},
    {"stop_gradient", "its derivative is none: tests/transform/derivatives_test.cpp"},
    {"custom_derivative", "a function of the user's own: tests/ops/custom_test.cpp"},
    {"cond", "takes graphs: tests/transform/control_test.cpp"},
    {"scan", "takes graphs: tests/transform/control_test.cpp"},
    {"while_loop", "takes graphs: tests/transform/control_test.cpp"},
    {"custom_op", "an operation of the user's own: tests/ops/custom_test.cpp"},
};

/// Ops in the graphs of the sample rows, forward and differentiated.
const std::set<std::string>& seen_in_samples() {
  static const std::set<std::string> seen = [] {
    std::set<std::string> names;
    const auto note = [&](const ir::Graph& g) {
      for (const ir::GraphNode& n : g.nodes) names.insert(n.op->name);
    };
    for (const Row& row : all_rows()) {
      for (const Sample& sample : row.samples) {
        const auto& types = dtypes_of(row, sample);
        const bool real = std::find(types.begin(), types.end(), f64) != types.end();
        const Tensors x = make_inputs(row, sample, real ? f64 : types.front());
        ir::Types in;
        for (const Tensor& t : x) in.push_back(ir::type_of(t));
        const auto list = [](std::span<const Tensor> v) {
          return Tensors(std::vector<Tensor>(v.begin(), v.end()));
        };
        note(ir::trace_body(
            in, [&](std::span<const Tensor> v) { return run(row, sample, list(v)).list(); }));
        const bool constant = std::all_of(sample.inputs.begin(), sample.inputs.end(),
                                          [](const In& i) { return i.constant; });
        if (skipped(row, Check::reverse) || !real || constant) continue;
        note(ir::trace_body(in, [&](std::span<const Tensor> v) {
          const auto f = [&](const Tensors& at) { return run(row, sample, at); };
          std::vector<Tensor> ones;
          for (const Tensor& y : f(list(v)))
            ones.push_back(is_floating(y.dtype()) ? varve::ops::full(1, y.dtype(), y.shape())
                                                  : Tensor());
          return vjp(f, list(v), Tensors(ones)).cotangents.list();
        }));
      }
    }
    return names;
  }();
  return seen;
}

// What a user's line made is told by the user's line: in errors, plans and when a NaN is traced.
TEST(SampleRows, MakeNodesThatNameTheCallersLine) {
  int named = 0;
  for (const Row& row : all_rows()) {
    for (const Sample& sample : row.samples) {
      ir::Types in;
      for (const Tensor& t : make_inputs(row, sample, dtypes_of(row, sample).back()))
        in.push_back(ir::type_of(t));
      const ir::Graph g = ir::trace_body(in, [&](std::span<const Tensor> v) {
        return run(row, sample, Tensors(std::vector<Tensor>(v.begin(), v.end()))).list();
      });
      for (const ir::GraphNode& n : g.nodes) {
        const std::string file = n.site.where.file;
        if (file.empty()) continue;  // inputs, what is made of numbers, raw nodes
        ++named;
        EXPECT_NE(file.find("tests/ops/"), file.npos)
            << row.op << ": " << n.op->name << " at " << file << ":" << n.site.where.line;
      }
    }
  }
  EXPECT_GT(named, 1000);
}

class OpTable : public ::testing::TestWithParam<const ir::OpDef*> {
 protected:
  const ir::OpDef& op() const { return *GetParam(); }
};

TEST_P(OpTable, SaysWhatItIs) {
  EXPECT_TRUE(std::regex_match(op().name, std::regex("[a-z][a-z0-9_]*")));
  EXPECT_EQ(ops::find(op().name), &op()) << "another row has this name";
  EXPECT_FALSE(std::string(op().doc).empty());
  EXPECT_NE(op().infer, nullptr);
  EXPECT_LE(op().min_inputs, op().max_inputs);
}

TEST_P(OpTable, HasAReferenceKernelOrADecomposition) {
  const auto& kernels = backend::ref_kernels();
  const bool kernel = std::any_of(kernels.begin(), kernels.end(), [&](const auto& k) {
    return k.op == std::string_view(op().name) ||
           (op().traits.pointwise && k.op == std::string_view("*"));
  });
  // The executor runs the bodies of control flow as plans of their own.
  const std::set<std::string> control{"cond", "scan", "while_loop"};
  EXPECT_TRUE(kernel || op().decompose || op().view || control.contains(op().name))
      << "nothing computes it";
}

TEST_P(OpTable, HasADerivativeOrSaysWhyNot) {
  if (auto* none = std::get_if<ir::NotDifferentiable>(&op().derivative)) {
    EXPECT_GT(std::string(none->why).size(), 10u) << none->why;
    EXPECT_NE(std::string(none->why), "no rule") << "the row does not speak of its derivative";
  }
  if (std::holds_alternative<ir::FromDecomposition>(op().derivative)) {
    EXPECT_NE(op().decompose, nullptr);
  }
}

TEST_P(OpTable, HasSamples) {
  if (kTestedElsewhere.contains(op().name)) return;
  EXPECT_TRUE(row_of(op().name) || seen_in_samples().contains(op().name))
      << "no sample row of tests/ops/samples_*.cpp makes this op";
}

INSTANTIATE_TEST_SUITE_P(Row, OpTable, ::testing::ValuesIn(ops::all()),
                         [](const auto& info) { return std::string(info.param->name); });

class SampleRow : public ::testing::TestWithParam<Row> {
 protected:
  const Row& row() const { return GetParam(); }
};

TEST_P(SampleRow, ChecksSomethingOrSaysWhyNot) {
  ASSERT_FALSE(row().samples.empty());
  ASSERT_FALSE(row().dtypes.empty());
  std::set<std::string> names;
  for (const Sample& s : row().samples) {
    EXPECT_TRUE(names.insert(s.name).second) << "two samples \"" << s.name << "\"";
    EXPECT_TRUE(s.call || row().call) << "sample \"" << s.name << "\" calls nothing";
    EXPECT_FALSE(dtypes_of(row(), s).empty()) << "sample \"" << s.name << "\" has no type";
  }
  std::set<Check> skipped_checks;
  for (const Skip& s : row().skips) {
    EXPECT_TRUE(skipped_checks.insert(s.check).second) << "a check is skipped twice";
    EXPECT_GT(std::string(s.why).size(), 8u) << "a check is skipped without a reason";
  }
}

TEST_P(SampleRow, HasADerivativeToCheckOrSkipsThatCheck) {
  if (skipped(row(), Check::reverse)) return;
  bool any = false;
  for (const Sample& s : row().samples) {
    const auto& types = dtypes_of(row(), s);
    const bool real = std::find(types.begin(), types.end(), f64) != types.end();
    for (const In& i : s.inputs) any |= i.typed ? is_floating(i.dtype) : real;
  }
  const ir::OpDef* op = ops::find(row().op);
  const bool none = op && std::holds_alternative<ir::NotDifferentiable>(op->derivative);
  EXPECT_TRUE(any || none) << "no sample has an input with a derivative";
}

INSTANTIATE_TEST_SUITE_P(Row, SampleRow, ::testing::ValuesIn(all_rows()),
                         [](const auto& info) { return std::string(info.param.op); });

TEST(SampleRows, AreEachOfAnOpOrAFunctionOnce) {
  std::set<std::string> names;
  for (const Row& r : all_rows()) EXPECT_TRUE(names.insert(r.op).second) << r.op;
  EXPECT_GT(names.size(), 100u);
}

TEST(GoldenFiles, NameRowsAndSamplesThatExist) {
  EXPECT_GT(golden_cases().size(), 250u);
  for (const Golden& g : golden_cases()) {
    SCOPED_TRACE(g.file + ": " + g.op + ", \"" + g.sample + "\"");
    const Row* row = row_of(g.op);
    ASSERT_NE(row, nullptr) << "no such row: the case is never looked at";
    EXPECT_FALSE(skipped(*row, Check::golden)) << "the row skips golden files";
    EXPECT_TRUE(std::any_of(row->samples.begin(), row->samples.end(),
                            [&](const Sample& s) { return s.name == g.sample; }));
  }
}

// What is neither held against a formula nor against another program's numbers is held only against
// itself. These are held against formulas in tests of their own.
const std::set<std::string> kOwnTests{"fold_in", "random_bits", "random_unit",
                                      "random_permutation"};

TEST(SampleRows, AreHeldAgainstAFormulaOrAnotherProgramsNumbers) {
  std::set<std::pair<std::string, std::string>> golden;
  for (const Golden& g : golden_cases()) golden.emplace(g.op, g.sample);
  for (const Row& r : all_rows()) {
    if (kOwnTests.contains(r.op)) continue;
    const bool any = std::any_of(r.samples.begin(), r.samples.end(), [&](const Sample& s) {
      return s.reference || r.reference || golden.contains({r.op, s.name});
    });
    EXPECT_TRUE(any) << r.op << ": nothing but itself says what is right";
  }
}

}  // namespace
}  // namespace varve::samples
