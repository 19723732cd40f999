#!/usr/bin/env bash
# Makes the Python environment with what Varve is compared with: PyTorch, TensorFlow, ONNX Runtime and
# OpenVINO, in the versions of bench/peers/requirements.txt.
#   tools/peers.sh [DIR]      DIR: build/peers by default. Does nothing where it is complete.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=${1:-build/peers}
wanted=bench/peers/requirements.txt
cmp -s "$wanted" "$folder/installed.txt" && exit 0

echo "peers: installing into $folder (2 GB; 6 GB where PyTorch comes for GPUs too)"
python3 -m venv "$folder"
pip() { "$folder/bin/python3" -m pip --disable-pip-version-check --no-cache-dir "$@"; }
# PyTorch's own index has it for processors alone.
pip install -q --no-deps --retries 0 --index-url https://download.pytorch.org/whl/cpu \
  "$(grep '^torch==' "$wanted")" || echo "peers: taking the PyTorch that has libraries for GPUs"
pip install -q -r "$wanted"
cp "$wanted" "$folder/installed.txt"
