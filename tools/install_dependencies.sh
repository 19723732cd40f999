#!/usr/bin/env bash
# Installs what is missing to build and test Varve on Debian 12.
set -euo pipefail
packages="g++ cmake ninja-build ccache pkg-config libdnnl-dev ocl-icd-opencl-dev libhwy-dev libopenblas-openmp-dev
  libeigen3-dev nlohmann-json3-dev libtomlplusplus-dev libfmt-dev libcli11-dev zlib1g-dev libpng-dev libjpeg-dev
  libgtest-dev libgmock-dev librapidcheck-dev"
missing=$(for p in $packages; do dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || echo "$p"; done)
if [ -n "$missing" ]; then
  sudo=$([ "$(id -u)" = 0 ] || echo sudo)
  $sudo apt-get update -q
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y --no-install-recommends $missing
fi
