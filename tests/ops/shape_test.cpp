// Making tensors, views, and what the rows of samples_shape.cpp do not show.
#include "varve/ops/shape.h"

#include <gtest/gtest.h>

#include <sstream>

#include "ir/node.h"
#include "samples.h"
#include "support/errors.h"
#include "varve/ops/pointwise.h"

namespace varve {
namespace {

using Doubles = std::vector<double>;

TEST(Making, GivesTheTypesAndValuesThatNumPyGives) {
  EXPECT_EQ(arange(5).dtype(), i64);
  EXPECT_EQ(arange(5).to_doubles(), (Doubles{0, 1, 2, 3, 4}));
  EXPECT_EQ(arange(2, -5, -3).to_doubles(), (Doubles{2, -1, -4}));
  EXPECT_EQ(arange(5, 2).shape(), Shape{0});
  EXPECT_EQ(arange(0, 1, 0.25).dtype(), f32);
  EXPECT_EQ(arange(0, 1, 0.25, {.dtype = f64}).to_doubles(), (Doubles{0, 0.25, 0.5, 0.75}));
  EXPECT_EQ(arange(3, {.dtype = u8}).dtype(), u8);
  EXPECT_EQ(linspace(0, 1, 5).to_doubles(), (Doubles{0, 0.25, 0.5, 0.75, 1}));
  EXPECT_EQ(linspace(0, 1, 4, {.endpoint = false}).to_doubles(), (Doubles{0, 0.25, 0.5, 0.75}));
  EXPECT_EQ(linspace(2, 3, 1).to_doubles(), Doubles{2});
  EXPECT_EQ(linspace(2, 3, 0).shape(), Shape{0});
  // 0 + 9 * (0.3 / 9) is not 0.3.
  EXPECT_EQ(linspace(0, 0.3, 10, {.dtype = f64}).to_doubles().back(), 0.3);
  EXPECT_EQ(eye(2, 3, 1).to_doubles(), (Doubles{0, 1, 0, 0, 0, 1}));
  EXPECT_EQ(eye(2, -1, -1, i32).to_doubles(), (Doubles{0, 0, 1, 0}));
  EXPECT_EQ(full({2}, 2.5).to_doubles(), (Doubles{2.5, 2.5}));
  EXPECT_EQ(full({2}, tensor<int64_t>({3}), f64).to_doubles(), (Doubles{3, 3}));
  EXPECT_EQ(ones_like(zeros({2, 0}, u16)).dtype(), u16);
  EXPECT_EQ(zeros_like(ones({2})).to_doubles(), (Doubles{0, 0}));
}

TEST(Making, CountsIntegersBeyondThoseOfDoubles) {
  const int64_t from = (int64_t{1} << 53) + 1;
  const Tensor x = arange(from, from + 4, 2);
  EXPECT_EQ(x.shape(), Shape{2});
  EXPECT_EQ(x.span<int64_t>()[0], from);
  EXPECT_EQ(x.span<int64_t>()[1], from + 2);
  EXPECT_EQ(arange(INT64_MAX - 2, INT64_MAX).span<int64_t>()[1], INT64_MAX - 1);
  EXPECT_EQ(arange(3, 0, INT64_MIN).span<int64_t>()[0], 3);
  EXPECT_THROW(arange(INT64_MIN, INT64_MAX), ValueError);
  EXPECT_THROW(arange(0, uint64_t{1} << 63), ValueError);
}

TEST(Making, RefusesSizesThatNoTensorHas) {
  EXPECT_THROW(zeros({-1}), ShapeError);
  EXPECT_THROW(full({2, -3}, 1), ShapeError);
  EXPECT_THROW(ones({int64_t{1} << 40, int64_t{1} << 40}), ShapeError);
  const auto owner = std::make_shared<int>(1);
  EXPECT_THROW(tensor_from_shared(owner, owner.get(), f32, {-1}), ShapeError);
  EXPECT_THROW(tensor_from_shared(owner, owner.get(), f32, {int64_t{1} << 62}), ShapeError);
  // Large, but a number: nothing is made until it is asked for.
  const Tensor wide = broadcast_to(scalar(1, f32), {int64_t{1} << 30, int64_t{1} << 30});
  EXPECT_EQ(wide.size(), int64_t{1} << 60);
}

TEST(Making, TakesNumbersThatATensorHolds) {
  const Tensor n = tensor<int64_t>({3}, {});
  EXPECT_EQ(arange(n).to_doubles(), (Doubles{0, 1, 2}));
}

TEST(Making, TakesRowsOfNumbers) {
  const Tensor a = tensor({{1.f, 2.f, 3.f}, {4.f, 5.f, 6.f}});
  EXPECT_EQ(a.shape(), (Shape{2, 3}));
  EXPECT_EQ(a.dtype(), f32);
  EXPECT_EQ(a.to_doubles(), (Doubles{1, 2, 3, 4, 5, 6}));
  const Tensor b = tensor({{{1, 2}}, {{3, 4}}, {{5, 6}}});
  EXPECT_EQ(b.shape(), (Shape{3, 1, 2}));
  EXPECT_EQ(b.dtype(), i32);
  EXPECT_EQ(b.to_doubles(), (Doubles{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(tensor({{true, false}}).to_doubles(), (Doubles{1, 0}));
  EXPECT_EQ(test::message_of<ShapeError>([] {
              tensor({{1.0, 2.0}, {3.0}});
            }),
            "tensor: row 1 has shape [1], row 0 has [2]");
}

TEST(Making, GivesWhatStreamsWrite) {
  std::ostringstream text;
  const Tensor x = tensor({{1.f, 2.f}});
  text << x << '\n' << x.shape() << ' ' << x.dtype();
  EXPECT_EQ(text.str(), x.to_string() + "\n[1, 2] f32");
}

TEST(Views, OfViewsShareTheirElements) {
  const Tensor x = reshape(arange(24, {.dtype = f32}), {2, 3, 4});
  x.evaluate();
  // A reshape of a transposed tensor that only splits or joins axes which run evenly.
  const Tensor t = transpose(x, {2, 0, 1});
  const std::vector<Tensor> views = {
      t,
      reshape(t, {4, 6}),
      reshape(t, {2, 2, 1, 6}),
      expand_dims(t, 0),
      flip(x),
      slice(x, {{}, {1}}),
      diagonal(x),
      broadcast_to(x, {5, 2, 3, 4}),
      x,
      swap_axes(x, 0, 1),
  };
  for (const Tensor& v : views) {
    v.evaluate();
    EXPECT_EQ(v.cell()->array.storage, x.cell()->array.storage) << v.shape().to_string();
  }
  EXPECT_EQ(views[2].to_doubles(), views[0].to_doubles());
  const Tensor copied = reshape(transpose(x), {24});
  copied.evaluate();
  EXPECT_NE(copied.cell()->array.storage, x.cell()->array.storage);
  EXPECT_EQ(copied.to_doubles(), transpose(x).to_doubles());
}

TEST(Views, OfNothingHaveNoElementsHoweverTheyLie) {
  const Tensor x = flip(zeros({3, 0, 2}));
  for (const Tensor& v : {reshape(x, {0}), reshape(transpose(x), {2, 0}), slice(x, {{2, 1}}),
                          diagonal(x), broadcast_to(zeros({0}), {3, 0})}) {
    EXPECT_EQ(v.to_doubles(), Doubles{});
  }
}

TEST(Joining, MeetsInOneType) {
  const Tensor y = concat({tensor<int32_t>({1}), tensor({2.5f}), tensor({true})});
  EXPECT_EQ(y.dtype(), f64);  // NumPy's promotion of i32 and f32
  EXPECT_EQ(y.to_doubles(), (Doubles{1, 2.5, 1}));
}

}  // namespace
}  // namespace varve
