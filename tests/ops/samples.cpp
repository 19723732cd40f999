#include "samples.h"

#include "ops/build.h"

namespace varve::samples {

const std::vector<Row>& all_rows() {
  static const std::vector<Row> rows = [] {
    std::vector<Row> all;
    // One line a family.
    for (auto family : {
             pointwise_samples,
             reduction_samples,
             shape_samples,
             indexing_samples,
             product_samples,
             normalization_samples,
             loss_samples,
             activation_samples,
             sequence_samples,
             spatial_samples,
             region_samples,
             contraction_samples,
             fourier_samples,
             linalg_samples,
             sparse_samples,
         }) {
      for (Row& row : family()) all.push_back(std::move(row));
    }
    return all;
  }();
  return rows;
}

const Row* row_of(std::string_view op) {
  for (const Row& r : all_rows()) {
    if (r.op == op) return &r;
  }
  return nullptr;
}

Call node(const char* op) {
  return [op](const Tensors& x) -> Tensors { return ir::apply(ops::get(op), x.list()); };
}

std::string text_without_place(const Error& e) {
  return e.hint().empty() ? e.message() : e.message() + "\n  hint: " + e.hint();
}

namespace {

/// Row-major position in an operand of the element at `index` of the broadcast result.
size_t position(const Shape& operand, const std::vector<int64_t>& index) {
  int64_t at = 0;
  const size_t skip = index.size() - static_cast<size_t>(operand.rank());
  for (int a = 0; a < operand.rank(); ++a) {
    const int64_t n = operand[a];
    at = at * n + (n == 1 ? 0 : index[skip + static_cast<size_t>(a)]);
  }
  return static_cast<size_t>(at);
}

template <class F>
Plains broadcast(const Plains& x, F f) {
  Plain y;
  for (const Plain& p : x) y.shape = ops::broadcast_shapes("reference", y.shape, p.shape);
  std::vector<int64_t> index(static_cast<size_t>(y.shape.rank()), 0);
  for (int64_t n = 0; n < y.shape.size(); ++n) {
    y.v.push_back(f(index));
    for (size_t a = index.size(); a-- > 0;) {
      if (++index[a] < y.shape.dims()[a]) break;
      index[a] = 0;
    }
  }
  return {y};
}

}  // namespace

Reference each(double (*f)(double)) {
  return [f](const Plains& x) -> Plains {
    Plain y = x[0];
    for (double& v : y.v) v = f(v);
    return {y};
  };
}

Reference each(double (*f)(double, double)) {
  return [f](const Plains& x) {
    return broadcast(x, [&](const std::vector<int64_t>& i) {
      return f(x[0][position(x[0].shape, i)], x[1][position(x[1].shape, i)]);
    });
  };
}

Reference each(double (*f)(double, double, double)) {
  return [f](const Plains& x) {
    return broadcast(x, [&](const std::vector<int64_t>& i) {
      return f(x[0][position(x[0].shape, i)], x[1][position(x[1].shape, i)],
               x[2][position(x[2].shape, i)]);
    });
  };
}

}  // namespace varve::samples
