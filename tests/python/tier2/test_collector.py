"""The collector looks into generators that run: what their frames hold is in memory whenever it may run."""

from test_like_stock import LikeStock


class Collector(LikeStock):
    def test_what_waiting_generators_refer_to(self):
        self.check("""
import gc
running = [None]
class Holder:
    def __iter__(self):
        yield from inner(self)
def seen():
    # Each of them waits, with the next one on its stack.
    return [[type(o).__name__ for o in gc.get_referents(g)] for g in running if g is not None]
def inner(k):
    local = [k]
    yield gc.get_referents(running[0])
    gc.collect(0)
    yield seen()
def delegating(k):
    yield from inner(k)
def looping(k):
    other = (k,)
    for x in inner(other):
        yield x
def deeper(k):
    for x in delegating(k):
        yield x
def iterating(k):
    yield from Holder()
async def awaited(k):
    return [type(o).__name__ for o in gc.get_referents(running[0])] + [k]
async def awaiting(k):
    return ["first", await awaited(k)]
def f(make, n):
    out = []
    for i in range(n):
        g = running[0] = make(i)
        for x in g:
            out.append([type(o).__name__ if type(o) is not list else o for o in x])
        del g
        running[0] = None
    return out
for make in delegating, looping, deeper, iterating:
    found = f(make, 400)
    print(make.__name__, [x for i, x in enumerate(found) if i < 2 or x != found[i - 2]])
def g(n):
    out = []
    for i in range(n):
        c = running[0] = awaiting(i)
        try: c.send(None)
        except StopIteration as e: out.append(e.value[1][:-1])
        running[0] = None
    return out
print({tuple(x) for x in g(400)})
""")
