"""tools/check_comments.py finds public names that say nothing of themselves."""
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../../tools"))
import check_comments  # noqa: E402


def names(text):
    with tempfile.NamedTemporaryFile("w", suffix=".h") as f:
        f.write(text)
        f.flush()
        return [name for _, name in check_comments.undocumented(f.name)]


class CheckComments(unittest.TestCase):
    def test_functions_types_and_aliases_need_a_comment(self):
        self.assertEqual(names("namespace v {\nint f(int x);\nstruct S {\n  int a = 0;\n};\nusing T = int;\n}\n"),
                         ["f", "S", "T"])

    def test_a_comment_stands_before_or_behind(self):
        self.assertEqual(names("/// What f is.\nint f(int x);\nint g();  ///< What g is.\n"), [])

    def test_a_comment_covers_overloads_and_families_without_an_empty_line(self):
        self.assertEqual(names("/// All of them.\nint f1(int x);\nint f2(int x);\n\nint f3();\n"), ["f3"])

    def test_members_need_one_too_and_private_ones_do_not(self):
        text = "/// A.\nclass A {\n public:\n  A();\n  int f() const { return a_; }\n\n private:\n  int g();\n  int a_;\n};\n"
        self.assertEqual(names(text), ["f"])

    def test_what_a_spec_must_have_and_what_is_hidden_is_left_out(self):
        text = ("/// L.\nstruct L {\n  std::function<double(int)> rate = {};\n  Tensor call(const Tensor& x) const;\n};\n"
                "namespace detail {\nint hidden();\n}\n")
        self.assertEqual(names(text), [])

    def test_templates_are_read(self):
        self.assertEqual(names("template <class T, size_t N = std::is_same_v<T, int>>\nvoid apply(T f);\n"), ["apply"])


if __name__ == "__main__":
    unittest.main()
