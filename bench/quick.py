#!/usr/bin/env python3
"""Times the fast cases of this build and of another commit's in turns, and says what moved by more than its own spread.

  python3 bench/quick.py [--varve build/varve-bench] [--base COMMIT] [--seconds 150] [--cases a,b] [--threads 2]
                         [--jobs 2] [--folder build/parent]

The other commit is built in --folder: by default the parent of HEAD, or HEAD itself where files differ from it. Rounds
over all cases go on for --seconds, but at least three; which program begins changes from round to round. A time is the
best round, a round the median of its steps; the spread is how far the median of the rounds lies above the best. A
change is marked where it is larger than either spread, and than 1 %, to which rounds may agree by chance. Exits with 1
only if something does not run.
"""
import argparse
import os
import subprocess
import sys
import time

import turns

CASES = "mlp_small,lenet5,mnist_convnet,char_lstm,transformer_char,vae_mnist,gcn_cora,dqn_cartpole"
LEAST = 0.01
MIN_TIME = 0.3


def git(*arguments):
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout.strip()


def build_other(commit, source, jobs):
    """The path of the varve-bench of another commit."""
    build = os.path.join(source, "build")  # where ours lies, too: the compiler's cache then knows its files
    git("worktree", "prune")  # of a folder that was removed with build/
    if os.path.exists(source):
        git("-C", source, "checkout", "-q", "--detach", commit)
    else:
        git("worktree", "add", "-q", "--detach", source, commit)
    environment = dict(os.environ, CCACHE_BASEDIR=os.path.abspath(source), CCACHE_NOHASHDIR="1")
    for command in (["cmake", "-S", source, "-B", build, "-G", "Ninja", "-DVARVE_BUILD_TESTS=OFF"],
                    ["cmake", "--build", build, "-j", str(jobs), "--target", "varve_bench"]):
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        if done.returncode:
            sys.exit(f"quick: {' '.join(command)}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return os.path.join(build, "varve-bench")


def measure(programs, cases, threads, seconds):
    """{(case, mode): ([round medians of the first program], [of the second])}, or {"error"} in place of a time."""
    times = {(case, mode): ([], []) for case in cases for mode in ("train", "infer")}
    start, rounds = time.monotonic(), 0
    # Another round begins only where one like those before still fits.
    while rounds < 3 or (time.monotonic() - start) * (rounds + 1) / rounds < seconds:
        for (case, mode), sides in times.items():
            order = (0, 1) if rounds % 2 == 0 else (1, 0)
            for side in order:
                r = turns.varve(programs[side], case, mode, threads, MIN_TIME)
                sides[side].append(r.get("median_ms", r))
        rounds += 1
    return times


def verdict(before, after):
    """(change of the best time as a fraction, whether it is more than the spreads)."""
    change = min(after) / min(before) - 1
    return change, abs(change) > max(LEAST, turns.spread(before), turns.spread(after))


def report(times):
    """The lines of the table, and the names of what did not run."""
    lines = [f"{'case':18} {'mode':6} {'before ms':>10} {'spread':>7} {'now ms':>10} {'spread':>7} {'change':>8}"]
    failed = []
    for (case, mode), (before, after) in times.items():
        errors = [r["error"] for r in before + after if isinstance(r, dict)]
        if errors:
            failed.append(f"{case} {mode}")
            lines.append(f"{case:18} {mode:6} does not run: {errors[0]}")
            continue
        change, moved = verdict(before, after)
        mark = "  <- slower" if change > 0 else "  <- faster"
        lines.append(f"{case:18} {mode:6} {min(before):10.4f} {turns.spread(before):7.1%} {min(after):10.4f} "
                     f"{turns.spread(after):7.1%} {change:+8.1%}{mark if moved else ''}")
    return lines, failed


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--varve", default="build/varve-bench")
    p.add_argument("--base", help="the commit to compare with")
    p.add_argument("--seconds", type=float, default=150)
    p.add_argument("--cases", default=CASES)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--jobs", type=int, default=2)
    p.add_argument("--folder", default="build/parent")
    a = p.parse_args()
    commit = git("rev-parse", "--short", a.base or ("HEAD" if git("status", "--porcelain", "-uno") else "HEAD^"))
    other = build_other(commit, a.folder, a.jobs)
    times = measure((other, a.varve), a.cases.split(","), a.threads, a.seconds)
    lines, failed = report(times)
    rounds = len(next(iter(times.values()))[0])
    print(f"before: {commit}; best of {rounds} rounds of {MIN_TIME} s each", *lines, sep="\n")
    if failed:
        sys.exit("quick: does not run: " + ", ".join(failed))


if __name__ == "__main__":
    main()
