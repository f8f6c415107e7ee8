"""Attributes, operators and context managers that are C code's business, of which nothing is known, are ops as calls of it are: other code sees frames as
they are there, what it changes is noticed, and what is known of values stays known."""

import _thread
import datetime
import decimal
import functools
import io
import operator
import signal
import sys
import threading
import traceback

import hotspur
from support import Tier2Case, describe

N = 1500


def line(frame):
    """Where a frame is, from the beginning of its function."""
    return frame.f_lineno - frame.f_code.co_firstlineno


class CCode(Tier2Case):
    def check(self, function, *helpers, share=0.5):
        """The function, which yields for each round whether all is as it should be, is called until it is hot. The ops are in an executor."""
        self.hot(lambda n: all(function(n)), N, expect=True, share=share)
        texts = "\n".join(executor.text for executor in hotspur.executors(function))
        for helper in helpers:
            self.assertIn(f"call_helper {helper}", texts, describe(function))


class Named(io.BytesIO):
    """A buffer whose name is asked for by C code."""

    @property
    def name(self):
        return look()


def look():
    return sys._getframe(2)


class Attributes(CCode):
    def test_what_getters_find(self):
        def f(n):
            for i in range(n):
                frame = sys._getframe(0)
                error = OSError(1000 + i, "x")
                z = frame.f_lineno - frame.f_code.co_firstlineno == 4 and frame.f_back is not frame and frame.f_globals is globals()
                yield z and error.args == (1000 + i, "x") and error.errno == 1000 + i and (i + 2j).imag == 2 and type(error).__name__ == "OSError"

        self.check(f, "get_attr,")

    def test_values_stay_known(self):
        def f(n):
            total = 0
            error = OSError(1, "x")
            for i in range(n):
                total += i
                error.args
                total += i
            return total

        self.hot(f, N, expect=N * (N - 1), share=0.9)
        [loop] = [e.text for e in hotspur.executors(f) if "call_helper get_attr," in e.text and "jump_loop" in e.text]
        behind = loop[loop.rindex("call_helper get_attr,"):]
        self.assertNotIn("load_local", behind)
        self.assertNotIn("unbox_i64", behind)

    def test_a_getter_runs_code(self):
        """It sees where the frame is, and what its locals are, and changes one."""

        def f(n):
            text = io.TextIOWrapper(Named())
            for i in range(n):
                x = [i]
                y = x
                frame = text.name
                z = frame is sys._getframe() and frame.f_locals["x"] is y and frame.f_locals["i"] == i
                if i % 97 == 5:
                    frame.f_locals["x"] = "changed"
                yield z and x == ("changed" if i % 97 == 5 else [i]) and y == [i]

        self.check(f, "get_attr,")

    def test_a_getter_changes_a_local(self):
        class Changing(io.BytesIO):
            @property
            def name(self):
                frame = sys._getframe(1)
                if frame.f_locals["i"] % 97 == 5:
                    frame.f_locals["x"] = line(frame)
                return 1

        def f(n):
            out = []
            text = io.TextIOWrapper(Changing())
            for i in range(n):
                x = [i]
                z = text.name
                out.append(z == 1 and x == (5 if i % 97 == 5 else [i]))
            return out

        self.check(f, "get_attr,")

    def test_exceptions(self):
        def f(n):
            out = []
            whole, detached = (io.TextIOWrapper(io.BytesIO()) for _ in range(2))
            detached.detach()
            for i in range(n):
                try:
                    z = (detached if i % 97 == 5 else whole).closed
                except ValueError as error:
                    z = [(s.name, s.lineno - f.__code__.co_firstlineno) for s in traceback.extract_tb(error.__traceback__)] == [("f", 6)]
                out.append(z is (i % 97 == 5))
            return out

        self.check(f, "get_attr,")

    def test_a_class_gets_something_else(self):
        """Its attribute is not the one in C any more; nor is that of another class."""

        def f(n, change):
            class Text(io.TextIOWrapper):
                pass

            out = []
            texts = Text(io.BytesIO()), io.TextIOWrapper(io.BytesIO())
            for i in range(n):
                if i == change:
                    Text.closed = "shut"
                out.append((texts[0].closed, texts[1].closed) == ("shut" if i >= change else False, False))
            return out

        self.check(lambda n: f(n, n))
        self.assertTrue(all(f(N, N // 2)))


class Operators(CCode):
    def test_results(self):
        def f(n):
            day = datetime.date(2020, 1, 1)
            form = "%s-%s"
            for i in range(n):
                z = form % (i, "x") == str(i) + "-x" and decimal.Decimal(i) + 1 == i + 1 and (day + datetime.timedelta(i % 9) - day).days == i % 9
                a = [i]
                b = a
                a += (j for j in (1, 2))
                yield z and b == [i, 1, 2] and (10**20 + i) % 10**9 == i and (10**20 + i) // 10**20 == 1

        self.check(f, "binary_op,")

    def test_values_stay_known(self):
        def f(n):
            total = 0
            form = "%s %s"
            for i in range(n):
                total += i
                form % (1, "x")
                total += i
            return total

        self.hot(f, N, expect=N * (N - 1), share=0.9)
        [loop] = [e.text for e in hotspur.executors(f) if "call_helper binary_op," in e.text and "jump_loop" in e.text]
        behind = loop[loop.rindex("call_helper binary_op,"):]
        self.assertNotIn("load_local", behind)
        self.assertNotIn("unbox_i64", behind)

    def test_an_operand_runs_code(self):
        class Shown:
            def __str__(self):
                frame = sys._getframe(1)
                if frame.f_locals["i"] % 97 == 5:
                    frame.f_locals["x"] = line(frame)
                return "shown"

        def f(n):
            out = []
            form, shown = "%s:%s", Shown()
            for i in range(n):
                x = [i]
                z = form % (shown, x)
                out.append(z == f"shown:[{i}]" and x == (5 if i % 97 == 5 else [i]))
            return out

        self.check(f, "binary_op,")

    def test_exceptions(self):
        def f(n):
            out = []
            for i in range(n):
                values = (i,) if i % 97 == 5 else (i, 1)
                try:
                    z = "%d %d" % values
                except TypeError as error:
                    z = line(error.__traceback__.tb_frame), error.__traceback__.tb_lineno - f.__code__.co_firstlineno
                out.append(z == ((7, 5) if i % 97 == 5 else f"{i} 1"))
            return out

        self.check(f, "binary_op,")

    def test_operands_of_other_types(self):
        """The left one has a method in Python all of a sudden, the right one one that comes first."""

        class Left:
            def __add__(self, other):
                return "left"

        class Right(decimal.Decimal):
            def __radd__(self, other):
                return "right"

        def f(n, change):
            out = []
            a, b, expected = decimal.Decimal(1), decimal.Decimal(2), 3
            for i in range(n):
                if i == change:
                    a, expected = Left(), "left"
                elif i == change + 9:
                    a, b, expected = decimal.Decimal(1), Right(2), "right"
                out.append(a + b == expected)
            return out

        self.check(lambda n: f(n, n))
        self.assertTrue(all(f(N, N // 2)))

    def test_strings_that_grow_in_place(self):
        """They are tier 1's business, as there they take linear time."""

        def f(n):
            text = ""
            for i in range(n):
                text += "x"
            return len(text)

        self.hot(f, N, expect=N, share=0.2)
        self.assertNotIn("binary_op,", describe(f))


class ContextManagers(CCode):
    def test_locks(self):
        def f(n):
            out = []
            lock, again = threading.Lock(), threading.RLock()
            for i in range(n):
                with lock, again as taken:
                    z = lock.locked() and taken is True and again._is_owned()
                out.append(z and not lock.locked() and not again._is_owned())
            return out

        self.check(f, "bind_builtin,")
        self.assertNotIn("execute", "\n".join(e.text for e in hotspur.executors(f) if "bind_builtin," in e.text))

    def test_an_exception_in_the_block(self):
        def f(n):
            out = []
            lock = threading.Lock()
            for i in range(n):
                try:
                    with lock:
                        z = 1 // (i % 97 - 5)
                except ZeroDivisionError:
                    z = None
                out.append(not lock.locked() and (z is None) == (i % 97 == 5))
            return out

        self.check(f, "bind_builtin,", share=0.4)

    def test_it_cannot_be_entered(self):
        """What has been bound then is dropped."""

        def f(n):
            out = []
            usable, closed = io.BytesIO, io.BytesIO()
            closed.close()
            for i in range(n):
                stream = closed if i % 97 == 5 else usable()
                had = sys.getrefcount(stream)
                try:
                    with stream as z:
                        had += z is stream
                    had -= z is stream
                    z = None
                except ValueError as error:
                    z = error.__traceback__.tb_lineno - f.__code__.co_firstlineno
                out.append(z == (8 if i % 97 == 5 else None) and sys.getrefcount(stream) == had and stream.closed)
            return out

        self.check(f, "bind_builtin,")

    def test_entering_runs_code(self):
        class Opened(io.BytesIO):
            @property
            def closed(self):
                frame = sys._getframe(1)
                if frame.f_code.co_name == "f" and line(frame) == 5 and frame.f_locals["i"] % 97 == 5:
                    frame.f_locals["x"] = "changed"
                return False

            def close(self):
                pass

        def f(n):
            out = []
            for i in range(n):
                x = [i]
                stream = io.TextIOWrapper(Opened())
                with stream:
                    z = x
                out.append(z == ("changed" if i % 97 == 5 else [i]))
            return out

        self.check(f, "bind_builtin,")

    def test_signals_are_served_in_the_block(self):
        """Not before, so that what is raised then leaves the block, and what was entered is left."""

        class Opened(io.BytesIO):
            # All of it in C, where nobody serves them.
            closed = property(operator.methodcaller("trip"))
            trip = bool

            def close(self):
                pass

        def handler(number, frame):
            caught.append(line(frame))

        def f(n):
            for i in range(n):
                buffer = Opened()
                stream = io.TextIOWrapper(buffer)
                buffer.trip = trip if i % 97 == 5 else bool
                with stream:
                    buffer.trip = bool; _thread.get_native_id()
                yield True

        caught = []
        trip = functools.partial(_thread.interrupt_main, signal.SIGINT)
        old = signal.signal(signal.SIGINT, handler)
        self.addCleanup(signal.signal, signal.SIGINT, old)
        self.check(f, "enter,")
        self.assertEqual(set(caught), {6})

    def test_a_class_gets_methods_in_python(self):
        def f(n, change):
            class Stream(io.BytesIO):
                pass

            out = []
            for i in range(n):
                if i == change:
                    Stream.__enter__ = lambda self: "entered"
                with Stream() as z:
                    pass
                out.append(z == "entered" if i >= change else z.closed)
            return out

        self.check(lambda n: f(n, n))
        self.assertTrue(all(f(N, N // 2)))
