#!/usr/bin/env python3
"""Times the inference of one case in ONNX Runtime or OpenVINO and prints a line of JSON.

  python3 peer_engines.py --case lenet5 --mode infer --variant onnxruntime [--threads 2] [--min-time 1.5] [--batch1]
                          [--models build/figures/models]

PyTorch's network is written as an ONNX file, with its inputs and outputs beside it, by a process of its own: so this
one holds the engine alone, and its memory can be compared. Files that are there are used again. A time counts only if
the outputs are PyTorch's; of vae_mnist, which draws, they cannot be.
"""
import os
import subprocess
import sys

import numpy as np
import running

# Of the largest output: what other orders of summation explain.
TOLERANCE = 1e-3


def export(case, batch1, folder):
    """Writes model.onnx, inputs.npz (x0, x1 ...) and wanted.npy."""
    import torch
    from peer_torch import CASES, keep_one_sample

    torch.manual_seed(0)
    bench = CASES[case]()
    if batch1:
        keep_one_sample(case, bench)
    net = (bench.m["net"] if "net" in bench.m else bench.m["g"]).eval()
    samples = bench.inputs["x"].shape[0]
    args = (torch.randn(samples, 100),) if "net" not in bench.m else (bench.inputs["x"],)
    if case == "ddpm_mnist":
        args += (torch.full((samples,), 500),)
    with torch.no_grad():
        wanted = net(*args)
    names = [f"x{i}" for i in range(len(args))]
    torch.onnx.export(net, args, os.path.join(folder, "model.onnx"), input_names=names, opset_version=17, dynamo=False)
    np.savez(os.path.join(folder, "inputs.npz"), **{n: t.numpy() for n, t in zip(names, args)})
    # Last, for its presence says that the others are whole.
    np.save(os.path.join(folder, "wanted.npy"), (wanted[0] if isinstance(wanted, tuple) else wanted).numpy())


def onnxruntime(model, inputs, threads):
    import onnxruntime as engine

    base = running.peak_mb()
    options = engine.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = engine.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return base, lambda: session.run(None, inputs)[0]


def openvino(model, inputs, threads):
    import openvino as engine

    base = running.peak_mb()
    settings = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    request = engine.Core().compile_model(model, "CPU", settings).create_infer_request()
    inputs = {k: engine.Tensor(v) for k, v in inputs.items()}
    return base, lambda: request.infer(inputs)[0]


def main():
    parser = running.options(__doc__, ("onnxruntime", "openvino"))
    parser.add_argument("--models", default="build/figures/models")
    parser.add_argument("--export", action="store_true", help="write the files alone")
    a = parser.parse_args()
    folder = os.path.join(a.models, a.case + ("_1" if a.batch1 else ""))
    if a.export:
        return export(a.case, a.batch1, folder)
    if not os.path.exists(os.path.join(folder, "wanted.npy")):
        os.makedirs(folder, exist_ok=True)
        done = subprocess.run([sys.executable, *sys.argv, "--export"], capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{a.case}: no ONNX file: {done.stderr.strip().splitlines()[-1]}")
    # Bound threads would hand the main thread's one processor down to those that the engines start.
    os.environ["OMP_PROC_BIND"] = "false"
    with np.load(os.path.join(folder, "inputs.npz")) as file:
        inputs = dict(file)
    engine = {"onnxruntime": onnxruntime, "openvino": openvino}[a.variant]
    base, run = engine(os.path.join(folder, "model.onnx"), inputs, a.threads)
    wanted, got = np.load(os.path.join(folder, "wanted.npy")), np.array(run())
    distance = np.abs(got - wanted).max() / np.abs(wanted).max()
    if distance > TOLERANCE and a.case != "vae_mnist":
        sys.exit(f"{a.case}: outputs of {a.variant} differ from PyTorch's by {distance:.2g} of the largest")
    running.report(a, base, running.measure(run, a.min_time))


if __name__ == "__main__":
    main()
