// What a sample of an imported model is: where the batch stands, and the shapes that a file states.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/onnx/layer.h"
#include "io/onnx/samples.h"
#include "io/onnx_builder.h"
#include "nn/network.h"
#include "support/errors.h"
#include "support/folder.h"
#include "varve/varve.h"

namespace varve {
namespace {

using test::floats;
using test::node;
using ::testing::HasSubstr;

// A GRU as exporters write it: samples first in x, the state [1, batch, 2] beside it.
formats::onnx::Model stateful() {
  auto m = test::model({node("Transpose", {"x"}, {"t"}, {test::ints("perm", {1, 0, 2})}),
                        node("GRU", {"t", "w", "r", "", "", "state"}, {"all", "next"},
                             {test::integer("hidden_size", 2)}),
                        node("Squeeze", {"all", "one"}, {"s"}),
                        node("Transpose", {"s"}, {"y"}, {test::ints("perm", {1, 0, 2})})},
                       {floats("w", {1, 6, 1}, {1, -1, 0.5f, 2, -0.5f, 1}),
                        floats("r", {1, 6, 2}, {1, 0, 0, 1, -1, 1, 0.5f, 0, 0, 0.5f, 1, 1}),
                        test::int64s("one", {1})});
  m.graph.inputs = {test::port("state", {1, -1, 2}), test::port("x", {-1, -1, 1})};
  m.graph.inputs[1].type.dims[1].parameter = "sequence";
  m.graph.outputs = {test::port("y", {-1, -1, 2}), test::port("next", {1, -1, 2})};
  m.graph.outputs[0].type.dims[1].parameter = "sequence";
  return m;
}

TEST(OnnxSamples, TheBatchMayStandOnAnotherAxis) {
  const test::Folder folder;
  const auto program = std::make_shared<const io::onnx::Program>(test::reread(stateful()));
  Model model(io::onnx::make_layer(program, false, ""));
  nn::build(*model.state(), io::onnx::samples_of(*program, false, {{"sequence", 4}}));
  const Tensor state = random::normal(Key(1), {5, 1, 2}), x = random::normal(Key(2), {5, 4, 1});
  const auto expected = program->run({{"state", move_axis(state, 0, 1)}, {"x", x}});
  model.save(folder / "m.safetensors");
  Model again = Model::load(folder / "m.safetensors");
  for (Model* m : {&model, &again}) {
    // In batches, which are cut and put together along the first axis.
    const Outputs got = m->predict({state, x}, {.batch_size = 2});
    EXPECT_EQ(got[1].shape(), Shape({5, 1, 2}));
    EXPECT_LT(max(abs(got[0] - expected[0].tensor)).to_double(), 1e-6);
    EXPECT_LT(max(abs(got[1] - move_axis(expected[1].tensor, 1, 0))).to_double(), 1e-6);
  }
}

TEST(OnnxSamples, InputsWithoutABatchAreRefusedOnce) {
  auto m = stateful();
  m.graph.inputs[0].type.dims[1].parameter = "streams";
  const io::onnx::Program other(test::reread(m));
  EXPECT_EQ(test::text_of<UnsupportedError>([&] { io::onnx::samples_of(other, false); }),
            "m.onnx: input \"state\": tensor(float32)[1, streams, 2]: the batch is not its first "
            "axis, and none is called \"batch\" as in other inputs\n"
            "  hint: varve onnx run replays the model as it is");
  m.graph.inputs[0].type.dims.clear();
  const io::onnx::Program scalar(test::reread(m));
  EXPECT_THAT(test::text_of<UnsupportedError>([&] { io::onnx::samples_of(scalar, false); }),
              HasSubstr("input \"state\": tensor(float32)[] has no axis for the batch\n"));
}

TEST(OnnxSamples, AModelWhoseFileStatesItsShapesIsBuilt) {
  const test::Folder folder;
  const std::string path = folder.file(
      "m.onnx", formats::onnx::serialize(test::model({node("MatMul", {"x", "w"}, {"y"})},
                                                     {floats("w", {2, 1}, {1, 2})})));
  Model model(onnx::load(path).layer());
  EXPECT_THAT(summary(model), HasSubstr("parameters    2"));
  model.save(folder / "m.safetensors");
  EXPECT_EQ(Model::load(folder / "m.safetensors").parameter_count(), 2);
  const std::string open = folder.file("open.onnx", formats::onnx::serialize(stateful()));
  EXPECT_FALSE(onnx::load(open).layer().built());
}

TEST(OnnxSamples, ChannelsLastAreAdvisedWhereTheyHelp) {
  auto m = test::model({node("Identity", {"x"}, {"y"})});
  m.graph.inputs = {test::port("x", {-1, 3, 4, 5})};
  const auto program = std::make_shared<const io::onnx::Program>(test::reread(m));
  const auto said = [&](bool last, const Shape& given) {
    const Model model(io::onnx::make_layer(program, last, ""));
    return test::text_of<ShapeError>([&] { model(zeros(given)); });
  };
  EXPECT_THAT(said(false, {2, 4, 5, 3}), HasSubstr("expected a sample of [3, 4, 5], got [4, 5, 3]\n"
                                                   "  hint: images with the channels last"));
  const std::string wrong = said(false, {2, 3, 8, 8}), last = said(true, {2, 8, 8, 3});
  EXPECT_THAT(wrong, HasSubstr("expected a sample of [3, 4, 5], got [3, 8, 8]"));
  EXPECT_THAT(last, HasSubstr("expected a sample of [4, 5, 3], got [8, 8, 3]"));
  EXPECT_THAT(wrong + last, ::testing::Not(HasSubstr("channels last")));
}

}  // namespace
}  // namespace varve
