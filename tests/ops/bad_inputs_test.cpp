// Bad arguments of operations: one row a case, named as in the catalogue of bad inputs, with what
// the message must say.
#include <gtest/gtest.h>

#include <functional>

#include "support/errors.h"
#include "varve/error.h"
#include "varve/ops/convolution.h"
#include "varve/ops/matmul.h"
#include "varve/ops/padding.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/pooling.h"
#include "varve/ops/random.h"
#include "varve/ops/reduction.h"
#include "varve/ops/shape.h"

namespace varve {
namespace {

struct Row {
  const char* id;
  std::function<Tensor()> call;
  const char* type;
  std::string message;  // the whole of it
};

void check(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    SCOPED_TRACE(row.id);
    try {
      row.call().to_doubles();
      ADD_FAILURE() << "no error";
    } catch (const Error& e) {
      EXPECT_EQ(test::type_of(e), row.type);
      EXPECT_EQ(e.message(), row.message);
      if (std::string(row.id).starts_with("B103")) continue;  // shapes are made before operations
      EXPECT_NE(e.at().find("bad_inputs_test.cpp:"), std::string::npos) << e.at();
    }
  }
}

Tensor of(std::initializer_list<Dim> shape, DType dtype = f32) {
  return zeros(Shape(shape), dtype);
}

TEST(BadInput, OfProductsAndConvolutionsNamesSizesAndArguments) {  // B096, B098, B099
  const Tensor image = of({1, 5, 5, 3}), kernel = of({3, 3, 3, 4});
  check(
      {{"B096",
        [] {
          return matmul(of({2, 3}), of({4, 5}));
        },
        "ShapeError", "matmul: inner dimensions differ: a is [2, 3] and b is [4, 5]"},
       {"B096 batches",
        [] {
          return matmul(of({2, 3, 4}), of({3, 4, 5}));
        },
        "ShapeError", "matmul: shapes do not broadcast: [2] and [3] differ in axis -1 (2 and 3)"},
       {"B098",
        [&] {
          return conv2d(image, of({7, 7, 3, 4}));
        },
        "ShapeError", "conv2d: kernel 7x7 larger than input 5x5 (+ padding 0)"},
       {"B098 pool", [&] { return max_pool2d(image, {.window = 7}); }, "ShapeError",
        "max_pool2d: window 7x7 larger than input 5x5 (+ padding 0)"},
       {"B099 strides", [&] { return conv2d(image, kernel, {.strides = 0}); }, "ValueError",
        "conv2d: strides[0]: expected at least 1, got 0"},
       {"B099 dilation", [&] { return conv2d(image, kernel, {.dilation = 0}); }, "ValueError",
        "conv2d: dilation[0]: expected at least 1, got 0"},
       {"B099 far dilation", [&] { return conv2d(image, kernel, {.dilation = int64_t{1} << 62}); },
        "ShapeError",
        "conv2d: a window of 3 elements, dilation 4611686018427387904, reaches over more than "
        "2^63"},
       {"B098 padding alone",
        [&] {
          return max_pool2d(image, {.window = 2, .strides = 1, .padding = "same", .dilation = 7});
        },
        "ShapeError",
        "max_pool2d: window 2x2 with dilation 7x7 lies on padding alone at a position of an input "
        "5x5"},
       {"B099 groups", [&] { return conv2d(image, kernel, {.groups = 0}); }, "ValueError",
        "conv2d: groups: expected at least 1, got 0"},
       {"B099 channels",
        [&] {
          return conv2d(image, of({3, 3, 2, 4}));
        },
        "ShapeError", "conv2d: input has 3 channels, kernel [3, 3, 2, 4] takes 2"},
       {"B099 not divisible",
        [&] {
          return conv2d(image, of({3, 3, 1, 4}), {.groups = 3});
        },
        "ShapeError", "conv2d: groups 3 does not divide the 4 output channels"},
       {"B099 pool", [&] { return max_pool2d(image, {.window = 2, .strides = -1}); }, "ValueError",
        "max_pool2d: strides[0]: expected at least 1, got -1"}});
}

TEST(BadInput, OfAxesAndShapesNamesThem) {  // B100 to B104
  const Tensor x = of({2, 3});
  check({{"B100", [&] { return sum(x, {.axes = {3}}); }, "IndexError",
          "sum: axis 3 out of range for rank 2 (-2..1)"},
         {"B100 low", [&] { return sum(x, {.axes = {-3}}); }, "IndexError",
          "sum: axis -3 out of range for rank 2 (-2..1)"},
         {"B100 twice",
          [&] {
            return sum(x, {.axes = {1, -1}});
          },
          "ValueError", "sum: axis 1 is given twice"},
         {"B100 transpose",
          [&] {
            return transpose(x, {0, 0});
          },
          "ValueError", "transpose: axis 0 is given twice"},
         {"B101", [&] { return reshape(x, {4}); }, "ShapeError", "reshape: 6 elements into [4]"},
         {"B101 two",
          [&] {
            return reshape(x, {-1, -1});
          },
          "ShapeError",
          "reshape: shape [-1, -1]: one size may be -1, the others must not be negative"},
         {"B102",
          [&] {
            return x + of({4, 3});
          },
          "ShapeError",
          "add: shapes do not broadcast: [2, 3] and [4, 3] differ in axis -2 (2 and 4)"},
         {"B102 empty",
          [&] {
            return of({2, 3}) + of({0, 3});
          },
          "ShapeError",
          "add: shapes do not broadcast: [2, 3] and [0, 3] differ in axis -2 (2 and 0)"},
         {"B103",
          [] {
            return of({int64_t{1} << 40, int64_t{1} << 40});
          },
          "ShapeError", "broadcast_to: f32[1099511627776, 1099511627776] has more than 2^63 bytes"},
         {"B103 exbibyte", [] { return of({int64_t{1} << 58}) + 1; }, "ShapeError",
          "shape [288230376151711744]: needs 1152921504606846976 bytes"},
         {"B104 bool", [&] { return (x > 0) + (x > 1); }, "DTypeError",
          "add: bool has no arithmetic"},
         {"B104 bits", [&] { return bitwise_and(x, 1); }, "DTypeError",
          "bitwise_and: expected an integer type, got f32"},
         {"B104 shift", [&] { return left_shift(x, 1); }, "DTypeError",
          "left_shift: expected an integer type, got f32"}});
  EXPECT_EQ(sum(x, {.axes = {-1}}).shape(), (Shape{2}));
  // NumPy's promotion table.
  EXPECT_EQ((of({1}, f32) + of({1}, DType::i16)).dtype(), f32);
  EXPECT_EQ((of({1}, f32) + of({1}, i32)).dtype(), f64);
  EXPECT_EQ((of({1}, f32) + 1).dtype(), f32);
  EXPECT_EQ((of({1}, f16) + of({1}, f32)).dtype(), f32);
  EXPECT_EQ(matmul(of({2, 3}, f16), of({3, 2}, f16)).dtype(), f16);
}

}  // namespace
}  // namespace varve
