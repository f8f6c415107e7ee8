"""Instructions that meet operands of many types, and iterators of the built-in containers: lowered to helpers that do not care, as long as
no code would have to run."""

import abc
import collections
import os
import sys
import types
import unittest

import hotspur
from support import Tier2Case, describe

N = 3000


class Base:
    __slots__ = ("args", "__dict__")
    kind = "base"

    def __init__(self, n):
        self.args = n
        self.own = n + 1

    def method(self):
        return self.args


# More than there may be alternatives for.
CLASSES = [type(f"Class{i}", (Base,), {"number": i}) for i in range(16)]


def objects():
    return [cls(i) for i, cls in enumerate(CLASSES)]


class Polymorphic(Tier2Case):
    def ops(self, function):
        return [op for e in hotspur.executors(function) for op in e.ops]

    def uses(self, function, helper):
        self.assertTrue(any(f"call_helper {helper}" in op for op in self.ops(function)), describe(function))

    def test_attributes(self):
        def f(objects, n):
            total = 0
            for i in range(n):
                o = objects[i & 15]
                total += o.args + o.own + o.number + (o.__class__ is type(o)) + len(o.kind)
            return total

        expect = sum((i & 15) * 2 + 1 + (i & 15) + 1 + 4 for i in range(N * 4))
        self.hot(f, objects(), N * 4, expect=expect, share=0.5)
        self.uses(f, "any_attribute")

    def test_attributes_change(self):
        """What the helper has looked up once holds as long as the type is the same."""

        def f(objects, n):
            return [objects[i & 15].kind for i in range(n)]

        each = objects()
        self.hot(f, each, N * 4, expect=["base"] * (N * 4))
        each[3].kind = "own"
        self.assertEqual(f(each, 32), (["base"] * 3 + ["own"] + ["base"] * 12) * 2)
        CLASSES[5].kind = property(lambda self: "property")
        CLASSES[6].kind = 7
        try:
            expect = ["base"] * 3 + ["own", "base", "property", 7] + ["base"] * 9
            self.assertEqual(f(each, 32), expect * 2)
        finally:
            del CLASSES[5].kind, CLASSES[6].kind
        self.assertEqual(f(each, 16), ["base"] * 3 + ["own"] + ["base"] * 12)

    def test_attributes_are_stored(self):
        def f(objects, n):
            for i in range(n):
                o = objects[i & 15]
                o.args = i
                o.own = (i, o.args)
            return [(o.args, o.own) for o in objects]

        expect = [(i, (i, i)) for i in range(N * 4 - 16, N * 4)]
        self.hot(f, objects(), N * 4, expect=expect, share=0.5)
        self.uses(f, "store_any")

    def test_stores_that_are_no_stores(self):
        """What is in the way is met when the trace is there: descriptors, slots that are only read, dictionaries, classes that change, values that die loudly."""
        dead = []

        class Dying:
            def __init__(self, n):
                self.n = n

            def __del__(self):
                dead.append(self.n)
                owner.args = "late"

        class Property(Base):
            __slots__ = ()
            args = property(lambda self: "property", lambda self, value: dead.append(("set", value)))

        class Setting(Base):
            def __setattr__(self, name, value):
                object.__setattr__(self, name, ("setattr", value))

        class Refusing(Base):
            args = property(lambda self: "no setter")

        def f(objects, values, n):
            failed = []
            for i in range(n):
                try:
                    objects[i % len(objects)].args = values[i % len(values)]
                except AttributeError as error:
                    failed.append(type(error).__name__)
            return failed

        several, numbers = objects(), list(range(16))
        for _ in range(6):
            self.assertEqual(f(several, numbers, 800), [])
        self.uses(f, "store_any")
        odd = [Property(1), Setting(2)]
        del dead[:]
        refusing = Refusing.__new__(Refusing)
        self.assertEqual(f([*odd, refusing], [7], 6), ["AttributeError"] * 2)
        self.assertEqual((odd[1].args, dead), (("setattr", 7), [("set", 7)] * 2))
        # Not writable, and not there.
        self.assertEqual(f([slice(1), object(), 5], [7], 3), ["AttributeError"] * 3)
        # What was there dies, and looks.
        owner = several[3]
        del dead[:]
        owner.args = Dying(1)
        self.assertEqual(f(several, numbers, 16), [])
        self.assertEqual((dead, owner.args), ([1], "late"))
        # A class gets something in the way, and loses it.
        CLASSES[5].args = property(lambda self: None, lambda self, value: dead.append(value))
        try:
            self.assertEqual(f(several, ["x"], 16), [])
            self.assertEqual(dead, [1, "x"])
        finally:
            del CLASSES[5].args
        self.assertEqual(f(several, ["y"], 16), [])
        self.assertEqual({o.args for o in several}, {"y"})

    def test_stores_into_dictionaries(self):
        """Attributes that are not there yet, and instances whose dictionary somebody has."""

        def f(classes, n, shows):
            out = []
            for i in range(n):
                o = classes[i % len(classes)]
                o.first = i
                if shows:
                    out.append(o.__dict__)
                o.second = -i
            return out

        plain = [type(f"Plain{i}", (), {}) for i in range(20)]
        for _ in range(60):
            instances = [cls() for cls in plain]
            f(instances, 40, False)
            self.assertEqual([list(vars(o).items()) for o in instances], [[("first", i), ("second", -i)] for i in range(20, 40)])
        instances = [cls() for cls in plain]
        shown = f(instances, 20, True)
        f(instances, 20, False)
        self.assertEqual(shown, [{"first": i, "second": -i} for i in range(20)])
        self.assertEqual([vars(o) for o in instances], shown)

    def test_what_classes_say_of_themselves(self):
        """One executor does for all classes: which one it is is not guarded."""

        def f(classes, n):
            total = 0
            for i in range(n):
                c = classes[i & 15]
                total += ("number" in c.__dict__) + ("kind" in c.__dict__) + len(c.__name__) + len(c.__mro__) + len(c.__bases__)
                total += (c.__module__ is __name__) + len(c.__qualname__)
            return total

        expect = sum(1 + len(c.__name__) * 2 + 3 + 1 + 1 for c in CLASSES) * (N // 16)
        counts = self.hot(f, CLASSES, N // 16 * 16, expect=expect, share=0.9)
        self.uses(f, "any_attribute")
        self.uses(f, "member")
        # Where everything is recorded at first sight, it is before tier 1 has specialized it.
        if "HOTSPUR_BACK_EDGE_THRESHOLD" not in os.environ:
            self.assertFalse([op for op in self.ops(f) if "guard_class_version" in op or op.startswith("execute")], describe(f))
            self.assertLess(len(hotspur.executors(f)), 8)
            self.assertEqual(counts["traces.started"], 0)

    def test_metaclasses_that_say_something_else(self):
        class Meta(type):
            __name__ = property(lambda cls: "meta")
            __dict__ = {"number": 1}

        class Getting(type):
            def __getattribute__(cls, name):
                return name

        class Own(type):
            __dict__ = None
            __slots__ = ()

        def f(classes, n):
            said = []
            for i in range(n):
                c = classes[i & 15]
                said.append((c.__name__, c.__dict__))
            return said[-16:]

        self.hot(f, CLASSES, N, expect=[(c.__name__, c.__dict__) for c in CLASSES[N % 16:] + CLASSES[:N % 16]])
        classes = CLASSES[:12] + [Meta("A", (), {}), Getting("B", (), {}), Own("C", (), {}), Base(5)]
        classes[15].__name__ = "instance"
        expect = [(c.__name__, c.__dict__) for c in CLASSES[:12]]
        # An attribute of the metaclass that is no data descriptor counts less than what the class has.
        a, _, c, instance = classes[12:]
        expect += [("meta", a.__dict__), ("__name__", "__dict__"), ("C", c.__dict__), ("instance", instance.__dict__)]
        self.assertIsInstance(c.__dict__, types.GetSetDescriptorType)
        self.assertEqual(f(classes, 16), expect)

    def test_classes_without_a_module(self):
        def f(classes, n):
            missing = 0
            for i in range(n):
                try:
                    classes[i & 15].__module__
                except AttributeError:
                    missing += 1
            return missing

        names = {"__builtins__": __builtins__}
        exec("class Nowhere: pass", names)
        self.assertEqual(f(CLASSES, N), 0)
        self.assertEqual(f(CLASSES[:15] + [type("Nowhere", (), {})], 16), 0)
        names["Nowhere"].__module__ = "x"
        self.hot(f, [names["Nowhere"]] * 16, N, expect=0)

    def test_what_mapping_proxies_show(self):
        class Mapping(dict):
            def __contains__(self, key):
                return key == "b"

        def f(proxies, n):
            found = 0
            for i in range(n):
                found += "a" in proxies[i & 15]
                found += "b" not in proxies[i & 15]
            return found

        proxies = [types.MappingProxyType({"a": i}) for i in range(16)]
        self.hot(f, proxies, N, expect=N * 2, share=0.9)
        self.uses(f, "member")
        proxies[3] = types.MappingProxyType(Mapping(a=1))
        proxies[4] = types.MappingProxyType(collections.UserDict(b=1))
        proxies[5] = types.MappingProxyType({"b": 2})
        self.assertEqual(f(proxies, 16), 26)

    def test_missing_attributes(self):
        def f(objects, n):
            found = 0
            for i in range(n):
                try:
                    found += objects[i & 15].only
                except AttributeError as e:
                    self.assertEqual(e.name, "only")
            return found

        each = objects()
        for i in range(0, 16, 2):
            each[i].only = i
        self.hot(f, each, 640, expect=56 * 40)

    def test_getattr(self):
        def f(objects, names, n):
            total = 0
            for i in range(n):
                o = objects[i & 15]
                total += getattr(o, names[i % 3]) + getattr(o, "method")() + getattr(o, "own", 5)
            return total

        names = ["ar" + "gs", "own", "num" + "ber"]
        plain = [[o.args, o.own, o.number] for o in objects()]
        expect = sum(plain[i & 15][i % 3] + plain[i & 15][0] + plain[i & 15][1] for i in range(N * 4))
        self.hot(f, objects(), names, N * 4, expect=expect)
        self.uses(f, "any_attribute")
        self.assertRaises(AttributeError, f, objects(), ["nothing"] * 3, 10)

    def test_hasattr(self):
        def f(objects, n):
            found = 0
            for i in range(n):
                o = objects[i & 15]
                found += hasattr(o, "args") + 2 * hasattr(o, "method") + 4 * hasattr(o, "only") + 8 * hasattr(o, "no")
            return found

        each = objects()
        each[4].only = 1
        expect = N * 4 * 3 + 4 * N * 4 // 16
        self.hot(f, each, N * 4, expect=expect, share=0.5)
        self.uses(f, "has_attribute")
        Base.__getattr__ = lambda self, name: 1
        try:
            self.assertEqual(f(each, 16), 15 * 16)
        finally:
            del Base.__getattr__
        self.assertEqual(f(each, 16), 3 * 16 + 4)

    def test_isinstance(self):
        class Meta(type):
            pass

        class WithMeta(metaclass=Meta):
            pass

        class Liar:
            @property
            def __class__(self):
                return int

        def f(objects, classes, n):
            found = 0
            for i in range(n):
                o = objects[i % len(objects)]
                found += isinstance(o, CLASSES[3]) + 10 * isinstance(o, classes) + 100 * isinstance(o, WithMeta)
            return found

        each = objects() + [1, "a", None, [], WithMeta(), Liar()]
        expect = [0] * len(each)
        for i, o in enumerate(each):
            expect[i] = (i == 3) + 10 * (i in (7, 16, 21)) + 100 * (i == 20)
        classes = (CLASSES[7], int)
        n = len(each)
        self.hot(f, each, classes, n * 400, expect=sum(expect) * 400)
        self.uses(f, "any_instance")
        self.assertRaises(TypeError, f, each, (CLASSES[7], 5), n)
        Meta.__instancecheck__ = lambda cls, o: o == 1
        try:
            # That is asked only if the type is not the very class.
            self.assertEqual(f(each, classes, n), sum(expect) + 100)
        finally:
            del Meta.__instancecheck__
        self.assertEqual(f(each, classes, n), sum(expect))

    def test_abstract_classes(self):
        class Abstract(abc.ABC):
            pass

        Abstract.register(CLASSES[2])

        def f(objects, n):
            return sum(isinstance(objects[i & 15], Abstract) for i in range(n))

        self.hot(f, objects(), 1600, expect=100)

    def test_type(self):
        def f(objects, n):
            return [type(objects[i % len(objects)]) for i in range(n)]

        each = [*objects(), 1, "a", None]
        self.hot(f, each, len(each) * 100, expect=[type(o) for o in each] * 100)

    def test_audit(self):
        """Reading a traceback's frame is an audit event; it stays one."""
        heard = []
        switch = [False]

        def hook(event, args):
            if switch[0] and event == "object.__getattr__":
                heard.append(args[1])

        sys.addaudithook(hook)
        try:
            raise KeyError
        except KeyError as e:
            tb = e.__traceback__

        def f(tb, n):
            for _ in range(n):
                tb.tb_frame

        f(tb, N)
        switch[0] = True
        f(tb, 5)
        switch[0] = False
        self.assertEqual(heard, ["tb_frame"] * 5)


class Iterators(Tier2Case):
    def check(self, make, expect):
        def f(make, n):
            total = 0
            for _ in range(n):
                for x in make():
                    total += hash(x) & 0xFF
            return total

        items = list(make())
        self.assertEqual(items if isinstance(expect, list) else set(items), expect)
        self.hot(f, make, 400, expect=sum(hash(x) & 0xFF for x in items) * 400)
        self.assertTrue(
            any("call_helper quiet_next" in op for e in hotspur.executors(f) for op in e.ops), describe(f)
        )

    def test_strings(self):
        self.check(lambda: "some characters", list("some characters"))
        self.check(lambda: "héllő wörld", list("héllő wörld"))

    def test_bytes(self):
        self.check(lambda: b"some bytes", list(b"some bytes"))

    def test_sets(self):
        items = {"a", 1, 2.5, None, (1, 2)}
        self.check(lambda: items, items)
        frozen = frozenset(range(40))
        self.check(lambda: frozen, set(range(40)))
        # With removed entries.
        thinned = set(range(100))
        for i in range(0, 100, 3):
            thinned.discard(i)
        self.check(lambda: thinned, {i for i in range(100) if i % 3})

    def test_reversed(self):
        items = list(range(20))
        self.check(lambda: reversed(items), items[::-1])

    def test_exhausted(self):
        """An iterator that somebody else has stays exhausted although there are more items by then."""

        def f(items, n):
            rest = 0
            for i in range(n):
                iterator = reversed(items)
                for x in iterator:
                    pass
                items.append(x)
                rest += len(list(iterator))
                items.pop()
            return rest

        self.hot(f, [1, 2, 3], 1000, expect=0)

        def g(n):
            for i in range(n):
                for x in "abc":
                    pass
                for x in {1, 2}:
                    pass
                for x in {1: 2}:
                    pass
            return x

        self.hot(g, 2000, expect=1, share=0.9)
        self.assertTrue(any("call_helper iter_done" in op for e in hotspur.executors(g) for op in e.ops), describe(g))

    def test_set_changes(self):
        def f(s, n, at):
            for i in range(n):
                for x in s:
                    if i == at:
                        s.add(object())
            return n

        self.hot(f, set(range(10)), 400, -1, expect=400)
        self.assertRaisesRegex(RuntimeError, "Set changed size during iteration", f, set(range(10)), 20, 15)

    def test_dict_changes(self):
        def f(d, n, at):
            for i in range(n):
                for key, value in d.items():
                    if i == at:
                        d[object()] = 1
            return n

        self.hot(f, dict.fromkeys(range(10)), 400, -1, expect=400)
        with self.assertRaisesRegex(RuntimeError, "dictionary changed size during iteration"):
            f(dict.fromkeys(range(10)), 20, 15)

    def test_pairs_are_used_again(self):
        """The tuple of an item is used again only if nobody else has it."""

        def f(d, n):
            kept = []
            for i in range(n):
                for pair in d.items():
                    if i == n - 1:
                        kept.append(pair)
            return kept

        d = {i: [i] for i in range(8)}
        self.hot(f, d, 300, expect=[(i, [i]) for i in range(8)])

    def test_items_die(self):
        """What the tuple of an item held last may die when it is used again."""
        log = []

        class Noisy:
            def __del__(self):
                log.append(1)

        def f(n):
            for _ in range(n):
                for key, value in {1: Noisy(), 2: Noisy(), 3: Noisy()}.items():
                    pass
            return len(log)

        self.assertEqual(f(400), 1199)
        del f
        self.assertEqual(len(log), 1200)


class Sets(Tier2Case):
    def test_add(self):
        def f(n):
            s = set()
            for i in range(n):
                s.add(i % 700)
                s.add(str(i % 300))
                s.add(-1)
                s.add(i % 50 / 2)
            return s

        expect = set(range(700)) | {str(i) for i in range(300)} | {-1} | {i / 2 for i in range(50)}
        self.hot(f, 4000, expect=expect, share=0.7)
        s = f(2000)
        self.assertTrue(all(x in s for x in expect))
        s.discard(5)
        s.add(5)
        self.assertEqual(s, expect)
        self.assertEqual(len(s), len(expect))

    def test_keys_with_code(self):
        asked = []

        class Key:
            def __init__(self, n):
                self.n = n

            def __hash__(self):
                return self.n

            def __eq__(self, other):
                asked.append(self.n)
                return isinstance(other, int) and other == self.n

        def f(s, n):
            found = 0
            for i in range(n):
                found += i % 60 in s
                s.add(i % 60)
            return found

        for _ in range(3):
            s = {Key(7), Key(9)}
            asked.clear()
            # Two are there the first time, and all of them after that.
            self.assertEqual(f(s, 600), 2 + 540)
            self.assertEqual(len(s), 60)
            self.assertEqual(set(asked), {7, 9})
            self.assertEqual(len(asked), 2 * 10 + 2 * 10)


class Bytes(Tier2Case):
    def test_methods(self):
        def f(lines, n):
            total = 0
            for i in range(n):
                line = lines[i & 3]
                name, sep, value = line.partition(b" ")
                total += len(line.decode("ascii")) + len(name.decode()) + line.rindex(b"<") + len(value.rsplit(b" ", 1))
                total += (line[0] in b"abc") + len(line.upper().strip()) + len("text".encode("utf-8"))
            return total

        lines = [b"author A <a> 1 +0", b"committer B <b> 2 +0", b"tree <c>", b"zzz <"]

        def expected(line):
            name, _, value = line.partition(b" ")
            whole = len(line) + len(name) + line.rindex(b"<") + len(value.rsplit(b" ", 1))
            return whole + (line[0] in b"abc") + len(line.upper().strip()) + 4

        self.hot(f, lines, N, expect=sum(expected(lines[i & 3]) for i in range(N)), share=0.8)
        self.assertRaises(UnicodeDecodeError, f, [b"\xff <"] * 4, 4)
        self.assertRaises(ValueError, f, [b"no"] * 4, 4)


if __name__ == "__main__":
    unittest.main()
