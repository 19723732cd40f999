#!/usr/bin/env python3
"""Finds public names without a comment that says what they are.

  python3 tools/check_comments.py [--root DIR]

Looks at every class, struct, concept, alias and function in include/varve/ that a user may name. A comment is a
line `/// ...` before the declaration or `///< ...` behind it. It covers what follows without an empty
line where the names are alike: overloads, operators, and families that differ in digits (max_pool1d, 2d).
Exempt are data members (the comment of their struct, or `fields`, speaks of them), constructors and operators of a
type, structs named Options or Result (the function that they belong to speaks of them), what a spec's
protocol asks for (call, fields, make ...), `namespace detail` and private parts.
Prints one line a name, `FILE:LINE: name`, and exits with 1 if there is any.
"""
import argparse
import os
import re
import sys

# Members that every spec of a kind has; the concept they belong to says what they do.
PROTOCOL = {"call", "fields", "make", "activate", "penalty", "project", "statistics", "result", "update", "slots", "config",
            "from_config", "begin", "end", "state", "set_state", "to_string", "Kind", "requires"}
# Members whose name says all there is to say.
PLAIN = {"size", "shape", "dtype", "rank", "name", "names", "has", "defined", "span"}
TYPE = re.compile(r"\b(?:class|struct|enum class|concept|using)\s+(\w+)")
FUNCTION = re.compile(r"(operator\s*(?:\(\)|\[\]|[^\s\w(]+|bool|[\w:]+)|~?\w+)\s*\(")


def statements(lines):
    """(first line, text, is it documented, does it follow the last without an empty line) of each declaration."""
    text, first, documented, joined, parens, blank, doc = "", 0, False, False, 0, True, False
    for number, raw in enumerate(lines, 1):
        line = raw.strip()
        if not text:
            if not line:
                blank, doc = True, False
                continue
            if line.startswith("///"):
                doc = True
                continue
            if line.startswith(("//", "#")):
                continue
            first, documented, joined = number, doc or "///<" in line, not blank
        code = re.sub(r"//.*", "", line)
        documented = documented or "///<" in line
        text += " " + code
        parens += code.count("(") - code.count(")")
        if parens == 0 and re.search(r"[;{}:]\s*$", code) and not re.search(r"[^:]::\s*$", code):
            yield first, text.strip(), documented, joined
            text, blank, doc = "", False, False


def name_of(text):
    """The name that a declaration makes, and its kind; None for data members and others."""
    text = re.sub(r"\b(?:alignas|decltype|__attribute__)\([^()]*\)", "", text)
    text = re.sub(r"^template\s*<(?:[^<>]|<[^<>]*>)*>\s*", "", text)
    text = re.sub(r"^requires\s*(?:\((?:[^()]|\([^()]*\))*\)|[\w:<>, ]+?(?=\s[\w:]+[ (]))\s*", "", text)
    if found := re.match(r"(?:inline\s+)?(?:class|struct|enum class|enum|concept|using)\s+(\w+)", text):
        return found[1], "type"
    while text != (text := re.sub(r"(function|vector|map|pair|optional)<[^<>]*>", r"\1", text)):
        pass
    head = text.split("=")[0] if "operator" not in text else text
    if found := FUNCTION.search(head):
        return re.sub(r"\s+", "", found[1]), "function"
    return None


def stem(name):
    return "operator" if name.startswith("operator") else re.sub(r"\d", "", name)


class Scope:
    def __init__(self, kind, name, hidden):
        self.kind, self.name, self.hidden = kind, name, hidden


def scope_of(text, outer):
    """The scope that a text ending in `{` opens inside `outer`."""
    hidden = bool(outer and outer.hidden)
    if found := re.search(r"\bnamespace\s+([\w:]+)\s*\{$", text):
        return Scope("namespace", found[1], hidden or found[1].endswith("detail"))
    plain = re.sub(r"^template\s*<(?:[^<>]|<[^<>]*>)*>\s*", "", text)
    if found := re.match(r"(?:class|struct)\s+(\w+)", plain):
        return Scope(plain.split()[0], found[1], hidden)
    return Scope("body", "", True)


def undocumented(path):
    """(line, name) of every public name of a header that has no comment."""
    with open(path, encoding="utf-8") as f:
        lines = f.read().splitlines()
    scopes, private, last = [], [False], ""
    for first, text, documented, joined in statements(lines):
        scope = scopes[-1] if scopes else None
        if re.fullmatch(r"(public|private|protected):", text):
            private[-1] = text != "public:"
            continue
        seen = scope is None or not (scope.hidden or private[-1])
        found = name_of(text) if seen and not text.startswith(("}", "namespace", "extern", "friend")) else None
        if found:
            name, kind = found
            inside = scope is not None and scope.kind in ("class", "struct")
            exempt = (name in PROTOCOL or name.endswith(("Options", "Result"))
                      or inside and (name.lstrip("~") == scope.name or name.startswith("operator") or name in PLAIN)
                      or re.match(r"template\s*<>|(class|struct)\s+\w+;$|using [\w:]+;$", text))
            covered = joined and stem(name) == stem(last)
            if not documented and not exempt and not covered:
                yield first, name
            last = name if documented or covered else ""
        for _ in range(text.count("{") - text.count("}")):
            scopes.append(scope_of(text, scope))
            private.append(scopes[-1].kind == "class")
        for _ in range(text.count("}") - text.count("{")):
            if scopes:
                scopes.pop()
                private.pop()


def check(root):
    for where, folders, names in os.walk(os.path.join(root, "include")):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(where, name)
            yield from ((os.path.relpath(path, root), *fault) for fault in undocumented(path))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", default=os.path.join(os.path.dirname(__file__), ".."))
    faults = list(check(parser.parse_args().root))
    for path, line, name in faults:
        print(f"{path}:{line}: {name}")
    if faults:
        sys.exit(f"check_comments: {len(faults)} public names say nothing of themselves")
    print("check_comments: every public name has its comment")


if __name__ == "__main__":
    main()
