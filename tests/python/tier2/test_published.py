"""Other code changes locals, or keeps objects, while it looks at the frames of an executor: what frames share stays alive, and is one object."""

import sys

from support import Tier2Case


def change(when, name, value="changed"):
    """Sets a local of the caller."""
    if when:
        sys._getframe(1).f_locals[name] = value


class Changer:
    """Sets a local of whoever drops it."""

    def __init__(self, armed, name):
        self.armed = armed
        self.name = name

    def __del__(self):
        if self.armed:
            sys._getframe(1).f_locals[self.name] = "changed"


N = 1500


class SharedContent(Tier2Case):
    def check(self, function, share=0.2):
        """The function, which says for each round whether all is as it should be, is called until it is hot."""
        self.hot(lambda n: all(function(n)), N, expect=True, share=share)

    def test_a_local_that_others_share(self):
        def f(n):
            out = []
            for i in range(n):
                x = [i]
                y = x
                change(i % 97 == 5, "x")
                out.append((x == ("changed" if i % 97 == 5 else [i])) and y == [i])
            return out

        self.check(f)

    def test_a_local_that_tuples_share(self):
        def f(n):
            out = []
            for i in range(n):
                x = [i]
                t = (x, (x, i))
                change(i % 97 == 5, "x")
                out.append(t[0] is t[1][0] and t[0] == [i] and t[1][1] == i)
            return out

        self.check(f)

    def test_operands_on_the_stack(self):
        def f(n):
            out = []
            for i in range(n):
                x = [i]
                a, b, c = x, change(i % 97 == 5, "x"), x
                out.append(a == [i] and b is None and c == ("changed" if i % 97 == 5 else [i]))
            return out

        self.check(f)

    def test_unboxed_numbers(self):
        def f(n):
            out = []
            for i in range(n):
                x = i * 0.5
                y = x + 1.0
                t = (x, y)
                change(i % 97 == 5, ("x", "t", "y")[i % 3])
                values = [v for v in (x, y, t) if v != "changed"]
                out.append(len(values) == (2 if i % 97 == 5 else 3) and (t == "changed" or t == (i * 0.5, i * 0.5 + 1.0)))
            return out

        self.check(f)

    def test_a_destructor_changes_what_a_tuple_shares(self):
        def f(n):
            out = []
            for i in range(n):
                x = [i]
                t = (x, i)
                e = Changer(i % 89 == 3, "x" if i % 2 else "t")
                e = None
                out.append(e is None and (x == "changed" or x == [i]) and (t == "changed" or t == ([i], i)))
            return out

        self.check(f)

    def test_a_cell_that_a_closure_shares(self):
        def f(n):
            out = []
            x = None

            def read():
                return x

            for i in range(n):
                x = [i]
                y = x
                change(i % 61 == 7, "x")
                out.append(read() is x and y == [i])
            return out

        self.check(f)

    def test_two_changes_before_the_executor_is_left(self):
        def f(n):
            out = []
            for i in range(n):
                x = [i]
                y = [x]
                a = Changer(i % 89 == 3, "x")
                b = Changer(i % 89 == 3, "y")
                a = b = None
                out.append(a is b and (x == "changed") == (y == "changed") == (i % 89 == 3))
            return out

        self.check(f)


class Kept(Tier2Case):
    def test_an_object_that_was_kept_is_the_one_that_there_is(self):
        def f(n):
            kept = []
            same = 0
            for i in range(n):
                pair = (i, i + 1000)
                if i % 50 == 0:
                    kept.append(sys._getframe().f_locals["pair"])
                    same += kept[-1] is pair
            return len(kept), same

        self.hot(f, N, expect=(N // 50, N // 50), share=0.2)

    def test_numbers_that_are_seen_but_not_kept_disturb_nobody(self):
        class Thing:
            def __init__(self, value):
                self.value = value

        def f(n):
            total = 0
            for i in range(n):
                small = i & 7
                pair = (small, ())
                # An instance dies in each round, with the frame published.
                thing = Thing(small)
                total += thing.value + pair[0]
            return total

        counts = self.hot(f, N, expect=2 * sum(i & 7 for i in range(N)), share=0.5)
        self.assertLess(counts["exits.cold_by_reason.invalidated"], N // 10)
