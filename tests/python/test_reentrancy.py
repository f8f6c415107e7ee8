"""Other code that runs in the middle of what tier 1 does: callbacks, other interpreters. Run under `hotspur`."""
import sys
import unittest
import weakref

import _interpreters
import hotspur


def entries():
    return hotspur.info()["counters"]["entries"]


class Callbacks(unittest.TestCase):
    def test_bound_method_whose_death_changes_its_function(self):
        class C:
            def method(self, a):
                return a

        def large(self, a):
            b = c = d = e = f = g = h = i = j = k = a
            return [b, c, d, e, f, g, h, i, j, k]

        kept = []

        def change(_):
            C.method.__code__ = large.__code__

        def make(watched):
            method = c.method
            if watched:
                kept.append(weakref.ref(method, change))
            return method

        c = C()
        results = [make(i == 15)(i) for i in range(20)]
        # As in CPython, the method dies before the function is looked at.
        self.assertEqual(results, [*range(15), *([i] * 10 for i in range(15, 20))])


class Interpreters(unittest.TestCase):
    def setUp(self):
        self.other = _interpreters.create()
        self.addCleanup(_interpreters.destroy, self.other)

    def run_there(self, source):
        self.assertIsNone(_interpreters.exec(self.other, source))

    def test_tools_there_do_not_bring_us_there(self):
        self.run_there("import sys; sys.settrace(lambda *args: None); sys.settrace(None)")
        before = entries()
        self.run_there("for _ in range(1000): list(map(lambda x: x, range(10)))")
        self.assertLess(entries() - before, 1000)

    def test_tools_there_do_not_turn_ours_off_or_on(self):
        sys.setprofile(lambda *args: None)
        self.run_there("import sys; sys.setprofile(None)")
        sys.setprofile(None)
        before = entries()
        list(map(lambda x: x, range(100)))
        self.assertGreaterEqual(entries() - before, 100)


if __name__ == "__main__":
    unittest.main()
