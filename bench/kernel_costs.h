// The tables of kernel speeds by which plans select formats and libraries.
#pragma once
#include <string_view>

namespace varve::bench {

/// Times "convolutions" in every way, changes of format ("relays") or matrix "products" by both
/// libraries, with one thread and with two, on this processor's instruction set, and prints the
/// rows of src/backend/cpu/cost_table.inc or product_table.inc. Takes up to ten minutes an
/// instruction set.
void print_kernel_costs(std::string_view which);

}  // namespace varve::bench
