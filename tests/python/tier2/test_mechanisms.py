"""One test for each thing that a trace can contain: the right result, and the instructions executed in tier 2."""

import asyncio
import contextlib
import os
import sys

import hotspur
from support import FollowedCase, Tier2Case, counted, describe

N = 3000


class Point:
    def __init__(self, x, y):
        self.x = x
        self.y = y

    def add(self, other):
        return Point(self.x + other.x, self.y + other.y)

    @property
    def norm(self):
        return self.x * self.x + self.y * self.y

    @staticmethod
    def twice(n):
        return 2 * n

    @classmethod
    def make(cls, n):
        return cls(n, n)


class Slotted:
    __slots__ = ("value",)

    def __init__(self, value):
        self.value = value


class Number:
    def __init__(self, value):
        self.value = value

    def __add__(self, other):
        return Number(self.value + other.value)

    def __lt__(self, other):
        return self.value < other.value

    def __len__(self):
        return self.value

    def __getitem__(self, index):
        return self.value + index

    def __call__(self, n):
        return self.value + n

    def __contains__(self, item):
        return item == self.value

    def __bool__(self):
        return self.value != 0

    def __eq__(self, other):
        return self.value == other

    __hash__ = None


class Descriptor:
    def __get__(self, instance, owner):
        return 7


class WithDescriptor:
    seven = Descriptor()


class Base:
    def value(self, n):
        return n + 1


class Derived(Base):
    def value(self, n):
        return super().value(n) * 2


class Loops(Tier2Case):
    def test_while(self):
        def f(n):
            i = total = 0
            while i < n:
                total += i
                i += 1
            return total

        self.hot(f, N, expect=N * (N - 1) // 2, share=0.9)

    def test_for_range(self):
        def f(n):
            total = 0
            for i in range(n):
                total += i * 2
            return total

        self.hot(f, N, expect=N * (N - 1), share=0.9)

    def test_variables_that_are_not_bound_yet(self):
        class Thing:
            def __init__(self, n):
                self.n = n

        things = [Thing(n) for n in range(5)]

        def f(items):
            total = 0
            for i in range(5):
                total += i
            for item in items:
                total += item.n
            return total + len([thing for thing in items if thing.n])

        def g(n):
            return sum([f(things) for _ in range(n)])

        counts = self.hot(g, N, expect=24 * N, share=0.9)
        if "HOTSPUR_BACK_EDGE_THRESHOLD" not in os.environ:
            # Each round of each loop runs in the loop's executor, and the loops' variables are not bound when they are entered.
            executors = [e for function in (f, g) for e in hotspur.executors(function)]
            self.assertEqual([x for e in executors for x in e.exits if x.reason == "unbound" and x.hits > N // 10], [])
            self.assertLess(counts["exits.cold"], N // 10)

    def test_for_list_tuple_dict_and_str(self):
        things = list(range(100)), tuple(range(100)), dict.fromkeys(range(100)), "a" * 100

        def f(n):
            count = 0
            for _ in range(n):
                for thing in things:
                    for _ in thing:
                        count += 1
            return count

        self.hot(f, 20, expect=20 * 400, share=0.8)

    def test_enumerate_zip_and_reversed(self):
        items = list(range(300))

        def f(n):
            total = 0
            for _ in range(n):
                for i, x in enumerate(items):
                    total += i - x
                for x, y in zip(items, items):
                    total += x - y
                for x in reversed(items):
                    total += x
            return total

        self.hot(f, 10, expect=10 * sum(items), share=0.8)

    def test_nested_loops(self):
        def f(n):
            total = 0
            for i in range(n):
                for j in range(n):
                    if j > i:
                        break
                    total += 1
            return total

        self.hot(f, 100, expect=5050, share=0.8)

    def test_continue_and_else(self):
        def f(n):
            total = 0
            for i in range(n):
                if i % 3 == 0:
                    continue
                total += i
            else:
                total += 1
            return total

        self.hot(f, N, expect=sum(i for i in range(N) if i % 3) + 1, share=0.8)

    def test_floats(self):
        def f(n):
            x = 0.5
            for _ in range(n):
                x = x * 1.5 - x * 0.5 + 0.25
                x = x / 2.0
            return x

        x = 0.5
        for _ in range(N):
            x = x * 1.5 - x * 0.5 + 0.25
            x = x / 2.0
        self.hot(f, N, expect=x, share=0.9)

    def test_large_integers(self):
        def f(n):
            x = 1
            for i in range(n):
                x = (x * 31 + i) % (1 << 70)
            return x

        x = 1
        for i in range(N):
            x = (x * 31 + i) % (1 << 70)
        self.hot(f, N, expect=x, share=0.8)

    def test_overflow_of_one_digit(self):
        def f(n):
            x = 1
            for _ in range(n):
                x += x
                if x > 1 << 66:
                    x = 1
            return x

        x = 1
        for _ in range(N):
            x += x
            if x > 1 << 66:
                x = 1
        self.hot(f, N, expect=x, share=0.6)


class Calls(FollowedCase):
    def test_functions(self):
        def g(a, b=2, *, c=3):
            return a + b + c

        def f(n):
            total = 0
            for i in range(n):
                total += g(i) + g(i, 1) + g(i, c=1)
            return total

        self.followed(f, N, expect=sum(3 * i + 5 + 4 + 3 for i in range(N)))

    def test_methods_and_object_creation(self):
        def f(n):
            p, q = Point(0, 0), Point(1, 2)
            for _ in range(n):
                p = p.add(q)
            return p.x, p.y

        self.followed(f, N, expect=(N, 2 * N))

    def test_static_and_class_methods(self):
        def f(n):
            total = 0
            for i in range(n):
                total += Point.twice(i) + Point.make(i).y
            return total

        self.followed(f, N, expect=sum(3 * i for i in range(N)))

    def test_super(self):
        def f(n):
            d = Derived()
            total = 0
            for i in range(n):
                total += d.value(i)
            return total

        self.followed(f, N, expect=sum((i + 1) * 2 for i in range(N)))

    def test_recursion(self):
        def fib(n):
            return n if n < 2 else fib(n - 1) + fib(n - 2)

        self.followed(fib, 16, expect=987, runs=None, frames=False)
        # A frame on top of another of the same code.
        self.assertRegex(describe(fib), r"\bcode0 @.*\n *code0 @")

    def test_closures(self):
        def make():
            count = 0

            def bump(by):
                nonlocal count
                count += by
                return count

            return bump

        def f(n):
            bump = make()
            for _ in range(n):
                last = bump(2)
            return last

        self.followed(f, N, expect=2 * N)

    def test_star_calls(self):
        def g(*args, **keywords):
            return len(args) + len(keywords)

        def f(n):
            total = 0
            args, keywords = (1, 2), {"a": 1}
            for _ in range(n):
                total += g(*args, **keywords) + g(1, x=2)
            return total

        self.followed(f, N, expect=5 * N)

    def test_well_known_functions(self):
        def f(n):
            items = []
            total = 0
            for i in range(n):
                items.append(i)
                total += len(items) + isinstance(i, int) + abs(-i) + min(i, 5) + max(i, 5) + ord("a") + len(str(i))
            return total

        expect = sum(i + 1 + 1 + i + min(i, 5) + max(i, 5) + 97 + len(str(i)) for i in range(N))
        self.hot(f, N, expect=expect, share=0.8)

    def test_bits_of_ints(self):
        def f(n):
            total = 0
            for i in range(n):
                total += (i - 70).bit_length() * 1000 + (-i).bit_length()
            return total

        expect = sum((i - 70).bit_length() * 1000 + (-i).bit_length() for i in range(N))
        self.hot(f, N, expect=expect, share=0.8)
        self.assertTrue(any("bit_length_i64" in op for e in hotspur.executors(f) for op in e.ops), describe(f))
        # Ints of more digits, and what only looks like an int.
        numbers = [0, -1, 2**30 - 1, 2**30, -(2**63), 2**64, True]

        def g(numbers, n):
            return [x.bit_length() for _ in range(n) for x in numbers]

        self.hot(g, numbers, 100, expect=[0, 1, 30, 31, 64, 65, 1] * 100)

    def test_whole_floats(self):
        def f(n):
            count = 0
            for i in range(n):
                if (i / 4).is_integer():
                    count += 1
                count += (i + 0.5).is_integer() + (-i / 2).is_integer()
            return count

        expect = len(range(0, N, 4)) + len(range(0, N, 2))
        self.hot(f, N, expect=expect, share=0.8)
        self.assertTrue(any("is_integer_f64" in op for e in hotspur.executors(f) for op in e.ops), describe(f))

        class Float(float):
            pass

        # What is no number or has no end, ints, and what has the method of its class.
        numbers = [-0.0, 2.0**52 - 0.5, 2.0**53, 5e-324, float("inf"), float("nan"), 3, True, Float(2.0)]

        def g(numbers, n):
            return [x.is_integer() for _ in range(n) for x in numbers]

        self.hot(g, numbers, 100, expect=[True, False, True, False, False, False, True, True, True] * 100)

    def test_methods_of_builtin_types(self):
        def f(n):
            d, s = {}, set()
            total = 0
            for i in range(n):
                d[i % 10] = d.get(i % 10, 0) + 1
                s.add(i % 7)
                total += len("a,b".split(",")) + "abc".find("c") + "x".startswith("x")
            return total, sorted(d), sorted(s)

        self.hot(f, N, expect=(5 * N, list(range(10)), list(range(7))), share=0.8)


class Objects(FollowedCase):
    def test_dunders(self):
        def f(n):
            a, b = Number(0), Number(1)
            count = 0
            for i in range(n):
                a = a + b
                if b < a:
                    count += 1
                count += b[2] + b(3)
                if 1 in b:
                    count += 1
                if a == 5:
                    count += 1
            return a.value, count

        expect = N, sum((1 if i > 0 else 0) + 3 + 4 + 1 for i in range(N)) + 1
        self.followed(f, N, expect=expect)

    def test_truth_and_length(self):
        def f(n):
            a = Number(1)
            count = 0
            for _ in range(n):
                if a:
                    count += len(a)
            return count

        self.followed(f, N, expect=N)

    def test_properties(self):
        def f(n):
            p = Point(1, 2)
            total = 0
            for _ in range(n):
                total += p.norm
            return total

        self.followed(f, N, expect=5 * N)

    def test_descriptors(self):
        def f(n):
            w = WithDescriptor()
            total = 0
            for _ in range(n):
                total += w.seven
            return total

        self.followed(f, N, expect=7 * N)

    def test_slots(self):
        def f(n):
            s = Slotted(0)
            for i in range(n):
                s.value = s.value + i
            return s.value

        self.hot(f, N, expect=N * (N - 1) // 2, share=0.9)

    def test_attributes_appear_in_a_loop(self):
        class Bag:
            pass

        def f(n):
            total = 0
            for i in range(n):
                bag = Bag()
                bag.a = i
                bag.b = bag.a + 1
                total += bag.b
            return total

        self.followed(f, N, expect=sum(i + 1 for i in range(N)), frames=False)

    def test_subscripts(self):
        def f(n):
            xs, t, d = [1, 2, 3], (4, 5, 6), {"k": 7}
            for i in range(n):
                xs[i % 3] = xs[(i + 1) % 3] + t[-1] - d["k"]
            return xs[:]

        xs = [1, 2, 3]
        for i in range(N):
            xs[i % 3] = xs[(i + 1) % 3] - 1
        self.hot(f, N, expect=xs, share=0.8)

    def test_unpacking_and_building(self):
        def f(n):
            a, b = 0, 1
            for _ in range(n):
                a, b = b, (a + b) % 1000
                [c, d] = [a, b]
                (e, *rest) = (c, d, 1)
            return a, b, c, d, e, rest

        a, b = 0, 1
        for _ in range(N):
            a, b = b, (a + b) % 1000
        self.hot(f, N, expect=(a, b, a, b, a, [b, 1]), share=0.8)

    def test_strings(self):
        def f(n):
            s = ""
            for i in range(n):
                s += "x"
                if s == "xxxx":
                    s = f"{i}:{s!r}"[:1]
            return len(s)

        s = ""
        for i in range(N):
            s += "x"
            if s == "xxxx":
                s = f"{i}:{s!r}"[:1]
        self.hot(f, N, expect=len(s), share=0.8)


class Comprehensions(FollowedCase):
    def test_list_set_and_dict(self):
        def f(n):
            return sum([i * 2 for i in range(n)]) + len({i % 5 for i in range(n)}) + len({i: i for i in range(n)})

        self.followed(f, N, expect=N * (N - 1) + 5 + N, frames=False)

    def test_nested(self):
        def f(n):
            return sum([j for i in range(n) for j in range(i) if j % 2])

        self.hot(f, 80, expect=sum(j for i in range(80) for j in range(i) if j % 2), share=0.7)

    def test_generator_expression(self):
        def f(n):
            return sum(i * i for i in range(n))

        self.followed(f, N, expect=sum([i * i for i in range(N)]), runs=20, frames=False)


class Generators(FollowedCase):
    def test_for(self):
        def numbers(n):
            i = 0
            while i < n:
                yield i
                i += 1

        def f(n):
            total = 0
            for i in numbers(n):
                total += i
            return total

        self.followed(f, N, expect=N * (N - 1) // 2)

    def test_yield_from(self):
        def inner(n):
            yield from range(n)

        def outer(n):
            yield from inner(n)

        def f(n):
            total = 0
            for i in outer(n):
                total += i
            return total

        self.followed(f, N, expect=N * (N - 1) // 2)

    def test_send(self):
        def accumulate():
            total = 0
            while True:
                total += yield total

        def f(n):
            g = accumulate()
            next(g)
            for i in range(n):
                last = g.send(i)
            return last

        self.followed(f, N, expect=N * (N - 1) // 2)

    def test_next(self):
        def numbers():
            i = 0
            while True:
                yield i
                i += 1

        def f(n):
            g = numbers()
            total = 0
            for _ in range(n):
                total += next(g)
            return total

        self.followed(f, N, expect=N * (N - 1) // 2)

    def test_generator_that_returns_early(self):
        def firsts(limit):
            for i in range(1000):
                if i == limit:
                    return
                yield i

        def f(n):
            total = 0
            for i in range(n):
                for x in firsts(i % 5):
                    total += x
            return total

        self.followed(f, 500, expect=sum(sum(range(i % 5)) for i in range(500)), runs=None)

    def test_await(self):
        async def leaf(i):
            return i

        async def middle(i):
            return await leaf(i) + 1

        async def main(n):
            total = 0
            for i in range(n):
                total += await middle(i)
            return total

        def f(n):
            return asyncio.run(main(n))

        self.followed(f, N, expect=sum(i + 1 for i in range(N)), share=0.9, runs=10, within=main)

    def test_async_for_and_with(self):
        async def numbers(n):
            for i in range(n):
                yield i

        @contextlib.asynccontextmanager
        async def manager():
            yield 1

        async def main(n):
            total = 0
            async for i in numbers(n):
                total += i
                if i % 10 == 0:
                    async with manager() as one:
                        total += one
            return total

        def f(n):
            return asyncio.run(main(n))

        self.hot(f, N, expect=sum(range(N)) + N // 10, share=0.3)


class Control(FollowedCase):
    def test_with(self):
        class Manager:
            def __enter__(self):
                return 1

            def __exit__(self, *info):
                return False

        def f(n):
            m = Manager()
            total = 0
            for _ in range(n):
                with m as one:
                    total += one
            return total

        self.followed(f, N, expect=N)
        if "HOTSPUR_BACK_EDGE_THRESHOLD" not in os.environ:
            self.assertNotIn("execute ", describe(f))

    def test_leaving_with(self):
        """What `__exit__` is given, what it sees, what dies with the manager, and when; exceptions that it swallows."""
        log = []

        class Manager:
            def __init__(self, i):
                self.i = i

            def __enter__(self):
                return self.i

            def __exit__(self, kind, value, trace):
                log.append((self.i, kind, sys._getframe(1).f_lineno - first))
                return kind is KeyError

            def __del__(self):
                log.append((self.i, "dead", sys._getframe(1).f_lineno - first))

        def f(n):
            total = 0
            for i in range(n):
                with Manager(i) as j:
                    total += j
                    if i % 100 == 50:
                        total += {}[i]
            return total

        first = f.__code__.co_firstlineno
        expected = None
        for _ in range(8):
            log.clear()
            result, counts = counted(f, 600)
            self.assertEqual(result, sum(range(600)))
            expected = expected or list(log)
            self.assertEqual(log, expected)
        self.assertEqual(log[:2], [(0, None, 3), (0, "dead", 3)])
        self.assertEqual(log[100:102], [(50, KeyError, 3), (50, "dead", 3)])
        self.assertGreater(counts["runs"], 0)

    def test_match(self):
        def kind(x):
            match x:
                case 0:
                    return "zero"
                case Point(x=a, y=b):
                    return a + b
                case [a, b, *_]:
                    return a * b
                case {"k": v}:
                    return v
                case _:
                    return None

        things = 0, Point(1, 2), [3, 4, 5], {"k": 6}, 7

        def f(n):
            result = []
            for i in range(n):
                result = [kind(x) for x in things]
            return result

        self.followed(f, 600, expect=["zero", 3, 12, 6, None], runs=None)

    def test_try_that_raises_inside(self):
        def f(n):
            caught = 0
            for i in range(n):
                try:
                    if i % 2:
                        raise ValueError(i)
                except ValueError as error:
                    caught += error.args[0]
                finally:
                    caught += 1
            return caught

        self.hot(f, N, expect=sum(i for i in range(N) if i % 2) + N, share=0.5)

    def test_exception_from_a_callee(self):
        def g(i):
            if i % 3 == 0:
                raise KeyError(i)
            return i

        def f(n):
            total = 0
            for i in range(n):
                try:
                    total += g(i)
                except KeyError:
                    total -= 1
            return total

        expect = sum(-1 if i % 3 == 0 else i for i in range(N))
        self.followed(f, N, expect=expect, runs=None)

    def test_exception_that_leaves_two_callees(self):
        def h(i):
            if i % 3 == 0:
                raise KeyError(i)
            return i

        def g(i):
            return h(i) + 1

        def f(n):
            total = 0
            for i in range(n):
                try:
                    total += g(i)
                except KeyError as error:
                    total -= error.args[0]
            return total

        expect = sum(-i if i % 3 == 0 else i + 1 for i in range(N))
        self.followed(f, N, expect=expect, runs=None)
        if "HOTSPUR_BACK_EDGE_THRESHOLD" not in os.environ:
            self.assertIn(", unwinds", describe(f))

    def test_exception_from_a_method_that_an_instruction_calls(self):
        class Strict:
            def __getattr__(self, name):
                raise AttributeError(name)

            def __bool__(self):
                raise KeyError

        def f(n):
            strict = Strict()
            total = 0
            for _ in range(n):
                try:
                    strict.missing
                except AttributeError as error:
                    total += len(error.args[0])
                try:
                    if strict:
                        total += 1000
                except KeyError:
                    total += 1
            return total

        # Below the method's frame is a shim's.
        self.followed(f, N, expect=8 * N, runs=None, share=0.9)
        if "HOTSPUR_BACK_EDGE_THRESHOLD" not in os.environ:
            self.assertIn(", unwinds", describe(f))

    def test_exception_from_c(self):
        def f(n):
            d = {}
            misses = 0
            for i in range(n):
                try:
                    d[i % 4] += 1
                except KeyError:
                    misses += 1
                    d[i % 4] = 0
                if i % 4 == 3:
                    d.clear()
            return misses

        self.hot(f, N, expect=N, share=0.4)

    def test_polymorphic_code(self):
        class A:
            def f(self):
                return 1

        class B:
            def f(self):
                return 2

        class C(A):
            def f(self):
                return 3

        def f(n):
            things = A(), B(), C()
            total = 0
            for i in range(n):
                total += things[i % 3].f()
            return total

        self.followed(f, N, expect=sum((1, 2, 3)[i % 3] for i in range(N)), runs=None)

    def test_global_assignment(self):
        globals()["COUNT"] = 0

        def f(n):
            global COUNT
            COUNT = 0
            for _ in range(n):
                COUNT += 1
            return COUNT

        self.hot(f, N, expect=N, share=0.7)

    def test_import_in_a_loop(self):
        def f(n):
            total = 0
            for i in range(n):
                from math import floor

                total += floor(i / 2)
            return total

        self.hot(f, 500, expect=sum(i // 2 for i in range(500)), share=0.4)
