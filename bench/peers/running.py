"""What the peers' programs share: options, timing, memory, and the line of JSON that each prints.

Each program runs one case in one mode and prints one line with the keys of `varve-bench`.
"""
import argparse
import json
import resource
import statistics
import time


def options(description, variants):
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--case", required=True)
    parser.add_argument("--mode", choices=("train", "infer"), default="train")
    parser.add_argument("--variant", choices=variants, default=variants[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--min-time", type=float, default=1.5, help="seconds measured")
    parser.add_argument("--batch1", action="store_true", help="inference of one sample")
    return parser


def peak_mb():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def measure(step, min_time):
    """Milliseconds of a step: the first, and median and least of those that fill `min_time` after half a second."""
    start = time.perf_counter()
    step()
    first = time.perf_counter() - start
    while time.perf_counter() - start < first + 0.5:
        step()
    each, start = [], time.perf_counter()
    while len(each) < 5 or time.perf_counter() - start < min_time:
        before = time.perf_counter()
        step()
        each.append(time.perf_counter() - before)
    return {"median_ms": statistics.median(each) * 1e3, "min_ms": min(each) * 1e3, "first_step_ms": first * 1e3}


def report(a, import_mb, times):
    """Prints the line. `import_mb`: the peak before the case was made, with the library loaded."""
    print(json.dumps({"name": a.case, "mode": a.mode, "variant": a.variant, "threads": a.threads, **times,
                      "peak_rss_mb": peak_mb(), "import_rss_mb": import_mb}))
