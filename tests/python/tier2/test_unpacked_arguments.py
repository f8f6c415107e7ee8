"""CALL_FUNCTION_EX: arguments in tuples and dictionaries become locals, of functions, methods and `__init__`."""

import os

import hotspur
from support import describe
from test_arguments import Lowered
from test_like_stock import LikeStock

N = 3000


class Unpacked(Lowered):
    """Dictionaries of keywords."""

    def test_functions_and_methods(self):
        class C:
            def method(self, a, b=2, *, c=3, **more):
                return self, a, b, c, more

        def inner(a, b=2, *rest, c=3, **more):
            return a, b, rest, c, more

        def outer(*args, **keywords):
            return inner(*args, **keywords)

        o = C()
        method = o.method

        def f(n):
            good = 0
            for i in range(n):
                a, b, rest, c, more = outer(1, b=i)
                good += a == 1 and b == i and c == 3 and len(rest) == 0 and len(more) == 0
                a, b, rest, c, more = outer(i, c=1, d=2, e=i)
                good += a == i and b == 2 and c == 1 and len(more) == 2 and more["e"] == i
                me, a, b, c, more = method(*(i,), **{"c": i, "x": 1})
                good += me is o and a == i and b == 2 and c == i and more["x"] == 1
            return good

        self.lowered(f, N, expect=3 * N)
        texts = [executor.text for executor in hotspur.executors(f)]
        for helper in "keys_are", "keyed_item", "dict_fill":
            self.assertTrue(any(f"call_helper {helper}," in text for text in texts), describe(f))

    def test_classes(self):
        class Slots:
            __slots__ = ("args", "parent")

            def __init__(self, **args):
                self.args = args
                self.parent = None

        class Several:
            def __init__(self, a, *rest, key=None):
                self.all = a, rest, key

        def make(cls, *args, **keywords):
            return cls(*args, **keywords)

        def f(n):
            good = 0
            for i in range(n):
                args = make(Slots, this=i, that=1).args
                good += args["this"] == i and args["that"] == 1
                a, rest, key = make(Several, i, 2).all
                good += a == i and rest[0] == 2 and key is None
                a, rest, key = make(Several, *(1, i), key=3).all
                good += a == 1 and rest[0] == i and key == 3
            return good

        self.lowered(f, N, expect=3 * N)
        if "HOTSPUR_BACK_EDGE_THRESHOLD" not in os.environ:
            texts = [executor.text for executor in hotspur.executors(f)]
            self.assertFalse(any("call_helper call," in text for text in texts), describe(f))


class UnpackedLikeStock(LikeStock):
    def test_what_does_not_fit(self):
        self.check("""
import sys, traceback, zlib
log = []
class C:
    def __init__(self, a, b=2, *rest, c=3, **more):
        self.v = a, b, rest, c, more
        if a == 13: raise ValueError("thirteen")
        if a == 14: return 5
    def __del__(self): log.append(getattr(self, "v", "none")[0:2])
class D:
    def __init__(self, a): self.v = a, sys._getframe(1).f_code.co_name, sys._getframe(1).f_lineno - make.__code__.co_firstlineno
class Positional:
    def __init__(self, a, /, b, **more): self.v = a, b, more
class Meta(type):
    def __call__(cls, *args, **keywords): return "meta", args, keywords
class M(metaclass=Meta): pass
class New:
    def __new__(cls, *args, **keywords):
        self = object.__new__(cls); self.new = args, keywords; return self
    def __init__(self, **keywords): self.v = self.new, keywords
class Text(str): pass
class Mapping:
    def keys(self): return ["a", "b"]
    def __getitem__(self, key): return key * 2
class Sub(dict):
    def keys(self): raise RuntimeError("never asked")
def function(a, b=2, *rest, c=3, **more): return a, b, rest, c, more
def make(what, *args, **keywords):
    made = what(*args, **keywords)
    return getattr(made, "v", made)
def twice(what, keywords):
    return what(1, b=5, **keywords)
def changing(what, **keywords):
    keywords["late"] = 1
    if "gone" in keywords: del keywords["gone"]
    made = what(**keywords)
    return getattr(made, "v", made)
passed = [
    ((1,), {}), ((1, 2, 3), {"c": 4}), ((1,), {"b": 3, "d": 4, "e": 5}), ((), {"a": 1}), ((), {"a": 13}), ((14,), {"x": 1}), ((), {"b": 1}), ((1,), {"a": 2}),
    ((), {"a": 1, Text("b"): 2}), ((), {"".join(["a"]): 1, "".join(["z", "y"]): 2}), ((), {str(i): i for i in range(20)} | {"a": 1}), ((), Mapping()), ((), Sub(a=1)),
]
def name(error): return type(error).__name__, str(error), [f.name for f in traceback.extract_tb(error.__traceback__)]
for what in C, D, Positional, M, New, function, dict, C(0).__init__:
    for args, keywords in passed:
        results = []
        for i in range(150):
            try: results.append(make(what, *args, **keywords))
            except Exception as error: results.append(name(error))
            try: results.append(changing(what, gone=1, **keywords) if i % 2 else changing(what, **keywords))
            except Exception as error: results.append(name(error))
            try: results.append(type(twice(what, keywords)).__name__)
            except Exception as error: results.append(name(error))
        print(what.__name__, args, list(keywords.keys() if type(keywords) is dict else []), [r for k, r in enumerate(results) if k < 6 or r != results[k - 6]], len(log), log[-2:])
# All of it by turns.
for k in range(3):
    out = []
    for i in range(600):
        what = (C, D, Positional, M, New, function)[i % 6]
        args, keywords = passed[i // 6 % 13]
        try: out.append(str(make(what, *args, **keywords))[:60])
        except Exception as error: out.append(name(error)[:2])
    print(zlib.crc32(str(out).encode()) if k else out, len(log))
# Values die when the dictionary does, and not before.
class Noisy:
    def __init__(self, n): self.n = n
    def __del__(self): log.append(self.n)
def keep(a, **more): log.append("in"); return a.n
def noisy(n):
    for i in range(n):
        keep(**{"a": Noisy(i), "b": Noisy(-i)})
        log.append("out")
log.clear(); noisy(300); print(log)
""")
