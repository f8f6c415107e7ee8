//! Running superblocks before and after, and comparing what they did.

pub mod record;

use hotspur_filetests::TestFile;
use hotspur_interp::toy::Toy;
use hotspur_ir::{Superblock, verify};

/// A heap as the first run finds it, to be asked for facts.
pub fn facts(file: &TestFile) -> Toy {
    let mut toy = Toy::new();
    if let Some(run) = file.setup.runs.first() {
        file.setup.prepare(run, &mut toy, file.superblock.code, file.superblock.pc).expect("a heap");
    }
    toy
}

/// What the runs of a file come to with this superblock, without what an optimizer may change: numbers of exits, and the
/// deaths of objects that run no code and that the superblock may have made itself.
pub fn outcome(file: &TestFile, superblock: &Superblock) -> Vec<String> {
    assert_eq!(verify(superblock), Ok(()), "\n{superblock}");
    let run = TestFile {
        source: String::new(),
        expected: String::new(),
        setup: file.setup.clone(),
        superblock: superblock.clone(),
    };
    let toy = facts(file);
    let is_noise = |line: &str| {
        let Some(freed) = line.trim().strip_prefix("freed ") else { return false };
        let Some(name) = freed.strip_prefix("obj").and_then(|n| n.parse::<u32>().ok()) else { return true };
        let shown = toy.show(toy.constant(hotspur_ir::ObjRef::from_u32(name)));
        // A named temporary is no constant of the first heap: it counts, unless its kind says otherwise.
        shown.starts_with("int") || shown.starts_with("float")
    };
    let text = run.actual();
    text.lines().filter(|l| !is_noise(l)).map(without_exit_number).collect()
}

fn without_exit_number(line: &str) -> String {
    match line.trim_start().strip_prefix("exit").and_then(|l| l.split_once(' ')) {
        Some((number, rest)) if number.bytes().all(|b| b.is_ascii_digit()) => {
            // A branch on whether something is null, or some object, becomes a guard on just that.
            let branches = ["other_object", "unbound", "bound"];
            let (reason, rest) = rest.split_once(':').unwrap_or((rest, ""));
            let reason = if branches.contains(&reason) { "other_branch" } else { reason };
            format!("    exit {reason}:{rest}")
        }
        _ => line.to_owned(),
    }
}

/// The outcomes run by run.
#[allow(dead_code, reason = "not every test needs it")]
pub fn by_run(outcome: &[String]) -> Vec<Vec<String>> {
    let mut runs: Vec<Vec<String>> = Vec::new();
    for line in outcome {
        if line.starts_with("run ") {
            runs.push(Vec::new());
        }
        if let Some(run) = runs.last_mut() {
            run.push(line.clone());
        }
    }
    runs
}

/// How many ops the prefix and the loop have.
#[allow(dead_code, reason = "not every test needs it")]
pub fn ops(sb: &Superblock) -> String {
    match &sb.body {
        None => format!("{} ops", sb.prefix.len()),
        Some(body) => format!("{} ops, loop {}", sb.prefix.len(), body.insts.len()),
    }
}
