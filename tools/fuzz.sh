#!/usr/bin/env bash
# Builds the fuzz harnesses and feeds each with its corpus and with what is mutated from it.
#
#   tools/fuzz.sh [--seconds N | --runs N] [--build DIR] [HARNESS...]
#
# --seconds N  soaks each harness for so long (1800: half an hour)
# --runs N     so many inputs instead, always the same ones: what the test suite does
# --build DIR  where it builds and works (build-fuzz): DIR/corpus/HARNESS grows from run to run,
#              an input that crashes is kept in DIR/crashes/HARNESS
# HARNESS      safetensors, npy ... (all files of fuzz/)
#
# Prints one line a harness; exit code 1 where one crashed, hung, leaked or took too much memory.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD

seconds=1800 runs=
build=$root/build-fuzz
names=()
while [ $# -gt 0 ]; do
  case $1 in
    --seconds) seconds=$2; shift 2 ;;
    --runs) runs=$2; shift 2 ;;
    --build) build=$2; shift 2 ;;
    --help) sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p}' "$0"; exit 0 ;;
    -*) echo "fuzz: unknown option $1 (--help)" >&2; exit 2 ;;
    *) names+=("$1"); shift ;;
  esac
done
if [ ${#names[@]} = 0 ]; then
  for file in fuzz/*.cpp; do names+=("$(basename "$file" .cpp)"); done
fi

# clang brings libFuzzer (Debian: clang, libclang-rt-14-dev); any other compiler takes fuzz/support/driver.cpp.
has_libfuzzer() {
  command -v clang++ >/dev/null || return 1
  echo 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }' |
    clang++ -fsanitize=fuzzer,address -x c++ - -o /dev/null 2>/dev/null
}
compiler=${CXX:-c++}
if has_libfuzzer; then compiler=clang++; fi
mkdir -p "$build"
cmake -S fuzz -B "$build" -G Ninja -DCMAKE_CXX_COMPILER="$compiler" >"$build/configure.log" ||
  { cat "$build/configure.log" >&2; exit 1; }
targets=("${names[@]/#/fuzz_}")
cmake --build "$build" -j"${JOBS:-2}" --target "${targets[@]}" >"$build/build.log" ||
  { tail -n 50 "$build/build.log" >&2; exit 1; }

# Seeds that the tests have anyway are not kept twice.
golden=$root/tests/formats/golden
seeds_of() {
  case $1 in
    npy) echo "$golden"/*.npy ;;
    npz) echo "$golden"/*.npz ;;
    png) echo "$golden"/*.png ;;
    jpeg) echo "$golden"/*.jpg ;;
    safetensors) echo "$golden"/*.safetensors ;;
    torch) echo "$golden"/*.pt ;;
  esac
}

limits=(-timeout=20 -rss_limit_mb=3072 -malloc_limit_mb=1600 -max_len=65536)
if [ -n "$runs" ]; then
  limits+=(-runs="$runs" -seed=1)
else
  limits+=(-max_total_time="$seconds")
fi

failed=0
for name in "${names[@]}"; do
  corpus=$build/corpus/$name crashes=$build/crashes/$name
  # The short run starts anew each time, so that it always does the same.
  [ -z "$runs" ] || rm -rf "$corpus"
  mkdir -p "$corpus" "$crashes"
  for seed in $(seeds_of "$name") "$root/fuzz/corpus/$name"/*; do
    [ ! -f "$seed" ] || [ "$(stat -c %s "$seed")" -gt 65536 ] || cp "$seed" "$corpus/$(basename "$seed")"
  done
  options=("${limits[@]}" -artifact_prefix="$crashes/")
  [ ! -f "$root/fuzz/$name.dict" ] || options+=(-dict="$root/fuzz/$name.dict")
  log=$build/$name.log
  if (cd "$crashes" && "$build/fuzz_$name" "${options[@]}" "$corpus") >"$log" 2>&1; then
    echo "$name: $(grep -E '^(Done|stat)' "$log" | tail -n 1), $(ls "$corpus" | wc -l) inputs in the corpus"
    # libFuzzer keeps inputs that took more than 10 seconds, which a busy machine alone may cause.
    rmdir "$crashes" 2>/dev/null || echo "$name: slow inputs in $crashes"
  else
    failed=1
    echo "$name: FAILED; inputs in $crashes, the log is $log"
    grep -E '^(==.*ERROR|SUMMARY|broken promise|.*runtime error)' "$log" | head -n 5 || true
  fi
done
exit $failed
