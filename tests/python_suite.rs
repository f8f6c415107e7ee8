//! Runs the unit tests of `tests/python` in an environment with Hotspur installed: those of tier 1 with warm-up and without,
//! those of tier 2 on each engine.

mod support;

use std::path::Path;
use support::{Venv, Way, run};

fn suite(name: &str, folder: &str, variables: &[(&str, &str)]) {
    let venv = Venv::with_hotspur(name);
    let mut command = Way::Module.command(&venv);
    command.envs(variables.iter().copied());
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    command.args(["-m", "unittest", "discover", "-s"]).arg(&tests);
    let outcome = run(&mut command, "");
    assert!(outcome.status.success(), "{}", outcome.stderr);
    // Not vacuous: the tests were found, and none of them was skipped.
    let ran = outcome.stderr.lines().find_map(|line| line.strip_prefix("Ran ")?.split(' ').next()?.parse::<u32>().ok());
    assert!(ran.is_some_and(|ran| ran >= 25), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("skipped"), "{}", outcome.stderr);
}

const TIER1: &str = "tests/python";
const TIER2: &str = "tests/python/tier2";

#[test]
fn tier1_with_warm_up() {
    suite("tier1", TIER1, &[("HOTSPUR_TIER", "1")]);
}

#[test]
fn tier1_without_warm_up() {
    suite("tier1-stress", TIER1, &[("HOTSPUR_TIER", "1"), ("HOTSPUR_STRESS", "1")]);
}

/// Tier 2 on an engine, with these passes of the optimizer; `hot` is when counters trigger, if not as they do by default.
fn tier2(engine: &str, passes: &str, hot: Option<&str>) {
    let mut variables = vec![("HOTSPUR_TIER", "2"), ("HOTSPUR_ENGINE", engine), ("HOTSPUR_PASSES", passes)];
    if let Some(hot) = hot {
        let counters = ["HOTSPUR_BACK_EDGE_THRESHOLD", "HOTSPUR_ENTRY_THRESHOLD", "HOTSPUR_EXIT_THRESHOLD"];
        variables.extend(counters.map(|name| (name, hot)));
        variables.push(("HOTSPUR_BACKOFF", "1"));
    }
    suite(&format!("tier2-{engine}-{passes}-{}", hot.unwrap_or("default")), TIER2, &variables);
}

#[test]
fn tier2_interpreted() {
    tier2("interp", "all", None);
}

#[test]
fn tier2_interpreted_at_once() {
    tier2("interp", "all", Some("2"));
}

#[test]
fn tier2_compiled() {
    tier2("jit", "all", None);
}

#[test]
fn tier2_compiled_at_once() {
    tier2("jit", "all", Some("2"));
}

#[test]
fn tier2_not_optimized() {
    tier2("jit", "none", None);
    tier2("interp", "none", Some("2"));
}
