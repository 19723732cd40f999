#include "varve/foreign_weights.h"

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <set>

#include "base/error.h"
#include "formats/torch_file.h"
#include "io/tensor_file.h"
#include "nn/layer_state.h"
#include "varve/nn/network.h"
#include "varve/ops/pointwise.h"
#include "varve/ops/shape.h"

namespace varve {
namespace {

using detail::LayerState;

// ---- the file ----

/// Tensors by name, of either kind of file.
struct Source {
  struct Entry {
    std::string name;
    DType dtype;
    Shape shape;
    std::function<Tensor()> read;
  };
  std::vector<Entry> entries;
  std::string name;
};

bool is_torch_save(const std::string& path) {
  const formats::Source file = formats::Source::open(path);
  if (file.size() < 4) return false;
  const formats::Buffer start = file.read(0, 4);
  const std::string_view s = start.text();
  // A zip archive, or a pickle of version 2 that begins with the magic number: as lengths both are
  // beyond the 2^27 of safetensors.
  return s == std::string_view("PK\3\4", 4) || s == std::string_view("\x80\x02\x8a\x0a", 4);
}

Source open_source(const std::string& path) {
  Source s;
  if (is_torch_save(path)) {
    auto file = std::make_shared<formats::TorchFile>(formats::TorchFile::open(path));
    s.name = file->name();
    for (size_t i = 0; i < file->tensors().size(); ++i) {
      const auto& e = file->tensors()[i];
      s.entries.push_back({e.name, e.dtype, e.shape, [file, i] {
                             const formats::Array a = file->read(i);
                             return tensor_from_bytes(a.bytes.data(), a.dtype, a.shape);
                           }});
    }
    return s;
  }
  auto file = std::make_shared<io::TensorFile>(path);
  s.name = file->file().name();
  for (const auto& e : file->file().tensors()) {
    if (!e.dtype) continue;
    s.entries.push_back(
        {e.name, *e.dtype, e.shape, [file, name = e.name] { return file->read(name); }});
  }
  return s;
}

// ---- the layers ----

/// How a variable is made of the file's tensors.
struct Rule {
  const char* variable;
  std::vector<std::string> leaves;
  std::function<Tensor(const std::vector<Tensor>&)> make;
};

Tensor as_it_is(const std::vector<Tensor>& x) { return x[0]; }
Tensor transposed(const std::vector<Tensor>& x) {
  return x[0].rank() == 2 ? transpose(x[0]) : x[0];
}

/// [a, b, spatial...] -> [spatial..., b, a].
Tensor kernel_last(const std::vector<Tensor>& x) {
  std::vector<int> axes;
  for (int i = 2; i < x[0].rank(); ++i) axes.push_back(i);
  axes.insert(axes.end(), {1, 0});
  return transpose(x[0], axes);
}

/// [channels * multiplier, 1, h, w] -> [h, w, channels, multiplier].
Tensor depthwise(const std::vector<Tensor>& x, const Shape& wanted) {
  if (x[0].rank() != 4 || wanted.rank() != 4 || x[0].shape().size() != wanted.size()) return x[0];
  return transpose(reshape(x[0], {wanted[2], wanted[3], x[0].shape()[2], x[0].shape()[3]}),
                   {2, 3, 0, 1});
}

/// Thirds of the first axis in the order z, r, h, of r, z, n.
Tensor gru_gates(const Tensor& x) {
  const Tensors gates = split(x, 3, 0);
  return concat({gates[1], gates[0], gates[2]}, 0);
}

std::vector<Rule> recurrent_rules(const std::string& type) {
  const bool gru = type == "gru";
  const auto kernel = [gru](const std::vector<Tensor>& x) {
    return transpose(gru ? gru_gates(x[0]) : x[0]);
  };
  const auto bias = [gru](const std::vector<Tensor>& x) -> Tensor {
    if (gru) return stack({gru_gates(x[0]), gru_gates(x[1])}, 0);
    return x[0] + x[1];
  };
  return {{"kernel", {"weight_ih"}, kernel},
          {"recurrent_kernel", {"weight_hh"}, kernel},
          {"bias", {"bias_ih", "bias_hh"}, bias}};
}

std::vector<Rule> attention_rules() {
  std::vector<Rule> rules = {{"output_kernel", {"out_proj.weight"}, transposed},
                             {"output_bias", {"out_proj.bias"}, as_it_is}};
  constexpr const char* kParts[][2] = {
      {"query_kernel", "query_bias"}, {"key_kernel", "key_bias"}, {"value_kernel", "value_bias"}};
  for (size_t i = 0; i < 3; ++i) {
    const auto third = [i](const Tensor& x) { return split(x, 3, 0)[i]; };
    rules.push_back({kParts[i][0], {"in_proj_weight"}, [third](const std::vector<Tensor>& x) {
                       return transpose(third(x[0]));
                     }});
    rules.push_back({kParts[i][1], {"in_proj_bias"}, [third](const std::vector<Tensor>& x) {
                       return third(x[0]);
                     }});
  }
  return rules;
}

std::vector<Rule> rules_of(const std::string& type, const Shape& wanted) {
  if (type == "dense") return {{"kernel", {"weight"}, transposed}, {"bias", {"bias"}, as_it_is}};
  if (type.starts_with("conv") && !type.starts_with("conv_lstm"))
    return {{"kernel", {"weight"}, kernel_last}, {"bias", {"bias"}, as_it_is}};
  if (type == "depthwise_conv2d") {
    const auto kernel = [wanted](const std::vector<Tensor>& x) { return depthwise(x, wanted); };
    return {{"kernel", {"weight"}, kernel},
            {"depthwise_kernel", {"weight"}, kernel},
            {"bias", {"bias"}, as_it_is}};
  }
  if (type == "lstm" || type == "gru") return recurrent_rules(type);
  if (type == "multi_head_attention") return attention_rules();
  return {{"gamma", {"weight"}, as_it_is},
          {"scale", {"weight"}, as_it_is},
          {"beta", {"bias"}, as_it_is},
          {"bias", {"bias"}, as_it_is},
          {"moving_mean", {"running_mean"}, as_it_is},
          {"moving_variance", {"running_var"}, as_it_is},
          {"embeddings", {"weight"}, as_it_is},
          {"alpha", {"weight"}, as_it_is}};
}

/// Dense layers that stand behind a Flatten, and the sample that was flattened.
std::map<std::string, Shape> flattened(const Layer& model) {
  std::map<std::string, Shape> found;
  std::vector<nn::LayerCall> calls;
  try {
    calls = nn::describe(model);
  } catch (const ValueError&) {
    return found;  // built for samples of no known shape
  }
  for (const nn::LayerCall& c : calls) {
    if (c.type != "dense" || c.from.size() != 1) continue;
    const nn::LayerCall* at = &calls[static_cast<size_t>(c.from[0])];
    while (at->type != "flatten" && at->from.size() == 1 && at->outputs.size() == 1 &&
           at->parameters == 0 &&
           calls[static_cast<size_t>(at->from[0])].outputs[0].shape == at->outputs[0].shape) {
      at = &calls[static_cast<size_t>(at->from[0])];
    }
    if (at->type != "flatten" || at->from.size() != 1) continue;
    const Shape& whole = calls[static_cast<size_t>(at->from[0])].outputs[0].shape;
    if (whole.rank() > 2) found[c.path] = whole;
  }
  return found;
}

/// Columns [out, c * spatial] as [out, spatial * c].
Tensor channels_last(const Tensor& weight, const Shape& whole) {
  std::vector<int64_t> dims{weight.shape()[0], whole[-1]};
  for (int i = 1; i < whole.rank() - 1; ++i) dims.push_back(whole[i]);
  int64_t count = 1;
  for (size_t i = 1; i < dims.size(); ++i) count *= dims[i];
  if (weight.rank() != 2 || count != weight.shape()[1]) return weight;
  return reshape(move_axis(reshape(weight, Shape(dims)), 1, -1), weight.shape());
}

/// Dots and underscores are alike.
std::string plain(std::string name) {
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
}

std::string renamed(const std::string& name, const PyTorchOptions& o) {
  for (const auto& [from, to] : o.map) {
    if (name.starts_with(from + ".")) return to + name.substr(from.size());
  }
  return name;
}

/// "rnn_l1_reverse" as "rnn" and "_l1_reverse"; other paths stand for the first layer of a module.
std::pair<std::string, std::string> recurrent_place(const std::string& path) {
  std::string base = path;
  std::string tail;
  if (base.ends_with("_reverse")) {
    tail = "_reverse";
    base.resize(base.size() - tail.size());
  }
  const size_t at = base.rfind("_l");
  if (at != std::string::npos && at + 2 < base.size() &&
      std::all_of(base.begin() + static_cast<int64_t>(at) + 2, base.end(),
                  [](char c) { return c >= '0' && c <= '9'; })) {
    return {base.substr(0, at), base.substr(at) + tail};
  }
  return {base, "_l0" + tail};
}

/// "dense_1.weight": as the file is expected to call it.
std::string expected_name(const std::string& path, const std::string& type,
                          const std::string& leaf) {
  if (type == "lstm" || type == "gru") {
    const auto [base, place] = recurrent_place(path);
    return detail::join(base, leaf + place);
  }
  return detail::join(path, leaf);
}

class Loader {
 public:
  Loader(Source source, const Layer& model, const PyTorchOptions& options)
      : source_(std::move(source)), flattened_(flattened(model)) {
    for (size_t i = 0; i < source_.entries.size(); ++i) {
      const std::string& name = source_.entries[i].name;
      if (!name.starts_with(options.prefix)) continue;
      const std::string key = plain(renamed(name.substr(options.prefix.size()), options));
      const auto [at, fresh] = by_key_.emplace(key, i);
      if (!fresh) {
        throw FormatError(source_.name + ": tensors \"" +
                          escaped(source_.entries[at->second].name) + "\" and \"" + escaped(name) +
                          "\" both are \"" + escaped(key) + "\"");
      }
    }
    detail::walk(*model.state(), [&](const std::string& path, LayerState& layer) {
      for (detail::Owned& v : layer.variables) find(path, layer.type, v);
    });
    for (const auto& [key, i] : by_key_) {
      const Source::Entry& e = source_.entries[i];
      if (!used_.contains(i) && !e.name.ends_with("num_batches_tracked")) {
        report_.unexpected.push_back("file has \"" + escaped(e.name) + "\" " +
                                     io::type_text(e.dtype, e.shape) + ": not in the model");
      }
    }
  }

  LoadReport finish(const PyTorchOptions& options) {
    if (options.ignore_unexpected) report_.unexpected.clear();
    if (!report_.complete() && !options.partial) {
      throw FormatError(
          source_.name + ": the weights do not fit the model:\n" + report_.to_string(),
          "{.map = ...} names modules, {.partial = true} loads what fits");
    }
    for (auto& [variable, value] : found_) variable.assign(value);
    return report_;
  }

 private:
  void find(const std::string& path, const std::string& type, detail::Owned& v) {
    const Shape& wanted = v.variable.shape();
    const std::vector<Rule> rules = rules_of(type, wanted);
    const auto rule = std::find_if(rules.begin(), rules.end(),
                                   [&](const Rule& r) { return v.name == r.variable; });
    const std::string full = detail::join(path, v.name);
    std::vector<Tensor> parts;
    std::string names;
    for (const std::string& leaf : rule == rules.end() ? std::vector{v.name} : rule->leaves) {
      const std::string expected = expected_name(path, type, leaf);
      const auto at = by_key_.find(plain(expected));
      if (at == by_key_.end()) {
        report_.missing.push_back("model expects \"" + escaped(full) + "\" " +
                                  io::type_text(v.variable.dtype(), wanted) + ": no \"" +
                                  escaped(expected) + "\" in file");
        return;
      }
      used_.insert(at->second);
      parts.push_back(source_.entries[at->second].read());
      names += (names.empty() ? "" : ", ") + source_.entries[at->second].name;
    }
    if (const auto whole = flattened_.find(path);
        whole != flattened_.end() && v.name == "kernel" && parts[0].rank() == 2) {
      parts[0] = channels_last(parts[0], whole->second);
    }
    Tensor value;
    try {
      value = rule == rules.end() ? parts[0] : rule->make(parts);
    } catch (const Error& e) {
      report_.different.push_back("\"" + escaped(full) + "\": " + escaped(names) + ": " +
                                  e.message());
      return;
    }
    // A slope for all channels is [1] there.
    if (value.shape().size() == wanted.size()) value = same_but_ones(value, wanted);
    if (value.shape() != wanted || !is_floating(value.dtype())) {
      report_.different.push_back(
          "\"" + escaped(full) + "\": model " + io::type_text(v.variable.dtype(), wanted) +
          ", file " + io::type_text(value.dtype(), value.shape()) + " of " + escaped(names));
      return;
    }
    found_.push_back({v.variable, cast(value, v.variable.dtype()).evaluate()});
  }

  /// Reshaped where the shapes differ by axes of size 1 alone.
  static Tensor same_but_ones(const Tensor& x, const Shape& wanted) {
    const auto without = [](const Shape& s) {
      std::vector<int64_t> d = s.dims();
      d.erase(std::remove(d.begin(), d.end(), 1), d.end());
      return d;
    };
    return without(x.shape()) == without(wanted) ? reshape(x, wanted) : x;
  }

  Source source_;
  std::map<std::string, Shape> flattened_;
  std::map<std::string, size_t> by_key_;
  std::set<size_t> used_;
  std::vector<std::pair<Variable, Tensor>> found_;
  LoadReport report_;
};

}  // namespace

LoadReport load_pytorch_weights(std::string_view path, const Layer& model,
                                const PyTorchOptions& options) {
  if (!model.built()) {
    throw ValueError("load_pytorch_weights: layer \"" + model.name() + "\" has no variables yet",
                     "call build({sizes of one sample}) first");
  }
  return Loader(open_source(std::string(path)), model, options).finish(options);
}

}  // namespace varve
