//! The benchmark harness: its unit tests, and a measurement of the engine with tiny settings.

mod support;

use std::path::Path;
use std::process::{Command, Output};
use support::{base_python, clean, engine, scratch};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn python(arguments: &[&str]) -> Command {
    let mut command = Command::new(base_python());
    clean(&mut command).current_dir(root()).args(arguments);
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn unit_tests() {
    let output = python(&["-m", "unittest", "discover", "-s", "bench", "-t", "bench"]).output().unwrap();
    let errors = text(&output.stderr);
    assert!(output.status.success(), "{errors}");
    // Not vacuous: the tests were found, and none of them was skipped.
    let ran = errors.lines().find_map(|line| line.strip_prefix("Ran ")?.split(' ').next()?.parse::<u32>().ok());
    assert!(ran.is_some_and(|ran| ran >= 70), "{errors}");
    assert!(!errors.contains("skipped"), "{errors}");
}

/// Measures two of our own programs (they need no network).
fn measure(name: &str, more: &[&str]) -> (Output, String) {
    let folder = scratch(name);
    let result = folder.join("result");
    let settings = "run closures recursion --rounds 1 --warmup 0.05 --sample 0.01 --samples 2 --startup-rounds 0 \
                    --cpu -1 --no-plots";
    let output = python(&["bench"])
        .args(settings.split_whitespace())
        .arg("--python")
        .arg(base_python())
        .arg("--engine")
        .arg(engine())
        .arg("--cache")
        .arg(&folder)
        .arg("--output")
        .arg(&result)
        .args(more)
        .output()
        .unwrap();
    let report = std::fs::read_to_string(result.with_extension("md")).unwrap_or_default();
    (output, report)
}

#[test]
fn every_configuration_runs() {
    let (output, report) = measure("bench-configurations", &["--configs", "tier1,interp,jit,off"]);
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    for configuration in ["tier1", "interp", "jit", "off"] {
        assert!(report.contains(&format!("\n| {configuration} | ")), "{report}");
        assert!(report.contains(&format!("## Whole processes: {configuration}")), "{report}");
    }
    assert!(!report.contains("Not measured"), "{report}");
}

#[test]
fn a_run_without_hotspur_is_no_result() {
    let (output, report) = measure("bench-inactive", &["--configs", "tier1", "--env", "HOTSPUR=0"]);
    assert_eq!(output.status.code(), Some(1), "{}{}", text(&output.stdout), text(&output.stderr));
    assert!(report.contains("* **tier1** does not run closures: no report: Hotspur was not active"), "{report}");
}
