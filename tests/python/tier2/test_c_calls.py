"""Calls of C functions of which nothing is known are ops of their own: other code sees frames as they are at the call, and what it changes is noticed."""

import collections.abc
import decimal
import ctypes
import functools
import operator
import re
import signal
import sys
import traceback

import hotspur
from support import Tier2Case, describe

N = 1500
reduce = functools.reduce
fromhex = bytes.fromhex


class CCalls(Tier2Case):
    def check(self, function, share=0.5, within=None, helper="call"):
        """The function, which says for each round whether all is as it should be, is called until it is hot. The call is an op in an executor."""
        self.hot(lambda n: all(function(n)), N, expect=True, share=share)
        within = within or function
        texts = [executor.text for executor in hotspur.executors(within)]
        self.assertTrue(any(f"call_helper {helper}," in text for text in texts), describe(within))

    def test_results(self):
        def f(n):
            for i in range(n):
                yield fromhex("0a") == b"\n" and "{}-{}".format(i, "x") == str(i) + "-x"

        self.check(f)

    def test_keywords(self):
        def key(x):
            return -x + sys._getframe(1).f_locals["i"]

        def f(n):
            for i in range(n):
                yield int("1f", base=16) == 31 and sorted([i, i + 2, i + 1], key=key, reverse=False) == [i + 2, i + 1, i]

        self.check(f, helper="call_kw")

    def test_keywords_that_are_refused(self):
        def f(n):
            out = []
            for i in range(n):
                try:
                    z = int("1f", base=16 if i % 97 != 5 else 1)
                except ValueError:
                    z = i
                out.append(z == (i if i % 97 == 5 else 31))
            return out

        # What has raised while it was recorded is left to tier 1.
        self.hot(lambda n: all(f(n)), N, expect=True, share=0.5)

    def test_conventions(self):
        """Functions and methods of every calling convention, with as many arguments as they want and with others."""

        class Text(str):
            pass

        self.addCleanup(sys.setrecursionlimit, sys.getrecursionlimit())
        text, sub, data = "some text", Text("some text"), bytearray(b"abc")
        calls = [
            (str.title, (text,), (text, 1)),  # METH_NOARGS
            (text.title, (), (1,)),
            (str.title, (sub,), (data,)),
            (str.count, (text, "e"), (text,)),  # METH_FASTCALL
            (text.count, ("e",), ()),
            (str.count, (sub, "e"), (1, "e")),
            (bytes.fromhex, ("0a",), ()),  # METH_O and METH_CLASS
            (str.maketrans, ("a", "b"), ()),  # METH_STATIC
            (data.__contains__, (97,), ()),  # METH_O
            (operator.itemgetter(0).__call__, ("xy",), ()),
            (str.split, (text, "e", 1), (text, 1, 2, 3)),  # METH_FASTCALL | METH_KEYWORDS
            (text.split, ("e",), (1,)),
            (str.format, ("{}", 1), ()),  # METH_VARARGS | METH_KEYWORDS
            ("{}".format, (1,), ()),
            (complex, ("1+2j",), ("x",)),
            (frozenset, ((1, 2),), (1,)),
        ]

        def f(call, right, wrong, n):
            out = []
            for i in range(n):
                try:
                    out.append(call(*(wrong if i % 50 == 49 else right)))
                except (TypeError, ValueError, IndexError) as error:
                    out.append(type(error).__name__ + str(error))
            return out

        def g(call, right, n):
            out = []
            if len(right) == 0:
                for _ in range(n):
                    out.append(call())
            elif len(right) == 1:
                [a] = right
                for _ in range(n):
                    out.append(call(a))
            elif len(right) == 2:
                a, b = right
                for _ in range(n):
                    out.append(call(a, b))
            else:
                a, b, c = right
                for _ in range(n):
                    out.append(call(a, b, c))
            return out

        for call, right, wrong in calls:
            try:
                refusal = call(*wrong)
            except (TypeError, ValueError, IndexError) as error:
                refusal = type(error).__name__ + str(error)
            result = call(*right)
            for _ in range(4):
                self.assertEqual(f(call, right, wrong, 200), ([result] * 49 + [refusal]) * 4)
                self.assertEqual(g(call, right, 400), [result] * 400)
        texts = [executor.text for executor in hotspur.executors(g)]
        self.assertTrue(any("call_helper call, " in text or "call_helper quiet_call, " in text for text in texts), describe(g))

    def test_other_callables(self):
        """Classes without code in Python, their instances, and methods of C that were looked up in a class."""

        class Text(str):
            pass

        class Failure(Exception):
            pass

        half = functools.partial(pow, 2)
        item = operator.itemgetter(1)

        def f(n):
            out = []
            for i in range(n):
                z = Text(i) == str(i) and Failure(i).args == (i,) and half(3) == 8 and item((1, i)) == i
                out.append(z and decimal.Decimal(i) == i and object.__str__(i) is not None)
            return out

        self.check(f)

    def test_classes_that_are_asked_for_their_instances(self):
        """By `isinstance`: their metaclass says so, in Python."""

        class Odd(type):
            def __instancecheck__(cls, number):
                if number == 5:
                    raise ValueError(number)
                if number % 97 == 5:
                    sys._getframe(1).f_locals["x"] = "changed"
                return number % 2

        class Number(metaclass=Odd):
            pass

        def f(n):
            out = []
            for i in range(6, n):
                x = [i]
                z = isinstance(x, collections.abc.Sequence) and not isinstance(i, collections.abc.Sized)
                out.append(isinstance(i, Number) is (i % 2 == 1) and z and (x == "changed" if i % 97 == 5 else x[0] == i))
            return out

        self.check(f)
        executors = [e.text for e in hotspur.executors(f) if "jump_loop" in e.text]
        self.assertTrue(executors)
        self.assertNotIn("execute ", "".join(executors))
        with self.assertRaises(ValueError):
            isinstance(5, Number)

    def test_a_callable_changes_its_kind(self):
        """What was C is Python: frames are entered, and recursion is not C's."""

        def python(a, b):
            return (a, b, sys._getframe(1).f_code.co_name)

        def f(n, change):
            out = []
            call = reduce
            for i in range(n):
                if i == change:
                    call = python
                z = call(max, (i, 1)) if i < change else call(i, 1)
                out.append(z == (max(i, 1) if i < change else (i, 1, "f")))
            return out

        self.check(lambda n: f(n, n), within=f)
        self.assertTrue(all(f(N, N // 2)))

    def test_methods_that_know_their_class(self):
        """They are not of the type that other bound methods of C are of."""
        pattern = re.compile("a(.)")

        def f(n):
            out = []
            for i in range(n):
                method = pattern.match
                other = "ab".upper
                out.append(type(method) is kind and type(other) is usual and method("ab", 0).end() == 2)
            return out

        kind, usual = type(pattern.match), type("ab".upper)
        self.assertIsNot(kind, usual)
        self.check(f)

    def test_values_stay_known(self):
        """Nothing is loaded or guarded anew because of the call, as long as it has changed nothing."""

        def f(n):
            total = 0
            for i in range(n):
                total += i
                fromhex("0a")
                total += i
            return total

        self.hot(f, N, expect=N * (N - 1), share=0.9)
        [loop] = [e.text for e in hotspur.executors(f) if "call_helper call," in e.text and "jump_loop" in e.text]
        behind = loop[loop.index("call_helper call,"):]
        self.assertNotIn("load_local", behind)
        self.assertNotIn("unbox_i64", behind)

    def test_a_local_is_changed(self):
        def change(when, _):
            if when:
                sys._getframe(1).f_locals["x"] = "changed"

        def f(n):
            for i in range(n):
                x = [i]
                y = x
                reduce(change, (i % 97 == 5, None))
                yield x == ("changed" if i % 97 == 5 else [i]) and y == [i]

        self.check(f)

    def test_a_local_is_changed_whose_object_is_an_operand(self):
        """Once on the stack, it is the old object, which nothing else refers to any more."""

        def change(when, _):
            if when:
                sys._getframe(1).f_locals["x"] = None
            return [1]

        def f(n):
            out = []
            x = None
            for i in range(n):
                x = [i]
                z = x + reduce(change, (i % 97 == 5, None))
                out.append(z == [i, 1] and x == (None if i % 97 == 5 else [i]))
            return out

        self.check(f)

    def test_a_local_is_changed_whose_object_is_passed(self):
        def change(a, b):
            if b[0] % 97 == 5:
                sys._getframe(1).f_locals["x"] = None
            return a + b

        def f(n):
            out = []
            for i in range(n):
                x = ([0], [i])
                z = reduce(change, x)
                out.append(z == [0, i] and x == (None if i % 97 == 5 else ([0], [i])))
            return out

        self.check(f)

    def test_a_callers_local_is_changed(self):
        def change(when, _):
            if when:
                sys._getframe(2).f_locals["x"] = -1
            return 1

        def g(a):
            b = a + 1
            return reduce(change, (a % 97 == 5, None)) + b

        def f(n):
            out = []
            for i in range(n):
                x = i
                z = g(i)
                out.append(z == i + 2 and x == (-1 if i % 97 == 5 else i))
            return out

        self.check(f)

    def test_frames_are_seen(self):
        def look(expected, lines):
            frame = sys._getframe(1)
            found = []
            while len(found) < 2:
                found.append((frame.f_code.co_name, frame.f_lineno - frame.f_code.co_firstlineno, frame.f_locals["a"]))
                frame = frame.f_back
            return found == [("g", 2, expected + 1), ("f", 4, expected)]

        def g(a):
            b = 1
            return reduce(look, (a - b, None))

        def f(n):
            out = []
            for i in range(n):
                a = i
                out.append(g(i + 1))
            return out

        self.check(f)

    def test_a_frame_is_kept(self):
        kept = []

        def keep(i, _):
            if i % 97 == 5:
                kept.append(sys._getframe(1))
            return i

        def g(a):
            b = a * 2
            reduce(keep, (a, None))
            b += 1
            return b

        def f(n):
            return [g(i) == 2 * i + 1 for i in range(n)]

        self.check(f)
        self.assertTrue(kept)
        for frame in kept:
            a = frame.f_locals["a"]
            self.assertEqual((frame.f_locals["b"], frame.f_code.co_name, a % 97), (2 * a + 1, "g", 5))

    def test_exceptions(self):
        def f(n):
            out = []
            for i in range(n):
                try:
                    z = fromhex("0x" if i % 97 == 5 else "0a")
                except ValueError as error:
                    z = traceback.extract_tb(error.__traceback__)
                    z = [(s.name, s.lineno - f.__code__.co_firstlineno) for s in z] == [("f", 4)]
                out.append(z is True if i % 97 == 5 else z == b"\n")
            return out

        self.check(f)

    def test_an_exception_leaves_a_callee(self):
        def g(i):
            k = [i]
            return (k, fromhex("0x" if i % 97 == 5 else "0a"))

        def f(n):
            out = []
            for i in range(n):
                try:
                    z = g(i) == ([i], b"\n")
                except ValueError as error:
                    z = error.__traceback__.tb_next.tb_frame.f_locals["k"] == [i]
                out.append(z)
            return out

        self.check(f)

    def test_a_function_is_redefined(self):
        def one():
            return 1

        def two():
            return 2

        names = {"value": one}
        exec("def f(n):\n return [value() + reduce(change, (i, n)) + value() == (4 if i == n - 1 else 2) for i in range(n)]", names)

        def change(i, n):
            names["value"] = two if i == n - 1 else one
            return 1 if i == n - 1 else 0

        def expected(n):
            names["value"] = one
            return names["f"](n)

        names.update(reduce=reduce, change=change)
        # The executors that relied on it are gone each time.
        self.hot(lambda n: all(expected(n)), N, expect=True, share=0.2)

    def test_tools_are_switched_on(self):
        events = []

        def profile(frame, event, arg):
            if event == "c_call" and arg is fromhex:
                events.append(frame.f_lineno - frame.f_code.co_firstlineno)

        def change(i, _):
            if i == N - 3:
                sys.setprofile(profile)
            return i

        def f(n):
            out = []
            for i in range(n):
                reduce(change, (i, None))
                out.append(fromhex("0a") == b"\n")
            sys.setprofile(None)
            return out

        f(N)
        events.clear()
        self.hot(lambda n: all(f(n)), N, expect=True, share=0.2)
        self.assertEqual(set(events), {4})
        self.assertEqual(len(events) % 3, 0)

    def test_signals_are_served_at_the_call(self):
        caught = []

        def handler(number, frame):
            caught.append((frame.f_code.co_name, frame.f_lineno - frame.f_code.co_firstlineno))

        # Unlike `raise_signal`, this leaves it to whoever looks next.
        interrupt = ctypes.pythonapi.PyErr_SetInterrupt

        def f(n):
            out = []
            for i in range(n):
                before = len(caught)
                interrupt()
                after = len(caught)
                out.append(after - before == 1)
            return out

        old = signal.signal(signal.SIGINT, handler)
        self.addCleanup(signal.signal, signal.SIGINT, old)
        self.check(f)
        self.assertEqual(set(caught), {("f", 4)})

    def test_recursion_through_c(self):
        def down(n, _):
            return 0 if n == 0 else 1 + reduce(down, (n - 1, None))

        def f(n):
            return [down(i % 20, None) == i % 20 for i in range(n)]

        self.check(f, within=down, share=0.3)
        with self.assertRaises(RecursionError):
            down(1_000_000, None)
        self.assertEqual(down(20, None), 20)
