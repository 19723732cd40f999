#!/usr/bin/env bash
# Formats every C++ source by .clang-format; with --check only names the files that differ.
# The rules are read by clang-format 14 (Debian 12); other versions break lines differently.
set -euo pipefail
cd "$(dirname "$0")/.."

formatter=$(command -v clang-format-14 || command -v clang-format || true)
if [ -z "$formatter" ] || ! "$formatter" --version | grep -q 'version 14\.'; then
  echo "format: left out, for there is no clang-format 14 here"
  exit 0
fi
folders=()
for folder in include src recipes apps examples tests bench fuzz; do
  [ -d "$folder" ] && folders+=("$folder")
done
list() { find "${folders[@]}" \( -name '*.h' -o -name '*.cpp' \) -print0 | sort -z; }

if [ "${1:-}" = --check ]; then
  # shellcheck disable=SC2016  # expanded by the inner shell
  differing=$(list | FORMATTER=$formatter xargs -0 -n 1 -P "$(nproc)" sh -c \
    '"$FORMATTER" --dry-run -Werror "$0" 2>/dev/null || echo "$0"')
  if [ -n "$differing" ]; then
    echo "$differing" | sed 's/$/: differs from what clang-format makes of it/'
    echo "format: 'make format' mends the files above" >&2
    exit 1
  fi
  echo "format: every file is as clang-format makes it"
else
  list | xargs -0 "$formatter" -i
fi
