//! The optimizer's rules for integers are proved by an SMT solver, which is installed from PyPI the first time.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use support::{base_python, clean, run, scratch};

const PROOFS: &str = include_str!("../crates/opt/proofs/integers.py");

/// A Python that can import z3. It stays from one run to the next.
fn python_with_solver() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("solver");
    let python = folder.join("bin/python");
    let works = || clean(Command::new(&python).args(["-c", "import z3"])).output().is_ok_and(|o| o.status.success());
    if !works() {
        let made = run(clean(Command::new(base_python()).args(["-m", "venv", "--clear"]).arg(&folder)), "");
        assert!(made.status.success(), "{}", made.stderr);
        let installed = run(clean(Command::new(&python).args(["-m", "pip", "install", "--quiet", "z3-solver"])), "");
        assert!(works(), "the solver is not to be had: {}", installed.stderr);
    }
    python
}

#[test]
fn integer_rules_are_proved() {
    let python = python_with_solver();
    let folder = scratch("proofs");
    let prove = |name: &str, text: &str| {
        let script = folder.join(name);
        std::fs::write(&script, text).unwrap();
        run(clean(Command::new(&python).arg(script)), "")
    };
    let proved = prove("integers.py", PROOFS);
    assert!(proved.status.success(), "{}{}", proved.stdout, proved.stderr);
    let rules = PROOFS.lines().filter(|line| *line == "@rule").count();
    assert!(proved.stdout.ends_with(&format!("{rules} of {rules} rules proved\n")), "{}", proved.stdout);
    // Not vacuous: of a rule that does not hold it is said.
    let (right, wrong) = ("yield And(x + zero == x,", "yield And(x + one == x,");
    assert!(PROOFS.contains(right));
    let refuted = prove("wrong.py", &PROOFS.replace(right, wrong));
    assert!(!refuted.status.success() && refuted.stdout.contains("add_zero: FAILED"), "{}", refuted.stdout);
}
