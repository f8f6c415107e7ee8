//! Random superblocks, as the recorder would make them, do the same when they were optimized; and what all passes have made of
//! them does the same as machine code.
//!
//! `HOTSPUR_OPT_SEEDS=first..last` tries other ones than those that the tests try by themselves.

#[allow(dead_code, reason = "other tests need the rest")]
mod common;

use common::record::{self, Rng};
use hotspur_codegen::Options;
use hotspur_filetests::TestFile;
use hotspur_filetests::machine_code::Engine;
use hotspur_ir::Superblock;
use hotspur_opt::{Pass, PassSet, optimize};

const NOTHING: &str = "superblock code0 @ 4 () {\n    exit end_of_trace [snap0]\n}\nsnap0 = at\n    code0 @ 4 locals [_, _, _, _, _, _, _, _, _, _] stack []\n";

fn seeds(most: u64) -> std::ops::Range<u64> {
    let Ok(text) = std::env::var("HOTSPUR_OPT_SEEDS") else { return 0..most };
    let (first, last) = text.split_once("..").expect("first..last");
    first.parse().expect("a number")..last.parse().expect("a number")
}

fn is_fault(line: &str) -> bool {
    let words = [
        "leaked",
        "freed twice",
        "after it was freed",
        "and references",
        "violation",
        "nothing there",
        "is no ",
        "last reference",
    ];
    words.iter().any(|w| line.contains(w))
}

/// Whether the optimizer may have gone on where this run left, or left earlier.
fn may_differ(before: &[String], after: &[String], file: &str) -> bool {
    let left = |run: &[String], reason: &str| run.get(1).is_some_and(|l| l.contains(&format!("exit {reason}:")));
    // Boxes are not looked into any more; what was published may have been kept, of which there is a copy only if it was virtual.
    left(before, "not_compact") || file.contains("keep_local") && left(after, "invalidated")
}

/// What is different, if anything is.
fn difference(file: &TestFile, header: &str, after: &Superblock, ranges: bool) -> Option<String> {
    let one = common::by_run(&common::outcome(file, &file.superblock));
    let two = common::by_run(&common::outcome(file, after));
    let wide: Vec<bool> = header.lines().filter(|l| l.starts_with("run ")).map(|l| l.contains(" wide")).collect();
    for ((one, two), wide) in one.iter().zip(&two).zip(wide) {
        assert!(!one.iter().any(|l| is_fault(l)), "the program is wrong: {one:#?}\n{}", file.superblock);
        // What is read from memory is said to be compact then, and need not be.
        if wide && ranges {
            continue;
        }
        if two.iter().any(|l| is_fault(l)) || one != two && !may_differ(one, two, header) {
            return Some(format!("before: {one:#?}\nafter: {two:#?}"));
        }
    }
    None
}

#[test]
fn random_superblocks_do_the_same() {
    let mut smaller = 0;
    for seed in seeds(3000) {
        if std::env::var_os("HOTSPUR_OPT_SEEDS").is_some() {
            println!("seed {seed}");
        }
        let mut rng = Rng(seed);
        let header = record::header(&mut rng);
        let sb = record::superblock(&mut rng);
        let mut file = TestFile::parse(&format!("{header}\n{NOTHING}")).expect("a heap");
        file.superblock = sb.clone();
        let facts = common::facts(&file);
        for &pass in Pass::ALL {
            let after = optimize(sb.clone(), &facts, PassSet::NONE.with(pass));
            if let Some(what) = difference(&file, &header, &after, pass == Pass::Ranges) {
                panic!("seed {seed}: {} alone\n{header}\n{}\n{after}\n{what}", pass.name(), sb.canonical());
            }
        }
        for pass in Pass::ALL.iter().copied().map(Some).chain([None]) {
            let passes = pass.map_or(PassSet::ALL, |p| PassSet::ALL.without(p));
            let after = optimize(sb.clone(), &facts, passes);
            if let Some(what) = difference(&file, &header, &after, passes.contains(Pass::Ranges)) {
                panic!("seed {seed}: {passes:?}\n{header}\n{}\n{after}\n{what}", sb.canonical());
            }
            let size = |sb: &Superblock| sb.body.as_ref().map_or(sb.prefix.len(), |b| b.insts.len());
            if pass.is_none() {
                smaller += usize::from(size(&after) < size(&sb));
            }
        }
    }
    assert!(smaller > 0, "nothing was optimized");
}

#[test]
fn optimized_superblocks_do_the_same_as_machine_code() {
    let mut engine = Engine::new(Options { checked: false, optimize: true }).expect("an engine");
    let mut compiled = 0;
    for seed in seeds(1000) {
        let mut rng = Rng(seed);
        let header = record::header(&mut rng);
        let mut file = TestFile::parse(&format!("{header}\n{NOTHING}")).expect("a heap");
        file.superblock = record::superblock(&mut rng);
        let facts = common::facts(&file);
        file.superblock = optimize(file.superblock, &facts, PassSet::ALL);
        let code = file.actual_of_code(&mut engine).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        if let Some(code) = code {
            assert_eq!(code, file.actual(), "seed {seed}\n{header}\n{}", file.superblock);
            compiled += 1;
        }
    }
    assert!(compiled > 0, "nothing was compiled");
}
