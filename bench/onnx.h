// Times models of others, read from ONNX files.
#pragma once
#include <string>

namespace varve::bench {

/// `folder`: one model in ONNX's layout of test cases (model.onnx, test_data_set_0/input_N.pb and
/// output_N.pb), or a folder of such. Prints a JSON line for each: {"name", "median_ms", "min_ms",
/// "first_step_ms", "distance"}, the last the largest one from the outputs that came with it, by
/// the largest number of each. bench/onnx_models.py times ONNX Runtime on the same files.
void print_onnx_times(const std::string& folder, double min_time);

}  // namespace varve::bench
