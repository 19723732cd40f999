#!/usr/bin/env bash
# Installs a build into a stage, moves the stage, and builds and runs every example against it: with
# find_package, and once more with pkg-config. Usage: install_test.sh SOURCE BUILD CXX
set -euo pipefail
source=$1 build=$2 cxx=$3
work=$build/install_test
rm -rf "$work"
mkdir -p "$work/run"

cmake --install "$build" --prefix "$work/first" >"$work/install.log"
# Moved once, so that an absolute path left in a config file shows.
stage=$work/stage
mv "$work/first" "$stage"
grep -rlI -e "$source" -e "$work/first" "$stage" && { echo "the files above name a folder of the build" >&2; exit 1; }
[ -f "$stage/include/varve/version.h" ] && [ -f "$stage/share/doc/varve/LICENSE" ]

echo "== find_package"
cmake -S "$source/examples" -B "$work/cmake" -G Ninja -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_BUILD_TYPE=Release \
  -DCMAKE_PREFIX_PATH="$stage" >"$work/configure.log"
cmake --build "$work/cmake" -j2
cd "$work/run"
for example in "$source"/examples/*.cpp; do
  name=$(basename "$example" .cpp)
  echo "== $name"
  "$work/cmake/$name"
done

echo "== pkg-config"
PKG_CONFIG_PATH=$(dirname "$(find "$stage" -name varve.pc)")
export PKG_CONFIG_PATH
flags=$(pkg-config --cflags --libs varve)
for example in "$source"/examples/*.cpp; do
  name=$(basename "$example" .cpp)
  # shellcheck disable=SC2086  # the flags are words
  "$cxx" -std=c++20 "$example" $flags -o "$work/$name"
  "$work/$name" >"$work/$name.log"
done

if [ -x "$stage/bin/varve" ]; then
  echo "== varve"
  "$stage/bin/varve" --version
  size=$(stat -c %s "$stage/bin/varve")
  echo "varve, stripped: $((size / 1024)) KiB"
  [ "$size" -lt 15000000 ]
fi
