#!/bin/sh
# Measures the speeds of kernels and writes the tables by which plans choose formats and libraries.
#   tools/kernel_costs.sh BENCH FOLDER
# Nothing else should run meanwhile: it takes about twenty minutes.
set -eu
bench=$1 folder=$2
new=$(mktemp) packed=$(mktemp) products=$(mktemp)
trap 'rm -f "$new" "$packed" "$products"' EXIT
rows() {
  for isa in avx512 avx2; do VARVE_MAX_CPU_ISA=$isa "$bench" --kernel-costs "$1"; done
}
model=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
{
  echo "// Measured on $model by \`make kernel-costs\`."
  echo "// clang-format off"
  echo "constexpr ConvolutionRow kConvolutions[] = {"
  rows convolutions
  echo "};"
  echo "constexpr RelayRow kRelays[] = {"
  rows relays
  echo "};"
} > "$new"
{
  echo "// Measured on $model by \`make kernel-costs\`."
  echo "// clang-format off"
  echo "constexpr ProductRow kProducts[] = {"
  rows products
  echo "};"
} > "$products"
{
  echo "// Measured on $model by \`make kernel-costs\`."
  echo "// clang-format off"
  echo "constexpr PackedRow kPacked[] = {"
  rows packed
  echo "};"
} > "$packed"
grep -q '"avx512"' "$new" || { echo "kernel-costs: this processor has no AVX-512" >&2; exit 1; }
cp "$new" "$folder/cost_table.inc"
cp "$packed" "$folder/packed_table.inc"
cp "$products" "$folder/product_table.inc"
echo "wrote $folder/cost_table.inc, packed_table.inc and product_table.inc"
