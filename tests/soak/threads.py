"""Threads, signals, the collector, generators resumed by several threads, fork, tools switched on and off, asyncio; ends by
printing the errors. Usage: soak/threads.py SECONDS, under stock and under Hotspur."""
import sys, threading, gc, time, signal, os, random, asyncio, weakref
sys.setswitchinterval(1e-6)
END = time.time() + float(sys.argv[1])
errors = []
class Node:
    def __init__(self, n): self.n = n; self.me = self; self.l = [n + 70000]
    def __del__(self): global dels; dels += 1
    @property
    def p(self): return self.n + 1
    def get(self, i): return self.l[i]
dels = 0
class Poly: 
    pass
shared_gens = []
lock = threading.Lock()
def gen(n):
    t = 70000
    for i in range(n):
        t = t + i
        x = yield t
        if x: t -= x
def work(seed):
    r = random.Random(seed)
    try:
        while time.time() < END:
            k = r.randrange(7)
            if k == 0:
                t = 0
                for i in range(300): t += Node(i).p + Node(i).get(0)
                assert t == sum(i + 1 + i + 70000 for i in range(300)), t
            elif k == 1:
                with lock:
                    g = shared_gens.pop() if shared_gens else gen(100000)
                for _ in range(50):
                    try: g.send(r.choice([None])) 
                    except StopIteration: break
                    except ValueError: pass
                with lock: shared_gens.append(g)
            elif k == 2:
                # one generator, no lock: "generator already executing"
                if shared_gens:
                    g = shared_gens[0] if shared_gens else None
                    try: next(g)
                    except (ValueError, StopIteration, IndexError, TypeError): pass
            elif k == 3:
                a = {}
                exec("def f(x=1):\n  return [y*1.5 for y in range(x)]\nclass Q:\n  z=70000\n  def m(self): return self.z\nr=[f(i) and Q().m() for i in range(30)]", a)
                del a
            elif k == 4:
                Poly.attr = r.random(); o = Poly(); o.x = 5; o.y = o.x + 70000
                for i in range(30): o.x = o.x + 1.5; o.attr
                assert o.x == 50.0
                if r.random() < .3:
                    try: del Poly.attr
                    except AttributeError: pass
            elif k == 5:
                gc.collect(r.randrange(2))
            else:
                def rec(n): return 0 if n == 0 else 1 + rec(n - 1)
                assert rec(400) == 400
    except AttributeError as e:
        if 'attr' not in str(e): errors.append(repr(e))
        else: return work(seed + 1000)
    except BaseException as e:
        import traceback; traceback.print_exc()
        errors.append(repr(e))
sigs = 0
def on(*a):
    global sigs; sigs += 1
    x = 70000; x = x + 1
signal.signal(signal.SIGALRM, on); signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
ts = [threading.Thread(target=work, args=(i,)) for i in range(6)]
for t in ts: t.start()
def churn():
    while time.time() < END:
        t = threading.Thread(target=lambda: sum(i * 1.5 for i in range(100))); t.start(); t.join()
        if random.random() < .05:
            pid = os.fork()
            if pid == 0:
                signal.setitimer(signal.ITIMER_REAL, 0)
                s = 0
                for i in range(1000): s = s + i
                os._exit(0 if s == 499500 else 1)
            _, st = os.waitpid(pid, 0)
            if st: errors.append(('fork', st))
        if random.random() < .02:
            sys.settrace(lambda *a: None); [i for i in range(3)]; sys.settrace(None)
        if random.random() < .02:
            threading.setprofile_all_threads(lambda *a: None); [i for i in range(3)]; threading.setprofile_all_threads(None)
churn()
for t in ts: t.join()
async def a(n):
    s = 0
    for i in range(n):
        await asyncio.sleep(0); s += i
    return s
async def agen(n):
    for i in range(n):
        yield i; await asyncio.sleep(0)
async def main():
    q = asyncio.Queue(5)
    async def prod():
        for i in range(500): await q.put(i)
        await q.put(None)
    async def cons():
        t = 0
        while (x := await q.get()) is not None: t += x
        return t
    async with asyncio.TaskGroup() as tg:
        t = [tg.create_task(a(100)) for _ in range(50)]; tg.create_task(prod()); c = tg.create_task(cons())
    assert all(x.result() == 4950 for x in t) and c.result() == sum(range(500))
    assert [x async for x in agen(50)] == list(range(50))
    try:
        async with asyncio.timeout(0.01): await asyncio.sleep(5)
    except TimeoutError: pass
    x = asyncio.create_task(a(10**9)); await asyncio.sleep(0.01); x.cancel()
    try: await x
    except asyncio.CancelledError: pass
asyncio.run(main())
signal.setitimer(signal.ITIMER_REAL, 0)
print('errors', errors[:5], 'sigs', sigs > 10, 'dels', dels > 100)
