#include <gtest/gtest.h>

#include <algorithm>

#include "varve/dataset.h"

namespace varve {
namespace {

Dataset numbers(int64_t n) {
  std::vector<int64_t> x(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) x[static_cast<size_t>(i)] = i;
  return Dataset(tensor(x, Shape{n}), tensor(x, Shape{n}));
}

std::vector<double> epoch(Loader& loader) {
  std::vector<double> out;
  for (const Batch& b : loader) {
    EXPECT_EQ(b.x().to_doubles(), b.y().to_doubles());
    for (double v : b.x().to_doubles()) out.push_back(v);
  }
  return out;
}

TEST(Loader, AThousandExamplesInBatchesOf500AreTwoIterations) {
  Loader loader(numbers(1000), {.batch_size = 500});
  EXPECT_EQ(loader.size(), 2);
  int batches = 0;
  for (const Batch& b : loader) batches += b.size() == 500;
  EXPECT_EQ(batches, 2);
}

TEST(Loader, TheLastBatchIsKeptOrDropped) {
  for (int64_t n : {1, 6, 7, 8, 13, 14, 15}) {
    Loader keep(numbers(n), {.batch_size = 7});
    EXPECT_EQ(keep.size(), (n + 6) / 7);
    EXPECT_EQ(static_cast<int64_t>(epoch(keep).size()), n);
    if (n < 7) {
      EXPECT_THROW(Loader(numbers(n), {.batch_size = 7, .drop_last = true}), ValueError);
      continue;
    }
    Loader drop(numbers(n), {.batch_size = 7, .drop_last = true});
    EXPECT_EQ(drop.size(), n / 7);
    EXPECT_EQ(static_cast<int64_t>(epoch(drop).size()), n / 7 * 7);
  }
}

TEST(Loader, WithoutExamplesThereIsNoBatch) {
  Loader loader(numbers(0));
  EXPECT_EQ(loader.size(), 0);
  EXPECT_TRUE(epoch(loader).empty());
}

TEST(Loader, ShufflesEachEpochAnewAndAlikeForTheSameSeed) {
  for (int64_t prefetch : {0, 1, 3}) {
    Loader a(numbers(50), {.batch_size = 8, .shuffle = true, .seed = 4, .prefetch = prefetch});
    Loader b(numbers(50), {.batch_size = 8, .shuffle = true, .seed = 4});
    std::vector<double> first = epoch(a), second = epoch(a);
    EXPECT_NE(first, second);
    EXPECT_EQ(first, epoch(b));
    EXPECT_EQ(second, epoch(b));
    std::sort(first.begin(), first.end());
    EXPECT_EQ(first, numbers(50).all().x().to_doubles());
  }
}

TEST(Loader, GoesOnFromAPositionAsIfItHadNotStopped) {
  const LoaderOptions options{.batch_size = 4, .shuffle = true, .seed = 11};
  Loader whole(numbers(22), options);
  std::vector<double> expected = epoch(whole);
  for (double v : epoch(whole)) expected.push_back(v);

  Loader before(numbers(22), options);
  std::vector<double> got;
  for (const Batch& b : before) {
    for (double v : b.x().to_doubles()) got.push_back(v);
    if (got.size() == 12) break;
  }
  EXPECT_EQ(before.position(), (Loader::Position{0, 3}));
  Loader after(numbers(22), options);
  after.seek(before.position());
  for (int e = 0; e < 2; ++e) {
    for (double v : epoch(after)) got.push_back(v);
  }
  EXPECT_EQ(got, expected);
  EXPECT_EQ(after.position(), (Loader::Position{2, 0}));
  EXPECT_THROW(after.seek({0, 6}), IndexError);
}

TEST(Loader, AnErrorInTheMakingOfABatchComesToTheCaller) {
  for (int64_t prefetch : {0, 2}) {
    const Dataset bad = numbers(9).map([](const Tensors& x) -> Tensors {
      if (x.only().to_doubles()[0] == 6) throw ValueError("no sixth");
      return x;
    });
    Loader loader(bad, {.batch_size = 3, .prefetch = prefetch});
    std::vector<double> seen;
    EXPECT_THROW(
        {
          for (const Batch& b : loader) seen.push_back(b.x().to_doubles()[0]);
        },
        ValueError);
    EXPECT_EQ(seen, (std::vector<double>{0, 3}));
  }
}

TEST(Loader, MakesBatchesAheadInTheBackground) {
  // A loader that is thrown away in the middle leaves nothing running and nothing waiting.
  for (int i = 0; i < 50; ++i) {
    Loader loader(numbers(1000), {.batch_size = 10, .shuffle = true, .prefetch = 4});
    int taken = 0;
    for (const Batch& b : loader) {
      EXPECT_EQ(b.size(), 10);
      if (++taken == i % 7 + 1) break;
    }
  }
  // Two at once do not disturb each other.
  Loader a(numbers(40), {.batch_size = 4}), b(numbers(40), {.batch_size = 4});
  auto other = b.begin();
  for (const Batch& batch : a) {
    EXPECT_EQ(batch.x().to_doubles(), other->x().to_doubles());
    ++other;
  }
}

TEST(Loader, RefusesAnEmptyBatchSize) {
  EXPECT_THROW(Loader(numbers(3), {.batch_size = 0}), ValueError);
}

}  // namespace
}  // namespace varve
