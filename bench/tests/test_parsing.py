import argparse
import contextlib
import io
import pathlib
import tempfile
import unittest
from unittest import mock

import target_python
from harness import cli, configurations, programs

# Whether this checkout has been built makes no difference.
NOT_BUILT = mock.patch.object(target_python, "BUILT", pathlib.Path("/nowhere/libhotspur_engine.so"))


class Peers(unittest.TestCase):
    def test_interpreter_alone(self):
        peer = configurations.parse_peer("pypy=pypy3")
        self.assertEqual((peer.name, peer.env, peer.command), ("pypy", {}, ["pypy3"]))
        self.assertTrue(peer.is_peer)
        self.assertFalse(peer.hotspur)

    def test_environment_options_and_quotes(self):
        peer = configurations.parse_peer("3.15jit=PYTHON_JIT=1 A='b c' '/a dir/python3.15' -X frozen_modules=off")
        self.assertEqual(peer.env, {"PYTHON_JIT": "1", "A": "b c"})
        self.assertEqual(peer.command, ["/a dir/python3.15", "-X", "frozen_modules=off"])

    def test_nonsense(self):
        for text in ("pypy3", "name=", "=pypy3", "name=A=1", "two words=python3"):
            with self.subTest(text), self.assertRaises(argparse.ArgumentTypeError):
                configurations.parse_peer(text)


@NOT_BUILT
class Configurations(unittest.TestCase):
    def chosen(self, *arguments):
        return configurations.chosen(cli.parse_options(["run", *arguments]))

    def test_hotspur_is_what_is_measured_by_default(self):
        self.assertEqual([c.name for c in self.chosen("--engine", "e.so")], ["stock", "hotspur"])

    def test_short_names(self):
        stock, tier1, interp, jit, control = self.chosen("--engine", "e", "--configs", "tier1,interp,jit,control")
        self.assertEqual(stock.env, {"HOTSPUR": "0"})
        self.assertEqual(tier1.env, {"HOTSPUR": "1", "HOTSPUR_TIER": "1"})
        self.assertEqual(interp.env, {"HOTSPUR": "1", "HOTSPUR_TIER": "2", "HOTSPUR_ENGINE": "interp"})
        self.assertEqual(jit.env, {"HOTSPUR": "1", "HOTSPUR_TIER": "2", "HOTSPUR_ENGINE": "jit"})
        self.assertEqual([c.hotspur for c in (stock, tier1, interp, jit, control)], [False, True, True, True, False])

    def test_env_is_for_hotspur_alone(self):
        stock, jit, peer = self.chosen("--engine", "e", "--configs", "jit", "--env", "X=1", "--peer", "p=python3")
        self.assertEqual([c.env.get("X") for c in (stock, jit, peer)], [None, "1", None])

    def test_own_environment(self):
        _, _, other = self.chosen("--engine", "e", "--config", "slow:HOTSPUR_STRESS=1,B=2")
        self.assertEqual((other.name, other.env), ("slow", {"HOTSPUR": "1", "HOTSPUR_STRESS": "1", "B": "2"}))
        self.assertTrue(other.hotspur)
        off = configurations.parse_configuration("x:HOTSPUR=0")
        self.assertFalse(off.hotspur)
        self.assertEqual(configurations.parse_configuration("x:python=p").command, ["p"])

    def test_peers_alone_need_no_engine(self):
        self.assertEqual([c.name for c in self.chosen("--peer", "p=python3")], ["stock", "p"])

    def test_what_cargo_has_built_is_the_engine(self):
        with tempfile.NamedTemporaryFile(suffix=".so") as file, \
                mock.patch.object(target_python, "BUILT", pathlib.Path(file.name)):
            self.assertEqual(cli.parse_options(["run"]).engine, file.name)
            self.assertEqual(cli.parse_options(["run", "--engine", "e.so"]).engine, "e.so")
            self.assertEqual([c.name for c in self.chosen()], ["stock", "hotspur"])
            self.assertEqual([c.name for c in self.chosen("--configs", "stock", "--peer", "p=python3")], ["stock", "p"])
        self.assertIsNone(cli.parse_options(["run"]).engine)

    def test_mistakes(self):
        for arguments in ([], ["--configs", "jit"], ["--engine", "e", "--configs", "fast"],
                          ["--engine", "e", "--configs", "jit,jit"], ["--peer", "stock=python3"]):
            with self.subTest(arguments), self.assertRaises(SystemExit):
                self.chosen(*arguments)


class Options(unittest.TestCase):
    def test_commands_have_their_own_defaults(self):
        run, quick = cli.parse_options(["run"]), cli.parse_options(["quick"])
        self.assertGreater(run.warmup, quick.warmup)
        self.assertEqual((run.whole, quick.whole), (True, False))
        self.assertEqual(cli.parse_options(["quick", "--warmup", "3"]).warmup, 3)
        self.assertEqual(cli.parse_options(["coverage"]).rounds, 1)

    def test_help_says_what_this_is(self):
        with contextlib.redirect_stdout(io.StringIO()) as printed, self.assertRaises(SystemExit):
            cli.parse_options(["--help"])
        self.assertIn("Measures programs on stock CPython", " ".join(printed.getvalue().split()))

    def test_a_command_is_needed(self):
        with contextlib.redirect_stderr(io.StringIO()), self.assertRaises(SystemExit):
            cli.parse_options([])


class Manifest(unittest.TestCase):
    def test_manifest(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            (folder / "MANIFEST").write_text(
                "[benchmarks]\n\nname\tmetafile\nplain\t<local>\nvariant\t<local:plain>\nelsewhere\t/some/where\n")
            home = folder / "bm_plain"
            home.mkdir()
            (home / "pyproject.toml").write_text('[tool.pyperformance]\nname = "plain"\n')
            (home / "bm_variant.toml").write_text('[tool.pyperformance]\nextra_opts = ["--more"]\n')
            (home / "requirements.txt").write_text("something==1\n")
            found = programs.read_manifest(folder)
        self.assertEqual(list(found), ["plain", "variant"])
        self.assertEqual(found["plain"].script.name, "run_benchmark.py")
        self.assertEqual(found["variant"].arguments, ["--more"])
        self.assertEqual(found["variant"].requirements.name, "requirements.txt")


class Choosing(unittest.TestCase):
    def setUp(self):
        place = pathlib.Path("x.py")
        self.available = {
            name: programs.Program(name, suite, place) for name, suite in
            [("richards", "pyperformance"), ("sphinx", "pyperformance"), ("async_tree_eager", "pyperformance"),
             ("closures", "hotspur"), ("many_eager", "hotspur")]
        }

    def names(self, *arguments, **options):
        chosen, left_out = programs.choose(self.available, *arguments, **options)
        return [program.name for program in chosen], left_out

    def test_all(self):
        names, left_out = self.names([], False)
        self.assertEqual(names, ["richards", "closures", "many_eager"])
        self.assertEqual(set(left_out), {"sphinx", "async_tree_eager"})

    def test_whoever_is_named_is_run(self):
        self.assertEqual(self.names(["sphinx", "nothing"], False), (["sphinx"], {"nothing": "no such program"}))

    def test_one_suite(self):
        self.assertEqual(self.names([], False, suite="hotspur"), (["closures", "many_eager"], {}))

    def test_quick(self):
        self.assertEqual(self.names([], True)[0], ["richards", "closures"])


if __name__ == "__main__":
    unittest.main()
