#!/usr/bin/env python3
"""Times models of others, read from ONNX files, in Varve and in ONNX Runtime in turns, and prints the ratios.

  python3 onnx_models.py FOLDER --varve build/varve-bench [--threads 2] [--rounds 3] [--min-time 0.5] [--only a,b]

FOLDER holds a folder for each model: model.onnx and test_data_set_0 with input_N.pb and output_N.pb. A ratio is ONNX
Runtime's time over Varve's, of the best rounds; a round is the median of its runs. Needs onnx and onnxruntime.
"""
import argparse
import os
import statistics
import sys
import time

import numpy as np
import onnx
import onnxruntime
import turns
from onnx import numpy_helper

# Of the largest output: half precision keeps 11 bits, and references differ by more from one program to another.
TOLERANCE, HALF = 1e-4, 2e-3


def datum(path):
    with open(path, "rb") as f:
        return numpy_helper.to_array(onnx.TensorProto.FromString(f.read()))


def in_order(folder, kind):
    out = []
    while os.path.exists(path := os.path.join(folder, "test_data_set_0", f"{kind}_{len(out)}.pb")):
        out.append(datum(path))
    return out


class Peer:
    def __init__(self, folder, threads):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3
        self.session = onnxruntime.InferenceSession(os.path.join(folder, "model.onnx"), options,
                                                    providers=["CPUExecutionProvider"])
        self.inputs = dict(zip([i.name for i in self.session.get_inputs()], in_order(folder, "input")))

    def median_ms(self, least):
        for _ in range(4):
            self.session.run(None, self.inputs)
        times, begin = [], time.perf_counter()
        while time.perf_counter() - begin < least or len(times) < 5:
            start = time.perf_counter()
            self.session.run(None, self.inputs)
            times.append(time.perf_counter() - start)
        return statistics.median(times) * 1e3


def varve(program, folder, threads, least):
    command = [program, "--onnx", folder, "--threads", str(threads), "--min-time", str(least)]
    return turns.last_json(command, dict(os.environ, OMP_PROC_BIND="true", OMP_NUM_THREADS=str(threads)))


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("folder")
    p.add_argument("--varve", default="build/varve-bench")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--min-time", type=float, default=0.5)
    p.add_argument("--only", default="")
    a = p.parse_args()
    names = a.only.split(",") if a.only else sorted(
        n for n in os.listdir(a.folder) if os.path.exists(os.path.join(a.folder, n, "model.onnx")))
    ratios, failed = [], []
    print(f"{'model':20} {'ratio':>7} {'ONNX Runtime ms':>16} {'Varve ms':>10} {'first ms':>9} {'distance':>9}")
    for name in names:
        folder = os.path.join(a.folder, name)
        half = onnx.load(os.path.join(folder, "model.onnx")).graph.output[0].type.tensor_type.elem_type == 10
        theirs, ours, peer = [], [], Peer(folder, a.threads)
        for _ in range(a.rounds):
            theirs.append(peer.median_ms(a.min_time))
            ours.append(varve(a.varve, folder, a.threads, a.min_time))
        errors = [r["error"] for r in ours if "error" in r]
        # None stands for infinity.
        worst = float("inf") if any(r.get("distance") is None for r in ours) else max(r["distance"] for r in ours)
        if not errors and not worst <= (HALF if half else TOLERANCE):
            errors = [f"the outputs are {worst:.1e} away from those that came with it"]
        if errors:
            failed.append(name)
            print(f"{name:20} does not count: {errors[0]}", flush=True)
            continue
        best = min(r["median_ms"] for r in ours)
        ratios.append(min(theirs) / best)
        print(f"{name:20} {ratios[-1]:6.2f}x {min(theirs):16.4f} {best:10.4f} {ours[0]['first_step_ms']:9.1f} "
              f"{worst:9.1e}", flush=True)
    if ratios:
        print(f"{'geometric mean':20} {float(np.exp(np.mean(np.log(ratios)))):6.2f}x")
    if failed:
        sys.exit("onnx_models: does not count: " + ", ".join(failed))


if __name__ == "__main__":
    main()
