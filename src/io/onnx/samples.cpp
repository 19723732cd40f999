#include "io/onnx/samples.h"

#include <algorithm>

#include "base/any_batch.h"
#include "base/error.h"
#include "formats/file.h"

namespace varve::io::onnx {
namespace {

using formats::onnx::ValueInfo;

bool has_axis(const ValueInfo& info, const std::string& name) {
  const auto& dims = info.type.dims;
  return std::any_of(dims.begin(), dims.end(), [&](const auto& d) { return d.parameter == name; });
}

[[noreturn]] void refuse(const Program& program, const ValueInfo& info, const std::string& why,
                         const std::string& hint) {
  throw UnsupportedError(formats::shown(program.model().file) + ": input \"" + escaped(info.name) +
                             "\": " + info.type.to_string() + why,
                         hint);
}

// Layers take a batch of every input.
void require_batch(const Program& program, const ValueInfo& info, const std::string& batch) {
  constexpr const char* kRun = "varve onnx run replays the model as it is";
  const auto& dims = info.type.dims;
  if (dims.empty()) refuse(program, info, " has no axis for the batch", kRun);
  const bool open =
      std::any_of(dims.begin(), dims.end(), [](const auto& d) { return d.value < 0; });
  if (open && dims[0].value > 0 && !batch.empty() && !has_axis(info, batch)) {
    refuse(program, info,
           ": the batch is not its first axis, and none is called \"" + escaped(batch) +
               "\" as in other inputs",
           kRun);
  }
}

}  // namespace

std::string batch_name(const Program& program) {
  const std::vector<const ValueInfo*> inputs = program.inputs();
  std::string found;
  for (const ValueInfo* v : inputs) {
    const std::string name = v->type.dims.empty() ? "" : v->type.dims[0].parameter;
    if (name.empty()) continue;
    if (found.empty()) found = name;
    if (std::all_of(inputs.begin(), inputs.end(),
                    [&](const ValueInfo* other) { return has_axis(*other, name); })) {
      return name;
    }
  }
  return found;
}

int batch_axis(const ValueInfo& info, const std::string& batch) {
  for (size_t i = 0; i < info.type.dims.size() && !batch.empty(); ++i) {
    if (info.type.dims[i].parameter == batch) return static_cast<int>(i);
  }
  return 0;
}

ir::Types samples_of(const Program& program, bool channels_last,
                     const std::map<std::string, int64_t>& named) {
  const std::string batch = batch_name(program);
  // First of all: where there is none, sizes do not help.
  for (const ValueInfo* v : program.inputs()) require_batch(program, *v, batch);
  ir::Types out;
  for (const ValueInfo* v : program.inputs()) {
    std::vector<int64_t> sizes{kAnyBatch};
    const auto axis = static_cast<size_t>(batch_axis(*v, batch));
    for (size_t i = 0; i < v->type.dims.size(); ++i) {
      if (i == axis) continue;
      const auto& dim = v->type.dims[i];
      const auto at = named.find(dim.parameter);
      sizes.push_back(at != named.end() ? at->second : dim.value);
      if (sizes.back() > 0) continue;
      refuse(program, *v, " leaves sizes of a sample open",
             dim.parameter.empty() ? "fix them in the program that wrote the file"
                                   : "--size " + escaped(dim.parameter) + "=N gives one");
    }
    if (channels_last && sizes.size() > 2) {
      std::rotate(sizes.begin() + 1, sizes.begin() + 2, sizes.end());
    }
    out.push_back({formats::onnx::held_as(v->type.element), Shape(std::move(sizes))});
  }
  return out;
}

}  // namespace varve::io::onnx
