"""Writes special_values.json: what each elementwise op gives for NaN, infinities, zeros of both signs,
denormals, the largest floats and large logits. Values are NumPy's and SciPy's in float64, rounded to
float32 by the test; where Varve documents another choice, it stands in DEVIATIONS with the reason.

Run: python3 special_values.py   (needs numpy and scipy)
"""
import json
import pathlib

import numpy as np
from scipy import special

np.seterr(all="ignore")
MAX = float(np.finfo(np.float32).max)
DENORMAL = float(np.float32(1e-40))
X = [float("nan"), float("inf"), -float("inf"), 0.0, -0.0, DENORMAL, -DENORMAL, MAX, -MAX, 1e4, -1e4, 1.0, -2.5]
PAIR = [float("nan"), float("inf"), -float("inf"), 0.0, -0.0, DENORMAL, MAX, 1.0, -2.5]

UNARY = {
    "negative": np.negative, "absolute": np.abs, "sign": np.sign, "square": np.square,
    "reciprocal": np.reciprocal, "sqrt": np.sqrt, "rsqrt": lambda x: 1 / np.sqrt(x),
    "exp": np.exp, "expm1": np.expm1, "log": np.log, "log1p": np.log1p, "log2": np.log2,
    "sin": np.sin, "cos": np.cos, "tan": np.tan, "asin": np.arcsin, "acos": np.arccos,
    "atan": np.arctan, "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh, "asinh": np.arcsinh,
    "acosh": np.arccosh, "atanh": np.arctanh, "erf": special.erf, "erfc": special.erfc,
    "sigmoid": special.expit, "log_sigmoid": special.log_expit,
    "softplus": lambda x: np.logaddexp(0, x), "softsign": lambda x: x / (1 + np.abs(x)),
    "silu": lambda x: x * special.expit(x), "relu": lambda x: np.where(x < 0, 0.0, x),
    "floor": np.floor, "ceil": np.ceil, "trunc": np.trunc, "round": np.rint,
    "logical_not": lambda x: x == 0, "is_nan": np.isnan, "is_finite": np.isfinite, "is_inf": np.isinf,
    "gelu": lambda x: x * special.ndtr(x), "relu6": lambda x: np.clip(np.where(x < 0, 0.0, x), 0, 6),
    "hard_sigmoid": lambda x: np.clip(x / 6 + 0.5, 0, 1),
    "mish": lambda x: x * np.tanh(np.logaddexp(0, x)),
}
BINARY = {
    "add": np.add, "subtract": np.subtract, "multiply": np.multiply, "divide": np.divide,
    "floor_divide": np.floor_divide, "remainder": np.remainder, "fmod": np.fmod, "power": np.power,
    "maximum": np.maximum, "minimum": np.minimum, "atan2": np.arctan2, "equal": np.equal,
    "not_equal": np.not_equal, "less": np.less, "less_equal": np.less_equal,
    "greater": np.greater, "greater_equal": np.greater_equal, "logical_and": np.logical_and,
    "logical_or": np.logical_or, "logical_xor": np.logical_xor,
}
INF = float("inf")


def key(op, *x):
    return (op, *[repr(v) for v in x])


# (op, x ...): value, reason. What is here must differ from NumPy's and SciPy's.
DEVIATIONS = {
    key("softsign", INF): (1.0, "the limit, not inf / inf"),
    key("softsign", -INF): (-1.0, "the limit, not -inf / inf"),
    key("silu", -INF): (-0.0, "the limit, not -inf * 0"),
}
for x in (INF, MAX, 1e4):
    DEVIATIONS[key("log_sigmoid", x)] = (0.0, "0 - 0: the zero has no sign")
# Zeros of both signs are equal, and which one is chosen depends on the instruction set (in NumPy, too).
EITHER = "either zero"
for name in ("maximum", "minimum"):
    DEVIATIONS[key(name, 0.0, -0.0)] = (0.0, EITHER)
    DEVIATIONS[key(name, -0.0, 0.0)] = (0.0, EITHER)
DEVIATIONS[key("relu6", -0.0)] = (0.0, EITHER)


def text(v):
    v = float(v)
    return repr(v) if not np.isfinite(v) or (v == 0 and np.signbit(v)) else v


def row(op, f, *x):
    """op, arguments, value; and the reason where the value is not the function's."""
    own = f(*map(np.float64, x))
    y, why = DEVIATIONS.pop(key(op, *x), (own, None))
    if why and why != EITHER and text(y) == text(own):
        raise SystemExit(f"{op}{x} deviates from nothing: {text(own)}")
    return [op, [text(v) for v in x], text(y)] + ([why] if why else [])


def main():
    rows = [row(op, f, x) for op, f in UNARY.items() for x in X]
    rows += [row(op, f, a, b) for op, f in BINARY.items() for a in PAIR for b in PAIR]
    if DEVIATIONS:
        raise SystemExit(f"no such rows: {list(DEVIATIONS)}")
    for x in PAIR:
        y = x if np.isnan(x) else min(max(x, -1.0), 1.0)
        rows.append(["clip", [text(x), -1.0, 1.0], text(y)])
        rows.append(["clip", [0.5, text(float("nan")), 1.0], "nan", "NaN goes through"])
    out = pathlib.Path(__file__).with_suffix(".json")
    lines = ",\n".join(json.dumps(r) for r in rows)
    out.write_text('{"numpy": "%s", "rows": [\n%s\n]}\n' % (np.__version__, lines))
    print(len(rows), "rows")


main()
