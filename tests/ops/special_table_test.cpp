// What every op of the table gives for NaN, infinities, zeros of both signs, denormals and nothing:
// docs/special_values.md. The elementwise functions are held against NumPy's and SciPy's values
// (special_values_test.cpp); here every row, whatever its shape, is held to this: an op's reference
// kernel, the formula of its sample and every backend agree on which elements are NaN and infinite,
// and on the values of the others. An op of which nothing is known fails.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iomanip>
#include <limits>
#include <map>
#include <optional>
#include <sstream>

#include "ir/graph.h"
#include "ops/table.h"
#include "runtime/evaluate.h"
#include "samples_inputs.h"
#include "support/text.h"
#include "varve/derivatives.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/shape.h"

namespace varve::samples {
namespace {

struct SpecialNumber {
  const char* name;
  double value;
};
constexpr SpecialNumber kSpecial[] = {{"NaN", std::numeric_limits<double>::quiet_NaN()},
                                      {"inf", std::numeric_limits<double>::infinity()},
                                      {"-inf", -std::numeric_limits<double>::infinity()},
                                      {"0", 0.},
                                      {"-0", -0.},
                                      {"denormal", 1e-40}};
constexpr size_t kColumns = std::size(kSpecial) + 1;  // and nothing at all
using Cells = std::array<std::string, kColumns>;

/// What users do not call has no values of its own.
const std::map<std::string, std::string> kWithoutValues{
    {"group", "what its body computes"},
    {"custom_derivative", "what the user's function computes"},
    {"custom_op", "what the user's function computes"},
    {"cond", "what its bodies compute"},
    {"scan", "what its body computes"},
    {"while_loop", "what its bodies compute"},
};

bool has_type(const Row& row, const Sample& sample, DType dtype) {
  const auto& types = dtypes_of(row, sample);
  return std::find(types.begin(), types.end(), dtype) != types.end();
}

/// Whether a sample can be run in f64 and has an element of a real number to replace.
bool shows(const Row& row, const Sample& sample) {
  if (takes_type(sample) && !has_type(row, sample, f64)) return false;
  return std::any_of(sample.inputs.begin(), sample.inputs.end(), [](const In& in) {
    return (!in.typed || is_floating(in.dtype)) && in.shape.size() > 0;
  });
}
/// The first sample of the row that shows something; null where none does.
const Sample* sample_of(const Row& row) {
  for (const Sample& s : row.samples) {
    if (shows(row, s)) return &s;
  }
  return nullptr;
}

/// "NaN", "finite", "NaN 3 of 6, finite", "true": what the elements of results are.
std::string kinds(const Tensors& y) {
  int64_t nan = 0, plus = 0, minus = 0, all = 0;
  double only = 0;
  bool truth = true;
  for (const Tensor& t : y) {
    truth &= t.dtype() == DType::bool_;
    for (double v : t.to_doubles()) {
      ++all;
      only = v;
      nan += std::isnan(v);
      plus += v == HUGE_VAL;
      minus += v == -HUGE_VAL;
    }
  }
  if (all == 0) return "nothing";
  if (truth && all == 1) return only != 0 ? "true" : "false";
  if (truth) return "truth values";
  std::string out;
  const auto note = [&](const char* what, int64_t n) {
    if (n == 0) return;
    out += (out.empty() ? "" : ", ") + std::string(what);
    if (n < all) out += " " + std::to_string(n) + " of " + std::to_string(all);
  };
  note("NaN", nan);
  note("inf", plus);
  note("-inf", minus);
  return out.empty() ? "finite" : out;
}

/// The sample's inputs with the special number as the first element of one of them.
Tensors with_special(const Tensors& x, size_t input, double value) {
  std::vector<Tensor> out = x.list();
  std::vector<double> v = out[input].to_doubles();
  v[0] = value;
  out[input] = from_doubles(v, out[input].shape(), out[input].dtype());
  return Tensors(out);
}

Tensors evaluated(const Tensors& y) {
  for (const Tensor& t : y) t.evaluate();
  return y;
}
/// Nothing where an op refuses the numbers (a matrix that is singular). Other errors are none of
/// numbers.
template <class F>
std::optional<Tensors> unless_refused(F f) {
  try {
    return f();
  } catch (const NumericError&) {
  } catch (const ValueError&) {
  } catch (const IndexError&) {
  }
  return std::nullopt;
}
std::optional<Tensors> by(backend::KernelSet kernels, const Row& row, const Sample& sample,
                          const Tensors& x) {
  const runtime::ExecuteScope scope({.kernels = kernels});
  return unless_refused([&] { return evaluated(run(row, sample, x)); });
}

/// The sample's own formula in f64, where it has one.
std::optional<Tensors> by_formula(const Row& row, const Sample& sample, const Tensors& x) {
  if (!sample.reference && !row.reference) return std::nullopt;
  std::vector<Tensor> out;
  for (const Plain& p : expect(row, sample, x).values)
    out.push_back(from_doubles(p.v, p.shape, f64));
  return Tensors(out);
}

/// Where two results differ in kind; and in value, beyond a thousandth of the largest.
std::string difference_in_kind(const std::optional<Tensors>& one,
                               const std::optional<Tensors>& other) {
  if (!one || !other) return one || other ? "one of two refuses the numbers" : "";
  const Tensors &got = *one, &expected = *other;
  for (size_t o = 0; o < expected.size(); ++o) {
    const auto a = got[o].to_doubles(), b = expected[o].to_doubles();
    double largest = 0;
    for (double v : b) largest = std::isfinite(v) ? std::max(largest, std::abs(v)) : largest;
    for (size_t i = 0; i < b.size(); ++i) {
      const bool same = std::isfinite(b[i])
                            ? std::abs(a[i] - b[i]) <= 1e-3 * largest
                            : a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i]));
      if (same) continue;
      std::ostringstream out;
      out << "output " << o << ", element " << i << ": " << a[i] << ", expected " << b[i];
      return out.str();
    }
  }
  return {};
}

/// Inputs of rows for which backends may answer otherwise, with the reason.
const std::map<std::pair<std::string, size_t>, std::string> kNotHeld{
    {{"cross_entropy_gradient", 3},
     "an infinite cotangent: infinite where it meets (p - t), NaN where p and t are scaled apart"},
    {{"cholesky", 0}, "NaN on the diagonal is refused as not above 0, or passed on"},
    {{"triangular_solve", 0}, "1 over a denormal overflows where it is not divided by it"},
    {{"solve", 0}, "how far NaN spreads through an elimination depends on its order"},
    {{"inverse", 0}, "how far NaN spreads through an elimination depends on its order"},
    {{"qr", 0}, "how far NaN spreads through reflections depends on their order"}};

/// Rows whose formula in the samples knows ordinary numbers alone, and what holds the row instead.
const std::map<std::string, std::string> kFormulaKnowsNumbersAlone{
    {"floor_divide", "NumPy's table: of infinities NaN"},
    {"maximum", "NumPy's table: NaN goes through"},
    {"minimum", "NumPy's table: NaN goes through"},
    {"sign", "NumPy's table: NaN goes through"},
    {"clip", "NumPy's table: NaN goes through"},
    {"softsign", "the limit, as the table of special values says"},
    {"silu", "the limit, as the table of special values says"},
    {"swiglu", "made of silu"},
    {"squareplus", "the limit: 0 for minus infinity"},
    {"cross_entropy", "an impossible class costs infinitely much, as in PyTorch"},
    {"thresholded_relu", "NaN goes through, as in PyTorch's threshold"},
    {"hard_shrink", "NaN goes through, as in PyTorch"},
    {"soft_shrink", "NaN goes through, as in PyTorch"},
    {"step", "NaN goes through, as in NumPy's heaviside"},
    {"sparsemax", "differences of infinities are NaN"},
    {"resample_transpose", "the formula is a whole matrix, whose zeros meet NaN"},
    {"prelu", "made of plain products: a slope that is not finite times 0 is NaN"}};

class SpecialNumbers : public ::testing::TestWithParam<Row> {};

TEST_P(SpecialNumbers, AreOneThingOnEveryKernel) {
  const Row& row = GetParam();
  const Sample* sample = sample_of(row);
  const bool numbers_alone = kFormulaKnowsNumbersAlone.contains(row.op);
  // What is excused must differ, or the excuse has outlived its reason.
  std::map<size_t, bool> not_held;
  for (const auto& [at, why] : kNotHeld) {
    if (at.first == row.op) not_held[at.second] = false;
  }
  bool formula_differs = false;
  if (!sample) {
    EXPECT_TRUE(not_held.empty() && !numbers_alone) << "excused, and not looked at";
    return;
  }
  for (const DType d : {f32, f64}) {
    if (takes_type(*sample) && !has_type(row, *sample, d)) continue;
    const Tensors x = make_inputs(row, *sample, d);
    for (size_t i = 0; i < x.size(); ++i) {
      if (!is_floating(x[i].dtype()) || x[i].size() == 0 || sample->inputs[i].constant) continue;
      for (const SpecialNumber& s : kSpecial) {
        const Tensors at = with_special(x, i, s.value);
        const std::string where = std::string(s.name) + " in input " + std::to_string(i) + " in " +
                                  varve::name_of(d) + ", sample \"" + sample->name + "\"";
        const auto expected = by(backend::KernelSet::ref, row, *sample, at);
        const std::string backends =
            difference_in_kind(by(backend::KernelSet::all, row, *sample, at), expected);
        const auto formula = by_formula(row, *sample, at);
        const std::string from_formula =
            formula && expected && d == f64 ? difference_in_kind(expected, *formula) : "";
        ++counts().special;
        if (const auto excused = not_held.find(i); excused != not_held.end()) {
          excused->second |= !backends.empty() || !from_formula.empty();
          continue;
        }
        EXPECT_EQ(backends, "") << where << ", backends";
        if (numbers_alone) {
          formula_differs |= !from_formula.empty();
          continue;
        }
        EXPECT_EQ(from_formula, "") << where
                                    << ", formula (one that knows ordinary numbers alone is named "
                                       "in kFormulaKnowsNumbersAlone)";
      }
    }
  }
  for (const auto& [input, differs] : not_held) {
    EXPECT_TRUE(differs) << "input " << input << " is excused by kNotHeld and differs nowhere";
  }
  if (numbers_alone) {
    EXPECT_TRUE(formula_differs) << "excused by kFormulaKnowsNumbersAlone and differs nowhere";
  }
}

TEST(SpecialNumbersTable, AreExcusedForOpsThatAreThere) {
  for (const auto& [at, why] : kNotHeld) EXPECT_NE(row_of(at.first), nullptr) << at.first;
  for (const auto& [op, why] : kFormulaKnowsNumbersAlone) EXPECT_NE(row_of(op), nullptr) << op;
  for (const auto& [op, why] : kWithoutValues) {
    const auto& all = ops::all();
    EXPECT_TRUE(std::any_of(all.begin(), all.end(), [&, &name = op](const ir::OpDef* o) {
      return o->name == name;
    })) << op;
    EXPECT_TRUE(row_of(op) == nullptr || !sample_of(*row_of(op)))
        << op << " has samples that show its values";
  }
}

INSTANTIATE_TEST_SUITE_P(Row, SpecialNumbers, ::testing::ValuesIn(all_rows()),
                         [](const auto& info) { return std::string(info.param.op); });

/// The sample without elements: its first axis of 0, in all inputs that share it.
std::string of_nothing(const Row& row, const Sample& sample) {
  Sample empty = sample;
  for (In& in : empty.inputs) {
    if (in.shape.rank() == 0) continue;
    std::vector<int64_t> dims = in.shape.dims();
    dims[0] = 0;
    in.shape = Shape(dims);
    in.elements.clear();
  }
  for (const Sample& s : row.samples) {
    bool any = false;
    for (const In& in : s.inputs) any |= in.shape.size() == 0;
    if (any && (!takes_type(s) || has_type(row, s, f64))) {
      empty = s;
      break;
    }
  }
  try {
    const auto y = by(backend::KernelSet::ref, row, empty, make_inputs(row, empty, f64));
    return y ? kinds(*y) : "refused";
  } catch (const ShapeError&) {  // the other inputs keep their sizes
    return "refused";
  }
}

Cells cells_of(const Row& row, const Sample& sample,
               const std::function<Tensors(const Tensors&)>& f) {
  const Tensors x = make_inputs(row, sample, f64);
  size_t first = 0;
  while (!is_floating(x[first].dtype()) || x[first].size() == 0) ++first;
  Cells cells;
  const runtime::ExecuteScope scope({.kernels = backend::KernelSet::ref});
  for (size_t k = 0; k < std::size(kSpecial); ++k) {
    const auto y =
        unless_refused([&] { return evaluated(f(with_special(x, first, kSpecial[k].value))); });
    cells[k] = y ? kinds(*y) : "refused";
  }
  return cells;
}

/// What an elementwise op gives of the number itself, the others being 1.
Cells values_of(const ir::OpDef& op) {
  Cells cells;
  const runtime::ExecuteScope scope({.kernels = backend::KernelSet::ref});
  for (size_t k = 0; k < std::size(kSpecial); ++k) {
    std::vector<Tensor> x(static_cast<size_t>(op.min_inputs), scalar(1, f64));
    const bool chosen = op.name == std::string_view("select");
    if (chosen) x[0] = cast(x[0], DType::bool_);
    x[chosen ? 1 : 0] = scalar(kSpecial[k].value, f64);
    const Tensor y = ir::apply(op, x)[0];
    std::ostringstream text;
    text << std::setprecision(4) << std::boolalpha;
    if (y.dtype() == DType::bool_) {
      text << (y.to_double() != 0);
    } else if (std::isnan(y.to_double())) {
      text << "NaN";  // whatever its sign
    } else {
      text << y.to_double();
    }
    cells[k] = text.str();
  }
  return cells;
}

/// Cotangents of ones through a sample: its inputs' gradients.
std::function<Tensors(const Tensors&)> gradients_of(const Row& row, const Sample& sample) {
  return [&](const Tensors& x) {
    std::vector<size_t> moving;
    std::vector<Tensor> at, ones;
    for (size_t i = 0; i < x.size(); ++i) {
      if (!is_floating(x[i].dtype())) continue;
      moving.push_back(i);
      at.push_back(x[i]);
    }
    const TensorsFunction f = [&, x](const Tensors& v) {
      std::vector<Tensor> all = x.list();
      for (size_t k = 0; k < moving.size(); ++k) all[moving[k]] = v[k];
      return run(row, sample, Tensors(all));
    };
    for (const Tensor& y : f(Tensors(at)))
      ones.push_back(is_floating(y.dtype()) ? cast(broadcast_to(1., y.shape()), y.dtype())
                                            : Tensor());
    return vjp(f, Tensors(at), Tensors(ones)).cotangents;
  };
}

/// By op: the row in whose graph it stands, forward or (second) in the derivative.
struct Place {
  const Row* row = nullptr;
  const Sample* sample = nullptr;
  bool derivative = false;
};
using Places = std::map<std::string, Place>;

void note_ops(const Row& row, const Sample& sample, bool derivative, Places& found) {
  ir::Types types;
  for (const Tensor& t : make_inputs(row, sample, f64)) types.push_back(ir::type_of(t));
  const auto f = [&](std::span<const Tensor> v) {
    const Tensors x(std::vector<Tensor>(v.begin(), v.end()));
    return (derivative ? gradients_of(row, sample)(x) : run(row, sample, x)).list();
  };
  try {
    for (const ir::GraphNode& n : ir::trace_body(types, f).nodes)
      found.try_emplace(n.op->name, Place{&row, &sample, derivative});
  } catch (const Error&) {  // reads values while it is traced
  }
}

Places places() {
  Places found;
  for (const bool derivative : {false, true}) {
    for (const Row& row : all_rows()) {
      if (derivative && skipped(row, Check::reverse)) continue;
      for (const Sample& sample : row.samples) {
        if (shows(row, sample)) note_ops(row, sample, derivative, found);
      }
    }
  }
  return found;
}

bool takes_floats(const Row& row) {
  for (const Sample& s : row.samples) {
    for (const In& in : s.inputs) {
      if (in.typed ? is_floating(in.dtype) : has_type(row, s, f64)) return true;
    }
  }
  return false;
}

struct Entry {
  Cells cells;
  std::string note;
};

std::optional<Entry> entry_of(const ir::OpDef& op, const Places& seen) {
  if (const auto without = kWithoutValues.find(op.name); without != kWithoutValues.end())
    return Entry{{}, without->second};
  if (const Row* row = row_of(op.name)) {
    if (!takes_floats(*row)) return Entry{{}, "takes no real numbers"};
    const Sample* sample = sample_of(*row);
    if (!sample) return std::nullopt;
    Entry entry{cells_of(*row, *sample, [&](const Tensors& x) { return run(*row, *sample, x); }),
                ""};
    if (op.traits.pointwise && row->samples.front().call == nullptr) entry.cells = values_of(op);
    entry.cells.back() = of_nothing(*row, *sample);
    return entry;
  }
  const auto at = seen.find(op.name);
  if (at == seen.end()) return std::nullopt;
  const Place& p = at->second;
  if (p.derivative)
    return Entry{cells_of(*p.row, *p.sample, gradients_of(*p.row, *p.sample)),
                 std::string("in the derivative of ") + p.row->op};
  return Entry{
      cells_of(*p.row, *p.sample, [&](const Tensors& x) { return run(*p.row, *p.sample, x); }),
      std::string("in ") + p.row->op};
}

TEST(OpReference, OfSpecialValuesIsWhatTheOpsGive) {
  const auto seen = places();
  std::ostringstream out;
  out << "# Special values\n\n"
         "Made of the op table and the sample rows of `tests/ops/` by "
         "`tests/ops/special_table_test.cpp`; `make docs` writes it.\n\n"
         "What each op gives of NaN, infinities, zeros of both signs, a denormal (1e-40), and of "
         "nothing (an axis of 0).\nElementwise ops: the value itself, further inputs being 1. "
         "Others: what becomes of their results where the\nfirst element of the first input of "
         "real numbers is that, and the others are ordinary numbers. \"NaN 1 of 6\": so many\n"
         "elements of the results together, the rest is finite. \"Finite\" for NaN and infinities "
         "is no oversight: a limit\nis reached, or the element is not looked at.\n\n"
         "Values of the elementwise functions at 13 numbers each, beside those of NumPy and SciPy, "
         "stand in\n`tests/golden/special_values.json`. Every backend gives what the reference "
         "kernels give, which is shown here.\n\n"
         "| op |";
  for (const SpecialNumber& s : kSpecial) out << " " << s.name << " |";
  out << " nothing | |\n| --- |";
  for (size_t i = 0; i < kColumns + 1; ++i) out << " --- |";
  out << "\n";
  for (const ir::OpDef* op : ops::all()) {
    const auto entry = entry_of(*op, seen);
    EXPECT_TRUE(entry) << op->name << ": nothing is known of its special values";
    if (!entry) continue;
    out << "| " << op->name << " |";
    for (const std::string& cell : entry->cells) out << " " << cell << " |";
    out << " " << entry->note << " |\n";
  }
  test::expect_document("special_values.md", out.str());
}

}  // namespace
}  // namespace varve::samples
