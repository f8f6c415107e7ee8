//! Runs all files, and checks that between them they leave nothing out.

use hotspur_codegen::Options;
use hotspur_filetests::{TestFile, machine_code::Engine, setup::Command};
use hotspur_ir::{Helper, Opcode, Rule, VirtualKind, verify};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

fn files() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("filetests");
    let entries = |dir: &Path| {
        let mut paths: Vec<PathBuf> =
            std::fs::read_dir(dir).expect("a directory").map(|e| e.expect("entry").path()).collect();
        paths.sort();
        paths
    };
    let files: Vec<PathBuf> = entries(&root).iter().flat_map(|dir| entries(dir)).collect();
    assert!(files.iter().all(|f| f.extension().is_some_and(|e| e == "sb")), "a file that is no test");
    files
}

fn read(path: &Path) -> TestFile {
    let text = std::fs::read_to_string(path).expect("a readable file");
    TestFile::parse(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn files_do_what_they_expect() {
    let bless = std::env::var_os("HOTSPUR_BLESS").is_some();
    let mut failed = Vec::new();
    for path in files() {
        let file = read(&path);
        let actual = file.actual();
        if actual != file.expected {
            if bless {
                std::fs::write(&path, file.blessed(&actual)).expect("a writable file");
            } else {
                failed.push(format!("{}\n--- expected\n{}--- actual\n{actual}", path.display(), file.expected));
            }
        }
    }
    assert!(failed.is_empty(), "{}\n{} failed; HOTSPUR_BLESS=1 accepts", failed.join("\n"), failed.len());
}

#[test]
fn machine_code_does_what_the_interpreter_does() {
    let mut engine = Engine::new(Options { checked: true, optimize: true }).expect("an engine");
    let before = engine.statistics();
    let mut count = 0;
    for path in files() {
        let file = read(&path);
        let actual = file.actual_of_code(&mut engine).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        if let Some(actual) = actual {
            assert_eq!(actual, file.actual(), "{}", path.display());
            count += 1;
        }
    }
    assert!(count > 40, "{count} files");
    // All code was removed again.
    assert_eq!((engine.statistics().used, engine.statistics().pieces), (before.used, before.pieces));
}

#[test]
fn superblocks_read_back_as_printed() {
    for path in files() {
        let sb = read(&path).superblock;
        assert_eq!(hotspur_reader::parse(&sb.to_string()).as_ref(), Ok(&sb), "{}", path.display());
        if verify(&sb).is_ok() {
            let canonical = sb.canonical();
            assert_eq!(hotspur_reader::parse(&canonical.to_string()).as_ref(), Ok(&canonical), "{}", path.display());
            assert_eq!(verify(&canonical), Ok(()), "{}", path.display());
            let file = read(&path);
            let renumbered = TestFile { superblock: canonical, ..read(&path) };
            assert_eq!(renumbered.actual(), file.actual(), "{}: renumbering changes what it does", path.display());
        }
    }
}

/// Every op, helper and virtual object is executed by a file, and every op that exits does so in one and passes in another.
#[test]
fn everything_is_executed() {
    let mut ops = HashSet::new();
    let mut helpers = HashSet::new();
    let mut virtuals = HashSet::new();
    let mut exits = HashSet::new();
    for path in files() {
        let file = read(&path);
        if !matches!(file.setup.command, Command::Interp { verified: true }) {
            continue;
        }
        virtuals.extend(file.superblock.virtuals.values().map(|v| v.kind));
        let actual = file.actual();
        let taken = |n: usize| actual.lines().any(|l| l.trim_start().starts_with(&format!("exit{n} ")));
        let sb = &file.superblock;
        let exiting: Vec<usize> =
            sb.insts().enumerate().filter(|(_, i)| i.op.exit_reason().is_some()).map(|(at, _)| at).collect();
        let taken: Vec<usize> = exiting.into_iter().enumerate().filter(|&(n, _)| taken(n)).map(|(_, at)| at).collect();
        exits.extend(sb.insts().enumerate().filter(|(at, _)| taken.contains(at)).map(|(_, i)| i.op.opcode()));
        // All ops before an exit that was taken were executed; of a loop that goes round, all.
        let last = taken.into_iter().max().expect("a run takes an exit");
        let goes_round = path.ends_with("interp/loop_sum.sb");
        let executed = |at: usize| at <= last || goes_round;
        for (_, inst) in sb.insts().enumerate().filter(|&(at, _)| executed(at)) {
            ops.insert(inst.op.opcode());
            helpers.extend(inst.op.helper());
        }
    }
    let no_op: Vec<_> = Opcode::ALL.iter().filter(|o| !ops.contains(o)).collect();
    assert!(no_op.is_empty(), "ops that no file executes: {no_op:?}");
    let no_helper: Vec<_> = Helper::ALL.iter().filter(|h| !helpers.contains(h)).collect();
    assert!(no_helper.is_empty(), "helpers that no file calls: {no_helper:?}");
    let no_virtual: Vec<_> = VirtualKind::ALL.iter().filter(|v| !virtuals.contains(v)).collect();
    assert!(no_virtual.is_empty(), "virtual objects that no file has: {no_virtual:?}");
    let may_exit = Opcode::ALL.iter().filter(|o| o.info().effects.exits.is_some());
    let no_exit: Vec<_> = may_exit.filter(|o| !exits.contains(o)).collect();
    assert!(no_exit.is_empty(), "ops that exit in no file: {no_exit:?}");
}

#[test]
fn every_rule_is_violated() {
    let expected: String = files().iter().map(|p| read(p).expected).collect();
    let never: Vec<_> = Rule::ALL.iter().filter(|r| !expected.contains(&format!("{}: ", r.name()))).collect();
    assert!(never.is_empty(), "rules that no file violates: {never:?}");
}

/// No file expects a leak or a fault, except those that are there to show one.
#[test]
fn references_are_right() {
    for path in files() {
        let shows_one = path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("fault_"));
        let expected = read(&path).expected;
        let words = ["leaked", "freed twice", "after it was freed", "and references", "violation", "nothing there"];
        let found = words.iter().any(|w| expected.contains(w));
        assert_eq!(found, shows_one, "{}", path.display());
    }
}
