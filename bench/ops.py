#!/usr/bin/env python3
"""Times Varve's ops beside PyTorch's on the same inputs, in turn, and prints the ratios.

  ops.py --varve build/varve-bench [--threads 2] [--max-size 1e7] [--rounds 2] [--only OP]

Below 1e4 elements an op of Varve runs inside a replayed plan (a compiled function that holds it
alone), from there on also uncompiled; PyTorch runs eagerly without gradients. A ratio is PyTorch's
time over Varve's: above 1, Varve is faster.
"""
import argparse
import json
import statistics
import subprocess
import sys
import time

import torch
import torch.nn.functional as F


def side(n):
    return max(1, round(n**0.5))


def one(n):
    return (torch.randn(n),)


def positive(n):
    return (torch.randn(n).abs() + 0.1,)


def two(n):
    return torch.randn(n), torch.randn(n)


def matrix(n):
    return (torch.randn(n // 100, 100),)


def square(n):
    return torch.randn(side(n), side(n)), torch.randn(side(n), side(n))


def pictures(n):
    s = side(4 if n // 16 < 64 else 1024)
    x = torch.randn(max(1, n // (16 * s * s)), 16, s, s)
    return (x.contiguous(memory_format=torch.channels_last),)


def ids(below, *shape):
    return torch.randint(0, below, shape)


def batched(n):
    b = max(1, n // 1024)
    return torch.randn(b, 32, 32), torch.randn(b, 32, 32)


def kernel():
    return torch.randn(16, 16, 3, 3).contiguous(memory_format=torch.channels_last)


# op: inputs for n elements, call
PEER = {
    "negative": (one, torch.neg),
    "abs": (one, torch.abs),
    "square": (one, torch.square),
    "sqrt": (positive, torch.sqrt),
    "rsqrt": (positive, torch.rsqrt),
    "exp": (one, torch.exp),
    "expm1": (one, torch.expm1),
    "log": (positive, torch.log),
    "log1p": (positive, torch.log1p),
    "sin": (one, torch.sin),
    "cos": (one, torch.cos),
    "tan": (one, torch.tan),
    "atan": (one, torch.atan),
    "tanh": (one, torch.tanh),
    "erf": (one, torch.erf),
    "sigmoid": (one, torch.sigmoid),
    "softplus": (one, F.softplus),
    "relu": (one, torch.relu),
    "silu": (one, F.silu),
    "gelu": (one, F.gelu),
    "floor": (one, torch.floor),
    "round": (one, torch.round),
    "add": (two, torch.add),
    "multiply": (two, torch.mul),
    "divide": (two, torch.div),
    "power": (lambda n: (positive(n)[0], torch.randn(n)), torch.pow),
    "maximum": (two, torch.maximum),
    "greater": (two, torch.gt),
    "where": (two, lambda a, b: torch.where(a > 0, a, b)),
    "add_row": (lambda n: (torch.randn(n // 100, 100), torch.randn(100)), torch.add),
    "cast_f64": (one, lambda x: x.double()),
    "cast_i64": (one, lambda x: x.long()),
    "sum": (one, torch.sum),
    "sum_rows": (matrix, lambda x: x.sum(1)),
    "sum_columns": (matrix, lambda x: x.sum(0)),
    "mean": (one, torch.mean),
    "var_rows": (matrix, lambda x: x.var(1, correction=0)),
    "max": (one, torch.max),
    "max_rows": (matrix, lambda x: x.amax(1)),
    "argmax_rows": (matrix, lambda x: x.argmax(1)),
    "logsumexp_rows": (matrix, lambda x: x.logsumexp(1)),
    "softmax_rows": (matrix, lambda x: x.softmax(1)),
    "log_softmax_rows": (matrix, lambda x: x.log_softmax(1)),
    "layer_norm": (matrix, lambda x: F.layer_norm(x, (100,))),
    "transpose": (square, lambda a, b: a.t().contiguous()),
    "concat": (two, lambda a, b: torch.cat((a, b))),
    "pad": (one, lambda x: F.pad(x, (8, 8))),
    "slice_step": (one, lambda x: x[::2].contiguous()),
    "flip": (one, lambda x: x.flip(0)),
    "take_rows": (lambda n: (torch.randn(1000, 100), ids(1000, n // 100)),
                  lambda t, i: t.index_select(0, i)),
    "take_along_axis": (lambda n: (torch.randn(n // 100, 100), ids(100, n // 100, 100)),
                        lambda t, i: t.gather(1, i)),
    "scatter_add_rows": (lambda n: (torch.randn(1000, 100), ids(1000, n // 100), torch.randn(n // 100, 100)),
                         lambda x, i, u: x.index_add(0, i, u)),
    "one_hot": (lambda n: (ids(100, n // 100),), lambda i: F.one_hot(i, 100).float()),
    "cumsum_rows": (matrix, lambda x: x.cumsum(1)),
    "sort_rows": (matrix, lambda x: x.sort(1).values),
    "sort": (one, lambda x: x.sort().values),
    "argsort_rows": (matrix, lambda x: x.argsort(stable=True, dim=1)),
    "top_k_rows": (matrix, lambda x: x.topk(5, 1).values),
    "matmul": (square, torch.matmul),
    "batched_matmul": (batched, torch.matmul),
    "conv2d_3x3": (lambda n: (pictures(n)[0], kernel()), lambda x, k: F.conv2d(x, k, padding=1)),
    "max_pool2d": (pictures, lambda x: F.max_pool2d(x, 2)),
    "average_pool2d": (pictures, lambda x: F.avg_pool2d(x, 2)),
    "batch_norm": (pictures, lambda x: F.batch_norm(x, None, None, training=True)),
    "cross_entropy": (lambda n: (torch.randn(n // 100, 100), ids(100, n // 100)),
                      lambda x, t: F.cross_entropy(x, t, reduction="none")),
    "random_uniform": (one, torch.rand_like),
    "random_normal": (one, torch.randn_like),
}


def least_us(call):
    call()

    def run(calls):
        start = time.perf_counter()
        for _ in range(calls):
            call()
        return (time.perf_counter() - start) * 1e6

    calls = max(1, int(5e3 / max(run(1), 0.1)))
    return min(run(calls) / calls for _ in range(7))


def varve_times(a):
    command = [a.varve, "--ops", a.only or "all", "--ops-max-size", str(a.max_size), "--threads", str(a.threads)]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {(r["op"], r["size"]): r for r in map(json.loads, out.splitlines())}


def peer_times(a):
    times = {}
    for op, (inputs, call) in PEER.items():
        if a.only and a.only != op:
            continue
        n = 100
        while n <= a.max_size:
            x = inputs(n)
            times[op, n] = least_us(lambda: call(*x))
            n *= 10
    return times


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--varve", default="build/varve-bench")
    arguments.add_argument("--threads", type=int, default=2)
    arguments.add_argument("--max-size", type=float, default=1e7)
    arguments.add_argument("--rounds", type=int, default=2)
    arguments.add_argument("--only")
    a = arguments.parse_args()
    if a.only and a.only not in PEER:
        sys.exit(f"no op {a.only}; there are: {' '.join(PEER)}")
    torch.set_num_threads(a.threads)
    torch.set_grad_enabled(False)
    ours, theirs = {}, {}
    for _ in range(a.rounds):
        for key, r in varve_times(a).items():
            old = ours.get(key, r)
            ours[key] = {k: min(r[k], old[k]) if k.endswith("_us") else r[k] for k in r}
        for key, t in peer_times(a).items():
            theirs[key] = min(t, theirs.get(key, t))
    if not a.only and {k[0] for k in ours} != set(PEER):
        sys.exit(f"ops of one side alone: {set(PEER) ^ {k[0] for k in ours}}")
    ratios, slow = [], []
    print(f"{'op':18}{'size':>10}{'PyTorch us':>12}{'planned us':>12}{'ratio':>7}{'eager us':>12}{'ratio':>7}")
    for (op, n), r in ours.items():
        t = theirs[op, n]
        planned, eager = t / r["planned_us"], t / r["eager_us"]
        print(f"{op:18}{n:>10}{t:>12.2f}{r['planned_us']:>12.2f}{planned:>7.2f}{r['eager_us']:>12.2f}{eager:>7.2f}")
        counted = [planned] if n < 1e4 else [planned, eager]
        ratios += counted
        if min(counted) < 1 / 1.5:
            slow.append(f"{op} at {n}: {min(counted):.2f}")
    small = statistics.median(r["eager_us"] for (_, n), r in ours.items() if n == 100)
    print(f"median ratio {statistics.median(ratios):.2f}; an uncompiled op of 100 elements {small:.2f} us")
    print(f"slower than 1.5 times PyTorch's: {len(slow)}")
    for line in slow:
        print("  " + line)


if __name__ == "__main__":
    main()
