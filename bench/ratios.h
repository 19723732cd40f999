// Times kernels beside the products of matrices that they contain.
#pragma once
#include <string>

namespace varve::bench {

/// `what`: "attention". For each of its shapes and passes a JSON line: {"name", "threads",
/// "kernel_us", "products_us", "ratio"}: the fused kernel beside nothing but its products of
/// matrices, heads in front, by the kernels that matmul would take. Both are timed in turns; the
/// ratio is the median of that of neighbours, the times are the least.
void print_ratios(const std::string& what, int threads, double min_time);

}  // namespace varve::bench
