#!/usr/bin/env python3
"""Holds every #include of the tree against the order of the rooms (ARCHITECTURE.md).

  python3 tools/check_layers.py [--root DIR] [--no-compile] [--compiler g++]

The rules, each a function below:
  order     a file includes only its own room and rooms above it; a public header says on one of its
            first lines where it belongs, `// room: NAME`, and including it counts as including that room
  public    a public header includes only public headers and the light part of the standard library
  alone     a public header compiles by itself
  cycles    no file includes itself by any way round
  homes     a library that one room hides is included by that room only
  length    no file is longer than 800 lines
Prints one line a fault, `FILE:LINE: what is wrong`, and exits with 1 if there is any.
"""
import argparse
import concurrent.futures
import os
import re
import subprocess
import sys
from typing import NamedTuple

# From the top down: a room includes only what stands before it. The last ones see everything.
ROOMS = ("base formats ir ops transform backend runtime nn optim data io train report zoo job tune "
         "compress dist serve").split()
ABOVE_ALL = "recipes apps examples tests bench fuzz".split()
RANK = {room: i for i, room in enumerate(ROOMS + ["all"])}
SUFFIXES = (".h", ".cpp", ".cu", ".cuh", ".inl")
PUBLIC = "include/varve/"
MAX_LINES = 800

# Each costs a user of <varve/varve.h> much time to parse (or drags in a stream's static initializer).
HEAVY = {"filesystem", "iostream", "fstream", "sstream", "iomanip", "chrono", "ranges", "thread", "regex", "future"}

# Third-party headers and the only folders that may know of them.
HOMES = [
    (re.compile(r"(oneapi/)?dnnl"), ("src/backend/cpu/", "bench/")),
    (re.compile(r"(cblas|lapacke|openblas)"), ("src/backend/",)),
    (re.compile(r"hwy/"), ("src/backend/", "src/ops/", "bench/", "tests/backend/")),
    (re.compile(r"(cuda|cudnn|cublas|nvrtc|nccl)"), ("src/backend/cuda/", "src/dist/")),
    (re.compile(r"protozero/"), ("src/formats/",)),
    (re.compile(r"xbyak/"), ("src/backend/cpu/",)),
    (re.compile(r"CLI/"), ("apps/varve/", "bench/")),
]

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
ROOM_LINE = re.compile(r"^//\s*room:\s*(\w+)\s*$")


class Include(NamedTuple):
    line: int
    target: str  # as written
    angled: bool


class Source(NamedTuple):
    path: str  # relative to the root, with /
    lines: int
    includes: list
    declared_room: str  # of `// room: NAME`, or ""


class Fault(NamedTuple):
    path: str
    line: int
    text: str


def read_source(root, path):
    with open(os.path.join(root, path), encoding="utf-8", errors="replace") as f:
        lines = f.read().splitlines()
    includes, declared = [], ""
    for number, line in enumerate(lines, 1):
        if found := INCLUDE.match(line):
            includes.append(Include(number, found[2], found[1] == "<"))
        elif number <= 10 and (found := ROOM_LINE.match(line)):
            declared = found[1]
    return Source(path, len(lines), includes, declared)


def read_tree(root):
    tree = {}
    for top in ["include", "src"] + ABOVE_ALL:
        for where, folders, names in os.walk(os.path.join(root, top)):
            folders[:] = sorted(d for d in folders if not d.startswith((".", "build")))
            for name in sorted(names):
                if name.endswith(SUFFIXES):
                    path = os.path.relpath(os.path.join(where, name), root).replace(os.sep, "/")
                    tree[path] = read_source(root, path)
    return tree


def room_of(source):
    """The room of a file, "all" for what stands above all rooms, None where nothing says it."""
    parts = source.path.split("/")
    if parts[0] in ABOVE_ALL:
        return "all"
    room = source.declared_room if source.path.startswith(PUBLIC) else parts[1]
    return room if room in RANK else None


def resolve(tree, source, include):
    """The file of this tree that an include names, or None for the system's and others' headers."""
    if include.target.startswith("varve/"):
        return "include/" + include.target
    if include.angled:
        return None
    folder = os.path.dirname(source.path)
    for base in (folder, "src", ".", "tests"):
        path = os.path.normpath(os.path.join(base, include.target)).replace(os.sep, "/")
        if path in tree:
            return path
    return None


def check_order(tree):
    for source in tree.values():
        room = room_of(source)
        if room is None:
            hint = "say '// room: NAME' on one of its first 10 lines" if source.path.startswith(PUBLIC) else ""
            yield Fault(source.path, 1, f"belongs to no room ({hint or 'its folder is not in the order'})")
            continue
        for include in source.includes:
            target = resolve(tree, source, include)
            if target is None:
                continue
            if target not in tree:
                yield Fault(source.path, include.line, f"{include.target} does not exist")
                continue
            other = room_of(tree[target])
            if other is not None and RANK[other] > RANK[room]:
                yield Fault(source.path, include.line, f"{room} may not include {target}, which is of {other}")


def check_public(tree):
    for source in tree.values():
        if not source.path.startswith(PUBLIC):
            continue
        for include in source.includes:
            if include.target.startswith("varve/"):
                continue
            if not include.angled or "/" in include.target or include.target.endswith(".h"):
                yield Fault(source.path, include.line,
                            f"a public header includes {include.target}, which is neither <varve/...> nor standard C++")
            elif include.target in HEAVY:
                yield Fault(source.path, include.line, f"a public header includes <{include.target}>, which is heavy")


def check_cycles(tree):
    edges = {p: [t for i in s.includes if (t := resolve(tree, s, i)) in tree] for p, s in tree.items()}
    state = dict.fromkeys(tree, "new")
    for start in tree:
        if state[start] != "new":
            continue
        state[start] = "open"
        stack = [(start, iter(edges[start]))]
        while stack:
            path, rest = stack[-1]
            step = next(rest, None)
            if step is None:
                state[path] = "done"
                stack.pop()
            elif state[step] == "open":
                ring = [p for p, _ in stack]
                yield Fault(path, 1, "include cycle: " + " -> ".join(ring[ring.index(step):] + [step]))
            elif state[step] == "new":
                state[step] = "open"
                stack.append((step, iter(edges[step])))


def check_homes(tree):
    for source in tree.values():
        if source.path.startswith("tests/"):
            continue
        for include in source.includes:
            for pattern, homes in HOMES:
                if include.angled and pattern.match(include.target) and not source.path.startswith(homes):
                    yield Fault(source.path, include.line, f"<{include.target}> is for {' and '.join(homes)} only")


def check_length(tree):
    for source in tree.values():
        if source.lines > MAX_LINES:
            yield Fault(source.path, MAX_LINES, f"{source.lines} lines; {MAX_LINES} are the most, 400 the aim")


def compile_alone(root, compiler, path):
    name = path[len("include/"):]
    command = [compiler, "-std=c++20", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only",
               "-I", os.path.join(root, "include"), "-x", "c++", "-"]
    text = f"#include <{name}>\n#include <{name}>\n"
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    if done.returncode == 0:
        return None
    first = next((line for line in done.stderr.splitlines() if "error" in line), done.stderr.strip())
    return Fault(path, 1, f"does not compile alone: {first}")


def check_alone(tree, root, compiler):
    headers = [p for p in tree if p.startswith(PUBLIC)]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        yield from filter(None, pool.map(lambda p: compile_alone(root, compiler, p), headers))


def check(root, compiler=None):
    """All faults of the tree; headers are compiled only where a compiler is given."""
    tree = read_tree(root)
    faults = [f for rule in (check_order, check_public, check_cycles, check_homes, check_length) for f in rule(tree)]
    if compiler:
        faults += check_alone(tree, root, compiler)
    return tree, sorted(faults)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", default=os.path.join(os.path.dirname(__file__), ".."))
    parser.add_argument("--compiler", default=os.environ.get("CXX", "g++"))
    parser.add_argument("--no-compile", action="store_true", help="leave out compiling each public header")
    options = parser.parse_args()
    tree, faults = check(os.path.normpath(options.root), None if options.no_compile else options.compiler)
    for fault in faults:
        print(f"{fault.path}:{fault.line}: {fault.text}")
    if faults:
        sys.exit(f"check_layers: {len(faults)} faults in {len(tree)} files")
    print(f"check_layers: {len(tree)} files keep the order of the rooms")


if __name__ == "__main__":
    main()
