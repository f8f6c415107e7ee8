//! A short run of the program of `tests/soak` in which functions come and go: executors and what they hold are freed.

mod support;

use std::path::Path;
use std::process::Command;
use support::{HOTSPUR, base_python, clean, run};

/// Runs it. In a short run, a leak of a tenth of what an executor takes would be seen; what stays gets its executors meanwhile, which may be 2 per cent.
fn functions(engine: &str, background: &str, rounds: &str) {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/soak/functions.py");
    let mut command = Command::new(HOTSPUR);
    command.arg("--python").arg(base_python()).args(["--tier", "2", "--engine", engine]).arg(program);
    clean(command.args([rounds, "3"])).env("HOTSPUR_BACKGROUND", background);
    let outcome = run(&mut command, "");
    assert!(outcome.status.success(), "{outcome:?}");
    assert_eq!(outcome.stderr, "");
    // Not vacuous: a lot was made (the compiler in the background has little time for what comes and goes), and little is left.
    let last = outcome.stdout.lines().last().unwrap_or_default();
    let made = last.split(", ").nth(1).and_then(|made| made.split(' ').next()?.parse::<u32>().ok());
    let least = if engine == "jit" && background == "1" { 100 } else { 50 * rounds.parse::<u32>().unwrap() };
    assert!(made.is_some_and(|made| made > least), "{outcome:?}");
    let alive = outcome.stdout.lines().rev().nth(1).and_then(|line| line.split("executors ").nth(1)?.split(' ').next());
    let alive = alive.and_then(|alive| alive.parse::<u32>().ok());
    assert!(alive.is_some_and(|alive| alive < 400), "{outcome:?}");
}

#[test]
fn functions_come_and_go_compiled() {
    functions("jit", "0", "60");
}

#[test]
fn functions_come_and_go_compiled_in_the_background() {
    functions("jit", "1", "100");
}

#[test]
fn functions_come_and_go_interpreted() {
    functions("interp", "0", "80");
}
