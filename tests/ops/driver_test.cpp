// What every row is held to: values, on every kernel, type and memory layout; text form; errors.
#include <gtest/gtest.h>

#include <algorithm>

#include "ir/graph.h"
#include "ops/table.h"
#include "runtime/evaluate.h"
#include "samples_inputs.h"
#include "varve/jit.h"

namespace varve::samples {

void PrintTo(const Row& row, std::ostream* os) { *os << row.op; }

namespace {

constexpr runtime::ExecuteOptions kReference{.kernels = backend::KernelSet::ref};

class Op : public ::testing::TestWithParam<Row> {
 protected:
  const Row& row() const { return GetParam(); }
  /// f(sample, dtype, inputs) for every sample and type.
  template <class F>
  void each_case(F f) const {
    for (const Sample& sample : row().samples) {
      for (DType d : dtypes_of(row(), sample)) {
        SCOPED_TRACE("sample \"" + sample.name + "\" in " + varve::name_of(d));
        f(sample, d, make_inputs(row(), sample, d));
        ++counts().forward;
      }
    }
  }
  Tensors reference_run(const Sample& sample, const Tensors& x) const {
    const runtime::ExecuteScope scope(kReference);
    Tensors y = run(row(), sample, x);
    for (const Tensor& t : y) t.evaluate();
    return y;
  }
  Tensors backend_run(const Sample& sample, const Tensors& x) const {
    const runtime::ExecuteScope scope({.kernels = backend::KernelSet::all});
    Tensors y = run(row(), sample, x);
    for (const Tensor& t : y) t.evaluate();
    return y;
  }
};

TEST_P(Op, ReferenceKernelsGiveTheFormula) {
  if (skipped(row(), Check::reference)) return;
  each_case([&](const Sample& sample, DType, const Tensors& x) {
    const Expected e = expect(row(), sample, x);
    EXPECT_EQ(difference(reference_run(sample, x), e, row().tolerance), "");
  });
}

TEST_P(Op, GivesGoldenValues) {
  if (skipped(row(), Check::golden)) return;
  for (const Golden& g : golden_cases()) {
    if (g.op != row().op) continue;
    SCOPED_TRACE(g.file + ", sample \"" + g.sample + "\"");
    bool found = false;
    for (const Sample& sample : row().samples) {
      if (sample.name != g.sample) continue;
      found = true;
      Expected e = expect(row(), sample, Tensors(g.inputs));
      e.values = g.outputs;
      // SciPy's own functions are some units in the last place off, too.
      Tolerance t = row().tolerance;
      t.ulp += 8;
      EXPECT_EQ(difference(reference_run(sample, Tensors(g.inputs)), e, t), "");
      EXPECT_EQ(difference(backend_run(sample, Tensors(g.inputs)), e, t), "");
    }
    EXPECT_TRUE(found) << "no such sample";
  }
}

TEST_P(Op, EveryBackendAgreesWithReference) {
  if (skipped(row(), Check::backends)) return;
  each_case([&](const Sample& sample, DType, const Tensors& x) {
    EXPECT_EQ(difference(backend_run(sample, x), expect(row(), sample, x), row().tolerance), "");
  });
}

/// The sample's inputs lying as number `l` says; where mixed, each input in its own way.
/// (Made anew for each use: reading a tensor's elements packs them.)
Tensors lay(const Sample& sample, const Tensors& x, size_t l, bool mixed) {
  std::vector<Tensor> out;
  for (size_t i = 0; i < x.size(); ++i) {
    Lying how = kLyings[(mixed ? l + i : l) % std::size(kLyings)];
    // Given elements may mean something together; repeating one would not.
    if (how == Lying::repeated && !sample.inputs[i].elements.empty()) how = Lying::gaps;
    out.push_back(laid_out(x[i], how));
  }
  return Tensors(out);
}

Tensors packed(const Tensors& x) {
  std::vector<Tensor> out;
  for (const Tensor& t : x) out.push_back(from_doubles(t.to_doubles(), t.shape(), t.dtype()));
  return Tensors(out);
}

TEST_P(Op, GivesTheSameHoweverItsInputsLie) {
  if (skipped(row(), Check::layouts)) return;
  each_case([&](const Sample& sample, DType d, const Tensors& x) {
    if (d != f32 && d != f64 && d != i32) return;
    for (size_t l = 0; l < 2 * std::size(kLyings); ++l) {
      const size_t way = l / 2;
      const bool mixed = l % 2;
      if (mixed && x.size() < 2) continue;
      SCOPED_TRACE(std::string(name_of(kLyings[way])) + (mixed ? ", mixed" : ""));
      const Tensors rows = packed(lay(sample, x, way, mixed));
      const Tensors expected = reference_run(sample, rows);
      EXPECT_EQ(bit_difference(reference_run(sample, lay(sample, x, way, mixed)), expected), "");
      Expected e = expect(row(), sample, rows);
      e.values = plain(expected);
      EXPECT_EQ(difference(backend_run(sample, lay(sample, x, way, mixed)), e, row().tolerance, 2),
                "");
    }
  });
}

TEST_P(Op, RefusesTypesThatItDoesNotTake) {
  if (skipped(row(), Check::dtypes)) return;
  for (const Sample& sample : row().samples) {
    if (!takes_type(sample) || !sample.dtypes.empty()) continue;
    for (DType d : kAll) {
      if (std::find(row().dtypes.begin(), row().dtypes.end(), d) != row().dtypes.end()) continue;
      SCOPED_TRACE("sample \"" + sample.name + "\" in " + varve::name_of(d));
      ASSERT_THROW(run(row(), sample, make_inputs(row(), sample, d)), DTypeError);
    }
  }
}

TEST_P(Op, TextFormReadsBackToTheSameGraph) {
  if (skipped(row(), Check::text)) return;
  each_case([&](const Sample& sample, DType, const Tensors& x) {
    ir::Types types;
    for (const Tensor& t : x) types.push_back(ir::type_of(t));
    const ir::Graph g = ir::trace_body(types, [&](std::span<const Tensor> in) {
      return run(row(), sample, Tensors(std::vector<Tensor>(in.begin(), in.end()))).list();
    });
    ir::verify(g);
    const std::string text = ir::to_text(g, {.elide = 0});
    const ir::Graph again = ir::parse_graph(text, ops::find);
    EXPECT_TRUE(ir::same(g, again)) << text;
    EXPECT_EQ(ir::to_text(again, {.elide = 0}), text);
  });
}

/// jit of a function of n tensors.
template <size_t... I>
Tensors compiled(const Call& f, const Tensors& x, std::index_sequence<I...>) {
  auto typed = [&f](const decltype((void)I, Tensor())&... t) { return f(Tensors{t...}); };
  return jit(typed)(x[I]...);
}

Tensors compiled(const Call& f, const Tensors& x) {
  switch (x.size()) {
    case 1:
      return compiled(f, x, std::make_index_sequence<1>{});
    case 2:
      return compiled(f, x, std::make_index_sequence<2>{});
    case 3:
      return compiled(f, x, std::make_index_sequence<3>{});
    case 4:
      return compiled(f, x, std::make_index_sequence<4>{});
    case 5:
      return compiled(f, x, std::make_index_sequence<5>{});
    default:
      return compiled(f, x, std::make_index_sequence<6>{});
  }
}

TEST_P(Op, CompiledGivesWhatInterpretedGives) {
  if (skipped(row(), Check::compiled)) return;
  each_case([&](const Sample& sample, DType, const Tensors& x) {
    Expected e = expect(row(), sample, x);
    e.values = plain(reference_run(sample, x));
    const Call f = sample.call ? sample.call : row().call;
    EXPECT_EQ(difference(compiled(f, x), e, row().tolerance, 2), "");
  });
}

// A composite without a kernel is run node by node at first, and as a plan when it comes again.
TEST_P(Op, GivesTheSameBitsEachTime) {
  each_case([&](const Sample& sample, DType d, const Tensors& x) {
    if (d != f32 && d != f64 && d != i32) return;
    const Tensors first = backend_run(sample, x);
    for (int again = 0; again < 2; ++again) {
      EXPECT_EQ(bit_difference(backend_run(sample, x), first), "");
    }
  });
}

TEST_P(Op, TellsWhatIsWrongInFull) {
  for (const ErrorCase& e : row().errors) EXPECT_EQ(e.run(), e.text);
}

INSTANTIATE_TEST_SUITE_P(Row, Op, ::testing::ValuesIn(all_rows()),
                         [](const auto& info) { return std::string(info.param.op); });

}  // namespace
}  // namespace varve::samples
