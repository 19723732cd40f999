#include "onnx.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "formats/onnx.h"
#include "io/onnx/conformance.h"
#include "timing.h"
#include "varve/error.h"
#include "varve/onnx.h"

namespace varve::bench {
namespace {

using Values = std::map<std::string, Tensor>;

/// What lies in PREFIX0.pb and so on, by the names of the ports, as long as there are files.
Values read(const std::string& prefix, const std::vector<formats::onnx::ValueInfo>& ports) {
  Values out;
  for (const formats::onnx::ValueInfo& port : ports) {
    const std::string file = prefix + std::to_string(out.size()) + ".pb";
    if (!std::filesystem::exists(file)) break;
    out[port.name] = io::onnx::value_of(formats::onnx::read_datum(file, port.type)).tensor;
  }
  return out;
}

double distance(const Values& expected, const Values& got) {
  double worst = 0;
  for (const auto& [name, tensor] : expected)
    worst = std::max(worst, io::onnx::distance(tensor, got.at(name)));
  return worst;
}

}  // namespace

void print_onnx_times(const std::string& folder, double min_time) {
  for (const std::string& path : io::onnx::find_cases(folder)) {
    const std::string file = path + "/model.onnx", set = path + "/test_data_set_0/";
    const formats::onnx::Model read_model = formats::onnx::read_model(file);
    std::vector<formats::onnx::ValueInfo> given;  // what has a default is not
    for (const formats::onnx::ValueInfo& v : read_model.graph.inputs) {
      const auto& defaults = read_model.graph.initializers;
      if (std::none_of(defaults.begin(), defaults.end(),
                       [&](const auto& t) { return t.name == v.name; }))
        given.push_back(v);
    }
    const Values inputs = read(set + "input_", given),
                 expected = read(set + "output_", read_model.graph.outputs);
    if (expected.empty()) throw IoError(set + "output_0.pb: there is nothing to compare with");
    const onnx::Model model = onnx::load(file);
    Values got;
    const Timing t = time_steps(
        [&] {
          got = model.run(inputs);
          for (auto& [name, tensor] : got) tensor.evaluate();
        },
        min_time);
    const nlohmann::ordered_json line = {{"name", std::filesystem::path(path).filename().string()},
                                         {"median_ms", t.median * 1e3},
                                         {"min_ms", t.least * 1e3},
                                         {"first_step_ms", t.first * 1e3},
                                         {"distance", distance(expected, got)}};
    std::printf("%s\n", line.dump().c_str());
    std::fflush(stdout);
  }
}

}  // namespace varve::bench
