//! `import hotspur`, and everything that makes it say no.

mod support;

use std::process::Command;
use support::*;

fn python(venv: &Venv, arguments: &[&str]) -> Outcome {
    run(clean(Command::new(&venv.python).args(arguments)), "")
}

#[test]
fn on_and_off() {
    let venv = Venv::with_hotspur("api");
    let code = "\
import hotspur, sys
info = hotspur.info()
assert (info['enabled'], info['reason']) == (False, 'never enabled'), info
assert hotspur.is_enabled() is False
hotspur.disable()
assert hotspur.enable() is True and hotspur.enable() is True
info = hotspur.info()
assert (info['enabled'], info['reason'], info['layout'], info['tiers']) == (True, None, 'ok', ['1', '2']), info
assert info['version'] == hotspur.__version__ and info['python'] == '%d.%d.%d' % sys.version_info[:3], info
assert info['stress'] is False
def count():
    return max(hotspur.info()['counters'].values())
def f(n):
    return n if n == 0 else f(n - 1)
# What is called from now on runs in Hotspur, and after that not any more; also from frames that were there before, and
# for generators that go on under the other interpreter.
before = count()
f(50)
assert count() > before
def generator():
    for i in range(10):
        yield i
        try:
            yield -i
        finally:
            f(2)
one = generator(); next(one)
def switch_off():
    hotspur.disable()
    return [hotspur.is_enabled(), next(one), next(one), f(20)]
assert switch_off() == [False, 0, 1, 0]
assert hotspur.info()['reason'] == 'disabled', hotspur.info()
before = count()
f(50)
assert count() == before
two = generator(); next(two)
assert hotspur.enable()
assert list(one) == [-1, 2, -2, 3, -3, 4, -4, 5, -5, 6, -6, 7, -7, 8, -8, 9, -9]
assert list(two)[:3] == [0, 1, -1]
assert hotspur.is_enabled()
import threading
def worker():
    assert hotspur.is_enabled()
    f(10)
    for _ in range(20):
        hotspur.disable(); f(5); hotspur.enable(); f(5)
threads = [threading.Thread(target=worker) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print('end')
";
    let outcome = python(&venv, &["-c", code]);
    assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("end\n", ""), "{outcome:?}");
    assert!(outcome.status.success());
}

#[test]
fn stubs_and_marker() {
    let venv = Venv::with_hotspur("stubs");
    let code = "\
import ast, hotspur, os
folder = os.path.dirname(hotspur.__file__)
assert os.path.exists(os.path.join(folder, 'py.typed'))
stubs = ast.parse(open(os.path.join(folder, '__init__.pyi')).read())
names = {node.name for node in stubs.body if isinstance(node, ast.FunctionDef)}
assert names == set(hotspur.__all__), names
info = next(node for node in stubs.body if isinstance(node, ast.ClassDef))
assert [line.target.id for line in info.body] == list(hotspur.info()), hotspur.info()
assert all(getattr(hotspur, name).__doc__ for name in names)
print('end')
";
    assert_eq!(python(&venv, &["-c", code]).stdout, "end\n");
}

#[test]
fn switched_off_by_the_environment() {
    let venv = Venv::with_hotspur("off");
    let code = "\
import hotspur
print(hotspur.enable(), hotspur.is_enabled(), hotspur.info()['reason'], hotspur.info()['tiers'])
hotspur.disable()
";
    for way in [Way::Stock, Way::Built, Way::Installed, Way::Module] {
        let mut command = way.command(&venv);
        let outcome = run(command.args(["-c", code]).env("HOTSPUR", "0"), "");
        assert_eq!(outcome.stdout, "False False switched off by HOTSPUR=0 []\n", "{way:?}: {outcome:?}");
        assert_eq!(outcome.stderr, "");
    }
    // Anything else is not "off".
    let mut command = Way::Built.command(&venv);
    let outcome = run(command.args(["-c", "import hotspur; print(hotspur.is_enabled())"]).env("HOTSPUR", "1"), "");
    assert_eq!(outcome.stdout, "True\n", "{outcome:?}");
}

#[test]
fn stress() {
    let venv = Venv::with_hotspur("stress");
    for way in Way::HOTSPUR {
        let mut command = way.command(&venv);
        command.args(["-c", "import hotspur; print(hotspur.info()['stress'])"]);
        assert_eq!(run(&mut command, "").stdout, "False\n");
        assert_eq!(run(command.env("HOTSPUR_STRESS", "1"), "").stdout, "True\n");
    }
}

/// In each of these the program runs, and one line says why it runs without Hotspur.
fn assert_refused(outcome: &Outcome, reason: &str) {
    assert_eq!(outcome.stdout, "False False\n", "{outcome:?}");
    assert!(outcome.status.success(), "{outcome:?}");
    assert_eq!(outcome.stderr.lines().count(), 1, "{outcome:?}");
    assert!(outcome.stderr.starts_with("hotspur: "), "{outcome:?}");
    assert!(outcome.stderr.contains(reason), "{reason}: {outcome:?}");
    assert!(outcome.stderr.ends_with("; running on stock CPython\n"), "{outcome:?}");
}

const ENABLE: &str = "import hotspur; print(hotspur.enable(), hotspur.is_enabled()); assert hotspur.info()['reason']";

#[test]
fn another_hook() {
    let venv = Venv::with_hotspur("another-hook");
    assert_refused(&python(&venv, &["-X", "perf", "-c", ENABLE]), "another frame-evaluation function");
    // The launcher meets it first.
    let code = "import hotspur; print(hotspur.is_enabled(), hotspur.is_enabled())";
    for way in Way::HOTSPUR {
        let outcome = run(way.command(&venv).args(["-X", "perf", "-c", code]), "");
        assert_refused(&outcome, "another frame-evaluation function");
    }
}

#[test]
fn sub_interpreter() {
    let venv = Venv::with_hotspur("sub-interpreter");
    let code = format!("import _interpreters as i; assert i.exec(i.create(), {ENABLE:?}) is None");
    assert_refused(&python(&venv, &["-c", &code]), "sub");
    // Beside a main interpreter with Hotspur as well.
    let code = format!("import hotspur; assert hotspur.enable(); {code}; assert hotspur.is_enabled()");
    assert_refused(&python(&venv, &["-c", &code]), "sub");
}

#[test]
fn another_version_or_build() {
    let venv = Venv::with_hotspur("versions");
    let pretend = |change: &str| python(&venv, &["-c", &format!("import sys; {change}; {ENABLE}")]);
    let outcome = pretend("sys.version_info = (3, 14, 0, 'final', 0)");
    assert_refused(&outcome, "this build is for CPython 3.13, and this is cpython 3.14");
    let outcome = pretend("sys.abiflags = 't'");
    assert_refused(&outcome, "free-threaded");
    // A real other version, where there is one: importing our package there must not break anything.
    let folder = venv.site.display();
    let code = format!("import sys; sys.path.append({:?}); {ENABLE}", folder.to_string());
    for name in ["python3.9", "python3.10", "python3.11", "python3.12", "python3.14", "python3"] {
        for path in which::which_all(name).into_iter().flatten() {
            let output = run(clean(Command::new(&path).args(["-c", "import sys; print(sys.version_info[:2])"])), "");
            if output.status.success() && output.stdout != "(3, 13)\n" {
                assert_refused(
                    &run(clean(Command::new(path).args(["-c", &code])), ""),
                    "this build is for CPython 3.13",
                );
            }
        }
    }
}

#[test]
fn a_broken_engine() {
    let venv = Venv::with_hotspur("broken");
    let engine = std::fs::read_dir(venv.site.join("hotspur"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|extension| extension == "so"))
        .unwrap();
    std::fs::write(&engine, "no library").unwrap();
    assert_refused(&python(&venv, &["-c", ENABLE]), "the engine cannot be loaded");
    let outcome = run(Command::new(venv.command()).args(["-c", "pass"]), "");
    assert_eq!(outcome.status.code(), Some(1));
    assert!(outcome.stderr.starts_with("hotspur: the engine cannot be loaded"), "{outcome:?}");
}

/// A Python that the user has named but that Hotspur does not run in is started as it is.
#[test]
fn an_unsupported_python_by_name() {
    use std::os::unix::fs::PermissionsExt;
    let folder = scratch("unsupported");
    for (name, version, flag, reason) in [
        ("python3.12", "3 12", 0, "is CPython 3.12.1, not 3.13"),
        ("python3.13t", "3 13", 1, "is a free-threaded build of CPython 3.12.1"),
    ] {
        let path = folder.join(name);
        let script = format!(
            "#!/bin/sh\nif [ \"$1\" = -I ]; then\n\
             printf 'hotspur\\n%s\\ncpython\\n{version}\\n3.12.1\\n{flag}\\n' \"$0\"\nelse\necho \"$@\" $LD_PRELOAD\nfi\n"
        );
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = Command::new(HOTSPUR);
        let outcome = run(clean(command.arg("--python").arg(&path).args(["-u", "False", "False"])), "");
        assert_eq!(outcome.stdout, "-u False False\n");
        assert!(outcome.stderr.contains(reason), "{outcome:?}");
        assert!(outcome.stderr.ends_with("; running on stock CPython\n"), "{outcome:?}");
    }
}

#[test]
fn reports() {
    let venv = Venv::with_hotspur("reports");
    let folder = venv.folder.parent().unwrap().join("reports");
    std::fs::create_dir(&folder).unwrap();
    let reports = |code: &str| {
        let outcome = run(
            clean(Command::new(&venv.python).args(["-c", code, "quoted \" and é"])).env("HOTSPUR_REPORT", &folder),
            "",
        );
        assert_eq!(outcome.stderr, "", "{outcome:?}");
        take_reports(&folder)
    };
    assert!(reports("import hotspur").is_empty());
    let found = reports("import hotspur, os; hotspur.enable(); os.chdir('/')\ndef f(): pass\nf()");
    assert_eq!(found.len(), 1);
    let report = found.values().next().unwrap();
    assert!(is_real(report) && report.contains(r#"quoted \" and é"#), "{report}");
    let found = reports("import hotspur; hotspur.enable(); hotspur.disable()");
    assert!(found.values().next().unwrap().contains("\"hook_still_installed\": false"), "{found:?}");
    // A forked child that ends normally leaves its own, and nothing is left by one that does not.
    let fork = "import hotspur, os, sys; hotspur.enable()\ndef f(): pass\nf()\npid = os.fork()\n";
    assert_eq!(reports(&format!("{fork}if pid: os.wait()")).len(), 2);
    assert_eq!(reports(&format!("{fork}if pid: os.wait()\nelse: os._exit(0)")).len(), 1);
}
