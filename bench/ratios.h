// Times kernels beside the least that others need for the same.
#pragma once
#include <functional>
#include <string>

namespace varve::bench {

/// `what`: "attention", the fused kernel beside nothing but its products of matrices, heads in
/// front, by the kernels that matmul would take; "recurrent", LSTM and GRU beside oneDNN's
/// primitives; or "winograd", 3x3 convolutions by Winograd's kernels beside the direct ones, with
/// the distances of both from double precision (root mean squares, as parts of that of the exact
/// results). One line for each of its shapes and passes, as print_ratio has it.
void print_ratios(const std::string& what, int threads, double min_time);

/// Runs both in turns for `min_time` seconds and prints a JSON line: {"name", "threads", "us",
/// "other_us", "ratio"}. The ratio of the first to the other is the median of that of neighbours,
/// the times are the least.
void print_ratio(const std::string& name, const std::function<void()>& one,
                 const std::function<void()>& other, int threads, double min_time);

/// The parts of print_ratios for "recurrent" and "winograd".
void print_recurrent(int threads, double min_time);
void print_winograd(int threads, double min_time);

}  // namespace varve::bench
