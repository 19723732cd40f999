"""bench/compare.py finds the fastest peer and runs it in turns with Varve."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
import unittest

BENCH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../bench")
sys.path.insert(0, BENCH)
import compare  # noqa: E402

# Stand in for varve-bench and for an interpreter with peers; each notes how it was called. compile fails, and each
# variant is faster from run to run.
VARVE = """\
    import json, sys
    a = sys.argv[1:]
    if "--list" in a:
        print("lenet5\\ngcn_cora")
    elif "--peak" in a:
        print(json.dumps(dict(threads=2, instruction_set="avx512", gflops=200.0,
                              bandwidth=[dict(bytes=1000, gb_per_s=100.0)])))
    elif a[1] == "broken":
        sys.exit("error: no such case")
    else:
        note("varve", a)
        print(json.dumps(dict(name=a[1], median_ms=2.0, peak_rss_mb=50.0, import_rss_mb=4.0, samples_per_s=32000.0)))
"""
PYTHON = """\
    import json, os, sys
    a = sys.argv[1:]
    if a[0] == "-c":
        print(json.dumps(dict(torch="2.0", onnxruntime="1.0")))
        sys.exit()
    o = dict(zip(a[1::2], a[2::2]))
    runs = note(o["--variant"], a)
    if "compile" in o["--variant"]:
        sys.exit("no compiler")
    ms = {"eager": 20.0, "onnxruntime": 7.5}.get(o["--variant"], 7.0) - runs / 4
    print(json.dumps(dict(variant=o["--variant"], median_ms=ms,
                          peak_rss_mb={"eager": 300.0}.get(o["--variant"], 330.0), import_rss_mb=200.0)))
"""
NOTE = """\
    def note(who, a):
        with open({log!r}, "a+") as f:
            f.write(" ".join([who, *a]) + "\\n")
            f.seek(0)
            return sum(line.startswith(who + " ") for line in f)
"""


class Compare(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.root)
        self.log, self.out = self.root + "/log", self.root + "/out/speed.json"
        for name, text in (("varve", VARVE), ("python", PYTHON)):
            path = os.path.join(self.root, name)
            with open(path, "w") as f:
                f.write(f"#!{sys.executable}\n" + textwrap.dedent(NOTE).format(log=self.log) + textwrap.dedent(text))
            os.chmod(path, 0o755)

    def run_tool(self, *more):
        done = subprocess.run([sys.executable, os.path.join(BENCH, "compare.py"), "--varve", self.root + "/varve", "--python",
                               self.root + "/python", "--out", self.out, "--rounds", "3", *more], capture_output=True, text=True)
        with open(self.log) as f:
            return done, [line.split()[0] for line in f]

    def rows(self):
        with open(self.out) as f:
            return json.load(f)["rows"]

    def test_every_variant_runs_the_near_ones_twice_and_the_fastest_in_turns_with_varve(self):
        done, calls = self.run_tool("--cases", "lenet5", "--modes", "train")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(calls, ["eager", "compile", "channels_last", "compile_channels_last", "channels_last"] +
                         ["channels_last", "varve"] * 3)
        self.assertIn("beside torch 2.0, onnxruntime 1.0; left out: tensorflow, openvino", done.stdout)
        self.assertIn("lenet5 train: compile left out: no compiler", done.stdout)
        (row,) = self.rows()
        self.assertEqual((row["peer"], row["peer_ms"], row["ms"], row["ratio"]), ("channels_last", 5.75, 2.0, 2.875))
        self.assertEqual((row["ratio_min"], row["ratio_max"], row["batch"]), (2.875, 3.125, 64))
        self.assertEqual((row["memory_mb"], row["leanest"], row["leanest_mb"], row["memory_ratio"]), (46.0, "eager", 100.0, 0.46))
        self.assertIn("train, 2 threads: 1 cases, geometric mean 2.88, below 1: none", done.stdout)

    def test_peers_that_were_close_take_turns_too(self):
        done, calls = self.run_tool("--cases", "lenet5", "--modes", "infer")
        self.assertEqual(calls[5:], ["channels_last", "onnxruntime"] + ["channels_last", "onnxruntime", "varve"] * 3)
        (row,) = self.rows()
        self.assertEqual((row["peer"], row["ratio"], row["ratio_max"]), ("channels_last", 2.875, 3.125))

    def test_what_qualified_is_known_the_next_time(self):
        self.run_tool("--cases", "gcn_cora", "--modes", "infer")
        done, calls = self.run_tool("--cases", "gcn_cora", "--modes", "infer", "--bar", "5")
        self.assertEqual(calls, ["eager", "compile", "onnxruntime", "onnxruntime"] + ["onnxruntime", "varve"] * 6)
        self.assertIn("below 5: gcn_cora 2.", done.stdout)

    def test_a_case_without_a_result_fails_and_the_others_still_run(self):
        with open(compare.roofline.WORK) as f:
            work = dict(json.load(f), broken={"train": [["dense", 1, 1, 1]]})
        path = os.path.join(self.root, "work.json")
        with open(path, "w") as f:
            json.dump(work, f)
        script = f"import sys; sys.path.insert(0, {BENCH!r}); import compare, roofline; roofline.WORK = {path!r}; compare.main()"
        done = subprocess.run([sys.executable, "-c", script, "--varve", self.root + "/varve", "--python", self.root + "/python",
                               "--out", self.out, "--cases", "broken,lenet5", "--modes", "train"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("broken train: no result: error: no such case", done.stdout)
        self.assertIn("no result: broken train", done.stderr)
        self.assertEqual([r["name"] for r in self.rows()], ["lenet5"])

    def test_appended_rows_replace_those_of_the_same_case_alone(self):
        self.run_tool("--cases", "gcn_cora,lenet5", "--modes", "train")
        self.run_tool("--cases", "gcn_cora", "--modes", "train", "--append")
        self.assertEqual([r["name"] for r in self.rows()], ["lenet5", "gcn_cora"])
        self.run_tool("--cases", "lenet5", "--batch1")
        self.assertEqual([(r["name"], r["mode"]) for r in self.rows()], [("lenet5", "infer1")])


if __name__ == "__main__":
    unittest.main()
