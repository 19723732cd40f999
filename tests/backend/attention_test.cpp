// The fused attention and its gradient on every instruction set, against plain loops in double.
#include <gtest/gtest.h>

#include "kernels_under_test.h"
#include "targets.h"

namespace varve {
namespace {

using Numbers = std::vector<double>;

struct Problem {
  int64_t batch, queries, keys, heads, key_heads, size, value_size;
  bool causal = false;
  int64_t offset = 0;

  ir::Attributes attributes() const {
    return {
        {"scale", 0.7}, {"softcap", 0.}, {"causal", causal}, {"offset", offset}, {"dropout", 0.}};
  }
};

/// Element i of row `row` of a head: operands are [batch, time, heads, size].
struct Operand4 {
  Numbers v;
  int64_t time, heads, size;

  Operand4(Numbers values, const Shape& s)
      : v(std::move(values)), time(s[1]), heads(s[2]), size(s[3]) {}
  double& at(int64_t b, int64_t row, int64_t head, int64_t i) {
    return v[static_cast<size_t>(((b * time + row) * heads + head) * size + i)];
  }
};

/// y, largest, total, dq, dk, dv by the formula.
std::vector<Numbers> by_formula(const Problem& p, Operand4 q, Operand4 k, Operand4 v, Operand4 dy) {
  Operand4 y = dy, dq = q, dk = k, dv = v;
  for (Operand4* t : {&y, &dq, &dk, &dv}) std::fill(t->v.begin(), t->v.end(), 0.);
  Numbers largest, total;
  for (int64_t b = 0; b < p.batch; ++b) {
    for (int64_t h = 0; h < p.heads; ++h) {
      const int64_t kh = h / (p.heads / p.key_heads);
      for (int64_t r = 0; r < p.queries; ++r) {
        const int64_t seen = p.causal ? std::clamp<int64_t>(r + p.offset + 1, 0, p.keys) : p.keys;
        Numbers w(static_cast<size_t>(seen)), dw(w.size());
        double top = -std::numeric_limits<double>::infinity(), sum = 0, mean = 0;
        for (int64_t c = 0; c < seen; ++c) {
          double& s = w[static_cast<size_t>(c)];
          for (int64_t i = 0; i < p.size; ++i) s += 0.7 * q.at(b, r, h, i) * k.at(b, c, kh, i);
          top = std::max(top, s);
        }
        for (double& s : w) sum += s = std::exp(s - top);
        for (int64_t c = 0; c < seen; ++c) {
          const auto at = static_cast<size_t>(c);
          w[at] /= sum;
          for (int64_t i = 0; i < p.value_size; ++i) {
            y.at(b, r, h, i) += w[at] * v.at(b, c, kh, i);
            dv.at(b, c, kh, i) += w[at] * dy.at(b, r, h, i);
            dw[at] += dy.at(b, r, h, i) * v.at(b, c, kh, i);
          }
          mean += w[at] * dw[at];
        }
        for (int64_t c = 0; c < seen; ++c) {
          const double g = 0.7 * w[static_cast<size_t>(c)] * (dw[static_cast<size_t>(c)] - mean);
          for (int64_t i = 0; i < p.size; ++i) {
            dq.at(b, r, h, i) += g * k.at(b, c, kh, i);
            dk.at(b, c, kh, i) += g * q.at(b, r, h, i);
          }
        }
        largest.push_back(top);
        total.push_back(sum);
      }
    }
  }
  return {y.v, largest, total, dq.v, dk.v, dv.v};
}

Numbers numbers(TestOperand& t) {
  const float* p = static_cast<const float*>(t.data());
  return {p, p + t.layout.shape.size()};
}
TestOperand of_numbers(const Numbers& v, const Shape& shape) {
  TestOperand t = make_operand(f32, shape, 1);
  std::copy(v.begin(), v.end(), static_cast<float*>(t.data()));
  return t;
}

void expect_right(const Problem& p) {
  const Shape of_q{p.batch, p.queries, p.heads, p.size}, of_k{p.batch, p.keys, p.key_heads, p.size},
      of_v{p.batch, p.keys, p.key_heads, p.value_size},
      of_y{p.batch, p.queries, p.heads, p.value_size}, of_query{p.batch, p.heads, p.queries};
  std::vector<TestOperand> in{make_operand(f32, of_q, 1), make_operand(f32, of_k, 2),
                              make_operand(f32, of_v, 3)};
  TestOperand dy = make_operand(f32, of_y, 4);
  const auto expected = by_formula(p, {numbers(in[0]), of_q}, {numbers(in[1]), of_k},
                                   {numbers(in[2]), of_v}, {numbers(dy), of_y});
  std::vector<std::vector<Numbers>> got;
  for (int threads : {1, 2}) {
    Ran forward = run_kernel("attention", in, p.attributes(), backend::KernelSet::cpu, threads);
    EXPECT_EQ(forward.kernel, "simd attention");
    ASSERT_EQ(forward.outputs.size(), 3u);
    std::vector<TestOperand> all = in;
    all.push_back(of_numbers(forward.outputs[0], of_y));
    all.push_back(of_numbers(forward.outputs[1], of_query));
    all.push_back(of_numbers(forward.outputs[2], of_query));
    all.push_back(dy);
    const Ran backward =
        run_kernel("attention_gradient", all, p.attributes(), backend::KernelSet::cpu, threads);
    EXPECT_EQ(backward.kernel, "simd attention");
    got.push_back(forward.outputs);
    got.back().insert(got.back().end(), backward.outputs.begin(), backward.outputs.end());
  }
  EXPECT_EQ(got[0], got[1]) << "depends on the number of threads";
  for (size_t o = 0; o < expected.size(); ++o) {
    ASSERT_EQ(got[0][o].size(), expected[o].size());
    for (size_t i = 0; i < expected[o].size(); ++i) {
      if (std::isinf(expected[o][i])) {
        ASSERT_EQ(got[0][o][i], expected[o][i]);
      } else {
        // Sums of up to some hundred products of numbers near 1, rounded one after another.
        ASSERT_NEAR(got[0][o][i], expected[o][i], 2e-5 * (1 + std::abs(expected[o][i])))
            << "output " << o << " element " << i;
      }
    }
  }
}

// Sizes around the widths of vectors, panels and tiles; few heads for two threads, and many.
TEST(AttentionKernel, IsRightOnEveryInstructionSet) {
  cpu::for_each_target([] {
    for (const Problem& p :
         {Problem{1, 1, 1, 1, 1, 1, 1}, Problem{2, 3, 140, 3, 3, 7, 5},
          Problem{1, 5, 7, 2, 1, 3, 18}, Problem{1, 50, 197, 3, 3, 33, 16},
          Problem{3, 97, 129, 2, 2, 16, 65}, Problem{1, 128, 64, 4, 2, 32, 32},
          Problem{1, 70, 70, 3, 1, 20, 20, true, 0}, Problem{1, 60, 300, 1, 1, 8, 8, true, 100},
          Problem{1, 120, 20, 2, 2, 4, 4, true, -60}}) {
      SCOPED_TRACE(std::to_string(p.queries) + " queries, " + std::to_string(p.keys) + " keys");
      expect_right(p);
    }
  });
}

}  // namespace
}  // namespace varve
