#include <cstring>

#include "backend/kernel.h"

namespace varve::backend {

Choice choose_kernel(const Request& request, KernelSet set) {
  static const std::vector<KernelRow> cpu = cpu_kernels(), ref = ref_kernels();
  Choice choice;
  auto try_list = [&](const std::vector<KernelRow>& rows) {
    for (const KernelRow& row : rows) {
      if (std::strcmp(row.op, "*") != 0 && std::strcmp(row.op, request.op.name) != 0) continue;
      Offer offer = row.prepare(request);
      if (offer.kernel) {
        choice.kernel = std::move(offer.kernel);
        choice.name = row.name;
        return true;
      }
      choice.declined.push_back(std::string(row.name) + ": " + offer.declined);
    }
    return false;
  };
  if (set != KernelSet::ref && try_list(cpu)) return choice;
  if (set != KernelSet::cpu) try_list(ref);
  return choice;
}

}  // namespace varve::backend
