#!/usr/bin/env bash
# Installs what is missing to build, test and check Varve on Debian 12; docs/dependencies.md says
# what each package is for. Does nothing, and asks for no rights, where nothing is missing.
set -euo pipefail

packages=(
  g++ cmake ninja-build ccache pkg-config python3 python3-venv clang-format
  libdnnl-dev ocl-icd-opencl-dev libopenblas-openmp-dev libhwy-dev
  nlohmann-json3-dev libtomlplusplus-dev libfmt-dev libcli11-dev
  zlib1g-dev libpng-dev libjpeg-dev libprotozero-dev
  libgtest-dev libgmock-dev librapidcheck-dev
)
# An assembler for x86 alone.
[ "$(dpkg --print-architecture 2>/dev/null)" != amd64 ] || packages+=(libxbyak-dev)

as_root() {
  if [ "$(id -u)" = 0 ]; then
    env DEBIAN_FRONTEND=noninteractive "$@"
  elif command -v sudo >/dev/null; then
    sudo env DEBIAN_FRONTEND=noninteractive "$@"
  else
    echo "error: '$*' needs root, and there is no sudo" >&2
    return 1
  fi
}

is_installed() { dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'ok installed'; }

install_missing() {
  local missing=() package
  for package in "${packages[@]}"; do
    is_installed "$package" || missing+=("$package")
  done
  [ ${#missing[@]} = 0 ] && return
  echo "installing: ${missing[*]}"
  as_root apt-get update -q
  as_root apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 "${missing[@]}"
}

# OpenBLAS with threads of its own fights with oneDNN for the processor; the OpenMP flavour shares
# one pool. Where several flavours are installed, Debian's alternatives say which one is loaded.
select_openmp_blas() {
  local triplet link name want
  triplet=$(g++ -dumpmachine)
  for link in libblas.so.3 liblapack.so.3 libopenblas.so.0; do
    name=$link-$triplet
    want=$(update-alternatives --list "$name" 2>/dev/null | grep openblas-openmp | head -n 1) || continue
    [ "$(readlink "/etc/alternatives/$name")" = "$want" ] && continue
    as_root update-alternatives --set "$name" "$want" ||
      echo "note: $name is not the OpenMP flavour of OpenBLAS; 'varve doctor' tells what it costs" >&2
  done
}

if ! command -v dpkg-query >/dev/null; then
  echo "note: this is no Debian; install the equivalents of: ${packages[*]}" >&2
  exit 0
fi
install_missing
select_openmp_blas
