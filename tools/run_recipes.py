#!/usr/bin/env python3
"""Runs every recipe of `varve run --list` on several seeds and writes the table of docs/recipes.md.

  python3 tools/run_recipes.py [--varve build/varve] [--seeds 1 2 3] [--only NAME ...] [--reuse]
                               [--out runs/recipes] [--table docs/recipes.md]

A recipe passes if it reaches its gates on every seed. --reuse takes the result.json of an earlier run
where there is one. With --only the rows are printed, and written where --table names a file. Exits with
1 if a recipe fails.
"""
import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys

KEYS = ("name target metric value published gate better passed seed seconds samples_per_second parameters "
        "also").split()
HEAD = """# Recipes

Written by `make recipes`: each recipe in the same configuration on seeds {seeds}, on {machine}.
"Published" is the figure of the system's source, "gate" what the recipe must reach on every seed.
Fractions, except where the metric is none.

| recipe | target | metric | published | gate | mean | worst | parameters | seconds | samples/s | passed |
| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |
"""


def names_of(listing):
    """The recipes that `varve run --list` names: the first word of a line, in snake case."""
    return [found[1] for line in listing.splitlines() if (found := re.match(r"\s*([a-z][a-z0-9_]*)(\s|$)", line))]


def read_result(folder):
    """The parsed result.json of a run. Raises ValueError if it is missing or incomplete."""
    path = os.path.join(folder, "result.json")
    try:
        with open(path, encoding="utf-8") as f:
            result = json.load(f)
    except (OSError, ValueError) as e:
        raise ValueError(f"{path}: {e}") from None
    missing = [key for key in KEYS if key not in result]
    if missing:
        raise ValueError(f"{path}: no {', '.join(missing)}")
    return result


def run(varve, name, seed, folder, reuse):
    """One run's result, or {"name", "seed", "error"} where it left none of its own."""
    result = os.path.join(folder, "result.json")
    if not (reuse and os.path.exists(result)):
        os.makedirs(folder, exist_ok=True)
        if os.path.exists(result):
            os.remove(result)
        print(f"== {name}, seed {seed}", flush=True)
        with open(os.path.join(folder, "log.txt"), "w", encoding="utf-8") as log:
            done = subprocess.run([varve, "run", name, "--seed", str(seed), "--out", folder],
                                  stdout=log, stderr=subprocess.STDOUT)
        with open(os.path.join(folder, "log.txt"), encoding="utf-8", errors="replace") as log:
            last = ([line for line in log.read().splitlines() if line.strip()] or ["no output"])[-1]
        print(f"   exit code {done.returncode}: {last.strip()}", flush=True)
        # 1 is a missed gate; with others, what is there is of a run that did not end.
        if done.returncode not in (0, 1):
            return {"name": name, "seed": seed, "error": f"exit code {done.returncode}"}
    try:
        return read_result(folder)
    except ValueError as e:
        return {"name": name, "seed": seed, "error": str(e)}


def figure(value):
    if value is None:
        return "-"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if abs(value) < 0.01 or abs(value) >= 1000 else f"{value:.4f}"


def row(name, metric, values, gate, better, passed, results, published=None, main=True):
    """One line of the table: the primary metric of a recipe, or (main=False) one of its further ones."""
    worst = min(values) if better == "higher" else max(values)
    first = results[0]
    cells = [f"`{name}`" if main else "", first["target"] if main else "", metric, figure(published),
             figure(gate), figure(statistics.mean(values)), figure(worst)]
    if main:
        rate = [r["samples_per_second"] for r in results if r["samples_per_second"]]
        cells += [figure(first["parameters"]), f"{statistics.mean(r['seconds'] for r in results):.1f}",
                  f"{statistics.mean(rate):,.0f}" if rate else "-"]
    else:
        cells += ["", "", ""]
    return "| " + " | ".join([*cells, "yes" if passed else "**no**"]) + " |"


def rows_of(name, results):
    """The lines of one recipe, and whether it passed on every seed."""
    broken = [r for r in results if "error" in r]
    if broken:
        return [f"| `{name}` |  | {broken[0]['error']} |  |  |  |  |  |  |  | **no** |"], False
    first = results[0]
    lines = [row(name, first["metric"], [r["value"] for r in results], first["gate"], first["better"],
                 all(r["passed"] for r in results), results, first["published"])]
    for i, more in enumerate(first["also"]):
        each = [r["also"][i] for r in results]
        lines.append(row(name, more["metric"], [a["value"] for a in each], more["gate"],
                         more.get("better", first["better"]), all(a["passed"] for a in each), results, main=False))
    return lines, all(r["passed"] for r in results)


def machine():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as f:
            model = next((line.split(":", 1)[1].strip() for line in f if line.startswith("model name")), "")
    except OSError:
        model = ""
    return f"{model or platform.processor() or platform.machine()} ({os.cpu_count()} threads)"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--varve", default="build/varve")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME")
    parser.add_argument("--reuse", action="store_true")
    parser.add_argument("--out", default="runs/recipes")
    parser.add_argument("--table", help="docs/recipes.md by default, none with --only")
    options = parser.parse_args()
    table = options.table or (None if options.only else "docs/recipes.md")
    listing = subprocess.run([options.varve, "run", "--list"], capture_output=True, text=True, check=True).stdout
    names = [n for n in names_of(listing) if not options.only or n in options.only]
    if not names:
        sys.exit(f"run_recipes: {options.varve} run --list names no such recipe")
    lines, failed = [], []
    for name in names:
        results = [run(options.varve, name, seed, os.path.join(options.out, f"{name}-{seed}"), options.reuse)
                   for seed in options.seeds]
        more, passed = rows_of(name, results)
        lines += more
        failed += [] if passed else [name]
    text = HEAD.format(seeds=", ".join(map(str, options.seeds)), machine=machine()) + "\n".join(lines) + "\n"
    if table:
        with open(table, "w", encoding="utf-8") as f:
            f.write(text)
    else:
        print(text)
    print(f"{len(names) - len(failed)} of {len(names)} recipes passed on every seed" +
          (f"; table in {table}" if table else ""))
    if failed:
        sys.exit("failed: " + ", ".join(failed))


if __name__ == "__main__":
    main()
