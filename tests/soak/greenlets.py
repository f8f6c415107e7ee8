"""Greenlets switched in the middle of generators, properties, initializers. Needs greenlet (pip)."""
import greenlet, gc, sys
def gen(n):
    for i in range(n):
        greenlet.getcurrent().parent.switch(i)
        yield i
def w(n):
    t = 0
    for x in gen(n):
        t += x + 70000
        try:
            if x % 7 == 0: raise ValueError(x)
        except ValueError as e:
            greenlet.getcurrent().parent.switch(('exc', e.args[0]))
    return t
class C:
    def __init__(self, n): self.r = w(n)
    @property
    def p(self): return greenlet.getcurrent().parent.switch('prop')
    def __getitem__(self, i): return greenlet.getcurrent().parent.switch(('item', i))
def rec(n): 
    if n == 0: return greenlet.getcurrent().parent.switch('deep')
    return 1 + rec(n - 1)
def go():
    c = C(30); a = c.p; b = c[70000]; return (c.r, a, b, rec(200))
out = []
gs = [greenlet.greenlet(go) for _ in range(200)]
k = 0
while gs:
    for g in list(gs):
        r = g.switch(k) if g else g.switch(); k += 1
        out.append(r if not isinstance(r, tuple) else r[:2])
        if g.dead: gs.remove(g)
    if k == 3000: 
        del gs[:50]; gc.collect()
    if k % 1000 == 0 and gs and gs[0]: 
        try: gs[0].throw(KeyError)
        except KeyError: pass
print(len(out), hash(str(out)) if False else str(out)[-100:], sum(map(lambda o: isinstance(o, int), out)))
sys.settrace(lambda *a: None)
g = greenlet.greenlet(go); g.switch(); sys.settrace(None); g.switch(1); g.switch(2)
print('ok')
