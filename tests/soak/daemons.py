"""Daemon threads that run while the interpreter shuts down; the exit status must be 0, many times over."""
import threading, sys, atexit, time
sys.setswitchinterval(1e-5)
class C:
    def __init__(self, n): self.n = n
    def __del__(self): self.n + 1
def gen(n):
    for i in range(n): yield i
def loop():
    x = 70000; f = 1.5
    while True:
        x = x + 1; f = f * 1.0001; c = C(x); c.n = f
        for i in gen(10): x += i
        if x > 10**8: x = 70000
        if f > 1e6: f = 1.5
def blocked():
    while True: time.sleep(0.0001)
for _ in range(4): threading.Thread(target=loop, daemon=True).start()
for _ in range(2): threading.Thread(target=blocked, daemon=True).start()
atexit.register(lambda: [C(i) for i in range(1000)])
keep = [C(i) for i in range(100)]; g = gen(5); next(g)
class Late:
    def __del__(self): sum(i * 1.5 for i in range(100))
import builtins; builtins.late = Late(); sys.late = Late()
time.sleep(0.05)
