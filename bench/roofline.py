"""The work of a case beside what the processor allows.

The peak is what `varve-bench --peak` finds: multiply-adds in registers, and a triad's bandwidth at sizes for L2, L3
and memory. The roofline's time of a kernel is the longer one of flops / peak and bytes / bandwidth, the bandwidth being
that of the smallest of these sizes that holds the kernel's bytes; a step's is the sum over its kernels. Which flops and
bytes count is said in bench/peers/write_work.py; nothing is fused but what is said there, so a step may do better.
"""
import json
import os

WORK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "peers", "work.json")


def load_work():
    with open(WORK, encoding="utf-8") as f:
        return json.load(f)


def flops(kernels):
    return sum(each * count for _, each, _, count in kernels)


def bandwidth(peak, size):
    """Bytes a second where a kernel touches so many bytes."""
    levels = sorted(peak["bandwidth"], key=lambda level: level["bytes"])
    return next((x for x in levels if size <= x["bytes"]), levels[-1])["gb_per_s"] * 1e9


def allowed_ms(kernels, peak):
    return 1e3 * sum(count * max(each / (peak["gflops"] * 1e9), size / bandwidth(peak, size))
                     for _, each, size, count in kernels)


def figures(kernels, peak, ms):
    """What a step of so many milliseconds makes of the processor."""
    rate = flops(kernels) / ms * 1e-6
    return {"gflops": rate, "percent_of_peak": 100 * rate / peak["gflops"], "roofline_ms": allowed_ms(kernels, peak)}
