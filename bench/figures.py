#!/usr/bin/env python3
"""Writes what bench/compare.py found into the documents.

  python3 bench/figures.py [--results build/figures/speed.json] [--table docs/performance.md] [--readme README.md]

A document has its figures between the lines `<!-- figures: NAME -->` and `<!-- /figures -->`. The table's gets two
blocks: `speed`, the machine and the ratios of all networks, and `speed-details`, everything that was measured. The
README's `speed` is cut from the first: the ratios with the most threads, of the networks that stand there already.
"""
import argparse
import json
import re
import statistics
import sys

MODES = {"train": "a training step", "infer": "inference", "infer1": "inference of one sample"}
NAMES = {"torch": "PyTorch", "tensorflow": "TensorFlow", "onnxruntime": "ONNX Runtime", "openvino": "OpenVINO",
         "eager": "PyTorch", "channels_last": "PyTorch, channels-last", "compile": "PyTorch, compiled",
         "compile_channels_last": "PyTorch, compiled, channels-last"}

COLUMNS = ["network", "fastest peer", "its ms", "Varve's ms", "ratio", "single rounds", "GFLOP/s", "of the peak",
           "roofline's ms", "MB", "leanest peer's MB"]


class FiguresError(Exception):
    pass


def block_of(text, name):
    """Where the lines of a block begin and end in a text."""
    found = list(re.finditer(rf"^<!-- figures: {re.escape(name)} -->\n(.*?)^<!-- /figures -->$", text, re.M | re.S))
    if len(found) != 1:
        raise FiguresError(f"needs one block '<!-- figures: {name} -->' ... '<!-- /figures -->', has {len(found)}")
    return found[0].span(1)


def with_block(text, name, lines):
    begin, end = block_of(text, name)
    return text[:begin] + "\n" + "\n".join(lines) + "\n\n" + text[end:]


def table(head, rows, left=1):
    """Lines of a table: the first `left` columns are words, the others figures."""
    align = ["---"] * left + ["---:"] * (len(head) - left)
    return ["| " + " | ".join(cells) + " |" for cells in (head, align, *rows)]


def figure(value):
    """Three digits."""
    return f"{value:.3g}" if value < 1 else f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f}"


def plural(threads):
    return f"{threads} thread" + ("" if threads == 1 else "s")


def kinds_of(rows):
    """(mode, threads) of the rows: training first, more threads first."""
    return sorted({(r["mode"], r["threads"]) for r in rows}, key=lambda k: (list(MODES).index(k[0]), -k[1]))


def overview(rows, only=None):
    """The table of ratios, a network a line; the mean is over all networks, whichever are shown."""
    kinds = kinds_of(rows)
    ratios = {kind: {r["name"]: r["ratio"] for r in rows if (r["mode"], r["threads"]) == kind} for kind in kinds}
    batches = {r["name"]: r["batch"] for r in rows if r["mode"] == "train"}
    names = dict.fromkeys(r["name"] for r in rows)
    lines = [[f"`{n}`", str(batches.get(n, ""))] + [f"{ratios[k][n]:.2f}x" if n in ratios[k] else "" for k in kinds]
             for n in names if only is None or n in only]
    mean = [f"{statistics.geometric_mean(ratios[k].values()):.2f}x" for k in kinds]
    lines.append([f"geometric mean of {len(names)}", "", *mean])
    return table(["network", "batch", *(f"{MODES[mode]}, {plural(threads)}" for mode, threads in kinds)], lines)


def details(rows):
    """A table for each mode and number of threads."""
    lines = []
    for mode, threads in kinds_of(rows):
        title = f"{MODES[mode]}, {plural(threads)}"
        lines += ["" if lines else None, f"### {title[0].upper()}{title[1:]}", ""]
        lines += table(COLUMNS, [
            [f"`{r['name']}`", NAMES.get(r["peer"], r["peer"]), figure(r["peer_ms"]), figure(r["ms"]), f"{r['ratio']:.2f}",
             f"{r['ratio_min']:.2f} to {r['ratio_max']:.2f}", figure(r["gflops"]), f"{r['percent_of_peak']:.0f} %",
             figure(r["roofline_ms"]), figure(r["memory_mb"]), figure(r["leanest_mb"])]
            for r in rows if (r["mode"], r["threads"]) == (mode, threads)], left=2)
    return [line for line in lines if line is not None]


def processor(result, peak):
    return f"{result['machine']['processor']}, {peak['instruction_set'].upper().replace('512', '-512')}"


def peers(result):
    return "beside " + ", ".join(f"{NAMES[k]} {v}" for k, v in result["machine"]["versions"].items())


def machine(result):
    """What was measured, on what, beside what."""
    peaks = [result["peak"][t] for t in sorted(result["peak"], key=int, reverse=True)]
    allowed = "; ".join(f"{plural(p['threads'])} {p['gflops']:.0f} GFLOP/s, "
                        f"{p['bandwidth'][-1]['gb_per_s']:.0f} GB/s of memory" for p in peaks)
    return f"{processor(result, peaks[0])}, float32, {peers(result)}. The processor allows: {allowed}."


def memory(rows):
    """How much of the leanest peer's memory is needed."""
    parts = []
    for mode in (m for m in MODES if any(r["mode"] == m for r in rows)):
        shares = [r["memory_ratio"] for r in rows if r["mode"] == mode]
        parts.append(f"{MODES[mode]} takes {min(shares):.2f} to {max(shares):.2f}")
    return f"Memory: {', '.join(parts)} of what the leanest peer takes."


def performance_page(text, result):
    rows = result["rows"]
    text = with_block(text, "speed", [machine(result), memory(rows), "", *overview(rows)])
    return with_block(text, "speed-details", details(rows))


def readme(text, result):
    begin, end = block_of(text, "speed")
    shown = set(re.findall(r"^\| `(\w+)` \|", text[begin:end], re.M))
    most = max(r["threads"] for r in result["rows"])
    rows = [r for r in result["rows"] if r["threads"] == most]
    where = f"{processor(result, result['peak'][str(most)])}, float32, {peers(result)}."
    return with_block(text, "speed", [where, "", *overview(rows, shown)])


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--results", default="build/figures/speed.json")
    p.add_argument("--table", default="docs/performance.md")
    p.add_argument("--readme", default="README.md")
    a = p.parse_args()
    with open(a.results, encoding="utf-8") as f:
        result = json.load(f)
    texts = {}
    for path, write in ((a.table, performance_page), (a.readme, readme)):
        with open(path, encoding="utf-8") as f:
            texts[path] = f.read()
        try:
            texts[path] = write(texts[path], result)
        except FiguresError as e:
            sys.exit(f"figures: {path}: {e}")
    for path, text in texts.items():
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        print(f"wrote the figures of {path}")


if __name__ == "__main__":
    main()
