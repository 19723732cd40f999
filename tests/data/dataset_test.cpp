#include "varve/dataset.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "ir/node.h"
#include "support/data.h"
#include "support/errors.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/shape.h"
#include "varve/warnings.h"

namespace varve {
namespace {

// Inputs [n, 2] hold (i, 10 i), targets i % classes.
Dataset counted(int64_t n, int64_t classes = 3) {
  std::vector<float> x;
  std::vector<int64_t> y;
  for (int64_t i = 0; i < n; ++i) {
    x.push_back(static_cast<float>(i));
    x.push_back(static_cast<float>(10 * i));
    y.push_back(i % classes);
  }
  return Dataset(tensor(x, Shape{n, 2}), tensor(y, Shape{n}));
}

std::vector<int64_t> ids(const Dataset& d) { return {d.rows().begin(), d.rows().end()}; }

TEST(Dataset, GivesBatchesOfItsRows) {
  const Dataset d = counted(5);
  const Batch b = d.batch({4, 0, 4});
  EXPECT_EQ(b.x().to_doubles(), (std::vector<double>{4, 40, 0, 0, 4, 40}));
  EXPECT_EQ(b.y().to_doubles(), (std::vector<double>{1, 0, 1}));
  EXPECT_EQ(b.size(), 3);
  EXPECT_FALSE(b.weights.defined());
}

TEST(Dataset, SubsetsOfSubsetsNameTheRowsThatAreStored) {
  const Dataset d = counted(10).skip(2).subset({7, 0, 3});
  EXPECT_EQ(ids(d), (std::vector<int64_t>{9, 2, 5}));
  EXPECT_EQ(ids(d.take(2)), (std::vector<int64_t>{9, 2}));
  EXPECT_EQ(d.take(100).size(), 3);
  EXPECT_EQ(d.skip(100).size(), 0);
  EXPECT_EQ(d.take(2).stored_inputs()[0].cell(), d.stored_inputs()[0].cell());
  EXPECT_THROW(d.subset({3}), IndexError);
  EXPECT_THROW(d.subset({-1}), IndexError);
  EXPECT_THROW(d.take(-1), ValueError);
}

TEST(Dataset, WeightsAndPreparationFollowTheRows) {
  const Dataset d = counted(4)
                        .subset({3, 1})
                        .weighted(tensor({2.f, 5.f}))
                        .map([](const Tensors& x) { return Tensors(x.only() + 1); })
                        .map([](const Tensors& x) { return Tensors(x.only() * 2); });
  const Batch b = d.batch({1, 0});
  EXPECT_EQ(b.x().to_doubles(), (std::vector<double>{4, 22, 8, 62}));
  EXPECT_EQ(b.weights.to_doubles(), (std::vector<double>{5, 2}));
  EXPECT_THROW(d.weighted(tensor({1.f})), ShapeError);
}

TEST(Dataset, ACopyOfAnExampleHasAWeightOfItsOwn) {
  const Dataset d = counted(4).subset({2, 1, 2, 2}).weighted(tensor({1.f, 2.f, 3.f, 4.f}));
  EXPECT_EQ(d.all().weights.to_doubles(), (std::vector<double>{1, 2, 3, 4}));
  const Dataset part = d.subset({3, 0, 3});
  EXPECT_EQ(part.weights().to_doubles(), (std::vector<double>{4, 1, 4}));
  EXPECT_EQ(part.batch({2, 1}).weights.to_doubles(), (std::vector<double>{4, 1}));
  EXPECT_EQ(Dataset().weighted(zeros({0})).weights().size(), 0);
}

// Else a loader's thread would lay them out while others read them.
TEST(Dataset, LaysViewsOutBeforeAnybodyReadsThem) {
  const Tensor x = counted(6).stored_inputs()[0];
  const Dataset d(transpose(x), Tensors(broadcast_to(tensor({3.f}), {2})),
                  {.weights = broadcast_to(tensor({2.f}), {2})});
  for (const Tensor& t : {d.stored_inputs()[0], d.stored_targets()[0], d.weights()}) {
    EXPECT_TRUE(ir::is_contiguous(t.shape(), t.cell()->array.strides));
  }
  const Dataset w = Dataset(transpose(x)).weighted(broadcast_to(tensor({2.f}), {2}));
  EXPECT_TRUE(ir::is_contiguous({2}, w.weights().cell()->array.strides));
  EXPECT_EQ(d.batch({1}).x().to_doubles(), (std::vector<double>{0, 10, 20, 30, 40, 50}));
}

TEST(Dataset, RefusesTensorsOfDifferentLength) {
  const ShapeError e = test::error_of<ShapeError>([&] {
    Dataset(tensor({1.f, 2.f}), tensor({1.f, 2.f, 3.f}));
  });
  EXPECT_EQ(e.message(), "dataset: target 0 has 3 examples, input 0 has 2");
  EXPECT_THROW(Dataset(scalar(1, f32)), ShapeError);
  EXPECT_THROW(Dataset(Tensors{}), ValueError);
}

TEST(Dataset, ClassesComeFromLabelsOrOneHotRows) {
  EXPECT_EQ(counted(4).classes(), (std::vector<int64_t>{0, 1, 2, 0}));
  const Dataset one_hot(tensor({1.f, 2.f}), tensor({0.f, 0.f, 1.f, 1.f, 0.f, 0.f}, {2, 3}));
  EXPECT_EQ(one_hot.classes(), (std::vector<int64_t>{2, 0}));
  EXPECT_THROW(Dataset(tensor({1.f}), tensor({0.5f})).classes(), ValueError);
}

TEST(Split, WithoutShufflingTakesTheLastExamples) {
  const TrainTest t = split(counted(10), 0.25, {.shuffle = false});
  EXPECT_EQ(ids(t.train), (std::vector<int64_t>{0, 1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(ids(t.test), (std::vector<int64_t>{7, 8, 9}));  // round(2.5), away from zero
}

TEST(Split, EveryExampleIsInOnePart) {
  for (int64_t n : {2, 3, 17, 100, 101}) {
    for (bool stratify : {false, true}) {
      const TrainTest t = split(counted(n, 2), 0.5, {.seed = 3, .stratify = stratify});
      std::vector<int64_t> all = ids(t.train);
      const std::vector<int64_t> test = ids(t.test);
      all.insert(all.end(), test.begin(), test.end());
      std::sort(all.begin(), all.end());
      EXPECT_EQ(all, ids(counted(n)));
    }
  }
}

TEST(Split, StratifiedKeepsTheProportionOfEachClass) {
  // 70 of class 0, 25 of class 1, 5 of class 2.
  std::vector<int64_t> y(100, 0);
  std::fill(y.begin() + 70, y.begin() + 95, 1);
  std::fill(y.begin() + 95, y.end(), 2);
  const Dataset d(tensor(std::vector<float>(100, 0.f), {100}), tensor(y, {100}));
  const TrainTest t = split(d, 0.2, {.seed = 1, .stratify = true});
  std::map<int64_t, int> counts;
  for (int64_t c : t.test.classes()) ++counts[c];
  EXPECT_EQ(counts, (std::map<int64_t, int>{{0, 14}, {1, 5}, {2, 1}}));
  EXPECT_EQ(t.test.size(), 20);
}

TEST(Split, TheSameSeedSplitsAlike) {
  EXPECT_EQ(ids(split(counted(50), 0.3, {.seed = 9}).test),
            ids(split(counted(50), 0.3, {.seed = 9}).test));
  EXPECT_NE(ids(split(counted(50), 0.3, {.seed = 9}).test),
            ids(split(counted(50), 0.3, {.seed = 10}).test));
  EXPECT_THROW(split(counted(50), 0), ValueError);
  EXPECT_THROW(split(counted(50), 1), ValueError);
  EXPECT_THROW(split(counted(3), 0.01), ValueError);
}

TEST(KFold, EachExampleIsTestedOnce) {
  for (bool stratify : {false, true}) {
    const std::vector<TrainTest> folds = k_fold(counted(23), 5, {.seed = 2, .stratify = stratify});
    std::multiset<int64_t> tested;
    for (const TrainTest& f : folds) {
      EXPECT_EQ(f.train.size() + f.test.size(), 23);
      EXPECT_TRUE(f.test.size() == 4 || f.test.size() == 5);
      for (int64_t i : ids(f.test)) tested.insert(i);
    }
    EXPECT_EQ(tested.size(), 23u);
    EXPECT_EQ(std::set<int64_t>(tested.begin(), tested.end()).size(), 23u);
  }
  EXPECT_THROW(k_fold(counted(3), 4), ValueError);
  EXPECT_THROW(k_fold(counted(3), 1), ValueError);
}

TEST(Permutation, IsOneAndDependsOnSeedAndStream) {
  for (int64_t n : {0, 1, 2, 31, 1000}) {
    std::vector<int64_t> p = permutation(n, 7, 1);
    std::sort(p.begin(), p.end());
    std::vector<int64_t> expected(static_cast<size_t>(n));
    std::iota(expected.begin(), expected.end(), 0);
    EXPECT_EQ(p, expected);
  }
  EXPECT_EQ(permutation(100, 7, 1), permutation(100, 7, 1));
  EXPECT_NE(permutation(100, 7, 1), permutation(100, 7, 2));
  EXPECT_NE(permutation(100, 7, 1), permutation(100, 8, 1));
}

TEST(Permutation, EveryOrderComesEquallyOften) {
  std::map<std::vector<int64_t>, int> counts;
  constexpr int kDraws = 24000;
  for (uint64_t s = 0; s < kDraws; ++s) ++counts[permutation(4, s)];
  ASSERT_EQ(counts.size(), 24u);
  double chi2 = 0;
  for (const auto& [order, c] : counts) chi2 += (c - 1000.0) * (c - 1000.0) / 1000.0;
  EXPECT_LT(chi2, 49.7);  // 99.9 % of the chi-squared distribution with 23 degrees of freedom
}

TEST(Mnist, HasItsSizesAndScalesPixelsToUnit) {
  const TrainTest mnist = datasets::mnist(VARVE_SOURCE_DIR "/data/mnist");
  EXPECT_EQ(mnist.train.size(), 60000);
  EXPECT_EQ(mnist.test.size(), 10000);
  const Batch b = mnist.train.batch({0, 1, 2, 3, 4});
  EXPECT_EQ(b.x().shape(), (Shape{5, 28, 28, 1}));
  EXPECT_EQ(b.x().dtype(), f32);
  EXPECT_EQ(b.y().to_doubles(), (std::vector<double>{5, 0, 4, 1, 9}));
  const std::vector<double> v = b.x().to_doubles();
  EXPECT_EQ(*std::max_element(v.begin(), v.end()), 1);
  // The sums of the first image's pixels and of all test labels, by NumPy.
  double sum = 0;
  for (size_t i = 0; i < 784; ++i) sum += v[i] * 255;
  EXPECT_NEAR(sum, 27525, 0.01);
}

TEST(Mnist, AMissingFolderNamesSourceFormatAndChecksum) {
  const IoError e = test::error_of<IoError>([&] { datasets::mnist("/nowhere"); });
  // A folder of the environment that is not there is passed over, but not in silence.
  const std::string given = test::further_data();
  setenv("VARVE_DATA", "/nonexist", 1);
  take_warnings();
  EXPECT_EQ(datasets::mnist().test.size(), 10000);
  EXPECT_EQ(take_warnings(),
            (std::vector<std::string>{"VARVE_DATA=/nonexist: there is no such folder"}));
  given.empty() ? unsetenv("VARVE_DATA") : setenv("VARVE_DATA", given.c_str(), 1);
  const std::string text = e.what();
  for (const char* part : {"mnist: train-images-idx3-ubyte: not found in /nowhere", "https://",
                           "IDX files, gzip", "0b367032e93c5d0cea0925647cfdb18614af8ee15f83e6f2"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
}

}  // namespace
}  // namespace varve
