"""Helpers that change containers and iterate over them, methods that were bound before, what is known of classes. Run under `hotspur`
with tier 2 on.

Besides the results it is looked at whether the instructions were lowered, that is not left to tier 1, and that finalizers and methods
in Python that come in see what they would see.
"""

import dis
import os
import sys
import unittest

from support import Tier2Case, describe, dying

import hotspur

N = 1200
LEFT = "execute "


class Lowered(Tier2Case):
    def lowered(self, function, *args, expect):
        """Hot, and nothing of it is left to tier 1, that is no instruction between the first and the last of the loop."""
        self.hot(function, *args, expect=expect)
        if "HOTSPUR_BACK_EDGE_THRESHOLD" not in os.environ:
            texts = [e.text for e in hotspur.executors(function) if "jump_loop" in e.text]
            self.assertTrue(texts, describe(function))
            for text in texts:
                self.assertNotIn(LEFT, text)

    def test_dictionaries(self):
        def f(n):
            d = {}
            total = 0
            for i in range(n):
                d[i] = {"a": i, i: "b"}
                if i >= 3:
                    del d[i - 3]
                total += len(d) + d[i]["a"] + d[i].pop(i, "").count("b") + d.pop(i - 5, 7)
            return total, sorted(d)

        expect = f(N)
        self.hot(f, N, expect=expect)

    def test_deleting(self):
        def f(n):
            d = {i: i for i in range(n)}
            for i in range(n):
                del d[i]
            return d

        self.lowered(f, N, expect={})

    def test_deleting_what_is_not_there(self):
        def f(n):
            d, missing = {}, 0
            for i in range(n):
                if i % 3:
                    d[i] = i
                try:
                    del d[i]
                except KeyError as e:
                    missing += e.args[0]
            return missing

        self.hot(f, N, expect=sum(range(0, N, 3)), share=0.0)

    def test_what_is_deleted_dies_at_once(self):
        log = []

        Noisy = dying(log, lambda v: (v["i"], len(v["d"])))

        def f(n):
            d = {}
            for i in range(n):
                d[i] = Noisy(i)
                del d[i]
            return len(log)

        for _ in range(5):
            log.clear()
            self.assertEqual(f(N), N)
            self.assertEqual(log, [(i, 4, i, 0) for i in range(N)])

    def test_sets(self):
        def f(n):
            s = set()
            add = s.add
            for i in range(n):
                s.add(i % 50)
                add(i % 60)
                s.discard(i % 7)
                s.discard("no")
                if i % 50 in s:
                    s.remove(i % 50)
            return sorted(s)

        self.lowered(f, N, expect=f(N))

    def test_removing_what_is_not_in_a_set(self):
        def f(n):
            s, missing = {1}, 0
            for i in range(n):
                try:
                    s.remove(i)
                except KeyError as e:
                    missing += e.args[0]
            return missing

        self.hot(f, N, expect=sum(range(N)) - 1, share=0.0)

    def test_comprehensions(self):
        def f(n):
            total = 0
            for i in range(n):
                total += len({k % 5 for k in range(i % 9)}) + len({k: k for k in range(i % 9)}) + len([*[1, 2], *(3, i)])
            return total

        self.hot(f, N, expect=f(N))

    def test_slices(self):
        def f(n):
            items, total = list(range(20)), 0
            for i in range(n):
                k = i % 10
                total += items[k::-1][-1] + len(items[::2]) + len("hotspur"[k:None:1]) + len((1, 2, 3)[::k + 1])
                items[:k + 1] = items[k::-1]
                items.insert(k, items.pop(0))
                items[k:k + 2] = (i, i + 1)
            return total, items

        self.lowered(f, N, expect=f(N))

    def test_slices_with_bounds_of_other_classes(self):
        class Bound:
            def __init__(self, n):
                self.n = n

            def __index__(self):
                frame = sys._getframe(1)
                seen.append((frame.f_lineno - frame.f_code.co_firstlineno, frame.f_locals["i"]))
                return self.n

        seen = []

        def f(n):
            items = [1, 2, 3]
            for i in range(n):
                bound = slice(None, Bound(2) if i % 10 == 9 else 2)
                if items[bound] != [1, 2]:
                    raise AssertionError
            return len(seen)

        for _ in range(4):
            seen.clear()
            self.assertEqual(f(N), N // 10)
            self.assertEqual(seen, [(4, i) for i in range(9, N, 10)])

    def test_a_slice_that_is_replaced_dies_at_once(self):
        log = []

        Noisy = dying(log, lambda v: (v["i"],))

        def f(n):
            items = [0, 0, 0]
            for i in range(n):
                items[1:2] = [Noisy(i) if i % 20 == 0 else i]
            return len(items)

        for _ in range(4):
            log.clear()
            self.assertEqual(f(N), 3)
            self.assertEqual(log, [(i, 3, i + 1) for i in range(0, N, 20)])

    def test_iterating(self):
        def f(n):
            d = {i: str(i) for i in range(n)}
            total = 0
            for k in d:
                total += k
            for k, v in d.items():
                total += k * len(v)
            for v in d.values():
                total += len(v)
            for i, (k, v) in enumerate(d.items(), 5):
                total += i * k
            for a, b in zip(range(n), [1] * n):
                total += a * b
            for i, x in enumerate(zip(d, d.values())):
                total += i + len(x)
            return total

        self.hot(f, N, expect=f(N), share=0.8)

    def test_items_that_are_kept(self):
        def f(n):
            d = {i: i for i in range(n)}
            return [*[item for item in d.items()], *[pair for pair in enumerate(d)], *[pair for pair in zip(d, d)]]

        self.hot(f, N, expect=[(i, i) for i in range(N)] * 3)

    def test_a_dictionary_that_changes_under_way(self):
        def f(n):
            d = {i: 0 for i in range(n)}
            seen = 0
            try:
                for k in d:
                    seen += 1
                    if k == n - 5:
                        d["new"] = 1
            except RuntimeError as e:
                return seen, str(e)

        self.hot(f, N, expect=(N - 4, "dictionary changed size during iteration"))

        def g(n):
            d = {i: 0 for i in range(n)}
            seen = []
            for k in d:
                if k == n - 5:
                    del d[k]
                    d["new"] = 1
                seen.append(k)
            return seen[-1]

        for _ in range(4):
            with self.assertRaisesRegex(RuntimeError, "dictionary keys changed during iteration"):
                g(N)

    def test_attributes(self):
        """The dictionary of an instance whose attributes are in the instance: they come in the order in which they were set."""

        class A:
            def __init__(self, i):
                if i % 2:
                    self.x, self.y = i, 1
                else:
                    self.y, self.x = 1, i
                self.z = self.gone = 3
                del self.gone
                self.last = i

        def f(n):
            total, orders = 0, set()
            for i in range(n):
                a = A(i)
                attributes = vars(a)
                for name, value in attributes.items():
                    total += len(name) * value
                for value in attributes.values():
                    total += value
                order = ""
                for name in attributes:
                    order += name
                orders.add(order)
            return total, sorted(orders)

        expect = (sum(7 * i + 8 for i in range(N)), ["xyzlast", "yxzlast"])
        self.hot(f, N, expect=expect, share=0.8)

        def items(made):
            total = 0
            for a in made:
                for name, value in a.items():
                    total += len(name) * value
            return total

        self.hot(items, [vars(A(i)) for i in range(N)], expect=sum(5 * i + 4 for i in range(N)), share=0.8)
        loops = [i.offset // 2 for i in dis.get_instructions(items) if i.opname == "FOR_ITER"]
        self.assertNotIn(f"{LEFT}{loops[1]},", describe(items))

        def g(n):
            seen = 0
            for i in range(n):
                a = A(i)
                try:
                    for name in vars(a):
                        seen += 1
                        if name == "z" and i == n - 1:
                            a.new = 1
                except RuntimeError as e:
                    return seen, str(e)

        self.hot(g, N, expect=(4 * N - 1, "dictionary changed size during iteration"))

    def test_iterators_are_left_as_they_are(self):
        def f(n):
            total = 0
            for _ in range(n):
                a, b = iter([1, 2, 3]), iter((1, 2))
                for x, y in zip(a, b):
                    total += x * y
                # The first is asked before it is found that the second has no more.
                total += len(list(a)) * 100
                d = {1: 2}
                it = iter(d.items())
                for k, v in it:
                    total += k + v
                total += len(list(it)) * 1000
            return total

        self.hot(f, N, expect=8 * N)

    def test_the_last_reference_is_the_iterators(self):
        log = []

        Noisy = dying(log, lambda v: (v.get("i"),))

        def f(n):
            for i in range(n):
                for k, v in {"a": Noisy(i)}.items():
                    v = None
                for v in {"a": Noisy(i)}.values():
                    v = None
            return len(log)

        expected = None
        for _ in range(5):
            log.clear()
            self.assertEqual(f(N), 2 * N)
            expected = expected or [(i, line, i) for i in range(N) for line in (2, 4)]
            self.assertEqual(log, expected)

    def test_bound_methods(self):
        def f(n):
            items, text = [], "a b"
            append, pop, split = items.append, items.pop, text.split
            total = 0
            for i in range(n):
                append(i)
                append(str(i))
                total += len(pop()) + len(split(" ")) + pop()
                if i % 100 == 50:
                    items, append, pop = [], items.append, items.pop
                    append(1), pop()
            return total

        self.hot(f, N, expect=f(N))

    def test_another_bound_method(self):
        def f(n, methods):
            for i in range(n):
                methods[i % len(methods)](i)

        a, b = [], []
        for _ in range(6):
            f(N, [a.append])
        f(N, [a.append, b.append, a.remove])
        self.assertEqual((len(a), len(b)), (6 * N, N // 3))

    def test_texts(self):
        def f(n):
            total = 0
            for i in range(n):
                total += len("%s!" % i) + len("%5s" % "ab") + len("%.2f" % (i / 3)) + len("%s" % (1 << 70 | i))
            return total

        self.hot(f, N, expect=f(N))


class Known(Tier2Case):
    def test_attributes_of_classes(self):
        class A:
            __slots__ = ("x",)
            y = 1

            def m(self):
                return 1

        class B(int):
            pass

        def f(n, objects):
            total = 0
            for i in range(n):
                o = objects[i % len(objects)]
                t = type(o)
                r = getattr(t, "__repr__", None)
                total += (r is int.__repr__) + 2 * issubclass(t, int) + 4 * issubclass(t, A) + 8 * (getattr(t, "nothing", 5) == 5)
                total += 16 * (A.m is A.__dict__["m"]) + 32 * (A.x is A.__dict__["x"]) + 64 * (str.join is str.__dict__["join"])
            return total

        for objects in [[1], [1, "a", 2.5], [A(), B(3), True, 1]]:
            self.hot(f, N, objects, expect=f(N, objects))
        for objects, attribute in [([A(), 1], "nothing"), ([A(), 2], "__repr__")]:
            before = f(N, objects)
            setattr(A, attribute, 7)
            after = sum(
                (getattr(type(o), "__repr__") is int.__repr__)
                + 2 * isinstance(o, int)
                + 4 * isinstance(o, A)
                + 8 * (getattr(type(o), "nothing", 5) == 5)
                + 112
                for i in range(N)
                for o in [objects[i % 2]]
            )
            self.assertEqual(f(N, objects), after)
            if attribute == "nothing":
                self.assertNotEqual(before, after)


class ListsThatDie(Tier2Case):
    """Their items are moved, and nobody can tell."""

    def check(self, f, *args, helper):
        expected = f(3, *args)[-3:]
        for _ in range(6):
            result = f(N, *args)
        self.hot(f, N, *args, expect=result, share=0.8)
        self.assertEqual(f(3, *args)[-3:], expected)
        self.assertIn(helper, describe(f))

    def test_concatenated(self):
        """Either operand, or both, and none; as large as a list that is made like that."""
        def f(n, xs, sizeof):
            kept = [0, 0, 0]
            for i in range(n):
                a = xs[1:]
                kept[0] = [i, [i]] + xs
                kept[1] = a + xs[2:] + [i]
                kept[2] = (a + xs, [] + xs[9:], sizeof(xs[:1] + xs), sizeof([i] + [i]), a)
                if len(a) + 1 != len(xs):
                    break
            return [str(k) for k in kept]

        self.check(f, [1, "a", [2], 4.5], sys.getsizeof, helper="list_concat")

    def test_put_in_place(self):
        def f(n, xs, other):
            kept = []
            for i in range(n):
                xs[:] = xs[1:] + xs[:1]
                new = [i, i + 1]
                xs[1:3] = new
                xs[:2] = [[i], new]
                xs[:] = xs[:] if i % 7 else other[:]
                xs[len(xs):] = [0] * (i % 3)
                xs[5:] = []
                if i % 100 == 0:
                    kept.append(new)
                    kept.append(xs[:])
            return [str(kept[-4:]), str(xs), str(other)]

        self.check(f, [1, 2, 3, 4, 5], [9, [8], 7, 6], helper="exchange_slice")

    def test_counts_of_references(self):
        """Each item has as many as it should, and those that go die where they do on stock."""
        log = []
        Noisy = dying(log, lambda v: (v["i"], [type(x).__name__ for x in v["xs"]]))
        items = [object(), object(), object()]

        def f(n):
            xs = [None] * 3
            for i in range(n):
                xs[:] = [Noisy(i)] + items[1:]
                ys = items[:1] + [Noisy(i)] + items
                xs[:] = ys[2:]
                xs[1:2] = [i]
                del ys
            return len(xs)

        for _ in range(6):
            log.clear()
            self.assertEqual(f(300), 3)
            objects, mixed = ["object"] * 3, ["object", "int", "object"]
            self.assertEqual([(i, types) for i, _, _, types in log], [(i, types) for i in range(300) for types in (objects, mixed)])
            self.assertEqual([(i, seen) for i, _, seen, _ in log], [(i, i) for i in range(300) for _ in "xy"])
            self.assertEqual([sys.getrefcount(x) for x in items], [2 + 1] * 3)


class TupleOfList(Tier2Case):
    def test_one_that_is_made_for_it(self):
        def f(n):
            total = 0
            for i in range(n):
                made = tuple([i, i + 1])
                total += made[0] + made[1]
            return total, made

        expect = N * N, (N - 1, N)
        self.hot(f, N, expect=expect, share=0.9)
        text = "\n".join(executor.text for executor in hotspur.executors(f))
        self.assertIn("call_helper tuple_of_list", text)
        self.assertNotIn("quiet_call", text)

    def test_one_that_somebody_has(self):
        def f(n, kept):
            for i in range(n):
                kept.append(i)
                made = tuple(kept)
                if len(kept) > 5:
                    kept.clear()
                other = [made, kept]
                both = tuple(other), other
                if len(both[0]) != 2 or both[0][1] is not other[1]:
                    return None
            return made, kept, other

        kept = []
        last = list(range(N - N % 6, N)) or list(range(N - 6, N))
        for _ in range(6):
            kept.clear()
            made, same, other = f(N, kept)
            self.assertEqual((made, same is kept, other), (tuple(last), True, [made, kept]))
        self.assertIn("call_helper tuple_of_list", "\n".join(executor.text for executor in hotspur.executors(f)))

    def test_items_and_references(self):
        """The items are the same, none is lost or kept, and the empty tuple is what it is elsewhere."""
        class Item:
            pass

        def f(n, item, nothing):
            for i in range(n):
                made = tuple([item, item])
                empty = tuple([])
                if made[0] is not item or empty is not nothing:
                    return False
            return True

        item = Item()
        before = sys.getrefcount(item)
        for _ in range(6):
            self.assertTrue(f(N, item, ()))
            self.assertEqual(sys.getrefcount(item), before)

    def test_something_else_is_called_or_given(self):
        class Items(list):
            def __iter__(self):
                return iter("abc")

        def f(n, tuple, items):
            for i in range(n):
                made = tuple(items)
            return made

        self.hot(f, N, tuple, [1, 2], expect=(1, 2), share=0.5)
        self.assertEqual(f(N, tuple, Items([1, 2])), ("a", "b", "c"))
        self.assertEqual(f(N, set, [1, 2]), {1, 2})
        self.assertEqual(f(N, tuple, (3,)), (3,))
        with self.assertRaises(TypeError):
            f(N, tuple, 5)


if __name__ == "__main__":
    unittest.main()
