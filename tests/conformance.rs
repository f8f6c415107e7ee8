//! CPython's own core tests under Hotspur in stress mode, held against stock id by id: `tests/conformance/run.py`.

mod support;

use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use support::{base_python, clean, engine};

/// Files about what tracing gets wrong first, for runs in which everything is traced at once: that takes long.
const FILES: &[&str] = &[
    "test_generators",
    "test_coroutines",
    "test_asyncgen",
    "test_exceptions",
    "test_scope",
    "test_with",
    "test_patma",
    "test_sys_settrace",
    "test_sys_setprofile",
    "test_frame",
    "test_call",
    "test_iter",
    "test_raise",
    "test_traceback",
    "test_gc",
    "test_weakref",
    "test_property",
    "test_super",
    "test_class",
    "test_functools",
    "test_unpack_ex",
    "test_yield_from",
];

/// Runs the core list, or these files, with these environment variables besides stress mode. So many tests must pass.
fn conformance(name: &str, files: &[&str], variables: &[(&str, &str)], least: u32) {
    let _guard = LOCK.lock();
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
            // What takes a minute where nothing else runs may take several: where everything is traced, most of it is compiling.
            .args(["--timeout", "900"])
            .args(variables.iter().flat_map(|(name, value)| ["--env".into(), format!("{name}={value}")]))
            .args(files),
    )
    .output()
    .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    // Not vacuous.
    let last = text.lines().last().unwrap_or_default();
    let passed = last.split(' ').next().and_then(|count| count.parse::<u32>().ok());
    assert!(passed.is_some_and(|passed| passed > least), "{text}");
}

/// One run at a time: each uses all processors.
static LOCK: Mutex<()> = Mutex::new(());

/// The core list holds some thirteen thousand tests.
const CORE: u32 = 10_000;

#[test]
fn core_list_in_tier1() {
    conformance("tier1", &[], &[("HOTSPUR_TIER", "1")], CORE);
}

#[test]
fn core_list_in_tier2() {
    conformance("tier2", &[], &[("HOTSPUR_TIER", "2"), ("HOTSPUR_ENGINE", "jit")], CORE);
}

/// Everything that runs the given time is traced. Executors are stopped now and then, and in the tier 2 interpreter guards fail although they
/// hold: many exits are hardly ever taken by themselves.
fn hot_at_once(engine: &str, threshold: &str) {
    let counters = ["HOTSPUR_BACK_EDGE_THRESHOLD", "HOTSPUR_ENTRY_THRESHOLD", "HOTSPUR_EXIT_THRESHOLD"];
    let mut variables = vec![("HOTSPUR_TIER", "2"), ("HOTSPUR_ENGINE", engine), ("HOTSPUR_BACKOFF", "1")];
    variables.extend(counters.map(|name| (name, threshold)));
    variables.extend([("HOTSPUR_STOP_EVERY", "20"), ("HOTSPUR_FAIL_EVERY", "50")]);
    conformance(&format!("{engine}-{threshold}"), FILES, &variables, 2000);
}

#[test]
fn compiled_the_first_time() {
    hot_at_once("jit", "1");
}

#[test]
fn interpreted_the_second_time() {
    hot_at_once("interp", "2");
}
