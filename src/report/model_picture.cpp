#include "report/model_picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <map>

#include "base/error.h"
#include "formats/atomic_file.h"
#include "varve/report.h"

namespace varve::report {
namespace {

// The calls that stand side by side at the top: inputs and parts of the model, or the model itself
// where it has none.
std::vector<size_t> top_calls(const std::vector<nn::LayerCall>& calls) {
  std::vector<size_t> out;
  bool parts = false;
  for (const nn::LayerCall& c : calls) parts = parts || (c.depth == 1 && c.type != "input");
  for (size_t i = 0; i < calls.size(); ++i) {
    const int depth = calls[i].type == "input" || parts ? 1 : 0;
    if (calls[i].depth == depth) out.push_back(i);
  }
  return out;
}

std::string outputs_text(const nn::LayerCall& call) {
  std::string out;
  for (const nn::OpenType& t : call.outputs) out += (out.empty() ? "" : " ") + sample_shape(t);
  return out;
}

double bytes_of(const nn::LayerCall& call) {
  double sum = 0;
  for (const nn::OpenType& t : call.outputs) {
    double size = static_cast<double>(size_of(t.dtype));
    for (int64_t d : t.shape) size *= d < 0 ? 1 : static_cast<double>(d);
    sum += size;
  }
  return sum;
}

// Columns as wide as their widest cell; the last ones to the right.
std::string table(const std::vector<std::vector<std::string>>& rows, size_t left_columns) {
  std::vector<size_t> width;
  for (const auto& row : rows) {
    width.resize(std::max(width.size(), row.size()), 0);
    for (size_t c = 0; c < row.size(); ++c) width[c] = std::max(width[c], row[c].size());
  }
  std::string out;
  for (size_t r = 0; r < rows.size(); ++r) {
    std::string line;
    for (size_t c = 0; c < rows[r].size(); ++c) {
      const std::string gap(width[c] - rows[r][c].size(), ' ');
      line += (c > 0 ? "   " : "") + (c < left_columns ? rows[r][c] + gap : gap + rows[r][c]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
    if (r == 0) {
      size_t all = 0;
      for (size_t w : width) all += w + 3;
      out += std::string(all - 3, '-') + "\n";
    }
  }
  return out;
}

}  // namespace

std::string sample_shape(const nn::OpenType& type) {
  const std::vector<int64_t>& dims = type.shape.dims();
  const bool batched = !dims.empty() && dims[0] == -1;
  std::string out = "[";
  for (size_t i = batched ? 1 : 0; i < dims.size(); ++i) {
    if (out.size() > 1) out += ", ";
    out += dims[i] < 0 ? "?" : std::to_string(dims[i]);
  }
  return out + "]";
}

std::string bytes_text(double bytes) {
  static constexpr const char* kUnits[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
  int unit = 0;
  while (bytes >= 1024 && unit < 4) {
    bytes /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{:.0f} bytes", bytes)
                   : fmt::format("{:.1f} {}", bytes, kUnits[unit]);
}

std::string count_text(double count) {
  static constexpr const char* kUnits[] = {"", " k", " M", " G", " T"};
  int unit = 0;
  while (count >= 1000 && unit < 4) {
    count /= 1000;
    ++unit;
  }
  return unit == 0 ? fmt::format("{:.0f}", count) : fmt::format("{:.1f}{}", count, kUnits[unit]);
}

GraphPicture picture_of(const Layer& model, const std::string& title) {
  const std::vector<nn::LayerCall> calls = nn::describe(model);
  GraphPicture out{.title = title};
  std::map<size_t, int> node;
  for (size_t i : top_calls(calls)) {
    node[i] = static_cast<int>(out.nodes.size());
    const nn::LayerCall& c = calls[i];
    const auto parameters = static_cast<double>(c.parameters);
    out.nodes.push_back({c.path.empty() ? model.name() : c.path, c.type, outputs_text(c),
                         c.parameters > 0
                             ? figure(parameters) + (parameters == 1 ? " parameter" : " parameters")
                             : ""});
    for (int from : c.from) {
      if (const auto at = node.find(static_cast<size_t>(from)); at != node.end()) {
        out.edges.push_back({at->second, node[i]});
      }
    }
  }
  return out;
}

std::vector<Curve> curves_of(const History& history) {
  std::vector<Curve> out;
  for (const std::string& name : history.names()) {
    const std::vector<double>& values = history[name];
    // A learning rate that never changes tells nothing.
    const bool constant =
        std::adjacent_find(values.begin(), values.end(), std::not_equal_to<>()) == values.end();
    if (name == "learning_rate" && constant) continue;
    out.push_back({name, values});
  }
  return out;
}

ConfusionMatrix confusion_of(const Tensor& counts, const std::vector<std::string>& class_names,
                             const std::string& title) {
  const auto n = static_cast<int64_t>(class_names.size());
  if (counts.shape() != Shape{n, n}) {
    throw ShapeError("confusion matrix: " + std::to_string(n) + " class names, counts are " +
                     counts.shape().to_string());
  }
  ConfusionMatrix out{.title = title, .classes = class_names};
  for (double v : counts.to_doubles()) out.counts.push_back(static_cast<int64_t>(v));
  return out;
}

// Who asks for another format would find SVG in a file that says otherwise.
void require_svg(const char* operation, std::string_view path) {
  if (path.ends_with(".svg")) return;
  throw ValueError(
      std::string(operation) + ": expected a name that ends in .svg, got \"" + escaped(path) + "\"",
      "the picture is SVG: browsers show it, rsvg-convert makes a PNG of it");
}

}  // namespace varve::report

namespace varve {

std::string summary(const Layer& model) {
  const std::vector<nn::LayerCall> calls = nn::describe(model);
  std::vector<std::vector<std::string>> rows{{"Layer", "Type", "Output", "Parameters", "FLOPs"}};
  double activations = 0;
  for (size_t i : report::top_calls(calls)) {
    const nn::LayerCall& c = calls[i];
    activations += report::bytes_of(c);
    const bool partly_fixed = c.trainable < c.parameters;
    rows.push_back({c.path.empty() ? model.name() : c.path, c.type, report::outputs_text(c),
                    c.parameters == 0 ? ""
                                      : report::figure(static_cast<double>(c.parameters)) +
                                            (partly_fixed ? " *" : ""),
                    c.flops == 0 ? "" : report::count_text(c.flops)});
  }
  double weights = 0;
  int64_t trainable = 0;
  for (const Variable& v : model.variables()) {
    weights += static_cast<double>(v.shape().size() * size_of(v.dtype()));
    if (v.trainable()) trainable += v.shape().size();
  }
  const int64_t all = model.parameter_count();
  double flops = 0;
  for (const nn::LayerCall& c : calls) {
    if (c.depth == 0) flops = c.flops;
  }
  std::string out = report::table(rows, 3);
  out += fmt::format("\nparameters    {}", report::figure(static_cast<double>(all)));
  out += trainable == all ? ", all of them trained\n"
                          : fmt::format(": {} trained, {} not (in layers with *)\n",
                                        report::figure(static_cast<double>(trainable)),
                                        report::figure(static_cast<double>(all - trainable)));
  out += fmt::format("computation   {} FLOPs a sample, forward\n", report::count_text(flops));
  out += fmt::format("memory        weights {}, what the layers give {} a sample\n",
                     report::bytes_text(weights), report::bytes_text(activations));
  return out;
}

void Model::summary() const {
  const std::string text = varve::summary(*this);
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

void plot_model(const Layer& model, std::string_view path) {
  report::require_svg("plot_model", path);
  formats::write_file(std::string(path),
                      report::draw_graph(report::picture_of(model, model.name())));
}

void plot_history(const History& history, std::string_view path) {
  report::require_svg("plot_history", path);
  const std::vector<std::string> charts = report::learning_curves(report::curves_of(history));
  if (charts.empty()) throw ValueError("plot_history: the history holds no epoch");
  formats::write_file(std::string(path), report::in_a_column(charts));
}

Tensor confusion_matrix(const Tensor& prediction, const Tensor& target, Real threshold) {
  const Shape& shape = prediction.shape();
  const bool scores = shape.rank() == 2 && shape[1] > 1;
  if (shape.rank() < 1 || shape.rank() > 2) {
    throw ShapeError("confusion_matrix: prediction: expected [n, classes] or [n], got " +
                     shape.to_string());
  }
  const int64_t n = shape[0], classes = scores ? shape[1] : 2;
  const std::vector<double> p = prediction.to_doubles();
  const Dataset labels(target, target);
  const std::vector<int64_t> truth = labels.classes();
  if (static_cast<int64_t>(truth.size()) != n) {
    throw ShapeError("confusion_matrix: prediction is " + shape.to_string() + ", target is " +
                     target.shape().to_string());
  }
  std::vector<int64_t> counts(static_cast<size_t>(classes * classes), 0);
  for (int64_t i = 0; i < n; ++i) {
    const int64_t t = truth[static_cast<size_t>(i)];
    if (t < 0 || t >= classes) {
      throw IndexError("confusion_matrix: target[" + std::to_string(i) +
                       "] = " + std::to_string(t) + ", expected 0.." + std::to_string(classes - 1));
    }
    int64_t said = 0;
    if (scores) {
      const auto row = p.begin() + i * classes;
      said = std::max_element(row, row + classes) - row;
    } else {
      said = p[static_cast<size_t>(i)] > threshold ? 1 : 0;
    }
    ++counts[static_cast<size_t>(t * classes + said)];
  }
  return tensor(counts, {classes, classes});
}

void plot_confusion_matrix(const Tensor& counts, const std::vector<std::string>& class_names,
                           std::string_view path) {
  report::require_svg("plot_confusion_matrix", path);
  formats::write_file(std::string(path), report::confusion_matrix(report::confusion_of(
                                             counts, class_names, "Confusion matrix")));
}

}  // namespace varve
