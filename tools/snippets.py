#!/usr/bin/env python3
"""Keeps the code in the documents the same as code that the suite runs.

  python3 tools/snippets.py [--root DIR] [--outputs DIR] [--write]

In README.md, ARCHITECTURE.md, CONTRIBUTING.md and docs/**/*.md a code block that follows a line

  <!-- snippet: examples/first.cpp#training -->

is held against the lines between `// [training]` and `// [/training]` of that file, less their common
indentation; without `#name` against the whole file. With --write differing blocks are replaced.
`#` starts the markers' lines in TOML, CMake and shell files. With --outputs DIR a block that follows

  <!-- output: first -->

is held against DIR/first.txt, what that example printed; figures may differ, for they are times and
losses of the machine that ran it. Links to files, and paths like `src/ir/op.h`, must exist. Exits with 1
if a block differs or a path is missing.
"""
import argparse
import os
import re
import sys
import textwrap

TOP = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")
OUTPUT = re.compile(r"^\s*<!--\s*output:\s*([\w-]+)\s*-->\s*$")
FIGURE = re.compile(r"\d+([.,]\d+)*(e[+-]?\d+)?")
LONG = re.compile(r"\d+(:\d\d)+")  # minutes and seconds, where most machines take some seconds
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
PATH = re.compile(r"`((?:src|include|tests|tools|bench|examples|cmake|recipes|docs|apps)/[\w./-]*\w)`")
COMMENT = re.compile(r"^\s*<!--\s*snippet:\s*([^\s#]+)(?:#([\w-]+))?\s*-->\s*$")
MARKER = re.compile(r"^\s*(?://|#)\s*\[/?[\w-]+\]\s*$")
LANGUAGE = {".cpp": "cpp", ".h": "cpp", ".toml": "toml", ".txt": "cmake", ".cmake": "cmake", ".sh": "sh", ".csv": "",
            ".json": "json"}


class SnippetError(Exception):
    pass


def region(root, path, name):
    """The lines of a file's region (or of the whole file), without markers and common indentation."""
    try:
        with open(os.path.join(root, path), encoding="utf-8") as f:
            lines = f.read().splitlines()
    except OSError as e:
        raise SnippetError(f"{path}: {e.strerror}") from None
    if name:
        ends = [i for i, x in enumerate(lines) if re.match(rf"^\s*(//|#)\s*\[/?{re.escape(name)}\]\s*$", x)]
        if len(ends) != 2 or "/" + name in lines[ends[0]] or "/" + name not in lines[ends[1]]:
            raise SnippetError(f"{path}: needs one '// [{name}]' and after it one '// [/{name}]'")
        lines = lines[ends[0] + 1:ends[1]]
    text = textwrap.dedent("\n".join(x for x in lines if not MARKER.match(x)))
    return text.strip("\n").split("\n")


def shape_of(lines):
    """Printed lines with their figures and the widths of columns left out."""
    return [" ".join(FIGURE.sub("0", LONG.sub("0s", line)).split()) for line in lines]


def wanted(root, outputs, comment):
    """(the lines that a comment asks for, where they are from, how to compare), None for any other line."""
    if found := COMMENT.match(comment):
        source = found[1] + (f"#{found[2]}" if found[2] else "")
        return region(root, found[1], found[2]), source, list
    if (found := OUTPUT.match(comment)) and outputs:
        return region(outputs, found[1] + ".txt", None), f"the output of {found[1]}", shape_of
    return None


def refreshed(root, document, lines, outputs=None):
    """The document's lines with every snippet as it should be, and the faults found on the way."""
    out, faults, i = [], [], 0
    while i < len(lines):
        out.append(lines[i])
        i += 1
        where = f"{document}:{i}"
        try:
            found = wanted(root, outputs, lines[i - 1])
        except SnippetError as e:
            faults.append(f"{where}: {e}")
            continue
        if not found:
            continue
        want, source, form = found
        start = i
        while start < len(lines) and not lines[start].strip():
            start += 1
        if start == len(lines) or not lines[start].startswith("```"):
            faults.append(f"{where}: no code block follows")
            out += ["```" + LANGUAGE.get(os.path.splitext(source.split("#")[0])[1], ""), *want, "```"]
            continue
        end = next((k for k in range(start + 1, len(lines)) if lines[k].startswith("```")), None)
        if end is None:
            raise SnippetError(f"{where}: the code block does not end")
        if form(lines[start + 1:end]) != form(want):
            faults.append(f"{where}: differs from {source}")
            out += [*lines[i:start + 1], *want, "```"]
        else:
            out += lines[i:end + 1]
        i = end + 1
    return out, faults


def dead_paths(root, document, lines):
    """A fault for each link and each path of the tree, outside code blocks, that leads nowhere."""
    inside = False
    for number, line in enumerate(lines, 1):
        if line.lstrip().startswith("```"):
            inside = not inside
        if inside:
            continue
        links = [x for x in LINK.findall(re.sub(r"`[^`]*`", "", line)) if not re.match(r"\w+:", x)]
        beside = os.path.join(root, os.path.dirname(document))
        gone = [x for x in links if not os.path.exists(os.path.join(beside, x))]
        gone += [x for x in PATH.findall(line) if not os.path.exists(os.path.join(root, x))]
        yield from (f"{document}:{number}: {x} does not exist" for x in gone)


def documents(root):
    yield from (name for name in TOP if os.path.exists(os.path.join(root, name)))
    for where, folders, names in os.walk(os.path.join(root, "docs")):
        folders.sort()
        yield from (os.path.relpath(os.path.join(where, n), root) for n in sorted(names) if n.endswith(".md"))


def check(root, write=False, outputs=None):
    faults = []
    for document in documents(root):
        path = os.path.join(root, document)
        with open(path, encoding="utf-8") as f:
            text = f.read()
        lines, found = refreshed(root, document, text.split("\n"), outputs)
        faults += found
        faults += dead_paths(root, document, lines)
        if write and found:
            with open(path, "w", encoding="utf-8") as f:
                f.write("\n".join(lines))
    return faults


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", default=os.path.join(os.path.dirname(__file__), ".."))
    parser.add_argument("--write", action="store_true", help="replace the blocks that differ")
    parser.add_argument("--outputs", metavar="DIR", help="what each example printed, as NAME.txt")
    options = parser.parse_args()
    try:
        faults = check(options.root, options.write, options.outputs)
        left = check(options.root, outputs=options.outputs) if options.write else faults
    except SnippetError as e:
        sys.exit(f"snippets: {e}")
    for fault in faults:
        print(fault + (" (written)" if options.write and fault not in left else ""))
    if left:
        sys.exit("snippets: the documents differ from the code; `make docs` writes them anew")


if __name__ == "__main__":
    main()
