"""`__hash__` in Python, called by look-ups in dictionaries and sets, runs in the frame of a shim, as a part of the trace."""

import enum
import os
import unittest.mock

import hotspur
from support import Tier2Case, counted, describe
from test_like_stock import LikeStock

N = 1500


class Token(enum.Enum):
    A = 1
    B = 2
    C = 3
    D = 4


class Key:
    def __init__(self, n):
        self.n = n

    def __hash__(self):
        return hash(str(self.n))


class Hashes(Tier2Case):
    def followed(self, function, *ops):
        """The function is hot; then it is called with all that it calls in its own traces: nothing enters executors from C, and these ops are there."""
        self.hot(function, N, expect=function(N), share=0.9)
        for _ in range(3):
            function(N)
        _, counts = counted(function, N)
        self.assertLess(counts["entries"], N // 4)
        texts = [executor.text for executor in hotspur.executors(function)]
        for op in ops:
            self.assertTrue(any(op in text for text in texts), describe(function))

    def test_containment(self):
        members, some, none, table = list(Token), {Token.A, Token.C}, frozenset([Token.B]), {Token.D: 1, Token.A: 2}

        def f(n):
            count = 0
            for i in range(n):
                token = members[i & 3]
                count += (token in some) + 3 * (token not in none)
                if token in table:
                    count += 100
            return count

        self.followed(f, "call_helper member_hashed", "call_helper str_hash")

    def test_items(self):
        keys = [Key(i) for i in range(4)]
        table = {key: key.n for key in keys}

        def f(n):
            total = 0
            for i in range(n):
                total += table[keys[i & 3]]
            return total

        self.followed(f, "call_helper lookup_hashed")

    def test_subclasses_of_int(self):
        """Without `__hash__` and `__eq__` of their own nothing is to be called."""

        class Code(int):
            pass

        codes, some, table = [Code(i) for i in range(5)], {Code(1), Code(3)}, {Code(2): "two", 4: "four"}

        def f(n):
            out = []
            for i in range(n):
                code = codes[i % 5]
                out.append((code in some, i % 5 in some, code in table, table.get(code)))
            return out

        self.followed(f, "call_helper member,")


class LikeStockHashes(LikeStock):
    def setUp(self):
        # In which order equal hashes are found depends on the places of the others.
        environment = unittest.mock.patch.dict(os.environ, PYTHONHASHSEED="0")
        environment.start()
        self.addCleanup(environment.stop)

    def test_keys_of_all_kinds(self):
        self.check("""
import sys, traceback

class Plain:
    def __init__(self, n): self.n = n
    def __hash__(self): return self.n % 3

class Equal(Plain):
    def __hash__(self): return self.n % 3
    def __eq__(self, other): return isinstance(other, Plain) and self.n == other.n

class Text(str):
    def __hash__(self): return str.__hash__(self)

class Number(int):
    def __hash__(self): return -1

class Many(set):
    def __hash__(self): raise TypeError("as a frozenset")

class Large:
    def __init__(self, n): self.n = n
    def __hash__(self): return (1 << 70) + self.n if self.n % 2 else -1

class Truth:
    def __hash__(self): return True

class Wrong:
    def __init__(self, n): self.n = n
    def __hash__(self): return "no number" if self.n % 5 == 0 else 1.5 if self.n % 5 == 1 else 7

class Raising:
    def __init__(self, n): self.n = n
    def __hash__(self):
        if self.n % 7 == 3: raise ValueError(self.n)
        return 5

class Seeing:
    def __hash__(self):
        frame = sys._getframe(1)
        seen.append((frame.f_code.co_name, frame.f_lineno - frame.f_code.co_firstlineno, len(traceback.extract_stack())))
        return 9

class Changing:
    def __hash__(self):
        rounds[0] += 1
        if rounds[0] % 50 == 49: table.clear(); some.clear()
        elif rounds[0] % 50 == 0: table[1] = "one"; some.add(1)
        return 1
    def __eq__(self, other):
        rounds[1] += 1
        if rounds[1] % 10 == 3: table.clear(); some.clear(); some.add("x")
        if rounds[1] % 10 == 4: table[1] = "one"; some.add(1); return 1 == other
        if rounds[1] % 31 == 7: raise KeyError("in eq")
        return other == 1

seen, rounds = [], [0, 0]
keys = [Plain(1), Plain(4), Equal(1), Equal(2), Equal(5), Text("text"), Text("other"), Number(5), Many(["text"]), Large(1), Large(2), Truth(), Wrong(2),
        Wrong(5), Wrong(1), Raising(1), Raising(3), Seeing(), Changing(), (1, Plain(3)), 1, "text", frozenset(["text"])]
table, some = {}, set()

def fill():
    table.clear(); some.clear()
    for i, key in enumerate(keys):
        try:
            table[key] = i
            if not isinstance(key, Many): some.add(key)
        except (TypeError, ValueError, KeyError):
            pass

def look(key, frozen, n):
    out = []
    for i in range(n):
        found = []
        try:
            found.append(key in table)
            found.append(key not in some)
            found.append(key in frozen)
            found.append(table[key])
        except (TypeError, ValueError, KeyError) as error:
            found.append((type(error).__name__, str(error) if type(error) is not KeyError else error.args[0] is key, error.__traceback__.tb_lineno - look.__code__.co_firstlineno,
                          [frame.name for frame in traceback.extract_tb(error.__traceback__)]))
        if i % 10 == 0: out.append(found)
        if i % 40 == 39: fill()
    return out

fill()
frozen = frozenset(some)
for k, key in enumerate(keys):
    print(k, look(key, frozen, 120), len(seen), seen[-3:], rounds)
# Of all kinds in one loop.
def mixed(n):
    out = []
    for i in range(n):
        key = keys[i * 7 % len(keys)]
        try:
            out.append((key in table, key in frozen, table[key]))
        except Exception as error:
            out.append(type(error).__name__)
    return out
fill()
print(mixed(500), rounds)
# The class gets another one.
class Late(Plain): pass
late = [Late(i) for i in range(6)]
index = {key: key.n for key in late}
def get(n):
    return sum(index[late[i % 6]] for i in range(n) if late[i % 6] in index)
print([get(100) for _ in range(5)])
Late.__hash__ = lambda self: self.n % 3 + 3 * (self.n > 100)
print([get(100) for _ in range(3)])
Late.__hash__ = object.__hash__
# Where addresses lead to is chance.
print(get(100) >= 0)
Late.__hash__ = None
try: print(get(100))
except TypeError as error: print(error)
""")
