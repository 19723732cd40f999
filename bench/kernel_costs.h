// The table of kernel speeds by which plans select formats.
#pragma once

namespace varve::bench {

/// Times convolutions in every way, and changes of format, with one thread and with two, on this
/// processor's instruction set, and prints the rows of src/backend/cpu/cost_table.inc,
/// `convolutions` or relays. Takes about two minutes.
void print_kernel_costs(bool convolutions);

}  // namespace varve::bench
