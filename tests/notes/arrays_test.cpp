// The notes on arrays, softmax, convolution and pooling.
#include "helpers.h"

namespace varve {
namespace {

using namespace notes;

// P4-01. (The notes add v.T; v has one axis, so that changes nothing. And they write v = [1, 0, 2]
// beside what [1, 0, 1] gives.)
TEST(NotesArrays, ARowVectorIsAddedToEachRowOfAMatrix) {
  const Tensor x = reshape(arange(1, 13), {4, 3});
  const Tensor v = tensor<int64_t>({1, 0, 1}), as_written = tensor<int64_t>({1, 0, 2});
  const Doubles printed{2, 2, 4, 5, 5, 7, 8, 8, 10, 11, 11, 13};
  EXPECT_EQ((x + v).shape(), (Shape{4, 3}));
  EXPECT_EQ((x + v).to_doubles(), printed);
  EXPECT_EQ((x + transpose(v)).to_doubles(), printed);
  EXPECT_EQ(add(x, v).to_doubles(), printed);
  EXPECT_EQ((x + as_written).to_doubles(), (Doubles{2, 2, 5, 5, 5, 8, 8, 8, 11, 11, 11, 14}));
}

// P4-02. (Two of the notes print the sizes run together: 100x20x20x40.)
TEST(NotesArrays, AHundredByTwentyTimesTwentyByFortyIsAHundredByForty) {
  const Tensor a = normal({100, 20}, 1), b = normal({20, 40}, 2);
  EXPECT_EQ(matmul(a, b).shape(), (Shape{100, 40}));
  EXPECT_EQ(matmul(a, b).to_doubles().size(), 4000u);
  EXPECT_THROW(matmul(b, a), ShapeError);
  EXPECT_EQ(message_of([&] { matmul(b, a); }),
            "matmul: inner dimensions differ: a is [20, 40] and b is [100, 20]");
}

// P4-03.
TEST(NotesArrays, SoftmaxSumsToOneAndIsUnchangedByAShift) {
  for (DType d : {f32, f64}) {
    // Whole numbers, so that adding 1e4 is exact in f32.
    const Tensor scores = round(normal({7, 33}, 3, d) * 10);
    const Tensor p = softmax(scores), shifted = softmax(scores + 1e4);
    for (double s : sum(cast(p, f64), {.axes = {-1}}).to_doubles()) EXPECT_NEAR(s, 1, 1e-7);
    EXPECT_EQ(shifted.to_doubles(), p.to_doubles());
    for (double v : log_softmax(scores - 1e4).to_doubles()) EXPECT_TRUE(std::isfinite(v));
  }
}

// P4-04.
TEST(NotesArrays, AStridedConvolutionHalvesASamePaddedImageAndCutsAValidOne) {
  const Tensor images = normal({3, 32, 32, 3}, 4);
  const Tensor kernel = normal({5, 5, 3, 16}, 5) * 0.1;
  EXPECT_EQ(conv2d(images, kernel, {.strides = 2, .padding = "same"}).shape(),
            (Shape{3, 16, 16, 16}));
  EXPECT_EQ(conv2d(images, kernel, {.strides = 2}).shape(), (Shape{3, 14, 14, 16}));
  Layer conv = nn::Conv2D{.filters = 16, .kernel_size = 5, .strides = 2, .padding = "same"};
  EXPECT_EQ(conv(images).shape(), (Shape{3, 16, 16, 16}));
  EXPECT_EQ(conv.variable("kernel").shape().size(), 1200);
  EXPECT_EQ(conv.variable("bias").shape().size(), 16);
}

// P4-05. (One figure of the notes repeats the first position; the whole map is this.)
TEST(NotesArrays, AnXShapedFilterCountsItsMatches) {
  const Tensor image = tensor({1.f, 1.f, 1.f, 0.f, 0.f,  //
                               0.f, 1.f, 1.f, 1.f, 0.f,  //
                               0.f, 0.f, 1.f, 1.f, 1.f,  //
                               0.f, 0.f, 1.f, 1.f, 0.f,  //
                               0.f, 1.f, 1.f, 0.f, 0.f},
                              {1, 5, 5, 1});
  const Tensor filter = tensor({1.f, 0.f, 1.f, 0.f, 1.f, 0.f, 1.f, 0.f, 1.f}, {3, 3, 1, 1});
  const Tensor map = conv2d(image, filter);
  EXPECT_EQ(map.shape(), (Shape{1, 3, 3, 1}));
  EXPECT_EQ(map.to_doubles(), (Doubles{4, 3, 4, 2, 4, 3, 2, 3, 4}));
}

// P4-06.
TEST(NotesArrays, MaxPoolingKeepsTheLargestOfEachTwoByTwo) {
  const Tensor x = tensor({3, 1, 3, 5,  //
                           6, 0, 7, 9,  //
                           3, 2, 1, 4,  //
                           0, 2, 4, 3},
                          {1, 4, 4, 1});
  EXPECT_EQ(max_pool2d(x).to_doubles(), (Doubles{6, 9, 3, 4}));
  EXPECT_EQ(max_pool2d(cast(x, f32)).to_doubles(), (Doubles{6, 9, 3, 4}));
  Layer pool = nn::MaxPool2D{.pool_size = 2};
  EXPECT_EQ(pool(cast(x, f32)).to_doubles(), (Doubles{6, 9, 3, 4}));
}

// P4-36.
TEST(NotesArrays, AnUntrainedClassifierLosesTheLogarithmOfTheNumberOfClasses) {
  const std::vector<std::pair<int64_t, double>> losses{
      {2, 0.693147}, {10, 2.302585}, {65, 4.174387}, {1000, 6.907755}, {50257, 10.824905}};
  for (const auto& [classes, expected] : losses) {
    const Tensor logits = zeros({3, classes}), labels = tensor<int64_t>({0, 1, classes - 1});
    const Loss loss = losses::CrossEntropy{.from_logits = true};
    EXPECT_NEAR(loss(logits, labels).to_double(), expected, 2e-6) << classes;
    // The same from probabilities; Keras' clipping at 1e-7 is far away.
    const Loss from_probabilities = losses::CrossEntropy{};
    EXPECT_NEAR(from_probabilities(softmax(logits), labels).to_double(), expected, 1e-5);
  }
  Sequential model{nn::Flatten{}, nn::Dense{.units = 10, .kernel_initializer = "zeros"}};
  model.compile({.loss = losses::CrossEntropy{.from_logits = true}});
  const Scores s = model.evaluate(normal({50, 28, 28, 1}, 6), arange(50) % 10);
  EXPECT_NEAR(s["loss"], 2.302585, 2e-6);
}

}  // namespace
}  // namespace varve
