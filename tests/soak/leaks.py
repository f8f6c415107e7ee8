"""Snippets run hundreds of times: what is allocated must not grow more than under stock (where one of them does grow)."""
import gc, sys, types
SNIPPETS = r'''
def f(a, b=2): return a + b
f(1); f(1, 2); f(a=3); f(*(1,)); f(**{'a': 1})
---
def f(a): return a + 70000
try: f()
except TypeError: pass
try: f(1, 2, 3)
except TypeError: pass
try: f(**{1: 2})
except TypeError: pass
try: f(*1)
except TypeError: pass
---
class C:
    def __init__(self, a): self.a = a; raise_if(a)
    def m(self): return self.a
def raise_if(a):
    if a == 5: raise ValueError(a)
for i in range(8):
    try: C(i + 70000).m(); C(i).m()
    except ValueError: pass
try: C()
except TypeError: pass
---
class C:
    def __init__(self): return 1
for i in range(4):
    try: C()
    except TypeError: pass
---
class C:
    __slots__ = ('x', 'y')
c = C()
for i in range(10):
    c.x = i + 1000.5; c.y = c.x + 1; del c.x
    try: c.x
    except AttributeError: pass
    c.x = c.y
---
class C: pass
c = C()
for i in range(80):
    setattr(c, 'a%d' % (i % 40), i + 1000); c.x = i * 1.5; c.y = c.x
c.__dict__; c.x = 70000; c.x = 80000; c.z = 1
---
class P:
    @property
    def p(self): return self.q + 1000
    q = 70000
    def __getattr__(self, n): raise AttributeError(n)
    def __getitem__(self, i): return i + 70000
p = P()
for i in range(10):
    p.p; p.q; p[i]; p[i + 70000]
    try: p.missing
    except AttributeError: pass
---
class G:
    def __getattribute__(self, n): return (n, 70000)
g = G()
for i in range(10): g.x; g.y
---
def gen(n):
    try:
        for i in range(n): yield i + 70000
    finally: pass
for x in gen(5): pass
g = gen(5); next(g); g.close()
g = gen(5); next(g)
try: g.throw(ValueError)
except ValueError: pass
def outer(): r = yield from gen(3); return r
list(outer()); list(x + 1000 for x in gen(4)); a, b = gen(2)
try: a, b = gen(3)
except ValueError: pass
---
x = 70000; y = 1.5
for i in range(300, 320):
    x = x + i; x -= 3; x *= 2; x //= 3; x = x % 100000; y = y * 1.5 + x; y -= i; z = x * 2**40; z = z + z; w = -y; w = y / x
    u = x << 20; u = u >> 3; u = u & 0xffffff; u = u | 5000; u = u ^ 70000; v = y + 1; v = 1 + y; v = y > w; v = x > u; v = z == z + 1
    try: x // 0
    except ZeroDivisionError: pass
    try: y / 0.0
    except ZeroDivisionError: pass
    try: x % 0
    except ZeroDivisionError: pass
    try: 1 << -x
    except ValueError: pass
---
s = ''
for i in range(30): s += 'ab'; t = s + 'c'; s[i]; s[-1]; s == t; s in t; t = f'{s!r:>5}{i + 70000:x}{y if False else i}'
try: s[100]
except IndexError: pass
---
l = [70000 + i for i in range(10)]
for i in range(10): l[i] = l[i] + 1; l.append(i + 70000); l.pop(); l[-1]; len(l); l[1:3]; l[0:1] = [1]; l[i]
try: l[1000]
except IndexError: pass
try: l[1000] = 70000
except IndexError: pass
t = tuple(l); t[i]; (a, b), c = (1, 70000), 3; a, *b = l; [*l, *t]; {**{'a': 1}}
---
d = {}
for i in range(10): d[i + 70000] = i * 1000; d[i + 70000]; i in d; d.get(i); d.setdefault(i, [])
try: d[1000]
except KeyError: pass
try: d[[]]
except TypeError: pass
try: d[[]] = 70000
except TypeError: pass
try: [] in d
except TypeError: pass
try: {[]: 70000, 1: 2}
except TypeError: pass
try: {70000, []}
except TypeError: pass
try: {[] for i in range(2)}
except TypeError: pass
---
class Ctx:
    def __enter__(self): return self
    def __exit__(self, *a): return True
for i in range(5):
    with Ctx() as c: raise ValueError(i + 70000)
    with Ctx(), Ctx(): pass
---
try:
    try: raise ValueError(1)
    except ValueError as e: raise KeyError(2) from e
    finally: x = 70000
except KeyError: pass
try:
    raise ExceptionGroup('g', [ValueError(1), TypeError(2)])
except* ValueError: pass
except* TypeError as e: pass
---
def mk(n):
    x = n + 70000
    def inner(y=1.5): nonlocal x; x += 1; return x * y
    return inner
for i in range(10): g = mk(i); g(); g(2.5); (lambda: g)()
---
class A:
    def m(self, x): return x + 70000
    @classmethod
    def c(cls): return cls
    @staticmethod
    def s(x): return x
class B(A):
    def m(self, x): return super().m(x)
    def k(self): return super().c, super().missing
b = B()
for i in range(10):
    b.m(i); b.c(); b.s(i + 70000); B.m(b, 1); f = b.m; f(2); A.c()
    try: b.k()
    except AttributeError: pass
---
import sys
def f(): g = sys._getframe(); d = g.f_locals; d['new'] = 70000; x = 80000; d['x'] = 90000.5; x = x + 1; return x
for i in range(5): f()
---
def match(v):
    match v:
        case {'a': x, **r}: return x
        case [a, *b]: return b
        case int(): return 1
        case str() as s: return s
for v in ({'a': 70000, 'b': 1}, [1, 70000], 5, 'a', None): match(v)
---
async def co(n): return n + 70000
async def main():
    for i in range(3): await co(i)
    return [x async for x in ag()]
async def ag():
    for i in range(3): yield i + 70000
c = main()
try: c.send(None)
except StopIteration: pass
c = co(1); c.close()
---
def rec(n): return rec(n + 70000)
import sys
old = sys.getrecursionlimit(); sys.setrecursionlimit(100)
try: rec(1)
except RecursionError: pass
def recg(n): yield from recg(n)
try: list(recg(1))
except RecursionError: pass
class R:
    def __init__(self): R()
try: R()
except RecursionError: pass
class Q:
    @property
    def p(self): return self.p
    def __getitem__(self, i): return self[i]
    def __getattribute__(self, n): return self.n if n == 'z' else object.__getattribute__(self, n)
for i in range(3):
    try: Q().p
    except RecursionError: pass
    try: Q()[70000]
    except RecursionError: pass
sys.setrecursionlimit(old)
---
isinstance(1.5, (int, str)); len([70000] * 3); str(70000); tuple([70000]); type(70000); int('70000'); abs(-70000); max(70000, 80000)
sorted([3, 70000, 1], key=lambda x: -x); sum([70000, 1]); ' '.join(['a']); 'a,b'.split(','); dict(a=70000); list(zip([1], [2])); 'abc'.upper()
for i in range(4):
    try: len(5)
    except TypeError: pass
    try: isinstance(70000, 5)
    except TypeError: pass
    try: int('x')
    except ValueError: pass
    try: [].pop()
    except IndexError: pass
    try: [].index(70000)
    except ValueError: pass
---
def unb():
    try: x
    except UnboundLocalError: pass
    x = 70000; del x
    try: del x
    except UnboundLocalError: pass
    try: undefined_name
    except NameError: pass
for i in range(4): unb()
---
import weakref
class W: pass
w = W(); r = weakref.ref(w, lambda r: 70000); m = weakref.ref(w); del w
it = iter([70000, 80000]); next(it); list(it); list(map(lambda a: a + 1, range(70000, 70005)))
---
exec('x = 70000\ndef f(y): return x + y\nfor i in range(4): f(i)\nclass Z:\n  a = x\n  def m(self): return __class__\nZ().m()', {})
eval('[i + 70000 for i in (1, 2)]')
'''.split('\n---\n')
def measure(code, n):
    for _ in range(n):
        exec(code, {})
    gc.collect(); gc.collect()
    return sys.getallocatedblocks(), len(gc.get_objects()), sys.gettotalrefcount() if hasattr(sys, 'gettotalrefcount') else 0
bad = 0
for s in SNIPPETS:
    code = compile(s, 's', 'exec')
    measure(code, 150)
    a = measure(code, 100); b = measure(code, 400); c = measure(code, 400)
    g1 = (c[0] - b[0], c[1] - b[1])
    # an object per run, at least per ten runs
    if g1[0] > 30 or g1[1] > 10:
        bad += 1
        print('GROWS', g1, (b[0] - a[0], b[1] - a[1]), s[:60].replace('\n', ' / '))
print(len(SNIPPETS), 'snippets,', bad, 'grow')
