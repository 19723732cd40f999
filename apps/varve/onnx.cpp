// varve onnx test, run, import: models of other programs, held against their references, replayed,
// and made Varve's own.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "command.h"
#include "console.h"
#include "formats/atomic_file.h"
#include "formats/file.h"
#include "io/onnx/conformance.h"
#include "io/onnx/layer.h"
#include "io/onnx/program.h"
#include "io/onnx/samples.h"
#include "nn/network.h"
#include "output.h"
#include "varve/files.h"
#include "varve/model.h"
#include "varve/ops/pointwise.h"

namespace varve::app {
namespace {

using io::onnx::Verdict;

struct TestOptions {
  std::vector<std::string> folders;
  std::string json;
  bool failures = false;
};

std::string line_of(const Verdict& v) {
  std::string out = escaped(v.name) + ": " + io::onnx::name_of(v.status);
  if (v.status == Verdict::Status::fail && v.max_abs_diff > 0) {
    out += fmt::format(", largest difference {:.3g} (relative {:.3g})", v.max_abs_diff,
                       v.max_rel_diff);
  }
  if (!v.reason.empty()) out += ": " + escaped(v.reason, 1000);
  return out + "\n";
}

// JSON has no infinity: null.
nlohmann::ordered_json number(double v) {
  return std::isfinite(v) ? nlohmann::ordered_json(v) : nlohmann::ordered_json(nullptr);
}

int test(const TestOptions& o) {
  std::vector<std::string> cases;
  for (const std::string& folder : o.folders) {
    for (std::string& c : io::onnx::find_cases(folder)) cases.push_back(std::move(c));
  }
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  int64_t counts[3] = {};
  for (const std::string& folder : cases) {
    const Verdict v = io::onnx::run_case(folder);
    ++counts[static_cast<size_t>(v.status)];
    if (!o.failures || v.status != Verdict::Status::pass) say_if_read(line_of(v));
    list.push_back({{"name", v.name},
                    {"status", io::onnx::name_of(v.status)},
                    {"reason", v.reason},
                    {"max_abs_diff", number(v.max_abs_diff)},
                    {"max_rel_diff", number(v.max_rel_diff)}});
  }
  if (!o.json.empty()) {
    formats::write_file(
        o.json, list.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
  }
  say_if_read(fmt::format("{} cases: {} pass, {} fail, {} unsupported\n", cases.size(), counts[0],
                          counts[1], counts[2]));
  return counts[1] == 0 ? 0 : 1;
}

struct RunOptions {
  std::string model, out;
  std::vector<std::string> inputs;
  bool force = false;
};

// A name of a value as a file's: what a path cannot hold, or would lead elsewhere, becomes _.
std::string file_name(const std::string& name) {
  std::string out;
  for (const char c : name) {
    const bool plain =
        std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-' || c == '.';
    out += plain ? c : '_';
  }
  return out.empty() || out[0] == '.' ? "_" + out : out;
}

int run(const RunOptions& o) {
  const io::onnx::Program program(formats::onnx::read_model(o.model));
  std::map<std::string, io::onnx::Value> inputs;
  for (const std::string& given : o.inputs) {
    const size_t equals = given.find('=');
    if (equals == given.npos || equals == 0) {
      throw UsageError("--input: expected NAME=FILE.npy, got \"" + escaped(given) + "\"");
    }
    inputs[given.substr(0, equals)] = read_npy(given.substr(equals + 1));
  }
  const io::onnx::Values outputs = program.run(inputs);
  std::error_code error;
  std::filesystem::create_directories(o.out, error);
  if (error) throw IoError(formats::shown(o.out) + ": cannot make the folder: " + error.message());
  for (size_t i = 0; i < outputs.size(); ++i) {
    const std::string& name = program.model().graph.outputs[i].name;
    const std::string path = o.out + "/" + file_name(name) + ".npy";
    if (outputs[i].kind != io::onnx::Value::Kind::tensor) {
      throw UnsupportedError("output \"" + escaped(name) + "\" is no tensor of numbers");
    }
    const Tensor& t = outputs[i].tensor;
    check_output(path, {o.model}, o.force);
    // NumPy has no bf16.
    write_npy(path, t.dtype() == bf16 ? cast(t, f32) : t);
    say(fmt::format("{}: {}{}\n", formats::shown(path), varve::name_of(t.dtype()),
                    t.shape().to_string()));
  }
  return 0;
}

struct ImportOptions {
  std::string model, out;
  std::vector<std::string> sizes;
  bool channels_last = false, force = false;
};

// Sizes that a file leaves open under a name: --size sequence=16.
std::map<std::string, int64_t> named_sizes(const std::vector<std::string>& given) {
  std::map<std::string, int64_t> out;
  for (const std::string& text : given) {
    const size_t equals = text.rfind('=');
    if (equals == text.npos || equals == 0) {
      throw UsageError("--size: expected NAME=N, got \"" + escaped(text) + "\"");
    }
    out[text.substr(0, equals)] = parse_integer("--size", text.substr(equals + 1), 1, INT32_MAX);
  }
  return out;
}

// A name that no input leaves open would change nothing.
void check_sizes(const io::onnx::Program& program, const std::map<std::string, int64_t>& named) {
  std::vector<std::string> open, batches;
  const std::string samples = io::onnx::batch_name(program);
  for (const formats::onnx::ValueInfo* v : program.inputs()) {
    const auto axis = static_cast<size_t>(io::onnx::batch_axis(*v, samples));
    for (size_t i = 0; i < v->type.dims.size(); ++i) {
      const std::string& name = v->type.dims[i].parameter;
      if (!name.empty()) (i == axis ? batches : open).push_back(name);
    }
  }
  for (const auto& [name, size] : named) {
    if (std::find(open.begin(), open.end(), name) != open.end()) continue;
    const bool batch = std::find(batches.begin(), batches.end(), name) != batches.end();
    throw UsageError(
        "--size: " + (batch ? "\"" + escaped(name) + "\" counts the samples, and stays open"
                            : "the model has no size called \"" + escaped(name) + "\""),
        batch          ? ""
        : open.empty() ? "its inputs leave none open"
                       : did_you_mean(name, open));
  }
}

int import(const ImportOptions& o) {
  check_output(o.out, {o.model}, o.force);
  const auto program =
      std::make_shared<const io::onnx::Program>(formats::onnx::read_model(o.model));
  Model model(io::onnx::make_layer(program, o.channels_last, ""));
  const std::map<std::string, int64_t> named = named_sizes(o.sizes);
  check_sizes(*program, named);
  const ir::Types samples = io::onnx::samples_of(*program, o.channels_last, named);
  nn::build(*model.state(), samples);
  model.save(o.out);
  say(fmt::format("{}: {} inputs, {} variables, {} parameters\n", formats::shown(o.out),
                  samples.size(), model.variables().size(), model.parameter_count()));
  return 0;
}

}  // namespace

Action declare_onnx_import(Arguments& arguments) {
  auto o = std::make_shared<ImportOptions>();
  o->out = "model.safetensors";
  arguments.positional("MODEL", o->model, "The .onnx file.");
  arguments.text("--out,-o", "FILE", o->out, "The model file; model.safetensors.");
  arguments.flag("--channels-last", o->channels_last,
                 "Images come as [height, width, channels], as Varve's data have them.");
  arguments.texts("--size", "NAME=N", o->sizes, "A size that the file leaves open under a name.");
  arguments.flag("--force", o->force, "Replaces FILE.");
  return [o] { return import(*o); };
}

Action declare_onnx_test(Arguments& arguments) {
  auto o = std::make_shared<TestOptions>();
  arguments.positionals("DIR", o->folders, "A case, or a folder of cases.");
  arguments.text("--json", "FILE", o->json, "Writes the results there, too.");
  arguments.flag("--failures", o->failures, "Prints the cases that do not pass alone.");
  return [o] { return test(*o); };
}

Action declare_onnx_run(Arguments& arguments) {
  auto o = std::make_shared<RunOptions>();
  o->out = ".";
  arguments.positional("MODEL", o->model, "The .onnx file.");
  arguments.texts("--input", "NAME=FILE", o->inputs, "The .npy file of an input.");
  arguments.text("--out,-o", "DIR", o->out, "Where outputs go, NAME.npy each; here by default.");
  arguments.flag("--force", o->force, "Replaces files that are there.");
  return [o] { return run(*o); };
}

}  // namespace varve::app
