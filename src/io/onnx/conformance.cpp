#include "io/onnx/conformance.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <set>

#include "base/error.h"
#include "formats/file.h"
#include "io/onnx/program.h"

namespace varve::io::onnx {
namespace {

namespace fs = std::filesystem;

constexpr int kMaxDepth = 8;

void add_cases(const fs::path& folder, int depth, std::vector<std::string>& cases) {
  if (formats::file_exists((folder / "model.onnx").string())) {
    cases.push_back(folder.string());
    return;
  }
  if (depth == kMaxDepth) return;
  std::vector<fs::path> below;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.is_directory(error)) below.push_back(entry.path());
  }
  std::sort(below.begin(), below.end());
  for (const fs::path& p : below) add_cases(p, depth + 1, cases);
}

// Numbers of these ops are their own: ONNX does not say which.
bool draws(const std::vector<Node>& nodes) {
  static const std::set<std::string> random = {"Bernoulli",     "Multinomial",
                                               "RandomNormal",  "RandomNormalLike",
                                               "RandomUniform", "RandomUniformLike"};
  for (const Node& n : nodes) {
    if (random.contains(n.op)) return true;
    for (const Attribute& a : n.attributes) {
      for (const auto& g : a.graphs) {
        if (draws(g->nodes)) return true;
      }
    }
  }
  return false;
}

std::string shown_type(const Value& v) {
  switch (v.kind) {
    case Value::Kind::none:
      return "nothing";
    case Value::Kind::sequence:
      return "a sequence of " + std::to_string(v.items->size());
    default:
      return std::string(formats::onnx::name_of(v.type)) + v.shape().to_string();
  }
}

std::string type_difference(const Value& expected, const Value& got) {
  const bool same = expected.kind == got.kind &&
                    (expected.kind == Value::Kind::none || expected.type == got.type ||
                     expected.kind == Value::Kind::sequence);
  if (same && (expected.kind == Value::Kind::none || expected.kind == Value::Kind::sequence ||
               expected.shape() == got.shape())) {
    return {};
  }
  return "expected " + shown_type(expected) + ", got " + shown_type(got);
}

std::string element_difference(const Tensor& expected, const Tensor& got,
                               const Tolerance& tolerance, Verdict& verdict) {
  const std::vector<double> e = expected.to_doubles(), g = got.to_doubles();
  size_t wrong = 0, first = 0;
  for (size_t i = 0; i < e.size(); ++i) {
    if (e[i] == g[i] || (std::isnan(e[i]) && std::isnan(g[i]))) continue;
    const double apart = std::fabs(g[i] - e[i]);
    const bool finite = std::isfinite(apart);
    const double infinite = std::numeric_limits<double>::infinity();
    verdict.max_abs_diff = std::max(verdict.max_abs_diff, finite ? apart : infinite);
    const double relative = finite && e[i] != 0 ? apart / std::fabs(e[i]) : infinite;
    // Beside 0 only the absolute difference says anything.
    if (e[i] != 0 || !finite) verdict.max_rel_diff = std::max(verdict.max_rel_diff, relative);
    if (finite && apart <= tolerance.absolute + tolerance.relative * std::fabs(e[i])) continue;
    if (wrong++ == 0) first = i;
  }
  if (wrong == 0) return {};
  return fmt::format("{} of {} elements differ, [{}]: expected {}, got {}", wrong, e.size(), first,
                     e[first], g[first]);
}

std::string run_set(const Program& program, const std::string& folder, const Tolerance& tolerance,
                    bool random, Verdict& verdict) {
  const auto& graph = program.model().graph;
  // Old models list their weights among the inputs: the files are for the others.
  std::vector<const formats::onnx::ValueInfo*> order = program.inputs();
  for (const auto& info : graph.inputs) {
    if (program.has_default(info.name)) order.push_back(&info);
  }
  std::map<std::string, Value> inputs;
  for (size_t i = 0; i < order.size(); ++i) {
    const std::string path = folder + "/input_" + std::to_string(i) + ".pb";
    if (!formats::file_exists(path)) continue;
    inputs[order[i]->name] = value_of(formats::onnx::read_datum(path, order[i]->type));
  }
  const Values got = program.run(inputs);
  for (size_t i = 0; i < graph.outputs.size(); ++i) {
    const std::string path = folder + "/output_" + std::to_string(i) + ".pb";
    if (!formats::file_exists(path)) continue;
    const Value expected = value_of(formats::onnx::read_datum(path, graph.outputs[i].type));
    const std::string what = random ? type_difference(expected, got[i])
                                    : difference(expected, got[i], tolerance, verdict);
    if (!what.empty()) return "output \"" + escaped(graph.outputs[i].name) + "\": " + what;
  }
  return {};
}

}  // namespace

const char* name_of(Verdict::Status status) {
  constexpr const char* names[] = {"pass", "fail", "unsupported"};
  return names[static_cast<size_t>(status)];
}

std::vector<std::string> find_cases(const std::string& folder) {
  std::vector<std::string> cases;
  add_cases(folder, 0, cases);
  if (cases.empty()) {
    throw IoError(formats::shown(folder) + ": holds no conformance case",
                  "a case is a folder with model.onnx and test_data_set_0");
  }
  return cases;
}

double distance(const Tensor& expected, const Tensor& got) {
  constexpr double kNone = std::numeric_limits<double>::infinity();
  if (expected.shape() != got.shape()) return kNone;
  const std::vector<double> e = expected.to_doubles(), g = got.to_doubles();
  double most = 0, largest = 0;
  for (size_t i = 0; i < e.size(); ++i) {
    if (e[i] == g[i] || (std::isnan(e[i]) && std::isnan(g[i]))) continue;
    if (!std::isfinite(e[i]) || !std::isfinite(g[i])) return kNone;
    most = std::max(most, std::fabs(e[i] - g[i]));
  }
  for (double x : e) {
    if (std::isfinite(x)) largest = std::max(largest, std::fabs(x));
  }
  return largest > 0 ? most / largest : most;
}

std::string difference(const Value& expected, const Value& got, const Tolerance& tolerance,
                       Verdict& verdict) {
  std::string what = type_difference(expected, got);
  if (!what.empty() || expected.none()) return what;
  if (expected.kind == Value::Kind::strings) {
    return expected.strings->elements == got.strings->elements ? "" : "texts differ";
  }
  if (expected.kind == Value::Kind::tensor) {
    return element_difference(expected.tensor, got.tensor, tolerance, verdict);
  }
  if (expected.items->size() != got.items->size()) {
    return "expected " + shown_type(expected) + ", got " + shown_type(got);
  }
  for (size_t i = 0; i < expected.items->size(); ++i) {
    what = difference((*expected.items)[i], (*got.items)[i], tolerance, verdict);
    if (!what.empty()) return "item " + std::to_string(i) + ": " + what;
  }
  return {};
}

Verdict run_case(const std::string& folder, const Tolerance& tolerance) {
  Verdict verdict;
  const fs::path path = fs::path(folder).lexically_normal();
  verdict.name = (path.has_filename() ? path.filename() : path.parent_path().filename()).string();
  try {
    const Program program(formats::onnx::read_model(folder + "/model.onnx"));
    const bool random = draws(program.model().graph.nodes);
    if (random) verdict.reason = "drawn at random: type and shape alone are compared";
    int sets = 0;
    for (; fs::is_directory(folder + "/test_data_set_" + std::to_string(sets)); ++sets) {
      const std::string what = run_set(program, folder + "/test_data_set_" + std::to_string(sets),
                                       tolerance, random, verdict);
      if (what.empty()) continue;
      verdict.status = Verdict::Status::fail;
      verdict.reason = what;
      return verdict;
    }
    if (sets == 0) throw IoError("no test_data_set_0");
  } catch (const UnsupportedError& e) {
    verdict.status = Verdict::Status::unsupported;
    verdict.reason = e.message();
  } catch (const std::exception& e) {
    verdict.status = Verdict::Status::fail;
    verdict.reason = e.what();
    std::replace(verdict.reason.begin(), verdict.reason.end(), '\n', ' ');
  }
  return verdict;
}

}  // namespace varve::io::onnx
