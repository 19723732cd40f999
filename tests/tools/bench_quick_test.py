"""bench/quick.py runs two builds in turns and says what moved by more than its own spread."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

BENCH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../bench")
sys.path.insert(0, BENCH)
import quick  # noqa: E402

# Stand in for varve-bench: its own time, and a note of who ran.
PROGRAM = """#!{python}
import json, sys
with open({log!r}, "a") as f:
    f.write({ms!r} + " ")
print(json.dumps(dict(median_ms=float({ms!r}))) if "lost" not in sys.argv else "nothing")
"""


class Quick(unittest.TestCase):
    def test_a_change_counts_where_it_is_larger_than_both_spreads_and_a_hundredth(self):
        self.assertEqual(quick.verdict([10.0, 10.1, 10.2], [9.0, 9.1, 9.3])[1], True)
        self.assertEqual(quick.verdict([10.0, 11.5, 12.0], [9.0, 9.1, 9.3])[1], False)
        self.assertEqual(quick.verdict([10.0, 10.0, 10.0], [10.05, 10.05, 10.05])[1], False)
        self.assertAlmostEqual(quick.verdict([10.0], [12.0])[0], 0.2)

    def test_the_table_marks_what_moved_and_names_what_does_not_run(self):
        lines, failed = quick.report({("a", "train"): ([2.0, 2.0], [4.0, 4.0]), ("b", "infer"): ([1.0, 1.2], [0.99, 1.2]),
                                      ("c", "infer"): ([1.0], [{"error": "lost"}])})
        self.assertEqual(" ".join(lines[1].split()), "a train 2.0000 0.0% 4.0000 0.0% +100.0% <- slower")
        self.assertEqual(" ".join(lines[2].split()), "b infer 1.0000 10.0% 0.9900 10.6% -1.0%")
        self.assertIn("does not run: lost", lines[3])
        self.assertEqual(failed, ["c infer"])

    def test_programs_take_turns_in_beginning_and_three_rounds_are_the_least(self):
        with tempfile.TemporaryDirectory() as folder:
            log = os.path.join(folder, "log")
            programs = [os.path.join(folder, name) for name in ("before", "now")]
            for path, ms in zip(programs, ("2.0", "3.0")):
                with open(path, "w") as f:
                    f.write(PROGRAM.format(python=sys.executable, log=log, ms=ms))
                os.chmod(path, 0o755)
            times = quick.measure(programs, ["a"], 2, 0)
            self.assertEqual(times["a", "train"], ([2.0] * 3, [3.0] * 3))
            with open(log) as f:
                self.assertEqual(f.read().split(), ["2.0", "3.0"] * 2 + ["3.0", "2.0"] * 2 + ["2.0", "3.0"] * 2)
            self.assertEqual(quick.report(quick.measure(programs, ["lost"], 2, 0))[1], ["lost train", "lost infer"])

    @unittest.skipUnless(shutil.which("git"), "needs git")
    def test_the_other_commit_is_checked_out_again_where_the_folder_is_there_or_was_removed(self):
        with tempfile.TemporaryDirectory() as folder:
            run = lambda *a: subprocess.run(a, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()  # noqa: E731
            run("git", "init", "-q")
            with open(os.path.join(folder, "CMakeLists.txt"), "w") as f:
                f.write("cmake_minimum_required(VERSION 3.25)\nproject(p LANGUAGES NONE)\nadd_custom_target(varve_bench)\n")
            run("git", "add", ".")
            who = ("-c", "user.name=a", "-c", "user.email=a@b")
            commits = []
            for name in ("one", "two"):
                run("git", *who, "commit", "-q", "--allow-empty", "-m", name)
                commits.append(run("git", "rev-parse", "HEAD"))
            here = os.getcwd()
            os.chdir(folder)
            self.addCleanup(os.chdir, here)
            for commit in (commits[0], commits[1]):
                self.assertEqual(quick.build_other(commit, "build/parent", 1), "build/parent/build/varve-bench")
                self.assertEqual(run("git", "-C", "build/parent", "rev-parse", "HEAD"), commit)
            run("rm", "-rf", "build")
            quick.build_other(commits[0], "build/parent", 1)
            self.assertEqual(run("git", "-C", "build/parent", "rev-parse", "HEAD"), commits[0])
            os.chdir(here)


if __name__ == "__main__":
    unittest.main()
