//! CPython's own core tests under Hotspur in stress mode, held against stock id by id: `tests/conformance/run.py`.

mod support;

use std::path::Path;
use std::process::Command;
use support::{base_python, clean, engine};

#[test]
fn core_list_in_stress_mode() {
    let python = base_python();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let has_tests = clean(Command::new(&python).args(["-c", "import test.libregrtest"])).output().unwrap();
    assert!(
        has_tests.status.success(),
        "{} comes without CPython's test package: install it (Debian: libpython3.13-testsuite), or name another Python \
         with HOTSPUR_PYTHON",
        python.display()
    );
    let output = clean(
        Command::new(&python)
            .arg(root.join("tests/conformance/run.py"))
            .arg("--python")
            .arg(&python)
            .arg("--engine")
            .arg(engine())
            .arg("--output")
            .arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join("conformance.json"))
            .arg("--verbose"),
    )
    .output()
    .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    // Not vacuous: the list holds some thirteen thousand tests.
    let last = text.lines().last().unwrap_or_default();
    let passed = last.split(' ').next().and_then(|count| count.parse::<u32>().ok());
    assert!(passed.is_some_and(|passed| passed > 10_000), "{text}");
}
