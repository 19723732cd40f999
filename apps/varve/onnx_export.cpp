// varve onnx export: a model file for other programs.
#include <fmt/format.h>

#include <memory>

#include "command.h"
#include "console.h"
#include "formats/file.h"
#include "output.h"
#include "varve/model.h"
#include "varve/onnx.h"

namespace varve::app {
namespace {

struct ExportOptions {
  std::string model, out;
  bool force = false;
};

int run(const ExportOptions& o) {
  check_output(o.out, {o.model}, o.force);
  const Model model = Model::load(o.model);
  onnx::save(model, o.out);
  const onnx::Model written = onnx::load(o.out);
  std::string line = formats::shown(o.out) + ":";
  for (const onnx::Port& p : written.inputs()) line += fmt::format(" {} {}", p.name, p.type);
  line += " ->";
  for (const onnx::Port& p : written.outputs()) line += fmt::format(" {} {}", p.name, p.type);
  say(line + "\n");
  return 0;
}

}  // namespace

Action declare_onnx_export(Arguments& arguments) {
  auto o = std::make_shared<ExportOptions>();
  o->out = "model.onnx";
  arguments.positional("MODEL", o->model, "The model file.");
  arguments.text("--out,-o", "FILE", o->out, "The .onnx file; model.onnx.");
  arguments.flag("--force", o->force, "Replaces FILE.");
  return [o] { return run(*o); };
}

}  // namespace varve::app
