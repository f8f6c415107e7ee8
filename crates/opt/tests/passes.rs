//! Files `filetests/*/*.opt`: a superblock before and after passes.
//!
//! ```text
//! passes fold dce
//! object obj0 = ...
//! run ...
//! superblock ...
//! ; expect:
//! ; the superblock after the passes, and how many ops there are before and after
//! ```
//!
//! `passes all` runs the whole schedule. The rest is as in the files of `hotspur-filetests`; runs are executed before and after, and
//! must come to the same. `HOTSPUR_BLESS=1 cargo test -p hotspur-opt` writes what came out as what is expected.

#[allow(dead_code, reason = "other tests need the rest")]
mod common;

use hotspur_filetests::TestFile;
use hotspur_ir::{Superblock, verify};
use hotspur_opt::{Pass, PassSet, optimize, run_pass};
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
    assert!(files.iter().all(|f| f.extension().is_some_and(|e| e == "opt")), "a file that is no test");
    files
}

/// A file, and the passes that it names; none for the whole schedule.
fn read(path: &Path) -> (TestFile, String, Option<Vec<Pass>>) {
    let text = std::fs::read_to_string(path).expect("a readable file");
    let line =
        text.lines().find(|l| l.starts_with("passes ")).unwrap_or_else(|| panic!("{}: no passes", path.display()));
    let names = line.trim_start_matches("passes ");
    let pass = |n| Pass::from_name(n).unwrap_or_else(|| panic!("{}: no pass {n}", path.display()));
    let passes = (names != "all").then(|| names.split(' ').map(pass).collect());
    let as_test = text.replacen(line, "test interp", 1);
    let file = TestFile::parse(&as_test).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    (file, line.to_owned(), passes)
}

fn apply(file: &TestFile, passes: Option<&[Pass]>) -> Superblock {
    let facts = common::facts(file);
    let sb = file.superblock.clone();
    match passes {
        None => optimize(sb, &facts, PassSet::ALL),
        Some(passes) => passes.iter().fold(sb, |sb, &p| run_pass(sb, &facts, p)),
    }
}

#[test]
fn files_do_what_they_expect() {
    let bless = std::env::var_os("HOTSPUR_BLESS").is_some();
    let mut failed = Vec::new();
    for path in files() {
        let (file, line, passes) = read(&path);
        assert_eq!(verify(&file.superblock), Ok(()), "{}", path.display());
        let after = apply(&file, passes.as_deref());
        let counts = format!("before: {}; after: {}\n", common::ops(&file.superblock), common::ops(&after));
        let actual = format!("{after}{counts}");
        let (before, now) = (common::outcome(&file, &file.superblock), common::outcome(&file, &after));
        assert_eq!(before, now, "{}: other outcomes with\n{after}", path.display());
        if actual != file.expected {
            if bless {
                let text = file.blessed(&actual).replacen("test interp", &line, 1);
                std::fs::write(&path, text).expect("a writable file");
            } else {
                failed.push(format!("{}\n--- expected\n{}--- actual\n{actual}", path.display(), file.expected));
            }
        }
    }
    assert!(failed.is_empty(), "{}\n{} failed; HOTSPUR_BLESS=1 accepts", failed.join("\n"), failed.len());
}

/// Whatever passes are left out, outcomes are the same.
#[test]
fn any_pass_can_be_left_out() {
    for path in files() {
        let (file, ..) = read(&path);
        let facts = common::facts(&file);
        let before = common::outcome(&file, &file.superblock);
        for &pass in Pass::ALL {
            let after = optimize(file.superblock.clone(), &facts, PassSet::ALL.without(pass));
            assert_eq!(before, common::outcome(&file, &after), "{} without {}", path.display(), pass.name());
            let after = optimize(file.superblock.clone(), &facts, PassSet::NONE.with(pass));
            assert_eq!(before, common::outcome(&file, &after), "{} with {} alone", path.display(), pass.name());
        }
    }
}

/// Optimizing again finds little, and changes nothing that could be noticed.
#[test]
fn optimizing_twice_is_the_same() {
    for path in files() {
        let (file, ..) = read(&path);
        let facts = common::facts(&file);
        let once = optimize(file.superblock.clone(), &facts, PassSet::ALL);
        let twice = optimize(once.clone(), &facts, PassSet::ALL);
        assert_eq!(common::outcome(&file, &once), common::outcome(&file, &twice), "{}", path.display());
    }
}

/// Superblocks of the other crates' tests do the same when they were optimized.
#[test]
fn filetests_have_the_same_outcome() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../filetests/filetests/interp");
    let mut count = 0;
    for entry in std::fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("entry").path();
        // These are wrong on purpose.
        if path.file_name().is_some_and(|n| n.to_string_lossy().starts_with("fault_")) {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a readable file");
        let file = TestFile::parse(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        if verify(&file.superblock).is_err() {
            continue;
        }
        count += 1;
        let before = common::outcome(&file, &file.superblock);
        let facts = common::facts(&file);
        for &pass in Pass::ALL {
            let after = optimize(file.superblock.clone(), &facts, PassSet::NONE.with(pass));
            assert_eq!(before, common::outcome(&file, &after), "{} with {}\n{after}", path.display(), pass.name());
        }
        let after = optimize(file.superblock.clone(), &facts, PassSet::ALL);
        assert_eq!(before, common::outcome(&file, &after), "{}\n{after}", path.display());
    }
    assert!(count > 30);
}

/// Each pass has a test of its own.
#[test]
fn every_pass_is_tested() {
    let tested: Vec<Pass> = files().iter().filter_map(|p| read(p).2).flatten().collect();
    let never: Vec<_> = Pass::ALL.iter().filter(|p| !tested.contains(p)).collect();
    assert!(never.is_empty(), "passes that no file names: {never:?}");
}
