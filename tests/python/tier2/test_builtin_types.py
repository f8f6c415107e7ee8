"""Operations on objects of built-in types that do not leave the trace: slices with a step, deques, dictionary displays, `id`, comparisons by
identity, items of subclasses of list. Run under `hotspur` with tier 2 on."""

import collections
import os
import re
import sys

from support import Tier2Case, counted, describe, dying, run_program

N = 2000


class Case(Tier2Case):
    def nothing_left(self, function):
        # What is recorded before tier 1 has specialized it is another matter.
        if "HOTSPUR_BACK_EDGE_THRESHOLD" not in os.environ:
            self.assertNotIn("execute ", describe(function))


class Slices(Case):
    def test_every_bound_and_step(self):
        bounds = [None, 0, 1, 2, 4, 5, 9, -1, -3, -5, -9]
        steps = [None, 1, 2, 3, 7, -1, -2, -7]
        cases = [(a, b, c) for a in bounds for b in bounds for c in steps]
        items = list("abcde")

        def f(cases):
            result = []
            for a, b, c in cases:
                result.append(items[a:b:c])
            return result

        expect = [items[slice(*case)] for case in cases]
        counts = self.hot(f, cases, expect=expect, share=0.8)
        self.nothing_left(f)
        if "HOTSPUR_BACK_EDGE_THRESHOLD" not in os.environ:
            self.assertIn("slice_step", describe(f))
        self.assertGreater(counts["runs"], 0)

    def test_what_only_tier_1_can_do(self):
        class Index:
            def __index__(self):
                lines.append(sys._getframe(1).f_lineno - f.__code__.co_firstlineno)
                return 1

        def f(items, start, step, n):
            got = None
            for _ in range(n):
                got = items[start::step]
            return got

        lines = []
        self.hot(f, [1, 2, 3, 4], 3, -1, N, expect=[4, 3, 2, 1])
        self.assertEqual(f([1, 2, 3, 4], Index(), 2, 3), [2, 4])
        self.assertEqual(lines, [3] * 3)
        self.assertEqual(f((1, 2, 3, 4), 3, -1, 3), (4, 3, 2, 1))
        self.assertEqual(f([1, 2], 10**30, -1, 3), [2, 1])
        with self.assertRaisesRegex(ValueError, "slice step cannot be zero"):
            f([1, 2], 0, 0, 1)
        with self.assertRaises(TypeError):
            f([1, 2], 0, "a", 1)

    def test_references_of_items(self):
        item = object()
        items = [item] * 5

        def f(n):
            got = None
            for _ in range(n):
                got = items[4:0:-2]
            return len(got)

        before = sys.getrefcount(item)
        self.hot(f, N, expect=2)
        self.assertEqual(sys.getrefcount(item), before)

    def test_slices_replaced_by_as_many(self):
        def f(n):
            items = list(range(10))
            for i in range(n):
                k = i % 9 + 1
                items[:k] = items[k - 1 :: -1]
                items[2:4] = (items[3], items[2])
                items[:] = items
            return items

        def by_hand(n):
            items = list(range(10))
            for i in range(n):
                k = i % 9 + 1
                items = list(reversed(items[:k])) + items[k:]
                items = [*items[:2], items[3], items[2], *items[4:]]
            return items

        self.hot(f, N + 7, expect=by_hand(N + 7), share=0.9)
        self.nothing_left(f)

    def test_what_is_replaced_dies_when_it_would(self):
        log = []
        # The last one dies with the list, when the function has returned.
        Dying = dying(log, lambda names: (len(names["items"]) if "items" in names else None,))

        def f(n):
            items = [None, None]
            for i in range(n):
                items[0:2] = [Dying(i), None]
            return len(items)

        for _ in range(6):
            log.clear()
            self.assertEqual(f(300), 2)
            self.assertEqual(log[:299], [(i, 3, 2) for i in range(299)])
            self.assertEqual((log[299][0], log[299][2]), (299, None))


class Deques(Case):
    def test_a_queue(self):
        def f(n):
            queue = collections.deque()
            total = 0
            for i in range(n):
                queue.append(i)
                queue.append(-i)
                queue.appendleft(2 * i)
                total += len(queue)
                if queue:
                    total += queue.popleft() + queue.pop()
            return total

        def by_hand(n):
            queue, total = [], 0
            for i in range(n):
                queue += [i, -i]
                queue.insert(0, 2 * i)
                total += len(queue) + queue.pop(0) + queue.pop()
            return total

        self.hot(f, 500, expect=by_hand(500), share=0.9)
        self.nothing_left(f)

    def test_bounded(self):
        """What falls out of a bounded deque may have a finalizer, which sees the frame."""
        log = []
        # The last three die with the queue, after that.
        Dying = dying(log, lambda names: (len(names["queue"]), names["i"]) if "queue" in names else (None,))

        def f(queue, n):
            for i in range(n):
                queue.append(Dying(i))
            return len(queue)

        for _ in range(6):
            self.assertEqual(f(collections.deque(), 300), 300)
        log.clear()
        self.assertEqual(f(collections.deque(maxlen=3), 300), 3)
        self.assertEqual(log[:297], [(i, 2, 3, i + 3) for i in range(297)])

    def test_empty(self):
        def f(queue, n):
            total = 0
            for _ in range(n):
                total += queue.popleft()
            return total

        for _ in range(6):
            self.assertEqual(f(collections.deque(range(N)), N), sum(range(N)))
        for _ in range(3):
            try:
                f(collections.deque(range(5)), N)
            except IndexError as error:
                self.assertEqual(str(error), "pop from an empty deque")
                self.assertEqual(error.__traceback__.tb_next.tb_frame.f_locals["total"], 10)
            else:
                self.fail("no IndexError")

    def test_subclass(self):
        class Counting(collections.deque):
            appended = 0

            def append(self, item):
                self.appended += 1
                super().append(item)

            def __len__(self):
                return 77

        def f(queue, n):
            for i in range(n):
                queue.append(i)
            return len(queue)

        for _ in range(6):
            self.assertEqual(f(collections.deque(), N), N)
        queue = Counting()
        self.assertEqual((f(queue, N), queue.appended), (77, N))


class Displays(Case):
    def test_constant_keys(self):
        def f(n):
            made = []
            for i in range(n):
                made.append({"type": i, "name": "x", "data": [i], "more": None})
            return made

        self.hot(f, N, expect=[{"type": i, "name": "x", "data": [i], "more": None} for i in range(N)], share=0.9)
        self.nothing_left(f)
        made = f(3)
        self.assertEqual(list(made[0]), ["type", "name", "data", "more"])
        self.assertIsNot(made[0]["data"], made[1]["data"])


class Identity(Case):
    def test_id(self):
        def f(objects, n):
            memo = {}
            for i in range(n):
                x = objects[i % 7]
                memo[id(x)] = x
            return memo

        objects = [object(), 1, "a", None, 2.5, [], f]
        self.hot(f, objects, N, expect={id(x): x for x in objects}, share=0.8)
        self.nothing_left(f)

    def test_audit_hooks(self):
        """A hook that is added when the loop is hot hears of every call, and sees the frame."""
        text = """
import sys
def f(x, n):
    total = 0
    for i in range(n):
        total += id(x) & 1
    return total
for _ in range(6):
    f("a", 1000)
heard = []
expected = id("a")
def hook(event, args):
    if event == "builtins.id":
        frame = sys._getframe(1)
        heard.append((args[0] == expected, frame.f_code.co_name, frame.f_locals["i"], frame.f_lineno - f.__code__.co_firstlineno))
sys.addaudithook(hook)
f("a", 1000)
print(len(heard), heard == [(True, "f", i, 3) for i in range(1000)])
"""
        self.assertEqual(run_program(self, text), "1000 True\n")

    def test_of_virtual_objects(self):
        """Objects that are alive at the same time have different ones."""

        def f(n):
            same = 0
            for i in range(n):
                a, b = (i, i), [i]
                same += id(a) == id(b)
                same += id(a) != id(a)
            return same

        self.hot(f, N, expect=0, share=0.8)


class Comparisons(Case):
    def test_by_identity(self):
        class Plain:
            pass

        a, b = Plain(), Plain()
        others = [a, b, None, 1, 2.5, True, "a", (), [], Plain]

        def f(x, others, n):
            equal = unequal = 0
            for i in range(n):
                y = others[i % 10]
                equal += x == y
                equal += y == x
                unequal += x != y
            return equal, unequal

        for _ in range(8):
            self.assertEqual(f(a, others, N), (2 * N // 10, 9 * N // 10))
            self.assertEqual(f(None, others, N), (2 * N // 10, 9 * N // 10))

        def alone(x, n):
            found = 0
            for _ in range(n):
                if x != None and x != 7 and not x == "a":
                    found += 1
            return found

        self.hot(alone, a, N, expect=N, share=0.9)
        self.nothing_left(alone)
        Plain.__eq__ = lambda self, other: True
        self.assertEqual(alone(a, N), 0)
        del Plain.__eq__
        self.assertEqual(alone(a, N), N)

    def test_the_other_one_decides(self):
        class Plain:
            pass

        class Equal:
            def __eq__(self, other):
                return True

        def f(x, y, n):
            equal = 0
            for _ in range(n):
                equal += x == y
            return equal

        for _ in range(4):
            self.assertEqual(f(Plain(), None, N), 0)
            self.assertEqual(f(Plain(), Equal(), N), N)
            self.assertEqual(f(Equal(), None, N), N)
            self.assertEqual(f(None, Equal(), N), N)


class Subclasses(Case):
    def test_items_and_truth(self):
        class Items(list):
            pass

        def f(items, n):
            total = 0
            for i in range(n):
                if items:
                    total += items[i & 3] + items[-1]
            return total

        items = Items([1, 2, 3, 4])
        self.hot(f, items, N, expect=N * 4 + N // 4 * 10, share=0.9)
        self.nothing_left(f)
        self.assertEqual(f(Items(), N), 0)
        with self.assertRaises(IndexError):
            f(Items([1]), N)
        Items.__getitem__ = lambda self, i: 10
        self.assertEqual(f(items, N), 20 * N)
        del Items.__getitem__
        Items.__bool__ = lambda self: False
        self.assertEqual(f(items, N), 0)
        del Items.__bool__
        self.assertEqual(f(items, N), N * 4 + N // 4 * 10)


class Searches(Case):
    def test_lists_and_tuples(self):
        class Plain:
            pass

        a, b = Plain(), Plain()

        def f(n):
            total = 0
            for i in range(n):
                items = [i, "x", a, 2.5, i, b]
                total += items.index(a) + 10 * items.index("x") + 100 * items.count(i) + 1000 * items.count("y")
                items.remove("x")
                items.remove(a)
                items.remove(i)
                total += 10000 * len(items) + (7, 8, i, i).index(i) * (1, 2, i).count(i)
            return total

        counts = self.hot(f, N, expect=f(N), share=0.8)
        self.nothing_left(f)
        self.assertGreater(counts["runs"], 0)
        self.assertEqual(f(3) // 10000, 9)

    def test_not_there(self):
        def f(items, x, n):
            for i in range(n):
                items.remove(x)
            return i

        for _ in range(6):
            self.assertEqual(f([5] * N, 5, N), N - 1)
        for _ in range(3):
            try:
                f([5] * 7, 5, N)
            except ValueError as error:
                self.assertEqual(str(error), "list.remove(x): x not in list")
                self.assertEqual(error.__traceback__.tb_next.tb_frame.f_locals["i"], 7)
            else:
                self.fail("no ValueError")

    def test_items_that_compare_in_python(self):
        seen = []

        class Equal:
            def __eq__(self, other):
                seen.append(sys._getframe(1).f_locals["i"])
                return other == 1

        def f(items, n):
            total = 0
            for i in range(n):
                total += items.index(1)
            return total

        self.hot(f, [0, 1], N, expect=N, share=0.8)
        self.assertEqual(f([0, Equal(), 1], 10), 10)
        self.assertEqual(seen, list(range(10)))

    def test_what_is_removed_dies_when_it_would(self):
        log = []
        Dying = dying(log, lambda names: (len(names["items"]), names["i"]))

        def f(n):
            for i in range(n):
                items = [1, Dying(i), 2]
                x = items[1]
                del items[1]
                items.append(x)
                x = None
                items.pop(0)
                items.reverse()
                items.remove(items[0])
            return len(items)

        for _ in range(6):
            log.clear()
            self.assertEqual(f(300), 1)
            self.assertEqual(log, [(i, 9, 1, i) for i in range(300)])

    def test_matches(self):
        pattern = re.compile("(a+)(?P<b>b*)")

        def f(text, n):
            match = pattern.match(text)
            total = 0
            for _ in range(n):
                total += match.end() + match.start(1) + len(match.group()) + match.span(2)[1]
                if match.group("b") == "bb" and match.group(1) == "aaa" and match.groups()[1] == "bb":
                    total += 1
            return total

        self.hot(f, "aaabb", N, expect=N * (5 + 0 + 5 + 5 + 1), share=0.9)
        self.nothing_left(f)
        with self.assertRaises(IndexError):
            (lambda m: [m.group(7) for _ in range(N)])(pattern.match("a"))


class Keys(Case):
    def test_instances_as_keys(self):
        class Plain:
            pass

        class Named:
            pass

        objects = [Plain(), Named(), Plain(), f"{7}", object(), Named()]

        def f(objects, n):
            numbers, seen, listed = {}, set(), []
            hits = 0
            for i in range(n):
                x = objects[i % 6]
                numbers[x] = numbers.get(x, 0) + 1
                if x not in seen:
                    seen.add(x)
                if x in listed:
                    hits += 1
                else:
                    listed.append(x)
                hits += x in numbers
            return [numbers[x] for x in objects], len(seen), len(listed), hits

        self.hot(f, objects, 6 * 400, expect=([400] * 6, 6, 6, 6 * 400 * 2 - 6), share=0.8)
        self.nothing_left(f)

    def test_a_class_learns_to_compare(self):
        class Plain:
            pass

        def f(d, keys, n):
            found = 0
            for i in range(n):
                found += keys[i % 2] in d
            return found

        a, b = Plain(), Plain()
        self.hot(f, {a: 1}, [a, b], N, expect=N // 2, share=0.8)
        compared = []

        def equal(self, other):
            compared.append(sys._getframe(1).f_locals["i"])
            return True

        Plain.__eq__ = equal
        Plain.__hash__ = lambda self: 7
        self.assertEqual(f({a: 1}, [b, b], 10), 10)
        self.assertEqual(compared, list(range(10)))


class Shared(Case):
    def test_a_method_in_an_attribute(self):
        """The load's own reference to the method is optimized away; that it is not the last one is clear all the same."""

        class Machine:
            def __init__(self):
                self.count = 0
                self.state = self.one

            def one(self):
                self.count += 1
                return True

        def f(machine, n):
            for _ in range(n):
                if not machine.state():
                    return None
            return machine.count

        for _ in range(6):
            self.assertEqual(f(Machine(), N), N)
        result, counts = counted(f, Machine(), N)
        self.assertEqual(result, N)
        if "HOTSPUR_BACK_EDGE_THRESHOLD" not in os.environ:
            # All rounds in one executor, which is left at the end.
            self.assertLess(counts["runs"], 50)
