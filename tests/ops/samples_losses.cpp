// Rows of the losses that are ops: of labels with weights, and of sequences (PyTorch's values:
// tests/golden/losses.json).
#include "ops/build.h"
#include "samples.h"
#include "varve/ops/cross_entropy.h"
#include "varve/ops/ctc.h"
#include "varve/ops/normalization.h"

namespace varve::samples {
namespace {

In labels(Shape shape, double low, double high) {
  return {.shape = std::move(shape), .low = low, .high = high, .typed = true, .dtype = i64};
}
In lengths(std::vector<double> n) {
  const Shape shape{static_cast<int64_t>(n.size())};
  return given(shape, std::move(n), i64);
}

std::vector<Row> sequences() {
  auto plain = [](const Tensors& x) -> Tensors { return ctc_loss(x[0], x[1]); };
  auto short_ones = [](const Tensors& x) -> Tensors {
    return ctc_loss(x[0], x[1], {.blank = 2, .input_lengths = x[2], .label_lengths = x[3]});
  };
  auto gradient = [](const Tensors& x) -> Tensors {
    return ir::apply(ops::get("ctc_loss_gradient"), x.list(), {{"blank", int64_t{0}}});
  };
  const Tolerance loose{.ulp = 64, .largest = 16};
  return {
      {.op = "ctc_loss",
       .dtypes = {f32, f64},
       .tolerance = loose,
       .samples = {{"plain", {in({3, 6, 4}), labels({3, 2}, 1, 3)}, plain},
                   {"longer", {in({2, 17, 5}), labels({2, 7}, 1, 4)}, plain},
                   {"no labels", {in({2, 4, 3}), labels({2, 0}, 1, 2)}, plain},
                   {"no samples", {in({0, 4, 3}), labels({0, 2}, 1, 2)}, plain},
                   {"lengths and another blank",
                    {in({3, 6, 4}), labels({3, 3}, 0, 1), lengths({6, 5, 4}), lengths({2, 0, 1})},
                    short_ones}},
       .skips = {{Check::dtypes, "halves are computed as f32, and give f32"}}},
      {.op = "ctc_loss_gradient",
       .dtypes = {f32, f64},
       .tolerance = loose,
       .samples = {
           {"plain",
            {in({3, 6, 4}), labels({3, 2}, 1, 3), lengths({6, 5, 6}), lengths({2, 1, 0}), in({3})},
            gradient}}}};
}

std::vector<Row> of_labels() {
  auto weighted = [](const Tensors& x) -> Tensors {
    return cross_entropy(x[0], x[1], {.label_smoothing = 0.1, .class_weights = x[2]});
  };
  return {{.op = "weighted_cross_entropy",
           .dtypes = kAll,
           .tolerance = {.ulp = 16, .largest = 16},
           .samples = {{"labels", {in({5, 4}), index({5}, 4), in({4}, 0.5, 2).fixed()}, weighted},
                       {"rows",
                        {in({5, 4}), in({5, 4}, 0, 1).fixed(), in({4}, 0.5, 2).fixed()},
                        weighted,
                        {},
                        kFloating}}},
          {.op = "negative_log_likelihood",
           .dtypes = kAll,
           .tolerance = {.ulp = 8, .largest = 8},
           .samples = {
               {"plain",
                {in({5, 4}), index({5}, 4)},
                [](const Tensors& x) -> Tensors { return negative_log_likelihood(x[0], x[1]); }},
               {"mean of some, channels first",
                {in({2, 4, 3}), index({2, 3}, 4)},
                [](const Tensors& x) -> Tensors {
                  return negative_log_likelihood(
                      x[0], x[1], {.axis = 1, .ignore_index = 2, .reduction = "mean"});
                }}}}};
}

}  // namespace

std::vector<Row> loss_samples() {
  std::vector<Row> all = sequences();
  for (Row& row : of_labels()) all.push_back(std::move(row));
  return all;
}

}  // namespace varve::samples
