// Conformance cases in ONNX's own layout: model.onnx and test_data_set_N/{input,output}_M.pb.
#pragma once
#include <string>
#include <vector>

#include "io/onnx/value.h"

namespace varve::io::onnx {

struct Verdict {
  enum class Status : uint8_t { pass, fail, unsupported };
  std::string name;
  Status status = Status::pass;
  std::string reason;
  double max_abs_diff = 0, max_rel_diff = 0;
};
/// "pass", "fail", "unsupported".
const char* name_of(Verdict::Status status);

/// |got - expected| <= absolute + relative |expected|, element by element; NaN equals NaN and
/// infinities themselves.
struct Tolerance {
  double relative = 1e-3, absolute = 1e-7;
};

/// The folders of cases: the folder itself where it holds a model.onnx, else those below it, in
/// order. Throws IoError where there are none.
std::vector<std::string> find_cases(const std::string& folder);
/// Runs a case on all its data sets. Never throws for what is wrong with the case.
Verdict run_case(const std::string& folder, const Tolerance& tolerance = {});
/// The largest difference between elements, by the largest number expected; infinite where a shape
/// or what is not finite differs.
double distance(const Tensor& expected, const Tensor& got);
/// Holds two values against each other: what differs, empty for nothing; adds to the differences.
std::string difference(const Value& expected, const Value& got, const Tolerance& tolerance,
                       Verdict& verdict);

}  // namespace varve::io::onnx
