#!/usr/bin/env python3
"""Runs cases in ONNX's layout by ONNX Runtime and holds the outputs against those kept beside them.

  compare.py DIR [--rtol 1e-4] [--atol 1e-5] [--known FILE]

Each DIR/NAME/model.onnx must pass the ONNX checker with full shape inference. Prints a line for each
case that differs and a total; exits with 1 if there is any. FILE names cases that are known to differ,
`NAME: why` a line.
"""
import argparse
import pathlib
import sys

import numpy
import onnx
import onnxruntime
from onnx import numpy_helper


def tensors(folder, stem):
    for i in range(len(list(folder.glob(f"{stem}_*.pb")))):
        proto = onnx.TensorProto()
        proto.ParseFromString((folder / f"{stem}_{i}.pb").read_bytes())
        yield numpy_helper.to_array(proto)


def fault_of(case, rtol, atol):
    """What is wrong with a case; an empty text for nothing, None where the runtime has no kernel."""
    path = case / "model.onnx"
    onnx.checker.check_model(str(path), full_check=True)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as e:  # the runtime's own types are not public
        if "NOT_IMPLEMENTED" in str(e):
            return None
        return str(e)
    data = case / "test_data_set_0"
    names = [x.name for x in session.get_inputs()]
    given = [x.name for x in onnx.load(path).graph.input]
    feeds = {n: x for n, x in zip(given, tensors(data, "input")) if n in names}
    outputs = session.run(None, feeds)
    for got, expected in zip(outputs, tensors(data, "output"), strict=True):
        if got.shape != expected.shape or got.dtype != expected.dtype:
            return f"{got.dtype}{got.shape} for {expected.dtype}{expected.shape}"
        if not numpy.allclose(got, expected, rtol=rtol, atol=atol, equal_nan=True):
            worst = numpy.max(numpy.abs(got.astype(float) - expected.astype(float)))
            return f"differs by {worst:.3g}"
    return ""


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("folder", type=pathlib.Path)
    arguments.add_argument("--rtol", type=float, default=1e-4)
    arguments.add_argument("--atol", type=float, default=1e-5)
    arguments.add_argument("--known", type=pathlib.Path)
    a = arguments.parse_args()
    lines = a.known.read_text().splitlines() if a.known else []
    known = {line.split(":")[0] for line in lines if line and not line.startswith("#")}
    cases = sorted(p.parent for p in a.folder.glob("*/model.onnx"))
    failed, excused, without = 0, 0, []
    for case in cases:
        try:
            fault = fault_of(case, a.rtol, a.atol)
        except Exception as e:
            fault = f"{type(e).__name__}: {e}"
        if fault and case.name in known:
            excused += 1
        elif fault is None:
            without.append(case.name)
        elif fault:
            failed += 1
            print(f"{case.name}: {fault}")
    equal = len(cases) - failed - excused - len(without)
    print(f"{len(cases)} cases: {equal} equal, {failed} different, {excused} known to differ, "
          f"{len(without)} without a kernel in ONNX Runtime {onnxruntime.__version__}")
    if without:
        print("without a kernel: " + " ".join(without))
    return 1 if failed or not equal else 0


if __name__ == "__main__":
    sys.exit(main())
