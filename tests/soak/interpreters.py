"""Subinterpreters of both kinds that use tools while the main interpreter works; must end by printing done."""
import _interpreters as I, threading, sys, time
src = """
import sys
class C:
    def __init__(self, n): self.n = n
    def m(self): return self.n + 70000
t = 0
for k in range(3000):
    t += C(k).m(); t = t * 1.0
    if k % 500 == 0:
        sys.settrace(lambda *a: None); sys.settrace(None); sys.setprofile(lambda *a: None); sys.setprofile(None)
        sys.monitoring.use_tool_id(1, 'x'); sys.monitoring.free_tool_id(1)
def g():
    for i in range(100): yield i
assert sum(g()) == 4950
import json, re, dataclasses
"""
def run():
    for _ in range(4):
        i = I.create(); e = I.exec(i, src)
        if e: print(e)
        I.destroy(i)
ts = [threading.Thread(target=run) for _ in range(4)]
for t in ts: t.start()
x = 70000
while any(t.is_alive() for t in ts):
    for i in range(1000): x = x + i; y = x * 1.5
    x = 70000
    sys.settrace(lambda *a: None); sys.settrace(None)
for legacy in range(3):
    i = I.create('legacy'); print(I.exec(i, src)); I.destroy(i)
print('done')
