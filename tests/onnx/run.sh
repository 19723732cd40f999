#!/usr/bin/env bash
# Models exported by the tests, checked by ONNX's own checker and run by ONNX Runtime, both in a virtual
# environment that is made for it once.
#   run.sh BUILD_DIR PROGRAM...     the test programs that keep their cases in VARVE_ONNX_OUT
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build=$1
shift
environment=$build/onnx-venv
requirements=$here/requirements.txt
if ! cmp -s "$requirements" "$environment/requirements.txt"; then
  rm -rf "$environment"
  python3 -m venv "$environment"
  "$environment/bin/pip" install --quiet --disable-pip-version-check -r "$requirements"
  cp "$requirements" "$environment/requirements.txt"
fi
cases=$(mktemp -d)
trap 'rm -rf "$cases"' EXIT
for program in "$@"; do
  VARVE_ONNX_OUT=$cases "$program" --gtest_brief=1 --gtest_filter='*OnnxExport*'
done
"$environment/bin/python" "$here/compare.py" "$cases" --known "$here/known.txt"
