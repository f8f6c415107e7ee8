"""Classes of bugs that tracing JITs for Python really had: each must not happen here, in code that is hot."""

import dis
import gc
import math
import os
import signal
import sys
import threading
import time
import traceback
import types
import weakref

import hotspur
from support import COMPILES, Tier2Case, UsualThresholds, compiled, counted, describe, runs_of

N = 3000
# Whether code is recorded when it is hot, and not before it has warmed up.
USUAL = "HOTSPUR_BACK_EDGE_THRESHOLD" not in os.environ


def descend(n):
    n -= 1
    if n:
        descend(n)


class Destructors(Tier2Case):
    def test_a_destructor_changes_a_local_of_its_caller(self):
        log = []

        class Evil:
            def __init__(self, armed):
                self.armed = armed

            def __del__(self):
                if self.armed:
                    sys._getframe(1).f_locals["x"] = "changed"

        def f(n):
            x = 1
            for i in range(n):
                x = 1
                e = Evil(i == n - 1)
                e = None
                if x != 1:
                    log.append(x)
            return x

        self.hot(f, N, expect="changed", share=0.3)
        self.assertEqual(log, ["changed"] * 7)

    def test_a_destructor_deletes_the_attribute_that_is_stored(self):
        class Holder:
            pass

        class Evil:
            def __init__(self, holder):
                self.holder = holder

            def __del__(self):
                self.holder.__dict__.pop("x", None)

        def f(n):
            holder = Holder()
            missing = 0
            for _ in range(n):
                holder.x = Evil(holder)
                holder.x = 1
                missing += not hasattr(holder, "x")
            return missing

        self.hot(f, N, expect=N, share=0.3)

    def test_a_destructor_runs_when_the_last_reference_goes(self):
        class Noisy:
            def __init__(self, log):
                self.log = log

            def __del__(self):
                self.log.append("gone")

        def f(n):
            log = []
            for i in range(n):
                noisy = Noisy(log)
                log.append("made")
                noisy = i
                log.append("after")
            return log

        self.hot(f, 500, expect=["made", "gone", "after"] * 500, share=0.3)

    def test_a_weakref_callback_changes_a_class(self):
        class A:
            value = 1

        class Thing:
            pass

        def callback(_):
            A.value = 2

        def f(n):
            A.value = 1
            a = A()
            total = 0
            for i in range(n):
                thing = Thing()
                if i == n // 2:
                    ref = weakref.ref(thing, callback)
                thing = None
                total += a.value
            return total

        self.hot(f, N, expect=N // 2 + 2 * (N // 2), share=0.3)


class References(Tier2Case):
    def test_counts_stay_right(self):
        class Thing:
            def __init__(self):
                self.me = None

        thing = Thing()
        items = [thing] * 3

        def f(n):
            a = thing
            for i in range(n):
                b = a
                c = (b, a)
                d = [a, *c]
                items[i % 3] = d[0]
                thing.me = b if i % 2 else None
                e = items[1]
            return None

        f(10)
        thing.me = None
        before = sys.getrefcount(thing), sys.getrefcount(None)
        self.hot(f, N, expect=None)
        thing.me = None
        self.assertEqual((sys.getrefcount(thing), sys.getrefcount(None)), before)

    def test_nothing_is_kept_alive(self):
        class Thing:
            pass

        def f(n, thing):
            for _ in range(n):
                x = thing
                x.value = 1
            return x.value

        thing = Thing()
        ref, class_ref = weakref.ref(thing), weakref.ref(Thing)
        for _ in range(6):
            self.assertEqual(f(N, thing), 1)
        with self.running(f):
            self.assertEqual(f(N, thing), 1)
        del thing, Thing
        self.assertIsNone(ref())
        gc.collect()
        self.assertIsNone(class_ref())
        function_ref = weakref.ref(f)
        del f
        gc.collect()
        self.assertIsNone(function_ref())


GLOBAL = 1


class Invalidation(Tier2Case):
    def test_the_same_code_with_other_globals(self):
        source = "def f(n):\n    total = 0\n    for i in range(n):\n        total += g(i)\n    return total\n"
        one = {"g": lambda i: i}
        exec(source, one)
        self.hot(one["f"], N, expect=N * (N - 1) // 2)
        other = types.FunctionType(one["f"].__code__, {"g": lambda i: 1})
        self.assertEqual(other(N), N)
        none = types.FunctionType(one["f"].__code__, {})
        with self.assertRaises(NameError):
            none(N)

    def test_a_global_changes(self):
        global GLOBAL
        GLOBAL = 1

        def f(n):
            total = 0
            for _ in range(n):
                total += GLOBAL
            return total

        self.hot(f, N, expect=N)
        GLOBAL = 2
        self.assertEqual(f(N), 2 * N)
        del GLOBAL
        with self.assertRaises(NameError):
            f(N)
        GLOBAL = 1

    def test_a_global_changes_in_the_loop(self):
        global GLOBAL
        GLOBAL = 1

        def change():
            global GLOBAL
            GLOBAL = 2

        def f(n):
            global GLOBAL
            GLOBAL = 1
            total = 0
            for i in range(n):
                total += GLOBAL
                if i == n // 2:
                    change()
            return total

        self.hot(f, N, expect=N // 2 + 1 + 2 * (N - N // 2 - 1), share=0.2)

    def test_a_builtin_is_hidden(self):
        namespace = {}
        exec("def f(n):\n    total = 0\n    for i in range(n):\n        total += abs(i)\n    return total\n", namespace)
        f = namespace["f"]
        self.hot(f, N, expect=N * (N - 1) // 2)
        namespace["abs"] = lambda i: 1
        self.assertEqual(f(N), N)
        del namespace["abs"]
        self.assertEqual(f(N), N * (N - 1) // 2)

    def test_a_class_changes(self):
        class A:
            def value(self):
                return 1

        def f(n, a):
            total = 0
            for _ in range(n):
                total += a.value()
            return total

        a = A()
        self.hot(f, N, a, expect=N)
        A.value = lambda self: 2
        self.assertEqual(f(N, a), 2 * N)
        a.value = lambda: 3
        self.assertEqual(f(N, a), 3 * N)
        del a.value, A.value
        with self.assertRaises(AttributeError):
            f(N, a)

    def test_a_class_dies_and_its_address_is_used_again(self):
        def f(n, a):
            total = 0
            for _ in range(n):
                total += a.value()
            return total

        def work():
            addresses = set()
            for round in range(30):

                class A:
                    def value(self, round=round):
                        return round

                self.assertEqual(f(1000, A()), 1000 * round)
                addresses.add(id(A))
                del A
                gc.collect()
            return addresses

        addresses, counts = counted(work)
        self.assertLess(len(addresses), 30, "no address was used again")
        self.assertGreaterEqual(counts["runs"], 10)
        gone = counts["executors.invalidated.type_freed"] + counts["executors.invalidated.type_modified"]
        self.assertGreaterEqual(gone + counts["executors.invalidated.function_modified"], 3)

    def test_a_function_changes(self):
        def g(a=1):
            return a

        def f(n):
            total = 0
            for _ in range(n):
                total += g()
            return total

        self.hot(f, N, expect=N)
        g.__defaults__ = (2,)
        self.assertEqual(f(N), 2 * N)
        g.__code__ = (lambda a=0: 5).__code__
        self.assertEqual(f(N), 5 * N)

    def test_the_shape_of_instances_changes(self):
        class A:
            def __init__(self):
                self.x = 1

        def f(n, a):
            total = 0
            for _ in range(n):
                total += a.x
            return total

        a = A()
        self.hot(f, N, a, expect=N)
        a.__dict__["x"] = 2
        self.assertEqual(f(N, a), 2 * N)
        a.__dict__ = {"x": 3}
        self.assertEqual(f(N, a), 3 * N)
        del a.x
        with self.assertRaises(AttributeError):
            f(N, a)


class Lifetime(Tier2Case):
    def test_a_function_is_dropped_while_it_runs(self):
        namespace = {}
        source = "def f(n):\n    total = 0\n    for i in range(n):\n        total += i\n        if i == n - 100: drop()\n    return total\n"

        def drop():
            namespace.pop("f", None)
            gc.collect()

        # Otherwise the later ones wait, for those before did not last.
        worth = hotspur.parameters()["worth"]
        hotspur.set_parameter("worth", 0)
        self.addCleanup(hotspur.set_parameter, "worth", worth)

        def work():
            for _ in range(20):
                namespace["drop"] = drop
                exec(source, namespace)
                for _ in range(3):
                    f = namespace.get("f") or f
                    self.assertEqual(f(1000), 499500)
                with self.running(f):
                    self.assertEqual(f(1000), 499500)

        _, counts = counted(work)
        # The code of the last one is there still.
        self.assertGreaterEqual(counts["executors.invalidated.code_freed"], 19)

    def test_its_code_is_replaced_while_it_runs(self):
        namespace = {}
        exec(
            "def other(n):\n    return 'other'\n"
            "def f(n):\n    total = 0\n    for i in range(n):\n        total += i\n"
            "        if i == n - 100:\n            f.__code__ = other.__code__\n    return total\n",
            namespace,
        )
        f = namespace["f"]
        code = f.__code__
        for _ in range(10):
            f.__code__ = code
            self.assertEqual(f(1000), 499500)
            self.assertEqual(f(1000), "other")
        f.__code__ = code
        with self.running(code):
            self.assertEqual(f(1000), 499500)
        self.assertEqual(f(1000), "other")

    def test_many_functions_come_and_go(self):
        source = "def f(n):\n    total = 0\n    for i in range(n):\n        total += i\n    return total\n"

        def work():
            for _ in range(100):
                namespace = {}
                exec(source, namespace)
                self.assertEqual(namespace["f"](1200), 719400)
            del namespace
            gc.collect()

        work()
        hotspur._hotspur.remove_executors(0)  # frees what is to be freed
        alive = hotspur.stats()["executors"]["alive"]
        _, counts = counted(work)
        self.assertGreaterEqual(counts["executors.created"], 100)
        self.assertGreaterEqual(counts["runs"], 100)
        self.assertGreaterEqual(counts["executors.invalidated.code_freed"], 100)
        hotspur._hotspur.remove_executors(0)
        self.assertLessEqual(hotspur.stats()["executors"]["alive"], alive + 20)


class Recording(Tier2Case):
    def test_an_operand_changes_its_class_in_mid_instruction(self):
        class A:
            def __bool__(self):
                self.__class__ = B
                return True

            def f(self):
                return 1

        class B:
            def __bool__(self):
                self.__class__ = A
                return False

            def f(self):
                return 2

        def f(n):
            x = A()
            total = 0
            for _ in range(n):
                if x:
                    total += x.f()
                else:
                    total += 10 * x.f()
            return total

        self.hot(f, N, expect=(N // 2) * 2 + (N // 2) * 10, share=0.2)

    def test_addition_changes_the_class(self):
        class A:
            def __add__(self, other):
                self.__class__ = B
                return 1

        class B:
            def __add__(self, other):
                self.__class__ = A
                return 2

        def f(n):
            x = A()
            total = 0
            for _ in range(n):
                total += x + 1
            return total

        self.hot(f, N, expect=3 * (N // 2), share=0.2)

    def test_a_suspended_generator_is_dropped(self):
        def numbers():
            try:
                i = 0
                while True:
                    yield i
                    i += 1
            finally:
                closed.append(1)

        closed = []

        def f(n):
            closed.clear()
            total = 0
            for i in range(n):
                for x in numbers():
                    total += x
                    if x == i % 4:
                        break
            return total, len(closed)

        self.hot(f, 600, expect=(sum(sum(range(i % 4 + 1)) for i in range(600)), 600), share=0.3)

    def test_a_generator_runs_into_itself(self):
        def selfish():
            while True:
                try:
                    next(g)
                except ValueError:
                    yield 1

        def f(n):
            nonlocal g
            g = selfish()
            total = 0
            for _ in range(n):
                total += next(g)
            return total

        g = None
        self.hot(f, N, expect=N, share=0.2)

    def test_the_recorded_direction_is_not_the_next_one(self):
        def f(n):
            a = b = 0
            for i in range(n):
                if i & 1:
                    a += 1
                else:
                    b += 1
            return a, b

        self.hot(f, N, expect=(N // 2, N // 2), share=0.8)


class Exceptions(Tier2Case):
    def test_an_exception_leaves_for_c_code_that_calls_again(self):
        """The next call's frame lies where the one lay that was left. No trace takes it for the same."""

        class Items:
            def __init__(self, items):
                self.items = items

            def __getitem__(self, i):
                # (Looks like no other method, so that nothing is expected of it.)
                items, index = self.items, i
                return items[index]

        def f(n):
            total = 0
            for _ in range(n):
                for x in Items([1, 2, 3]):
                    total += x
            return total

        # Executors that leave at once for C code are retired else.
        self.addCleanup(hotspur.set_parameter, "losing_interval", hotspur.parameters()["losing_interval"])
        hotspur.set_parameter("losing_interval", 1_000_000)
        started = hotspur.stats()["traces"]["started"]
        texts = []
        for _ in range(8):
            self.assertEqual(f(N), 6 * N)
            compiled()
            # They may be swept before the end.
            texts.append(describe(Items.__getitem__))
        self.assertGreater(hotspur.stats()["traces"]["started"], started)
        self.assertNotIn("guard_landed code0, 0, ", "".join(texts))

    def line_of(self, function, *args):
        try:
            function(*args)
        except Exception as error:
            frames = traceback.extract_tb(error.__traceback__)
            return type(error), str(error), [frame.lineno - function.__code__.co_firstlineno for frame in frames[1:]]
        self.fail("no exception")

    def raises(self, function, *args):
        """What `line_of` says, always the same; in the end of an exception that came while a trace was run, or right behind it."""
        first = self.line_of(function, *args)
        for _ in range(5):
            self.assertEqual(self.line_of(function, *args), first)
        with self.running(function):
            last, counts = counted(self.line_of, function, *args)
        self.assertEqual(last, first)
        # It was in the loop's executor, all along.
        self.assertGreater(counts.share, 0.5 if USUAL else 0, describe(function))
        return first

    def test_unbound_local(self):
        def f(n):
            x = 1
            for i in range(n):
                if i == n - 1:
                    del x
                y = x
            return y

        kind, text, lines = self.raises(f, N)
        self.assertEqual((kind, lines), (UnboundLocalError, [5]))
        self.assertIn("'x'", text)

    def test_deleting_twice(self):
        def f(n):
            for i in range(n):
                x = 1
                del x
                if i == n - 1:
                    del x

        self.assertEqual(self.raises(f, N)[::2], (UnboundLocalError, [5]))

    def test_division_by_zero_in_the_middle(self):
        def f(n):
            total = 0
            for i in range(n):
                total += 10 // (n - 1 - i)
            return total

        self.assertEqual(self.raises(f, N)[::2], (ZeroDivisionError, [3]))

    def test_an_index_out_of_range(self):
        def f(n):
            items = list(range(n - 1))
            total = 0
            for i in range(n):
                total += items[
                    i
                ]
            return total

        self.assertEqual(self.raises(f, N)[::2], (IndexError, [4]))

    def test_from_three_frames_down(self):
        def h(i, n):
            return 1 / (n - 1 - i)

        def g(i, n):
            return h(i, n) + 1

        def f(n):
            total = 0
            for i in range(n):
                total += g(i, n)
            return total

        self.raises(f, N)
        with self.running(f):
            try:
                f(N)
            except ZeroDivisionError as error:
                names = [(x.name, x.line) for x in traceback.extract_tb(error.__traceback__)[1:]]
            self.assertEqual(
                names,
                [("f", "total += g(i, n)"), ("g", "return h(i, n) + 1"), ("h", "return 1 / (n - 1 - i)")],
            )

    def test_the_context_of_exceptions(self):
        def f(n):
            chains = 0
            for i in range(n):
                try:
                    try:
                        raise KeyError(i)
                    except KeyError:
                        raise ValueError(i)
                except ValueError as error:
                    chains += isinstance(error.__context__, KeyError) and error.__context__.args == (i,)
            return chains, sys.exception()

        self.hot(f, N, expect=(N, None), share=0.3)

    def test_frames_that_callees_see(self):
        def who():
            frame = sys._getframe(1)
            return frame.f_lineno, frame.f_locals["i"], frame.f_back.f_code.co_name

        def inner(i):
            y = i + 1
            return who()

        def f(n):
            for i in range(n):
                seen = inner(i)
            return seen

        line = inner.__code__.co_firstlineno + 2
        self.hot(f, N, expect=(line, N - 1, "f"), share=0.3)


class Iteration(Tier2Case):
    def test_an_exhausted_list_iterator_stays_exhausted(self):
        def f(n):
            items = [1, 2, 3]
            it = iter(items)
            total = 0
            for _ in range(n):
                for x in it:
                    total += x
                items.append(4)
            return total

        self.hot(f, N, expect=6, share=0.3)

    def test_an_exhausted_list_iterator_can_be_asked_for_its_length(self):
        def f(n):
            total = 0
            for _ in range(n):
                items = [1, 2, 3]
                it = iter(items)
                for x in it:
                    total += x
                items.append(4)
                total += len(list(it)) + it.__length_hint__()
            return total

        self.hot(f, N, expect=6 * N, share=0.3)

    def test_yield_from_nothing(self):
        def g():
            yield from []
            yield 1
            yield from ()

        def f(n):
            total = 0
            for _ in range(n):
                for x in g():
                    total += x
            return total

        self.hot(f, N, expect=N, share=0.3)

    def test_a_list_changes_while_it_is_iterated_over(self):
        def f(n):
            items = [0]
            for x in items:
                if x < n:
                    items.append(x + 1)
            return len(items)

        self.hot(f, N, expect=N + 1, share=0.5)

    def test_a_dict_changes_size_while_it_is_iterated_over(self):
        def f(n):
            d = dict.fromkeys(range(n))
            for k in d:
                if k == n - 2:
                    d[n] = 1

        for _ in range(6):
            with self.assertRaises(RuntimeError):
                f(N)
        with self.running(f), self.assertRaises(RuntimeError):
            f(N)


class Constants(Tier2Case):
    def test_numbers(self):
        nan = math.nan

        def f(n):
            count = 0
            for _ in range(n):
                count += len((1, 2, 3)) + (2**65 == 36893488147419103232) + (nan != nan) + (nan < 1) + (not nan == nan)
                count += (-7 // 2 == -4) + (-7 % 3 == 2) + (7 % -3 == -2) + (1 << 5 == 32) + (-1 >> 3 == -1) + (~5 == -6)
                count += (0.1 + 0.2 != 0.3) + (-0.0 == 0.0) + (math.copysign(1, -0.0) == -1) + (True + True == 2)
            return count

        self.hot(f, 1000, expect=1000 * (3 + 1 + 1 + 0 + 1 + 6 + 4), share=0.7)

    def test_integer_limits(self):
        edges = [0, 1, -1, 2**30 - 1, 2**30, -(2**30), 2**31, 2**60, 2**62, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64]
        expect = [(a + b, a - b, a * b, a & b, a | b, a ^ b, a < b, a == b, -a, ~a) for a in edges for b in edges]

        def f():
            result = []
            for a in edges:
                for b in edges:
                    result.append((a + b, a - b, a * b, a & b, a | b, a ^ b, a < b, a == b, -a, ~a))
            return result

        self.hot(f, expect=expect, share=0.5, rounds=40)


class Limits(Tier2Case):
    def test_a_long_body(self):
        body = "".join(f"        x{i % 7} = x{(i + 1) % 7} + {i}\n" for i in range(3000))
        source = "def f(n):\n    x0 = x1 = x2 = x3 = x4 = x5 = x6 = 0\n    for i in range(n):\n" + body + "    return x0\n"
        namespace = {}
        exec(source, namespace)
        f = namespace["f"]
        first = f(300)

        def work():
            for _ in range(10):
                self.assertEqual(f(300), first)

        def several():
            before = hotspur.stats()["executors"]["created"]
            end = time.monotonic() + 60
            # The second is recorded when the first has been compiled, which takes its time.
            while hotspur.stats()["executors"]["created"] - before <= 1 and time.monotonic() < end:
                work()
                compiled()

        _, counts = counted(several)
        # It is too long for one trace, so it is several.
        self.assertGreater(counts["traces.started"], 0)
        self.assertGreater(counts["executors.created"], 1)
        with self.running(f):
            self.assertEqual(f(300), first)

    def test_many_branches(self):
        body = "".join(f"        if i % {k} == 0: total += {k}\n" for k in range(2, 60))
        source = "def f(n):\n    total = 0\n    for i in range(n):\n" + body + "    return total\n"
        namespace = {}
        exec(source, namespace)
        expect = sum(k for i in range(1000) for k in range(2, 60) if i % k == 0)
        f = namespace["f"]
        for _ in range(5):
            self.assertEqual(f(1000), expect)
        with self.running(f):
            self.assertEqual(f(1000), expect)

    def test_recording_comes_to_an_end(self):
        def f(n):
            total = 0
            for i in range(n):
                total += hash(str(i)) & 1
                if total % 7 == i % 5:
                    total ^= 1
            return total

        for _ in range(20):
            f(2000)
        _, counts = counted(f, 50000)
        self.assertLess(counts["traces.started"], 30)
        self.assertGreater(counts["runs"], 0)
        self.assertGreater(runs_of(f), 0)

    def test_deep_recursion(self):
        def depth(n):
            return 0 if n == 0 else 1 + depth(n - 1)

        limit = sys.getrecursionlimit()
        for _ in range(20):
            self.assertEqual(depth(limit // 2), limit // 2)
        with self.running(depth), self.assertRaises(RecursionError):
            depth(limit + 10)
        sys.setrecursionlimit(20000)
        try:
            with self.running(depth):
                self.assertEqual(depth(19000), 19000)
        finally:
            sys.setrecursionlimit(limit)


class Wide(UsualThresholds):
    """Instructions with large arguments, and many variables. (Compiled at first sight, they may be too large for machine code.)"""

    def test_large_arguments(self):
        # Numbers of constants, of variables, and lengths of jumps that do not fit into a byte.
        lines = "".join(f"        x ^= {1000 + i}\n" for i in range(300))
        unused = "".join(f"    y{i} = 0\n" for i in range(300))
        namespace = {}
        exec(f"def f(n):\n{unused}    x = 0\n    for i in range(n):\n{lines}        x += i\n    return x\n", namespace)
        f = namespace["f"]
        self.assertGreater(f.__code__.co_code.count(dis.opmap["EXTENDED_ARG"]), 300)
        expect = 0
        for i in range(400):
            for k in range(300):
                expect ^= 1000 + k
            expect += i
        self.hot(f, 400, expect=expect, share=0.8)
        with self.running(f):
            self.assertEqual(f(400), expect)

    def wide(self, width):
        names = ", ".join(f"x{i}" for i in range(width))
        namespace = {}
        exec(
            f"def f(n):\n    t = tuple(range({width}))\n    for i in range(n):\n        {names} = t\n"
            f"        u = [{names}]\n    return u\n",
            namespace,
        )
        return namespace["f"]

    def test_many_variables(self):
        f = self.wide(40)
        for _ in range(30):
            self.assertEqual(f(100), list(range(40)))
        with self.running(f):
            self.assertEqual(f(100), list(range(40)))

    def test_more_variables_than_machine_code_is_made_for(self):
        f = self.wide(400)

        def work():
            for _ in range(30):
                self.assertEqual(f(100), list(range(400)))

        _, counts = counted(work)
        if COMPILES:
            self.assertGreater(counts["traces.aborted.snapshot_too_large"], 0)
        else:
            self.assertEqual(counts["traces.aborted.snapshot_too_large"], 0)
            with self.running(f):
                self.assertEqual(f(100), list(range(400)))


class Tools(Tier2Case):
    def test_trace_in_mid_loop(self):
        lines = []

        def tracer(frame, event, arg):
            if frame.f_code is f.__code__:
                lines.append((event, frame.f_lineno - f.__code__.co_firstlineno))
            return tracer

        def f(n, at):
            for i in range(n):
                x = i
                if i == at:
                    sys.settrace(tracer)
                    sys._getframe().f_trace = tracer
                y = i
            return x + y

        for _ in range(5):
            f(N, -1)
        try:
            with self.running(f):
                self.assertEqual(f(N, N - 2), 2 * (N - 1))
                sys.settrace(None)
        finally:
            sys.settrace(None)
        self.assertEqual(
            [line for event, line in lines if event == "line"], [6, 1, 2, 3, 6, 1, 7],
        )

    def test_monitoring(self):
        def g(i):
            return i

        def f(n):
            total = 0
            for i in range(n):
                total += g(i)
            return total

        self.hot(f, N, expect=N * (N - 1) // 2)
        calls = []
        tool = 3
        sys.monitoring.use_tool_id(tool, "test")
        try:
            sys.monitoring.register_callback(tool, sys.monitoring.events.PY_START, lambda code, _: calls.append(code))
            sys.monitoring.set_events(tool, sys.monitoring.events.PY_START)
            self.assertEqual(f(100), 4950)
        finally:
            sys.monitoring.set_events(tool, 0)
            sys.monitoring.free_tool_id(tool)
        self.assertEqual(calls.count(g.__code__), 100)
        self.hot(f, N, expect=N * (N - 1) // 2)

    def test_everything_can_be_looked_at(self):
        def f(n):
            total = 0
            for i in range(n):
                total += i
            return total

        self.hot(f, N, expect=N * (N - 1) // 2)
        executors = hotspur.executors()
        mine = hotspur.executors(f)
        self.assertTrue(any(e.is_valid() for e in mine))
        self.assertLessEqual({e.number for e in mine}, {e.number for e in executors})
        for executor in executors:
            self.assertTrue(executor.text)
            self.assertIn(executor.is_valid(), (True, False))
            for exit in executor.exits:
                self.assertTrue(exit.reason)


class Liveness(Tier2Case):
    def interrupted(self, function, traced=None):
        """A signal ends the function, within an executor, one of the function or of the one that it calls."""
        _, counts = counted(self.interrupt, function)
        self.assertGreater(runs_of(traced or function), 0)
        # The executor has noticed; or, between two of them, the way from one to the other was refused.
        self.assertGreater(counts["exits.cold"], 0)
        # What is not executed in executors is recording, and warming up.
        self.assertGreater(counts.share, 0.5, describe(traced or function))

    def interrupt(self, function):
        def handler(*_):
            raise KeyboardInterrupt

        previous = signal.signal(signal.SIGALRM, handler)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.3)
            started = time.monotonic()
            with self.assertRaises(KeyboardInterrupt):
                function()
            self.assertLess(time.monotonic() - started, 5)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, previous)

    def test_a_signal_in_an_endless_loop(self):
        def f():
            x = 0
            while True:
                x += 1

        self.interrupted(f)

    def test_a_signal_in_linked_loops(self):
        def f():
            while True:
                for _ in range(3):
                    for _ in (1, 2):
                        pass

        self.interrupted(f)

    def test_a_signal_in_recursion(self):
        def g(n):
            return n if n < 2 else g(n - 1) + g(n - 2)

        self.interrupted(lambda: g(60), g)

    def test_a_signal_in_generators(self):
        def numbers():
            i = 0
            while True:
                yield i
                i += 1

        def f():
            for _ in numbers():
                pass

        self.interrupted(f)

    def test_threads_take_turns(self):
        def f(stop):
            n = 0
            while not stop.is_set():
                n += 1
            return n

        stop = threading.Event()
        counts = []
        threads = [threading.Thread(target=lambda: counts.append(f(stop))) for _ in range(3)]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        stop.set()
        for thread in threads:
            thread.join(10)
        self.assertEqual(len(counts), 3)
        self.assertGreater(min(counts), 0)
        self.assertGreaterEqual(runs_of(f), 3)

    def test_functions_of_frames_are_referred_to_once_for_each(self):
        def f(n):
            for _ in range(n):
                descend(60)
            return sys.getrefcount(descend)

        self.hot(f, 300, expect=f(1))

    def test_small_ints_are_there_once(self):
        def f(n):
            same = 0
            for i in range(n):
                same += (i is i * 1) + (i is i & -1) + (i is i ^ 0) + (i is int(str(i)))
            return same

        self.hot(f, 257, expect=4 * 257, share=0.0)
        for _ in range(10):
            self.assertEqual(f(257), 4 * 257)

    def test_threads_run_and_record_the_same_code(self):
        def g(i):
            return i * 2

        def f(n):
            total = 0
            for i in range(n):
                total += g(i)
            return total

        results = []

        def work():
            for _ in range(20):
                results.append(f(2000))

        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-5)
        try:
            threads = [threading.Thread(target=work) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            sys.setswitchinterval(interval)
        self.assertEqual(results, [2000 * 1999] * 80)
        self.assertGreater(runs_of(f), 70, describe(f))
