"""What superblocks do without tier 1: calls of C functions, containers, classes. Run under `hotspur` with tier 2 on.

Everything is compared with what Python says: results, exceptions and their lines, the order in which objects die, what is noticed when
classes and containers change.
"""

import os
import sys
import traceback
import unittest

import hotspur
from support import Tier2Case, counted, describe, dying

N = 400


class Containers(Tier2Case):
    def test_keys_with_methods_of_their_own(self):
        seen = []

        class Key:
            def __init__(self, n):
                self.n = n

            def __hash__(self):
                return hash(self.n)

            def __eq__(self, other):
                # Sees the frame that looks for it, and its variables.
                frame = sys._getframe(1)
                seen.append((frame.f_code.co_name, frame.f_locals["i"]))
                return isinstance(other, int) and self.n == other

        def f(d, n):
            total = 0
            for i in range(n):
                total += d[i % 8]
                total += d.get(i % 8, 0)
                if i % 8 in d:
                    total += 1
            return total

        plain = {i: i for i in range(8)}
        self.hot(f, plain, N, expect=sum(2 * (i % 8) + 1 for i in range(N)))
        mixed = {**{i: i for i in range(7)}, Key(7): 7}
        expect = sum(2 * (i % 8) + 1 for i in range(N))
        for _ in range(4):
            seen.clear()
            self.assertEqual(f(mixed, N), expect)
            self.assertEqual(seen, [("f", i) for i in range(N) if i % 8 == 7 for _ in range(3)])

    def test_tuples_as_keys(self):
        def f(d, n):
            total = 0
            for i in range(n):
                key = (i % 8, i % 3)
                total += d[key]
                d[key] = d.get((i % 8, i % 3), 0) + 1
                if (i % 8, "a") in d:
                    total += 1
            return total

        def grid():
            return {**{(x, y): 1 for x in range(8) for y in range(3)}, (1, "a"): 0}

        expect = f(grid(), N)
        for _ in range(6):
            self.assertEqual(f(grid(), N), expect)
        result, counts = counted(f, grid(), N)
        self.assertEqual(result, expect)
        self.assertGreater(counts.share, 0.9)
        if "HOTSPUR_BACK_EDGE_THRESHOLD" not in os.environ:
            self.assertNotIn("execute ", describe(f))

    def test_tuples_with_items_of_their_own_mind(self):
        seen = []

        class Item(int):
            def __hash__(self):
                return int.__hash__(self)

            def __eq__(self, other):
                frame = sys._getframe(1)
                seen.append((frame.f_code.co_name, frame.f_locals["i"]))
                return int(self) == int(other)

        def f(d, n):
            total = 0
            for i in range(n):
                total += d[(i % 8, 1)]
            return total

        plain = {(i, 1): i for i in range(8)}
        self.hot(f, plain, N, expect=sum(i % 8 for i in range(N)))
        mixed = {**{(i, 1): i for i in range(7)}, (Item(7), 1): 7}
        for _ in range(3):
            seen.clear()
            self.assertEqual(f(mixed, N), sum(i % 8 for i in range(N)))
            self.assertEqual(seen, [("f", i) for i in range(N) if i % 8 == 7])

    def test_ranges(self):
        def f(n):
            total = 0
            for i in range(n):
                r = range(i, i + 10, 2)
                total += len(r) + r[1] + r[-1] + len(r[1:]) + len(r[:i])
            return total

        def expect(n):
            return sum(5 + i + 2 + i + 8 + 4 + min(i, 5) for i in range(n))

        self.hot(f, N, expect=expect(N), share=0.9)
        if "HOTSPUR_BACK_EDGE_THRESHOLD" not in os.environ:
            self.assertNotIn("execute ", describe(f))

    def test_ranges_that_end(self):
        def f(n, at):
            r = range(5)
            total = 0
            for i in range(n):
                try:
                    total += r[at if i % 50 == 7 else 3]
                except IndexError as error:
                    total += error.__traceback__.tb_lineno - f.__code__.co_firstlineno
            return total

        self.assertEqual([f(N, 5) for _ in range(6)], [3 * N - 3 * (N // 50) + 5 * (N // 50)] * 6)

    def test_a_replaced_value_dies_when_it_is_replaced(self):
        log = []

        Noisy = dying(log, lambda v: (v["i"],))

        def f(n):
            d = {}
            for i in range(n):
                d["k"] = Noisy(i)
            del d["k"]
            return len(log)

        for _ in range(5):
            log.clear()
            self.assertEqual(f(N), N)
            self.assertEqual(log, [(i, 3, i + 1) for i in range(N - 1)] + [(N - 1, 4, N - 1)])

    def test_sets_lists_and_texts(self):
        def f(n):
            s, l, t, text = {1, 5, "a"}, [1, "b", None], (2.5, 3), "hello"
            count = 0
            for i in range(n):
                count += (i % 7 in s) + (i % 7 not in l) * 2 + (i % 4 in t) * 4 + (text[i % 5] in "lo") * 8
                count += len(text[i % 5:]) + len(l[: i % 3]) + b"xyz"[i % 3]
                if not s or not l[0:0] and i % 2 == 0 or not float(i % 3):
                    count += 1
            return count

        self.hot(f, N, expect=f.__wrapped__(N) if hasattr(f, "__wrapped__") else f(N))

    def test_characters_and_texts(self):
        """Of strings of every width."""
        texts = ["plain", "ascii\x00\x7f", "caf\xe9\xff", "\u0394x\u20ac", "\U0001f600a"]

        def f(texts, n):
            out = []
            for i in range(n):
                text = texts[i % len(texts)]
                c, d = text[i % len(text)], text[-1]
                out.append((c, d, c == "a", c == text, text == texts[i * 7 % 5], text == "caf" + "\xe9\xff" * (i > 3)))
            return out

        def by_hand(texts, n):
            for i in range(n):
                text = list(texts[i % len(texts)])
                c, d, other = text[i % len(text)], text.pop(), texts[i * 7 % 5]
                whole = "".join((*text, d))
                yield c, d, {c} == {"a"}, {c} == {whole}, {whole} == {other}, {whole} == {"caf" + "\xe9\xff" * (i > 3)}

        for texts in (texts[:1] * 5, texts[1:2] * 5, texts[2:3] * 5, texts):
            expect = list(by_hand(texts, 300))
            for _ in range(6):
                self.assertEqual(f(texts, 300), expect)
        self.assertTrue(any("call_helper lookup" in e.text for e in hotspur.executors(f)), describe(f))

    def test_missing_items_raise_where_they_are_missed(self):
        def f(n):
            d = {0: 0}
            lines = []
            for i in range(n):
                try:
                    d[i % 2]
                    "ab"[i % 3]
                except LookupError as e:
                    lines.append(e.__traceback__.tb_lineno - f.__code__.co_firstlineno)
            return lines

        self.hot(f, N, expect=[5 if i % 2 else 6 for i in range(N) if i % 2 or i % 3 == 2], share=0.2)

    def test_an_exhausted_iterator_stays_exhausted(self):
        def f(n):
            found = 0
            for _ in range(n):
                items = [1, 2]
                it = iter(items)
                for x in it:
                    found += x
                items.append(100)
                found += it.__length_hint__() + len(list(it))
                for x in it:
                    found += x
            return found

        self.hot(f, N, expect=3 * N)


class Numbers(Tier2Case):
    def test_integers_of_every_size(self):
        def f(n):
            x, total = 1, 0
            for i in range(n):
                x = (x * 69069 + 1) & 0xFFFFFFFF
                total ^= (x << 7) ^ (x >> 3) ^ -x
                total += (x << i % 80) % 1000003
                total -= i // 7 * (1 << 62)
                if total > 1 << 70 or total < -1 << 70:
                    total %= 999999937
            return total

        self.hot(f, N, expect=f(N))

    def test_calls(self):
        def f(n):
            found = []
            for i in range(n):
                x = i / 7 - 20
                found.append((abs(x), abs(-i), int(x), min(i, 3), max(x, i), round(x, 1), divmod(x, 3.0), ord(chr(i + 60)),
                              type(x) is float, len(str(x)), i.bit_length(), "a,b".split(","), (i % 5) ** 0.5))
            return found

        self.hot(f, N, expect=f(N))


    def test_boxes_of_one_digit_and_two(self):
        """The memory of dead ints is used again for others of as many digits."""
        def f(n):
            xs = [0] * 50
            for i in range(n):
                k = i % 50
                xs[k] = (i << 29) ^ 0x155555555
                xs[-k] = -(i << 29)
                xs[k - 7] = i + 1000
                xs[k - 9] = xs[k] << 3
            return xs

        def expected(n):
            ints = [i for i in range(n)]
            xs = [int(str(x)) for x in f(3)]
            for i in ints[3:]:
                k = i % 50
                for at, x in (k, i * 2**29 ^ 0x155555555), (-k, -i * 2**29), (k - 7, i + 1000):
                    xs[at] = int(str(x))
                xs[k - 9] = int(str(xs[k])) * 8
            return xs

        self.hot(f, 3000, expect=expected(3000), share=0.8)

    def test_methods_called_as_functions(self):
        """With an instance of their very type, of a subclass, and without any."""
        class Sub(list):
            pass

        def f(n, copier, things):
            total = 0
            for i in range(n):
                if copier:
                    total += len(copier(things[i % len(things)]))
            return total

        for copier, kind in (list.copy, list), (dict.copy, dict), (set.copy, set):
            things = [kind(), kind([(1, 2)])]
            self.hot(f, 2000, copier, things, expect=1000, share=0.8)
        self.hot(f, 2000, str.upper, ["a", "bc"], expect=3000, share=0.8)
        self.hot(f, 2000, list.copy, [Sub(), Sub([1, 2]), [3]], expect=2000)
        self.hot(f, 2000, lambda x: x * 2, ["a", "bc"], expect=6000)
        for wrong in [()], []:
            with self.assertRaises((TypeError, ZeroDivisionError)):
                f(2000, list.copy, wrong)
        self.assertEqual(f(2000, None, [[]]), 0)


class Classes(Tier2Case):
    def test_exceptions_in_init(self):
        class C:
            def __init__(self, x):
                self.x = x
                self.y = 1 // (x % 3)

        def f(n):
            found = []
            for i in range(n):
                try:
                    found.append(C(i).y)
                except ZeroDivisionError as e:
                    frames = traceback.extract_tb(e.__traceback__)
                    found.append([(s.name, s.line) for s in frames])
                    found.append(e.__traceback__.tb_lasti == lasti.setdefault("tb", e.__traceback__.tb_lasti))
            return found

        lasti = {}
        here = [("f", "found.append(C(i).y)"), ("__init__", "self.y = 1 // (x % 3)")]
        expect = []
        for i in range(N):
            expect += [here, True] if i % 3 == 0 else [1 // (i % 3)]
        self.hot(f, N, expect=expect, share=0.2)

    def test_init_is_seen_as_a_frame(self):
        class C:
            def __init__(self, x):
                caller = sys._getframe(1)
                self.seen = (x, caller.f_code.co_name, caller.f_locals["i"], caller.f_lasti)

        def f(n):
            found = []
            for i in range(n):
                found.append(C(i + 1).seen)
            return found

        lasti = f(1)[0][3]
        self.hot(f, N, expect=[(i + 1, "f", i, lasti) for i in range(N)])

    def test_init_that_returns_something(self):
        class C:
            def __init__(self, x):
                if x == N - 1:
                    return x

        def f(n):
            made = 0
            try:
                for i in range(n):
                    C(i)
                    made += 1
            except TypeError as e:
                return made, str(e)

        def g(n):
            return f(n)

        self.hot(g, N, expect=(N - 1, "__init__() should return None, not 'int'"))

    def test_a_class_that_changes(self):
        class C:
            limit = 1

            def __init__(self, x):
                self.x = x

            @property
            def p(self):
                return self.x

        def first(self, x):
            self.x = x

        def other(self, x):
            self.x = -x

        def f(n, change):
            total = 0
            for i in range(n):
                if i == change:
                    C.__init__ = other
                    C.limit = 1000
                    C.p = property(lambda self: 7 * self.x)
                c = C(i)
                total += c.p + C.limit
            return total

        p = C.p
        getter = p
        for _ in range(4):
            self.assertEqual(f(N, -1), sum(range(N)) + N)
        self.assertEqual(f(N, 100), sum(range(100)) + 100 + sum(-7 * i + 1000 for i in range(100, N)))
        C.__init__, C.limit, C.p = first, 1, getter
        self.assertEqual(f(N, -1), sum(range(N)) + N)

    def test_instances_of_several_classes(self):
        class A:
            def __init__(self, x):
                self.x = x

            def value(self):
                return self.x

        class B(A):
            def value(self):
                return -self.x

        class D(A):
            def __getitem__(self, i):
                return self.x * i

        def f(n):
            items = [A(1), B(2), D(3), A(4)]
            items[3].__dict__ = {"x": 40}
            total = 0
            for i in range(n):
                o = items[i % 4]
                total += o.value() + isinstance(o, B) + isinstance(o, D) * 2
                o.x += 1
                bound = o.value
                total += bound()
                if isinstance(o, D):
                    total += o[i]
                total += o == items[0]
            return total

        self.hot(f, N, expect=f(N))


if __name__ == "__main__":
    unittest.main()
