"""Elements of arrays and bytearrays, and ranges that are iterated over. Run under `hotspur` with tier 2 on."""

import array
import os
import sys
import unittest
import weakref

import hotspur
from support import Tier2Case, describe

N = 400

RANGES = {"b": 8, "B": 8, "h": 16, "H": 16, "i": 32, "I": 32, "l": 64, "q": 64}


def limits(typecode):
    """The least and the greatest number that an array of this type holds; of the widest, those that a trace computes with."""
    bits = min(RANGES[typecode], 60)
    if typecode.isupper():
        return 0, (1 << bits) - 1
    return 1 - (1 << (bits - 1)), (1 << (bits - 1)) - 1


class ArrayCase(Tier2Case):
    def executes(self, function):
        """How many instructions the function's executors leave to tier 1, those of its loop only."""
        texts = [e.text for e in hotspur.executors(function) if "\nloop (" in e.text]
        self.assertTrue(texts, describe(function))
        return sum(text.count(" execute ") for text in texts)


class Elements(ArrayCase):
    def test_doubles(self):
        def f(a, b, n):
            total = 0.0
            for i in range(n):
                total += a[i]
                b[i] = total
                b[-1] = i
                b[i - n] += 0.5
            return total, len(b)

        a = array.array("d", [i + 0.5 for i in range(N)])
        for typecode in "df":
            b = array.array(typecode, bytes(8 * N))
            length = len(b)
            expect = sum(a)
            self.hot(f, a, b, N, expect=(expect, length), share=0.9)
            self.assertEqual(b[0], 1.0 if length == N else 0.5)
            self.assertEqual(b[-1], N - 0.5)
        self.assertEqual(self.executes(f), 0, describe(f))

    def test_singles_are_rounded(self):
        def f(a, x, n):
            same = 0
            for i in range(n):
                a[i] = x
                same += a[i] == x
            return same

        a = array.array("f", bytes(4 * N))
        self.hot(f, a, 0.5, N, expect=N)
        self.assertEqual(f(a, 0.1, N), 0)
        self.assertEqual(a[0], array.array("f", [0.1])[0])
        self.assertEqual(f(a, 1e300, N), 0)
        self.assertEqual(a[3], float("inf"))

    def test_integers(self):
        for typecode in RANGES:
            least, greatest = limits(typecode)

            def f(a, n):
                total = 0
                for i in range(n):
                    total += a[i % 4] + len(a)
                    a[3] = i & 63
                return total

            a = array.array(typecode, [least, greatest, 1, 0])
            expect = sum([least, greatest, 1, i - 1 & 63][i % 4] + 4 for i in range(N))
            with self.subTest(typecode):
                self.hot(f, a, N, expect=expect)
                self.assertEqual(self.executes(f), 0, describe(f))

    def test_bytearrays(self):
        def f(data, n):
            total = 0
            for i in range(n):
                total += data[i] + len(data)
                data[i] = i & 0xFF
            return total

        data = bytearray(N)
        f(data, N)
        self.hot(f, data, N, expect=sum(i & 0xFF for i in range(N)) + N * N)
        self.assertEqual(self.executes(f), 0, describe(f))
        # What is cut off in front stays in memory.
        del data[:5]
        self.assertEqual(f(data, 10), sum(range(5, 15)) + 10 * len(data))
        self.assertEqual(list(data[:10]), list(range(10)))

    def test_what_does_not_fit_is_refused(self):
        for make, good, bad, error in [
            (lambda: array.array("b", bytes(8)), 127, 128, OverflowError),
            (lambda: array.array("H", bytes(16)), 65535, -1, OverflowError),
            (lambda: array.array("q", bytes(64)), 1 << 59, 1 << 63, OverflowError),
            (lambda: array.array("q", bytes(64)), 5, 5.0, TypeError),
            (lambda: array.array("d", bytes(64)), 5.0, "5", TypeError),
            (lambda: array.array("d", bytes(64)), 5, 1 << 2000, OverflowError),
            (lambda: bytearray(8), 255, 256, ValueError),
            (lambda: bytearray(8), 0, -1, ValueError),
        ]:

            def f(a, x, n):
                for i in range(n):
                    a[i & 7] = x
                return a[7]

            a = make()
            with self.subTest(type(a), bad=bad):
                self.hot(f, a, good, N, expect=good)
                try:
                    f(a, bad, N)
                except error as e:
                    self.assertEqual(e.__traceback__.tb_next.tb_lineno, f.__code__.co_firstlineno + 2)
                else:
                    self.fail(f"{error} is not raised")
                self.assertEqual(a[0], good)
                self.assertEqual(f(a, good, N), good)

    def test_values_with_methods_of_their_own(self):
        seen = []

        class Index:
            def __index__(self):
                seen.append(sys._getframe(1).f_locals["i"])
                return 3

        class Float:
            def __float__(self):
                seen.append(sys._getframe(1).f_locals["i"])
                return 2.5

        def f(a, index, x, n):
            for i in range(n):
                a[index] = x
            return a[index]

        a = array.array("d", bytes(64))
        self.hot(f, a, 1, 1.5, N, expect=1.5)
        self.assertEqual(f(a, Index(), 1.0, 3), 1.0)
        self.assertEqual(seen, [0, 1, 2, 2])
        seen.clear()
        self.assertEqual(f(a, 2, Float(), 3), 2.5)
        self.assertEqual(seen, [0, 1, 2])
        self.assertEqual(f(a, 2, True, 3), 1.0)

    def test_out_of_bounds(self):
        def f(a, start, n):
            total = 0
            try:
                for i in range(n):
                    total += a[start + i]
            except IndexError as e:
                return total, i, str(e)
            return total, i, None

        for a in (array.array("i", range(N)), bytearray(i & 0xFF for i in range(N))):
            whole = sum(a)
            self.hot(f, a, 0, N, expect=(whole, N - 1, None))
            _, i, message = f(a, 1, N)
            self.assertEqual(i, N - 1)
            self.assertIn("index out of range", message)
            self.assertEqual(f(a, -N, N), (whole, N - 1, None))
            self.assertEqual(f(a, -N - 1, 2)[1], 0)

    def test_an_array_that_grows_and_moves(self):
        def f(a, n):
            total = 0
            for i in range(n):
                a[i] = i
                total += a[-1] + a[i] + len(a)
                a.append(7)
            return total

        for make in (lambda: array.array("q", [1, 2]), lambda: bytearray([1, 2])):
            expect = 2 + 0 + 2 + sum(7 + i + i + 2 for i in range(1, 100))
            for _ in range(20):
                a = make()
                self.assertEqual(f(a, 100), expect)
            self.assertEqual(list(a), list(range(100)) + [7, 7])

    def test_an_array_that_other_code_changes(self):
        a = array.array("d", [1.0, 2.0, 3.0, 4.0])

        class Shrinks:
            armed = False

            def __del__(self):
                if self.armed:
                    del a[2:]

        def f(a, n, last):
            total = 0.0
            for i in range(n):
                total += a[3]
                x = Shrinks()
                x.armed = i == last
                x = None
                total += a[3]
            return total

        self.hot(f, a, N, -1, expect=8.0 * N, share=0)
        with self.assertRaisesRegex(IndexError, "array index out of range"):
            f(a, N, N - 1)
        self.assertEqual(len(a), 2)

    def test_buffers_of_an_array_see_stores(self):
        def f(a, view, n):
            total = 0
            for i in range(n):
                a[i & 3] = i & 0x7F
                total += view[i & 3]
                view[1] = 5
                total += a[1]
            return total

        expect = sum((i & 0x7F) + 5 for i in range(N))
        for a in (array.array("B", bytes(4)), bytearray(4)):
            with memoryview(a) as view:
                self.hot(f, a, view, N, expect=expect, share=0)
                with self.assertRaises(BufferError):
                    a.append(1)
            a.append(1)

    def test_the_same_array_twice(self):
        def f(a, b, n):
            total = 0.0
            for i in range(1, n):
                a[i] = b[i - 1] + 1.0
                total += b[i] + a[0]
                b[0] = total
            return total

        def reference(a, b, n):
            total = 0.0
            i = 1
            while i < n:
                a[i] = b[i - 1] + 1.0
                total += b[i] + a[0]
                b[0] = total
                i += 1
            return total

        for same in (False, True, False):
            for _ in range(6):
                a = array.array("d", bytes(8 * N))
                b = a if same else array.array("d", bytes(8 * N))
                numbers = [0.0] * N
                self.assertEqual(f(a, b, N), reference(numbers, numbers if same else [0.0] * N, N))

    def test_subclasses(self):
        class Doubled(array.array):
            def __getitem__(self, i):
                return 2 * super().__getitem__(i)

            def __len__(self):
                return 1

        class Plain(array.array):
            pass

        def f(a, n):
            total = 0
            for i in range(n):
                total += a[i & 3] + len(a)
            return total

        numbers = [1, 2, 3, 4]
        expect = sum(numbers[i & 3] for i in range(N))
        self.hot(f, array.array("i", numbers), N, expect=expect + 4 * N)
        self.assertEqual(f(Doubled("i", numbers), N), 2 * expect + N)
        self.assertEqual(f(Plain("i", numbers), N), expect + 4 * N)
        # Other typecodes are other elements.
        self.assertEqual(f(array.array("q", numbers), N), expect + 4 * N)
        self.assertEqual(f(array.array("d", numbers), N), float(expect + 4 * N))
        self.assertEqual(f(array.array("Q", [1 << 63] * 4), N), (1 << 63) * N + 4 * N)
        self.assertEqual(f(numbers, N), expect + 4 * N)

    def test_arrays_die_when_they_are_dropped(self):
        log = []

        def f(n):
            total = 0
            for i in range(n):
                a = array.array("i", [i, i])
                a[1] = 3
                r = weakref.ref(a, lambda _: log.append(i))
                total += a[0] + a[1]
                a = None
            return total

        for _ in range(8):
            log.clear()
            self.assertEqual(f(N), sum(range(N)) + 3 * N)
            self.assertEqual(log, list(range(N)))


class Ranges(ArrayCase):
    def test_nested(self):
        def f(n):
            total = 0
            for i in range(n):
                for j in range(i):
                    total += 1
                for j in range(i, n, 7):
                    total += j
                for j in range(n, i, -3):
                    total -= j
                for j in range(3, 3):
                    total += 1000
            return total

        n = 60
        expect = sum(i + sum(range(i, n, 7)) - sum(range(n, i, -3)) for i in range(n))
        self.hot(f, n, expect=expect, share=0.9)

    def test_large_and_odd_arguments(self):
        class Index:
            def __init__(self, n):
                self.n = n

            def __index__(self):
                return self.n

        def f(start, stop, step, n):
            total = 0
            for _ in range(n):
                for i in range(start, stop, step):
                    total += i
            return total

        def expected(start, stop, step):
            return N * sum(list(range(start, stop, step)))

        self.hot(f, 0, 5, 2, N, expect=expected(0, 5, 2))
        large = 1 << 62
        for args in [
            (5, 0, -2),
            (0, 0, 1),
            (large, large + 3, 1),
            (-large - 2, -large, 1),
            (-large * 8, -large * 8 + 2, 1),
            (0, large, large - 1),
            (0, -large, -large),
            (True, 3, True),
            (Index(1), Index(9), Index(3)),
        ]:
            with self.subTest(args):
                self.assertEqual(f(*args, N), expected(*args))
        for args, error in [((0, 5, 0), ValueError), ((0, 5.0, 1), TypeError), ((0, "a", 1), TypeError)]:
            with self.subTest(args), self.assertRaises(error):
                f(*args, N)

    def test_what_is_seen_of_a_range_that_is_made(self):
        def f(n):
            r = None
            for i in range(n):
                r = range(i, n, 3)
                for _ in r:
                    break
            return r, r.start, r.stop

        self.hot(f, N, expect=(range(N - 1, N, 3), N - 1, N), share=0)

    def test_reversed(self):
        def f(start, stop, step, n):
            total = 0
            for k in range(n):
                for i in reversed(range(start, stop, step)):
                    total = total * 3 + i + k & 0xFFFFFF
            return total

        def seen(start, stop, step, n):
            it = None
            for _ in range(n):
                it = reversed(range(start, stop, step))
            return it.__reduce__()

        def expect(start, stop, step):
            total = 0
            for k in range(N):
                numbers = list(range(start, stop, step))
                while numbers:
                    total = total * 3 + numbers.pop() + k & 0xFFFFFF
            return total

        self.hot(f, 2, 9, 3, N, expect=expect(2, 9, 3), share=0.9)
        # Neither the range nor `reversed` is left to C.
        self.assertNotIn("quiet_call", describe(f))
        self.assertTrue(any("new_range_iter" in e.text for e in hotspur.executors(f)), describe(f))
        self.hot(seen, 2, 9, 3, N, expect=reversed(range(2, 9, 3)).__reduce__(), share=0.5)
        large = 1 << 62
        small = [(9, 2, -3), (0, 0, 1), (5, 0, 2), (0, 1, 9), (True, 4, True)]
        for args in [*small, (large, large + 3, 2), (-large - 2, -large, 1)]:
            with self.subTest(args):
                self.assertEqual(f(*args, N), expect(*args))
                self.assertEqual(seen(*args, N), reversed(range(*args)).__reduce__())
        with self.assertRaises(ValueError):
            f(0, 5, 0, N)

    def test_reversed_is_something_else(self):
        def f(n, reversed):
            total = 0
            for _ in range(n):
                for j in reversed(range(3)):
                    total = total * 3 + j & 0xFFFF
            return total

        forward, backward = f(N, list), 0
        for _ in range(N):
            for j in 2, 1, 0:
                backward = backward * 3 + j & 0xFFFF
        self.hot(f, N, reversed, expect=backward)
        self.assertEqual(f(N, list), forward)

    def test_another_range(self):
        def f(n, range):
            total = 0
            for i in range(n):
                for j in range(3):
                    total += j
            return total

        self.hot(f, N, range, expect=3 * N)
        self.assertEqual(f(N, lambda n: [1] * n), 3 * N)

    def test_an_iterator_left_in_the_middle(self):
        def f(n, at):
            for i in range(n):
                for j in range(10):
                    if i * 10 + j == at:
                        return sys._getframe().f_locals["j"], i
            return None

        self.hot(f, N, 10 * N - 1, expect=(9, N - 1), share=0.8)
        self.assertEqual(f(N, 1234), (4, 123))

    def test_a_loop_whose_rounds_are_a_multiple_of_the_threshold(self):
        """Recording that begins just where the loop ends would record its end only."""

        def f(n):
            total = 0
            for i in range(n):
                for j in range(50):
                    total += j
            return total

        counts = self.hot(f, N, expect=N * sum(range(50)), share=0.9)
        if "HOTSPUR_BACK_EDGE_THRESHOLD" not in os.environ:
            self.assertLess(counts["runs"], 10 * N, describe(f))


class Floats(ArrayCase):
    def test_float_of_a_float(self):
        def f(x, n):
            same = 0
            for _ in range(n):
                same += float(x) is x
            return same

        self.hot(f, 0.5, N, expect=N)
        self.assertEqual(f(5, N), 0)

        class Other(float):
            pass

        self.assertEqual(f(Other(1.0), N), 0)

    def test_ints_of_two_digits(self):
        def f(x, k, n):
            total = 0.0
            for _ in range(n):
                total += x + k
                total -= k * x
                total += x / k
                total += k / x
            return total

        def expected(x, k):
            total = 0.0
            i = 0
            while i < N:
                total += x.__add__(k)
                total -= x.__mul__(k)
                total += x.__truediv__(k)
                total += x.__rtruediv__(k)
                i += 1
            return total

        for x, k in [(0.1, 2**31 - 1), (3.0, -(2**59) + 1), (1e-5, 2**53 + 1)]:
            self.hot(f, x, k, N, expect=expected(x, k))
        # The quotient of two ints is another matter.
        x, k = 2**59 - 1, 2**58 + 1
        self.assertEqual(f(x, k, 1), 0.0 + (x + k) - k * x + x / k + k / x)


class Bytes(Tier2Case):
    def test_items(self):
        def f(n, b, step):
            total = 0
            kept = []
            for i in range(n):
                x = b[(i * step) % len(b)]
                total += x + b[-1]
                kept.append(x)
                if x == 255:
                    kept = [x]
            return total, kept[-3:]

        for b in bytes(range(250)), bytes([7, 255]), b"x":
            for step in 1, -7:
                indices = [i * step % len(b) for i in range(N)]
                expect = sum(b[i] + b[-1] for i in indices), f(3 + 2 * len(b), b, step)[1]
                self.hot(f, N, b, step, expect=(expect[0], f(N, b, step)[1]), share=0.9)
        text = describe(f)
        self.assertIn("inner_elements", text)
        self.assertNotIn("lookup", text)
        for wrong in bytes(2), bytearray(b"abcd"), Sub(b"abcd"), [1, 2, 3, 4]:
            self.assertEqual(f(50, wrong, 1)[0], sum(wrong[i % len(wrong)] + wrong[-1] for i in range(50)))

    def test_beyond_the_end(self):
        def f(n, b, at):
            total = 0
            for i in range(n):
                total += b[at]
            return total

        b = b"abc"
        for at in 2, -3:
            self.hot(f, N, b, at, expect=N * b[at], share=0.9)
            for wrong in 3, -4, 1 << 70:
                with self.assertRaises(IndexError):
                    f(5, b, wrong)
            self.assertEqual(f(5, b, True), 5 * b[1])
            with self.assertRaises(TypeError):
                f(5, b, 1.0)


class Sub(bytes):
    pass


if __name__ == "__main__":
    unittest.main()
