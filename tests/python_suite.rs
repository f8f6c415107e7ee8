//! Runs the unit tests of `tests/python` in an environment with Hotspur installed, with warm-up and without.

mod support;

use std::path::Path;
use support::{Venv, Way, run};

fn suite(name: &str, stress: bool) {
    let venv = Venv::with_hotspur(name);
    let mut command = Way::Module.command(&venv);
    if stress {
        command.env("HOTSPUR_STRESS", "1");
    }
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python");
    command.args(["-m", "unittest", "discover", "-s"]).arg(&tests);
    let outcome = run(&mut command, "");
    assert!(outcome.status.success(), "{}", outcome.stderr);
    // Not vacuous: the tests were found, and none of them was skipped.
    let ran = outcome.stderr.lines().find_map(|line| line.strip_prefix("Ran ")?.split(' ').next()?.parse::<u32>().ok());
    assert!(ran.is_some_and(|ran| ran >= 25), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("skipped"), "{}", outcome.stderr);
}

#[test]
fn with_warm_up() {
    suite("python-suite", false);
}

#[test]
fn without_warm_up() {
    suite("python-suite-stress", true);
}
