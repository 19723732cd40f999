#!/usr/bin/env python3
"""Lets clang look at what the build compiles: both compilers have to take Varve, but one is enough to build it.

  python3 tools/check_clang.py [--build build] [--clang clang++] [--jobs 2] [PART_OF_A_PATH ...]

Reads compile_commands.json of a configured build. Only syntax and warnings: nothing is compiled or linked.
Exits with 1 if clang rejects a file; is content, and says so, where there is no clang.
"""
import argparse
import concurrent.futures
import json
import os
import shlex
import shutil
import subprocess
import sys

DROPPED = ("-ffile-prefix-map",)  # where the sources lie does not matter here


def command_of(entry, clang):
    words = shlex.split(entry["command"])
    start = next(i for i, word in enumerate(words) if word.startswith("-"))
    end = words.index("-o")  # "-o OBJECT -c SOURCE" closes the command
    kept = [word for word in words[start:end] if not word.startswith(DROPPED)]
    return [clang, *kept, "-Wno-unknown-warning-option", "-fsyntax-only", entry["file"]]


def look(entry, clang):
    done = subprocess.run(command_of(entry, clang), cwd=entry["directory"], capture_output=True, text=True)
    return entry["file"], done.returncode, done.stderr


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--clang", default="clang++")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("parts", nargs="*", help="only files whose path holds one of these")
    options = parser.parse_args()
    if not shutil.which(options.clang):
        print(f"check_clang: left out, for there is no {options.clang} here")
        return
    with open(os.path.join(options.build, "compile_commands.json"), encoding="utf-8") as f:
        entries = [e for e in json.load(f)
                   if not options.parts or any(part in e["file"] for part in options.parts)]
    rejected = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for file, status, text in pool.map(lambda e: look(e, options.clang), entries):
            if status:
                rejected += 1
                print(f"{os.path.relpath(file)}:\n{text}")
    if rejected:
        sys.exit(f"check_clang: {rejected} of {len(entries)} files rejected")
    print(f"check_clang: {len(entries)} files")


if __name__ == "__main__":
    main()
