#!/usr/bin/env python3
"""Runs cases in ONNX's layout by ONNX Runtime and holds the outputs against those kept beside them.

  compare.py DIR [--rtol 1e-4] [--atol 1e-5] [--known FILE]

Each DIR/NAME/model.onnx must pass the ONNX checker with full shape inference. Prints a line for each
case that differs and a total; exits with 1 if there is any. FILE names cases that are known to differ,
a line each:

  NAME: FAULT: why

FAULT is what must be found there, and all that may be: `no kernel`, where the runtime has none for an
operator; `not finite`, where NaN or infinities stand elsewhere; `values <= BOUND`, where finite values
differ by no more than that; `unset`, where the runtime leaves memory as it was, so that values differ
at times; `shape`; `error TEXT`, where the runtime refuses with that text. A case that is named and
equal (unless `unset`), or that is not there, is a fault of FILE.
"""
import argparse
import pathlib
import re
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


def difference(got, expected, rtol, atol):
    """The fault of one output; None for nothing."""
    if got.shape != expected.shape or got.dtype != expected.dtype:
        return f"shape: {got.dtype}{got.shape} for {expected.dtype}{expected.shape}"
    if numpy.allclose(got, expected, rtol=rtol, atol=atol, equal_nan=True):
        return None
    x, y = got.astype(float), expected.astype(float)
    finite = numpy.isfinite(x) & numpy.isfinite(y)
    same = (x == y) | (numpy.isnan(x) & numpy.isnan(y))
    if not numpy.all(finite | same):
        at = numpy.argmin(finite | same)
        return f"not finite: {x.flat[at]} for {y.flat[at]}"
    return f"values <= {numpy.max(numpy.abs(x[finite] - y[finite])):.3g}"


def fault_of(case, rtol, atol):
    """What is wrong with a case, as FILE spells it; None for nothing."""
    path = case / "model.onnx"
    onnx.checker.check_model(str(path), full_check=True)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as e:  # the runtime's own types are not public
        return ("no kernel: " if "NOT_IMPLEMENTED" in str(e) else "error ") + " ".join(str(e).split())
    data = case / "test_data_set_0"
    names = [x.name for x in session.get_inputs()]
    given = [x.name for x in onnx.load(path).graph.input]
    feeds = {n: x for n, x in zip(given, tensors(data, "input")) if n in names}
    try:
        outputs = session.run(None, feeds)
    except Exception as e:
        return "error " + " ".join(str(e).split())
    faults = [difference(g, e, rtol, atol) for g, e in zip(outputs, tensors(data, "output"), strict=True)]
    return next((f for f in faults if f), None)


def read_known(path):
    """NAME to FAULT."""
    known = {}
    for line in path.read_text().splitlines() if path else []:
        if not line or line.startswith("#"):
            continue
        parts = re.match(r"(\w+): (no kernel|not finite|unset|shape|values <= \S+|error .*?): .", line)
        if not parts:
            sys.exit(f"{path}: expected NAME: FAULT: why, got {line!r}")
        if parts[1] in known:
            sys.exit(f"{path}: {parts[1]} is named twice")
        known[parts[1]] = parts[2]
    return known


def excuses(known, fault):
    if known.startswith("values <= "):
        return fault.startswith("values <= ") and float(fault.split()[2]) <= float(known.split()[2])
    if known == "unset":  # memory that nobody wrote: any values, at times the right ones
        return fault.startswith(("values", "not finite"))
    if known.startswith("error "):
        return fault.startswith("error ") and known[len("error "):] in fault
    return fault.startswith(known)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("folder", type=pathlib.Path)
    arguments.add_argument("--rtol", type=float, default=1e-4)
    arguments.add_argument("--atol", type=float, default=1e-5)
    arguments.add_argument("--known", type=pathlib.Path)
    a = arguments.parse_args()
    known = read_known(a.known)
    cases = sorted(p.parent for p in a.folder.glob("*/model.onnx"))
    equal, failed, excused = 0, [], {}
    for case in cases:
        try:
            fault = fault_of(case, a.rtol, a.atol)
        except Exception as e:
            fault = f"refused by the checker: {type(e).__name__}: {e}"
        allowed = known.get(case.name)
        if fault is None:
            equal += 1
            if allowed and allowed != "unset":
                failed.append(f"{case.name}: is equal, but {a.known} says: {allowed}")
        elif allowed and excuses(allowed, fault):
            kind = allowed.split(" <=")[0] if allowed.startswith("values") else allowed
            excused.setdefault(kind.split(" ")[0] if kind.startswith("error") else kind, []).append(case.name)
        else:
            failed.append(f"{case.name}: {fault}" + (f" ({a.known} says: {allowed})" if allowed else ""))
    there = {case.name for case in cases}
    failed += [f"{name}: {a.known} names it, but there is no such case" for name in known if name not in there]
    for line in failed:
        print(line)
    kinds = ", ".join(f"{len(names)} {kind}" for kind, names in sorted(excused.items()))
    print(f"{len(cases)} cases: {equal} equal, {len(failed)} faults, {sum(map(len, excused.values()))} known to differ "
          f"({kinds}) in ONNX Runtime {onnxruntime.__version__}")
    return 1 if failed or not equal else 0


if __name__ == "__main__":
    sys.exit(main())
