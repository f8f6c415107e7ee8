"""Generators and coroutines inside traces: what runs there, and what other code sees and does meanwhile."""

import asyncio
import gc
import os
import sys
import threading
import traceback
import unittest
import weakref

import hotspur

from support import Tier2Case, compiled, counted, describe, on_stock, run_program

N = 2000


def drive(coroutine):
    """Runs a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waits")


def count(n):
    i = 0
    while i < n:
        yield i
        i += 1


def names(frame):
    """The names of the frames up to the function that a test runs."""
    found = []
    while frame.f_code.co_name != "f":
        found.append(frame.f_code.co_name)
        frame = frame.f_back
    return found


class Mechanisms(Tier2Case):
    """The right result, executed in tier 2, and nothing of it by tier 1's handlers."""

    def nothing_left(self, *texts):
        # What is recorded before tier 1 has specialized it is another matter.
        if "HOTSPUR_BACK_EDGE_THRESHOLD" not in os.environ:
            self.assertNotIn("execute ", "\n".join(texts))

    def inlined(self, function, *args, expect, share=0.9):
        counts = self.hot(function, *args, expect=expect, share=share)
        loops = [executor.text for executor in hotspur.executors(function) if "loop (" in executor.text]
        self.assertTrue(loops, describe(function))
        self.nothing_left(*loops)
        return counts

    def test_a_loop_over_a_generator(self):
        def f(n):
            total = 0
            for x in count(n):
                total += x
            return total

        counts = self.inlined(f, N, expect=N * (N - 1) // 2, share=0.9)
        self.assertLess(counts["runs"], N // 10)
        self.assertIn("resume_generator", describe(f))
        self.assertIn("suspend_generator", describe(f))

    def test_a_generator_expression(self):
        def f(n):
            total = 0
            for x in (i * 3 for i in range(n) if i >= 0):
                total += x
            return total

        n = 5 * N
        self.inlined(f, n, expect=3 * n * (n - 1) // 2)

    def test_a_generator_within_a_loop(self):
        def three(i):
            for j in (1, 2, 3):
                yield i + j

        def f(n):
            total = 0
            for i in range(n):
                for x in three(i):
                    total += x
            return total

        self.hot(f, N, expect=3 * N * (N - 1) // 2 + 6 * N, share=0.9)
        text = describe(f) + describe(three)
        self.assertIn("new_generator", text)
        self.assertIn("finish_generator", text)
        self.nothing_left(text)

    def test_generators_in_generators(self):
        def double(g):
            for x in g:
                yield 2 * x

        def f(n):
            total = 0
            for x in double(double(count(n))):
                total += x
            return total

        self.inlined(f, N, expect=2 * N * (N - 1), share=0.9)

    def test_yield_from(self):
        def outer(n):
            yield from count(n)
            return "done"

        def f(n):
            total = 0
            for x in outer(n):
                total += x
            return total

        self.inlined(f, N, expect=N * (N - 1) // 2, share=0.9)

    def test_the_value_of_yield_from(self):
        def inner(i):
            yield i
            return 10

        def outer(n):
            for i in range(n):
                x = yield from inner(i)
                yield x

        def f(n):
            total = 0
            for x in outer(n):
                total += x
            return total

        self.hot(f, N, expect=N * (N - 1) // 2 + 10 * N, share=0.9)

    def test_await(self):
        async def add(a, b):
            return a + b

        async def twice(a):
            return await add(a, a)

        async def main(n):
            total = 0
            for i in range(n):
                total += await twice(i)
            return total

        def f(n):
            return drive(main(n))

        self.hot(f, N, expect=N * (N - 1), share=0.9)
        text = describe(main)
        self.assertIn("new_generator", text)
        self.assertIn("finish_generator", text)
        loops = [executor.text for executor in hotspur.executors(main) if "loop (" in executor.text]
        self.assertTrue(loops, text)
        self.nothing_left(*loops)

    def test_recursive_generators(self):
        def tree(depth):
            if depth:
                yield from tree(depth - 1)
                yield depth
                yield from tree(depth - 1)

        def f(depth):
            total = 0
            for x in tree(depth):
                total += x
            return total

        self.hot(f, 9, expect=sum(on_stock(list, tree(9))), share=0.6)

    def test_recursive_coroutines(self):
        async def fib(n):
            if n <= 1:
                return n
            return await fib(n - 1) + await fib(n - 2)

        def f(n):
            return drive(fib(n))

        self.hot(f, 15, expect=610, share=0.9)

    def test_a_generator_that_is_its_own_frame(self):
        # Whoever begins to record in the generator follows it to where it yields to.
        def tree(depth):
            if depth:
                yield from tree(depth - 1)
                yield depth

        def f(n):
            total = 0
            for _ in range(n):
                for x in tree(12):
                    total += x
            return total

        self.hot(f, 100, expect=7800, share=0.9)
        self.assertIn("unlink_first", describe(tree))


class Same(unittest.TestCase):
    """Whatever happens, it is as on CPython."""

    def same(self, function, *args):
        expect = on_stock(function, *args)
        for _ in range(5):
            self.assertEqual(function(*args), expect)
        compiled()
        result, counts = counted(function, *args)
        self.assertEqual(result, expect)
        self.assertGreater(counts["runs"], 0, "no executor was run")

    def test_frames_from_within(self):
        def gen(n):
            for i in range(n):
                yield names(sys._getframe()) if i % 500 == 3 else i

        def outer(n):
            yield from gen(n)

        def f(n):
            return [x for x in outer(n) if type(x) is list]

        self.same(f, N)

    def test_what_a_running_generator_says_of_itself(self):
        def gen(n, me):
            for i in range(n):
                if i % 400 == 7:
                    g = me[0]
                    yield g.gi_running, g.gi_frame is sys._getframe(), g.gi_frame.f_locals["i"], g.gi_suspended
                else:
                    yield None

        def f(n):
            me = []
            me.append(gen(n, me))
            out = []
            for k, x in enumerate(me[0]):
                if x is not None:
                    out.append(x)
                    g = me[0]
                    out.append((g.gi_running, g.gi_suspended, g.gi_frame.f_locals["i"], g.gi_frame.f_lineno))
            me.clear()
            return [(x[0], x[1], x[2]) for x in out]

        self.same(f, N)

    def test_the_consumer_resumes_it_as_well(self):
        def f(n):
            g = count(n)
            out = 0
            for x in g:
                if x % 300 == 5:
                    out += next(g, 0) * 7
                out += x
            return out

        self.same(f, N)

    def test_the_consumer_closes_it(self):
        def gen(n, log):
            try:
                for i in range(n):
                    yield i
            finally:
                log.append(i)

        def f(n):
            log = []
            for k in range(3):
                g = gen(n, log)
                for x in g:
                    if x == n - 50 * (k + 1):
                        g.close()
                log.append(g.gi_frame)
            return log

        self.same(f, N)

    def test_it_is_thrown_into(self):
        def gen(n):
            total = 0
            for i in range(n):
                try:
                    yield i
                except KeyError as e:
                    total += e.args[0]
                    yield -total

        def f(n):
            g = gen(n)
            out = 0
            for x in g:
                if x % 250 == 9:
                    out += g.throw(KeyError(x))
                out += x
            return out

        self.same(f, N)

    def test_it_runs_into_itself(self):
        def gen(n, me):
            for i in range(n):
                if i % 500 == 20:
                    try:
                        for _ in me[0]:
                            yield "never"
                    except ValueError as e:
                        yield str(e)
                yield 0

        def f(n):
            me = []
            me.append(gen(n, me))
            out = [x for x in me[0] if x]
            me.clear()
            return out

        self.same(f, N)

    def test_the_same_generator_twice(self):
        # Two values of the trace are the same object in the end.
        def pairs(a, b, n):
            out = 0
            for x in a:
                for y in b:
                    out += x * 3 + y
                    break
                if x > n:
                    break
            return out

        def f(n):
            out = 0
            for k in range(4):
                a = count(n)
                out += pairs(a, count(n) if k < 3 else a, n)
            return out

        self.same(f, N)

    def test_a_generator_consumes_itself(self):
        def relay(box):
            for x in box[0]:
                yield x

        def f(n):
            total = 0
            box = [count(n)]
            for x in relay(box):
                total += x
            box[0] = relay(box)
            try:
                for x in box[0]:
                    total += x
            except ValueError as e:
                return total, str(e)
            finally:
                box.clear()

        self.same(f, N)

    def test_exceptions_go_through_the_consumer(self):
        def gen(n):
            for i in range(n):
                if i == n - 3:
                    raise KeyError(i)
                yield 10 // (n - 5 - i) if i > n - 100 else 1

        def outer(n):
            yield from gen(n)

        def f(n):
            total = 0
            try:
                for x in outer(n):
                    total += x
            except ArithmeticError as e:
                lines = [(t.name, t.lineno) for t in traceback.extract_tb(e.__traceback__)]
                return total, str(e), lines, e.__context__
            return total

        self.same(f, N)

    def test_the_context_of_exceptions(self):
        def gen(n):
            for i in range(n):
                if i % 700 == 30:
                    try:
                        yield i // 0
                    except ZeroDivisionError as e:
                        yield repr(e.__context__), sys.exc_info()[0].__name__
                else:
                    yield None

        def f(n):
            try:
                raise LookupError("before")
            except LookupError:
                out = [x for x in gen(n) if x]
                return out, sys.exc_info()[0].__name__

        self.same(f, N)

    def test_yield_while_an_exception_is_handled(self):
        def gen(n):
            for i in range(n):
                try:
                    [][i]
                except IndexError:
                    yield i
                yield sys.exc_info()[0]

        def f(n):
            out = 0
            for x in gen(n):
                if x is not None:
                    try:
                        raise KeyError
                    except KeyError as e:
                        out += x + (e.__context__ is None)
                assert sys.exc_info()[0] is None
            return out

        self.same(f, 300)

    def test_with_and_finally(self):
        class Context:
            def __init__(self, log):
                self.log = log

            def __enter__(self):
                self.log.append("in")

            def __exit__(self, *exc):
                self.log.append(exc[0] and exc[0].__name__)
                return False

        def gen(n, log):
            for i in range(n):
                with Context(log):
                    try:
                        yield i
                    finally:
                        log.append(i)

        def f(n):
            log = []
            for x in gen(n, log):
                if x == n - 4:
                    break
            return log[-5:], len(log)

        self.same(f, 400)

    def test_the_value_of_stop_iteration(self):
        def gen(n):
            x = None
            for i in range(n):
                x = yield i
            return x, n

        def f(n):
            out = []
            for k in range(30):
                g = gen(n)
                total = next(g)
                while True:
                    try:
                        total += g.send(total & 7)
                    except StopIteration as e:
                        out.append((total, e.value))
                        break
            return out

        self.same(f, 50)

    def test_a_finalizer_when_it_ends(self):
        class Last:
            def __init__(self, log):
                self.log = log

            def __del__(self):
                self.log.append(names(sys._getframe()))

        def gen(log):
            last = Last(log) if len(log) % 3 == 0 else None
            yield 1
            yield 2

        def f(n):
            log = []
            total = 0
            for i in range(n):
                for x in gen(log):
                    total += x
                if last_two(log):
                    log.append(i)
            return total, log[:8], len(log)

        def last_two(log):
            return len(log) % 3 != 0

        self.same(f, 600)

    def test_a_generator_dies_while_it_is_suspended(self):
        class Witness:
            pass

        def gen(log):
            w = Witness()
            weakref.finalize(w, log.append, "gone")
            try:
                while True:
                    yield 1
            finally:
                log.append(names(sys._getframe()))

        def f(n):
            log = []
            total = 0
            for i in range(n):
                for x in gen(log):
                    total += x
                    if x:
                        break
            return total, log[:6], len(log)

        self.same(f, 300)

    def test_its_locals_are_changed_while_it_is_suspended(self):
        def f(n):
            g = count(n)
            out = 0
            for x in g:
                if x % 300 == 100:
                    g.gi_frame.f_locals["i"] = x + 50
                out += x
            return out

        self.same(f, N)

    def test_its_locals_are_changed_while_it_runs(self):
        def poke(i):
            if i % 300 == 100:
                sys._getframe(1).f_locals["i"] = i + 20

        def gen(n):
            i = 0
            while i < n:
                poke(i)
                yield i
                i += 1

        def f(n):
            out = 0
            for x in gen(n):
                out += x
            return out

        self.same(f, N)

    def test_its_frame_outlives_it(self):
        def gen(n, frames):
            for i in range(n):
                if i % 500 == 250:
                    frames.append(sys._getframe())
                yield i

        def f(n):
            frames = []
            total = 0
            for x in gen(n, frames):
                total += x
            return total, [frame.f_locals["i"] for frame in frames], frames[0] is frames[-1]

        self.same(f, N)

    def test_recursion_is_limited(self):
        def deep(n):
            yield n
            yield from deep(n + 1)

        def f():
            top = 0
            try:
                for x in deep(0):
                    top = x
            except RecursionError:
                return top > 50

        limit = sys.getrecursionlimit()
        sys.setrecursionlimit(220)
        try:
            for _ in range(20):
                self.assertTrue(f())
        finally:
            sys.setrecursionlimit(limit)

    def test_the_depth_that_is_reached(self):
        def deep(n):
            yield n
            yield from deep(n + 1)

        def f():
            top = 0
            try:
                for x in deep(0):
                    top = x
            except RecursionError:
                return top

        limit = sys.getrecursionlimit()
        sys.setrecursionlimit(300)
        try:
            first = f()
            for _ in range(10):
                self.assertEqual(f(), first)
        finally:
            sys.setrecursionlimit(limit)

    def test_other_threads_resume_it(self):
        def gen(n):
            for i in range(n):
                yield i

        g = gen(200_000)
        seen = []

        def consume():
            mine = []
            while True:
                try:
                    for x in g:
                        mine.append(x)
                    break
                except ValueError:
                    pass
            seen.append(mine)

        threads = [threading.Thread(target=consume) for _ in range(3)]
        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-5)
        try:
            for t in threads:
                t.start()
            for t in threads:
                t.join()
        finally:
            sys.setswitchinterval(interval)
        self.assertEqual(sorted(x for mine in seen for x in mine), list(range(200_000)))

    def test_the_collector_runs(self):
        def gen(n):
            for i in range(n):
                x = [i]
                x.append(x)
                if i % 400 == 0:
                    gc.collect()
                yield x[0]

        def f(n):
            total = 0
            for x in gen(n):
                total += x
            return total

        self.same(f, 1200)

    def test_tracing_is_switched_on_in_between(self):
        def f(n, where):
            lines = []

            def trace(frame, event, arg):
                if frame.f_code.co_name in ("gen", "outer"):
                    lines.append((frame.f_code.co_name, event, frame.f_lineno - frame.f_code.co_firstlineno))
                return trace

            def gen():
                for i in range(n):
                    if i == where:
                        sys.settrace(trace)
                    if i == where + 3:
                        sys.settrace(None)
                    yield i

            def outer():
                yield from gen()

            total = 0
            for x in outer():
                total += x
            return total, lines

        expect = f(40, 30)
        for _ in range(30):
            f(400, 1000)
        compiled()
        self.assertEqual(f(40, 30)[1], expect[1])
        self.assertEqual(f(400, 390)[1], expect[1])

    def test_coroutines_are_told_where_they_are_made(self):
        async def nothing():
            return 1

        async def main(n):
            total = 0
            for i in range(n):
                c = nothing()
                if c.cr_origin:
                    total += 1000
                total += await c
            return total

        for _ in range(5):
            self.assertEqual(drive(main(N)), N)
        compiled()
        sys.set_coroutine_origin_tracking_depth(2)
        try:
            self.assertEqual(drive(main(N)), N * 1001)
        finally:
            sys.set_coroutine_origin_tracking_depth(0)
        self.assertEqual(drive(main(N)), N)

    def test_asyncio(self):
        async def leaf(i):
            if i % 50 == 0:
                await asyncio.sleep(0)
            return i

        async def branch(n):
            total = 0
            for i in range(n):
                total += await leaf(i)
            return total

        async def main(n):
            return sum(await asyncio.gather(*(branch(n) for _ in range(4))))

        def f(n):
            return asyncio.run(main(n))

        self.same(f, 300)

    def test_awaited_already(self):
        class Wait:
            def __await__(self):
                yield "waiting"

        async def inner():
            await Wait()

        async def main(n, c):
            out = 0
            for i in range(n):
                d = c if i == n - 1 else nothing()
                try:
                    await d
                except RuntimeError as e:
                    return out, str(e)
                out += 1

        async def nothing():
            pass

        def f(n):
            c = inner()
            assert c.send(None) == "waiting"
            result = drive(main(n, c))
            c.close()
            return result

        self.same(f, 300)

    def test_defaults_and_closures(self):
        def make(k):
            def gen(n, step=k):
                for i in range(0, n, step):
                    yield i + k

            return gen

        def f(n):
            total = 0
            for k in (1, 2, 3):
                for x in make(k)(n):
                    total += x
            return total

        self.same(f, N)

    def test_other_globals(self):
        text = "def gen(n):\n    for i in range(n):\n        yield FACTOR * i\n"
        code = compile(text, "<gen>", "exec")
        spaces = []
        for factor in (2, 3):
            space = {"FACTOR": factor}
            exec(code, space)
            spaces.append(space["gen"])

        def f(n):
            total = []
            for gen in spaces:
                t = 0
                for x in gen(n):
                    t += x
                total.append(t)
            return total

        self.same(f, N)


class AtTheEnd(unittest.TestCase):
    def test_generators_left_when_the_interpreter_ends(self):
        text = """
def gen(n):
    for i in range(n):
        yield i

def f(n):
    total = 0
    for x in gen(n):
        total += x
    return total

for _ in range(10):
    f(2000)
g = gen(10)
next(g)
import sys
sys.g = g
print(f(2000))
"""
        self.assertEqual(run_program(self, text), "1999000\n")
