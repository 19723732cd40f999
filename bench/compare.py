#!/usr/bin/env python3
"""Times Varve beside the fastest peer, case by case, in alternating runs.

  python3 bench/compare.py --python build/peers/bin/python3 [--varve build/varve-bench] [--cases a,b]
                           [--modes train,infer] [--threads 2,1] [--batch1] [--rounds 5] [--min-time 1] [--bar 1]
                           [--append] [--out build/figures/speed.json]

--python is an interpreter with the peers (tools/peers.sh); those that it lacks are left out. Which of them is the
fastest is found here: every variant (PyTorch eager, channels-last, compiled; TensorFlow; for inference ONNX Runtime and
OpenVINO) runs once, those that are not far behind once more, and what came of it, errors too, is kept in qualified.json
beside --out for this processor and these versions; without the file all are asked again. The fastest, others that were
close, and Varve then run in turns, each time in a process of its own. --batch1: inference of one sample. --append: rows of other cases stay in --out.

The ratio is the peer's best round over Varve's best round (above 1: Varve is faster; other work on the machine only
ever adds time), a round being the median of its steps; the range of the ratios within single rounds stands beside it.
GFLOP/s, percent of the peak and the roofline's time: bench/roofline.py. Memory is the peak above what a process had
with its libraries loaded, in MB: Varve's, and that of the leanest peer. Cases below --bar are named at the end. Exits
with 1 if a case has no result.
"""
import argparse
import json
import os
import platform
import statistics
import subprocess
import sys

import roofline
import turns

PEERS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "peers")
VARIANTS = {"torch": ("eager", "compile", "channels_last", "compile_channels_last"), "tensorflow": ("tensorflow",),
            "onnxruntime": ("onnxruntime",), "openvino": ("openvino",)}
PROGRAM = {"torch": "peer_torch.py", "tensorflow": "peer_tensorflow.py"}
# How much slower than the fastest a variant may have been when all were asked, and be asked again (other work on the
# machine can double a run's time), and in the better of two runs, and still take turns.
AGAIN, CLOSE = 2.5, 1.25
OF_VARIANT = {v: package for package, variants in VARIANTS.items() for v in variants}
DISTRIBUTIONS = {"torch": ("torch",), "tensorflow": ("tensorflow-cpu", "tensorflow"), "onnxruntime": ("onnxruntime",),
                 "openvino": ("openvino",)}


def processor():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as f:
            lines = dict(line.split(":", 1) for line in map(str.strip, f) if ":" in line)
        lines = {k.strip(): v.strip() for k, v in lines.items()}
        kind = f"family {lines['cpu family']}, model {lines['model']}"
        return f"{lines['model name']} ({kind}, {os.cpu_count()} threads)"
    except (OSError, KeyError):
        return f"{platform.processor() or platform.machine()} ({os.cpu_count()} threads)"


def versions(python):
    """{package: version} of the peers that an interpreter has."""
    code = """if True:
        import importlib.metadata as m, json, sys
        found = {}
        for package, names in json.loads(sys.argv[1]).items():
            for name in names:
                try: found.setdefault(package, m.version(name))
                except m.PackageNotFoundError: pass
        print(json.dumps(found))"""
    done = subprocess.run([python, "-c", code, json.dumps(DISTRIBUTIONS)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def variants(kernels, case, mode, packages, tensorflow_cases):
    """The variants of a case that can run."""
    pictures = any(kind.startswith("convolution") for kind, *_ in kernels)
    for package in packages:
        if package == "tensorflow" and case not in tensorflow_cases:
            continue
        if package in ("onnxruntime", "openvino") and mode == "train":
            continue
        yield from (v for v in VARIANTS[package] if pictures or "channels_last" not in v)


class Peers:
    """Runs the peers, and knows from qualified.json which of them is the fastest."""

    def __init__(self, a, machine):
        self.a, self.path = a, os.path.join(os.path.dirname(a.out) or ".", "qualified.json")
        self.packages = machine["versions"]
        self.known = read(self.path, {})
        self.here = self.known.setdefault(json.dumps(machine, sort_keys=True), {})
        sys.path.insert(0, PEERS)
        from peer_tensorflow import NAMES
        self.tensorflow_cases = NAMES

    def run(self, variant, case, mode, threads):
        package = OF_VARIANT[variant]
        command = [self.a.python, os.path.join(PEERS, PROGRAM.get(package, "peer_engines.py")), "--case", case,
                   "--mode", mode, "--variant", variant, "--threads", str(threads), "--min-time", str(self.a.min_time)]
        if package not in PROGRAM:
            command += ["--models", os.path.join(os.path.dirname(self.path), "models")]
        return turns.last_json(command + (["--batch1"] if self.a.batch1 else []))

    def qualified(self, kernels, case, mode, threads):
        """{variant: {"median_ms", "memory_mb"}}, the best of its runs, of those that gave no error."""
        key = f"{case} {mode}{'1' if self.a.batch1 else ''} {threads}"
        found = self.here.setdefault(key, {})
        for runs in (1, 2):
            for variant in variants(kernels, case, mode, self.packages, self.tensorflow_cases):
                before = found.get(variant)
                if before and ("error" in before or before["runs"] >= runs):
                    continue
                if before and before["median_ms"] > AGAIN * min(r["median_ms"] for r in found.values() if "error" not in r):
                    continue
                r = self.run(variant, case, mode, threads)
                if "error" in r:
                    print(f"{case} {mode}: {variant} left out: {r['error'][:200]}", flush=True)
                    found[variant] = {**before, "runs": runs} if before else r
                else:
                    found[variant] = {"median_ms": min(r["median_ms"], before["median_ms"] if before else r["median_ms"]),
                                      "memory_mb": min(turns.above_start(r), before["memory_mb"] if before else 1e9),
                                      "runs": runs}
                write(self.path, self.known)
        return {v: r for v, r in found.items() if "error" not in r}


def read(path, otherwise):
    if not os.path.exists(path):
        return otherwise
    with open(path, encoding="utf-8") as f:
        return json.load(f)


def write(path, value):
    """Whole or not at all: a run takes long, and may be stopped."""
    with open(path + ".new", "w", encoding="utf-8") as f:
        json.dump(value, f, indent=1)
    os.replace(path + ".new", path)


def row_of(case, mode, threads, rounds, qualified, kernels, peak):
    """What the rounds [(fastest peer's, Varve's)] of a case say."""
    fastest = min((peer for peer, _ in rounds), key=lambda r: r["median_ms"])["variant"]
    leanest = min(qualified, key=lambda v: qualified[v]["memory_mb"])
    peer_ms, ms = (min(r["median_ms"] for r in side) for side in zip(*rounds))
    single = [peer["median_ms"] / ours["median_ms"] for peer, ours in rounds]
    memory = min(turns.above_start(ours) for _, ours in rounds)
    batch = round(rounds[0][1]["samples_per_s"] * rounds[0][1]["median_ms"] / 1e3)
    row = {"name": case, "mode": mode, "threads": threads, "batch": batch, "peer": fastest, "peer_ms": peer_ms, "ms": ms,
           "ratio": peer_ms / ms, "ratio_min": min(single), "ratio_max": max(single),
           "memory_mb": memory, "leanest": leanest, "leanest_mb": qualified[leanest]["memory_mb"],
           "memory_ratio": memory / qualified[leanest]["memory_mb"], **roofline.figures(kernels, peak, ms)}
    # The last digits of a time are noise.
    return {k: float(f"{v:.5g}") if isinstance(v, float) else v for k, v in row.items()}


def line_of(r):
    return (f"{r['name']:18} {r['mode']:6} {r['threads']} {r['peer']:21} {r['peer_ms']:9.3f} {r['ms']:9.3f} ms  "
            f"{r['ratio']:5.2f}x ({r['ratio_min']:.2f}-{r['ratio_max']:.2f})  "
            f"{r['gflops']:6.1f} GFLOP/s {r['percent_of_peak']:5.1f}%  "
            f"roofline {r['roofline_ms']:8.3f} ms  memory {r['memory_mb']:6.1f} of {r['leanest_mb']:.1f} MB")


def summary(rows, bar):
    """The closing lines: means, and the cases below the bar."""
    for mode, threads in dict.fromkeys((r["mode"], r["threads"]) for r in rows):
        ratios = {r["name"]: r["ratio"] for r in rows if (r["mode"], r["threads"]) == (mode, threads)}
        below = [f"{name} {ratio:.2f}" for name, ratio in ratios.items() if ratio < bar]
        mean = statistics.geometric_mean(ratios.values())
        yield (f"{mode}, {threads} threads: {len(ratios)} cases, geometric mean {mean:.2f}, "
               f"below {bar:g}: {', '.join(below) or 'none'}")


def options():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--python", default="build/peers/bin/python3")
    p.add_argument("--varve", default="build/varve-bench")
    p.add_argument("--cases", default="", help="all by default")
    p.add_argument("--modes", default="train,infer")
    p.add_argument("--threads", default="2", help="one or more numbers")
    p.add_argument("--batch1", action="store_true")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--min-time", type=float, default=1.0, help="seconds of a run")
    p.add_argument("--bar", type=float, default=1.0)
    p.add_argument("--append", action="store_true")
    p.add_argument("--out", default="build/figures/speed.json")
    return p.parse_args()


def measured(a, peers, kernels, case, kind, threads, peak):
    """The row of a case, or a sentence on why there is none."""
    mode = "train" if kind == "train" else "infer"
    qualified = peers.qualified(kernels, case, mode, threads)
    if not qualified:
        return "no peer runs it"
    least = min(r["median_ms"] for r in qualified.values())
    close = [v for v, r in qualified.items() if r["median_ms"] <= CLOSE * least]
    rounds = []
    for _ in range(a.rounds):
        runs = [peers.run(v, case, mode, threads) for v in close]
        runs.append(turns.varve(a.varve, case, mode, threads, a.min_time, a.batch1))
        errors = [r["error"] for r in runs if "error" in r]
        if errors:
            return errors[0]
        rounds.append((min(runs[:-1], key=lambda r: r["median_ms"]), runs[-1]))
    return row_of(case, kind, threads, rounds, qualified, kernels, peak)


def measure_peak(varve, threads):
    done = subprocess.run([varve, "--peak", "--threads", str(threads)], capture_output=True, text=True, check=True)
    peak = json.loads(done.stdout.splitlines()[-1])
    print(f"{threads} threads, {peak['instruction_set']}: {peak['gflops']:.0f} GFLOP/s, " + ", ".join(
        f"{x['gb_per_s']:.0f} GB/s at {x['bytes'] / 2**20:g} MiB" for x in peak["bandwidth"]), flush=True)
    return peak


def main():
    a = options()
    os.makedirs(os.path.dirname(a.out) or ".", exist_ok=True)
    listed = subprocess.run([a.varve, "--list"], capture_output=True, text=True, check=True).stdout.split()
    machine = {"processor": processor(), "versions": versions(a.python)}
    missing = [package for package in VARIANTS if package not in machine["versions"]]
    print("beside " + ", ".join(f"{k} {v}" for k, v in machine["versions"].items()) +
          (f"; left out: {', '.join(missing)}" if missing else ""), flush=True)
    peers, work = Peers(a, machine), roofline.load_work()
    old = read(a.out, {}) if a.append else {}
    if old.get("machine", machine) != machine:
        sys.exit(f"compare: {a.out} is of {old['machine']}, this is {machine}")
    out = {"machine": machine, "peak": old.get("peak", {}), "rows": old.get("rows", [])}
    rows, failed = [], []
    for threads in map(int, a.threads.split(",")):
        out["peak"][str(threads)] = peak = measure_peak(a.varve, threads)
        for kind in ("infer1",) if a.batch1 else a.modes.split(","):
            for case in a.cases.split(",") if a.cases else listed:
                row = measured(a, peers, work[case][kind], case, kind, threads, peak)
                if isinstance(row, str):
                    failed.append(f"{case} {kind}")
                    print(f"{case} {kind}: no result: {row}", flush=True)
                    continue
                rows.append(row)
                others = [r for r in out["rows"] if (r["name"], r["mode"], r["threads"]) != (case, kind, threads)]
                out["rows"] = others + [row]
                write(a.out, out)
                print(line_of(row), flush=True)
    print("\n".join(summary(rows, a.bar)))
    if failed:
        sys.exit("no result: " + ", ".join(failed))


if __name__ == "__main__":
    main()
