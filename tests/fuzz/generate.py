"""Random small programs. `program(seed)` is the source of one; the same seed gives the same source everywhere.

A program defines classes, functions and global objects, then runs a loop that calls things with values of changing types,
changes classes, functions, globals and builtins between the iterations, and prints results and exceptions. What it can use
beyond the builtins is what `worker.py` puts into its namespace (`P` prints, `X` prints the exception being handled with
its traceback, `K` keeps numbers and strings small, `Fin` has a finalizer, ...).

The programs are meant to run into errors; almost everything is wrapped in `try`.
"""

import random

INTS = """0 1 -1 2 3 5 7 10 -7 100 255 256 257 -5 -6 1000 -1000 True False 2**30-1 2**30 2**30+1 -2**30 -2**30+1 -2**30-1
2**31 2**32-1 2**60-1 2**60 2**60+1 -2**60 2**62 2**63-1 2**63 -2**63 2**64 10**20""".split()
FLOATS = "0.0 -0.0 1.5 -2.5 3.0 1e308 -1e308 5e-324 INF -INF NAN 0.1 2.0**53 1e16".split()
STRS = ["''", "'a'", "'abc'", "'x'", "'é'", "'日本'", "'\\0'", "'a,b'", "'12'", "'ABCDEFGH'", "'{}'", "'%s'"]
BYTES = ["b''", "b'abc'", "bytearray(b'xyz')", "b'\\xff\\0'"]
ATTRS = ["x", "y", "z", "w", "prop", "cls", "stat", "meth", "meth2", "cattr", "desc", "nodesc", "missing"]
BINARY = ["+", "-", "*", "//", "%", "&", "|", "^", "/", "<<", ">>", "**", "@"]
COMPARE = ["<", "<=", "==", "!=", ">", ">=", "in", "not in", "is", "is not"]


class Generator:
    def __init__(self, seed):
        self.r = random.Random(seed)
        self.lines = []
        self.indent = 0
        self.functions = []
        self.arities = {}
        self.generators = []
        self.classes = []
        self.counter = 0
        self.loops = 0
        self.in_function = self.in_generator = self.in_class = False

    # Helpers

    def chance(self, p):
        return self.r.random() < p

    def pick(self, items):
        return self.r.choice(items)

    def fresh(self, prefix):
        self.counter += 1
        return f"{prefix}{self.counter}"

    def put(self, line):
        self.lines.append("    " * self.indent + line)

    def block(self, head, body):
        self.put(head)
        self.indent += 1
        before = len(self.lines)
        body()
        if len(self.lines) == before:
            self.put("pass")
        self.indent -= 1

    # Expressions

    def constant(self):
        k = self.r.random()
        if k < 0.2:
            return self.pick(["1", "2", "3", "1000", "70000", "7"])
        if k < 0.55:
            return self.pick(INTS)
        if k < 0.7:
            return self.pick(FLOATS)
        if k < 0.85:
            return self.pick(STRS)
        if k < 0.87:
            return self.pick(BYTES)
        return self.pick(["None", "()", "(1, 2)", "[1, 2, 3]", "{'x': 1}", "{1, 2}", "range(4)", "[]", "{}", "...", "Fin(1)",
                          "iter([1, 2])", "(1, 2, 3)", "'ab' 'cd'", "frozenset((1, 'a'))", "slice(1, 3)", "1j", "Evil()"])

    def name(self):
        r = self.r.random()
        if r < 0.7 and self.locals:
            return self.pick(self.locals)
        if r < 0.95:
            return self.pick(["g0", "g1", "g2", "g3", "o0", "o1", "o2"])
        return self.pick(["undefined", "len", "int", "abs", "gone"])

    def instance(self):
        if self.classes and self.chance(0.7):
            return self.pick(["o0", "o1", "o2"] + (self.locals[:2] if self.locals else []))
        return self.name()

    def args(self, depth, arities=(0, 1, 1, 1, 2, 2, 3)):
        n = self.r.choice(arities)
        parts = [self.expr(depth - 1) for _ in range(n)]
        if self.chance(0.08):
            parts.insert(self.r.randrange(len(parts) + 1), "*" + self.pick(["(1, 2)", "[3]", "()", self.name()]))
        if self.chance(0.12):
            parts.append(f"{self.pick(['a', 'b', 'k', 'q'])}={self.expr(depth - 1)}")
        if self.chance(0.06):
            parts.append("**" + self.pick(["{'k': 1}", "{'b': 2, 'q': 3}", "{}", self.name()]))
        return ", ".join(parts)

    def call_function(self, depth):
        f = self.pick(self.functions)
        return f"{f}({self.args(depth, self.arities[f] if self.chance(0.8) else (0, 1, 2, 3))})"

    def expr(self, depth=2):
        if depth <= 0 or self.chance(0.12):
            return self.name() if self.chance(0.65) else self.constant()
        e = lambda: self.expr(depth - 1)  # noqa: E731
        kinds = [
            (20, lambda: self.binary(e(), e())),
            (4, lambda: f"({self.pick(['-', '+', '~', 'not '])}{e()})"),
            (10, lambda: f"({e()} {self.pick(COMPARE)} {e()})"),
            (2, lambda: f"({e()} {self.pick(COMPARE[:6])} {e()} {self.pick(COMPARE[:6])} {e()})"),
            (4, lambda: f"({e()} {self.pick(['and', 'or'])} {e()})"),
            (3, lambda: f"({e()} if {e()} else {e()})"),
            (6, lambda: f"{self.name()}[{self.pick(['0', '1', '-1', '2', '-2', 'True', repr('x'), e()])}]"),
            (2, lambda: f"{self.name()}[{self.pick(['', '0', '1', '-1'])}:{self.pick(['', '2', '-1', e()])}]"),
            (12, lambda: f"{self.instance()}.{self.pick(ATTRS)}"),
            (8, lambda: f"{self.instance()}.{self.pick(['meth', 'meth2', 'cls', 'stat', 'desc', 'cattr', 'x'])}"
                        f"({self.args(depth)})"),
            (6, lambda: self.call_function(depth) if self.functions else self.constant()),
            (4, lambda: f"{self.pick(self.classes)}({self.args(depth)})" if self.classes else self.constant()),
            (8, lambda: self.builtin_call(e, depth)),
            (3, lambda: self.comprehension(depth)),
            (2, lambda: self.fstring(depth)),
            (2, lambda: "(" + ", ".join(e() for _ in range(self.r.randrange(1, 4))) + ",)"),
            (2, lambda: "[" + ", ".join(e() for _ in range(self.r.randrange(0, 4))) + "]"),
            (1, lambda: f"[*{e()}, {e()}]"),
            (1, lambda: f"{{{e()}: {e()}, **{e()}}}"),
            (1, lambda: f"{{{e()}, {e()}}}"),
            (1, lambda: f"(lambda v, u={self.constant()}: {self.binary('v', 'u')})({e()})"),
            (1, lambda: f"next({self.pick(self.generators)}({e()}))" if self.generators else self.constant()),
            (1, lambda: f"list({self.pick(self.generators)}({e()}))" if self.generators else self.constant()),
        ]
        if self.locals and self.in_function:
            kinds.append((2, lambda: f"({self.pick(self.locals)} := {e()})"))
            kinds.append((1, lambda: "sorted(map(str, locals()))"))
        if self.in_class:
            kinds.append((4, lambda: f"self.{self.pick(ATTRS)}"))
            kinds.append((2, lambda: f"super().{self.pick(['meth', 'meth2', 'x', 'cattr', 'prop'])}"
                                     f"{self.pick(['', '()', '(1)', '(self)'])}"))
            kinds.append((1, lambda: "__class__.__name__"))
        if self.in_generator:
            kinds.append((2, lambda: f"(yield {e()})"))
        total = self.r.uniform(0, sum(k for k, _ in kinds))
        for weight, make in kinds:
            total -= weight
            if total <= 0:
                return make()
        return self.constant()

    def binary(self, a, b):
        op = self.pick(BINARY[:4] + BINARY[:9] + BINARY[:9] + BINARY)
        if op == "**":
            return f"({a} ** {self.pick(['2', '0', '-1', '0.5', '3'])})"
        if op == "<<":
            return f"({a} << {self.pick(['1', '3', '29', '30', '31', '61', '-1', 'True'])})"
        if op == "*" and self.chance(0.8):
            return f"({a} * {self.pick(['2', '3', '-1', '0', '1.5', '2**15', 'True', 'S(' + b + ')'])})"
        return f"({a} {op} {b})"

    def builtin_call(self, e, depth):
        return self.pick([
            lambda: f"len({e()})", lambda: f"isinstance({e()}, {self.pick(['int', '(int, str)', 'C', 'str', 'object'])})",
            lambda: f"type({e()})", lambda: f"str({e()})", lambda: f"tuple({e()})", lambda: f"int({e()})",
            lambda: f"abs({e()})", lambda: f"repr({e()})", lambda: f"bool({e()})", lambda: f"list({e()})",
            lambda: f"max({e()}, {e()})", lambda: f"sum([{e()}, {e()}])", lambda: f"sorted([{e()}, {e()}])",
            lambda: f"hash({e()})" if self.chance(0.2) else f"callable({e()})", lambda: f"divmod({e()}, {e()})",
            lambda: f"getattr({e()}, 'x', {e()})", lambda: f"hasattr({e()}, 'y')", lambda: f"float({e()})",
            lambda: f"({e()}).append({e()})", lambda: f"({e()}).upper()", lambda: f"({e()}).split(',')",
            lambda: f"({e()}).get('x', {e()})", lambda: f"({e()}).pop()", lambda: f"({e()}).items()", lambda: f"({e()}).join(['a'])",
            lambda: f"dict(a={e()})", lambda: f"set([{e()}])", lambda: f"enumerate({e()})", lambda: f"zip({e()}, {e()})",
            lambda: f"next(iter({e()}))", lambda: f"vars({e()})", lambda: f"any({e()})",
            lambda: f"({e()}).bit_length()", lambda: f"({e()}).replace('a', 'b')", lambda: f"({e()}).startswith('a')",
            lambda: f"({e()}).setdefault({e()}, {e()})", lambda: f"min([{e()}, {e()}], key=str)", lambda: f"ord({e()})",
            lambda: f"chr({e()})", lambda: f"round({e()})", lambda: f"({e()}).encode()", lambda: f"({e()}).index({e()})",
            lambda: f"range({e()}, 5)", lambda: f"complex({e()})", lambda: f"list(reversed({e()}))",
        ])()

    def comprehension(self, depth):
        v = self.pick(["v", "u"] + self.locals[:1])
        saved = self.locals
        walrus, self.in_function = self.in_function, False
        source = self.pick(["range(4)", "(1, 2.5, 'a')", "[3, None]", self.expr(depth - 1)])
        self.locals = self.locals + [v, v]
        gen, self.in_generator = self.in_generator, False
        body = self.expr(depth - 1)
        condition = f" if {self.expr(depth - 2)}" if self.chance(0.4) else ""
        self.in_generator, self.in_function = gen, walrus
        self.locals = saved
        return self.pick([
            f"[{body} for {v} in {source}{condition}]",
            f"[{body} for {v} in {source}{condition}]",
            f"list({body} for {v} in {source}{condition})",
            f"{{str({v}): {body} for {v} in {source}{condition}}}",
            f"tuple({body} for {v} in {source}{condition})",
            f"all({body} for {v} in {source}{condition})",
            f"{{repr({body}) for {v} in {source}}}.__len__()",
        ])

    def fstring(self, depth):
        a = self.name()
        spec = self.pick(["", "!r", ":>5", ":x", ":.2f", "!s:<4", "!a", ":{g0}"])
        return f"f'<{{{a}}}|{{{self.name()}{spec}}}>'"

    # Statements

    def statements(self, n, depth):
        for _ in range(n):
            # An error shall not end everything.
            if self.chance(0.3):
                self.block("try:", lambda: self.statement(depth))
                self.block("except Exception:", lambda: self.put("X()"))
            else:
                self.statement(depth)

    def target(self):
        r = self.r.random()
        if r < 0.65 and self.locals:
            return self.pick(self.locals)
        if r < 0.85:
            return f"{self.instance()}.{self.pick(ATTRS)}"
        if r < 0.95:
            return f"{self.name()}[{self.pick(['0', '1', '-1', repr('x'), self.expr(1)])}]"
        return self.pick(["g0", "g1", "g2"]) if not self.in_function else self.pick(self.locals or ["g0"])

    def statement(self, depth):
        e = self.expr
        kinds = [
            (20, lambda: self.put(f"{self.target()} = {e()}")),
            (10, lambda: self.put(f"{self.target()} {self.pick(['+', '-', '*', '//', '|', '%', '+', '+'])}= "
                                  f"{self.pick(['1', '2', '-1', '1.5', repr('s'), self.name(), e(1)])}")),
            (6, lambda: self.accumulate()),
            (6, lambda: self.put(f"P({e()})")),
            (8, lambda: self.put(e())),
            (3, lambda: self.put(f"{self.pick(self.locals or ['g0'])}, {self.target()} = "
                                 f"{self.pick([e(1), e(2), f'({e(1)}, {e(1)})', f'{self.name()}, {self.name()}'])}")),
            (1, lambda: self.put(f"{self.pick(self.locals or ['g0'])}, *{self.pick(self.locals or ['g1'])} = {e(2)}")),
            (2, lambda: self.put(f"del {self.target()}")),
            (1, lambda: self.put(f"assert {e(2)}, {e(1)}")),
            (2, lambda: self.put(f"raise {self.pick(['ValueError', 'KeyError', 'Err', 'StopIteration'])}({e(1)})"
                                 + self.pick(["", "", " from None", " from TypeError('c')"]))),
            (1, lambda: self.put("frame_write('" + self.pick(self.locals or ["g0"]) + f"', {e(1)})")),
            (1, lambda: self.put("P(frame_look())")),
            (2, lambda: self.mutation()),
            (1, lambda: self.put(f"{self.pick(self.locals or ['g0'])} = Fin({self.pick(['1', '2', '3', '4'])})")),
        ]
        if depth > 0:
            sub = lambda n=3: self.statements(self.r.randrange(1, n + 1), depth - 1)  # noqa: E731
            kinds += [
                (8, lambda: self.branch(sub)),
                (8, lambda: self.for_loop(sub)),
                (3, lambda: self.while_loop(sub)),
                (7, lambda: self.try_statement(sub)),
                (4, lambda: self.block(
                    f"with {self.pick(['Ctx(0)', 'Ctx(1)', 'Ctx(2)', e(1)])} as {self.pick(self.locals or ['g0'])}:", sub)),
                (3, lambda: self.match(sub)),
                (2, lambda: self.closure(depth)),
            ]
        if self.loops:
            kinds.append((3, lambda: self.block(f"if {e(2)}:", lambda: self.put(self.pick(["break", "continue"])))))
        if self.in_function:
            kinds.append((4, lambda: self.block(f"if {e(2)}:", lambda: self.put(f"return {e(2)}"))))
        if self.in_generator:
            kinds.append((8, lambda: self.put(self.pick([f"yield {e(2)}", f"{self.pick(self.locals)} = yield {e(1)}",
                                                         f"yield from {e(1)}", "yield from (1, 2)"]))))
        total = self.r.uniform(0, sum(k for k, _ in kinds))
        for weight, make in kinds:
            total -= weight
            if total <= 0:
                return make()

    def accumulate(self):
        """Patterns in which boxes are changed in place, or seem to be shared."""
        if not self.locals:
            return self.put(f"g3 = K(g0 + {self.constant()})")
        a, b = self.pick(self.locals), self.pick(self.locals)
        self.put(self.pick([
            f"{a} = {b}; {a} = {a} + {self.pick(['1', '1.5', '2**30', b])}; P({a}, {b})",
            f"{a} += {b}; {b} = {a}; {a} -= 1; P({a}, {b})",
            f"{a} = {a} * 1.0; {b} = {a}; {a} = {a} + {b} * 0.5; P({a}, {b})",
            f"{a} = [{b}, {b} + 1]; {b} = {a}[0] + {a}[1]; {a}[0] += 1; P({a}, {b})",
            f"{a} = {b} + 1000; {b} = ({a}, {a} + 1); {a} = {a} + 1; P({a}, {b})",
            f"{a} = {a} + ({a} := {a} + 1000); P({a})",
            f"{a} = 5000 - {b}; {a} = {a} + {a}; {b} = {a} - {a}; P({a}, {b})",
            f"{a} = str({b}); {b} = {a}; {a} += 'tail'; P({a}, {b})",
            f"{a} = 70000.5; {b} = lambda: {a}; {a} = {a} + 1; P({b}()); {a} = {a} + 1; P({b}())",
            f"{a} = 70000; {b} = locals(); {a} = {a} + 1; P({b}['{a}'], {a})" if self.in_function else "g0 = 1",
            f"{a} = 70000; {b} = here(); {a} = {a} + 1; P({b}['{a}'], {a}); {a} = {a} + 1; {b} = 0"
            if self.in_function else "g0 = 1",
            f"{a} = 70000; {b} = here(); {b}['{a}'] = 80000; {a} = {a} + 1; P({b}['{a}'], {a}); {b} = 0"
            if self.in_function else "g0 = 1",
        ]))

    def branch(self, sub):
        self.block(f"if {self.expr(2)}:", sub)
        if self.chance(0.3):
            self.block(f"elif {self.expr(1)} is None:", sub)
        if self.chance(0.4):
            self.block("else:", sub)

    def for_loop(self, sub):
        if self.loops >= 2:
            return self.put(f"P({self.expr(2)})")
        v = self.pick(self.locals) if self.locals else "g2"
        source = self.pick(["range(5)", "range(3, 60, 7)", "range(2**30-2, 2**30+2)", "[1, 2.5, 'a', None]", "(o0, o1, o2)", "'abc'",
                            "{'x': 1, 'y': 2}.items()", "zip(range(3), 'abc')", "enumerate([4.5, 6])", self.expr(2),
                            "range(70)", "[i * 1.5 for i in range(20)]", "Iter(4)", self.pick(self.generators) + "(3)"
                            if self.generators else "reversed(range(3))", "list(range(-5, 5))", "range(0)"])

        def body():
            self.put(f"{self.pick(self.locals or ['g0'])} = K({self.name()})")
            if self.chance(0.2):
                self.put("fuel()")
            sub()
        self.loops += 1
        self.put("fuel()")
        v = self.pick([v, v, v, f"{v}, {self.pick(self.locals or ['g1'])}", f"{self.instance()}.x"])
        self.block(f"for {v} in limit({source}):" if self.chance(0.3) else f"for {v} in {source}:", lambda: (self.put("fuel()"), body()))
        self.loops -= 1
        if self.chance(0.15):
            self.block("else:", sub)

    def while_loop(self, sub):
        if self.loops >= 2 or not self.in_function:
            return self.put(f"P({self.expr(2)})")
        v = self.fresh("i")
        self.loops += 1
        self.put(f"{v} = 0")
        self.block(f"while {v} < {self.pick(['3', '10', '60'])}:", lambda: (
            self.put(f"{v} += 1"), self.put("fuel()"), self.put(f"{self.pick(self.locals)} = K({self.name()})"), sub()))
        self.loops -= 1

    def try_statement(self, sub):
        self.block("try:", sub)
        if self.chance(0.8):
            if self.chance(0.1):
                self.block("except* (TypeError, ValueError) as eg:", lambda: self.put("X()"))
            else:
                if self.chance(0.3):
                    self.block(f"except {self.pick(['TypeError', '(KeyError, ValueError)', 'Err', 'AttributeError'])} as exc:",
                               lambda: (self.put("X()"), sub(2)))
                self.block("except Exception:", lambda: (self.put("X()"), sub(1) if self.chance(0.3) else None))
                if self.chance(0.2):
                    self.block("else:", sub)
            if self.chance(0.3):
                self.block("finally:", lambda: sub(2))
        else:
            self.block("finally:", lambda: sub(2))

    def match(self, sub):
        def cases():
            c = self.pick(self.classes) if self.classes else "int"
            for pattern in self.r.sample(["int()", "str() as m", "[a_, b_]", "[a_, *b_]", "{'x': v_}", "{'x': 1, **r_}",
                                          f"{c}(x=xx)", f"{c}(1, y=yy)", "None | True", "1.5", "(int() | float()) as n_",
                                          "tuple((1, _))"], self.r.randrange(1, 4)):
                if pattern == "tuple((1, _))":
                    pattern = "[1, _, *_]"
                self.block(f"case {pattern}{' if ' + self.expr(1) if self.chance(0.2) else ''}:", sub)
            self.block("case _:", sub)
        self.block(f"match {self.expr(2)}:", cases)

    def closure(self, depth):
        name = self.fresh("inner")
        saved = self.locals, self.in_function, self.in_generator, self.loops, self.in_class
        shared = self.pick(self.locals) if self.locals else None

        def body():
            if shared and self.in_function and self.chance(0.6) and saved[1]:
                self.put(f"nonlocal {shared}")
            self.locals = ["p", shared or "p"]
            self.in_function, self.in_generator, self.loops = True, False, 0
            self.in_class = False
            self.statements(2, 0)
            self.put(f"return {self.expr(2)}")
        self.block(f"def {name}(p, {'' if shared == 'q' else 'q=3'}):", body)
        self.locals, self.in_function, self.in_generator, self.loops, self.in_class = saved
        self.put(f"P({name}({self.expr(1)}))")
        if self.locals and self.chance(0.5):
            self.put(f"{self.pick(self.locals)} = {name}")

    def mutation(self):
        c = self.pick(self.classes) if self.classes else "C"
        d = self.pick(self.classes) if self.classes else "C"
        f = self.pick(self.functions) if self.functions else "ident"
        h = self.pick(self.functions) if self.functions else "ident"
        o = self.pick(["o0", "o1", "o2"])
        a = self.pick(ATTRS)
        v = self.constant()
        self.put(self.pick([
            f"{c}.{a} = {v}", f"{c}.{a} = {v}", f"{c}.{a} = lambda *a, **k: ({v}, len(a))", f"{c}.{a} = property(lambda self: {v})",
            f"del {c}.{a}", f"{c}.{a} = Desc()", f"{c}.{a} = NoDesc()", f"{o}.__class__ = {c}", f"{o}.__class__ = {c}",
            f"{f}.__code__ = {h}.__code__", f"{f}.__defaults__ = ({v},)", f"{f}.__defaults__ = ({v}, 2)",
            f"{f}.__kwdefaults__ = {{'k': {v}}}", f"{o}.__dict__ = {{'x': {v}}}", f"{o}.__dict__['{a}'] = {v}",
            f"vars({o}).clear()", f"{o}.__dict__[1] = 2", f"del {o}.{a}", f"{o} = {c}(1, 2)", f"{o} = {d}(1)",
            f"globals()['g1'] = {v}", f"globals()['{a}'] = {v}", "globals().pop('g1', None)", "globals()['g0'] = 70000",
            f"globals()['{f}'] = {h}", f"{c}.__init__ = lambda self, *a: None", f"{c}.__bool__ = lambda self: {v}",
            f"{c}.__len__ = lambda self: 3", f"{c}.__getitem__ = lambda self, i: (i, {v})", f"{c}.__call__ = lambda self, *a: a",
            f"{c}.__getattr__ = lambda self, n: n", f"{c}.__add__ = lambda self, other: {v}", f"{c}.__eq__ = lambda s, o: {v}",
            f"{c}.__iter__ = lambda self: iter((1, 2))", f"{c}.__contains__ = lambda self, i: {v}",
            f"{c}.__getattribute__ = lambda self, n: (n, 1)", f"del {c}.__getattribute__", f"del {c}.__getattr__",
            f"{c}.__setattr__ = lambda self, n, v: P(n)", f"del {c}.__setattr__", f"{c}.__bases__ = ({d},)",
            f"{c}.__new__ = lambda cls, *a: object.__new__(cls)", f"del {c}.__init__", f"{c}.__hash__ = None",
            "builtins.len = lambda o: -1", "builtins.len = real_len", f"builtins.{a} = {v}", "builtins.isinstance = lambda *a: a",
            "builtins.isinstance = real_isinstance", f"globals()['len'] = {h}", "globals().pop('len', None)",
            f"builtins.gone = {v}", "builtins.__dict__.pop('gone', None)",
            "sys.settrace(tracer)", "sys.settrace(None)", "sys.setprofile(profiler)", "sys.setprofile(None)",
            f"{c}.__del__ = lambda self: P('del', caller())", f"{c}.prop = property(lambda self: self.y)",
            f"{c}.meth = {h}", f"{c}.meth = classmethod(lambda cls: cls.__name__)", f"{c}.meth = staticmethod({h})",
            f"{o}.meth = {h}", f"{o}.meth = lambda *a: ('own', a)", f"setattr({o}, '{a}', {v})", "gc.collect()",
            f"{o}.x = {o}.y = {v}", f"{o}.new{self.r.randrange(40)} = {v}", f"type({o}).cattr = {v}",
            f"{o} = types.SimpleNamespace(x={v}, meth={h})", f"{o} = types.ModuleType('m'); {o}.x = {v}; {o}.meth = {h}",
            f"{o} = {c}", f"object.__setattr__({o}, 'x', {v})", f"types.FunctionType.__get__({h}, {o}, {c})()",
        ]))

    # Definitions

    def parameters(self):
        r = self.r.random()
        if r < 0.5:
            return self.pick(["a", "a, b", "a, b, c", "", "a"])
        return self.pick(["a, b=2", "a, b=(), *c", "*c", "a, *, k=1", "a, /, b=1, **d", "a=1, b=2.5, *c, k=3, **d", "**d",
                          "a, b, /", "a=None"])

    def function(self, method=False, name=None, generator=False):
        params = self.parameters()
        names = [p.split("=")[0].strip(" *") for p in params.split(",")]
        names = [n for n in names if n and n != "/"]
        if method:
            params = ("self, " + params).rstrip(", ")
            if params.startswith("self, a, /") or params.endswith("/"):
                pass
        required = len([p for p in params.split(",") if p.strip() and "=" not in p and p.strip()[0] not in "*/"])
        self.arities[name] = [required] if "=" not in params and "*" not in params else [required, required + 1]
        if method:
            self.arities[name] = [0]
        saved = self.locals, self.in_function, self.in_generator, self.loops, self.in_class
        self.locals = names + ["l0", "l1", "l2"][: self.r.randrange(1, 4)]
        self.in_function, self.in_generator, self.loops, self.in_class = True, generator, 0, method
        init = self.chance(0.85)
        gl = self.chance(0.3)

        def body():
            if gl:
                self.put("global g0, g3")
            if init:
                for n in self.locals:
                    if n.startswith("l"):
                        self.put(f"{n} = {self.constant()}")
            self.statements(self.r.randrange(1, 7), 2)
            if generator:
                self.put(f"yield {self.expr(1)}")
            self.put(f"return {self.expr(2)}")
        self.block(f"def {name}({params}):", body)
        self.locals, self.in_function, self.in_generator, self.loops, self.in_class = saved

    def class_(self):
        name = self.fresh("C")
        bases = [self.pick(self.classes)] if self.classes and self.chance(0.4) else []
        slots = not bases and self.chance(0.2)
        if not bases and not slots and self.chance(0.15):
            bases = [self.pick(["int", "str", "dict", "list", "float", "tuple", "Exception"])]
        builtin = bases and not bases[0].startswith("C")

        def body():
            if slots:
                self.put(f"__slots__ = {self.pick(['(' + repr('x') + ',' + repr('y') + ')', repr(['x', 'y', '__dict__'])])}")
            if self.chance(0.7) and not builtin:
                init = self.pick(["self", "self, x", "self, x, y=2", "self, *a, **k", "self, x=1, y=2, z=3"])

                def init_body():
                    for a in self.r.sample(["x", "y", "z", "w"], self.r.randrange(0, 4)):
                        self.put(f"self.{a} = {self.pick(['x' if ' x' in init else '5', self.constant()])}")
                    if self.chance(0.1):
                        self.put("return 1")
                    if self.chance(0.1):
                        self.put("super().__init__()")
                self.block(f"def __init__({init}):", init_body)
            if self.chance(0.5):
                self.put(f"cattr = {self.constant()}")
            if self.chance(0.8):
                self.function(True, "meth")
            if self.chance(0.4):
                self.function(True, "meth2", generator=self.chance(0.2))
            simple = lambda head, value: self.block(f"def {head}:", lambda: self.put(f"return {value}"))  # noqa: E731
            saved, self.locals = self.locals, ["self"]
            if self.chance(0.5):
                self.put("@property")
                simple("prop(self)", self.pick(["self.x", "self.y", self.constant(), self.expr(1)]))
                if self.chance(0.3):
                    self.put("@prop.setter")
                    self.block("def prop(self, v):", lambda: self.put("self.y = v"))
            if self.chance(0.3):
                self.put("@classmethod")
                simple("cls(cls, a=1)", "(cls.__name__, a)")
            if self.chance(0.3):
                self.put("@staticmethod")
                simple("stat(*a)", "len(a)")
            if self.chance(0.2):
                self.put(f"desc = {self.pick(['Desc()', 'NoDesc()', 'DataDesc()'])}")
            odd = ["__add__(self, o)", "__radd__(self, o)", "__eq__(self, o)", "__lt__(self, o)", "__bool__(self)",
                   "__len__(self)", "__getitem__(self, i)", "__contains__(self, i)", "__call__(self, *a)", "__iter__(self)",
                   "__getattr__(self, n)", "__hash__(self)", "__index__(self)", "__neg__(self)", "__mul__(self, o)",
                   "__sub__(self, o)", "__iadd__(self, o)", "__repr__(self)", "__format__(self, s)", "__getattribute__(self, n)"]
            for head in self.r.sample(odd, self.r.choice([0, 0, 1, 2, 3])):
                if head.startswith("__getattribute__"):
                    if self.chance(0.7):
                        continue
                    simple(head, "object.__getattribute__(self, n)")
                elif head.startswith("__getattr__"):
                    simple(head, self.pick(["n", "(_ for _ in ()).throw(AttributeError(n))", "1"]))
                elif head.startswith("__bool__"):
                    simple(head, self.pick(["True", "False", "1", "change(self)"]))
                elif head.startswith(("__len__", "__index__", "__hash__")):
                    simple(head, self.pick(["3", "0", "-1", "'a'"]))
                elif head.startswith("__iter__"):
                    simple(head, self.pick(["iter((1, 2))", "self", "Iter(3)"]))
                elif head.startswith(("__repr__", "__format__")):
                    simple(head, "'r'")
                else:
                    simple(head, self.pick([self.constant(), "NotImplemented", "self", "o" if " o" in head else "self",
                                            "change(self)", self.expr(1)]))
            if self.chance(0.1):
                self.block("def __setitem__(self, i, v):", lambda: self.put("P('set', i, v)"))
            if self.chance(0.08):
                self.block("def __setattr__(self, n, v):", lambda: self.put("object.__setattr__(self, n, v)"))
            if self.chance(0.12):
                self.block("def __del__(self):", lambda: self.put("P('del', caller())"))
            self.locals = saved
        self.block(f"class {name}{'(' + bases[0] + ')' if bases else ''}:", body)
        self.classes.append(name)

    def program(self):
        self.locals = []
        self.put("g0 = 3; g1 = 1.5; g2 = 'text'; g3 = [1, 2, 3]; o0 = o1 = o2 = None")
        for _ in range(self.r.randrange(1, 4)):
            self.class_()
        self.put("C = " + self.pick(self.classes))
        for o in ("o0", "o1", "o2"):
            self.put(f"{o} = make({self.pick(self.classes)})")
        for _ in range(self.r.randrange(1, 4)):
            if self.chance(0.25):
                name = self.fresh("gen")
                self.function(name=name, generator=True)
                self.generators.append(name)
            else:
                name = self.fresh("f")
                self.function(name=name)
                self.functions.append(name)

        def main():
            def attempt(make):
                self.block("try:", make)
                self.block("except Exception:", lambda: self.put("X()"))
            for _ in range(self.r.randrange(1, 5)):
                attempt(lambda: self.statement(1))
            for f in self.functions:
                attempt(lambda: self.put(f"P({f}({self.args(1, self.arities[f])}))"))
            for f in self.generators:
                attempt(lambda: self.put(f"P(drive({f}({self.args(1, self.arities[f])}), {self.constant()}))"))
            if self.chance(0.8):
                condition = self.pick([f"n == {self.r.randrange(12)}", f"n % {self.r.randrange(2, 9)} == 0"])
                self.block(f"if {condition}:", lambda: attempt(lambda: self.mutation()))
            if self.chance(0.5):
                self.block(f"if n == {self.r.randrange(12)}:", lambda: attempt(lambda: self.mutation()))
        self.block(f"for n in range({self.pick(['4', '8', '12', '70'])}):", lambda: (self.put("fuel()"), main()))
        return "\n".join(self.lines) + "\n"


# Programs of the second kind: functions of a line or two, called with arguments of one kind until they are specialized for
# it, then with others. `a`, `b` and `c` are the arguments.
SITES = """
return a OP b
return a OP b
a = a OP b; return a
a OP= b; return a
a = a OP b; a = a OP c; return a, b, c
t = a; a OP= b; return t, a
a = a OP (b OP c); b = b OP a; return a, b, c
t = (a OP b) OP c; u = t; t OP= b; return t, u
l = [a, b]; a OP= b; b OP= a; return l, a, b
t = a OP b; v = lambda: t; t OP= 1; return v(), a
t = a; h = here(); a = a OP b; return t, a, h['a']
for i in range(5): a = a OP b
return a
for i in range(3): a, b = b, a OP b
return a, b
s = a; r = 0.5
for i in (1, 2, 3): r += i * 1.5; s = s OP i; r = r - i; r = i - r
return s, r
return a < b, a <= b, a == b, a != b, a >= b, a > b
return 'y' if a CMP b else 'n'
if a CMP b: return 1
return a CMP b
return a in b, b in a
return a in b
return a not in b
return a is b, a is not None
return -a, not a
return +a, ~a
return a[b]
return a[0], a[-1]
return a[b], a[b]
a[b] = c; return a
a[0] = b; a[-1] = c; return a
a[b] OP= c; return a
del a[b]; return a
return a[b:c]
a[b:c] = [1, 2]; return a
return a[b:c:2]
x, y = a; return y, x
x, y, z = a; return z, y, x
x, *y = a; return x, y
return 1 if a else 0
return a and b or c
if not a: return b
return c
return [x for x in a]
t = 0
for x in a: t = x OP t
return t
for x in a:
    if x == b: break
else: return 'else'
return x
it = iter(a); return [x for x in it], [x for x in it], next(it, 'end')
it = iter(a); next(it); return tuple(it)
return a.x
return a.x, a.x
a.x = b; return a.x
a.x = b; a.y = c; a.x = c; return a.x, a.y
a.x OP= b; return a.x
del a.x; return a.x
a.z = b; del a.z; a.z = c; return a.z
return a.prop
return a.cattr
return a.meth(b)
return a.meth2(b, c)
return a.meth2(b)
m = a.meth; return m(b)
m = a.meth2; return m(b), m(b, c)
return a.cls(b), a.stat(b)
return a.slot
a.slot = b; return a.slot
return a.__class__.__name__
return a(b)
return a(b, c)
return a()
return a(b, k=c)
return a(*b)
return a(*b, **{'k': c})
return len(a)
return len(a), len(b)
return isinstance(a, b), isinstance(a, (int, str))
return type(a), type(b)
return str(a)
return tuple(a)
return list(a), bool(a)
return abs(a), repr(a)
return max(a, b), min(a, b)
return max(a, b, key=str)
return sorted(a, reverse=b)
return int(a), float(a)
l = [1]; l.append(a); l.append(b); return l
a.append(b); return a
a.append(b); a.pop(); return a.count(c)
return a.upper(), a.split(','), a.replace('a', 'b')
return a.join(['x', 'y']), a.startswith('a')
return a.get(b), a.get(b, c)
a.update(x=b); return a.keys()
return a.items(), a.copy()
return f'{a}|{b!r}|{c!s:>4}'
return f'{a:>5}' + f'{b}'
return a + 'tail' + b
a += 'tail'; a += a; return a
return {**a}, [*b], (*c,)
return {a: b, c: 1}
return {a, b, c}
return g0, g1
return g0(a)
global g1; g1 = a; return g1
global g1; del g1; return g1
return len(g1), abs(a)
return mod.x, mod.f(a)
mod.x = a; return mod.x
return C0.cattr, C0.stat(a)
return C0.meth(a, b), C1.meth2(a, b)
return C0(a), C1(a)
return C0(a, b).x
return C1(a).x, C1().x
return C2(a, b), C2(a)
raise a
raise ValueError(a) from b
try: return a[b]
except (KeyError, IndexError) as e: return type(e), e.args
try: return a.x
except AttributeError: return b
finally: c = None
try: return a OP b
finally: P(a)
with a as t: return t
with Ctx(1): a OP b
return 'after'
def inner(): return a OP b
r = inner(); a = c; return r, inner()
def inner(): nonlocal a; a = a OP b; return a
return inner(), inner()
return list(x OP b for x in a)
g = (x OP b for x in a); return next(g), next(g), list(g)
def gen(): r = yield from a; yield r
return list(gen())
def gen():
    for x in a: r = yield x; P(r)
return drive(gen(), b)
async def co(): return a OP b
async def main(): return await co(), await co()
try: main().send(None)
except StopIteration as e: return e.value
async def ag():
    for x in a: yield x
async def main(): return [x async for x in ag()]
try: main().send(None)
except StopIteration as e: return e.value
class D(type(a)): pass
return D.__mro__
x = Fin(1); x = a; del x; return b
x = Fin(2); a = x = None; return a, b
x = [Fin(2), Fin(1)]; x[0] = a; x[1] = b; return x, a
o0.x = Fin(2); o0.x = a; return a
o1.x = Fin(1); o1.x = b; return a
a = Fin(1) if b else c; return len([a])
return frame_look()
x = frame_look(); a = a OP b; frame_write('a', c); return a
return (lambda *p, k=1, **q: (p, k, q))(a, *b)
match a:
    case [x, y]: return x, y
    case {'x': x}: return x
    case C0(x=x): return x
    case int(x) | float(x): return x
return 'none'
""".strip("\n")

OPERATORS = ["+"] * 4 + ["-", "-", "*", "*", "//", "%", "&", "|", "^", "/", "<<", ">>"]


def split_sites():
    sites, lines = [], []
    for line in SITES.split("\n"):
        lines.append(line)
        # A site ends with a `return` or `raise` at the left margin, on a line without `try:` and the like.
        statements = line.split("; ")
        if statements[-1].startswith(("return", "raise")) and not line.startswith(" "):
            sites.append(lines)
            lines = []
        elif line.startswith(("except StopIteration", "finally: P", "except (Key", "finally: c", "with a")):
            sites.append(lines)
            lines = []
    assert not lines, lines
    return sites


class SiteGenerator(Generator):
    # Kinds of values; each value is an expression that makes it anew, or one that is shared.
    def kinds(self):
        return {
            "small": ["0", "1", "-1", "2", "3", "5", "255", "256", "-5", "True"],
            "int": ["257", "1000", "-6", "70000", "2**30-1", "-2**30+1", "int('70001')", "int('-300')", "kept_int"],
            "edge": ["2**30", "-2**30", "2**30-1", "2**60", "2**60-1", "-2**60", "2**63", "-2**63", "2**31", "int('1'+'0'*20)", "big"],
            "shift": ["29", "30", "31", "32", "33", "1", "0", "-1", "63"],
            "float": ["0.0", "-0.0", "1.5", "float('2.5')", "INF", "NAN", "1e308", "kept_float", "-2.5", "5e-324"],
            "str": ["''", "'a'", "'abc'", "'x'", "'é'", "'日本語'", "kept_str", "str(12)", "'a,b'", "'\\x80'", "'k' * 3"],
            "list": ["[]", "[1, 2]", "[1.5, 'a']", "kept_list", "[1, 2, 3]", "list('abc')", "[Fin(1), 2]"],
            "tuple": ["()", "(1, 2)", "(1, 70000, 'a')", "kept_tuple", "tuple([3.5, 4])", "(0,)"],
            "dict": ["{}", "{'x': 1}", "{1: 2, 'a': 3, 0: 4}", "kept_dict", "{'k': 5}", "{1.5: 1, 'abc': 2}"],
            "set": ["{1, 2}", "frozenset((1, 'a'))", "set()", "{257, 1.5}"],
            "iter": ["range(3)", "range(300, 303)", "iter([1, 2])", "(i * 1000 for i in range(3))", "Iter(3)", "range(2**30-1, 2**30+1)",
                     "range(0)", "reversed([1, 2])", "enumerate('ab')", "zip((1, 2), 'ab')", "{'x': 1}.items()", "range(-7, 0, 3)"],
            "object": ["o0", "o1", "o2", "o3", "make(C0)", "make(C1)", "make(C2)", "make(C3)"],
            "o0": ["o0", "make(C0)"], "o1": ["o1", "make(C1)"], "o2": ["o2", "make(C2)"], "o3": ["o3"],
            "callable": ["f0", "f1", "f2", "C0", "C1", "C2", "len", "o0.meth", "o1.meth2", "int", "(lambda x=1: x)", "str",
                         "[].append", "'a'.join", "C3", "max", "divmod", "kept_list.count", "f3"],
            "f": ["f0", "f1"], "class": ["C0", "C1", "int", "str", "C2", "(int, str)"],
            "none": ["None", "...", "Evil()", "mod", "True", "Fin(1)"],
            "module": ["mod"], "bool": ["True", "False"], "exc": ["ValueError(1)", "KeyError", "Err('x')", "5", "None"],
            "ctx": ["Ctx(0)", "Ctx(1)", "Ctx(2)", "o1"], "bytes": ["b'abc'", "bytearray(b'xy')", "b''"],
        }

    def guess(self, lines):
        """Kinds of arguments that suit a site."""
        text = "\n".join(lines)
        number = self.pick(["small", "int", "int", "edge", "float", "float"])
        a = b = c = number
        if " OP " in text or "OP=" in text:
            if self.chance(0.25):
                a, b = self.pick([("int", "float"), ("float", "int"), ("str", "str"), ("int", "shift"), ("list", "list"), ("str", "small"),
                                  ("small", "edge"), ("o0", "int"), ("edge", "edge"), ("float", "edge")])
                c = b
        if any(x in text for x in ("a[", "x, y", "x, *y", "iter(a)", " in a", "from a", "len(a)", "sorted(a", "tuple(a)", "in b")):
            a = self.pick(["list", "list", "tuple", "tuple", "str", "dict", "iter", "o1", "set", "iter"])
            b = self.pick(["small", "small", "str", "int", a])
            if " in b" in text:
                a, b = self.pick(["small", "str", "int", "float"]), self.pick(["list", "dict", "set", "str", "tuple"])
        if any(x in text for x in ("a.append", "a.pop")):
            a = "list"
        if any(x in text for x in ("a.upper", "a.join", "tail", "a +=")):
            a, b = "str", "str"
        if any(x in text for x in ("a.get", "a.update", "a.items", "**a")):
            a, b, c = "dict", self.pick(["small", "str"]), self.pick(["list", "tuple"])
        if any(x in text for x in ("a.x", "a.prop", "a.cattr", "a.meth", "a.cls", "a.slot", "a.z", "a.__class")):
            a = self.pick(["o0", "o1", "o2", "o3", "object", "module"])
        if any(x in text for x in ("a(", "g0(a")):
            a = self.pick(["f", "callable", "class"])
        if "raise a" in text:
            a = "exc"
        if "with a" in text:
            a = "ctx"
        if "*b" in text:
            b = self.pick(["tuple", "list", "iter"])
        if "isinstance" in text:
            b = "class"
        if self.chance(0.05):
            a = self.pick(list(self.kinds()))
        return a, b, c

    def definitions(self):
        r = self.r
        for n in range(4):
            def body(n=n):
                if n == 2 or n == 3 and self.chance(0.3):
                    self.put(f"__slots__ = {self.pick([repr(('x', 'y', 'slot')), repr(('x', 'slot', '__dict__')), repr(('x', 'y', '__weakref__'))])}")
                init = self.pick(["self, x=1, y=2", "self, x", "self, x=70000", "self, *x", "self"])
                if n != 3 or self.chance(0.5):
                    def init_body():
                        for a in r.sample(["x", "y", "w", "slot"], r.randrange(0, 4)):
                            self.put(f"self.{a} = {self.pick(['x' if ' x' in init or '*x' in init else '5', '70000', '1.5'])}")
                        if self.chance(0.07):
                            self.put(self.pick(["return 1", "raise ValueError(self.__class__.__name__)", "P('init', caller())"]))
                    self.block(f"def __init__({init}):", init_body)
                if self.chance(0.7):
                    self.put(f"cattr = {self.constant()}")
                for name, params, values in (
                        ("meth", "self, a", ["a", "(self.x, a)", "a + 1", "self.meth2(a)", "caller()"]),
                        ("meth2", self.pick(["self, a, b=3", "self, a, *b", "self, a, b", "self, a=1, *, k=2"]), ["a", "self.x", "locals()['a']"]),
                        ("__getitem__", "self, i", [f"[{v}][i > 3 if type(i) is int else 0]" for v in ("i", "self.x", "(i, 70000)")]),
                        ("__call__", "self, *a", ["a", "len(a)"]),
                        ("__len__", "self", ["3", "0"]), ("__bool__", "self", ["True", "False"]),
                        ("__add__", "self, o", ["o", "NotImplemented", "change(self)"]),
                        ("__eq__", "self, o", ["True", "NotImplemented", "change(self)"]),
                        ("__contains__", "self, o", ["True", "o"]), ("__iter__", "self", ["iter((1, 2))", "Iter(2)"]),
                        ("__enter__", "self", ["self"]), ("__exit__", "self, *a", ["True", "None"]),
                        ("__getattr__", "self, n", ["n", "1"]), ("__getattribute__", "self, n", ["object.__getattribute__(self, n)", "n"]),
                        ("__setattr__", "self, n, v", ["object.__setattr__(self, n, v)"]), ("__del__", "self", ["P('del', caller())"]),
                        ("__setitem__", "self, i, v", ["P(i, v)"])):
                    if self.chance(0.85 if name.startswith("meth") else 0.2):
                        self.block(f"def {name}({params}):", lambda values=values: self.put(f"return {self.pick(values)}"))
                if self.chance(0.6):
                    self.put("prop = property(lambda self: " + self.pick(["self.x", "70000", "self.y"]) + ")")
                if self.chance(0.6):
                    self.put("cls = classmethod(lambda cls, *a: (cls.__name__, a))")
                    self.put("stat = staticmethod(lambda *a: a)")
                if n == 1 and self.chance(0.3):
                    self.block("def supers(self):", lambda: self.put("return super().meth(1)"))
            base = self.pick(["", "", "(C0)"]) if n == 1 else ""
            self.block(f"class C{n}{base}:", body)
            self.classes.append(f"C{n}")
        for n, params in enumerate(["x", "x, y", "x=1, y=70000", "*x, k=1, **q"]):
            name = f"f{n}"
            self.block(f"def {name}({params}):", lambda: self.put("return " + self.pick(["x", "(x, 1)", "locals()", "x + x", "caller()"])))
            self.functions.append(name)
        self.put("C = C0; kept_int = 70002; kept_float = 3.25; kept_str = 'kept'; kept_list = [5, 6]; kept_tuple = (7, 8); kept_dict = {'x': 9}")
        self.put("big = 2**100; g0 = f0; g1 = 'text'; g2 = 70000; g3 = 1.5; mod = types.ModuleType('m'); mod.x = 1; mod.f = f0")
        for n in range(4):
            self.put(f"o{n} = make(C{n})")

    def program(self):
        self.locals = []
        self.definitions()
        sites, kinds = split_sites(), self.kinds()
        chosen = []
        for n in range(self.r.randrange(3, 9)):
            operator, compare = self.pick(OPERATORS), self.pick(COMPARE[:6])
            lines = [x.replace(" OP= ", f" {operator}= ").replace(" OP ", f" {operator} ").replace("CMP", compare)
                     for x in self.pick(sites)]
            self.block(f"def s{n}(a=None, b=None, c=None):", lambda lines=lines: [self.put(x) for x in lines])
            chosen.append((f"s{n}", lines))
        for phase in range(self.r.randrange(2, 5)):
            for name, lines in chosen:
                if self.chance(0.2):
                    continue
                a, b, c = self.guess(lines)
                if lines[0].startswith("for i in range(5)") or "a += a" in lines[0]:
                    pass
                values = [self.r.sample(kinds[k], min(len(kinds[k]), self.r.randrange(1, 4))) for k in (a, b, c)]

                def call(name=name, values=values):
                    self.put("fuel()")
                    self.block("try:", lambda: self.put(f"P({name}({', '.join(values_of(v) for v in values)}))"))
                    self.block("except Exception:", lambda: self.put("X()"))

                def values_of(v):
                    return v[0] if len(v) == 1 else self.cycle(v)
                self.block(f"for n in range({self.pick(['3', '4', '6', '60', '70'])}):", call)
                if self.chance(0.5):
                    self.block("try:", self.mutation)
                    self.block("except Exception:", lambda: self.put("X()"))

    def cycle(self, values):
        """One of several values, made anew for each call."""
        expression = values[-1]
        for i, value in enumerate(values[:-1]):
            expression = f"({value} if n % {len(values)} == {i} else {expression})"
        return expression


def program(seed):
    if seed % 3 == 0:
        return Generator(seed).program()
    g = SiteGenerator(seed)
    g.program()
    return "\n".join(g.lines) + "\n"


if __name__ == "__main__":
    import sys
    print(program(int(sys.argv[1])))
