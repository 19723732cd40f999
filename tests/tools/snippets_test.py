"""tools/snippets.py finds stale code in documents and writes it anew."""
import os
import shutil
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../tools"))
import snippets  # noqa: E402

EXAMPLE = """#include <varve/varve.h>
int main() {
  // [training]
  fit();
    evaluate();
  // [/training]
}
"""


class Snippets(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.root)
        os.makedirs(os.path.join(self.root, "examples"))
        os.makedirs(os.path.join(self.root, "docs"))
        self.write("examples/first.cpp", EXAMPLE)

    def write(self, path, text):
        with open(os.path.join(self.root, path), "w") as f:
            f.write(text)

    def read(self, path):
        with open(os.path.join(self.root, path)) as f:
            return f.read()

    def test_a_block_like_its_region_is_no_fault(self):
        self.write("README.md",
                   "a\n<!-- snippet: examples/first.cpp#training -->\n```cpp\nfit();\n  evaluate();\n```\nb\n")
        self.assertEqual(snippets.check(self.root), [])

    def test_a_stale_block_is_named_and_rewritten_and_the_rest_kept(self):
        self.write("docs/guide.md", "a\n<!-- snippet: examples/first.cpp#training -->\n\n```c++\nold();\n```\nb\n")
        self.assertEqual(snippets.check(self.root), ["docs/guide.md:2: differs from examples/first.cpp#training"])
        snippets.check(self.root, write=True)
        self.assertEqual(self.read("docs/guide.md"),
                         "a\n<!-- snippet: examples/first.cpp#training -->\n\n```c++\nfit();\n  evaluate();\n```\nb\n")
        self.assertEqual(snippets.check(self.root), [])

    def test_a_missing_block_is_written(self):
        self.write("README.md", "<!-- snippet: examples/first.cpp#training -->\ntext\n")
        self.assertEqual(snippets.check(self.root), ["README.md:1: no code block follows"])
        snippets.check(self.root, write=True)
        self.assertEqual(self.read("README.md"),
                         "<!-- snippet: examples/first.cpp#training -->\n```cpp\nfit();\n  evaluate();\n```\ntext\n")

    def test_a_whole_file_is_quoted_without_its_markers(self):
        self.write("README.md", "<!-- snippet: examples/first.cpp -->\n")
        snippets.check(self.root, write=True)
        self.assertIn("int main() {\n  fit();\n    evaluate();\n}\n```", self.read("README.md"))

    def test_printed_output_may_differ_in_its_figures_only(self):
        os.makedirs(os.path.join(self.root, "out"))
        self.write("out/first.txt", "epoch 1  loss 0.25\nsaved 12,345 bytes\n")
        outputs = os.path.join(self.root, "out")
        self.write("README.md", "<!-- output: first -->\n```\nepoch 1  loss 0.3\nsaved 9 bytes\n```\n")
        self.assertEqual(snippets.check(self.root, outputs=outputs), [])
        self.write("out/slow.txt", "epoch 1  1:38  loss 0.25\n")
        self.write("docs/slow.md", "<!-- output: slow -->\n```\nepoch 1  3s  loss 0.3\n```\n")
        self.assertEqual(snippets.check(self.root, outputs=outputs), [])
        self.write("README.md", "<!-- output: first -->\n```\nepoch 1  accuracy 0.3\nsaved 9 bytes\n```\n")
        self.assertEqual(snippets.check(self.root), [])
        self.assertEqual(snippets.check(self.root, outputs=outputs), ["README.md:1: differs from the output of first"])
        snippets.check(self.root, write=True, outputs=outputs)
        self.assertIn("```\nepoch 1  loss 0.25\nsaved 12,345 bytes\n```", self.read("README.md"))

    def test_links_and_paths_that_lead_nowhere_are_named(self):
        self.write("docs/a.md", "[here](../README.md#top) and `examples/first.cpp`\n[gone](b.md), `src/none.h`\n"
                   "```cpp\n[](int x) {}\n```\n[far](https://example.org)\n")
        self.write("README.md", "")
        self.assertEqual(snippets.check(self.root),
                         ["docs/a.md:2: b.md does not exist", "docs/a.md:2: src/none.h does not exist"])

    def test_a_missing_region_or_file_is_named(self):
        self.write("README.md",
                   "<!-- snippet: examples/first.cpp#gone -->\n<!-- snippet: examples/none.cpp#training -->\n")
        first, second = snippets.check(self.root)
        self.assertIn("README.md:1: examples/first.cpp: needs one '// [gone]'", first)
        self.assertIn("README.md:2: examples/none.cpp: No such file", second)


if __name__ == "__main__":
    unittest.main()
