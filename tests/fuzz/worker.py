"""Runs programs of `generate.py`, or sources from files, and writes what they print, one JSON line each.

    worker.py FIRST COUNT        programs of the seeds FIRST, FIRST + 1, ...
    worker.py --files FILE...    sources

Each program gets a fresh namespace, and builtins as they were.
"""

import builtins
import gc
import json
import os
import re
import resource
import signal
import sys
import types
import warnings

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import generate  # noqa: E402
import hot  # noqa: E402

ADDRESS = re.compile(r"0x[0-9a-f]{6,}")
real_len, real_isinstance, real_repr, real_type, real_str = len, isinstance, repr, type, str
REAL = {k: v for k, v in vars(builtins).items() if k != "_"}
PROGRAM = "<program>"
MAX_OUTPUT = 4000
MAX_FUEL = 3000
# Seconds for a program; what takes longer than most of it is not compared.
TIME = float(os.environ.get("FUZZ_TIME", "1.5"))

out = []
# Not empty while a program runs.
running = []


class Stop(BaseException):
    pass


def show(o):
    try:
        s = real_repr(o)
    except BaseException as e:
        s = "repr raised " + real_type(e).__name__
    return ADDRESS.sub("0x", s[:300])


def emit(line):
    if real_len(out) >= MAX_OUTPUT:
        raise Stop
    out.append(line)


def P(*args):
    emit(" ".join([show(a) for a in args]))


def where(tb):
    parts = []
    while tb is not None:
        code = tb.tb_frame.f_code
        if code.co_filename == PROGRAM:
            parts.append(f"{code.co_name}:{tb.tb_lineno}/{tb.tb_lasti}")
        else:
            parts.append(code.co_name)
        tb = tb.tb_next
    if real_len(parts) > 12:
        parts = parts[:6] + [str(real_len(parts))] + parts[-6:]
    return " ".join(parts)


def X():
    e = sys.exception()
    seen = 0
    while e is not None and seen < 6:
        try:
            text = real_str(e)
        except Exception as f:
            text = "str raised " + real_type(f).__name__
        emit(f"!{seen} {real_type(e).__name__} {ADDRESS.sub('0x', text)[:300]} @ {where(e.__traceback__)}")
        if real_isinstance(e, BaseExceptionGroup):
            emit(show(e.exceptions))
        if e.__cause__ is not None:
            emit("cause " + show(e.__cause__))
        e = e.__context__
        seen += 1


def caller():
    """The lines and instructions of the program that is being executed, from inside a finalizer."""
    f = sys._getframe(1)
    parts = []
    while f is not None and real_len(parts) < 4:
        if f.f_code.co_filename == PROGRAM:
            parts.append(f"{f.f_code.co_name}:{f.f_lineno}/{f.f_lasti}")
        f = f.f_back
    return " ".join(parts)


def plain_locals(f):
    return [(k, real_type(v).__name__, show(v) if real_type(v) in (int, float, str, bool, real_type(None)) else "")
            for k, v in sorted(f.f_locals.items())]


def frame_look():
    f = sys._getframe(1)
    if f.f_code.co_name == "<module>":
        return f.f_lineno
    return f.f_lineno, f.f_lasti, plain_locals(f)


def frame_write(name, value):
    f = sys._getframe(1)
    if name in f.f_locals:
        f.f_locals[name] = value


def here():
    return sys._getframe(1).f_locals


def K(o):
    """Keeps numbers and strings small."""
    t = real_type(o)
    if t is int and not -2**80 < o < 2**80:
        return o & 1023
    if t in (str, bytes, list, tuple) and real_len(o) > 40:
        return o[:5]
    return o


def S(o):
    return o if real_type(o) in (bool, float) else 2


def limit(iterable):
    """At most 80 items."""
    n = 0
    for o in iterable:
        yield o
        n += 1
        if n >= 80:
            return


def change(o):
    """Changes the class of an operand."""
    try:
        o.__class__ = Other
    except TypeError:
        pass
    return True


class Other:
    x = 1


class Err(Exception):
    pass


class Fin:
    def __init__(self, kind=1):
        self.kind = kind

    def __del__(self):
        emit(f"fin {self.kind} {caller()}")
        f = sys._getframe(1)
        if f.f_code.co_filename != PROGRAM:
            return
        if self.kind == 2 and f.f_code.co_name != "<module>":
            names = [n for n in f.f_code.co_varnames if n in f.f_locals]
            if names:
                f.f_locals[names[0]] = 70001
        elif self.kind == 3:
            f.f_globals["g0"] = 70002.5
        elif self.kind == 4:
            raise ValueError("in a finalizer")

    def __repr__(self):
        return "Fin"


class Evil:
    """Compares, hashes and adds with side effects."""
    n = 0

    def __eq__(self, other):
        Evil.n += 1
        emit("eq " + caller())
        if Evil.n % 3 == 0:
            raise Err("eq")
        return Evil.n % 2 == 0

    def __hash__(self):
        return 1

    def __add__(self, other):
        self.__class__ = Other
        return 1

    def __bool__(self):
        Evil.n += 1
        return Evil.n % 2 == 0

    def __index__(self):
        return 1

    def __repr__(self):
        return "Evil"


class Desc:
    def __get__(self, o, t):
        return ("desc", o is None)


class DataDesc:
    def __get__(self, o, t):
        return 5

    def __set__(self, o, v):
        emit("set " + show(v))


class NoDesc:
    x = 3


class Iter:
    def __init__(self, n):
        self.n = n

    def __iter__(self):
        return self

    def __next__(self):
        if self.n <= 0:
            raise StopIteration(self.n)
        self.n -= 1
        return self.n


class Ctx:
    def __init__(self, kind):
        self.kind = kind

    def __enter__(self):
        if self.kind == 2:
            raise Err("enter")
        return self

    def __exit__(self, t, v, tb):
        emit(f"exit {t and t.__name__} {tb and where(tb)}")
        return self.kind == 1


def make(cls):
    for args in ((), (1,), (1, 2)):
        try:
            return cls(*args)
        except TypeError:
            pass
    return Other()


def drive(generator, value):
    """What a generator yields when it is resumed in all ways."""
    got = []
    try:
        got.append(next(generator))
        got.append(generator.send(value))
        got.append(generator.throw(Err("thrown")))
        got.append(next(generator))
    except StopIteration as e:
        got.append(e.value)
    except Exception as e:
        got.append(real_type(e).__name__ + " " + where(e.__traceback__))
    generator.close()
    return got


def ident(*args, **kwargs):
    return args


def run(source):
    out.clear()
    Evil.n = 0
    left = MAX_FUEL

    def fuel():
        nonlocal left
        left -= 1
        if left < 0:
            raise Stop

    def tracer(frame, event, arg):
        if frame.f_code.co_filename != PROGRAM:
            return None
        emit(f"trace {event} {frame.f_code.co_name}:{frame.f_lineno} {show(arg) if event == 'return' else ''}")
        return tracer

    def profiler(frame, event, arg):
        if frame.f_code.co_filename == PROGRAM and event in ("call", "return"):
            emit(f"profile {event} {frame.f_code.co_name}:{frame.f_lineno}")

    module = {
        "__name__": "program", "P": P, "X": X, "K": K, "S": S, "limit": limit, "change": change, "Err": Err, "Fin": Fin,
        "Evil": Evil, "Desc": Desc, "DataDesc": DataDesc, "NoDesc": NoDesc, "Iter": Iter, "Ctx": Ctx, "make": make,
        "drive": drive, "ident": ident, "caller": caller, "frame_look": frame_look, "frame_write": frame_write, "here": here,
        "INF": float("inf"), "NAN": float("nan"), "real_len": real_len, "real_isinstance": real_isinstance, "sys": sys,
        "builtins": builtins, "gc": gc, "types": types, "fuel": fuel, "tracer": tracer, "profiler": profiler,
    }
    old_bases = {k: v for k, v in vars(Other).items()}
    try:
        code = compile(source, PROGRAM, "exec")
    except SyntaxError as e:
        return [f"syntax {e}"]
    try:
        running.append(True)
        exec(code, module)
        running.clear()
    except Stop:
        out.append("stopped")
    except BaseException as e:
        sys.settrace(None)
        sys.setprofile(None)
        out.append(f"{type(e).__name__} {show(e)} {where(e.__traceback__)}")
    finally:
        running.clear()
        sys.settrace(None)
        sys.setprofile(None)
        for k in list(vars(builtins)):
            if k not in REAL:
                del vars(builtins)[k]
        for k, v in REAL.items():
            if vars(builtins).get(k) is not v:
                setattr(builtins, k, v)
        for k in list(vars(Other)):
            if k not in old_bases:
                delattr(Other, k)
    result = list(out)
    # Finalizers of what the program leaves.
    out.clear()
    module.clear()
    gc.collect()
    return result + sorted(out[:50])


def unraisable(args):
    # For finalizers; printed where it occurs.
    if real_len(out) < MAX_OUTPUT:
        out.append(f"unraisable {args.exc_type.__name__} {show(args.exc_value)}")


def source_of(seed):
    """The program of a seed. For tier 2, most are made to get hot."""
    return hot.program(seed) if "FUZZ_HOT" in os.environ and seed % 4 else generate.program(seed)


def runs():
    """How often executors were run so far."""
    hotspur = sys.modules.get("hotspur")
    return hotspur.stats()["runs"] if hotspur else 0


def main(arguments):
    warnings.simplefilter("ignore")
    sys.unraisablehook = unraisable
    resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.setrecursionlimit(120)
    gc.disable()
    if arguments[0] == "--files":
        sources = ((name, open(name).read()) for name in arguments[1:])
    else:
        first, count = int(arguments[0]), int(arguments[1])
        sources = ((seed, source_of(seed)) for seed in range(first, first + count))
    write = os.write
    try:
        import hotspur  # noqa: F401
    except ImportError:
        # The stock interpreter.
        pass

    def late(number, frame):
        # Not while the next program is made ready.
        if running:
            raise Stop

    signal.signal(signal.SIGALRM, late)
    for name, source in sources:
        write(1, f'["start", {json.dumps(name)}]\n'.encode())
        before = runs()
        signal.setitimer(signal.ITIMER_REAL, TIME)
        lines = run(source)
        if signal.setitimer(signal.ITIMER_REAL, 0)[0] < TIME / 4:
            lines = ["late"]
        write(1, (json.dumps(["end", name, lines, runs() - before]) + "\n").encode())


if __name__ == "__main__":
    main(sys.argv[1:])
