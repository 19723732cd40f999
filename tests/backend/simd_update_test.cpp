#include "backend/cpu/simd_update.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "backend/targets.h"
#include "base/threads.h"

namespace varve::cpu {
namespace {

/// Parameters of awkward sizes, each with a gradient and three slots, and a margin.
struct Model {
  std::vector<std::array<std::vector<float>, 5>> arrays;
  explicit Model(uint32_t seed) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal(0, 1);
    for (const size_t n : {0u, 1u, 15u, 16u, 17u, 33u, 4095u, 4096u, 4097u, 9001u}) {
      std::array<std::vector<float>, 5> a;
      for (size_t k = 0; k < 5; ++k) {
        for (size_t i = 0; i < n; ++i) {
          const float v = normal(random);
          a[k].push_back(k == 2 ? std::fabs(v) + 50 : k == 3 ? std::fabs(v) : v);
        }
        a[k].push_back(-77);
      }
      arrays.push_back(std::move(a));
    }
  }
  std::vector<UpdateArrays> views() {
    std::vector<UpdateArrays> v;
    for (auto& a : arrays) {
      v.push_back({a[0].data(),
                   a[1].data(),
                   {a[2].data(), a[3].data(), a[4].data()},
                   static_cast<int64_t>(a[0].size()) - 1});
    }
    return v;
  }
};

/// Runs `update` with several thread counts and holds it bit for bit against `rule` on each
/// element: rule(p, g, s0, s1, s2).
template <class Update, class Rule>
void expect_rule(Update update, Rule rule) {
  for_each_target([&] {
    for (const int threads : {1, 2, 3}) {
      set_thread_count(threads);
      Model got(1), want(1);
      for (int step = 0; step < 3; ++step) {
        update(got.views());
        for (auto& a : want.arrays) {
          for (size_t i = 0; i + 1 < a[0].size(); ++i)
            rule(a[0][i], a[1][i], a[2][i], a[3][i], a[4][i]);
        }
      }
      for (size_t k = 0; k < got.arrays.size(); ++k) {
        for (size_t j = 0; j < 5; ++j)
          ASSERT_EQ(got.arrays[k][j], want.arrays[k][j]) << k << " " << j;
      }
    }
  });
  set_thread_count(2);
}

TEST(SimdUpdate, SgdFollowsItsFormula) {
  for (const float momentum : {0.f, 0.9f}) {
    for (const bool nesterov : {false, true}) {
      for (const float decay : {0.f, 0.01f}) {
        const SgdStep k{.learning_rate = 0.1f,
                        .momentum = momentum,
                        .weight_decay = decay,
                        .nesterov = nesterov};
        expect_rule([&](const std::vector<UpdateArrays>& a) { sgd_update(a, k); },
                    [&](float& p, float g, float& v, float&, float&) {
                      if (decay != 0) g = g + p * decay;
                      const float step = g * 0.1f;
                      if (momentum == 0) {
                        p = p - step;
                        return;
                      }
                      v = v * momentum - step;
                      p = nesterov ? p + v * momentum - step : p + v;
                    });
      }
    }
  }
}

TEST(SimdUpdate, RmsPropFollowsItsFormula) {
  for (const bool centered : {false, true}) {
    for (const float momentum : {0.f, 0.5f}) {
      const RmsPropStep k{.learning_rate = 0.01f,
                          .rho = 0.9f,
                          .one_less_rho = 0.1f,
                          .momentum = momentum,
                          .epsilon = 1e-7f,
                          .weight_decay = 0.01f,
                          .centered = centered};
      expect_rule([&](const std::vector<UpdateArrays>& a) { rmsprop_update(a, k); },
                  [&](float& p, float g, float& s, float& second, float& third) {
                    g = g + p * 0.01f;
                    s = s * 0.9f + g * g * 0.1f;
                    float size = s;
                    if (centered) {
                      second = second * 0.9f + g * 0.1f;
                      size = s - second * second;
                    }
                    float change = g / (std::sqrt(size) + 1e-7f);
                    float& b = centered ? third : second;
                    if (momentum != 0) change = b = b * momentum + change;
                    p = p - change * 0.01f;
                  });
    }
  }
}

TEST(SimdUpdate, AdamFollowsItsFormula) {
  for (const float decay : {0.f, 0.01f}) {
    for (const float keep : {1.f, 0.999f}) {
      const AdamStep k{.rate = 0.01f,
                       .root = 0.7f,
                       .keep = keep,
                       .beta_1 = 0.9f,
                       .one_less_beta_1 = 0.1f,
                       .beta_2 = 0.999f,
                       .one_less_beta_2 = 0.001f,
                       .epsilon = 1e-7f,
                       .weight_decay = decay};
      expect_rule([&](const std::vector<UpdateArrays>& a) { adam_update(a, k); },
                  [&](float& p, float g, float& m, float& v, float&) {
                    if (decay != 0) g = g + p * decay;
                    m = m * 0.9f + g * 0.1f;
                    v = v * 0.999f + g * g * 0.001f;
                    const float change = m * 0.01f / (std::sqrt(v) / 0.7f + 1e-7f);
                    p = (keep == 1 ? p : p * keep) - change;
                  });
    }
  }
}

TEST(SimdUpdate, OneNumberThatIsNotFiniteIsFoundAnywhere) {
  for_each_target([] {
    std::vector<float> a(4099, std::numeric_limits<float>::max()), b(37, -1e-45f);
    const std::vector<FloatArray> arrays{{a.data(), 4099}, {nullptr, 0}, {b.data(), 37}};
    EXPECT_TRUE(all_finite(arrays));
    for (const float bad :
         {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
          std::nanf(""), -std::nanf("")}) {
      for (size_t i = 0; i < a.size(); i += i < 40 || i > 4080 ? 1 : 97) {
        const float kept = a[i];
        a[i] = bad;
        ASSERT_FALSE(all_finite(arrays)) << i;
        a[i] = kept;
      }
      for (float& v : b) {
        const float kept = v;
        v = bad;
        ASSERT_FALSE(all_finite(arrays));
        v = kept;
      }
    }
    // What lies beyond an array is none of its business.
    a.push_back(std::nanf(""));
    EXPECT_TRUE(all_finite(std::vector<FloatArray>{{a.data(), 4099}}));
  });
}

}  // namespace
}  // namespace varve::cpu
