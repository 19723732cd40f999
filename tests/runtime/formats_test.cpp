// Plans in which every kernel takes blocks of channels wherever it can.
#include <gtest/gtest.h>

#include <limits>

#include "backend/cpu/kernels.h"
#include "programs.h"
#include "runtime/evaluate.h"
#include "runtime/optimize.h"
#include "runtime/plan.h"
#include "varve/varve.h"

namespace varve {
namespace {

using backend::Format;
using backend::KernelSet;

/// Predictions under which blocks are always better, and a change of format costs nothing.
class BlocksFirst final : public transform::Target {
 public:
  std::vector<transform::Candidate> candidates(const ir::Graph& graph,
                                               int32_t node) const override {
    auto ways = cpu_.candidates(graph, node);
    for (size_t k = 0; k < ways.size(); ++k) ways[k].seconds = k == 0 ? 1 : 0;
    return ways;
  }
  double relay_seconds(const ir::TensorType&, Format, Format) const override { return 1e-3; }

 private:
  backend::CpuTarget cpu_{KernelSet::all, 2};
};

/// The steps of a plan that write blocks.
int in_blocks(const runtime::Plan& plan) {
  int count = 0;
  for (const runtime::Step& s : plan.steps()) {
    for (Format f : s.formats) count += f != Format::plain;
  }
  return count;
}

std::vector<Tensor> run(const runtime::Plan& plan, const std::vector<Tensor>& inputs) {
  std::vector<const void*> from;
  std::vector<ir::Array> made;
  std::vector<void*> to;
  for (const Tensor& x : inputs) from.push_back(x.span<float>().data());
  for (ir::ValueId v : plan.graph().outputs) {
    made.push_back(ir::allocate(plan.graph().type(v).dtype, plan.graph().type(v).shape));
    to.push_back(made.back().data());
  }
  EXPECT_EQ(plan.run(from, to), -1);
  std::vector<Tensor> out;
  for (size_t i = 0; i < made.size(); ++i) {
    const ir::TensorType& t = plan.graph().type(plan.graph().outputs[i]);
    out.push_back(ir::computed(t.dtype, t.shape, made[i]));
  }
  return out;
}

/// Two convolutions with a sum past the second, as in a residual network, and every gradient; one
/// of the values is returned as well.
std::vector<Tensor> network(std::span<const Tensor> x) {
  const auto loss = [&](const Tensor& k1, const Tensor& k2) {
    const Tensor a = relu(conv2d(x[0], k1, {.padding = "same"}));
    const Tensor b = relu(conv2d(a, k2, {.padding = "same"}) + a);
    return mean(square(max_pool2d(b * 0.5, {.window = {2, 2}})));
  };
  const auto [value, gradients] = value_and_grad(loss)(x[1], x[2]);
  return {value, gradients[0], gradients[1], relu(conv2d(x[0], x[1], {.padding = "same"}))};
}

TEST(Formats, AWholeTrainingGraphGivesTheSameNumbersInBlocks) {
  if (backend::cpu::liked_format() == Format::plain) GTEST_SKIP() << "no kernel wants blocks here";
  const bool before = winograd_allowed();
  allow_winograd(false);  // its roundings are larger
  const std::vector<Tensor> inputs{random::normal(Key(1), {4, 8, 8, 16}),
                                   random::normal(Key(2), {3, 3, 16, 16}) * 0.1,
                                   random::normal(Key(3), {3, 3, 16, 16}) * 0.1};
  ir::Types types;
  for (const Tensor& x : inputs) types.push_back(ir::type_of(x.evaluate()));
  const ir::Graph graph = ir::trace_body(types, network);
  runtime::PlanRoles roles;
  roles.results = static_cast<int>(graph.outputs.size());
  const ir::Graph optimized = runtime::optimize(graph, roles, KernelSet::all, 2);
  const runtime::Plan blocks(optimized, roles, KernelSet::all, 2, BlocksFirst());
  const runtime::Plan reference(runtime::optimize(graph, roles, KernelSet::ref, 1), roles,
                                KernelSet::ref, 1);
  allow_winograd(before);
  EXPECT_EQ(in_blocks(reference), 0);
  EXPECT_GE(in_blocks(blocks), 5) << blocks.to_string();
  EXPECT_NE(blocks.to_string().find(" in channels"), std::string::npos);
  const std::vector<Tensor> want = run(reference, inputs);
  for (int round = 0; round < 2; ++round) {
    const std::vector<Tensor> got = run(blocks, inputs);
    for (size_t i = 0; i < want.size(); ++i)
      EXPECT_LT(max(abs(got[i] - want[i])).item<float>(), 2e-6) << "output " << i;
  }
}

}  // namespace
}  // namespace varve
