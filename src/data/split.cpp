// Orders and splits: pure functions of sizes, classes and seeds.
#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "base/count.h"
#include "base/error.h"
#include "base/philox.h"
#include "data/state.h"
#include "varve/dataset.h"

namespace varve {

std::vector<int64_t> permutation(int64_t n, uint64_t seed, uint64_t stream) {
  if (n < 0) throw ValueError("permutation: expected at least 0, got " + std::to_string(n));
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  // Fisher-Yates. 64 random bits times the bound, high half (Lemire 2019): the bias is below n /
  // 2^64.
  for (int64_t i = n - 1; i > 0; --i) {
    const auto b = philox::block(seed, static_cast<uint64_t>(i), stream);
    const uint64_t bits = b[0] | static_cast<uint64_t>(b[1]) << 32;
    __extension__ using Wide = unsigned __int128;
    const auto j = static_cast<int64_t>((Wide{bits} * static_cast<uint64_t>(i + 1)) >> 64);
    std::swap(order[static_cast<size_t>(i)], order[static_cast<size_t>(j)]);
  }
  return order;
}

std::vector<int64_t> data::positions_of(int64_t n, bool shuffle, uint64_t seed, uint64_t stream) {
  if (shuffle) return permutation(n, seed, stream);
  std::vector<int64_t> order(static_cast<size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  return order;
}

namespace {

using data::positions_of;

std::map<int64_t, std::vector<int64_t>> by_class(const Dataset& dataset,
                                                 const std::vector<int64_t>& order) {
  const std::vector<int64_t> classes = dataset.classes();
  std::map<int64_t, std::vector<int64_t>> groups;
  for (int64_t p : order) groups[classes[static_cast<size_t>(p)]].push_back(p);
  return groups;
}

// How many of each class go to the test part: floor of its share, and one more for the classes with
// the largest remainders until the total is reached.
std::vector<int64_t> shares(const std::map<int64_t, std::vector<int64_t>>& groups, double fraction,
                            int64_t total) {
  std::vector<int64_t> out;
  std::vector<std::pair<double, size_t>> remainders;
  int64_t given = 0;
  for (const auto& [label, members] : groups) {
    const double exact = fraction * static_cast<double>(members.size());
    const auto whole = static_cast<int64_t>(std::floor(exact));
    remainders.push_back({-(exact - static_cast<double>(whole)), out.size()});
    out.push_back(whole);
    given += whole;
  }
  std::sort(remainders.begin(), remainders.end());
  for (size_t i = 0; given < total && i < remainders.size(); ++i, ++given) {
    ++out[remainders[i].second];
  }
  return out;
}

TrainTest parts(const Dataset& dataset, const std::vector<bool>& in_test) {
  std::vector<int64_t> train, test;
  for (size_t i = 0; i < in_test.size(); ++i) {
    (in_test[i] ? test : train).push_back(static_cast<int64_t>(i));
  }
  return {dataset.subset(train), dataset.subset(test)};
}

}  // namespace

TrainTest split(const Dataset& dataset, Real test_fraction, SplitOptions options) {
  const double fraction = test_fraction;
  if (!(fraction > 0 && fraction < 1)) {
    throw ValueError("split: fraction: expected a number between 0 and 1, got " +
                     std::to_string(fraction));
  }
  const int64_t n = dataset.size();
  const auto total = static_cast<int64_t>(std::llround(fraction * static_cast<double>(n)));
  if (total < 1 || total >= n) {
    throw ValueError("split: " + count_of(n, "example") + (n == 1 ? " does" : " do") +
                     " not split into " + std::to_string(n - total) + " and " +
                     std::to_string(total));
  }
  const std::vector<int64_t> order = positions_of(n, options.shuffle, options.seed);
  std::vector<bool> in_test(static_cast<size_t>(n), false);
  const auto mark_last = [&](const std::vector<int64_t>& members, int64_t count) {
    for (auto p = members.end() - count; p != members.end(); ++p) {
      in_test[static_cast<size_t>(*p)] = true;
    }
  };
  if (!options.stratify) {
    mark_last(order, total);
  } else {
    const auto groups = by_class(dataset, order);
    const std::vector<int64_t> counts = shares(groups, fraction, total);
    size_t i = 0;
    for (const auto& [label, members] : groups) mark_last(members, counts[i++]);
  }
  return parts(dataset, in_test);
}

std::vector<TrainTest> k_fold(const Dataset& dataset, Dim k, FoldOptions options) {
  const int64_t n = dataset.size();
  if (k < 2 || k > n) {
    throw ValueError("k_fold: k: expected 2.." + std::to_string(n) + " (examples), got " +
                     std::to_string(k.value));
  }
  std::vector<int64_t> order = positions_of(n, options.shuffle, options.seed);
  if (options.stratify) {
    // Dealing the classes out one after the other spreads each over all folds.
    const auto groups = by_class(dataset, order);
    order.clear();
    for (const auto& [label, members] : groups) {
      order.insert(order.end(), members.begin(), members.end());
    }
  }
  std::vector<TrainTest> folds;
  for (int64_t fold = 0; fold < k; ++fold) {
    std::vector<bool> in_test(static_cast<size_t>(n), false);
    if (options.stratify) {
      for (int64_t i = fold; i < n; i += k)
        in_test[static_cast<size_t>(order[static_cast<size_t>(i)])] = true;
    } else {
      for (int64_t i = n * fold / k; i < n * (fold + 1) / k; ++i) {
        in_test[static_cast<size_t>(order[static_cast<size_t>(i)])] = true;
      }
    }
    folds.push_back(parts(dataset, in_test));
  }
  return folds;
}

}  // namespace varve
