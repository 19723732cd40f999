"""tools/run_recipes.py runs what the program lists and writes mean, worst and gates of every seed."""
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
import unittest

TOOL = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../tools/run_recipes.py")

# Stands in for the program: `good` reaches its gates on every seed, `poor` not on seed 2, `broken` crashes.
PROGRAM = """\
    import json, sys
    a = sys.argv[1:]
    if a == ["run", "--list"]:
        print("good    X1  a good one\\npoor    X2  a poor one\\nbroken  X3  a broken one")
        sys.exit()
    name, seed, out = a[1], int(a[3]), a[5]
    if name == "broken":
        sys.exit("error: no data")
    if "killed" in out:
        json.dump(dict(name=name), open(out + "/result.json", "w"))
        sys.exit(137)
    value = {1: 0.992, 2: 0.991, 3: 0.993}[seed] - (0.01 if name == "poor" and seed == 2 else 0)
    result = dict(name=name, target="X1", metric="test accuracy", value=value, published=0.9922, gate=0.99,
                  better="higher", passed=value >= 0.99, seed=seed, seconds=10.0 * seed, samples_per_second=1000.0,
                  parameters=34826, also=[dict(metric="first epoch", value=0.97 + seed / 1000, gate=0.97, passed=True)])
    json.dump(result, open(out + "/result.json", "w"))
    print(name, value)
    sys.exit(0 if result["passed"] else 1)
"""


class RunRecipes(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.root)
        self.program = os.path.join(self.root, "varve")
        with open(self.program, "w") as f:
            f.write(f"#!{sys.executable}\n" + textwrap.dedent(PROGRAM))
        os.chmod(self.program, 0o755)

    def run_tool(self, *more):
        table = os.path.join(self.root, "recipes.md")
        done = subprocess.run([sys.executable, TOOL, "--varve", self.program, "--out", self.root + "/runs",
                               "--table", table, *more], capture_output=True, text=True)
        with open(table) as f:
            return done, f.read()

    def test_mean_and_worst_of_three_seeds_stand_in_the_table(self):
        done, table = self.run_tool("--only", "good")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("| `good` | X1 | test accuracy | 0.9922 | 0.9900 | 0.9920 | 0.9910 | 34,826 | 20.0 | 1,000 | yes |",
                      table)
        self.assertIn("|  |  | first epoch | - | 0.9700 | 0.9720 | 0.9710 |  |  |  | yes |", table)
        self.assertIn("1 of 1 recipes passed on every seed", done.stdout)

    def test_a_recipe_that_misses_its_gate_on_one_seed_fails(self):
        done, table = self.run_tool("--only", "good", "poor")
        self.assertEqual(done.returncode, 1)
        self.assertIn("0.9887 | 0.9810 | 34,826 | 20.0 | 1,000 | **no** |", table)
        self.assertIn("failed: poor", done.stderr)

    def test_a_recipe_without_a_result_fails_and_the_others_still_run(self):
        done, table = self.run_tool()
        self.assertEqual(done.returncode, 1)
        self.assertIn("exit code 1: error: no data", done.stdout)
        self.assertIn("| `broken` |", table)
        self.assertIn("failed: poor, broken", done.stderr)

    def test_the_result_of_an_earlier_run_does_not_pass_for_one_of_this_run(self):
        stale = os.path.join(self.root, "runs/broken-1")
        self.run_tool("--only", "good", "--seeds", "1")
        shutil.copytree(os.path.join(self.root, "runs/good-1"), stale)
        done, table = self.run_tool("--only", "broken", "--seeds", "1")
        self.assertEqual(done.returncode, 1)
        self.assertIn("No such file", table)
        self.assertFalse(os.path.exists(os.path.join(stale, "result.json")))

    def test_a_run_that_does_not_end_fails_whatever_it_left(self):
        done, table = self.run_tool("--only", "good", "--out", self.root + "/killed")
        self.assertEqual(done.returncode, 1)
        self.assertIn("| `good` |  | exit code 137 |", table)

    def test_some_recipes_alone_leave_the_table_of_all_as_it_is(self):
        os.makedirs(os.path.join(self.root, "docs"))
        path = os.path.join(self.root, "docs/recipes.md")
        with open(path, "w") as f:
            f.write("of all")
        done = subprocess.run([sys.executable, TOOL, "--varve", self.program, "--out", self.root + "/runs",
                               "--only", "good"], capture_output=True, text=True, cwd=self.root)
        self.assertIn("| `good` | X1 |", done.stdout)
        with open(path) as f:
            self.assertEqual(f.read(), "of all")


if __name__ == "__main__":
    unittest.main()
