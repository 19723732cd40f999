// NumPy's subscripts: 400 random ones with what NumPy gives, sets and adds, and the errors.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "differences.h"
#include "samples.h"
#include "varve/jit.h"
#include "varve/ops/indexing.h"

namespace varve {
namespace {

using Json = nlohmann::json;
using Doubles = std::vector<double>;

Tensor tensor_of(const Json& j) {
  const Shape shape(j.at("shape").get<std::vector<int64_t>>());
  const Tensor t = tensor(j.at("values").get<std::vector<int64_t>>(), shape);
  return cast(t, parse_dtype(j.at("dtype").get<std::string>()));
}

Index index_of(const Json& j) {
  if (j.is_null()) return new_axis;
  if (j.is_string()) return ellipsis;
  if (j.is_number()) return j.get<int64_t>();
  if (j.contains("array")) return tensor_of(j.at("array"));
  auto part = [&](size_t i) {
    const Json& p = j.at("slice").at(i);
    return p.is_null() ? std::optional<int64_t>() : p.get<int64_t>();
  };
  return Slice{part(0), part(1), part(2)};
}

TEST(Subscripts, TakeSetAndAddWhatNumPyDoes) {
  std::ifstream file(VARVE_SOURCE_DIR "/tests/golden/subscripts/index.json");
  const Json cases = Json::parse(file);
  ASSERT_EQ(cases.size(), 400u);
  for (const Json& c : cases) {
    SCOPED_TRACE(c.at("shape").dump() + " at " + c.at("index").dump());
    const Shape shape(c.at("shape").get<std::vector<int64_t>>());
    std::vector<Index> at;
    for (const Json& i : c.at("index")) at.push_back(index_of(i));
    const Tensor x = reshape(arange(shape.size(), {.dtype = f64}), shape);
    const Tensor y = index(x, at);
    EXPECT_EQ(y.shape().dims(), c.at("result").at("shape").get<std::vector<int64_t>>());
    EXPECT_EQ(y.to_doubles(), c.at("result").at("values").get<Doubles>());
    EXPECT_EQ(index_set(x, at, -1).to_doubles(), c.at("set").get<Doubles>());
    EXPECT_EQ(index_add(x, at, 100).to_doubles(), c.at("add").get<Doubles>());
    if (y.size() == 0) continue;
    expect_derivatives([&](const Tensors& t) -> Tensors { return index(t[0] * t[0], at); },
                       {random_like(x, 3)});
  }
}

TEST(Subscripts, SetAndAddHaveDerivatives) {
  const Tensors xv{random_like(zeros({4, 5}, f64), 1), random_like(zeros({2, 5}, f64), 2)};
  const std::vector<Index> at = {Slice{.start = 1, .step = 2}};
  expect_derivatives(
      [&](const Tensors& t) -> Tensors {
        return index_set(t[0], at, t[1]) * index_add(t[0], at, t[1]);
      },
      xv);
}

TEST(Subscripts, OfIntegersAndSlicesAreViews) {
  const Tensor x = arange(24, {.dtype = f32});
  const Tensor y = index(reshape(x, {2, 3, 4}), {1, Slice{.step = -1}, new_axis, Slice{1, 3}});
  EXPECT_EQ(y.shape(), (Shape{3, 1, 2}));
  EXPECT_EQ(y.to_doubles(), (Doubles{21, 22, 17, 18, 13, 14}));
}

TEST(Subscripts, AMaskOfNoAxesMakesOne) {  // NumPy: x[True].shape, x[False].shape, x[True, [0, 1]]
  const Tensor x = arange(6, {.dtype = f32}), m = reshape(x, {2, 3});
  const Tensor yes = scalar(1, DType::bool_), no = scalar(0, DType::bool_);
  EXPECT_EQ(index(m, {yes}).shape(), (Shape{1, 2, 3}));
  EXPECT_EQ(index(m, {yes}).to_doubles(), x.to_doubles());
  EXPECT_EQ(index(m, {no}).shape(), (Shape{0, 2, 3}));
  EXPECT_EQ(index(m, {Slice{}, yes}).shape(), (Shape{2, 1, 3}));
  const Tensor both = index(m, {yes, tensor<int64_t>({1, 0})});
  EXPECT_EQ(both.shape(), (Shape{2, 3}));
  EXPECT_EQ(both.to_doubles(), (Doubles{3, 4, 5, 0, 1, 2}));
}

TEST(Subscripts, TakeAnyIntegerType) {
  const Tensor x = reshape(arange(12), {3, 4});
  for (DType d : samples::kIntegers) {
    const Tensor i = cast(tensor<int64_t>({2, 0}), d);
    EXPECT_EQ(index(x, {i, 1}).to_doubles(), (Doubles{9, 1})) << name_of(d);
  }
}

TEST(Subscripts, AMaskOfKnownElementsWorksInATraceToo) {
  const Tensor known = tensor({true, false, true});
  const auto f = jit([known](const Tensor& x) { return index(x, {known}) * 2; });
  EXPECT_EQ(f(tensor({1.f, 2.f, 3.f})).to_doubles(), (Doubles{2, 6}));
}

template <class E>
std::string text(const std::function<Tensor()>& f) {
  try {
    f().evaluate();
  } catch (const E& e) {
    EXPECT_EQ(e.at().substr(0, 27), "indexing_subscript_test.cpp") << e.what();
    return samples::text_without_place(e);
  }
  return "no error";
}

TEST(Subscripts, TellWhatIsWrongInFull) {
  const Tensor x = zeros({3, 4});
  EXPECT_EQ(text<IndexError>([&] { return index(x, {3}); }),
            "index: 3 is outside axis 0 of [3, 4] (-3..2)");
  EXPECT_EQ(text<IndexError>([&] {
              return index(x, {Slice{}, -5, tensor<int64_t>({0})});
            }),
            "index: 3 indices for [3, 4]");
  EXPECT_EQ(text<IndexError>([&] {
              return index(x, {tensor<int64_t>({0}), -5});
            }),
            "index: -5 is outside axis 1 of [3, 4] (-4..3)");
  EXPECT_EQ(text<IndexError>([&] { return index(zeros({0}), {0}); }),
            "index: 0 is outside axis 0 of [0] (which is empty)");
  EXPECT_EQ(text<IndexError>([&] {
              return index(x, {ellipsis, ellipsis});
            }),
            "index: one ellipsis at most");
  EXPECT_EQ(text<ShapeError>([&] {
              return index(x, {Slice{}, tensor({true, false, true})});
            }),
            "index: mask [3] does not fit [3, 4] from axis 1");
  EXPECT_EQ(text<DTypeError>([&] { return index(x, {tensor({1.5f})}); }),
            "index: expected integers or bools, got f32");
  EXPECT_EQ(text<ShapeError>([&] {
              return index(x, {tensor<int64_t>({0, 1}), tensor<int64_t>({0, 1, 2})});
            }),
            "index: shapes do not broadcast: [2] and [3] differ in axis -1 (2 and 3)");
  EXPECT_EQ(text<IndexError>([&] {
              return index(x, {tensor<int64_t>({0, 7})});
            }),
            "take: index[1] = 7, expected 0..2");
  const auto traced = [&] { return jit([](const Tensor& t) { return index(t, {t > 0}); })(x); };
  EXPECT_EQ(
      text<ValueError>(traced),
      "index: how many elements a mask takes depends on the mask, whose elements a trace does "
      "not have\n  hint: where(mask, a, b) keeps the shape; nonzero(mask, {.size = n}) has a "
      "bound");
}

TEST(DataDependentOps, CountTheirResultsAtOnceAndRefuseATrace) {
  const Tensor x = tensor({3.f, 0.f, 3.f, -1.f});
  EXPECT_EQ(nonzero(x).indices.to_doubles(), (Doubles{0, 2, 3}));
  EXPECT_EQ(where(x > 0).indices.shape(), (Shape{2, 1}));
  const UniqueResult u = unique(x);
  EXPECT_EQ(u.values.to_doubles(), (Doubles{-1, 0, 3}));
  EXPECT_EQ(u.counts.to_doubles(), (Doubles{1, 1, 2}));
  EXPECT_EQ(u.inverse.to_doubles(), (Doubles{2, 1, 2, 0}));
  EXPECT_EQ(nonzero(zeros({0, 2})).indices.shape(), (Shape{0, 2}));
  EXPECT_EQ(unique(zeros({0})).values.shape(), Shape{0});
  const std::string depends =
      ": the number of results depends on the elements, which a trace does not have\n  hint: give "
      "a "
      "bound: ";
  EXPECT_EQ(
      text<ValueError>([&] { return jit([](const Tensor& t) { return nonzero(t).indices; })(x); }),
      "nonzero" + depends + "nonzero(x, {.size = n})");
  EXPECT_EQ(
      text<ValueError>([&] { return jit([](const Tensor& t) { return unique(t).values; })(x); }),
      "unique" + depends + "unique(x, {.size = n})");
  const auto bounded = jit([](const Tensor& t) { return nonzero(t, {.size = 4}).indices; });
  EXPECT_EQ(bounded(x).to_doubles(), (Doubles{0, 2, 3, 0}));
}

}  // namespace
}  // namespace varve
