#include "runtime/prepare.h"

#include <algorithm>

#include "base/error.h"
#include "ops/table.h"
#include "runtime/control.h"

namespace varve::runtime {

Prepared prepare(const ir::Operation& node, std::span<const backend::Layout> inputs,
                 std::span<const backend::Layout> outputs, backend::KernelSet set, int threads) {
  Prepared p;
  p.pack.assign(inputs.size(), false);
  if (is_control(*node.op)) {
    for (size_t i = 0; i < inputs.size(); ++i) p.pack[i] = !inputs[i].contiguous();
    p.kernel = prepare_control(node, set, threads);
    p.name = node.op->name;
    return p;
  }
  auto attempt = [&](std::span<const backend::Layout> in, backend::KernelSet from) {
    backend::Choice c =
        backend::choose_kernel({*node.op, node.attributes, in, outputs, threads}, from);
    p.kernel = std::move(c.kernel);
    p.name = c.name;
    for (std::string& why : c.declined) {
      if (std::find(p.declined.begin(), p.declined.end(), why) == p.declined.end())
        p.declined.push_back(std::move(why));
    }
    return p.kernel != nullptr;
  };
  std::vector<backend::Layout> dense(inputs.begin(), inputs.end());
  std::vector<bool> strided(inputs.size(), false);
  bool any = false;
  for (size_t i = 0; i < dense.size(); ++i) {
    if (dense[i].contiguous()) continue;
    dense[i].strides = ir::row_major(dense[i].shape);
    strided[i] = any = true;
  }
  for (auto from : {backend::KernelSet::cpu, backend::KernelSet::ref}) {
    if (from == backend::KernelSet::cpu && set == backend::KernelSet::ref) continue;
    if (attempt(inputs, from)) return p;
    if (any && attempt(dense, from)) {
      p.pack = strided;
      return p;
    }
  }
  return p;
}

std::unique_ptr<backend::Kernel> prepare_copy(const backend::Layout& from,
                                              const backend::Layout& to, backend::KernelSet set,
                                              int threads) {
  // Never by way of a packed input: packing is this very copy.
  const ir::Attributes attributes{{"dtype", to.dtype}};
  backend::Choice c = backend::choose_kernel(
      {ops::get("cast"), attributes, std::span(&from, 1), std::span(&to, 1), threads}, set);
  check(c.kernel != nullptr, "a copy always has a kernel");
  return std::move(c.kernel);
}

void no_kernel(const ir::Operation& node, const std::vector<std::string>& declined) {
  std::string why;
  for (const std::string& d : declined) why += (why.empty() ? "" : "; ") + d;
  throw UnsupportedError(
      std::string(node.op->name) + ": no kernel takes these types" +
          (node.outputs.empty() ? "" : " (output " + node.outputs[0].to_string() + ")"),
      why, node.site.to_string());
}

}  // namespace varve::runtime
