"""Executors that are attached by hand: what micro-ops do on real objects and frames. Run under `hotspur`."""
import dis
import gc
import signal
import sys
import time
import traceback
import unittest
import weakref

from hotspur import _hotspur as engine


def setUpModule():
    # What is attached by hand here does not do what the function does, so the tests must not be recorded around it.
    global parameters
    parameters = engine.parameters()
    engine.parameters(back_edge_threshold=4095, entry_threshold=4095, exit_threshold=4095)


def tearDownModule():
    engine.parameters(**parameters)


def pos(function, name, n=0, arg=None):
    """The index of the nth instruction with this name (and argument)."""
    found = [i.offset // 2 for i in dis.get_instructions(function)
             if i.opname == name and (arg is None or i.argval == arg)]
    return found[n]


def line(function, offset):
    return function.__code__.co_firstlineno + offset


def executor(number):
    return next(e for e in engine.executors() if e["id"] == number)


def hits(number):
    return [e["hits"] for e in executor(number)["exits"]]


def raised(error, function, *args):
    """The traceback, from the function on, of the exception that it raises."""
    try:
        function(*args)
    except error as e:
        return e.__traceback__.tb_next
    raise AssertionError("nothing was raised")


def returning(result, nlocals, at=1, landed=2):
    """Ops that return from a frame whose locals are all in memory; the snapshots are those at the return, and landed."""
    first = int(result[1:]) + 1
    names = [f"v{first + i}" for i in range(nlocals)]
    loads = "".join(f"{name} = load_local 0, {i}\n" for i, name in enumerate(names))
    return f"{loads}return_value {result}, [{', '.join(names)}] [snap{at}]\nleave_landed [snap{landed}]"


class Case(unittest.TestCase):
    def setUp(self):
        engine.remove_executors()

    def attach(self, function, body, snapshots="", at=None, loop="", virtuals="", **kw):
        at = pos(function, "RESUME") if at is None else at
        text = f"superblock code0 @ {at} () {{\n{body}\n" + (f"loop {loop}\n" if loop else "")
        return engine.attach_superblock(text + "}\n" + virtuals + snapshots, function, **kw)

    def attach_pure(self, function, body, result, nlocals, **kw):
        """A superblock that computes and returns; its guards exit to the first instruction."""
        slots = ", ".join("_" * nlocals)
        number = self.attach(function, f"{body}\n{returning(result, nlocals)}", f"""
            snap0 = at
                code0 @ 0 locals [{slots}] stack []
            snap1 = at
                code0 @ {pos(function, 'RETURN_VALUE')} locals [{slots}] stack []
            snap2 = landed
                code0 @ {pos(function, 'RETURN_VALUE')} locals [{slots}] stack []
        """, **kw)
        self.addCleanup(engine.remove_executors, number)
        return number


class Boxes(Case):
    def test_ints(self):
        def f(x, y):
            return x
        # The int that has more than one digit is unboxed by nobody: guard_compact.
        number = self.attach_pure(f, """
            v0 = load_local 0, 0
            v1 = load_local 0, 1
            guard_compact v0 [snap0]
            guard_compact v1 [snap0]
            v2 = unbox_i64 v0
            v3 = unbox_i64 v1
            v4 = mul_i64 v2, v3
            v5 = box_i64 v4""", "v5", 2)
        for a in (0, 1, -1, -5, -6, 256, 257, 2**29, 2**30 - 1, -(2**30 - 1)):
            for b in (0, 1, -1, 3, 2**30 - 1):
                product = f(a, b)
                self.assertEqual(product, a * b)
                self.assertIs(type(product), int)
                self.assertEqual(str(product), str(a * b))
        self.assertEqual(hits(number), [0, 0, 50])
        self.assertEqual(f(2**30, 1), 2**30)
        self.assertEqual(f(-2**30, 1), -2**30)
        self.assertEqual(hits(number)[0], 2)
        self.assertIs(f(16, 16), 256)
        self.assertIs(f(5, -1), int("-5"))

    def test_floats_and_bools(self):
        def f(x, y):
            return x
        self.attach_pure(f, """
            v0 = load_local 0, 0
            v1 = load_local 0, 1
            v2 = unbox_f64 v0
            v3 = unbox_f64 v1
            v4 = cmp_f64 lt, v2, v3
            guard_true v4 [snap0]
            v5 = div_f64 v2, v3
            v6 = box_f64 v5""", "v6", 2)
        self.assertEqual(f(1.0, 4.0), 0.25)
        self.assertEqual(f(4.0, 1.0), 4.0)
        nan = float("nan")
        self.assertIs(f(nan, 1.0), nan)
        made = [f(float(i), i + 1.0) for i in range(1000)]
        self.assertEqual(made, [i / (i + 1.0) for i in range(1000)])

        def g(x, y):
            return x
        self.attach_pure(g, """
            v0 = load_local 0, 0
            v1 = load_local 0, 1
            v2 = same_obj v0, v1
            v3 = box_bool v2
            incref v3""", "v3", 2)
        self.assertIs(g(f, f), True)
        self.assertIs(g(f, g), False)


class Ownership(Case):
    def test_arguments_are_borrowed(self):
        def f(x):
            return x
        self.attach_pure(f, "v0 = load_local 0, 0\nincref v0", "v0", 1)
        thing = object()
        before = sys.getrefcount(thing)
        for _ in range(100):
            self.assertIs(f(thing), thing)
        self.assertEqual(sys.getrefcount(thing), before)

    def test_constants_are_held(self):
        def f(x):
            return x
        thing = object()
        before = sys.getrefcount(thing)
        number = self.attach_pure(f, "v0 = const_obj obj0\nincref v0", "v0", 1, objects=[thing])
        self.assertEqual(sys.getrefcount(thing), before + 1)
        self.assertIs(f(1), thing)
        engine.remove_executors(number)
        self.assertEqual(sys.getrefcount(thing), before)

    def test_store_to_a_local(self):
        # x = y, then x is returned: by spilling, and by the snapshot.
        for spill in (True, False):
            def f(x, y):
                return x
            body = """
                v0 = load_local 0, 0
                v1 = load_local 0, 1
                incref v1
            """
            if spill:
                body += "spill_local 0, 0, v1\n"
            slot = "_" if spill else "own v1"
            self.attach(f, body + """
                decref v0 [snap0]
                check_validity [snap0]
                exit end_of_trace [snap1]
            """, f"""
                snap0 = after
                    code0 @ 0 locals [{slot}, _] stack []
                snap1 = at
                    code0 @ {pos(f, 'LOAD_FAST')} locals [{slot}, _] stack []
            """)
            thing = object()
            before = sys.getrefcount(thing)
            for _ in range(10):
                self.assertIs(f([], thing), thing)
            self.assertEqual(sys.getrefcount(thing), before)

    def test_overwritten_object_dies_where_it_should(self):
        died = []

        class Dying:
            def __del__(self):
                died.append(sys._getframe(1).f_lineno)

        def f(x, y):
            x = y
            return x
        self.attach(f, """
            v0 = load_local 0, 0
            v1 = load_local 0, 1
            incref v1
            decref v0 [snap0]
            check_validity [snap0]
            exit end_of_trace [snap1]
        """, f"""
            snap0 = after
                code0 @ {pos(f, 'STORE_FAST')} locals [own v1, _] stack []
            snap1 = at
                code0 @ {pos(f, 'LOAD_FAST', 1)} locals [own v1, _] stack []
        """)
        self.assertEqual(f(Dying(), 3), 3)
        # Its caller's argument is the caller's own until the call: only f had it then.
        self.assertEqual(died, [line(f, 1)])


class Sequences(Case):
    def test_list_items(self):
        def f(items, i, new):
            return items
        self.attach_pure(f, """
            v0 = load_local 0, 0
            v1 = load_local 0, 1
            v2 = load_local 0, 2
            guard_type v0, obj0 [snap0]
            guard_type v1, obj1 [snap0]
            guard_compact v1 [snap0]
            v3 = unbox_i64 v1
            v4 = list_len v0
            guard_index v3, v4 [snap0]
            v5 = list_items v0
            v6 = load_item v5, v3
            incref v2
            store_item v5, v3, v2""", "v6", 3, objects=[list, int])
        a, b = object(), object()
        items = [a, a]
        refs = sys.getrefcount(a), sys.getrefcount(b)
        self.assertIs(f(items, 1, b), a)
        self.assertEqual(items, [a, b])
        self.assertEqual((sys.getrefcount(a), sys.getrefcount(b)), (refs[0] - 1, refs[1] + 1))
        self.assertIs(f(items, 2, b), items)
        self.assertIs(f(items, -1, b), items)
        self.assertIs(f((1,), 0, b)[0], 1)

    def test_building(self):
        def f(x, y):
            return x
        a, b = object(), object()
        for op, expected in (
                ("new_tuple [v0, v1]", (a, b)), ("new_list [v0, v1]", [a, b]), ("new_tuple []", ()),
                ("new_slice v0, v1, v2", slice(a, b, None))):
            incref = {"[]": ""}.get(op[-2:], "incref v0\nincref v1\nincref v2")
            if "slice" not in op:
                incref = incref.replace("incref v2", "")
            with self.subTest(op):
                number = self.attach_pure(f, f"""
                    v0 = load_local 0, 0
                    v1 = load_local 0, 1
                    v2 = const_obj obj0
                    {incref}
                    v3 = {op}""", "v3", 2, objects=[None])
                refs = sys.getrefcount(a), sys.getrefcount(b)
                for _ in range(5):
                    made = f(a, b)
                    self.assertEqual(made, expected)
                    self.assertIs(type(made), type(expected))
                del made
                self.assertEqual((sys.getrefcount(a), sys.getrefcount(b)), refs)
                engine.remove_executors(number)

    def test_virtual_objects_at_an_exit(self):
        def f(x, y):
            z = x
            return z
        self.attach(f, """
            v0 = load_local 0, 0
            v1 = const_i64 1
            v2 = const_i64 7
            exit end_of_trace [snap0]
        """, f"""
            snap0 = at
                code0 @ {pos(f, 'STORE_FAST')} locals [_, _, null] stack [virt3]
        """, virtuals="""
            virt0 = tuple(v0, v2)
            virt1 = list_iter(v0, v1)
            virt2 = range_iter(v2, v1, v2)
            virt3 = list(virt0, virt1, virt2, virt0)
        """)
        items = [1, 2, 3]
        made = f(items, None)
        self.assertEqual(made[0], (items, 7))
        self.assertIs(made[0], made[3])
        self.assertEqual(list(made[1]), [2, 3])
        self.assertEqual(list(made[2]), list(range(7, 14)))
        self.assertEqual(type(made[2]), type(iter(range(3))))
        del made
        self.assertEqual(sys.getrefcount(items), 2)

    def test_iterators(self):
        for kind, values in (("list", [1, 2]), ("tuple", (1, 2))):
            def f(it):
                return it
            self.attach_pure(f, f"""
                v0 = load_local 0, 0
                v1 = {kind}_iter_next v0 [snap0]""", "v1", 1)
            it = iter(values)
            self.assertEqual([f(it), f(it)], [1, 2])
            self.assertIs(f(it), it)
            self.assertEqual(list(it), [])
            self.assertIs(f(it), it)

        def g(it):
            return it
        self.attach_pure(g, """
            v0 = load_local 0, 0
            v1 = range_iter_next v0 [snap0]
            v2 = box_i64 v1""", "v2", 1)
        it = iter(range(10, 4, -3))
        self.assertEqual([g(it), g(it)], [10, 7])
        self.assertIs(g(it), it)


class Attributes(Case):
    def make(self):
        class C:
            def __init__(self):
                self.a = 1
                self.b = 2
                self.c = 3
        C()
        C()
        return C

    def store(self, cls, index):
        def f(o, v):
            return o
        self.attach_pure(f, f"""
            v0 = load_local 0, 0
            v1 = load_local 0, 1
            guard_type_version v0, {engine.version('type', cls)} [snap0]
            guard_shared_keys_version v0, {engine.version('shared_keys', cls)} [snap0]
            guard_inline_values v0 [snap0]
            v2 = load_inline v0, {index}
            incref v1
            store_inline v0, {index}, v1
            v3 = is_null v2
            v4 = box_bool v3
            xdecref v2 [snap2]
            check_validity [snap2]
            incref v4""", "v4", 2)
        return f

    def attach_pure(self, function, body, result, nlocals, **kw):
        slots = ", ".join("_" * nlocals)
        self.attach(function, f"{body}\n{returning(result, nlocals, landed=3)}", f"""
            snap0 = at
                code0 @ 0 locals [{slots}] stack []
            snap1 = at
                code0 @ {pos(function, 'RETURN_VALUE')} locals [{slots}] stack []
            snap2 = after
                code0 @ 0 locals [{slots}] stack []
            snap3 = landed
                code0 @ {pos(function, 'RETURN_VALUE')} locals [{slots}] stack []
        """, **kw)

    def test_inline_values(self):
        C = self.make()
        f = self.store(C, 1)
        o = C()
        self.assertIs(f(o, 20), False)
        self.assertEqual(vars(o), {"a": 1, "b": 20, "c": 3})
        o = C()
        del o.b
        thing = object()
        before = sys.getrefcount(thing)
        self.assertIs(f(o, thing), True)
        self.assertEqual(list(vars(o).items()), [("a", 1), ("c", 3), ("b", thing)])
        del o
        self.assertEqual(sys.getrefcount(thing), before)

    def test_with_a_dictionary_that_shares_the_values(self):
        C = self.make()
        f = self.store(C, 1)
        o = C()
        d = o.__dict__
        self.assertIs(f(o, 20), False)
        self.assertEqual(d, {"a": 1, "b": 20, "c": 3})
        del o.b
        self.assertEqual(len(d), 2)
        self.assertIs(f(o, 21), True)
        self.assertEqual(len(d), 3)
        self.assertEqual(list(d.items()), [("a", 1), ("c", 3), ("b", 21)])
        self.assertIs(o.__dict__, d)

    def test_a_container_in_an_untracked_dictionary_is_found_by_the_collector(self):
        C = self.make()
        f = self.store(C, 1)
        o = C()
        o.__dict__
        f(o, o)
        watch = weakref.ref(o)
        del o
        gc.collect()
        self.assertIsNone(watch())

    def test_guards(self):
        C = self.make()
        f = self.store(C, 1)
        o = C()
        o.__dict__ = {"a": 1}
        self.assertIs(f(o, 5), o)
        self.assertEqual(vars(o), {"a": 1})
        o = C()
        self.assertIs(f(o, 5), False)
        C.new = 1
        self.assertIs(f(o, 6), o)
        self.assertEqual(o.b, 5)
        self.assertEqual(f(3, 5), 3)

    def test_slots(self):
        class S:
            __slots__ = "a", "b"

        def f(o, v):
            return o
        self.attach_pure(f, f"""
            v0 = load_local 0, 0
            v1 = load_local 0, 1
            guard_type_version v0, {engine.version('type', S)} [snap0]
            v2 = load_slot v0, 24
            guard_not_null v2 [snap0]
            incref v1
            store_slot v0, 24, v1""", "v2", 2)
        o = S()
        self.assertIs(f(o, 1), o)
        o.b = 5
        self.assertEqual(f(o, 6), 5)
        self.assertEqual(o.b, 6)


counter = 0
other = 0


class Dicts(Case):
    def increment(self):
        def f():
            return counter
        names = globals()
        index = list(names).index("counter")
        kw = dict(objects=[names])
        number = self.attach(f, f"""
            v0 = const_obj obj0
            guard_keys_version v0, {engine.version('keys', names)} [snap0]
            v1 = load_global obj0, {index}
            guard_not_null v1 [snap0]
            v2 = unbox_i64 v1
            v3 = const_i64 1
            v4 = add_i64 v2, v3
            v5 = box_i64 v4
            v6 = box_i64 v4
            store_global obj0, {index}, v5
            decref v1 [snap1]
            check_validity [snap1]
            return_value v6, [] [snap2]
            leave_landed [snap3]
        """, f"""
            snap0 = at
                code0 @ 0 locals [] stack []
            snap1 = after
                code0 @ 0 locals [] stack []
            snap2 = at
                code0 @ {pos(f, 'RETURN_VALUE')} locals [] stack []
            snap3 = landed
                code0 @ {pos(f, 'RETURN_VALUE')} locals [] stack []
        """, **kw)
        return f, number

    def test_globals(self):
        global counter
        counter = 1000
        f, number = self.increment()
        self.assertEqual([f() for _ in range(5)], [1001, 1002, 1003, 1004, 1005])
        self.assertEqual(counter, 1005)
        before = engine.version("dict", globals())
        f()
        self.assertEqual(engine.version("dict", globals()), before + 1)
        self.assertEqual(counter, 1006)
        globals()["new_name"] = 1
        self.assertEqual(f(), 1006)
        del globals()["new_name"]

    def test_relying_on_keys(self):
        def f(x):
            return x
        names = {"a": 1, "b": 2}
        number = self.attach_pure(f, "v0 = const_obj obj0\nincref v0", "v0", 1, objects=[None], dicts=[names])
        self.assertIsNone(f(1))
        names["a"] = 3
        self.assertIsNone(f(1))
        names["c"] = 3
        self.assertEqual(f(1), 1)

    def test_relying_on_a_value(self):
        def f(x):
            return x
        names = {"a": 1, "b": 2}
        self.attach_pure(f, "v0 = const_obj obj0\nincref v0", "v0", 1, objects=[None, "a"], values=[(names, "a")])
        self.assertIsNone(f(1))
        names["b"] = 3
        names["c"] = 3
        self.assertIsNone(f(1))
        names["".join(["a"])] = 1.5
        self.assertEqual(f(1), 1)

    def test_relying_on_a_dictionary_that_dies(self):
        def f(x):
            return x
        names = {"a": 1}
        number = self.attach_pure(f, "v0 = const_obj obj0\nincref v0", "v0", 1, objects=[None], dicts=[names])
        self.assertIsNone(f(1))
        del names
        self.assertEqual(f(1), 1)


class Frames(Case):
    """Inlined frames that exist only when somebody looks."""

    def setUp(self):
        super().setUp()

        def callee(a, b):
            c = a + b
            d = c
            return d

        def caller(x, y):
            one = 1
            r = callee(x, y)
            return one, r
        self.callee, self.caller = callee, caller

    def frames(self, callee_frame, resume="at", caller_locals="_, _, v9, null, _"):
        return f"""{resume}
            code0 @ {pos(self.caller, 'CALL')} locals [{caller_locals}] stack []
            code1 @ {callee_frame}"""

    def test_exit_in_a_callee(self):
        callee, caller = self.callee, self.caller
        self.attach(caller, """
            v0 = load_local 0, 0
            v1 = load_local 0, 1
            v2 = const_obj obj0
            v9 = const_i64 1
            exit end_of_trace [snap0]
        """, "snap0 = " + self.frames(
            f"{pos(callee, 'BINARY_OP')} function v2 locals [v0, v1, null, null] stack [v0, v1]"),
            objects=[callee], codes=[callee])
        self.assertEqual(caller(3, 4), (1, 7))
        self.assertEqual(caller("a", "b"), (1, "ab"))
        refs = sys.getrefcount(callee)
        for _ in range(10):
            tb = raised(TypeError, caller, "a", 4)
        self.assertEqual([(f.name, f.lineno) for f in traceback.extract_tb(tb)],
                         [("caller", line(caller, 2)), ("callee", line(callee, 1))])
        frame = tb.tb_next.tb_frame
        self.assertEqual(frame.f_locals, {"a": "a", "b": 4})
        self.assertEqual(frame.f_back.f_locals, {"x": "a", "y": 4, "one": 1, "callee": callee})
        self.assertIs(frame.f_back, tb.tb_frame)
        del tb, frame
        gc.collect()
        self.assertEqual(sys.getrefcount(callee), refs)

    def test_exit_after_an_instruction(self):
        callee, caller = self.callee, self.caller
        self.attach(caller, """
            v0 = load_local 0, 0
            v2 = const_obj obj0
            v9 = const_i64 1
            v3 = const_f64 2.5
            exit end_of_trace [snap0]
        """, "snap0 = " + self.frames(
            f"{pos(callee, 'BINARY_OP')} function v2 locals [v0, v0, null, null] stack [v3]", "after"),
            objects=[callee], codes=[callee])
        self.assertEqual(caller(3, 4), (1, 2.5))

    def test_raising_in_a_callee(self):
        callee, caller = self.callee, self.caller
        self.attach(caller, """
            v0 = load_local 0, 0
            v1 = load_local 0, 1
            v2 = const_obj obj0
            v9 = const_i64 1
            v8 = const_i64 0
            v3 = call_helper binary_op, [v0, v1, v8] [snap0]
            check_error v3 [snap1]
            check_validity [snap2]
            exit end_of_trace [snap2]
        """, f"""
            snap0 = {self.frames(f"{pos(callee, 'BINARY_OP')} function v2 locals [v0, v1, null, null] stack [v0, v1]", "after")}
            snap1 = {self.frames(f"{pos(callee, 'BINARY_OP')} function v2 locals [v0, v1, null, null] stack []", "raise")}
            snap2 = {self.frames(f"{pos(callee, 'BINARY_OP')} function v2 locals [v0, v1, null, null] stack [own v3]", "after")}
        """, objects=[callee], codes=[callee])
        self.assertEqual(caller(3, 4), (1, 7))
        tb = raised(TypeError, caller, "a", 4)
        self.assertEqual([f.lineno for f in traceback.extract_tb(tb)], [line(caller, 2), line(callee, 1)])
        self.assertEqual(tb.tb_next.tb_frame.f_locals, {"a": "a", "b": 4})

        seen = []

        class Adder:
            def __add__(self, other):
                seen.append(traceback.extract_stack()[-3:-1])
                return "sum"
        self.assertEqual(caller(Adder(), 1), (1, "sum"))
        self.assertEqual([(f.name, f.lineno) for f in seen[0]], [("caller", line(caller, 2)), ("callee", line(callee, 1))])

        class Keeper:
            def __add__(self, other):
                seen.append(sys._getframe(1))
                return "kept"
        del seen[:]
        keeper = Keeper()
        self.assertEqual(caller(keeper, 1), (1, "kept"))
        frame = seen.pop()
        # The frame was left, and went on, in the frame that was seen.
        self.assertEqual(frame.f_locals, {"a": keeper, "b": 1, "c": "kept", "d": "kept"})
        self.assertEqual(frame.f_lineno, line(callee, 3))
        self.assertEqual(frame.f_back.f_code, caller.__code__)
        self.assertEqual(frame.f_back.f_locals["r"], "kept")
        self.assertEqual(sys.getrefcount(keeper), 4)
        del frame
        gc.collect()
        self.assertEqual(sys.getrefcount(keeper), 2)

        class Changer:
            def __add__(self, other):
                back = sys._getframe(1)
                back.f_locals["b"] = "changed b"
                back.f_back.f_locals["one"] = "changed one"
                return "sum"
        changer, b = Changer(), object()
        number = engine.executors()[-1]["id"]
        before = hits(number)
        self.assertEqual(caller(changer, b), ("changed one", "sum"))
        self.assertEqual([now - then for now, then in zip(hits(number), before)], [0, 1, 0])
        self.assertEqual((sys.getrefcount(changer), sys.getrefcount(b)), (2, 2))
        self.assertEqual(caller(1, 2), (1, 3))

    def test_recursion_limit(self):
        callee, caller = self.callee, self.caller
        self.attach(caller, """
            check_stack_space [snap1]
            v0 = load_local 0, 0
            v2 = const_obj obj0
            v9 = const_i64 1
            exit end_of_trace [snap0]
        """, "snap0 = " + self.frames(
            f"{pos(callee, 'BINARY_OP')} function v2 locals [v0, v0, null, null] stack [v0, v0]") + f"""
            snap1 = at
                code0 @ {pos(caller, 'RESUME')} locals [_, _, _, _, _] stack []
            """, objects=[callee], codes=[callee])

        def deep(n):
            return deep(n - 1) if n else caller(1, 1)
        for n in range(sys.getrecursionlimit() + 5):
            try:
                reached = deep(n)
            except RecursionError:
                break
            self.assertEqual(reached, (1, 2))
        self.assertLess(n, sys.getrecursionlimit())
        self.assertEqual(caller(2, 2), (1, 4))

    def test_many_frames_need_another_chunk_of_the_data_stack(self):
        callee, caller = self.callee, self.caller
        self.attach(caller, """
            v0 = load_local 0, 0
            v2 = const_obj obj0
            v9 = const_i64 1
            exit end_of_trace [snap0]
        """, "snap0 = " + self.frames(
            f"{pos(callee, 'BINARY_OP')} function v2 locals [v0, v0, null, null] stack [v0, v0]"),
            objects=[callee], codes=[callee])

        def deep(n):
            return deep(n - 1) if n else caller(1, 1)
        for n in range(300):
            self.assertEqual(deep(n), (1, 2))


class Finalizers(Case):
    """Code that runs when an object dies in the middle of a superblock, and looks around."""

    def setUp(self):
        super().setUp()
        self.seen = seen = []

        class Dying:
            action = staticmethod(lambda: None)

            def __del__(self):
                seen.append([(f.name, f.lineno) for f in traceback.extract_stack()[-3:-1]])
                self.action()
        self.Dying = Dying

        def callee(a):
            a = None
            return a

        def caller(make, x):
            y = x
            callee(make())
            return y
        self.callee, self.caller = callee, caller
        # The callee is given an object that nobody else has, and drops it.
        self.number = self.attach(caller, """
            v0 = load_local 0, 0
            v1 = load_local 0, 1
            v2 = const_obj obj0
            v3 = const_null
            v4 = call_helper call, [v0, v3] [snap0]
            check_error v4 [snap1]
            check_validity [snap2]
            v5 = const_obj obj1
            decref v4 [snap3]
            check_validity [snap3]
            exit end_of_trace [snap3]
        """, f"""
            snap0 = after
                code0 @ {pos(caller, 'CALL', 0)} locals [_, _, v1, _] stack []
            snap1 = raise
                code0 @ {pos(caller, 'CALL', 0)} locals [_, _, v1, _] stack []
            snap2 = after
                code0 @ {pos(caller, 'CALL', 0)} locals [_, _, v1, _] stack [v2, null, own v4]
            snap3 = after
                code0 @ {pos(caller, 'CALL', 1)} locals [_, _, v1, _] stack []
                code1 @ {pos(callee, 'STORE_FAST')} function v2 locals [v5] stack []
        """, objects=[callee, None], codes=[callee])
        self.expected = [("caller", line(caller, 2)), ("callee", line(callee, 1))]

    def check(self, action, result="x", keeps=False):
        """Looking at the stack gives the callee's frame an object, so that the validity check exits."""
        self.Dying.action = staticmethod(action)
        x = object()
        before = hits(self.number)
        refs = sys.getrefcount(x)
        got = self.caller(self.Dying, x)
        self.assertEqual("x" if got is x else got, result)
        self.assertEqual(self.seen.pop(), self.expected)
        after = hits(self.number)
        self.assertEqual([a - b for a, b in zip(after, before)], [0, 0, 1, 0])
        del got
        if not keeps:
            gc.collect()
            self.assertEqual(sys.getrefcount(x), refs)

    def test_nobody_looks(self):
        class Quiet:
            def __del__(self):
                died.append(1)
        died = []
        for _ in range(3):
            x = object()
            self.assertIs(self.caller(Quiet, x), x)
            self.assertEqual(sys.getrefcount(x), 2)
        self.assertEqual(hits(self.number), [0, 0, 0, 3])
        self.assertEqual(len(died), 3)

    def test_stack_looked_at(self):
        self.check(lambda: None)

    def test_frame_looked_at_and_let_go(self):
        def action():
            frame = sys._getframe(2)
            assert frame.f_code.co_name == "callee", frame
            assert frame.f_locals == {"a": None}, frame.f_locals
            assert frame.f_back.f_locals["y"] is frame.f_back.f_locals["x"]
        # It has a frame object now, so the frame stays.
        self.check(action)

    def test_frame_kept(self):
        kept = []

        def action():
            kept.append(sys._getframe(2))
        self.check(action, keeps=True)
        self.assertEqual(kept[0].f_locals, {"a": None})
        self.assertEqual(kept[0].f_lineno, line(self.callee, 2))
        self.assertEqual(kept[0].f_back.f_code.co_name, "caller")
        self.assertEqual(kept[0].f_back.f_back.f_code.co_name, "check")
        kept.clear()

    def test_local_of_the_callee_changed(self):
        def action():
            sys._getframe(2).f_locals["a"] = object()
        self.check(action)

    def test_local_of_the_caller_changed(self):
        for change in (
                lambda d: d.__setitem__("y", "new"),
                lambda d: d.update({"y": "new"}),
                lambda d: exec("y = 'new'", {}, d),
                lambda d: d.__ior__({"y": "new"}),
                lambda d: d.setdefault("zzz", 1) and d.__setitem__("y", "new")):
            self.check(lambda: change(sys._getframe(3).f_locals), result="new")

    def test_changed_twice_so_that_an_address_comes_back(self):
        def action():
            d = sys._getframe(3).f_locals
            for i in range(20):
                d["y"] = float(i)
            assert d["y"] == 19.0
        self.check(action, result=19.0)

    def test_executor_removed(self):
        def action():
            engine.remove_executors()
        self.Dying.action = staticmethod(action)
        x = object()
        self.assertIs(self.caller(self.Dying, x), x)
        self.assertEqual(self.seen.pop(), self.expected)
        self.assertEqual(engine.executors(), [])
        self.assertIs(self.caller(self.Dying, x), x)

    def test_collection(self):
        self.check(gc.collect)

    def test_tracing_switched_on(self):
        events = []

        def tracer(frame, event, arg):
            events.append((frame.f_code.co_name, event))
            return tracer

        def action():
            sys.settrace(tracer)
            for back in (2, 3):
                sys._getframe(back).f_trace = tracer
        self.Dying.action = staticmethod(action)
        try:
            self.caller(self.Dying, 1)
        finally:
            sys.settrace(None)
        self.assertIn(("callee", "return"), events)
        self.assertIn(("caller", "line"), events)


class Loops(Case):
    def make(self):
        def f(n, stop):
            i = 0
            while i < n:
                i += 1
            return i
        at = pos(f, "POP_JUMP_IF_FALSE") + 2
        back = pos(f, "JUMP_BACKWARD")
        number = self.attach(f, """
            v0 = load_local 0, 0
            guard_compact v0 [snap0]
            v1 = unbox_i64 v0
            v9 = load_local 0, 1
            guard_compact v9 [snap0]
            v8 = unbox_i64 v9
            v2 = load_local 0, 2
            guard_compact v2 [snap0]
            v3 = unbox_i64 v2
            decref_no_dealloc v2
            enter_loop [v3]
        """, f"""
            snap0 = at
                code0 @ {at} locals [_, _, _] stack []
            snap1 = at
                code0 @ {at} locals [_, _, v4] stack []
            snap2 = at
                code0 @ {pos(f, 'RETURN_VALUE') - 1} locals [_, _, v6] stack []
            snap3 = at
                code0 @ {back} locals [_, _, v6] stack []
        """, at=at, loop="""(v4: i64):
            guard_cmp_i64 ne, v4, v8 [snap1]
            v5 = const_i64 1
            v6 = add_i64 v4, v5
            guard_cmp_i64 lt, v6, v1 [snap2]
            check_periodic [snap3]
            jump_loop [v6]
        """, instructions=[0, 0, 0, 0, 3, 4, 6])
        return f, number

    def test_result_and_counts(self):
        f, number = self.make()
        stats = engine.tier2_stats()
        self.assertEqual(f(10000, -1), 10000)
        now = engine.tier2_stats()
        self.assertGreater(now["micro_ops"] - stats["micro_ops"], 5 * 9000)
        # The first round is tier 1's.
        self.assertEqual(now["instructions"] - stats["instructions"], 9998 * 6 + 3)
        self.assertEqual(now["entries"] - stats["entries"], 1)
        self.assertEqual(sum(hits(number)), hits(number)[4])

    def test_side_exit_in_the_loop(self):
        f, number = self.make()
        for _ in range(5):
            self.assertEqual(f(3000, 1500), 3000)
        # Tier 1 does one round, then the loop is entered again.
        self.assertEqual(hits(number)[3:5], [5, 5])

    def test_signals_and_other_threads(self):
        f, number = self.make()

        def handler(*_):
            raise TimeoutError
        old = signal.signal(signal.SIGALRM, handler)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            began = time.monotonic()
            tb = raised(TimeoutError, f, 2**29, -1)
            self.assertLess(time.monotonic() - began, 1.0)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, old)
        frame = tb.tb_frame
        self.assertEqual(frame.f_code, f.__code__)
        self.assertGreater(frame.f_locals["i"], 1000)
        self.assertIn("periodic", [e["reason"] for e in executor(number)["exits"] if e["hits"]])


class Graph(Case):
    """From one executor to the next, and what becomes of executors."""

    def identity(self, function, value, **kw):
        """An executor that returns a constant."""
        return self.attach_pure(function, "v0 = const_obj obj0\nincref v0", "v0", 1, objects=[value], **kw)

    def alive(self):
        gc.collect()
        engine.remove_executors(0)
        return engine.tier2_stats()["executors_alive"]

    def test_side_exit_to_another_executor(self):
        def f(x):
            if x:
                return "true"
            return "false"
        start = pos(f, "RESUME")
        false = pos(f, "RETURN_CONST", 1)
        first = self.attach(f, f"""
            v0 = load_local 0, 0
            v1 = const_obj obj0
            v2 = same_obj v0, v1
            guard_true v2 [snap0]
            exit end_of_trace [snap1]
        """, f"""
            snap0 = at
                code0 @ {start + 1} locals [_] stack []
            snap1 = at
                code0 @ {pos(f, 'RETURN_CONST')} locals [_] stack []
        """, objects=[True])
        self.assertEqual([f(True), f(False)], ["true", "false"])
        body = f"v0 = const_obj obj0\nincref v0\n{returning('v0', 1, 0, 1)}"
        second = self.attach(f, body, f"""
            snap0 = at
                code0 @ {false} locals [_] stack []
            snap1 = landed
                code0 @ {false} locals [_] stack []
        """, at=start + 1, objects=["other"], parent=(first, 0))
        before = engine.tier2_stats()
        self.assertEqual([f(True), f(False)], ["true", "other"])
        self.assertEqual(hits(second), [1])
        self.assertEqual(executor(first)["exits"][0]["target"], second)
        after = engine.tier2_stats()
        self.assertEqual(after["exits_linked.other_branch"] - before.get("exits_linked.other_branch", 0), 1)
        engine.remove_executors(second)
        self.assertEqual([f(True), f(False)], ["true", "false"])
        self.assertIsNone(executor(first)["exits"][0]["target"])
        self.assertEqual(hits(first), [3, 3])

    def test_link_to_a_loop_and_back(self):
        # Two executors that link to each other, without a loop in either: signals are noticed nevertheless.
        def f(n):
            while True:
                n = n
                n = n
        a, b = pos(f, "NOP"), pos(f, "STORE_FAST") + 1
        back = pos(f, "JUMP_BACKWARD")
        self.attach(f, "link executor0, [] [snap0]", f"""
            snap0 = at
                code0 @ {b} locals [_] stack []
        """, at=a + 1, executors=[(f, b)])
        self.attach(f, "link executor0, [] [snap0]", f"""
            snap0 = at
                code0 @ {a + 1} locals [_] stack []
        """, at=b, executors=[(f, a + 1)])

        def handler(*_):
            raise TimeoutError
        old = signal.signal(signal.SIGALRM, handler)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            with self.assertRaises(TimeoutError):
                f(1)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, old)
        self.assertGreater(engine.tier2_stats()["exits_linked.linked"], 1000)

    def test_executed_instructions_call_return_and_raise(self):
        def callee(x):
            return 1 // x

        def f(x, g):
            try:
                y = g(x)
            except ZeroDivisionError:
                y = "zero"
            return y
        call, store = pos(f, "CALL"), pos(f, "CALL") + 4
        load = pos(f, "LOAD_FAST")
        body = "\n".join(
            f"execute {at}, stays [snap{2 * i}]\nguard_landed code0, {at + length}, {depth} [snap{2 * i + 1}]"
            for i, (at, length, depth) in enumerate([(load, 1, 1), (load + 1, 1, 2), (load + 2, 1, 3)]))
        snaps, depth = "", 0
        for i in range(3):
            snaps += f"""
                snap{2 * i} = at
                    code0 @ {load + i} locals [_, _, _] stack [{", ".join("_" * i)}]
                snap{2 * i + 1} = landed
                    code0 @ {load + i + 1} locals [_, _, _] stack [{", ".join("_" * (i + 1))}]"""
        number = self.attach(f, body + f"""
            execute {call}, calls [snap6]
            guard_landed code1, 0, 0 [snap7]
            exit end_of_trace [snap8]
        """, snaps + f"""
            snap6 = at
                code0 @ {call} locals [_, _, _] stack [_, _, _]
            snap7 = landed
                code0 @ {call} locals [_, _, _] stack []
                code1 @ 0 locals [_] stack []
            snap8 = at
                code0 @ {call} locals [_, _, _] stack []
                code1 @ 0 locals [_] stack []
        """, at=load, codes=[callee])
        # It is entered by nothing, so let an executor at the RESUME lead there.
        self.attach(f, f"link executor0, [] [snap0]", f"""
            snap0 = at
                code0 @ {load} locals [_, _, _] stack []
        """, executors=[(f, load)])
        for _ in range(3):
            self.assertEqual(f(1, callee), 1)
            self.assertEqual(f(0, callee), "zero")
            self.assertEqual(f(-5, abs), 5)
            with self.assertRaises(TypeError):
                f("", callee)
            with self.assertRaises(TypeError):
                f("", abs)
        self.assertEqual(sum(hits(number)[:3]), 0)
        self.assertEqual(hits(number)[3:], [6, 9])

    def test_leaving_a_frame_finds_the_executor_of_the_place(self):
        def callee(x):
            return x

        def f(x):
            return callee(x)
        self.attach(callee, f"""
            execute {pos(callee, 'LOAD_FAST')}, stays [snap0]
            guard_landed code0, {pos(callee, 'RETURN_VALUE')}, 1 [snap1]
            execute {pos(callee, 'RETURN_VALUE')}, returns [snap2]
            leave_landed [snap3]
        """, f"""
            snap0 = at
                code0 @ {pos(callee, 'LOAD_FAST')} locals [_] stack []
            snap1 = landed
                code0 @ {pos(callee, 'RETURN_VALUE')} locals [_] stack [_]
            snap2 = at
                code0 @ {pos(callee, 'RETURN_VALUE')} locals [_] stack [_]
            snap3 = landed
                code0 @ {pos(callee, 'RETURN_VALUE')} locals [_] stack [_]
        """)
        self.assertEqual(f(5), 5)
        back = self.attach(f, f"""
            v0 = load_stack 0, 0
            v1 = const_obj obj0
            incref v1
            decref v0 [snap0]
            check_validity [snap0]
            exit end_of_trace [snap1]
        """, f"""
            snap0 = after
                code0 @ {pos(f, 'RETURN_VALUE') - 1} locals [_, _] stack [own v1]
            snap1 = at
                code0 @ {pos(f, 'RETURN_VALUE')} locals [_, _] stack [own v1]
        """, at=pos(f, "RETURN_VALUE"), objects=["seen"])
        self.assertEqual(f(object()), "seen")
        self.assertEqual(hits(back), [0, 1])
        self.assertEqual(callee(3), 3)

    def test_types(self):
        class C:
            pass

        def f(x):
            return x
        self.identity(f, "constant", types=[C])
        self.assertEqual(f(1), "constant")
        C.attribute = 1
        self.assertEqual(f(1), 1)
        self.assertEqual([e for e in engine.executors() if not e["invalid"]], [])

        class D(C):
            pass
        self.identity(f, "constant", types=[D])
        self.assertEqual(f(1), "constant")
        C.attribute = 2
        self.assertEqual(f(1), 1)

    def test_types_whose_address_is_used_again(self):
        def f(x):
            return x
        for _ in range(50):
            class C:
                pass
            self.identity(f, "constant", types=[C])
            self.assertEqual(f(1), "constant")
            engine.version("type", C)
            del C
            gc.collect()
        self.assertLessEqual(len(engine.executors()), 51)

    def test_functions(self):
        def f(x):
            return x

        def g():
            return 1
        for change in (lambda: setattr(g, "__defaults__", ()), lambda: setattr(g, "__code__", (lambda: 2).__code__)):
            self.identity(f, "constant", functions=[g])
            self.assertEqual(f(1), "constant")
            change()
            self.assertEqual(f(1), 1)
        self.identity(f, "constant", functions=[g])
        del g, change
        gc.collect()
        self.assertEqual(f(1), 1)

    def test_code_that_dies(self):
        before = self.alive()
        for _ in range(200):
            names = {}
            exec("def f(x): return x\ndef g(x): return x", names)
            f, g = names["f"], names["g"]
            self.identity(f, "constant", codes=[g])
            self.identity(g, "constant", codes=[f])
            self.assertEqual((f(1), g(1)), ("constant", "constant"))
            del f, g, names
        self.assertEqual(self.alive(), before)

    def test_what_an_executor_relies_on_may_die_first(self):
        def f(x):
            return x
        names = {}
        exec("def g(x): return x", names)
        self.identity(f, "constant", codes=[names["g"]])
        self.assertEqual(f(1), "constant")
        names.clear()
        gc.collect()
        self.assertEqual(f(1), 1)

    def test_replaced_at_its_place(self):
        def f(x):
            return x
        thing = object()
        refs = sys.getrefcount(thing)
        for i in range(10):
            self.identity(f, thing)
            self.identity(f, i)
            self.assertEqual(f(0), i)
        engine.remove_executors()
        self.assertEqual(f("x"), "x")
        self.assertEqual(sys.getrefcount(thing), refs)

    def test_tracing_keeps_executors_out(self):
        def f(x):
            return x
        self.identity(f, "constant")
        self.assertEqual(f(1), "constant")
        sys.settrace(lambda *_: None)
        try:
            traced = f(1)
        finally:
            sys.settrace(None)
        self.assertEqual(traced, 1)
        self.assertEqual(f(1), "constant")

    def test_sweeping(self):
        def f(x):
            return x

        def g(x):
            return x
        used, unused = self.identity(f, 1), self.identity(g, 2)
        self.assertEqual(engine.sweep_executors(), 0)
        self.assertEqual(f(0), 1)
        self.assertEqual(engine.sweep_executors(), 1)
        self.assertEqual([e["id"] for e in engine.executors()], [used])
        self.assertEqual((f(0), g(0)), (1, 0))
        self.assertEqual(engine.sweep_executors(), 0)
        self.assertEqual(engine.sweep_executors(), 1)
        self.assertEqual(f(0), 0)

    def test_nothing_leaks(self):
        before = self.alive()

        def make():
            def f(x):
                return x
            return f
        thing = object()
        refs = sys.getrefcount(thing)
        for _ in range(300):
            f = make()
            number = self.attach(f, """
                v0 = const_obj obj0
                guard_is_not v0, obj0 [snap0]
                exit end_of_trace [snap0]
            """, """
                snap0 = at
                    code0 @ 1 locals [_] stack []
            """, objects=[thing])
            for _ in range(3):
                number = self.attach(f, "exit end_of_trace [snap0]", """
                    snap0 = at
                        code0 @ 1 locals [_] stack []
                """, at=1, objects=[thing], parent=(number, 0))
            self.assertEqual(f(5), 5)
        engine.remove_executors()
        self.assertEqual(self.alive(), before)
        self.assertEqual(sys.getrefcount(thing), refs)

    def test_parameters(self):
        values = engine.parameters()
        self.assertEqual(engine.parameters(executors=77)["executors"], 77)
        for name, value in (("executors", 0), ("executors", -1), ("no_such_parameter", 1)):
            with self.assertRaises(ValueError):
                engine.parameters(**{name: value})
        self.assertEqual(engine.parameters(executors=values["executors"]), values)

    def test_malformed_superblocks_are_refused(self):
        def f(x):
            return x
        for text in ("superblock", "superblock code0 @ 0 () {\n v0 = load_local 0, 0\n}"):
            with self.assertRaises(ValueError):
                engine.attach_superblock(text, f)
        with self.assertRaises(ValueError):
            self.attach(f, "exit end_of_trace [snap0]", "snap0 = at\n code0 @ 0 locals [_] stack []", at=1000)


if __name__ == "__main__":
    unittest.main()
