#!/bin/sh
# Measures the speeds of kernels and writes the table by which plans choose formats.
#   tools/kernel_costs.sh BENCH TABLE
# Nothing else should run meanwhile: it takes about four minutes.
set -eu
bench=$1 table=$2
new=$(mktemp)
trap 'rm -f "$new"' EXIT
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
grep -q '"avx512"' "$new" || { echo "kernel-costs: this processor has no AVX-512" >&2; exit 1; }
cp "$new" "$table"
echo "wrote $table"
