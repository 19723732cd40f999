// Layers as handles: names, paths, variables, freezing, copying.
#include "varve/nn/layer.h"

#include <algorithm>
#include <set>
#include <unordered_map>

#include "base/any_batch.h"
#include "base/error.h"
#include "ir/frame.h"
#include "nn/config.h"
#include "nn/layer_state.h"
#include "nn/names.h"
#include "nn/network.h"
#include "nn/registry.h"

namespace varve {
namespace detail {

const std::string& LayerState::name() const {
  return !assigned.empty() ? assigned : !given.empty() ? given : type;
}

std::string join(const std::string& a, std::string_view b) {
  if (a.empty()) return std::string(b);
  return b.empty() ? a : a + "." + std::string(b);
}

void walk(LayerState& root, FunctionRef<void(const std::string&, LayerState&)> f) {
  std::set<const LayerState*> seen;
  auto visit = [&](auto& self, const std::string& path, LayerState& layer) -> void {
    if (!seen.insert(&layer).second) return;
    f(path, layer);
    for (const Part& p : layer.parts) self(self, join(path, p.name), *p.layer.state());
  };
  visit(visit, "", root);
}

std::string name_for(const LayerState& parent, const LayerState& part) {
  auto taken = [&](const std::string& name) {
    return std::any_of(parent.parts.begin(), parent.parts.end(),
                       [&](const Part& p) { return p.name == name; });
  };
  if (!part.given.empty()) {
    if (taken(part.given)) {
      throw ValueError(
          "name \"" + part.given + "\": two layers of \"" + parent.name() + "\" have it",
          "give each layer a name of its own, or none", part.where.to_string());
    }
    return part.given;
  }
  int64_t number = 1;
  for (const Part& p : parent.parts) number += p.layer.type() == part.type;
  while (taken(part.type + "_" + std::to_string(number))) ++number;
  return part.type + "_" + std::to_string(number);
}

size_t adopt(LayerState& parent, const Layer& part) {
  for (size_t i = 0; i < parent.parts.size(); ++i) {
    if (parent.parts[i].layer == part) return i;
  }
  std::string name = name_for(parent, *part.state());
  part.state()->assigned = name;
  parent.parts.push_back({std::move(name), part});
  return parent.parts.size() - 1;
}

void name_variables(LayerState& root) {
  walk(root, [](const std::string& path, LayerState& layer) {
    for (Owned& v : layer.variables) v.variable.state()->name = join(path, v.name);
  });
}

namespace {

bool glob_matches(std::string_view glob, std::string_view text) {
  size_t g = 0, t = 0, star = std::string_view::npos, mark = 0;
  while (t < text.size()) {
    if (g < glob.size() && (glob[g] == '?' || (glob[g] == text[t] && glob[g] != '*'))) {
      ++g;
      ++t;
    } else if (g < glob.size() && glob[g] == '*') {
      star = g++;
      mark = t;
    } else if (star != std::string_view::npos) {
      g = star + 1;
      t = ++mark;
    } else {
      return false;
    }
  }
  while (g < glob.size() && glob[g] == '*') ++g;
  return g == glob.size();
}

/// Whether the glob matches the path or the path of something it lies in.
bool path_matches(std::string_view glob, std::string_view path) {
  if (glob_matches(glob, path)) return true;
  for (size_t dot = path.find('.'); dot != std::string_view::npos; dot = path.find('.', dot + 1)) {
    if (glob_matches(glob, path.substr(0, dot))) return true;
  }
  return false;
}

void require_built(const LayerState& layer) {
  if (layer.built) return;
  throw ValueError("layer \"" + layer.name() + "\" has no variables yet",
                   "call build({sizes of one sample}) first, or call it once on data",
                   layer.where.to_string());
}

/// A deep copy that keeps what is shared inside shared.
class Cloner {
 public:
  std::shared_ptr<LayerState> clone(const LayerState& layer) {
    if (auto known = layers_.find(&layer); known != layers_.end()) return known->second;
    auto copy = std::make_shared<LayerState>();
    layers_[&layer] = copy;
    copy->spec = layer.spec->copy();
    copy->where = layer.where;
    copy->type = layer.type;
    copy->given = layer.given;
    copy->assigned = layer.assigned;
    copy->built = layer.built;
    copy->frozen = layer.frozen;
    copy->samples = layer.samples;
    for (const Part& p : layer.parts)
      copy->parts.push_back({p.name, Layer(clone(*p.layer.state()))});
    for (const Owned& v : layer.variables)
      copy->variables.push_back({v.name, clone(v.variable), v.trainable});
    if (layer.random.defined()) copy->random = clone(layer.random);
    return copy;
  }

 private:
  static Variable clone(const Variable& v) {
    const VariableMade made{v.name(), v.trainable()};
    const auto& state = v.state();
    Variable copy = state->value.defined() ? Variable(v.value(), made)
                                           : Variable(v.shape(), v.dtype(), state->initial, made);
    copy.state()->constraint = state->constraint;
    return copy;
  }
  std::unordered_map<const LayerState*, std::shared_ptr<LayerState>> layers_;
};

}  // namespace
}  // namespace detail

using detail::LayerState;
using detail::Owned;
using detail::Part;

Layer::Layer(std::unique_ptr<detail::Spec> spec, Where where)
    : state_(std::make_shared<LayerState>()) {
  state_->type = nn::type_of(*spec);
  if (const std::string* name = spec->name()) state_->given = *name;
  if (state_->given.find('.') != std::string::npos) {
    throw ValueError(state_->type + ": name: expected a name without dots, got \"" +
                         escaped(state_->given) + "\"",
                     "", where.to_string());
  }
  state_->where = where;
  state_->spec = std::move(spec);
  config::validate(
      state_->type, [&](Fields& f) { state_->spec->fields(f); }, where);
}

const std::string& Layer::name() const { return state_->name(); }
const std::string& Layer::type() const { return state_->type; }
bool Layer::built() const { return state_->built; }
Variable Layer::random_state() const { return detail::random_state(*state_); }

std::string Layer::to_string() const {
  const auto defaults = state_->spec->fresh();
  const std::string type = detail::type_name(state_->spec->spelling());
  return (type.empty() ? state_->type : type) + "(" +
         config::print([&](Fields& f) { state_->spec->fields(f); },
                       [&](Fields& f) {
                         if (defaults) defaults->fields(f);
                       }) +
         ")";
}

Layer Layer::operator[](std::string_view path) const {
  Layer at = *this;
  std::string_view rest = path;
  while (true) {
    const size_t dot = rest.find('.');
    const std::string_view name = rest.substr(0, dot);
    std::vector<std::string> known;
    const Layer* next = nullptr;
    for (const Part& p : at.state_->parts) {
      known.push_back(p.name);
      if (p.name == name) next = &p.layer;
    }
    if (!next) {
      throw IndexError("layer \"" + at.name() + "\" has no part \"" + escaped(name) + "\"",
                       known.empty() ? "it has no parts" : did_you_mean(name, known));
    }
    at = Layer(*next);
    if (dot == std::string_view::npos) return at;
    rest.remove_prefix(dot + 1);
  }
}

std::vector<Layer> Layer::layers() const {
  std::vector<Layer> list;
  for (const Part& p : state_->parts) list.push_back(p.layer);
  return list;
}

std::vector<NamedVariable> Layer::named_variables(std::string_view glob) const {
  detail::require_built(*state_);
  std::vector<NamedVariable> list;
  detail::walk(*state_, [&](const std::string& path, LayerState& layer) {
    for (const Owned& v : layer.variables) {
      std::string name = detail::join(path, v.name);
      if (detail::path_matches(glob, name)) list.push_back({std::move(name), v.variable});
    }
  });
  return list;
}

Variables Layer::variables(std::string_view glob) const {
  Variables list;
  for (NamedVariable& v : named_variables(glob)) list.push_back(std::move(v.variable));
  return list;
}

Variables Layer::trainable(std::string_view glob) const {
  Variables list;
  for (NamedVariable& v : named_variables(glob)) {
    if (v.variable.trainable()) list.push_back(std::move(v.variable));
  }
  return list;
}

Variable Layer::variable(std::string_view path) const {
  std::vector<std::string> known;
  for (NamedVariable& v : named_variables()) {
    if (v.path == path) return v.variable;
    known.push_back(std::move(v.path));
  }
  throw IndexError("layer \"" + name() + "\" has no variable \"" + escaped(path) + "\"",
                   known.empty() ? "it has no variables" : did_you_mean(path, known));
}

int64_t Layer::parameter_count() const {
  int64_t count = 0;
  for (const NamedVariable& v : named_variables()) count += v.variable.shape().size();
  return count;
}

namespace {

void set_frozen(const Layer& root, std::string_view glob, bool frozen) {
  detail::require_built(*root.state());
  std::vector<std::string> known;
  bool any = false;
  detail::walk(*root.state(), [&](const std::string& path, LayerState& layer) {
    if (!path.empty()) known.push_back(path);
    // The layer that was asked has no path; "*" means it too.
    if (path.empty() ? glob == "*" : detail::path_matches(glob, path)) {
      layer.frozen = frozen;
      any = true;
    }
    for (Owned& v : layer.variables) {
      const std::string name = detail::join(path, v.name);
      if (!detail::path_matches(glob, name)) continue;
      v.variable.set_trainable(!frozen && v.trainable);
      any = true;
    }
  });
  if (!any) {
    throw IndexError("nothing in layer \"" + root.name() + "\" matches \"" + escaped(glob) + "\"",
                     did_you_mean(glob, known));
  }
}

}  // namespace

void Layer::freeze(std::string_view glob) { set_frozen(*this, glob, true); }
void Layer::unfreeze(std::string_view glob) { set_frozen(*this, glob, false); }

Layer Layer::clone() const { return Layer(detail::Cloner().clone(*state_)); }

void Layer::build_many(const std::vector<Shape>& samples, DType dtype, Where where) {
  ir::Types types;
  for (const Shape& s : samples) {
    std::vector<int64_t> dims = s.dims();
    for (int64_t d : dims) {
      if (d < 0) {
        throw ShapeError("build: sample " + s.to_string() + ": a size is negative",
                         "the batch is not part of a sample's shape", where.to_string());
      }
    }
    dims.insert(dims.begin(), kAnyBatch);
    types.push_back({dtype, Shape(std::move(dims))});
  }
  nn::build(*state_, types);
}

void Layer::build(const Shape& sample, DType dtype, Where where) {
  build_many({sample}, dtype, where);
}

Outputs Layer::operator()(const Tensors& x, CallOptions options, Where where) const {
  return nn::call(*this, x, options, where);
}

Tensor Layer::operator()(const Tensor& x, CallOptions options, Where where) const {
  return nn::call(*this, Tensors(x), options, where).only();
}

}  // namespace varve
