"""How arguments become locals: keywords in dictionaries, defaults of parameters that are passed by keyword only, arguments in tuples."""

import abc
import os
import re
import sys

import hotspur
from support import FollowedCase, describe, dying
from test_like_stock import LikeStock

N = 3000


def passing_on(target):
    def outer(*args, **keywords):
        return target(*args, **keywords)

    return outer


class Target:
    def __init__(self, n):
        self.n = n

    def add(self, a, b=2, *, c=3):
        return self.n + a + b + c

    def pass_on(self, a, *args, **keywords):
        return self.add(a, *args, **keywords)


class Lowered(FollowedCase):
    def lowered(self, function, *args, expect, followed=True):
        """Nothing in the function's executors is left to tier 1."""
        # What is recorded before tier 1 has specialized it, because it paused or something else was recorded, is another matter.
        for last in False, False, True:
            if followed:
                self.followed(function, *args, expect=expect)
            else:
                self.hot(function, *args, expect=expect, share=0.9)
            if "HOTSPUR_BACK_EDGE_THRESHOLD" in os.environ:
                return
            executors = hotspur.executors(function)
            self.assertTrue(executors)
            left = [executor for executor in executors if re.search(r"\bexecute\b", executor.text)]
            if not left:
                return
            self.assertFalse(last, describe(function))
            for executor in left:
                hotspur._hotspur.remove_executors(executor.number)


class Followed(Lowered):
    def test_keyword_only_defaults(self):
        def g(a, *, b=1, c):
            return a + b + c

        def f(n):
            total = 0
            for i in range(n):
                total += g(i, c=2) + g(1, b=i, c=0)
            return total

        self.lowered(f, N, expect=sum(range(N)) * 2 + 4 * N)

    def test_what_was_in_a_dictionary_of_defaults_is_no_constant(self):
        """Nobody is told when it changes, so it is looked at: values, and which keys there are."""

        def g(a, *, b=1, c=10):
            return a + b + c

        def f(n):
            total = 0
            for i in range(n):
                total += g(i)
            return total

        self.lowered(f, N, expect=sum(range(N)) + 11 * N)
        defaults = g.__kwdefaults__
        defaults["b"] = 5
        self.assertEqual(f(N), sum(range(N)) + 15 * N)
        defaults["d"] = 7
        self.assertEqual(f(N), sum(range(N)) + 15 * N)
        del defaults["b"]
        self.assertRaisesRegex(TypeError, "missing 1 required keyword-only argument: 'b'", f, N)
        g.__kwdefaults__ = {"b": 2, "c": 3}
        self.assertEqual(f(N), sum(range(N)) + 5 * N)
        g.__kwdefaults__ = None
        self.assertRaisesRegex(TypeError, "missing 2 required keyword-only arguments", f, N)

    def test_a_default_that_changes_in_the_loop(self):
        def g(defaults, i, *, b=0):
            defaults["b"] = i
            return b

        def f(n):
            total = 0
            g.__kwdefaults__["b"] = 0
            for i in range(n):
                total += g(g.__kwdefaults__, i)
            return total

        self.hot(f, N, expect=sum(range(N - 1)))

    def test_keywords_in_a_dictionary(self):
        def g(a, /, b=2, **keywords):
            return a + b + sum(keywords.values()) + len(keywords)

        def f(n):
            total = 0
            for i in range(n):
                total += g(i) + g(1, c=i) + g(0, b=1, a=i)
            return total

        self.lowered(f, N, expect=3 * sum(range(N)) + 2 * N + 4 * N + 2 * N)

    def test_each_call_has_a_dictionary_of_its_own(self):
        def g(**keywords):
            keywords["x"] = keywords.get("x", 0) + 1
            return keywords

        def f(n):
            seen = []
            for i in range(n):
                seen.append(g())
                seen.append(g(x=i, y=2))
            return seen

        expect = [made for i in range(N) for made in ({"x": 1}, {"x": i + 1, "y": 2})]
        self.hot(f, N, expect=expect)
        self.assertEqual(list(f(N)[-1]), ["x", "y"])
        self.assertEqual(len({id(made) for made in f(N)}), 2 * N)

    def test_the_same_object_under_several_names(self):
        def g(first, **keywords):
            return first is keywords["a"] and keywords["a"] is keywords["b"]

        def f(n):
            for i in range(n):
                x = [i]
                if not g(x, a=x, b=x) or not g(g, a=g, b=g):
                    return False
            return sys.getrefcount(x)

        self.followed(f, N, expect=2)

    def test_arguments_that_are_passed_on(self):
        def g(a, b=2, *rest, c=3):
            return a + b + c + len(rest)

        through = passing_on(g)

        def f(n):
            total = 0
            for i in range(n):
                total += through(i) + through(i, 1) + through(1, 2, 3)
            return total

        self.lowered(f, N, expect=2 * sum(range(N)) + (5 + 4 + 7) * N)

    def test_methods_that_arguments_are_passed_on_to(self):
        def f(n):
            target, total = Target(1), 0
            for i in range(n):
                total += target.pass_on(i) + target.pass_on(i, 0)
            return total

        self.lowered(f, N, expect=2 * sum(range(N)) + (6 + 4) * N)

    def test_keywords_that_are_passed_on(self):
        """What is in the dictionary depends on the call, so these are left to tier 1; and so is what is not there this time."""

        def f(n):
            target, total = Target(1), 0
            for i in range(n):
                total += target.pass_on(i, c=4) if i % 3 == 0 else target.pass_on(i)
            return total

        self.hot(f, N, expect=sum(range(N)) + 7 * (N // 3) + 6 * (N - N // 3))

    def test_c_code_with_arguments_in_a_tuple(self):
        class Empty:
            pass

        def new(cls, *args):
            return cls.__new__(cls, *args)

        def f(n):
            args, none = (3, 7), ()
            for i in range(n):
                if type(new(Empty)) is not Empty or max(*args, i) != max(7, i) or len(dict(*none)):
                    return i
            return n

        self.lowered(f, N, expect=N, followed=False)

    def test_c_code_of_several_types(self):
        """The second trace begins at the call, with its operands in memory."""

        class Empty:
            pass

        def new(cls):
            return object.__new__(cls)

        def f(n, function, arguments):
            total = 0
            for i in range(n):
                result = function(*arguments)
                total += 1 if type(result) is Empty else len(result)
            return total

        before = hotspur.stats()["traces"]["aborted"].get("verifier_failed", 0)
        self.hot(f, N, new, (Empty,), expect=N)
        self.hot(f, N, Empty, (), expect=N)
        self.hot(f, N, bytes.partition, (b"a", b"b"), expect=3 * N)
        self.assertEqual(hotspur.stats()["traces"]["aborted"].get("verifier_failed", 0), before)

    def test_c_code_that_raises(self):
        def f(n):
            args, caught = (1, 2), 0
            for i in range(n):
                try:
                    divmod(*args, *(() if i % 500 else (3,)))
                except TypeError:
                    caught += 1
            return caught

        self.hot(f, N, expect=N // 500)

    def test_tuples_of_other_lengths(self):
        def g(*args):
            return len(args)

        def f(n, all_arguments):
            total = 0
            for i in range(n):
                total += g(*all_arguments[i % len(all_arguments)])
            return total

        self.hot(f, N, [(1, 2)], expect=2 * N)
        self.assertEqual(f(N, [(1, 2), (), (1,), [1, 2, 3]]), 6 * N // 4)

    def test_functions_that_are_made_again_with_other_defaults(self):
        """They have the same code, and so the same version."""

        def make(i):
            class C:
                def m(self, x=i):
                    return x

                def k(self, *, x=i):
                    return x

            return C()

        def f(n, by_keyword):
            total = 0
            for i in range(n):
                made = make(i & 3)
                method = made.k if by_keyword else made.m
                for _ in range(5):
                    total += method()
            return total

        for by_keyword in False, True:
            self.hot(f, N // 5, by_keyword, expect=sum(i & 3 for i in range(N // 5)) * 5, share=0)

    def test_classes_with_keywords(self):
        class C:
            def __init__(self, a, b=2, *, c=3):
                self.total = a + b + c

        def f(n):
            total = 0
            for i in range(n):
                total += C(i, b=1).total + C(a=1, c=i).total
            return total

        self.lowered(f, N, expect=2 * sum(range(N)) + 7 * N)
        if "HOTSPUR_BACK_EDGE_THRESHOLD" not in os.environ:
            for executor in hotspur.executors(f):
                self.assertNotIn("call_kw", executor.text, "made by C code")

    def test_classes_that_collect_keywords(self):
        class C:
            def __init__(self, *args, **keywords):
                self.args = args
                self.keywords = keywords

        def f(n):
            total = 0
            for i in range(n):
                made = C(i, x=i, y=2)
                total += made.args[0] + made.keywords["x"] + len(made.keywords)
            return total

        self.followed(f, N, expect=2 * sum(range(N)) + 2 * N)

    def test_classes_whose_initializer_has_other_parameters(self):
        class C:
            def __init__(self, *args):
                self.args = args

        class D:
            def __init__(self, a, *, b=1):
                self.a = a + b

        def f(n):
            total = 0
            for i in range(n):
                total += len(C(i, 1).args) + len(C().args) + D(i).a
            return total

        self.lowered(f, N, expect=sum(range(N)) + 3 * N)

    def test_metaclasses(self):
        class Meta(abc.ABCMeta):
            pass

        class C(metaclass=Meta):
            def __init__(self, a):
                self.a = a

        class D(metaclass=Meta):
            def __init__(self, a, *, b=1):
                self.a = a + b

        def f(n):
            total = 0
            for i in range(n):
                total += C(i).a + D(i).a + D(a=i, b=2).a
            return total

        self.lowered(f, N, expect=3 * sum(range(N)) + 3 * N)
        # Of this the classes' versions do not tell.
        Meta.__call__ = lambda cls, a, **keywords: type.__call__(cls, -a, **keywords)
        self.assertEqual(f(N), -3 * sum(range(N)) + 3 * N)

    def test_another_initializer(self):
        class C:
            def __init__(self, *, a):
                self.a = a

        def f(n):
            total = 0
            for i in range(n):
                total += C(a=i).a
            return total

        self.followed(f, N, expect=sum(range(N)))
        C.__init__ = lambda self, *, a: setattr(self, "a", -a)
        self.assertEqual(f(N), -sum(range(N)))
        C.__new__ = lambda cls, *, a: object.__new__(cls)
        C.__init__ = lambda self, *, a: setattr(self, "a", 1)
        self.assertEqual(f(N), N)

    def test_built_in_classes_with_keywords(self):
        def f(n):
            total = 0
            for i in range(n):
                total += len(dict(a=i, b=2)) + int(str(object=i), base=36)
            return total

        self.lowered(f, N, expect=2 * N + sum(int(str(i), 36) for i in range(N)), followed=False)

    def test_deaths(self):
        log = []
        Dying = dying(log, lambda variables: ())

        def g(a, **keywords):
            keywords.clear()
            log.append("cleared")
            return a

        def f(n):
            for i in range(n):
                g(i, x=Dying(i))
                log.append("returned")

        for _ in range(6):
            log.clear()
            f(N)
            self.assertEqual(len(log), 3 * N)
            self.assertEqual(log[1::3], ["cleared"] * N)
            self.assertEqual(log[2::3], ["returned"] * N)


class ArgumentsLikeStock(LikeStock):
    def test_calls_that_are_refused(self):
        self.check("""
def plain(a, *, b=1): return a, b
def rest(a, /, *args, b=1, **keywords): return a, args, b, sorted(keywords.items())
class C:
    def m(self, a, *, b=5, **keywords): return a, b, sorted(keywords.items())
    def __init__(self, *args, **keywords): self.args = args, keywords
    def __call__(self, *args, x=3, **keywords): return args, x, keywords
def outcome(call):
    try:
        return call()
    except (TypeError, ValueError) as error:
        return str(error)
def passed(*args, **keywords): return rest(*args, **keywords)
calls = [
    lambda: plain(1), lambda: plain(1, b=2), lambda: plain(1, c=2), lambda: plain(), lambda: plain(1, 2), lambda: plain(1, a=2),
    lambda: rest(1), lambda: rest(1, 2, b=3), lambda: rest(1, a=2), lambda: rest(a=2), lambda: rest(1, c=2, d=3),
    lambda: C().m(1), lambda: C().m(1, c=2), lambda: C().m(1, a=2), lambda: C(1, x=2).args, lambda: C().args, lambda: C()(1), lambda: C()(x=2, y=3),
    lambda: passed(1), lambda: passed(1, b=2), lambda: passed(), lambda: passed(b=2), lambda: plain(*(1,)), lambda: plain(*()), lambda: plain(*(1,), **{}),
    lambda: int(*("12",)), lambda: int(*("1", 99)), lambda: len(*()), lambda: C.m(*(C(), 1)), lambda: C().m(*(1,)), lambda: C().m(*()), lambda: list(*((1, 2),)),
]
seen = []
for i in range(200):
    seen = [outcome(call) for call in calls]
for result in seen:
    print(result)
""")

    def test_instances_made_with_keywords(self):
        """What is wrong with the call, `__init__` or the instance, and who sees what meanwhile."""
        self.check("""
import sys
log = []
class Plain:
    def __init__(self, a, *, b=1): self.a = a, b
class Returns:
    def __init__(self, a): return a
class Generates:
    def __init__(self, a): yield a
class Raises:
    def __init__(self, a): raise ValueError(a)
    def __del__(self): log.append(("dead", sorted(self.__dict__)))
class Looks:
    def __init__(self, a):
        frame = sys._getframe(1)
        self.seen = frame.f_code.co_name, frame.f_lineno - frame.f_code.co_firstlineno, a
class Changes:
    def __init__(self, a): self.__class__ = Plain
class Own:
    def __new__(cls, a): return a
    def __init__(self, a): self.never = a
class Meta(type):
    def __call__(cls, **keywords): return cls.__name__, keywords
class OfMeta(metaclass=Meta): pass
class Abstract(__import__("abc").ABC):
    @__import__("abc").abstractmethod
    def m(self): pass
    def __init__(self, a): pass
class Static:
    @staticmethod
    def __init__(a): log.append(a)
class Counted(int):
    def __init__(self, x, base=10): self.extra = base
def describe(error):
    names, traceback = [], error.__traceback__
    while traceback:
        names.append((traceback.tb_frame.f_code.co_name, traceback.tb_lineno - traceback.tb_frame.f_code.co_firstlineno))
        traceback = traceback.tb_next
    return type(error).__name__, str(error), names
def outcome(call):
    try:
        result = call()
        return type(result).__name__, getattr(result, "a", None), getattr(result, "seen", None)
    except Exception as error:
        return describe(error)
calls = [
    lambda: Plain(a=1), lambda: Plain(1, b=2), lambda: Plain(1, 2), lambda: Plain(b=2), lambda: Plain(1, a=2), lambda: Plain(a=1, c=2),
    lambda: Returns(a=None), lambda: Returns(a=5), lambda: Generates(a=1), lambda: Raises(a=1), lambda: Raises(b=1),
    lambda: Looks(a=2), lambda: Changes(a=1), lambda: Own(a=3), lambda: OfMeta(a=4), lambda: Abstract(a=1), lambda: Static(a=1),
    lambda: Counted("12", base=8), lambda: object(a=1), lambda: dict(a=1), lambda: type(name=1), lambda: Plain(**{"a": 1, "b": 5}),
]
seen = []
for i in range(200):
    log.clear()
    seen = [outcome(call) for call in calls]
for result in seen:
    print(result)
print(log)
def deep(n): return Deep(n=n - 1).n if n else 0
class Deep:
    def __init__(self, n): self.n = deep(n) + 1
for i in range(100):
    result = deep(50)
print(result)
sys.setrecursionlimit(400)
for i in range(20):
    try:
        deep(10000)
    except RecursionError as error:
        print(str(error)[:32])
        break
""")
