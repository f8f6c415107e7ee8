//! CPython's own core tests under Hotspur in stress mode, held against stock id by id: `tests/conformance/run.py`.

mod support;

use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use support::{base_python, clean, engine};

/// Runs the core list with these environment variables besides stress mode.
fn core_list(name: &str, variables: &[(&str, &str)]) {
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
            .arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("conformance-{name}.json")))
            .arg("--verbose")
            .args(variables.iter().flat_map(|(name, value)| ["--env".into(), format!("{name}={value}")])),
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

/// Tier 2 on an engine, with counters that trigger the given time.
fn tier2(engine: &str, hot: &str) {
    let _guard = LOCK.lock();
    let counters = ["HOTSPUR_BACK_EDGE_THRESHOLD", "HOTSPUR_ENTRY_THRESHOLD", "HOTSPUR_EXIT_THRESHOLD"];
    let mut variables = vec![("HOTSPUR_TIER", "2"), ("HOTSPUR_ENGINE", engine), ("HOTSPUR_BACKOFF", "1")];
    variables.extend(counters.map(|name| (name, hot)));
    core_list(&format!("{engine}-{hot}"), &variables);
}

/// One run of the list at a time: each uses all processors.
static LOCK: Mutex<()> = Mutex::new(());

#[test]
fn core_list_in_tier1() {
    let _guard = LOCK.lock();
    core_list("tier1", &[("HOTSPUR_TIER", "1")]);
}

#[test]
fn core_list_compiled_at_once() {
    tier2("jit", "1");
}

#[test]
fn core_list_interpreted_the_second_time() {
    tier2("interp", "2");
}
