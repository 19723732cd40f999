#include <algorithm>

#include "backend/kernel.h"

namespace varve::backend {
namespace {

bool all_plain(std::span<const Layout> layouts) {
  return std::all_of(layouts.begin(), layouts.end(),
                     [](const Layout& l) { return l.format == Format::plain; });
}

}  // namespace

Choice choose_kernel(const Request& request, KernelSet set) {
  Choice choice;
  const bool plain = all_plain(request.inputs) && all_plain(request.outputs);
  auto try_list = [&](const std::vector<KernelRow>& rows) {
    for (const KernelRow& row : rows) {
      if (!row.is_for(request.op)) continue;
      Offer offer =
          plain || row.candidates ? row.prepare(request) : Offer::decline("takes plain operands");
      if (offer.kernel) {
        choice.kernel = std::move(offer.kernel);
        choice.name = row.name;
        return true;
      }
      choice.declined.push_back(std::string(row.name) + ": " + offer.declined);
    }
    return false;
  };
  if (set != KernelSet::ref && try_list(cpu_kernels())) return choice;
  if (set != KernelSet::cpu) try_list(ref_kernels());
  return choice;
}

}  // namespace varve::backend
