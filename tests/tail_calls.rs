//! Tier 1's handlers must pass control on by jumps: a dispatch that the compiler made a call would take C stack for every
//! instruction executed. This reads the machine code of the engine that was just built (with objdump, which comes with gcc).

mod support;

use std::collections::BTreeSet;
use std::process::Command;

/// A memory operand that is indexed by eights with a displacement: an entry of the dispatch table.
fn is_table_entry(operand: &str) -> bool {
    operand.contains(",8)") && operand.trim_start_matches('*').starts_with("0x")
}

#[test]
fn dispatch_is_a_jump() {
    let output = Command::new("objdump")
        .args(["-d", "--no-show-raw-insn", "--demangle=rust"])
        .arg(support::engine())
        .output()
        .expect("objdump runs");
    let listing = String::from_utf8_lossy(&output.stdout);
    let mut function = "";
    let mut recent: Vec<&str> = Vec::new();
    let mut jumps = BTreeSet::new();
    let mut calls = Vec::new();
    for line in listing.lines() {
        if let Some((_, name)) = line.strip_suffix(">:").and_then(|line| line.split_once(" <")) {
            function = name;
            recent.clear();
            continue;
        }
        let Some(instruction) = line.split('\t').nth(1).map(str::trim) else { continue };
        if !function.contains("hotspur_tier1::") {
            continue;
        }
        let (mnemonic, operand) = instruction.split_once(char::is_whitespace).unwrap_or((instruction, ""));
        let operand = operand.trim();
        // Through the table directly, or through a register that was loaded from it just before.
        let through_table = is_table_entry(operand)
            || operand.strip_prefix('*').is_some_and(|register| {
                recent.iter().rev().take(12).any(|earlier| {
                    earlier.starts_with("mov")
                        && earlier.ends_with(&format!(",{register}"))
                        && is_table_entry(earlier.trim_start_matches("mov").trim())
                })
            });
        let handler = operand.split_once('<').is_some_and(|(_, target)| {
            ["unwind::error", "unwind::error_at", "unwind::unwind", "unwind::exit_unwind", "eval::hand_over"]
                .iter()
                .any(|handler| target.strip_prefix("hotspur_tier1::") == Some(&format!("{handler}>")))
        });
        match mnemonic {
            "jmp" if through_table => {
                jumps.insert(function);
            }
            "call" if through_table || handler => {
                calls.push(format!("{function}: {instruction}"));
            }
            _ => {}
        }
        recent.push(instruction);
    }
    assert!(calls.is_empty(), "dispatch by calls:\n{}", calls.join("\n"));
    // Guards against a test that no longer recognizes dispatch: nearly every handler has one.
    assert!(jumps.len() > 150, "only {} functions with a dispatch were found", jumps.len());
}
