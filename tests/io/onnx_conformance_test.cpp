// ONNX's own conformance suite, and models of other programs with their references. Both are data
// that do not come with Varve: $VARVE_DATA names their folder, and without it these are left out.
// Where it is given, both must be there: what is not looked at must not pass.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <set>

#include "io/onnx/conformance.h"
#include "io/onnx/program.h"
#include "support/data.h"
#include "support/folder.h"
#include "varve/onnx.h"

namespace varve {
namespace {

using io::onnx::Verdict;

bool has_data() { return !test::further_data().empty(); }
std::string data(const std::string& name) { return test::further_data() + "/" + name; }

// Out of scope: patterns and n-grams of texts, and decision trees.
const std::set<std::string> kUnsupported = {
    "test_ai_onnx_ml_tree_ensemble_set_membership",
    "test_regex_full_match_email_domain",
    "test_tfidfvectorizer_tf_batch_uniandbigrams_skip5",
    "test_tfidfvectorizer_tf_onlybigrams_levelempty",
    "test_tfidfvectorizer_tf_uniandbigrams_skip5",
};

TEST(OnnxConformance, TheSuitesCasesGiveTheirOutputs) {
  if (!has_data()) GTEST_SKIP() << "no VARVE_DATA";
  const std::string archive = data("onnx-backend/node40_simple.tar.xz");
  ASSERT_TRUE(std::filesystem::exists(archive)) << archive;
  const test::Folder folder;
  const std::string command = "tar -xJf '" + archive + "' -C '" + folder.path() + "'";
  ASSERT_EQ(std::system(command.c_str()), 0) << command;
  int64_t cases = 0;
  std::set<std::string> unsupported;
  for (const std::string& path : io::onnx::find_cases(folder.path())) {
    const Verdict v = io::onnx::run_case(path);
    EXPECT_NE(v.status, Verdict::Status::fail) << v.name << ": " << v.reason;
    if (v.status == Verdict::Status::unsupported) unsupported.insert(v.name);
    ++cases;
  }
  EXPECT_EQ(cases, 729);
  EXPECT_EQ(unsupported, kUnsupported);
}

TEST(OnnxConformance, NoDistanceHidesWhatIsNotANumber) {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::nanf("");
  const auto vector = [](const std::vector<float>& v) {
    return tensor(std::span(v), {static_cast<int64_t>(v.size())});
  };
  const auto apart = [&](const std::vector<float>& expected, const std::vector<float>& got) {
    return io::onnx::distance(vector(expected), vector(got));
  };
  EXPECT_EQ(apart({1, -4}, {1.5, -4}), 0.125);
  EXPECT_EQ(apart({0, 0}, {0, 3}), 3);
  EXPECT_EQ(apart({inf, nan, -inf, 2}, {inf, nan, -inf, 2}), 0);
  for (const float wrong : {inf, nan, -inf}) EXPECT_EQ(apart({1, 2}, {1, wrong}), inf);
  EXPECT_EQ(apart({1, inf}, {1, 2}), inf);
  EXPECT_EQ(apart({1, inf}, {1, -inf}), inf);
  EXPECT_EQ(apart({1, 2}, {1}), inf);
}

TEST(OnnxConformance, ModelsOfOthersGiveTheirReferences) {
  if (!has_data()) GTEST_SKIP() << "no VARVE_DATA";
  const std::string root = data("onnx-models");
  ASSERT_TRUE(std::filesystem::exists(root)) << root;
  int models = 0;
  for (const std::string& folder : io::onnx::find_cases(root)) {
    const io::onnx::Program program(formats::onnx::read_model(folder + "/model.onnx"));
    const auto& graph = program.model().graph;
    const auto inputs = program.inputs();
    const onnx::Model model = onnx::load(folder + "/model.onnx");
    // Half precision keeps 11 bits: its references differ by more from one program to another.
    const bool half = graph.outputs[0].type.element == formats::onnx::Type::float16;
    for (int set = 0;; ++set) {
      const std::string in = folder + "/test_data_set_" + std::to_string(set) + "/";
      if (!std::filesystem::exists(in)) break;
      std::map<std::string, Tensor> given;
      for (size_t i = 0; i < inputs.size(); ++i) {
        given[inputs[i]->name] =
            io::onnx::value_of(formats::onnx::read_datum(in + "input_" + std::to_string(i) + ".pb",
                                                         inputs[i]->type))
                .tensor;
      }
      // Node by node, then by a plan, then by that plan again.
      for (int time = 0; time < 3; ++time) {
        const std::map<std::string, Tensor> got = model.run(given);
        for (size_t i = 0; i < graph.outputs.size(); ++i) {
          const auto expected = io::onnx::value_of(formats::onnx::read_datum(
              in + "output_" + std::to_string(i) + ".pb", graph.outputs[i].type));
          const Tensor& y = got.at(graph.outputs[i].name);
          ASSERT_EQ(expected.tensor.shape(), y.shape()) << folder;
          EXPECT_LE(io::onnx::distance(expected.tensor, y), half ? 2e-3 : 1e-4)
              << folder << ", output " << i << ", time " << time;
        }
      }
    }
    ++models;
  }
  EXPECT_EQ(models, 23);
}

}  // namespace
}  // namespace varve
