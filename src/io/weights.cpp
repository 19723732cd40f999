#include "varve/weights.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/count.h"
#include "base/error.h"
#include "formats/kind.h"
#include "io/tensor_file.h"
#include "ir/node.h"
#include "varve/ops/pointwise.h"
#include "varve/warnings.h"

namespace varve {
namespace {

std::string shown(const Variable& v) { return io::type_text(v.dtype(), v.shape()); }

bool converts(DType from, DType to) { return from == to || (is_floating(from) && is_floating(to)); }

// `nan at [3, 7]`, or empty.
std::string first_not_finite(const Tensor& x) {
  if (!is_floating(x.dtype())) return {};
  const std::vector<double> v = x.to_doubles();
  for (size_t i = 0; i < v.size(); ++i) {
    if (std::isfinite(v[i])) continue;
    auto rest = static_cast<int64_t>(i);
    std::string at;
    for (int a = x.rank() - 1; a >= 0; --a) {
      at = std::to_string(rest % x.shape()[a]) + (at.empty() ? "" : ", " + at);
      rest /= x.shape()[a];
    }
    return std::string(std::isnan(v[i]) ? "nan" : "infinity") + " at [" + at + "]";
  }
  return {};
}

void add_lines(std::string& out, const std::vector<std::string>& lines) {
  constexpr size_t kShown = 10;
  for (size_t i = 0; i < std::min(lines.size(), kShown); ++i) out += "\n  " + lines[i];
  if (lines.size() > kShown) {
    out += "\n  ... and " + std::to_string(lines.size() - kShown) + " more";
  }
}

LoadReport compare(const io::TensorFile& file, const std::string& prefix,
                   const std::vector<NamedVariable>& variables) {
  LoadReport report;
  std::set<std::string> known;
  for (const NamedVariable& v : variables) {
    const std::string name = prefix + v.path;
    known.insert(name);
    const auto* entry = file.file().find(name);
    if (!entry) {
      report.missing.push_back("model expects \"" + escaped(name) + "\" " + shown(v.variable) +
                               ": not in file");
    } else if (entry->shape != v.variable.shape() ||
               (entry->dtype && !converts(*entry->dtype, v.variable.dtype()))) {
      report.different.push_back("\"" + escaped(name) + "\": model " + shown(v.variable) +
                                 ", file " + entry->to_string());
    }
  }
  for (const auto& entry : file.file().tensors()) {
    if (entry.name.compare(0, prefix.size(), prefix) == 0 && !known.contains(entry.name)) {
      report.unexpected.push_back("file has \"" + escaped(entry.name) + "\" " + entry.to_string() +
                                  ": not in the model");
    }
  }
  return report;
}

// Leaves of modules of PyTorch's, which no layer here calls so.
bool is_of_pytorch(std::string_view name) {
  const std::string_view leaf = name.substr(name.rfind('.') + 1);
  return leaf == "weight" || leaf == "in_proj_weight" || leaf == "running_mean" ||
         leaf.starts_with("weight_ih_l");
}

std::string hint_of(const io::TensorFile& file, const std::string& prefix,
                    const std::vector<NamedVariable>& variables) {
  const auto is_known = [&](const std::string& name) {
    return std::any_of(variables.begin(), variables.end(),
                       [&](const NamedVariable& v) { return prefix + v.path == name; });
  };
  for (const auto& entry : file.file().tensors()) {
    if (is_of_pytorch(entry.name) && !is_known(entry.name))
      return "load_pytorch_weights takes PyTorch's names and layouts";
  }
  return "{.partial = true} loads what fits";
}

}  // namespace

std::string LoadReport::to_string() const {
  std::string out;
  add_lines(out, missing);
  add_lines(out, different);
  add_lines(out, unexpected);
  add_lines(out, not_finite);
  return out.empty() ? "everything fits" : out.substr(1);
}

LoadReport io::load_variables(const TensorFile& file, const std::string& prefix,
                              const std::vector<NamedVariable>& variables, LoadOptions options) {
  LoadReport report = compare(file, prefix, variables);
  if (options.ignore_unexpected) report.unexpected.clear();
  if (!report.complete() && !options.partial) {
    file.fail("the weights do not fit the model:\n" + report.to_string(),
              hint_of(file, prefix, variables));
  }
  std::vector<std::pair<Variable, Tensor>> found;
  for (const NamedVariable& v : variables) {
    const std::string name = prefix + v.path;
    const auto* entry = file.file().find(name);
    if (!entry || entry->shape != v.variable.shape()) continue;
    if (entry->dtype && !converts(*entry->dtype, v.variable.dtype())) continue;
    Tensor x = file.read(name);
    if (std::string where = first_not_finite(x); !where.empty()) {
      report.not_finite.push_back("tensor \"" + escaped(name) + "\": " + where);
      if (options.require_finite) file.fail(report.not_finite.back());
    }
    found.push_back({v.variable, cast(x, v.variable.dtype()).evaluate()});
  }
  if (!report.not_finite.empty()) {
    warn(file.file().name() + ": " + count_of(report.not_finite.size(), "tensor") +
         (report.not_finite.size() == 1 ? " holds" : " hold") + " NaN or infinity");
  }
  for (auto& [variable, value] : found) variable.assign(value);
  return report;
}

void save_weights(std::string_view path, const std::vector<NamedVariable>& variables,
                  const std::map<std::string, std::string>& metadata) {
  std::vector<io::NamedTensor> tensors;
  for (const NamedVariable& v : variables) tensors.push_back({v.path, v.variable.value()});
  io::write_tensors(std::string(path), "weights", tensors, metadata);
}

LoadReport load_weights(std::string_view path, const std::vector<NamedVariable>& variables,
                        LoadOptions options) {
  if (const auto source = formats::Source::open(std::string(path));
      formats::kind_of(source) == formats::FileKind::torch) {
    source.fail(formats::not_expected("a safetensors file", formats::FileKind::torch),
                "load_pytorch_weights reads it");
  }
  return io::load_variables(io::TensorFile(std::string(path)), "", variables, options);
}

}  // namespace varve
