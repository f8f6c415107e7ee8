import pathlib
import re
import tempfile
import unittest
from unittest import mock

from harness import plots, publish
from tests import samples

DOCUMENT = f"# Results\n\nBy hand.\n\n{publish.BEGIN}\nold\n{publish.END}\n\n## More\n"


class Publish(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.docs = pathlib.Path(folder.name)
        self.result = samples.result(fast={"stock": 0.02, "jit": 0.01, "other": 0.04})

    def publish(self, drawn):
        def draw(result, folder, stem, cache):
            for name in drawn if isinstance(drawn, list) else []:
                (folder / name).write_text("<svg/>")
            return drawn

        with mock.patch.object(plots, "draw", draw):
            publish.publish(self.result, self.docs, self.docs)

    def test_the_measured_part_is_replaced_and_the_rest_stays(self):
        (self.docs / "results.md").write_text(DOCUMENT)
        self.publish(["benchmarks-jit-speed.svg"])
        text = (self.docs / "results.md").read_text()
        self.assertTrue(text.startswith("# Results\n\nBy hand.\n\n" + publish.BEGIN))
        self.assertTrue(text.endswith(publish.END + "\n\n## More\n"))
        self.assertNotIn("\nold\n", text)
        self.assertNotIn("# Benchmarks", text)
        self.assertIn("\n### Steady state\n", text)
        self.assertIn("![pictures/benchmarks-jit-speed.svg](pictures/benchmarks-jit-speed.svg)", text)
        # Again: old pictures go, and nothing is added twice.
        self.publish(["benchmarks-other-speed.svg"])
        self.assertEqual([path.name for path in (self.docs / "pictures").iterdir()], ["benchmarks-other-speed.svg"])
        self.assertEqual((self.docs / "results.md").read_text().count("### Steady state"), 1)

    def test_without_pictures_it_says_so(self):
        (self.docs / "results.md").write_text(DOCUMENT)
        self.publish("No plots: no network")
        self.assertIn("No plots: no network", (self.docs / "results.md").read_text())

    def test_a_document_without_a_place_is_left_alone(self):
        (self.docs / "results.md").write_text("# Results\n")
        with self.assertRaises(ValueError):
            self.publish([])
        self.assertFalse((self.docs / "pictures").exists())
        self.assertEqual((self.docs / "results.md").read_text(), "# Results\n")

    def test_one_size_is_not_drawn(self):
        self.result["scaling"] = {
            "one": {"stock": {"100": [0.1]}, "jit": {"100": [0.1]}},
            "several": {"stock": {"100": [0.1], "1000": [0.2]}, "jit": {"100": [0.1]}},
        }
        self.assertEqual(list(plots.scaled(self.result)), ["several"])

    def test_the_projects_own_documents_have_the_place_and_the_pictures(self):
        root = pathlib.Path(__file__).parents[2]
        text = (root / "docs" / "results.md").read_text()
        publish.replaced(text, "")
        shown = re.findall(rf"!\[.*\]\({publish.PICTURES}/(.*)\)", text)
        self.assertEqual(sorted(shown), sorted(path.name for path in (root / "docs" / publish.PICTURES).iterdir()))
        self.assertIn(f"docs/{publish.PICTURES}/{publish.STEM}-hotspur-speed.svg", (root / "README.md").read_text())


if __name__ == "__main__":
    unittest.main()
