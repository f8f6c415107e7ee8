//! gdb and perf, where they are installed and may be used, name executors. (What they are told is tested everywhere:
//! `tests/python/tier2/test_dumps.py`.)

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use support::{HOTSPUR, base_python, clean, run, scratch};

/// The tool, if a trial run of it succeeds.
fn tool(name: &str, trial: impl Fn(&mut Command) -> &mut Command) -> Option<PathBuf> {
    let tool = which::which(name).ok()?;
    let outcome = run(trial(clean(&mut Command::new(&tool))), "");
    let works = outcome.status.success() && !outcome.stderr.contains("not permitted");
    if !works {
        eprintln!("{name} is installed, but cannot be used here: {}", outcome.stderr);
    }
    works.then_some(tool)
}

/// The tool's command, to run a program in an executor.
fn with(tool: &Path, folder: &Path, program: &str) -> (Command, PathBuf) {
    let path = folder.join("program.py");
    std::fs::write(&path, program).unwrap();
    let mut command = Command::new(tool);
    clean(&mut command).current_dir(folder).env("HOTSPUR_PYTHON", base_python());
    command.envs([("HOTSPUR_BACKGROUND", "0"), ("HOTSPUR_BACK_EDGE_THRESHOLD", "50")]);
    (command, path)
}

#[test]
fn gdb_names_executors_in_backtraces() {
    let trial = ["-nx", "-batch", "-return-child-result", "-ex", "run", "--args", "true"];
    let Some(gdb) = tool("gdb", |gdb| gdb.args(trial)) else { return };
    // The signal stops it in a C function that the loop calls.
    let program = "\
import os, signal
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
def called(number):
    os.kill(os.getpid(), number)
def loop(numbers):
    for number in numbers:
        called(number)
loop([0] * 2000 + [signal.SIGUSR1])
";
    let folder = scratch("gdb");
    let (mut command, path) = with(&gdb, &folder, program);
    command.args(["-nx", "-batch", "-iex", "set debuginfod enabled off", "-ex", "run", "-ex", "backtrace", "--args"]);
    command.args([HOTSPUR, "--gdb"]).arg(path);
    let outcome = run(&mut command, "");
    let frames: Vec<&str> = outcome.stdout.lines().filter(|line| line.starts_with('#')).collect();
    let position = |name: &str| frames.iter().position(|frame| frame.contains(name));
    let (executor, main) = (position(" in hotspur:loop:5#"), position("Py_RunMain"));
    // Between the C function and CPython's main function.
    let found = executor.is_some_and(|executor| executor > 0 && main.is_some_and(|main| executor < main));
    assert!(found, "{}{}", outcome.stdout, outcome.stderr);
}

#[test]
fn perf_names_executors() {
    let folder = scratch("perf");
    let data = folder.join("perf.data");
    // A clock that is there on virtual machines, too.
    let record = ["record", "-q", "-e", "cpu-clock:u", "--call-graph", "fp", "-o"];
    let Some(perf) = tool("perf", |perf| perf.args(record).arg(&data).arg("true")) else { return };
    let program = "\
import os
def loop(n):
    x = 0
    for i in range(n):
        x = (x * 3 + i) % 1000003
    return x
for _ in range(200):
    loop(100000)
print(os.getpid())
";
    let (mut command, path) = with(&perf, &folder, program);
    command.args(record).arg(&data).args([HOTSPUR, "--perf"]).arg(path);
    let outcome = run(&mut command, "");
    assert!(outcome.status.success(), "{}{}", outcome.stdout, outcome.stderr);
    let map = format!("/tmp/perf-{}.map", outcome.stdout.trim());
    let mut command = Command::new(&perf);
    let report = ["report", "--stdio", "--no-children", "-g", "none", "--sort", "symbol", "-i"];
    let outcome = run(clean(&mut command).args(report).arg(&data), "");
    std::fs::remove_file(map).unwrap();
    // The loop is most of what is executed.
    let line = outcome.stdout.lines().find(|line| line.contains("hotspur:loop:2#")).unwrap_or_default();
    let share = line.trim().split('%').next().and_then(|share| share.parse::<f64>().ok()).unwrap_or_default();
    assert!(share > 30.0, "{}{}", outcome.stdout, outcome.stderr);
}
