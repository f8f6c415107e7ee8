//! What documents show of Hotspur's output is what it prints. `docs/life-of-a-trace.md` has the command; it is executed as it stands there.

mod support;

use std::path::Path;
use std::process::Command;
use support::{HOTSPUR, base_python, clean, run, scratch};

fn document(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)).unwrap()
}

/// What is indented in a document, block by block; not what is in fences.
fn blocks(text: &str) -> Vec<Vec<&str>> {
    let mut blocks = vec![];
    let mut block = vec![];
    let mut fenced = false;
    for line in text.lines().chain([""]) {
        fenced ^= line.starts_with("```");
        match line.strip_prefix("    ") {
            Some(line) if !fenced => block.push(line),
            _ if block.is_empty() => {}
            _ => blocks.push(std::mem::take(&mut block)),
        }
    }
    blocks
}

/// A line without what differs from machine to machine: times, sizes, addresses, versions of types; of machine code, only the instruction's name
/// is left. Explanations that a document has put behind it do not count either.
fn plain(line: &str) -> String {
    let line = line.trim();
    let line = line.split_once("  ; ").map_or(line, |(line, _)| line.trim_end());
    let words: Vec<&str> = line.split_whitespace().collect();
    if words[0].len() == 4 && words.len() > 1 && u32::from_str_radix(words[0], 16).is_ok() {
        return words[1].to_owned();
    }
    let varies = |i: usize| {
        let number = words[i].trim_end_matches(',');
        let is_number = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        is_number && (number.len() > 5 || words.get(i + 1).is_some_and(|unit| matches!(*unit, "bytes" | "us")))
    };
    (0..words.len()).map(|i| if varies(i) { "…" } else { words[i] }).collect::<Vec<_>>().join(" ")
}

/// The first line of the block that the output does not have behind those before it.
fn missing<'a>(block: &[&'a str], output: &[String]) -> Option<&'a str> {
    let mut rest = output.iter();
    block.iter().copied().filter(|line| line.trim() != "...").find(|line| !rest.any(|printed| *printed == plain(line)))
}

#[test]
fn life_of_a_trace() {
    let text = document("life-of-a-trace.md");
    let blocks = blocks(&text);
    let (command, shown) = blocks.split_first().unwrap();
    let [command] = command[..] else { panic!("{command:?}") };
    let root = env!("CARGO_MANIFEST_DIR");
    let folder = Path::new(HOTSPUR).parent().unwrap().to_str().unwrap();
    let path = format!("{folder}:{}", std::env::var("PATH").unwrap());
    let mut shell = Command::new("sh");
    clean(&mut shell).args(["-c", command]).current_dir(root).env("PATH", path).env("HOTSPUR_PYTHON", base_python());
    let outcome = run(&mut shell, "");
    assert!(outcome.status.success(), "{}", outcome.stderr);
    assert_eq!(outcome.stdout, "1000000\n");
    let stderr = outcome.stderr.replace(&format!("{root}/"), "");
    // For whoever has to bring the document up to date.
    let output = scratch("documents").join("life-of-a-trace.txt");
    std::fs::write(&output, &stderr).unwrap();
    let lines = || stderr.lines().filter(|line| !line.trim().is_empty());
    let printed: Vec<String> = lines().map(plain).collect();

    // The log is shown from its beginning, with nothing left out.
    let log: Vec<String> = lines().filter(|line| line.starts_with("hotspur ")).map(plain).collect();
    let shown_log: Vec<String> = shown[0].iter().map(|line| plain(line)).collect();
    assert!(shown_log.len() >= 9, "{shown_log:?}");
    assert_eq!(shown_log, log[..shown_log.len().min(log.len())], "see {}", output.display());
    let dumps = document("dumps.md");
    let shown_log: Vec<String> = dumps.lines().filter(|line| line.starts_with("    hotspur ")).map(plain).collect();
    assert!(shown_log.len() >= 5, "{shown_log:?}");
    assert_eq!(shown_log, log[..shown_log.len().min(log.len())], "docs/dumps.md; see {}", output.display());

    // Of all else, parts.
    assert!(shown.len() >= 9, "{shown:?}");
    for block in &shown[1..] {
        if let Some(line) = missing(block, &printed) {
            panic!(
                "Hotspur does not print this any more, or not there:\n    {line}\nWhat it prints is in {}",
                output.display()
            );
        }
    }
}

/// Lines differ if anything differs that matters.
#[test]
fn lines_are_compared() {
    let same = |one: &str, other: &str| plain(one) == plain(other);
    assert!(same(
        "hotspur 0.000001 #1 compiled: 20 bytes in 9 us",
        "  hotspur 1.000002 #1 compiled: 21 bytes in 10 us"
    ));
    assert!(!same("hotspur 0.000001 #1 recorded: 55 micro-ops", "hotspur 0.000001 #1 recorded: 56 micro-ops"));
    assert!(same("guard_type_version v1, 131150 [snap2]", "guard_type_version v1, 131151 [snap2]"));
    assert!(!same("guard_type_version v1, 131150 [snap2]", "guard_type_version v1, 131150 [snap3]"));
    assert!(same("v4 = const_obj obj1      ; obj1 = function f", "v4 = const_obj obj1"));
    assert!(same("01a9  cmp     rcx,[0770]", "01b9  cmp     rdx,[0780]") && !same("01b0  jne 0504", "01b0  je 0504"));
    assert!(!same("9  LOAD_ATTR_METHOD_WITH_VALUES     1", "9  LOAD_ATTR_INSTANCE_VALUE     1"));
}
