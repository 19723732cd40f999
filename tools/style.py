#!/usr/bin/env python3
"""Measures the tree against the aims of CONTRIBUTING.md: one line a figure, with the aim beside it.

  python3 tools/style.py [ROOT]

include/, src/, apps/, recipes/ and bench/ count as source, tests/ as test. The lengths of functions are
measured where the Python package lizard is installed. Aims, not limits to game: exits with 0 always.
"""
import os
import re
import statistics
import subprocess
import sys
import time

SOURCE, TEST = ("include", "src", "apps", "recipes", "bench"), ("tests",)
SUFFIXES = (".h", ".cpp", ".cu", ".cuh", ".inl")
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")


def read(root, tops):
    """Path below the root -> lines, for all C++ files of some folders."""
    found = {}
    for top in tops:
        for where, folders, names in os.walk(os.path.join(root, top)):
            folders[:] = [d for d in folders if not d.startswith(".")]
            for name in names:
                if name.endswith(SUFFIXES):
                    path = os.path.join(where, name)
                    with open(path, encoding="utf-8", errors="replace") as f:
                        found[os.path.relpath(path, root)] = f.read().splitlines()
    return found


def functions(root, paths):
    """(lines, branches, name, place) of every function, longest first; None without lizard."""
    try:
        import lizard
    except ImportError:
        return None
    found = [(f.length, f.cyclomatic_complexity, f.name, f"{path}:{f.start_line}")
             for path in paths for f in lizard.analyze_file(os.path.join(root, path)).function_list]
    return sorted(found, reverse=True)


def show(name, value, aim="", met=True):
    print(f"{name:<40} {value:>14}   {'aim ' + aim if aim else '':<12} {'' if met else '<- short'}".rstrip())


def most(name, value, limit):
    show(name, value, f"<= {limit}", float(value) <= limit)


def show_files(source, test):
    sizes = sorted((len(lines), path) for path, lines in source.items())
    lengths = [n for n, _ in sizes]
    total = sum(lengths)
    show("source lines / files", f"{total} / {len(source)}")
    most("median file", int(statistics.median(lengths)), 120)
    most("90 % of files up to", lengths[int(0.9 * (len(lengths) - 1))], 400)
    most("longest file", lengths[-1], 800)
    most("public headers", sum(path.startswith("include/") for path in source), 30)
    headers = [(len(lines), path) for path, lines in source.items() if path.startswith("include/")]
    most("longest public header", max(headers, default=(0, ""))[0], 250)
    defines = sum(bool(re.match(r"\s*#\s*define\b", x)) for lines in source.values() for x in lines)
    most("#define per 1,000 lines", f"{1e3 * defines / total:.2f}", 0.5)
    everything = [(path, i, x) for tree in (source, test) for path, lines in tree.items() for i, x in enumerate(lines, 1)]
    unfinished = [f"{path}:{i}" for path, i, x in everything if UNFINISHED.search(x)]
    most("TODO and kin", len(unfinished), 0)
    most("lines over 100 columns", sum(len(x) > 100 for _, _, x in everything), 0)
    ratio = sum(map(len, test.values())) / total
    show("test / source lines", f"{ratio:.2f}", ">= 0.8", ratio >= 0.8)
    for length, path in sizes[:-4:-1]:
        print(f"    {length:4} lines  {path}")
    for place in unfinished[:5]:
        print(f"    unfinished  {place}")


def show_functions(found):
    if not found:
        print("functions: not measured, for the Python package lizard is not installed")
        return
    over = [f for f in found if f[0] > 60]
    most("median function", int(statistics.median(f[0] for f in found)), 10)
    most("functions over 60 lines", len(over), 0)
    most("functions over 15 branches", sum(f[1] > 15 for f in found), 0)
    for length, _, name, place in over[:10]:
        print(f"    {length:4} lines  {name}  {place}")


def show_parse_time(root):
    """Seconds that the umbrella header costs every file of a user, the best of three."""
    umbrella = os.path.join(root, "include/varve/varve.h")
    if not os.path.exists(umbrella):
        return
    command = ["g++", "-std=c++20", "-fsyntax-only", "-I", os.path.join(root, "include"), "-x", "c++", "-"]
    times = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run(command, input="#include <varve/varve.h>\n", text=True, check=True)
        times.append(time.perf_counter() - start)
    most("seconds to parse varve.h", f"{min(times):.2f}", 0.8)


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "..")
    source, test = read(root, SOURCE), read(root, TEST)
    if not source:
        sys.exit(f"style: no C++ in {', '.join(SOURCE)} of {root}")
    show_files(source, test)
    show_functions(functions(root, source))
    show_parse_time(root)


if __name__ == "__main__":
    main()
