// From a row's sample to tensors: elements, memory layouts, and how results are compared.
#pragma once
#include <string>
#include <vector>

#include "samples.h"

namespace varve::samples {

/// The inputs of a sample, those without a type of their own in `dtype`; always the same elements.
Tensors make_inputs(const Row& row, const Sample& sample, DType dtype);
/// Whether any input takes the type under test.
bool takes_type(const Sample& sample);
const std::vector<DType>& dtypes_of(const Row& row, const Sample& sample);
Tensors run(const Row& row, const Sample& sample, const Tensors& inputs);
bool skipped(const Row& row, Check check);

/// A tensor of the given numbers, converted; integers wrap.
Tensor from_doubles(const std::vector<double>& v, const Shape& shape, DType dtype);
Plain plain(const Tensor& x);
Plains plain(const Tensors& x);
/// Floating tensors in f64, the others as they are.
Tensors widened(const Tensors& x);

/// Ways for equal elements to lie in memory. What lies between them is NaN.
enum class Lying { reversed_axes, backwards, gaps, misaligned, repeated };
inline constexpr Lying kLyings[] = {Lying::reversed_axes, Lying::backwards, Lying::gaps,
                                    Lying::misaligned, Lying::repeated};
const char* name_of(Lying lying);
/// The elements of x lying so; `repeated` has the first element of the last axis everywhere.
Tensor laid_out(const Tensor& x, Lying lying);

/// Expected values of a sample's outputs and how far results may be from them.
struct Expected {
  Plains values;
  std::vector<std::vector<double>> magnitudes;  ///< the formula on absolute values, where sums
  double terms = 0;
};
/// By the row's formula; without one by the call itself in f64 on the reference kernels.
Expected expect(const Row& row, const Sample& sample, const Tensors& inputs);
/// The first difference beyond `factor` times the tolerance, in words; empty where there is none.
std::string difference(const Tensors& got, const Expected& expected, const Tolerance& tolerance,
                       double factor = 1);
/// Every bit of two results is the same (NaN equals NaN).
std::string bit_difference(const Tensors& got, const Tensors& expected);

/// A golden case: tests/golden/*.json.
struct Golden {
  std::string file, op, sample;
  std::vector<Tensor> inputs;
  Plains outputs;
};
const std::vector<Golden>& golden_cases();

/// What the suite counted: printed when it ends.
struct Counts {
  int64_t gradchecks = 0, second_order = 0, transposes = 0, forward = 0, special = 0;
};
Counts& counts();

}  // namespace varve::samples
