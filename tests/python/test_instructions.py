"""The engine's table of instructions against the running CPython's own metadata."""
import dis
import opcode
import unittest

from hotspur._hotspur import disassemble, instructions, record

ROWS = {row["name"]: row for row in instructions()}
ARG, JUMP, BACK, CONST, NAME, LOCAL, END, OURS = (1 << i for i in range(8))

# Instructions that only instrumented code contains, and the compiler's pseudo-instructions: tier 1 decodes neither.
UNDECODED = {name for name, number in opcode.opmap.items() if name.startswith("INSTRUMENTED_") or number >= 256}


class Table(unittest.TestCase):
    def base_rows(self):
        rows = [row for row in ROWS.values() if row["base"] == row["name"] and not row["flags"] & OURS]
        self.assertGreater(len(rows), 100)
        return rows

    def test_numbers(self):
        ours = {row["name"]: row["number"] for row in self.base_rows()}
        theirs = {name: number for name, number in opcode.opmap.items() if name not in UNDECODED}
        self.assertEqual(ours, theirs)

    def test_caches(self):
        for row in self.base_rows():
            self.assertEqual(row["caches"], opcode._inline_cache_entries.get(row["name"], 0), row["name"])

    def test_effects(self):
        for row in self.base_rows():
            # The argument of COPY, SWAP and the like counts from one; not every small number is an argument of the others.
            for oparg in range(1, 5):
                has_arg = row["number"] > opcode.HAVE_ARGUMENT if hasattr(opcode, "HAVE_ARGUMENT") else True
                with self.subTest(row["name"], oparg=oparg):
                    theirs = dis.stack_effect(row["number"], oparg if has_arg else None, jump=False)
                    self.assertEqual(row["effect"][oparg], theirs)

    def test_flags(self):
        for row in self.base_rows():
            number, flags = row["number"], row["flags"]
            with self.subTest(row["name"]):
                self.assertEqual(bool(flags & (JUMP | BACK)), number in opcode.hasjrel)
                self.assertEqual(bool(flags & CONST), number in opcode.hasconst)
                self.assertEqual(bool(flags & NAME), number in opcode.hasname)

    def test_specializations_are_like_their_base(self):
        specialized = [row for row in ROWS.values() if row["base"] != row["name"]]
        self.assertGreater(len(specialized), 60)
        for row in specialized:
            base = ROWS[row["base"]]
            self.assertGreaterEqual(row["number"], 256)
            self.assertEqual((row["caches"], row["flags"], row["effect"]), (base["caches"], base["flags"], base["effect"]))


class Streams(unittest.TestCase):
    def test_disassembly_is_the_bytecode(self):
        def f(a, b):
            total = 0
            for i in range(300):
                total += a[i % 3] * b
            try:
                return [total, f"{total}", *a]
            except ValueError:
                return None

        self.assertIsNone(disassemble(f))
        for _ in range(10):
            f([1, 2, 3], 4)
        lines = disassemble(f)
        ours = [(index, base, oparg) for index, _, base, oparg, _, _ in lines if base != "EXTENDED_ARG"]
        theirs = [(i.offset // 2, i.opname, i.arg or 0) for i in dis.get_instructions(f, adaptive=False)
                  if i.opname not in ("CACHE", "EXTENDED_ARG")]
        self.assertEqual(ours, theirs)
        # It ran, and became specialized while it did.
        self.assertIn("FOR_ITER_RANGE", [name for _, name, *_ in lines])
        self.assertIn("BINARY_SUBSCR_LIST_INT", [name for _, name, *_ in lines])


class Recording(unittest.TestCase):
    def test_what_really_ran_is_noted_in_order(self):
        def callee(x):
            return x * 2

        def f():
            total = 0
            for i in range(3):
                if i != 1:
                    total += callee(i)
            return total

        result, recorded = record(f)
        self.assertEqual(result, 4)
        names = {id(f.__code__): "f", id(callee.__code__): "callee"}
        by_code = [(names[code], index) for code, index, _ in recorded if code in names]
        bases = {(n, index): base for n, code in (("f", f), ("callee", callee)) for index, _, base, *_ in disassemble(code)}
        ran = [(name, bases[name, index]) for name, index in by_code]
        self.assertEqual(ran[0], ("f", "COPY_FREE_VARS"))
        self.assertEqual(ran[-1], ("f", "RETURN_VALUE"))
        self.assertEqual([op for name, op in ran if name == "callee"].count("BINARY_OP"), 2)
        self.assertEqual([op for name, op in ran if name == "f"].count("FOR_ITER"), 4)
        # A callee's instructions stand between the caller's CALL and what comes after it.
        for at, entry in enumerate(ran):
            if entry == ("f", "CALL") and ran[at + 1][0] == "callee":
                self.assertEqual(ran[at + 1], ("callee", "RESUME"))
        # Recording specializes as usual, and ends.
        base = {row["name"]: row["base"] for row in instructions()}
        self.assertIn("RESUME", [base[name] for _, _, name in recorded])
        _, again = record(lambda: None)
        self.assertLess(len(again), 10)

    def test_an_exception_ends_the_recording(self):
        with self.assertRaises(ZeroDivisionError):
            record(lambda: 1 // 0)
        self.assertLess(len(record(lambda: None)[1]), 10)


if __name__ == "__main__":
    unittest.main()
