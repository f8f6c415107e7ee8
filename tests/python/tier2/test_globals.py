"""Global variables that code in traces assigns."""

import gc
import os
import unittest

from support import Tier2Case, describe

N = 2000


class Globals(Tier2Case):
    def module(self, text):
        """The names of a module with this text."""
        names = {}
        exec(text, names)
        return names

    def test_a_counter(self):
        names = self.module(
            "count = total = 0\n"
            "def step(i):\n global count, total\n count += 1\n total = total + i\n"
            "def f(n):\n global count, total\n count = total = 0\n for i in range(n):\n  step(i)\n return count, total\n"
        )
        self.hot(names["f"], N, expect=(N, sum(range(N))), share=0.9)
        text = describe(names["f"])
        self.assertIn("name_store", text)
        if "HOTSPUR_BACK_EDGE_THRESHOLD" not in os.environ:
            self.assertNotIn("execute ", text)
        self.assertEqual((names["count"], names["total"]), (N, sum(range(N))))

    def test_others_rely_on_the_value(self):
        names = self.module(
            "def one():\n return 1\n"
            "def two():\n return 2\n"
            "value = one\n"
            "def get():\n return value()\n"
            "def g(n):\n t = 0\n for i in range(n):\n  t += get()\n return t\n"
            "def f(n):\n global value\n for i in range(n):\n  value = one if i < n // 2 else two\n return i\n"
        )
        f, g = names["f"], names["g"]
        for _ in range(3):
            names["value"] = names["one"]
            self.assertEqual(g(N), N)
            self.assertEqual(f(N), N - 1)
            self.assertEqual(g(N), 2 * N)
        names["f"](N)
        self.assertEqual(g(N), 2 * N)

    def test_the_name_goes(self):
        names = self.module(
            "def f(n, at):\n"
            " global value\n"
            " value = 0\n"
            " for i in range(n):\n"
            "  value = value + 1\n"
            "  if i == at:\n   del value\n   value = 100\n"
            " return value\n"
        )
        self.hot(names["f"], N, -1, expect=N, share=0.9)
        self.assertEqual(names["f"](N, N - 10), 109)

    def test_what_was_there_dies(self):
        log = []

        class Noisy:
            def __init__(self, i):
                self.i = i

            def __del__(self):
                log.append((self.i, names["value"] is self, type(names["value"]).__name__))

        names = self.module("def f(n):\n global value\n for i in range(n):\n  value = Noisy(i)\n  value = i\n")
        names["Noisy"] = Noisy
        names["value"] = None
        for _ in range(4):
            log.clear()
            names["f"](N)
            self.assertEqual(log, [(i, False, "int") for i in range(N)])

    def test_it_is_watched_by_others(self):
        try:
            import _testcapi
        except ImportError:
            return
        if not hasattr(_testcapi, "add_dict_watcher"):
            return
        names = self.module("value = 0\ndef f(n):\n global value\n for i in range(n):\n  value = i\n return value\n")
        self.hot(names["f"], N, expect=N - 1, share=0.9)
        watcher = _testcapi.add_dict_watcher(0)
        try:
            _testcapi.watch_dict(watcher, names)
            names["f"](50)
            events = [event for event in _testcapi.get_dict_watcher_events() if event.startswith("mod:value:")]
            self.assertEqual(events, [f"mod:value:{i}" for i in range(50)])
            _testcapi.unwatch_dict(watcher, names)
        finally:
            _testcapi.clear_dict_watcher(watcher)

    def test_the_collector_learns_of_the_namespace(self):
        names = self.module("def f(n, last):\n global value\n value = 0\n while n:\n  value = n\n  n -= 1\n value = last\n")
        self.hot(names["f"], N, -1, expect=None, share=0.9)
        namespace = {"value": 0}
        other = type(names["f"])(names["f"].__code__, namespace)
        other(N, 1)
        self.assertFalse(gc.is_tracked(namespace))
        content = []
        other(N, content)
        other(1, content)
        self.assertTrue(gc.is_tracked(namespace))
        self.assertIs(namespace["value"], content)

    def test_keys_that_are_no_strings(self):
        names = self.module("def f(n):\n global value\n value = 0\n for i in range(n):\n  value = value + 1\n return value\n")
        names[1] = 1
        self.hot(names["f"], N, expect=N)
        self.assertIn("execute ", describe(names["f"]))
        del names[1]
        self.assertEqual(names["f"](N), N)

    def test_names_that_are_equal_and_not_the_same(self):
        names = self.module("def f(n):\n global a_name\n a_name = 0\n for i in range(n):\n  a_name = i\n return a_name\n")
        names["".join(["a_", "name"])] = 7
        self.hot(names["f"], N, expect=N - 1)
        self.assertIn("name_store", describe(names["f"]))
        self.assertEqual([names["a_name"]] + [key for key in names if key == "a_name"], [N - 1, "a_name"])


if __name__ == "__main__":
    unittest.main()
