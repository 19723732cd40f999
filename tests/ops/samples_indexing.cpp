// Rows of gather and scatter, order and running ops. Their values are NumPy's
// (tests/golden/indexing.json); types, layouts and derivatives are held against the same call in
// f64.
#include <cmath>

#include "ops/build.h"
#include "samples.h"
#include "varve/ops/indexing.h"

namespace varve::samples {
namespace {

using Gather = Tensor (*)(const Operand&, const Operand&, int);
using Scatter = Tensor (*)(const Operand&, const Operand&, const Operand&, int);

Call at(Gather f, int axis) {
  return [=](const Tensors& x) -> Tensors { return f(x[0], x[1], axis); };
}
Call at(Scatter f, int axis) {
  return [=](const Tensors& x) -> Tensors { return f(x[0], x[1], x[2], axis); };
}

/// The text of the fault that computing a tensor meets.
template <class F>
ErrorCase faults(std::string text, F f) {
  return throws<IndexError>(std::move(text), [f] { f().evaluate(); });
}

Tensor ints(std::initializer_list<int64_t> list) { return tensor(list); }

std::vector<Row> gather_rows() {
  const Tensor x = ones({10, 2});
  return {
      {.op = "take",
       .dtypes = kAll,
       .samples = {{"rows", {in({4, 3}), given({2}, {2, -4}, i64)}, at(take, 0)},
                   {"columns", {in({2, 3, 4}), given({2, 2}, {0, 2, -1, 1}, i32)}, at(take, 1)},
                   {"last", {in({3, 5}), given({4}, {4, 4, 0, 1}, u8)}, at(take, -1)},
                   {"one", {in({3, 5}), given({}, {-1}, i16)}, at(take, 0)},
                   {"none", {in({3, 5}), given({0}, {}, i8)}, at(take, 0)},
                   {"of nothing", {in({0, 5}), given({0, 2}, {}, u32)}, at(take, 0)},
                   {"many", {in({129, 33}), index({77}, 129, u16)}, at(take, 0)}},
       .errors =
           {faults("take: index[1] = 10, expected 0..9",
                   [x] {
                     return take(x, ints({9, 10}), 0);
                   }),
            faults("take: index[0] = -11, expected -10..9",
                   [x] { return take(x, ints({-11}), 0); }),
            throws<IndexError>(
                "take: axis 2 out of range for rank 2 (-2..1)\n  hint: the operand is [10, 2]",
                [x] { take(x, 0, 2); }),
            throws<DTypeError>("take: indices: expected integers, got f32",
                               [x] { take(x, 0.5, 0); }),
            throws<DTypeError>("take: indices: expected integers, got bool\n"
                               "  hint: index(x, {mask}) selects by a mask",
                               [x] {
                                 take(x, tensor({true, false}), 0);
                               })}},
      {.op = "take_mode",
       .dtypes = kAll,
       .samples = {{"clip",
                    {in({4, 3}), given({3}, {2, -4, 7}, i64)},
                    [](const Tensors& t) -> Tensors { return take(t[0], t[1], 0, "clip"); }},
                   {"wrap",
                    {in({4, 3}), given({3}, {2, -5, 9}, i64)},
                    [](const Tensors& t) -> Tensors { return take(t[0], t[1], 0, "wrap"); }}}},
      {.op = "reverse_sequence",
       .dtypes = kAll,
       .samples = {{"batch first",
                    {in({3, 4, 2}), given({3}, {2, 0, 4}, i64)},
                    [](const Tensors& t) -> Tensors { return reverse_sequence(t[0], t[1]); }},
                   {"time first",
                    {in({4, 3}), given({3}, {1, 3, 4}, i64)},
                    [](const Tensors& t) -> Tensors {
                      return reverse_sequence(t[0], t[1], {.time_axis = 0, .batch_axis = 1});
                    }}},
       .errors = {faults("take_along_axis: index[0] = 2, expected 0..1",
                         [x] {
                           return reverse_sequence(x, ints({3, 1, 1, 1, 1, 1, 1, 1, 1, 1}));
                         }),
                  throws<ShapeError>(
                      "reverse_sequence: lengths: expected integers [10], got f32[3]",
                      [x] { reverse_sequence(x, ones({3})); }),
                  throws<ValueError>("reverse_sequence: time_axis and batch_axis are both 0",
                                     [x] { reverse_sequence(x, ints({1}), {.time_axis = 0}); })}},
      {.op = "embedding",
       .call = [](const Tensors& x) -> Tensors { return embedding(x[0], x[1]); },
       .dtypes = kAll,
       .samples = {{"rows", {in({4, 3}), given({2, 2}, {2, 0, 0, 3}, i64)}}},
       .errors = {faults("take: index[1] = -1, expected 0..9",
                         [x] {
                           return embedding(x, ints({9, -1}));
                         })}},
      {.op = "take_along_axis",
       .dtypes = kAll,
       .samples = {{"rows", {in({3, 2}), given({1, 2}, {2, -3}, i64)}, at(take_along_axis, 0)},
                   {"columns",
                    {in({2, 4}), given({2, 3}, {0, 3, 3, -1, 1, 0}, i32)},
                    at(take_along_axis, 1)},
                   {"broadcast", {in({2, 4}), given({1, 2}, {3, 1}, i64)}, at(take_along_axis, 1)}},
       .errors = {throws<ShapeError>(
                      "take_along_axis: x and indices are of different rank: [10, 2] and [2]",
                      [x] {
                        take_along_axis(x, ints({1, 2}), 0);
                      }),
                  throws<ShapeError>("take_along_axis: shapes do not broadcast: [1, 2] and [1, 3] "
                                     "differ in axis -1 (2 and 3)",
                                     [x] {
                                       take_along_axis(x, zeros({1, 3}, i64), 0);
                                     }),
                  faults("take_along_axis: index[1] = 10, expected 0..9",
                         [x] {
                           return take_along_axis(x, reshape(ints({9, 10}), {1, 2}), 0);
                         })}},
      {.op = "gather_nd",
       .call = [](const Tensors& x) -> Tensors { return gather_nd(x[0], x[1]); },
       .dtypes = kAll,
       .samples = {{"rows", {in({3, 2, 2}), given({2, 1}, {2, -3}, i64)}},
                   {"pairs", {in({3, 2, 2}), given({2, 2}, {2, 1, 0, -1}, i64)}},
                   {"elements", {in({3, 4}), given({2, 1, 2}, {2, 3, 0, 1}, u8)}},
                   {"whole", {in({3, 4}), given({2, 0}, {}, i64)}}},
       .errors =
           {throws<ShapeError>(
                "gather_nd: indices [2, 3]: expected a last axis of 0..2 positions in [10, 2]",
                [x] {
                  gather_nd(x, zeros({2, 3}, i64));
                }),
            faults("gather_nd: index[3] = 2, expected 0..1",
                   [x] {
                     return gather_nd(x, reshape(ints({9, 1, 0, 2}), {2, 2}));
                   })}},
  };
}

// Element 2 is named three times.
In named_rows() { return given({4}, {2, 0, -3, 2}, i64); }

Row reduced(const char* op, const char* mode_name, double low) {
  const ScatterMode mode = ScatterMode::parse(mode_name);
  const In rows = named_rows(), along = given({3, 2}, {3, 0, 1, 1, -1, 3}, i32),
           pairs = given({3, 2}, {2, 1, 0, -1, 2, 1}, i64);
  const Call take_form = [mode](const Tensors& x) -> Tensors {
    return scatter_reduce(x[0], x[1], x[2], 0, mode);
  };
  return {
      .op = op,
      .dtypes = kNumbers,
      .samples = {{"rows", {in({5, 3}, low, 2), rows, in({4, 3}, low, 2)}, take_form},
                  {"along",
                   {in({3, 4}, low, 2), along, in({3, 2}, low, 2)},
                   [mode](const Tensors& x) -> Tensors {
                     return scatter_reduce_along_axis(x[0], x[1], x[2], 1, mode);
                   }},
                  {"tuples",
                   {in({3, 2, 2}, low, 2), pairs, in({3, 2}, low, 2)},
                   [mode](const Tensors& x) -> Tensors {
                     return scatter_nd_reduce(x[0], x[1], x[2], mode);
                   }},
                  {"nothing", {in({2, 3}, low, 2), given({0}, {}, i64), in({0, 3})}, take_form}},
      .errors = {throws<ValueError>("scatter: mode: expected set, add, multiply, max or min",
                                    [] { ScatterMode::parse("mul"); })}};
}

std::vector<Row> scatter_rows() {
  const In rows = named_rows(), along = given({3, 2}, {3, 0, 1, 1, -1, 3}, i32),
           pairs = given({3, 2}, {2, 1, 0, -1, 2, 1}, i64);
  auto nd = [](auto f) -> Call {
    return [f](const Tensors& x) -> Tensors { return f(x[0], x[1], x[2]); };
  };
  const Tensor x = ones({5, 2});
  return {
      {.op = "scatter_add",
       .dtypes = kNumbers,
       .tolerance = {.sums = true},
       .samples = {{"rows", {in({5, 3}), rows, in({4, 3})}, at(scatter_add, 0)},
                   {"last", {in({2, 5}), rows, in({2, 4})}, at(scatter_add, -1)},
                   {"empty", {in({0, 5, 3}), rows, in({0, 4, 3})}, at(scatter_add, 1)},
                   {"broadcast", {in({5, 3}), rows, in({3})}, at(scatter_add, 0)},
                   {"along", {in({3, 4}), along, in({3, 2})}, at(scatter_add_along_axis, 1)},
                   {"tuples", {in({3, 2, 2}), pairs, in({3, 2})}, nd(scatter_nd_add)},
                   {"many", {in({17, 3}), index({301}, 17), in({301, 3})}, at(scatter_add, 0)}},
       .errors = {faults("scatter_add: index[0] = 5, expected 0..4",
                         [x] { return scatter_add(x, ints({5}), 1, 0); }),
                  throws<ShapeError>("scatter_add: updates: expected [1, 2], got [3]\n"
                                     "  hint: x is [5, 2], indices are [1]",
                                     [x] { scatter_add(x, ints({0}), ones({3}), 0); })}},
      {.op = "scatter_set",
       .dtypes = kAll,
       .samples = {{"rows", {in({5, 3}), rows, in({4, 3})}, at(scatter_set, 0)},
                   {"last", {in({2, 5}), rows, in({2, 4})}, at(scatter_set, -1)},
                   {"empty", {in({0, 5, 3}), rows, in({0, 4, 3})}, at(scatter_set, 1)},
                   {"along", {in({3, 4}), along, in({3, 2})}, at(scatter_set_along_axis, 1)},
                   {"tuples", {in({3, 2, 2}), pairs, in({3, 2})}, nd(scatter_nd_set)}},
       .errors = {throws<ShapeError>("scatter_nd_set: indices [3]: expected a last axis of 0..2 "
                                     "positions in [5, 2]",
                                     [x] {
                                       scatter_nd_set(x, ints({0, 1, 2}), 1);
                                     })}},
      reduced("scatter_multiply", "multiply", 0.5),
      reduced("scatter_max", "max", -2),
      reduced("scatter_min", "min", -2),
      {.op = "segment_sum",
       .dtypes = kNumbers,
       .tolerance = {.sums = true},
       .samples = {{"rows",
                    {in({4, 3}), given({4}, {2, 0, 2, 2}, i64)},
                    [](const Tensors& t) -> Tensors { return segment_sum(t[0], t[1], 4); }}},
       .errors = {throws<ShapeError>("segment_sum: x is [5, 2], segments [4], count 3\n"
                                     "  hint: expected x [n, ...], segments [n], count 0 or more",
                                     [x] {
                                       segment_sum(x, ints({0, 1, 2, 0}), 3);
                                     }),
                  faults("scatter_add: index[4] = 3, expected 0..2",
                         [x] {
                           return segment_sum(x, ints({0, 1, 2, 0, 3}), 3);
                         })}},
  };
}

const std::vector<Skip> kPlaces = {{Check::reverse, "it gives places"},
                                   {Check::forward, "it gives places"},
                                   {Check::second_order, "it gives places"}};

std::vector<Row> place_rows() {
  const double nan = std::nan(""), inf = INFINITY;
  auto argsorted = [](SortOptions o) -> Call {
    return [o](const Tensors& x) -> Tensors { return argsort(x[0], o); };
  };
  auto sorted = [](SortOptions o) -> Call {
    return [o](const Tensors& x) -> Tensors { return sort(x[0], o); };
  };
  auto top = [](int64_t k, int axis) -> Call {
    return [=](const Tensors& x) -> Tensors {
      const TopKResult r = top_k(x[0], k, {.axis = axis});
      return {r.values, r.indices};
    };
  };
  auto search = [](bool right) -> Call {
    return
        [right](const Tensors& x) -> Tensors { return searchsorted(x[0], x[1], {.right = right}); };
  };
  auto distinct_slices = [](int axis, int64_t size) -> Call {
    return [=](const Tensors& x) -> Tensors {
      const UniqueResult r = unique(x[0], {.size = size, .axis = axis});
      return {r.values, r.inverse, r.counts, r.count, r.first};
    };
  };
  const In table = given({4, 3}, {1, 2, 1, 0, 5, 0, 1, 2, 1, 0, 3, 0});
  // Ties everywhere: stability shows.
  const In ties = given({3, 5}, {1, 0, 1, 0, 1, 2, 2, 2, 2, 2, 0, 1, 0, 1, 0}, i32);
  const In odd = given({7}, {1, nan, -inf, inf, -0., 0, nan}).fixed();
  return {
      {.op = "one_hot",
       .samples = {{"last",
                    {given({2, 2}, {0, 2, 1, 2}, i64)},
                    [](const Tensors& x) -> Tensors { return one_hot(x[0], 3); }},
                   {"first",
                    {given({3}, {0, 2, 1}, u8)},
                    [](const Tensors& x) -> Tensors {
                      return one_hot(x[0], 4, {.axis = 0, .dtype = i32});
                    }},
                   {"none",
                    {given({0}, {}, u8)},
                    [](const Tensors& x) -> Tensors { return one_hot(x[0], 4); }}},
       .errors = {faults("one_hot: index[2] = 10, expected 0..9",
                         [] {
                           return one_hot(ints({1, 2, 10}), 10);
                         }),
                  faults("one_hot: index[0] = -1, expected 0..9",
                         [] { return one_hot(ints({-1}), 10); }),
                  throws<ShapeError>("one_hot: classes: expected 0 or more, got -1",
                                     [] { one_hot(ints({1}), -1); }),
                  throws<DTypeError>("one_hot: indices: expected integers, got f32",
                                     [] { one_hot(ones({2}), 3); })}},
      {.op = "argsort",
       .dtypes = kAll,
       .samples = {{"last", {in({3, 5})}, argsorted({})},
                   {"first", {in({5, 3})}, argsorted({.axis = 0})},
                   {"descending", {in({3, 5})}, argsorted({.descending = true})},
                   {"ties", {ties}, argsorted({})},
                   {"ties descending", {ties}, argsorted({.descending = true})},
                   {"odd", {odd}, argsorted({}), {}, kFloating},
                   {"long", {in({1009})}, argsorted({})},
                   {"nothing", {in({2, 0})}, argsorted({})}},
       .skips = kPlaces},
      {.op = "sort",
       .dtypes = kAll,
       .samples = {{"last", {in({3, 5})}, sorted({})},
                   {"first", {in({5, 3})}, sorted({.axis = 0})},
                   {"descending", {in({3, 5})}, sorted({.descending = true})},
                   {"odd", {odd}, sorted({}), {}, kFloating}},
       .errors = {throws<IndexError>(
           "sort: axis -1 out of range for rank 0\n  hint: the operand is []",
           [] { sort(ones({})); })}},
      {.op = "top_k",
       .dtypes = kAll,
       .samples = {{"last", {in({3, 5})}, top(2, -1)},
                   {"first", {in({5, 3})}, top(3, 0)},
                   {"all", {in({4})}, top(4, 0)},
                   {"none", {in({4})}, top(0, 0)},
                   {"ties", {ties}, top(3, -1)}},
       .errors = {throws<ValueError>("top_k: k: expected 0..3 (axis 0 of [3]), got 4",
                                     [] { top_k(ones({3}), 4); })}},
      {.op = "argsort_rows",
       .call = call(argsort_rows),
       .dtypes = kAll,
       .samples = {{"rows", {given({5, 2}, {1, 2, 0, 5, 1, 1, 0, 5, 1, 2}, i64)}},
                   {"many", {in({33, 3})}},
                   {"nothing", {in({3, 0})}}},
       .errors = {throws<ShapeError>("argsort_rows: expected rows [n, ...], got a scalar",
                                     [] { argsort_rows(ones({})); })},
       .skips = kPlaces},
      {.op = "searchsorted",
       .dtypes = kAll,
       .samples = {{"left", {given({5}, {0, 1, 1, 1, 4}), in({3, 4}, 0, 5)}, search(false)},
                   {"right", {given({5}, {0, 1, 1, 1, 4}), in({3, 4}, 0, 5)}, search(true)},
                   {"in nothing", {in({0}), in({3})}, search(false)}},
       .errors = {throws<ShapeError>("searchsorted: sorted: expected one axis, got [2, 2]",
                                     [] {
                                       searchsorted(ones({2, 2}), 1);
                                     })},
       .skips = kPlaces},
      {.op = "nonzero",
       .dtypes = kAll,
       .samples = {{"room left",
                    {given({2, 3}, {0, 2, 0, 1, 0, 3})},
                    [](const Tensors& x) -> Tensors {
                      const NonzeroResult r = nonzero(x[0], {.size = 5});
                      return {r.indices, r.count};
                    }},
                   {"no room",
                    {given({2, 3}, {0, 2, 0, 1, 0, 3})},
                    [](const Tensors& x) -> Tensors {
                      const NonzeroResult r = where(x[0], {.size = 2});
                      return {r.indices, r.count};
                    }}},
       .errors = {throws<ValueError>("nonzero: size: expected 0 or more, got -1",
                                     [] { nonzero(ones({2}), {.size = -1}); })},
       .skips = kPlaces},
      {.op = "unique",
       .dtypes = kAll,
       .samples = {{"room left",
                    {given({2, 3}, {3, 2, 3, 1, 2, 3})},
                    [](const Tensors& x) -> Tensors {
                      const UniqueResult r = unique(x[0], {.size = 5});
                      return {r.values, r.inverse, r.counts, r.count};
                    }},
                   {"no room",
                    {given({2, 3}, {3, 2, 3, 1, 2, 3})},
                    [](const Tensors& x) -> Tensors {
                      const UniqueResult r = unique(x[0], {.size = 2});
                      return {r.values, r.inverse, r.counts, r.count, r.first};
                    }}},
       .skips = kPlaces},
      {.op = "unique_slices",
       .dtypes = kAll,
       .samples = {{"rows", {table}, distinct_slices(0, 6)},
                   {"columns", {table}, distinct_slices(1, 3)}},
       .skips = kPlaces},
  };
}

std::vector<Sample> cumulative(Tensor (*f)(const Operand&, const CumulativeOptions&), double low,
                               double high) {
  std::vector<Sample> out;
  auto add = [&](std::string name, Shape shape, CumulativeOptions o) {
    out.push_back({std::move(name),
                   {in(std::move(shape), low, high)},
                   [f, o](const Tensors& x) -> Tensors { return f(x[0], o); }});
  };
  add("last", {2, 5}, {});
  add("first", {5, 2}, {.axis = 0});
  add("reverse", {2, 5}, {.reverse = true});
  add("exclusive", {3, 4, 2}, {.axis = 1, .exclusive = true});
  add("both", {2, 5}, {.reverse = true, .exclusive = true});
  add("long", {257}, {});
  add("nothing", {2, 0}, {});
  return out;
}

std::vector<Sample> extremes(Tensor (*f)(const Operand&, const CumulativeOptions&)) {
  const auto over = [f](CumulativeOptions o) -> Call {
    return [=](const Tensors& x) -> Tensors { return f(x[0], o); };
  };
  return {{"last", {in({2, 5})}, over({})},
          {"first", {in({7, 2})}, over({.axis = 0})},
          {"reverse", {in({2, 6})}, over({.reverse = true})},
          {"nothing", {in({2, 0})}, over({})}};
}

std::vector<Row> running_rows() {
  return {{.op = "cumsum",
           .dtypes = kAll,
           .tolerance = {.sums = true},
           .samples = cumulative(cumsum, -2, 2)},
          {.op = "cumprod",
           .dtypes = kAll,
           .tolerance = {.ulp = 40},
           .samples = cumulative(cumprod, 0.9, 1.1),
           .errors = {throws<IndexError>(
               "cumprod: axis 1 out of range for rank 1 (-1..0)\n  hint: the operand is [3]",
               [] { cumprod(ones({3}), {.axis = 1}); })}},
          {.op = "cummax", .dtypes = kAll, .samples = extremes(cummax)},
          {.op = "cummin", .dtypes = kAll, .samples = extremes(cummin)}};
}

}  // namespace

std::vector<Row> indexing_samples() {
  std::vector<Row> rows;
  for (auto family : {gather_rows, scatter_rows, place_rows, running_rows}) {
    for (Row& row : family()) rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace varve::samples
