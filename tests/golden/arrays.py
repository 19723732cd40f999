"""Golden values of reductions, shape ops and indexing from NumPy and SciPy.

    python3 tests/golden/arrays.py        # writes reductions.json, shapes.json, indexing.json,
                                          # subscripts/index.json here

A case names the op and the sample of tests/ops/samples_*.cpp whose call gives the outputs.
"""
import json
import pathlib
import warnings
import zlib

import numpy as np

HERE = pathlib.Path(__file__).parent
NAMES = {"float64": "f64", "int64": "i64", "int32": "i32", "uint8": "u8", "bool": "bool"}


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
    def __init__(self, file, made_by=None):
        self.file, self.list = file, []
        self.made_by = made_by or {"numpy": np.__version__}

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
        head = json.dumps(self.made_by)[1:-1]
        (HERE / self.file).write_text("{%s, \"cases\": [\n%s\n]}\n" % (head, lines))


def reductions():
    from scipy.special import logsumexp  # here, for other scripts use this one without SciPy
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


def shapes():
    cases = Cases("shapes.json")
    add = cases.add
    add("reshape", "flat", lambda x: x.reshape(-1), (2, 3, 4))
    add("reshape", "other", lambda x: x.reshape(4, 1, -1), (2, 3, 4))
    add("reshape", "to rank 0", lambda x: x.reshape(()), (1, 1))
    add("reshape", "nothing", lambda x: x.reshape(5, 0), (0, 3))
    add("flatten", "rows", lambda x: x.reshape(2, -1), (2, 3, 4))
    add("flatten", "all", np.ravel, (2, 3))
    add("squeeze", "all", np.squeeze, (1, 3, 1))
    add("squeeze", "one", lambda x: np.squeeze(x, -1), (1, 3, 1))
    add("expand_dims", "front", lambda x: np.expand_dims(x, 0), (2, 3))
    add("expand_dims", "back", lambda x: np.expand_dims(x, -1), (2, 3))
    add("expand_dims", "rank 0", lambda x: np.expand_dims(x, 0), ())
    add("broadcast_to", "row", lambda x: np.broadcast_to(x, (2, 3)), (3,))
    add("broadcast_to", "column", lambda x: np.broadcast_to(x, (4, 2, 3)), (2, 1))
    add("broadcast_to", "rank 0", lambda x: np.broadcast_to(x, (2, 2)), ())
    add("broadcast_to", "to nothing", lambda x: np.broadcast_to(x, (0, 3)), (1, 3))
    add("transpose", "reversed", np.transpose, (2, 3, 4))
    add("transpose", "given", lambda x: np.transpose(x, (1, -1, 0)), (2, 3, 4))
    add("swap_axes", "ends", lambda x: np.swapaxes(x, 0, -1), (2, 3, 4))
    add("move_axis", "back", lambda x: np.moveaxis(x, 0, -1), (2, 3, 4))
    add("move_axis", "front", lambda x: np.moveaxis(x, -1, 1), (2, 3, 4, 2))
    add("flip", "all", np.flip, (2, 3))
    add("flip", "one", lambda x: np.flip(x, 1), (2, 3, 2))
    add("flip", "nothing", np.flip, (0, 3))
    add("roll", "forwards", lambda x: np.roll(x, 2, 1), (2, 5))
    add("roll", "backwards", lambda x: np.roll(x, -8, 0), (5, 2))
    add("roll", "around", lambda x: np.roll(x, 10, 0), (5,))
    add("slice", "inside", lambda x: x[1:3, 2:], (4, 5))
    add("slice", "backwards", lambda x: x[::-1, -2:0:-2], (4, 5))
    add("slice", "beyond", lambda x: x[-100:100:3, 100:-100:-3], (4, 5))
    add("slice", "nothing", lambda x: x[3:1], (4, 5))
    add("slice", "of nothing", lambda x: x[::-2], (0, 5))
    add("pad", "constant", lambda x: np.pad(x, ((1, 0), (2, 1))), (2, 3))
    add("pad", "value", lambda x: np.pad(x, ((0, 1), (1, 1)), constant_values=1), (2, 3))
    add("pad", "cropped", lambda x: np.pad(x[1:, 1:-2], ((0, 2), (0, 0))), (4, 5))
    add("pad", "cropped away", lambda x: np.zeros((2, 0)), (4, 5))
    add("pad", "of nothing", lambda x: np.pad(x, ((1, 1), (0, 1))), (0, 2))
    add("pad", "edge", lambda x: np.pad(x, ((1, 2), (3, 1)), mode="edge"), (2, 3))
    for mode in ("reflect", "symmetric", "wrap"):
        add("pad", mode, lambda x: np.pad(x, ((1, 5), (3, 2)), mode=mode), (2, 4))
    add("diagonal", "main", np.diagonal, (3, 4))
    add("diagonal", "above", lambda x: np.diagonal(x, 2), (3, 4))
    add("diagonal", "below", lambda x: np.diagonal(x, -1, 2, 0), (4, 2, 3))
    add("diagonal", "outside", lambda x: np.diagonal(x, 5), (2, 2))
    add("diagonal_matrix", "main", np.diag, (3,))
    add("diagonal_matrix", "above", lambda x: np.diag(x, 2), (3,))
    add("diagonal_matrix", "below", lambda x: np.diag(x, -1), (3,))
    add("tril", "main", np.tril, (3, 4))
    add("tril", "many", lambda x: np.tril(x, 1), (2, 3, 3))
    add("triu", "main", np.triu, (4, 3))
    add("triu", "many", lambda x: np.triu(x, -1), (2, 3, 3))
    add("concat", "last", lambda *x: np.concatenate(x, -1), (2, 3), (2, 1))
    add("concat", "first", lambda *x: np.concatenate(x, 0), (1, 3), (0, 3), (2, 3))
    add("concat", "middle", lambda *x: np.concatenate(x, 1), (2, 1, 3), (2, 4, 3))
    add("concat", "one", lambda x: x, (2, 3))
    add("stack", "front", lambda *x: np.stack(x), (2, 3), (2, 3))
    add("stack", "back", lambda *x: np.stack(x, -1), (2, 3), (2, 3))
    add("stack", "numbers", lambda *x: np.stack(x), (), ())
    add("split", "equal", lambda x: np.split(x, 3, -1), (2, 6))
    add("split", "sizes", lambda x: np.split(x, [1, 1], 0), (5, 2))
    add("tile", "short", lambda x: np.tile(x, 2), (2, 3))
    add("tile", "long", lambda x: np.tile(x, (2, 1, 3)), (2,))
    add("tile", "never", lambda x: np.tile(x, 0), (2,))
    add("repeat", "rows", lambda x: np.repeat(x, 2, 0), (2, 3))
    add("repeat", "columns", lambda x: np.repeat(x, 3, -1), (2, 3))
    add("arange", "added", lambda x: x + np.arange(2, 12, 2), (5,))
    cases.write()


def add_at(x, index, updates):
    y = x.copy()
    np.add.at(y, index, updates)
    return y


def set_at(x, index, updates):
    y = x.copy()
    y[index] = updates
    return y


def along(indices, axis, rank):
    """The index of NumPy's put_along_axis."""
    grid = list(np.ogrid[tuple(slice(n) for n in indices.shape)])
    grid[axis] = indices
    return tuple(grid)


def with_room(indices, size):
    out = np.zeros((size,) + indices.shape[1:], indices.dtype)
    kept = min(size, len(indices))
    out[:kept] = indices[:kept]
    return out


def indexing():
    cases = Cases("indexing.json")
    add = cases.add
    nothing = np.zeros(0, np.int64)
    add("take", "rows", lambda x, i: np.take(x, i, 0), (4, 3), [2, -4])
    add("take", "columns", lambda x, i: np.take(x, i, 1), (2, 3, 4), [[0, 2], [-1, 1]])
    add("take", "last", lambda x, i: np.take(x, i, -1), (3, 5), [4, 4, 0, 1])
    add("take", "one", lambda x, i: np.take(x, i, 0), (3, 5), -1)
    add("take", "none", lambda x, i: np.take(x, i, 0), (3, 5), nothing)
    add("take", "of nothing", lambda x, i: np.take(x, i, 0), (0, 5), nothing.reshape(0, 2))
    add("embedding", "rows", lambda x, i: x[i], (4, 3), [[2, 0], [0, 3]])
    add("take_along_axis", "rows", lambda x, i: np.take_along_axis(x, i, 0), (3, 2), [[2, -3]])
    add("take_along_axis", "columns", lambda x, i: np.take_along_axis(x, i, 1), (2, 4),
        [[0, 3, 3], [-1, 1, 0]])
    add("take_along_axis", "broadcast", lambda x, i: np.take_along_axis(x, i, 1), (2, 4), [[3, 1]])
    add("gather_nd", "rows", lambda x, i: x[i[:, 0]], (3, 2, 2), [[2], [-3]])
    add("gather_nd", "pairs", lambda x, i: x[i[:, 0], i[:, 1]], (3, 2, 2), [[2, 1], [0, -1]])
    add("gather_nd", "elements", lambda x, i: x[i[..., 0], i[..., 1]], (3, 4),
        [[[2, 3]], [[0, 1]]])
    add("gather_nd", "whole", lambda x, i: np.stack([x, x]), (3, 4), np.zeros((2, 0), np.int64))
    rows = np.array([2, 0, -3, 2])
    columns = np.array([[3, 0], [1, 1], [-1, 3]])
    pairs = np.array([[2, 1], [0, -1], [2, 1]])
    for op, f in (("scatter_add", add_at), ("scatter_set", set_at)):
        add(op, "rows", f, (5, 3), rows, (4, 3))
        add(op, "last", lambda x, i, u: f(x, (slice(None), i), u), (2, 5), rows, (2, 4))
        add(op, "along", lambda x, i, u: f(x, along(i, 1, 2), u), (3, 4), columns, (3, 2))
        add(op, "tuples", lambda x, i, u: f(x, (i[:, 0], i[:, 1]), u), (3, 2, 2), pairs, (3, 2))
    add("scatter_add", "broadcast", add_at, (5, 3), rows, (3,))
    add("segment_sum", "rows", lambda x, i: add_at(np.zeros((4, 3)), i, x), (4, 3), [2, 0, 2, 2])
    add("one_hot", "last", lambda i: np.eye(3)[i], [[0, 2], [1, 2]])
    add("one_hot", "first", lambda i: np.eye(4)[i].T, [0, 2, 1])
    ties = np.array([[1, 0, 1, 0, 1], [2, 2, 2, 2, 2], [0, 1, 0, 1, 0]])
    odd = np.array([1, np.nan, -np.inf, np.inf, -0., 0, np.nan])
    stable = lambda x, axis=-1: np.argsort(x, axis=axis, kind="stable")
    add("argsort", "last", stable, (3, 5))
    add("argsort", "first", lambda x: stable(x, 0), (5, 3))
    add("argsort", "descending", lambda x: stable(-x), (3, 5))
    add("argsort", "ties", stable, ties)
    add("argsort", "ties descending", lambda x: stable(-x), ties)
    add("argsort", "odd", stable, odd)
    add("argsort", "nothing", stable, (2, 0))
    add("sort", "last", np.sort, (3, 5))
    add("sort", "first", lambda x: np.sort(x, 0), (5, 3))
    add("sort", "descending", lambda x: -np.sort(-x), (3, 5))
    add("sort", "odd", np.sort, odd)
    top = lambda x, k, axis: (-np.take(np.sort(-x, axis), np.arange(k), axis),
                              np.take(stable(-x, axis), np.arange(k), axis))
    add("top_k", "last", lambda x: top(x, 2, -1), (3, 5))
    add("top_k", "first", lambda x: top(x, 3, 0), (5, 3))
    add("top_k", "all", lambda x: top(x, 4, 0), (4,))
    add("top_k", "ties", lambda x: top(x, 3, -1), ties)
    vector, values = np.array([0., 1, 1, 1, 4]), np.array([[0., 1, 2.5], [4, 5, -1]])
    add("searchsorted", "left", np.searchsorted, vector, values)
    add("searchsorted", "right", lambda x, v: np.searchsorted(x, v, "right"), vector, values)
    some = np.array([[0., 2, 0], [1, 0, 3]])
    for name, size in (("room left", 5), ("no room", 2)):
        add("nonzero", name, lambda x: (with_room(np.argwhere(x), size),
                                        min(size, np.count_nonzero(x))), some)
    def unique(x):
        values, inverse, counts = np.unique(x, return_inverse=True, return_counts=True)
        return with_room(values, 5), inverse.reshape(x.shape), with_room(counts, 5), len(values)
    add("unique", "room left", unique, np.array([[3., 2, 3], [1, 2, 3]]))
    for op, f in (("cumsum", np.cumsum), ("cumprod", np.cumprod)):
        add(op, "last", lambda x: f(x, -1), (2, 5))
        add(op, "first", lambda x: f(x, 0), (5, 2))
        add(op, "reverse", lambda x: f(x[:, ::-1], -1)[:, ::-1], (2, 5))
        add(op, "exclusive",
            lambda x: np.concatenate([np.full((3, 1, 2), float(op == "cumprod")), f(x, 1)[:, :-1]], 1),
            (3, 4, 2))
        add(op, "nothing", lambda x: f(x, -1), (2, 0))
    cases.write()


def random_index(rng, shape):
    """An index of an array, as NumPy takes it and as JSON: numbers, slices, "...", null, arrays."""
    index, text, axis, arrays = [], [], 0, None
    dots = rng.random() < 0.3
    while axis < len(shape) or rng.random() < 0.2:
        if rng.random() < 0.15:
            index.append(None)
            text.append(None)
            continue
        if axis == len(shape):
            break
        if dots and rng.random() < 0.3:
            dots = False
            index.append(Ellipsis)
            text.append("...")
            axis += rng.integers(0, len(shape) - axis + 1)  # less is taken by what follows
            continue
        n, kind = shape[axis], rng.integers(0, 5)
        axis += 1
        if kind == 0:
            i = int(rng.integers(-n, n))
            index.append(i)
            text.append(i)
        elif kind <= 2:
            start, stop = (None if rng.random() < 0.3 else int(rng.integers(-n - 1, n + 2))
                           for _ in range(2))
            step = [None, 1, 2, -1, -3][rng.integers(0, 5)]
            index.append(slice(start, stop, step))
            text.append({"slice": [start, stop, step]})
        elif kind == 3 or axis == len(shape):
            if arrays is None:
                arrays = tuple(int(v) for v in rng.integers(1, 4, rng.integers(0, 3)))
            dims = tuple(1 if rng.random() < 0.2 else d for d in arrays)
            a = rng.integers(-n, n, dims)
            index.append(a)
            text.append({"array": array(a, True)})
        elif axis < len(shape):
            rank = int(rng.integers(1, 3))
            a = rng.random(shape[axis - 1:axis - 1 + rank]) < 0.5
            axis += rank - 1
            index.append(a)
            text.append({"array": array(a, True)})
    return tuple(index), text


def subscripts():
    """Random indices of an array of 0, 1, 2 ...: what NumPy takes out, sets and adds."""
    rng, cases = np.random.default_rng(7), []
    while len(cases) < 400:
        shape = tuple(int(n) for n in rng.integers(1, 5, rng.integers(1, 5)))
        x = np.arange(np.prod(shape)).reshape(shape)
        index, text = random_index(rng, shape)
        try:
            y = x[index]
        except IndexError:
            continue  # arrays that do not broadcast together, too many indices
        cases.append({"shape": shape, "index": text, "result": array(y, False),
                      "set": array(set_at(x, index, -1), False)["values"],
                      "add": array(add_at(x, index, 100), False)["values"]})
    lines = ",\n".join(json.dumps(c) for c in cases)
    folder = HERE / "subscripts"
    folder.mkdir(exist_ok=True)
    (folder / "index.json").write_text("[\n%s\n]\n" % lines)


if __name__ == "__main__":
    np.seterr(all="ignore")
    warnings.simplefilter("ignore")
    reductions()
    shapes()
    indexing()
    subscripts()
