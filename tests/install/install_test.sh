#!/usr/bin/env bash
# Installs a build into a stage, moves the stage, and builds and runs every example against it with
# find_package; one of them also as the README shows, with CMake and with pkg-config.
# Usage: install_test.sh SOURCE BUILD CXX
set -euo pipefail
source=$1 build=$2 cxx=$3
work=$build/install_test
rm -rf "$work"
mkdir -p "$work/run" "$work/output"

cmake --install "$build" --prefix "$work/first" >"$work/install.log"
# Moved once, so that an absolute path left in a config file shows.
stage=$work/stage
mv "$work/first" "$stage"
grep -rlI -e "$source" -e "$work/first" "$stage" && { echo "the files above name a folder of the build" >&2; exit 1; }
[ -f "$stage/include/varve/version.h" ]
[ -f "$stage/share/doc/varve/LICENSE" ]

echo "== find_package"
cmake -S "$source/examples" -B "$work/cmake" -G Ninja -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_BUILD_TYPE=Release \
  -DCMAKE_PREFIX_PATH="$stage" >"$work/configure.log"
cmake --build "$work/cmake" -j2
cd "$work/run"
for example in "$source"/examples/*.cpp; do
  name=$(basename "$example" .cpp)
  echo "== $name"
  "$work/cmake/bin/$name" | tee "$work/output/$name.txt"
done
# What the documents show as output is what the examples print.
python3 "$source/tools/snippets.py" --root "$source" --outputs "$work/output"

echo "== a project of one file, with CMake and without"
mkdir "$work/app"
cp "$source/examples/consumer/CMakeLists.txt" "$work/app/"
cp "$source/examples/first.cpp" "$work/app/main.cpp"
cd "$work/app"
cmake -B build -G Ninja -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_PREFIX_PATH="$stage" >>"$work/configure.log"
cmake --build build
PKG_CONFIG_PATH=$(dirname "$(find "$stage" -name varve.pc)")
export PKG_CONFIG_PATH
g++() { command "$cxx" "$@"; }
# shellcheck disable=SC2046  # the flags are words
# [pkg-config]
g++ -std=c++20 main.cpp $(pkg-config --cflags --libs varve) -o app
# [/pkg-config]
./app >"$work/output/pkg-config.txt"

# The other compiler has to take the public headers too; linking with its OpenMP is not ours to ask.
if command -v clang++ >/dev/null; then
  echo "== clang"
  for example in "$source"/examples/*.cpp; do
    clang++ -std=c++20 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -I "$stage/include" "$example"
  done
fi

if [ -x "$stage/bin/varve" ]; then
  echo "== varve"
  "$stage/bin/varve" --version
  size=$(stat -c %s "$stage/bin/varve")
  echo "varve, stripped: $((size / 1024)) KiB"
  [ "$size" -lt 15000000 ]
fi
