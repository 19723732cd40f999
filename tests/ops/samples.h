// One row an op drives every check (driver_test.cpp): reference kernels against a float64 formula
// and golden files, every backend against reference, all element types, strided inputs, first and
// second derivatives, text form, compiled against interpreted, error texts.
//
// A row, in tests/ops/samples_<family>.cpp (and one line in samples.cpp for a new family):
//
//     {.op = "softplus",
//      .call = call(softplus),
//      .reference = each([](double x) { return std::log1p(std::exp(x)); }),
//      .samples = {{"plain", {in({2, 3})}}, {"rank 0", {in({})}}, {"empty", {in({0, 3})}}}}
//
//     {.op = "sum",
//      .tolerance = {.sums = true},
//      .samples = {{"last axis", {in({2, 3})},
//                   [](const Tensors& x) -> Tensors { return sum(x[0], {.axes = {-1}}); },
//                   [](const Plains& x) -> Plains { ... }}},
//      .errors = {throws<IndexError>("sum: axis 2 out of range for rank 2 (-2..1)",
//                                    [] { sum(ones({2, 3}), {.axes = {2}}); })}}
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "varve/tensor.h"

namespace varve::samples {

/// How an input is made: `shape` filled with uniform values of [low, high] (integers where its type
/// is integral; clamped to 0 for unsigned ones), seeded by op, sample and position.
struct In {
  Shape shape;
  double low = -2, high = 2;
  bool typed = false;  ///< of type `dtype`; else of the type under test
  DType dtype = f64;
  std::vector<double> away = {};      ///< values keep 0.1 from these: kinks, poles, ties
  std::vector<double> elements = {};  ///< given ones, row-major, instead of random ones
  bool constant = false;              ///< no derivative is asked for by this input

  In from(double at) && { return away.push_back(at), std::move(*this); }
  In fixed() && { return constant = true, std::move(*this); }
};
/// Elements of the type under test; derivatives are checked where that is floating.
inline In in(Shape shape, double low = -2, double high = 2) {
  return {.shape = std::move(shape), .low = low, .high = high};
}
/// i64 (or i32 ...) indices 0 .. count - 1.
inline In index(Shape shape, int64_t count, DType dtype = i64) {
  return {.shape = std::move(shape),
          .low = 0,
          .high = double(count - 1),
          .typed = true,
          .dtype = dtype};
}
/// Random truth values.
inline In truth(Shape shape) {
  return {.shape = std::move(shape), .low = 0, .high = 1, .typed = true, .dtype = DType::bool_};
}
/// Given elements, of the type under test.
inline In given(Shape shape, std::vector<double> elements) {
  return {.shape = std::move(shape), .elements = std::move(elements)};
}
/// Given elements of a type of their own.
inline In given(Shape shape, std::vector<double> elements, DType dtype) {
  return {
      .shape = std::move(shape), .typed = true, .dtype = dtype, .elements = std::move(elements)};
}

/// Plain float64 arrays: what formulas are written on, row-major.
struct Plain {
  Shape shape;
  std::vector<double> v;
  double operator[](size_t i) const { return v[i]; }
  double& operator[](size_t i) { return v[i]; }
};
using Plains = std::vector<Plain>;

using Call = std::function<Tensors(const Tensors&)>;
/// The op's formula in float64. It may return fewer outputs than the call: the first ones.
using Reference = std::function<Plains(const Plains&)>;

/// Library functions of operands as calls.
inline Call call(Tensor (*f)(const Operand&)) {
  return [f](const Tensors& x) -> Tensors { return f(x[0]); };
}
inline Call call(Tensor (*f)(const Operand&, const Operand&)) {
  return [f](const Tensors& x) -> Tensors { return f(x[0], x[1]); };
}
inline Call call(Tensor (*f)(const Operand&, const Operand&, const Operand&)) {
  return [f](const Tensors& x) -> Tensors { return f(x[0], x[1], x[2]); };
}
/// The raw op (no attributes) where users have no function for it.
Call node(const char* op);

/// Elementwise formulas; two and three operands broadcast.
Reference each(double (*f)(double));
Reference each(double (*f)(double, double));
Reference each(double (*f)(double, double, double));

struct Sample {
  std::string name;  ///< distinct within its row; golden files name it
  std::vector<In> inputs;
  Call call = {};                  ///< empty: the row's
  Reference reference = {};        ///< empty: the row's
  std::vector<DType> dtypes = {};  ///< empty: the row's
};

/// How far a result may lie from the reference rounded to its type. Epsilon is that of the result's
/// type (of f32 where a backend computes halves in f32); integers and truth values agree exactly.
///   ulp * epsilon * |y|  +  largest * epsilon * max |y|
///   + where sums: 2 sqrt(K) epsilon * the call on absolute values, K = elements of the largest
///   input
struct Tolerance {
  double ulp = 4;
  double largest = 0;
  bool sums = false;
};

/// `text` is the whole text, hint line included, but for the line with the place.
struct ErrorCase {
  std::string text;
  std::function<std::string()> run;  ///< the text of what was thrown, or what happened instead
};
std::string text_without_place(const Error& e);
template <class E, class F>
ErrorCase throws(std::string text, F f) {
  return {std::move(text), [f]() -> std::string {
            try {
              f();
            } catch (const E& e) {
              return text_without_place(e);
            } catch (const Error& e) {
              return "another type of error: " + text_without_place(e);
            }
            return "no error";
          }};
}

enum class Check {
  reference,
  golden,
  backends,
  layouts,
  dtypes,
  reverse,
  forward,
  second_order,
  text,
  compiled
};
/// A check that a row does not take, with the reason.
struct Skip {
  Check check;
  const char* why;
};

inline const std::vector<DType> kFloating = {f16, bf16, f32, f64};
inline const std::vector<DType> kIntegers = {u8, i8, u16, i16, u32, i32, u64, i64};
/// All but bool.
inline const std::vector<DType> kNumbers = {u8,  i8,  u16, i16,  u32, i32,
                                            u64, i64, f16, bf16, f32, f64};
inline const std::vector<DType> kAll = {DType::bool_, u8,  i8,  u16,  i16, u32, i32,
                                        u64,          i64, f16, bf16, f32, f64};

struct Row {
  const char* op;  ///< of the op table, or a function made of ops
  Call call = {};
  Reference reference = {};  ///< empty: golden files, or the decomposition run in f64
  /// Every type the call takes; all others must be refused with a DTypeError.
  std::vector<DType> dtypes = kFloating;
  Tolerance tolerance = {};
  std::vector<Sample> samples = {};
  std::vector<ErrorCase> errors = {};
  std::vector<Skip> skips = {};
};

/// Every row, family by family.
const std::vector<Row>& all_rows();
/// The row of an op; null where it has none.
const Row* row_of(std::string_view op);
std::vector<Row> pointwise_samples();
std::vector<Row> reduction_samples();
std::vector<Row> shape_samples();
std::vector<Row> indexing_samples();
std::vector<Row> product_samples();
std::vector<Row> normalization_samples();
std::vector<Row> loss_samples();
std::vector<Row> activation_samples();
std::vector<Row> sequence_samples();
std::vector<Row> spatial_samples();
std::vector<Row> region_samples();
std::vector<Row> contraction_samples();
std::vector<Row> fourier_samples();
std::vector<Row> linalg_samples();
std::vector<Row> sparse_samples();

}  // namespace varve::samples
