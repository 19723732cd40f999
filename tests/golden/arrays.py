"""Golden values of reductions, shape ops and indexing from NumPy and SciPy.

    python3 tests/golden/arrays.py        # writes reductions.json, shapes.json, indexing.json here

A case names the op and the sample of tests/ops/samples_*.cpp whose call gives the outputs.
"""
import json
import pathlib
import zlib

import numpy as np
from scipy.special import logsumexp

HERE = pathlib.Path(__file__).parent
NAMES = {"float64": "f64", "int64": "i64", "bool": "bool"}


def number(v):
    if isinstance(v, (bool, np.bool_, int, np.integer)):
        return int(v)
    return float(v) if np.isfinite(v) else str(v)


def array(a, typed):
    a = np.asarray(a)
    out = {"shape": list(a.shape), "values": [number(v) for v in a.reshape(-1)]}
    if typed:
        out["dtype"] = NAMES[str(a.dtype)]
    return out


class Cases:
    def __init__(self, file):
        self.file, self.list = file, []

    def add(self, op, sample, function, *inputs):
        """Shapes among the inputs become random numbers."""
        rng = np.random.default_rng(zlib.crc32(f"{op}/{sample}".encode()))
        inputs = [np.round(rng.uniform(-2, 2, x), 3) if isinstance(x, tuple) else np.asarray(x)
                  for x in inputs]
        outputs = function(*inputs)
        outputs = outputs if isinstance(outputs, (tuple, list)) else [outputs]
        self.list.append({"op": op, "sample": sample,
                          "inputs": [array(x, True) for x in inputs],
                          "outputs": [array(y, False) for y in outputs]})

    def write(self):
        lines = ",\n".join(json.dumps(c) for c in self.list)
        head = json.dumps({"numpy": np.__version__})[1:-1]
        (HERE / self.file).write_text("{%s, \"cases\": [\n%s\n]}\n" % (head, lines))


def reductions():
    cases = Cases("reductions.json")
    samples = [("all", (2, 3), None, False), ("last", (2, 3, 4), -1, False),
               ("first", (5, 7), 0, False), ("middle", (3, 4, 5), 1, False),
               ("outer two", (3, 4, 5), (2, 0), False), ("kept", (3, 4, 5), 1, True),
               ("all kept", (2, 3), None, True), ("rank 0", (), None, False),
               ("size 1", (3, 1, 2), 1, False), ("nothing left", (0, 3), 1, False),
               ("of nothing", (0, 3), 0, False), ("of nothing inside", (2, 0), 1, True)]
    functions = {"sum": np.sum, "mean": np.mean, "prod": np.prod, "max": np.max, "min": np.min,
                 "any": np.any, "all": np.all, "var": np.var, "std": np.std,
                 "logsumexp": lambda x, axis, keepdims: logsumexp(x, axis=axis, keepdims=keepdims),
                 "count_nonzero": lambda x, axis, keepdims:
                     np.count_nonzero(x, axis=axis, keepdims=keepdims)}
    for op, f in functions.items():
        for name, shape, axis, keep in samples:
            if name.startswith("of nothing") and op in ("max", "min"):
                continue
            if name == "nothing left" and op == "logsumexp":
                continue  # SciPy refuses it
            cases.add(op, name, lambda x: f(x, axis=axis, keepdims=keep), shape)
    for name, shape, axis, keep in samples:
        if shape and not name.startswith("of nothing") and axis != (2, 0):
            for op, f in (("argmax", np.argmax), ("argmin", np.argmin)):
                cases.add(op, name, lambda x: f(x, axis=axis, keepdims=keep), shape)
    for order, f in ((1, lambda x, **k: np.sum(np.abs(x), **k)),
                     (2, lambda x, **k: np.sqrt(np.sum(x * x, **k))),
                     (3, lambda x, **k: np.sum(np.abs(x) ** 3, **k) ** (1 / 3)),
                     (np.inf, lambda x, **k: np.max(np.abs(x), **k))):
        for name, shape, axis, keep in samples[:6]:
            cases.add("norm", f"{name}, order {order:f}", lambda x: f(x, axis=axis, keepdims=keep),
                      shape)
    for name, shape, axis, keep in samples[:7]:
        cases.add("var", name + ", corrected",
                  lambda x: np.var(x, axis=axis, keepdims=keep, ddof=1), shape)
    cases.write()


if __name__ == "__main__":
    np.seterr(all="ignore")
    import warnings
    warnings.simplefilter("ignore")
    reductions()
