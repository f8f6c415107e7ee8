"""What instructions become when they are recorded. Run under `hotspur`.

The superblocks are looked at, not executed (that they do what Python does is the business of the tests of tier 2): which
micro-ops appear, how traces end, why recordings are given up. Each has passed the verifier, the check of its stack against the real
frames, and the account of references.
"""
import re
import sys
import types
import unittest

from hotspur._hotspur import superblock

N = 50


class Superblock:
    """What `superblock` returns, taken apart."""

    def __init__(self, function, *args, **options):
        found = superblock(function, *args, **options)
        self.aborts = found["aborts"]
        self.text = found["text"]
        self.is_recorded = self.text is not None
        if not self.is_recorded:
            return
        self.objects = found["objects"]
        self.keeps = found["keeps"]
        self.instructions_at_exit = found["instructions_at_exit"]
        self.instructions_in_loop = found["instructions_in_loop"]
        self.links = found["links"]
        self.lines = [line.strip() for line in self.text.partition("}")[0].splitlines()[1:]]
        self.ops = [name for line in self.lines if (name := self._name(line))]
        self.snapshots = dict(re.findall(r"^(snap\d+) = (.*(?:\n    .*)*)", self.text, re.M))

    @staticmethod
    def _name(line):
        match = re.match(r"(?:v\d+ = )?(call_helper )?([a-z_0-9]+)", line)
        return None if line.endswith(":") or not match else match[2]

    def exits_of(self, op):
        """The snapshots of an op."""
        names = [re.search(r"\[(snap\d+)\]$", line) for line in self.lines if self._name(line) == op]
        return [self.snapshots[match[1]] for match in names]


class RecorderCase(unittest.TestCase):
    def record(self, function, *args, **options):
        found = Superblock(function, *args, **options)
        self.assertTrue(found.is_recorded, found.aborts)
        return found

    def native(self, function, *args, **options):
        """As `record`; tier 1 executes nothing."""
        found = self.record(function, *args, **options)
        self.assertNotIn("execute", found.ops, found.text)
        return found

    def has(self, found, *ops):
        """These ops are there, in this order."""
        rest = iter(found.ops)
        for op in ops:
            self.assertIn(op, rest, f"{ops}\n{found.text}")


class Loops(RecorderCase):
    def test_a_loop_is_closed(self):
        def f(n):
            for _ in range(n):
                pass

        found = self.native(f, N)
        self.assertEqual(found.ops[0], "enter_loop")
        self.assertEqual(found.ops[-1], "jump_loop")
        self.has(found, "enter_loop", "range_iter_next", "box_i64", "check_periodic", "spill_local", "jump_loop")
        self.assertEqual(found.instructions_in_loop, 3)
        self.assertEqual(found.instructions_at_exit[0], 0)
        self.assertEqual(found.instructions_at_exit[-1], 2)

    def test_an_exact_superblock(self):
        def f(n):
            i = 0
            while i < n:
                i += 1

        found = self.native(f, N)
        entry = re.search(r"@ (\d+)", found.text)[1]
        self.assertEqual(found.lines, [
            "enter_loop []",
            "loop () instructions 8:",
            "v0 = load_local 0, 1",
            "v1 = const_obj obj0",
            "guard_type v0, obj1 [snap0]",
            "guard_compact v0 [snap0]",
            "v2 = unbox_i64 v0",
            "v3 = const_i64 1",
            "v4 = add_i64_ovf v2, v3 [snap0]",
            "v5 = box_i64 v4",
            "decref_no_dealloc v0",
            "v6 = load_local 0, 0",
            "guard_type v6, obj1 [snap1]",
            "guard_compact v6 [snap1]",
            "v7 = unbox_i64 v6",
            "v8 = cmp_i64 lt, v4, v7",
            "guard_true v8 [snap2]",
            "check_periodic [snap3]",
            "spill_local 0, 1, v5",
            "jump_loop []",
        ])
        self.assertEqual(found.objects, [1, int])
        self.assertIn("stack [v0, v1]", found.snapshots["snap0"])
        self.assertIn("locals [_, own v5] stack [v5, v6]", found.snapshots["snap1"])
        # Straight to where the loop ends, with nothing left to do there.
        self.assertIn("locals [_, own v5] stack []", found.snapshots["snap2"])
        self.assertNotIn(f"@ {entry} ", found.snapshots["snap2"])

    def test_an_inner_loop_with_an_executor_is_linked_to(self):
        def f(n):
            for i in range(n):
                j = 0
                while j < 3:
                    j += 1

        header = self.record(f, N)
        entry = int(re.search(r"@ (\d+)", header.text)[1])
        again = types.FunctionType(f.__code__.replace(co_name="again"), globals())
        outer = self.record(again, N, executors=[entry], start="entry")
        self.assertEqual(outer.ops[-1], "link")
        self.assertEqual(outer.links, [entry])
        # All is in memory by then.
        self.assertNotRegex(outer.exits_of("link")[0], "v|own|null")

    def test_an_inner_loop_is_not_gone_round_for_ever(self):
        def f(n):
            total = 0
            for i in range(n):
                j = 0
                while j < 20:
                    j += 1
                    total += j
            return total

        found = self.record(f, 2, start="entry")
        self.assertEqual(found.ops[-1], "exit")
        self.assertIn("exit inner_loop", found.lines[-1])
        short = Superblock(types.FunctionType(f.__code__.replace(co_name="short"), globals()), 2, start="entry",
                           limits={"useful": 1000})
        self.assertFalse(short.is_recorded)
        self.assertEqual(set(short.aborts), {"inner_loop"})

    def test_a_long_trace_ends_and_says_where(self):
        body = "\n".join(f"  x = x + {i}" for i in range(300))
        scope = {}
        exec(f"def f(n):\n x = 0\n for i in range(n):\n{body}\n return x", scope)
        found = self.record(scope["f"], N, limits={"instructions": 100})
        self.assertIn("exit end_of_trace", found.lines[-1])
        self.assertEqual(found.instructions_at_exit[-1], 100)

    def test_limits(self):
        def f(n):
            x = 0
            for i in range(n):
                x += i
            return x

        for limit, value, reason in [("snapshot_slots", 2, "snapshot_too_large"), ("constants", 0, "too_many_constants"),
                                     ("exits", 1, "too_many_exits")]:
            fresh = types.FunctionType(f.__code__.replace(co_name=limit), globals())
            found = Superblock(fresh, N, limits={limit: value})
            self.assertFalse(found.is_recorded)
            self.assertEqual(set(found.aborts), {reason})


class Frames(RecorderCase):
    def test_return_from_where_it_began(self):
        def f(x):
            return x

        found = self.record(f, 1, start="entry")
        self.assertEqual(found.ops[0], "check_periodic")
        self.assertEqual(found.ops[-2:], ["return_value", "leave_landed"])

    def test_a_call_needs_no_frame(self):
        def f(n):
            x = 0
            for i in range(n):
                x = add(x, i)
            return x

        found = self.native(f, N)
        self.has(found, "load_globals", "guard_is", "check_stack_space", "check_periodic", "add_i64_ovf", "jump_loop")
        self.assertNotIn("push_frame", found.ops)
        # The function is loaded once per round and compared by nobody: its name is watched.
        self.assertEqual(found.ops.count("guard_is"), 1)
        self.assertIn(add, found.objects)
        inlined = found.exits_of("add_i64_ovf")[0]
        self.assertRegex(inlined, r"code0 @ \d+ .*\n +code1 @ \d+ function own v\d+ locals")

    def test_a_frame_is_pushed_when_something_can_see_it(self):
        def f(n):
            for i in range(n):
                looks(i)

        found = self.record(f, N)
        self.has(found, "check_stack_space", "push_frame", "call", "check_error", "check_validity", "return_value")

    def test_default_arguments(self):
        def f(n):
            x = 0
            for i in range(n):
                x = with_default(x)
            return x

        found = self.native(f, N)
        self.has(found, "check_stack_space", "const_obj", "add_i64_ovf", "jump_loop")
        self.assertIn(1000, found.objects)

    def test_a_closure(self):
        def make(k):
            def add_k(x):
                return x + k
            return add_k

        def f(n):
            x = 0
            for i in range(n):
                x = add_3(x)
            return x

        add_3 = make(3)
        found = self.native(f, N)
        self.has(found, "load_cell", "guard_type", "guard_function_version", "check_stack_space", "load_slot",
                 "load_tuple_item", "load_cell", "add_i64_ovf", "jump_loop")

    def test_a_method(self):
        def f(n):
            p = Point(1, 2)
            for i in range(n):
                p.move(i)
            return p

        found = self.native(f, N)
        self.has(found, "guard_type_version", "guard_inline_values", "guard_shared_keys_version", "check_stack_space",
                 "load_inline", "store_inline", "jump_loop")

    def test_recursion_is_unrolled_to_a_limit(self):
        def recur(n):
            return 0 if n == 0 else 1 + recur(n - 1)

        found = self.record(recur, 20, start="entry", limits={"recursion": 2})
        self.assertIn("exit end_of_trace", found.lines[-1])
        again = types.FunctionType(recur.__code__.replace(co_name="again"), globals(), closure=recur.__closure__)
        recur = again
        linked = self.record(again, 20, start="entry", executors=[1], limits={"recursion": 1})
        self.assertEqual(linked.ops[-1], "link")

    def test_depth(self):
        def f(n):
            x = 0
            for i in range(n):
                x += twice(i)
            return x

        found = self.record(f, N, limits={"depth": 1, "useful": 3})
        self.assertIn("exit end_of_trace", found.lines[-1])

    def test_generators(self):
        def f(n):
            total = 0
            for x in numbers(n):
                total += x
            return total

        found = self.record(f, N)
        self.has(found, "guard_suspended", "resume_generator", "load_generator", "suspend_generator", "jump_loop")
        self.assertNotIn("execute", found.ops)
        self.assertRegex(found.text, r"code1 @ \d+ generator v\d+ locals")

    def test_an_exception_that_is_caught(self):
        def f(n):
            caught = 0
            for i in range(n):
                try:
                    raise ValueError
                except ValueError:
                    caught += 1
            return caught

        found = self.record(f, N)
        self.has(found, "execute", "guard_landed", "jump_loop")

    def test_an_exception_that_leaves_a_callee(self):
        def f(n):
            caught = 0
            for i in range(n):
                try:
                    fails()
                except ValueError:
                    caught += 1
            return caught

        self.assertEqual(self.record(f, N).ops[-1], "jump_loop")

    def test_an_exception_that_leaves_two_callees(self):
        def f(n):
            caught = 0
            for i in range(n):
                try:
                    fails_below()
                except ValueError:
                    caught += 1
            return caught

        found = self.record(f, N)
        self.has(found, "execute", "guard_landed")
        self.assertEqual(found.ops[-1], "jump_loop")

    def test_an_exception_that_leaves_three_callees(self):
        def f(n):
            caught = 0
            for i in range(n):
                try:
                    fails_far_below()
                except ValueError:
                    caught += 1
            return caught

        found = self.record(f, N)
        self.assertEqual(found.ops[-2:], ["execute", "leave_landed"])
        fresh = types.FunctionType(f.__code__.replace(co_name="fresh"), globals())
        self.assertEqual(set(Superblock(fresh, N, limits={"useful": 100}).aborts), {"exception_raised"})

    def test_an_exception_that_leaves_everything(self):
        def f(n):
            for i in range(n):
                if i == 20:
                    raise ValueError

        def outer():
            for _ in range(20):
                try:
                    f(N)
                except ValueError:
                    pass

        # The loop is recorded long before that.
        self.assertTrue(Superblock(f, 10).is_recorded)


def add(x, y):
    return x + y


def with_default(x, y=1000):
    return x + y


def twice(x):
    return add(x, x)


def looks(x):
    return sys.getrefcount(x)


def numbers(n):
    for i in range(n):
        yield i


def fails():
    raise ValueError


def fails_below():
    fails()


def fails_far_below():
    fails_below()


class Point:
    kind = "point"

    def __init__(self, x, y):
        self.x = x
        self.y = y

    def move(self, by):
        self.x = self.x + by


class Slots:
    __slots__ = ("a",)

    def __init__(self):
        self.a = 1


class Instructions(RecorderCase):
    def loop(self, statements, setup="pass", **scope):
        """A superblock of a loop with these statements; `i` counts."""
        lines = "\n".join("  " + line for line in statements.splitlines())
        scope = {**globals(), **scope}
        exec(f"def f(n):\n {setup}\n for i in range(n):\n{lines}", scope)
        return self.record(scope["f"], N)

    def body(self, statements, setup="pass", **scope):
        found = self.loop(statements, setup, **scope)
        self.assertNotIn("execute", found.ops, found.text)
        return found

    def test_locals(self):
        found = self.body("a = i\nb = a\na, b = b, a\ndel b", "b = 0; a = 0")
        # The iterator is all that is taken from the stack, and the number is boxed once.
        self.assertEqual(found.ops.count("load_stack"), 1)
        self.assertEqual(found.ops.count("box_i64"), 1)

    def test_an_unbound_local_is_bound_the_next_time(self):
        found = self.body("x = i\ndel x")
        self.has(found, "guard_null", "spill_local")

    def test_constants(self):
        found = self.body("x = 'text'", "x = ''")
        self.assertIn("text", found.objects)

    def test_the_old_value_is_dropped_where_it_dies(self):
        found = self.body("x = y", "x = y = []")
        # Twice the same list, which `y` keeps: it is dropped all the same, as nobody knows.
        self.has(found, "xdecref", "check_validity")

    def test_integers(self):
        for text, op in {"+": "add_i64_ovf", "-": "sub_i64_ovf", "*": "mul_i64_ovf", "&": "and_i64", "|": "or_i64",
                         "^": "xor_i64", "<<": "shl_i64_ovf", ">>": "shr_i64_ovf", "//": "floor_div_i64",
                         "%": "mod_i64"}.items():
            with self.subTest(text):
                self.has(self.body(f"x = i {text} a", "a = 3"), "guard_compact", "unbox_i64", op, "box_i64")
                self.has(self.body(f"x = i; x {text}= a", "a = 3"), op)

    def test_an_integer_is_unboxed_once(self):
        found = self.body("x = (i + 1) * (i - 1) + i")
        self.assertNotIn("unbox_i64", found.ops)
        self.assertNotIn("guard_compact", found.ops)

    def test_integers_of_two_digits(self):
        self.has(self.body("x = a ^ i", "a = 1 << 50"), "guard_wide", "unbox_wide", "xor_i64")

    def test_large_integers(self):
        self.has(self.body("x = a + i", "a = 1 << 80"), "quiet_binary", "check_error")
        # These may take long, so CPython looks for signals meanwhile: other code may run.
        self.has(self.loop("x = a * i", "a = 1 << 80"), "binary_op", "check_error", "check_validity")

    def test_floats(self):
        for text, op in {"+": "add_f64", "-": "sub_f64", "*": "mul_f64", "/": "div_f64", "%": "mod_f64"}.items():
            with self.subTest(text):
                self.has(self.body(f"x = a {text} b", "a, b = 1.5, 2.5"), "unbox_f64", op, "box_f64")
                self.has(self.body(f"x = a {text} (i + 1)", "a = 1.5"), "i64_to_f64", op, "box_f64")
        self.has(self.body("x = a ** b", "a, b = 1.5, 2.5"), "guard_cmp_f64", "float_pow", "guard_cmp_f64", "box_f64")
        self.has(self.body("x = i / 3"), "i64_to_f64", "guard_cmp_f64", "div_f64")

    def test_division_by_zero_is_left_to_tier_1(self):
        for text in ["a / z", "a % z", "1 // n0", "1 % n0"]:
            with self.subTest(text):
                self.assertIn("execute", self.loop(f"try: x = {text}\nexcept ZeroDivisionError: pass",
                                                   "a, z, n0 = 1.5, 0.0, 0").ops)

    def test_unary(self):
        self.has(self.body("x = -i"), "neg_i64_ovf")
        self.has(self.body("x = ~i"), "not_i64")
        self.has(self.body("x = -a", "a = 1.5"), "neg_f64")
        self.has(self.body("x = not i"), "cmp_i64", "not_bool")

    def test_strings(self):
        self.has(self.body("x = a + b", "a, b = 'a', 'b'"), "str_concat", "check_error")
        self.has(self.body("x = a == b", "a, b = 'a', 'b'"), "str_eq", "cmp_i64")
        # Growing in place is tier 1's.
        self.assertIn("execute", self.loop("s += 'x'", "s = ''").ops)

    def test_comparisons_and_jumps(self):
        for text in ["<", "<=", "==", "!=", ">", ">="]:
            with self.subTest(text):
                self.has(self.body(f"if i {text} 1000: x = 1"), "cmp_i64")
                self.has(self.body(f"if a {text} 1000.0: x = 1", "a = 1.5"), "cmp_f64")

    def test_both_directions_of_a_jump(self):
        for text, guard in [("i < 1000", "guard_true"), ("i > 1000", "guard_false")]:
            found = self.body(f"if {text}: x = 1\nelse: x = 2", "x = 0")
            self.has(found, "cmp_i64", guard)
            # The exit goes on at the other branch: the comparison's result is used up.
            self.assertIn("stack [_]", found.exits_of(guard)[0])

    def test_none(self):
        found = self.body("if a is None: x = 1\nif b is not None: x = 2", "a, b = None, []")
        self.has(found, "guard_is", "guard_is_not")
        self.assertNotIn("decref", found.ops)

    def test_identity(self):
        self.has(self.body("x = a is b", "a = b = []"), "same_obj")
        self.has(self.body("x = a is not b", "a = b = []"), "same_obj", "not_bool")

    def test_truth(self):
        for setup, op in [("a = True", "unbox_bool"), ("a = 5", "cmp_i64"), ("a = None", "guard_is"), ("a = 'x'", "str_eq"),
                          ("a = [1]", "list_len"), ("a = (1,)", "tuple_len"), ("a = Point(1, 2)", "guard_type_version")]:
            with self.subTest(setup):
                self.has(self.body("if a: x = 1", setup), op)

    def test_instances(self):
        found = self.body("p.x = p.y", "p = Point(1, 2)")
        self.has(found, "guard_type_version", "guard_inline_values", "load_inline", "guard_not_null", "incref",
                 "guard_no_dict", "load_inline", "store_inline", "decref_no_dealloc")
        found = self.body("s.a = i; x = s.a", "s = Slots()")
        self.has(found, "load_slot", "store_slot", "load_slot", "incref")

    def test_an_instance_with_a_dictionary_is_left_to_tier_1(self):
        found = self.loop("p.x = i", "p = Point(1, 2); p.__dict__")
        self.assertIn("execute", found.ops)
        self.assertNotIn("store_inline", found.ops)

    def test_an_owner_of_another_type(self):
        class Other(Point):
            pass

        def f(points):
            for p in points:
                x = p.y
                p.move(1)

        # Tier 1 specializes for points, and what is recorded then is the round of another.
        found = self.record(f, [Point(1, 2)] * 3 + [Other(1, 2)] * 50)
        self.has(found, "guard_type_version", "load_inline", "guard_shared_keys_version", "check_stack_space")

    def test_class_attributes_and_modules(self):
        found = self.body("x = p.kind", "p = Point(1, 2)")
        self.has(found, "guard_shared_keys_version", "const_obj")
        self.has(self.body("x = sys.maxsize"), "module_dict", "guard_keys_version", "load_dict_value", "incref")

    def test_globals(self):
        found = self.body("x = g", g=1.5)
        self.has(found, "load_globals", "guard_keys_version", "load_dict_value", "guard_not_null", "incref")
        found = self.body("x = len")
        self.has(found, "load_globals", "guard_is", "load_builtins", "guard_is", "const_obj")
        self.assertEqual(found.keeps[found.objects.index(len)], "Hold")

    def test_a_global_that_changes_is_not_taken_for_granted_again(self):
        scope = {"g": twice}
        first = self.body("x = g", **scope)
        self.assertIn("guard_is", first.ops)
        code = "def f(n):\n for i in range(n):\n  x = g"
        scope = {"g": twice}
        exec(code, scope)
        self.assertIn("guard_is", self.native(scope["f"], N).ops)
        scope["g"] = add
        exec(code, scope)
        again = self.native(scope["f"], N)
        self.assertNotIn("guard_is", again.ops)
        self.assertIn("load_dict_value", again.ops)

    def test_closures(self):
        scope = {}
        exec("def outer(n):\n c = 0\n def f(n):\n  nonlocal c\n  for i in range(n):\n   c = c + i\n return f", scope)
        found = self.native(scope["outer"](1), N)
        self.has(found, "load_cell", "guard_not_null", "incref", "load_cell", "store_cell")

    def test_subscripts(self):
        self.has(self.body("x = l[1]", "l = [1, 2]"), "list_len", "guard_index", "list_items", "load_item", "incref")
        self.has(self.body("x = t[-1]", "t = (1, 2)"), "tuple_len", "guard_cmp_i64", "add_i64", "guard_index",
                 "load_tuple_item")
        found = self.body("l[0] = i", "l = [1, 2]")
        self.has(found, "load_item", "guard_type", "store_item", "decref_no_dealloc")
        # What is stored is an alias of the local.
        self.assertEqual(found.ops.count("incref"), 1)

    def test_sequences(self):
        self.has(self.body("t = (i, i)"), "incref", "new_tuple")
        self.has(self.body("l = [i, 1]"), "new_list")
        self.has(self.body("a, b = t", "t = (1, 2)"), "tuple_len", "guard_cmp_i64", "load_tuple_item", "load_tuple_item")
        self.has(self.body("a, b = t", "t = [1, 2]"), "list_len", "load_item")
        self.has(self.loop("x = [k for k in t]", "t = (1, 2, 3, 4)"), "list_append", "check_negative")

    def test_iteration(self):
        for text, op in [("[1, 2] * 100", "list_iter_next"), ("(1, 2) * 100", "tuple_iter_next")]:
            scope = {}
            exec(f"def f(l):\n for x in l:\n  pass", scope)
            self.has(self.native(scope["f"], eval(text)), op)

    def test_a_range_ends(self):
        found = self.loop("for j in range(1): pass")
        self.assertIn("guard_range_iter_done", found.ops)

    def test_calls_of_builtins(self):
        self.has(self.body("x = len(l)", "l = [1]"), "list_len", "box_i64")
        self.has(self.body("x = isinstance(i, int)"), "const_obj")
        self.has(self.body("x = isinstance(i, str)"), "const_obj")
        self.has(self.body("l.append(i)", "l = []"), "list_append", "check_negative")
        self.has(self.body("x = id(i)"), "identity", "guard_cmp_i64", "box_i64")

    def test_calls_of_c_functions(self):
        for text, setup, *ops in [
            ("x = abs(i)", "", "quiet_call", "check_error"),
            ("x = abs(f)", "f = -1.5", "abs_f64"),
            ("x = int(f)", "f = 7.5", "f64_to_i64_ovf"),
            ("x = len(d)", "d = {1: 2}", "quiet_call"),
            ("x = min(i, 7)", "", "quiet_call"),
            ("x = type(i)", "", "const_obj"),
            ("x = s.startswith('a')", "s = 'abc'", "quiet_call"),
            ("x = d.get(i)", "d = {}", "lookup_or", "guard_not_null"),
            ("x = d.get(i, None)", "d = {}", "lookup_or", "guard_not_null"),
            ("x = l.pop(); l.append(x)", "l = [1]", "quiet_call", "list_append"),
            ("x = range(i)", "", "guard_wide", "quiet_call"),
            ("x = issubclass(bool, int)", "", "const_obj"),
            ("x = str(i)", "", "guard_wide", "quiet_call"),
            ("x = a(i)", "l = []; a = l.append", "bound_self", "guard_not_null", "list_append"),
            ("s.add(i)", "s = set()", "set_add", "guard_cmp_i64"),
            ("x = l.index(i)", "l = list(range(1000))", "search", "guard_cmp_i64"),
            ("l.remove(i); l.append(i)", "l = list(range(1000))", "list_remove", "guard_not_null"),
        ]:
            with self.subTest(text):
                self.has(self.body(text, setup), *ops)
        # What might run code of a class, or of a hook.
        for text, setup in [("x = str(i << 70)", ""), ("x = l.index(i)", "l = [1j, *range(1000)]"), ("x = sum(l)", "l = [1]"),
                            ("x = int(s)", "s = '12'"), ("x = s.encode('utf-16')", "s = 'a'")]:
            with self.subTest(text):
                self.has(self.loop(text, setup), "call", "check_error", "check_validity")

    def test_containers(self):
        for text, setup, *ops in [
            ("x = d[i % 4]", "d = dict.fromkeys(range(4))", "lookup", "guard_not_null"),
            ("x = s[i % 4]", "s = 'abcd'", "lookup", "guard_not_null"),
            ("x = b[i % 4]", "b = b'abcd'", "inner_elements", "load_element_i64"),
            ("d[i] = i", "d = {}", "storable", "guard_cmp_i64", "dict_store", "check_error"),
            ("x = i in d", "d = {1}", "member", "guard_cmp_i64", "cmp_i64"),
            ("x = i not in d", "d = [3, 4]", "member", "guard_cmp_i64", "cmp_i64"),
            ("x = 'b' in s", "s = 'abc'", "member"),
            ("x = l[1:i]", "l = [1, 2, 3]", "slice", "check_error"),
            ("x = l + l", "l = [1]", "quiet_binary", "check_error"),
            ("x = a < b", "a = b'x'; b = b'y'", "quiet_compare", "check_error"),
            ("x = not d", "d = {}", "quiet_truth"),
            ("x = not f", "f = 1.5", "cmp_f64"),
        ]:
            with self.subTest(text):
                self.has(self.body(text, setup), *ops)

    def test_classes(self):
        class Base:
            shared = 5

            def __init__(self, x):
                self.x = x

            @property
            def double(self):
                return self.x + self.x

            def __getitem__(self, i):
                return self.x + i

            def method(self, y):
                return y

        class Other(Base):
            pass

        b = Base(1)
        scope = {"Base": Base, "Other": Other, "b": b, "bound": b.method, "n": None}
        d = Base(2)
        d.__dict__ = {"x": 3}
        scope["d"] = d
        for text, *ops in [
            ("x = Base(i)", "check_stack_space", "new_instance", "store_inline"),
            ("x = Base.shared", "const_obj"),
            ("x = b.double", "guard_type_version", "check_stack_space", "load_inline", "add_i64_ovf"),
            ("x = b[i]", "guard_type_version", "check_stack_space", "add_i64_ovf"),
            ("x = bound(i)", "guard_shared", "load_slot", "load_slot", "check_stack_space"),
            ("x = isinstance(b, Other)", "guard_type_version"),
            ("x = isinstance(b, Base)", "guard_type_version"),
            ("x = b == d", "guard_type_version", "guard_type_version", "same_obj"),
            ("x = d.x", "guard_type_version", "instance_dict", "guard_not_null", "load_dict_value"),
            ("d.x = i", "guard_type_version", "instance_dict", "load_dict_value", "store_dict_value"),
            ("x = d.method(i)", "guard_type_version", "instance_lacks", "check_stack_space"),
        ]:
            with self.subTest(text):
                exec(f"def f(n):\n for i in range(n):\n  {text}", scope)
                self.has(self.native(scope["f"], N), *ops)

    def test_iteration_ends(self):
        for text in ["for y in l: pass", "for y in t: pass"]:
            with self.subTest(text):
                found = self.loop(text, "l = [1]; t = (1,)")
                self.assertNotIn("execute", found.ops, found.text)
                self.assertLessEqual({"quiet_iter", "iter_finish"}, set(found.ops))


class Desync(RecorderCase):
    """Things that happen between and within the instructions that are recorded."""

    def test_code_that_changes_itself(self):
        def callee(x):
            return x

        def other(x):
            return x + 1

        def change(i):
            callee.__code__ = other.__code__ if i % 2 else original

        original = callee.__code__

        def f(n):
            total = 0
            for i in range(n):
                change(i)
                total += callee(i)
            return total

        found = Superblock(f, N)
        self.assertLessEqual(set(found.aborts), {"exception_raised", "code_changed"})
        self.assertEqual(f(10), sum(range(10)) + 5)

    def test_the_class_changes_in_bool(self):
        class A:
            def __bool__(self):
                self.__class__ = B
                return True

        class B:
            def __bool__(self):
                self.__class__ = A
                return False

        def f(n):
            a = A()
            taken = 0
            for i in range(n):
                if a:
                    taken += 1
            return taken

        found = self.record(f, N)
        # What was found in the class is good for this time only.
        self.has(found, "guard_type_version", "execute", "guard_landed")
        self.assertEqual(f(N), N // 2)

    def test_the_direction_is_the_one_that_was_taken(self):
        class Odd:
            def __init__(self):
                self.n = 0

            def __lt__(self, other):
                self.n += 1
                return self.n % 2 == 0

        def f(n):
            odd = Odd()
            taken = 0
            for i in range(n):
                if odd < i:
                    taken += 1
            return taken

        self.assertEqual(self.record(f, N).ops[-1], "jump_loop")

    def test_a_generator_is_closed_while_it_is_recorded(self):
        def g():
            try:
                while True:
                    yield 1
            finally:
                len("")

        def f(n):
            total = 0
            for i in range(n):
                one = g()
                total += next(one)
                one.close()
            return total

        self.assertEqual(self.record(f, N).ops[-1], "jump_loop")

    def test_a_frame_outlives_its_generator(self):
        def g():
            yield sys._getframe()

        def f(n):
            for i in range(n):
                one = g()
                frame = next(one)
                del one
                frame.clear()
                del frame

        self.assertEqual(self.record(f, N).ops[-1], "jump_loop")

    def test_callbacks_run_in_between(self):
        def f(n):
            for i in range(n):
                sorted([3, 1, 2], key=lambda x: -x)

        found = self.record(f, N)
        self.assertEqual(found.ops[-1], "jump_loop")
        fresh = types.FunctionType(f.__code__.replace(co_name="fresh"), globals())
        self.assertEqual(set(Superblock(fresh, N, limits={"foreign": 2}).aborts), {"too_long"})

    def test_a_recursive_callback_returns_to_the_frame(self):
        def f(n, deep=True):
            total = 0
            for i in range(n):
                total += sum(map(lambda x: f(3, False) if deep else x, [i]))
            return total

        self.assertTrue(Superblock(f, N).is_recorded)

    def test_a_finalizer_runs(self):
        class Last:
            def __del__(self):
                sys._getframe(1).f_locals["x"] = 5

        def f(n):
            x = None
            for i in range(n):
                x = 0
                y = Last()
                y = None
            return x

        found = self.record(f, N)
        self.has(found, "decref" if "decref" in found.ops else "xdecref", "check_validity")
        self.assertEqual(f(10), 5)


if __name__ == "__main__":
    unittest.main()
