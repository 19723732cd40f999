// Rows of the ops that move elements. Their values are NumPy's (tests/golden/shapes.json); the
// types, layouts and derivatives are held against the same call in f64.
#include "ops/build.h"
#include "samples.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/shape.h"

namespace varve::samples {
namespace {

/// A function of the first tensor.
template <class F>
Call of(F f) {
  return [f](const Tensors& x) -> Tensors { return f(x[0]); };
}

std::vector<Row> form_rows() {
  return {
      {.op = "reshape",
       .dtypes = kAll,
       .samples = {{"flat", {in({2, 3, 4})}, of([](auto& x) { return reshape(x, {-1}); })},
                   {"other", {in({2, 3, 4})}, of([](auto& x) {
                      return reshape(x, {4, 1, -1});
                    })},
                   {"to rank 0", {in({1, 1})}, of([](auto& x) { return reshape(x, {}); })},
                   {"nothing", {in({0, 3})}, of([](auto& x) {
                      return reshape(x, {5, 0});
                    })}},
       .errors = {throws<ShapeError>("reshape: 6 elements into [4]\n  hint: the input is [2, 3]",
                                     [] {
                                       reshape(ones({2, 3}), {4});
                                     }),
                  throws<ShapeError>(
                      "reshape: 6 elements into [4, -1]\n  hint: the input is [2, 3]",
                      [] {
                        reshape(ones({2, 3}), {4, -1});
                      }),
                  throws<ShapeError>("reshape: shape [-1, -1]: one size may be -1, the others must "
                                     "not be negative",
                                     [] {
                                       reshape(ones({2, 3}), {-1, -1});
                                     })}},
      {.op = "flatten",
       .dtypes = kAll,
       .samples = {{"rows", {in({2, 3, 4})}, of([](auto& x) { return flatten(x); })},
                   {"all", {in({2, 3})}, of([](auto& x) { return flatten(x, 0); })},
                   {"vector", {in({3})}, of([](auto& x) { return flatten(x); })},
                   {"nothing", {in({0, 3, 2})}, of([](auto& x) { return flatten(x); })}},
       .errors = {throws<IndexError>(
           "flatten: axis 3 out of range for rank 2 (-2..1)\n  hint: the operand is [2, 3]",
           [] {
             flatten(ones({2, 3}), 3);
           })}},
      {.op = "squeeze",
       .dtypes = kAll,
       .samples = {{"all", {in({1, 3, 1})}, of([](auto& x) { return squeeze(x); })},
                   {"one", {in({1, 3, 1})}, of([](auto& x) { return squeeze(x, {-1}); })}},
       .errors = {throws<ShapeError>("squeeze: axis 1 of [1, 3] has size 3, expected 1",
                                     [] {
                                       squeeze(ones({1, 3}), {1});
                                     })}},
      {.op = "expand_dims",
       .dtypes = kAll,
       .samples = {{"front", {in({2, 3})}, of([](auto& x) { return expand_dims(x, 0); })},
                   {"back", {in({2, 3})}, of([](auto& x) { return expand_dims(x, -1); })},
                   {"rank 0", {in({})}, of([](auto& x) { return expand_dims(x, 0); })}},
       .errors = {throws<IndexError>("expand_dims: new axis 3 out of range for rank 3 (-3..2)\n"
                                     "  hint: the operand is [2, 3]",
                                     [] {
                                       expand_dims(ones({2, 3}), 3);
                                     })}},
      {.op = "broadcast_to",
       .dtypes = kAll,
       .samples = {{"row", {in({3})}, of([](auto& x) {
                      return broadcast_to(x, {2, 3});
                    })},
                   {"column", {in({2, 1})}, of([](auto& x) {
                      return broadcast_to(x, {4, 2, 3});
                    })},
                   {"rank 0", {in({})}, of([](auto& x) {
                      return broadcast_to(x, {2, 2});
                    })},
                   {"to nothing", {in({1, 3})}, of([](auto& x) {
                      return broadcast_to(x, {0, 3});
                    })}},
       .errors = {throws<ShapeError>("broadcast_to: [2, 1] does not stretch to [2]",
                                     [] {
                                       broadcast_to(ones({2, 1}), {2});
                                     })}},
  };
}

std::vector<Row> order_rows() {
  return {
      {.op = "transpose",
       .dtypes = kAll,
       .samples = {{"reversed", {in({2, 3, 4})}, of([](auto& x) { return transpose(x); })},
                   {"given", {in({2, 3, 4})}, of([](auto& x) {
                      return transpose(x, {1, -1, 0});
                    })},
                   {"rank 0", {in({})}, of([](auto& x) { return transpose(x); })}},
       .errors = {throws<ValueError>("transpose: axis 1 is given twice",
                                     [] {
                                       transpose(ones({2, 3}), {1, -1});
                                     }),
                  throws<ShapeError>("transpose: expected 2 axes, got 1",
                                     [] {
                                       transpose(ones({2, 3}), {1});
                                     })}},
      {.op = "swap_axes",
       .dtypes = kAll,
       .samples = {{"ends", {in({2, 3, 4})}, of([](auto& x) { return swap_axes(x, 0, -1); })}}},
      {.op = "move_axis",
       .dtypes = kAll,
       .samples = {{"back", {in({2, 3, 4})}, of([](auto& x) { return move_axis(x, 0, -1); })},
                   {"front", {in({2, 3, 4, 2})}, of([](auto& x) { return move_axis(x, -1, 1); })}},
       .errors = {throws<IndexError>(
           "move_axis: axis 2 out of range for rank 2 (-2..1)\n  hint: the operand is [2, 3]",
           [] {
             move_axis(ones({2, 3}), 0, 2);
           })}},
      {.op = "flip",
       .dtypes = kAll,
       .samples = {{"all", {in({2, 3})}, of([](auto& x) { return flip(x); })},
                   {"one", {in({2, 3, 2})}, of([](auto& x) { return flip(x, {1}); })},
                   {"nothing", {in({0, 3})}, of([](auto& x) { return flip(x); })}}},
      {.op = "roll",
       .dtypes = kAll,
       .samples = {{"forwards", {in({2, 5})}, of([](auto& x) { return roll(x, 2, 1); })},
                   {"backwards", {in({5, 2})}, of([](auto& x) { return roll(x, -8, 0); })},
                   {"around", {in({5})}, of([](auto& x) { return roll(x, 10, 0); })},
                   {"nothing", {in({0})}, of([](auto& x) { return roll(x, 1, 0); })}}},
  };
}

std::vector<Row> cut_rows() {
  return {
      {.op = "slice",
       .dtypes = kAll,
       .samples = {{"inside", {in({4, 5})}, of([](auto& x) {
                      return slice(x, {{1, 3}, {2, {}}});
                    })},
                   {"backwards", {in({4, 5})}, of([](auto& x) {
                      return slice(x, {{.step = -1}, {-2, 0, -2}});
                    })},
                   {"beyond", {in({4, 5})}, of([](auto& x) {
                      return slice(x, {{-100, 100, 3}, {100, -100, -3}});
                    })},
                   {"nothing", {in({4, 5})}, of([](auto& x) {
                      return slice(x, {{3, 1}});
                    })},
                   {"of nothing", {in({0, 5})}, of([](auto& x) {
                      return slice(x, {{.step = -2}});
                    })},
                   {"long", {in({1009})}, of([](auto& x) {
                      return slice(x, {{5, 1000, 7}});
                    })}},
       .errors = {throws<ValueError>("index: a slice's step is 0",
                                     [] { slice(ones({2}), {{.step = 0}}); }),
                  throws<ShapeError>("slice: 2 slices for [2]",
                                     [] {
                                       slice(ones({2}), {{}, {}});
                                     })}},
      {.op = "pad",
       .dtypes = kAll,
       .samples = {{"constant", {in({2, 3})}, of([](auto& x) {
                      return pad(x, {{1, 0}, {2, 1}});
                    })},
                   {"value", {in({2, 3})}, of([](auto& x) {
                      return pad(x, {{0, 1}, {1, 1}}, {.value = 1});
                    })},
                   {"cropped", {in({4, 5})}, of([](auto& x) {
                      return pad(x, {{-1, 2}, {-1, -2}});
                    })},
                   {"cropped away", {in({4, 5})}, of([](auto& x) {
                      return pad(x, {{-4, 2}, {-2, -3}});
                    })},
                   {"of nothing", {in({0, 2})}, of([](auto& x) {
                      return pad(x, {{1, 1}, {0, 1}});
                    })},
                   {"edge", {in({2, 3})}, of([](auto& x) {
                      return pad(x, {{1, 2}, {3, 1}}, {.mode = "edge"});
                    })},
                   {"reflect", {in({2, 4})}, of([](auto& x) {
                      return pad(x, {{1, 5}, {3, 2}}, {.mode = "reflect"});
                    })},
                   {"symmetric", {in({2, 4})}, of([](auto& x) {
                      return pad(x, {{1, 5}, {3, 2}}, {.mode = "symmetric"});
                    })},
                   {"wrap", {in({2, 4})}, of([](auto& x) {
                      return pad(x, {{1, 5}, {3, 2}}, {.mode = "wrap"});
                    })}},
       .errors = {throws<ShapeError>("pad: expected one {before, after} an axis of [2, 3], got 1",
                                     [] {
                                       pad(ones({2, 3}), {{1, 1}});
                                     }),
                  throws<ShapeError>("pad: axis 0 of [2] cannot grow by -2 and -1",
                                     [] {
                                       pad(ones({2}), {{-2, -1}});
                                     }),
                  throws<ShapeError>("pad: axis 0 of [0] is empty and cannot be filled from itself",
                                     [] {
                                       pad(ones({0}), {{1, 0}}, {.mode = "edge"});
                                     }),
                  throws<ValueError>(
                      "pad: mode: expected constant, edge, reflect, symmetric or wrap",
                      [] { PadMode::parse("zero"); })}},
      {.op = "diagonal",
       .dtypes = kAll,
       .samples = {{"main", {in({3, 4})}, of([](auto& x) { return diagonal(x); })},
                   {"above", {in({3, 4})}, of([](auto& x) { return diagonal(x, {.offset = 2}); })},
                   {"below", {in({4, 2, 3})}, of([](auto& x) {
                      return diagonal(x, {.offset = -1, .axis1 = 2, .axis2 = 0});
                    })},
                   {"outside", {in({2, 2})}, of([](auto& x) {
                      return diagonal(x, {.offset = 5});
                    })}},
       .errors = {throws<ShapeError>("diagonal: expected at least 2 axes, got [3]",
                                     [] { diagonal(ones({3})); }),
                  throws<ValueError>("diagonal: axis 1 is given twice",
                                     [] {
                                       diagonal(ones({3, 3}), {.axis1 = 1});
                                     })}},
      {.op = "diagonal_matrix",
       .dtypes = kAll,
       .samples = {{"main", {in({3})}, of([](auto& x) { return diagonal_matrix(x); })},
                   {"above", {in({3})}, of([](auto& x) { return diagonal_matrix(x, 2); })},
                   {"below", {in({3})}, of([](auto& x) { return diagonal_matrix(x, -1); })}},
       .errors = {throws<ShapeError>("diagonal_matrix: expected one axis, got [2, 2]",
                                     [] {
                                       diagonal_matrix(ones({2, 2}));
                                     })}},
      {.op = "tril",
       .dtypes = kAll,
       .samples = {{"main", {in({3, 4})}, of([](auto& x) { return tril(x); })},
                   {"many", {in({2, 3, 3})}, of([](auto& x) { return tril(x, 1); })}}},
      {.op = "triu",
       .dtypes = kAll,
       .samples = {{"main", {in({4, 3})}, of([](auto& x) { return triu(x); })},
                   {"many", {in({2, 3, 3})}, of([](auto& x) { return triu(x, -1); })}}},
  };
}

std::vector<Row> join_rows() {
  const std::string beside = "concat: inputs 0 and 1 differ beside axis 1: ";
  return {
      {.op = "concat",
       .dtypes = kAll,
       .samples = {{"last",
                    {in({2, 3}), in({2, 1})},
                    [](const Tensors& x) -> Tensors { return concat(x); }},
                   {"first",
                    {in({1, 3}), in({0, 3}), in({2, 3})},
                    [](const Tensors& x) -> Tensors { return concat(x, 0); }},
                   {"middle",
                    {in({2, 1, 3}), in({2, 4, 3})},
                    [](const Tensors& x) -> Tensors { return concat(x, 1); }},
                   {"one", {in({2, 3})}, [](const Tensors& x) -> Tensors { return concat(x); }},
                   {"long",
                    {in({33, 17}), in({33, 64})},
                    [](const Tensors& x) -> Tensors { return concat(x); }}},
       .errors = {throws<ShapeError>(beside + "f32[2, 3] and f32[3, 3]",
                                     [] {
                                       concat({ones({2, 3}), ones({3, 3})});
                                     }),
                  throws<ShapeError>(beside + "f32[2, 3] and f32[2]",
                                     [] {
                                       concat({ones({2, 3}), ones({2})});
                                     }),
                  throws<ValueError>("concat: expected at least one tensor",
                                     [] { concat(Tensors()); }),
                  throws<IndexError>(
                      "concat: axis -1 out of range for rank 0\n  hint: the operand is []",
                      [] {
                        concat({ones({}), ones({})});
                      })}},
      {.op = "stack",
       .dtypes = kAll,
       .samples = {{"front",
                    {in({2, 3}), in({2, 3})},
                    [](const Tensors& x) -> Tensors { return stack(x); }},
                   {"back",
                    {in({2, 3}), in({2, 3})},
                    [](const Tensors& x) -> Tensors { return stack(x, -1); }},
                   {"numbers",
                    {in({}), in({})},
                    [](const Tensors& x) -> Tensors { return stack(x); }}},
       .errors = {throws<ShapeError>("stack: parts 0 and 1 differ: [2] and [3]",
                                     [] {
                                       stack({ones({2}), ones({3})});
                                     })}},
      {.op = "split",
       .dtypes = kAll,
       .samples = {{"equal", {in({2, 6})}, [](const Tensors& x) { return split(x[0], 3); }},
                   {"sizes",
                    {in({5, 2})},
                    [](const Tensors& x) {
                      return split_sizes(x[0], {1, 0, 4}, 0);
                    }}},
       .errors = {throws<ShapeError>("split: axis -1 of [2, 5] does not divide into 2 equal parts\n"
                                     "  hint: split_sizes takes the sizes",
                                     [] {
                                       split(ones({2, 5}), 2);
                                     }),
                  throws<ShapeError>("split: the parts have 4 elements together, axis 1 of [2, 5] "
                                     "has 5",
                                     [] {
                                       split_sizes(ones({2, 5}), {1, 3}, 1);
                                     })}},
      {.op = "tile",
       .dtypes = kAll,
       .samples = {{"short", {in({2, 3})}, of([](auto& x) { return tile(x, {2}); })},
                   {"long", {in({2})}, of([](auto& x) {
                      return tile(x, {2, 1, 3});
                    })},
                   {"never", {in({2})}, of([](auto& x) { return tile(x, {0}); })}}},
      {.op = "repeat",
       .dtypes = kAll,
       .samples = {{"rows", {in({2, 3})}, of([](auto& x) { return repeat(x, 2, 0); })},
                   {"columns", {in({2, 3})}, of([](auto& x) { return repeat(x, 3, -1); })}},
       .errors = {throws<ShapeError>("repeat: cannot repeat -1 times",
                                     [] { repeat(ones({2}), -1, 0); })}},
  };
}

std::vector<Row> made_rows() {
  return {
      {.op = "arange",
       .dtypes = kNumbers,
       .samples = {{"added",
                    {in({5})},
                    [](const Tensors& x) -> Tensors {
                      return x[0] + arange(2, 12, 2, {.dtype = x[0].dtype()});
                    }}},
       .errors = {throws<ValueError>("arange: step: expected a number other than 0",
                                     [] { arange(0, 5, 0); })}},
      {.op = "full_like",
       .dtypes = kAll,
       .samples = {{"one",
                    {in({2, 3}).fixed()},
                    of([](auto& x) { return full_like(x, 1); }),
                    [](const Plains& x) -> Plains {
                      return {{x[0].shape, std::vector<double>(x[0].v.size(), 1)}};
                    }}},
       .errors = {throws<ShapeError>("full: value: expected one element, got shape [2]",
                                     [] {
                                       full({3}, tensor({1.f, 2.f}));
                                     })}},
  };
}

}  // namespace

std::vector<Row> shape_samples() {
  std::vector<Row> rows;
  for (auto family : {form_rows, order_rows, cut_rows, join_rows, made_rows}) {
    for (Row& row : family()) rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace varve::samples
