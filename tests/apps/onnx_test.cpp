// varve onnx: conformance cases, runs on arrays, import.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "apps/program.h"
#include "io/onnx_builder.h"
#include "varve/files.h"

namespace varve::app {
namespace {

using test::floats;
using test::node;
using ::testing::EndsWith;
using ::testing::HasSubstr;

// A case of a model with input x [2, 2] of 1..4, and what it should give.
void make_case(const test::Folder& folder, const std::string& name, const formats::onnx::Model& m,
               const std::vector<float>& expected) {
  const std::string set = folder / (name + "/test_data_set_0");
  std::filesystem::create_directories(set);
  folder.file(name + "/model.onnx", formats::onnx::serialize(m));
  folder.file(name + "/test_data_set_0/input_0.pb",
              formats::onnx::serialize(floats("x", {2, 2}, {1, 2, 3, 4})));
  folder.file(name + "/test_data_set_0/output_0.pb",
              formats::onnx::serialize(floats("y", {2, 2}, expected)));
}

TEST(OnnxTest, SaysPassFailAndUnsupported) {
  const test::Folder folder;
  const auto square = test::model({node("Mul", {"x", "x"}, {"y"})});
  make_case(folder, "cases/a_good", square, {1, 4, 9, 16.001f});
  const Ran good = varve({"onnx", "test", folder / "cases"});
  EXPECT_EQ(good.code, 0) << good.err;
  EXPECT_EQ(good.out, "a_good: pass\n1 cases: 1 pass, 0 fail, 0 unsupported\n");
  make_case(folder, "cases/b_bad", square, {1, 4, 9, 20});
  make_case(folder, "cases/c_other", test::model({node("Nothing", {"x"}, {"y"}, {}, "n")}), {});
  const Ran ran = varve({"onnx", "test", folder / "cases", "--json", folder / "results.json"});
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.out, HasSubstr("b_bad: fail, largest difference 4 (relative 0.2): output \"y\": "
                                 "1 of 4 elements differ, [3]: expected 20, got 16\n"));
  EXPECT_THAT(ran.out, HasSubstr("c_other: unsupported: "));
  EXPECT_THAT(ran.out, EndsWith("3 cases: 1 pass, 1 fail, 1 unsupported\n"));
  const auto json = nlohmann::json::parse(test::read_text(folder / "results.json"));
  ASSERT_EQ(json.size(), 3u);
  EXPECT_EQ(json[1]["name"], "b_bad");
  EXPECT_EQ(json[1]["status"], "fail");
  EXPECT_EQ(json[1]["max_abs_diff"], 4.0);
  EXPECT_EQ(json[2]["status"], "unsupported");
  EXPECT_THAT(json[2]["reason"].get<std::string>(), HasSubstr("Nothing (node \"n\", opset 17)"));
}

TEST(OnnxTest, AFolderWithoutCasesIsAnError) {
  const test::Folder folder;
  const Ran ran = varve({"onnx", "test", folder.path()});
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.err, HasSubstr("holds no conformance case"));
  EXPECT_EQ(varve({"onnx", "tset", folder.path()}).code, 2);
}

TEST(OnnxRun, ReadsAndWritesArraysByName) {
  const test::Folder folder;
  const std::string model = folder.file(
      "m.onnx", formats::onnx::serialize(test::model({node("Add", {"x", "x"}, {"y"})})));
  write_npy(folder / "x.npy", tensor<float>({1, 2, 3, 4}, {2, 2}));
  const Ran ran =
      varve({"onnx", "run", model, "--input", "x=" + (folder / "x.npy"), "--out", folder / "out"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(read_npy(folder / "out/y.npy").to_doubles(), ::testing::ElementsAre(2, 4, 6, 8));
  EXPECT_EQ(varve({"onnx", "run", model, "--input", "x"}).code, 2);
  const Ran missing = varve({"onnx", "run", model, "--out", folder / "out"});
  EXPECT_EQ(missing.code, 1);
  EXPECT_THAT(missing.err, HasSubstr("input \"x\": tensor(float32)[batch, 2] is missing"));
}

TEST(OnnxImport, MakesAModelThatAJobTrains) {
  const test::Folder folder;
  const std::string model =
      folder.file("m.onnx", formats::onnx::serialize(test::model(
                                {node("MatMul", {"x", "w"}, {"h"}), node("Add", {"h", "b"}, {"y"})},
                                {floats("w", {2, 1}, {0.5f, 0.5f}), floats("b", {1}, {0})})));
  const Ran ran = varve({"onnx", "import", model, "-o", folder / "m.safetensors"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("1 inputs, 2 variables, 3 parameters"));
  std::string table = "a,b,t\n";
  for (int i = 0; i < 40; ++i) {
    const double a = i % 7 - 3, b = i % 5 - 2;
    table += std::to_string(a) + "," + std::to_string(b) + "," + std::to_string(a - b) + "\n";
  }
  folder.file("t.csv", table);
  const std::string job =
      folder.file("job.toml",
                  "[data]\nkind = \"csv\"\npath = \"t.csv\"\ntarget = \"t\"\n"
                  "[data.columns]\n"
                  "a = { kind = \"number\", scale = \"none\" }\n"
                  "b = { kind = \"number\", scale = \"none\" }\n"
                  "[model]\nfile = \"m.safetensors\"\n"
                  "[train]\noptimizer = { type = \"adam\", learning_rate = 0.1 }\n"
                  "loss = \"mse\"\nepochs = 60\nbatch_size = 8\n"
                  "[output]\ndirectory = \"out\"\n");
  const Ran trained = varve({"train", job});
  EXPECT_EQ(trained.code, 0) << trained.err;
  const auto weights = read_safetensors(folder / "out/model.safetensors");
  EXPECT_NEAR(weights.at("w").to_doubles()[0], 1, 0.05);
  EXPECT_NEAR(weights.at("w").to_doubles()[1], -1, 0.05);
}

TEST(OnnxImport, RefusesASizeThatTheModelDoesNotLeaveOpen) {
  const test::Folder folder;
  formats::onnx::Model m = test::model({node("Add", {"x", "x"}, {"y"})});
  m.graph.inputs[0].type.dims = {{-1, "batch"}, {-1, "features"}};
  const std::string model = folder.file("m.onnx", formats::onnx::serialize(m));
  const auto import = [&](const std::string& size) {
    return varve({"onnx", "import", model, "--size", size, "-o", folder / "m.safetensors"});
  };
  for (const auto& [size, says] :
       {std::pair{"foo=3", "--size: the model has no size called \"foo\""},
        {"feature=3", "did you mean \"features\"?"},
        {"batch=3", "\"batch\" counts the samples, and stays open"}}) {
    const Ran ran = import(size);
    EXPECT_EQ(ran.code, 2) << size;
    EXPECT_THAT(ran.err, HasSubstr(says));
    EXPECT_FALSE(std::filesystem::exists(folder / "m.safetensors"));
  }
  EXPECT_EQ(import("features=3").code, 0);
}

// A state [1, batch, units] has its samples on the second axis.
TEST(OnnxImport, TakesInputsWhoseBatchIsNotTheFirstAxis) {
  const test::Folder folder;
  formats::onnx::Model m = test::model({node("Add", {"x", "state"}, {"y"})});
  m.graph.inputs.push_back(test::port("state", {1, -1, 2}));
  m.graph.outputs = {test::port("y", {1, -1, 2})};
  const std::string model = folder.file("m.onnx", formats::onnx::serialize(m));
  const Ran ran = varve({"onnx", "import", model, "-o", folder / "m.safetensors"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(varve({"summary", folder / "m.safetensors"}).out, HasSubstr("[1, 2]"));
  m.graph.inputs[1].type.dims[1].parameter = "streams";
  folder.file("m.onnx", formats::onnx::serialize(m));
  const Ran refused = varve({"onnx", "import", model, "-o", folder / "n.safetensors"});
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.err,
              HasSubstr("input \"state\": tensor(float32)[1, streams, 2]: the batch is "
                        "not its first axis"));
  EXPECT_THAT(refused.err, HasSubstr("varve onnx run"));
}

}  // namespace
}  // namespace varve::app
