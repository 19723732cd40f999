"""What the comparisons of whole steps share: programs that run in turns, and what their rounds say."""
import json
import os
import statistics
import subprocess

# A step that torch.compile builds for the first time takes minutes on a slow machine.
TIMEOUT = 900


def last_json(command, environment=None):
    """The last line of JSON that a command printed, or {"error": why there is none}."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, env=environment)
    except (OSError, subprocess.TimeoutExpired) as e:
        return {"error": str(e)}
    for line in reversed(done.stdout.splitlines()):
        if line.startswith("{"):
            return json.loads(line)
    text = (done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}").splitlines()
    return {"error": text[-1]}


def varve(program, case, mode, threads, min_time, batch1=False):
    """One run of varve-bench: its line of JSON."""
    command = [program, "--cases", case, "--modes", mode, "--threads", str(threads), "--min-time", str(min_time)]
    return last_json(command + (["--batch1"] if batch1 else []),
                     dict(os.environ, OMP_PROC_BIND="true", OMP_NUM_THREADS=str(threads)))


def above_start(result):
    """Megabytes that a run took beyond what it had with its libraries loaded."""
    return result["peak_rss_mb"] - result["import_rss_mb"]


def spread(times):
    """How far the median of rounds lies above the best one, as a fraction of it."""
    return statistics.median(times) / min(times) - 1
