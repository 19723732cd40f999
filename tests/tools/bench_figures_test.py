"""bench/figures.py writes what was measured into the documents; bench/roofline.py says what the processor allows."""
import glob
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
sys.path.insert(0, os.path.join(ROOT, "bench"))
import figures  # noqa: E402
import roofline  # noqa: E402


def row(name, mode, threads, ratio):
    return dict(name=name, mode=mode, threads=threads, batch=64, peer="compile", peer_ms=3.0 * ratio, ms=3.0, ratio=ratio,
                ratio_min=ratio - 0.1, ratio_max=ratio + 0.1, gflops=120.0, percent_of_peak=52.0, roofline_ms=0.5,
                memory_mb=30.0, leanest="eager", leanest_mb=120.0, memory_ratio=0.25)


PEAK = dict(threads=2, instruction_set="avx512", gflops=230.0,
            bandwidth=[dict(bytes=1000, gb_per_s=200.0), dict(bytes=10000, gb_per_s=20.0)])
RESULT = dict(machine=dict(processor="A Processor", versions=dict(torch="2.15.0", openvino="2026.4.1")),
              peak={"2": PEAK, "1": dict(PEAK, threads=1, gflops=115.0)},
              rows=[row("one", "train", 2, 2.0), row("two", "train", 2, 8.0), row("one", "train", 1, 3.0),
                    row("one", "infer", 2, 1.5)])
PAGE = ("before\n<!-- figures: speed -->\nold\n<!-- /figures -->\nbetween\n<!-- figures: speed-details -->\n"
        "<!-- /figures -->\nafter\n")
README = "before\n<!-- figures: speed -->\n\n| network | a |\n| --- | ---: |\n| `one` | 9x |\n\n<!-- /figures -->\nafter\n"


class Figures(unittest.TestCase):
    def test_the_table_has_a_column_for_each_mode_and_number_of_threads_and_the_mean_of_all(self):
        self.assertEqual(figures.overview(RESULT["rows"]), [
            "| network | batch | a training step, 2 threads | a training step, 1 thread | inference, 2 threads |",
            "| --- | ---: | ---: | ---: | ---: |",
            "| `one` | 64 | 2.00x | 3.00x | 1.50x |",
            "| `two` | 64 | 8.00x |  |  |",
            "| geometric mean of 2 |  | 4.00x | 3.00x | 1.50x |"])

    def test_the_page_keeps_its_text_and_is_the_same_when_written_again(self):
        page = figures.performance_page(PAGE, RESULT)
        self.assertRegex(page, r"^before\n<!-- figures: speed -->\n\nA Processor, AVX-512, float32, beside Py")
        self.assertIn("beside PyTorch 2.15.0, OpenVINO 2026.4.1. The processor allows: 2 threads 230 GFLOP/s, 20 GB/s of memory; "
                      "1 thread 115 GFLOP/s, 20 GB/s of memory.\n", page)
        self.assertIn("a training step takes 0.25 to 0.25, inference takes 0.25 to 0.25 of what", page)
        self.assertIn("\n<!-- /figures -->\nbetween\n<!-- figures: speed-details -->\n\n### A training step, 2 threads\n\n| net", page)
        self.assertIn("| `two` | PyTorch, compiled | 24.0 | 3.00 | 8.00 | 7.90 to 8.10 | 120 | 52 % | 0.5 | 30.0 | 120 |", page)
        self.assertTrue(page.endswith("\n<!-- /figures -->\nafter\n"))
        self.assertNotIn("old", page)
        self.assertEqual(figures.performance_page(page, RESULT), page)

    def test_the_readme_shows_the_networks_that_it_showed_with_the_most_threads(self):
        text = figures.readme(README, RESULT)
        self.assertIn("-->\n\nA Processor, AVX-512, float32, beside PyTorch 2.15.0, OpenVINO 2026.4.1.\n\n"
                      "| network | batch | a training step, 2 threads | inference, 2 threads |", text)
        self.assertIn("| `one` | 64 | 2.00x | 1.50x |\n| geometric mean of 2 |  | 4.00x | 1.50x |", text)
        self.assertNotIn("`two`", text)
        self.assertEqual(figures.readme(text, RESULT), text)

    def test_a_page_without_the_block_is_refused_and_nothing_is_written(self):
        with tempfile.TemporaryDirectory() as folder:
            paths = {k: os.path.join(folder, k) for k in ("r.json", "page.md", "readme.md")}
            for path, text in zip(paths.values(), (json.dumps(RESULT), PAGE, "no block\n")):
                with open(path, "w") as f:
                    f.write(text)
            done = subprocess.run([sys.executable, os.path.join(ROOT, "bench/figures.py"), "--results", paths["r.json"],
                                   "--table", paths["page.md"], "--readme", paths["readme.md"]], capture_output=True, text=True)
            self.assertEqual(done.returncode, 1)
            self.assertIn("readme.md: needs one block '<!-- figures: speed -->' ... '<!-- /figures -->', has 0", done.stderr)
            with open(paths["page.md"]) as f:
                self.assertEqual(f.read(), PAGE)

    def test_our_own_documents_have_the_blocks(self):
        for path, write in (("docs/performance.md", figures.performance_page), ("README.md", figures.readme)):
            with open(os.path.join(ROOT, path), encoding="utf-8") as f:
                self.assertIn("geometric mean of 2", write(f.read(), RESULT))


class Roofline(unittest.TestCase):
    def test_a_kernel_takes_the_longer_of_its_two_times_at_the_bandwidth_of_what_holds_it(self):
        busy, wide, beyond = ["a", 2_300_000, 100, 1], ["b", 0, 1000, 2], ["c", 0, 50_000, 1]
        self.assertAlmostEqual(roofline.allowed_ms([busy], PEAK), 0.01)
        self.assertAlmostEqual(roofline.allowed_ms([wide], PEAK), 2 * 1000 / 200e9 * 1e3)
        self.assertAlmostEqual(roofline.allowed_ms([beyond], PEAK), 50_000 / 20e9 * 1e3)
        self.assertAlmostEqual(roofline.allowed_ms([busy, beyond], PEAK), 0.01 + 0.0025)

    def test_flops_are_summed_over_all_kernels(self):
        found = roofline.figures([["a", 1_000_000, 1, 2], ["b", 3_000_000, 1, 1]], PEAK, 0.05)
        self.assertAlmostEqual(found["gflops"], 100)
        self.assertAlmostEqual(found["percent_of_peak"], 100 * 100 / 230)

    def test_the_work_of_every_case_is_stored(self):
        names = set()
        for path in glob.glob(os.path.join(ROOT, "bench/peers/torch_*_cases.py")):
            with open(path, encoding="utf-8") as f:
                names |= set(re.findall(r'^@case\("(\w+)"\)', f.read(), re.M))
        work = roofline.load_work()
        self.assertEqual(set(work), names)
        for modes in work.values():
            self.assertLess(0, roofline.flops(modes["infer1"]))
            self.assertLess(roofline.flops(modes["infer"]), roofline.flops(modes["train"]))


if __name__ == "__main__":
    unittest.main()
