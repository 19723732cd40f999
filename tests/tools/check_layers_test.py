"""tools/check_layers.py finds each kind of fault in a small tree, and nothing in a good one."""
import os
import shutil
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../tools"))
import check_layers  # noqa: E402

GOOD = {
    "include/varve/types.h": "// Types.\n// room: base\n#pragma once\n#include <vector>\n",
    "include/varve/nn.h": "// room: nn\n#pragma once\n#include <varve/types.h>\n",
    "src/base/shape.h": "#pragma once\n#include <varve/types.h>\n",
    "src/base/shape.cpp": '#include "base/shape.h"\n#include <cmath>\n',
    "src/backend/cpu/gemm.cpp": '#include <dnnl.hpp>\n#include "base/shape.h"\n',
    "src/nn/dense.cpp": '#include "varve/nn.h"\n#include "base/shape.h"\n',
    "tests/nn/dense_test.cpp": '#include "varve/nn.h"\n#include "nn/helper.h"\n',
    "tests/nn/helper.h": "#pragma once\n",
}


class CheckLayers(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.root)
        for path, text in GOOD.items():
            self.write(path, text)

    def write(self, path, text):
        full = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w") as f:
            f.write(text)

    def faults(self, compiler=None):
        return [f"{f.path}:{f.line}: {f.text}" for f in check_layers.check(self.root, compiler)[1]]

    def one_fault(self, *parts, compiler=None):
        faults = self.faults(compiler)
        self.assertEqual(len(faults), 1, faults)
        for part in parts:
            self.assertIn(part, faults[0])

    def test_a_good_tree_has_no_fault(self):
        self.assertEqual(self.faults(compiler="g++"), [])

    def test_a_room_may_not_include_one_below_it(self):
        self.write("src/ir/graph.cpp", '#include "base/shape.h"\n#include "../nn/dense.h"\n')
        self.write("src/nn/dense.h", "#pragma once\n")
        self.one_fault("src/ir/graph.cpp:2:", "ir may not include src/nn/dense.h, which is of nn")

    def test_a_public_header_counts_as_its_room(self):
        self.write("src/ops/math.cpp", "#include <varve/nn.h>\n")
        self.one_fault("src/ops/math.cpp:1:", "ops may not include include/varve/nn.h, which is of nn")

    def test_a_public_header_keeps_the_order_too(self):
        self.write("include/varve/types.h", "// room: base\n#pragma once\n")
        self.write("include/varve/error.h", "// room: base\n#include <varve/nn.h>\n")
        self.one_fault("include/varve/error.h:2:", "which is of nn")

    def test_the_room_named_all_is_for_what_stands_above_every_room(self):
        self.write("include/varve/varve.h", "// room: all\n#pragma once\n#include <varve/nn.h>\n")
        self.write("apps/varve/main.cpp", "#include <varve/varve.h>\n")
        self.assertEqual(self.faults(), [])
        self.write("src/nn/dense.cpp", "#include <varve/varve.h>\n")
        self.one_fault("src/nn/dense.cpp:1:", "nn may not include include/varve/varve.h, which is of all")

    def test_a_public_header_must_say_its_room(self):
        self.write("include/varve/error.h", "#pragma once\n")
        self.one_fault("include/varve/error.h:1:", "belongs to no room", "// room: NAME")

    def test_a_folder_outside_the_order_is_named(self):
        self.write("src/misc/a.cpp", "\n")
        self.one_fault("src/misc/a.cpp:1:", "belongs to no room")

    def test_a_missing_public_header_is_named(self):
        self.write("src/nn/dense.cpp", "#include <varve/gone.h>\n")
        self.one_fault("src/nn/dense.cpp:1:", "varve/gone.h does not exist")

    def test_a_public_header_includes_nothing_heavy(self):
        self.write("include/varve/types.h", "// room: base\n#include <filesystem>\n")
        self.one_fault("include/varve/types.h:2:", "<filesystem>, which is heavy")

    def test_a_public_header_includes_no_third_party(self):
        self.write("include/varve/types.h", "// room: base\n#include <Eigen/Core>\n")
        self.one_fault("include/varve/types.h:2:", "neither <varve/...> nor standard C++")

    def test_a_public_header_includes_no_private_header(self):
        self.write("include/varve/nn.h", '// room: nn\n#include "base/shape.h"\n')
        self.one_fault("include/varve/nn.h:2:", "neither <varve/...> nor standard C++")

    def test_cycles_are_printed_whole(self):
        self.write("src/base/a.h", '#include "base/b.h"\n')
        self.write("src/base/b.h", '#include "base/c.h"\n')
        self.write("src/base/c.h", '#include "base/a.h"\n')
        self.one_fault("include cycle: src/base/a.h -> src/base/b.h -> src/base/c.h -> src/base/a.h")

    def test_a_hidden_library_stays_in_its_room(self):
        self.write("src/nn/dense.cpp", "#include <dnnl.hpp>\n")
        self.one_fault("src/nn/dense.cpp:1:", "<dnnl.hpp> is for src/backend/cpu/ and bench/ only")

    def test_a_file_over_800_lines_is_a_fault(self):
        self.write("src/nn/dense.cpp", "\n" * 800)
        self.assertEqual(self.faults(), [])
        self.write("src/nn/dense.cpp", "\n" * 801)
        self.one_fault("src/nn/dense.cpp:800:", "801 lines")

    def test_a_public_header_must_compile_alone(self):
        self.write("include/varve/types.h", "// room: base\n#pragma once\nstd::string name();\n")
        faults = self.faults(compiler="g++")
        self.assertIn("include/varve/types.h:1: does not compile alone", faults[-1])


if __name__ == "__main__":
    unittest.main()
