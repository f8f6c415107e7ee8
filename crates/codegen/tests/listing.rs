//! Listings say which op code belongs to.

#[allow(dead_code, reason = "no test uses all of it")]
mod native;

use hotspur_codegen::{Code, Compiler, Constants, Environment, ExitTable, Options, Region};
use hotspur_ir::{CodeRef, ExitId, ObjRef};

struct Nothing;

impl Constants for Nothing {
    fn object(&self, object: ObjRef) -> u64 {
        0x1000 + u64::from(object.as_u32())
    }
    fn code(&self, _: CodeRef) -> u64 {
        0
    }
    fn locals(&self, _: CodeRef) -> u32 {
        0
    }
    fn instruction(&self, _: CodeRef, _: u32) -> u64 {
        0
    }
    fn stream(&self, _: CodeRef) -> u64 {
        0
    }
}

const TEXT: &str = "
superblock code0 @ 0 () {
    v0 = load_local 0, 0
    guard_type v0, obj0 [snap0]
    v1 = load_local 0, 1
    v2 = load_local 0, 2
    guard_is v1, obj1 [snap0]
    xdecref v2 [snap1]
    check_validity [snap1]
    exit end_of_trace [snap2]
}
snap0 = at
    code0 @ 0 locals [_, _, _] stack []
snap1 = after
    code0 @ 1 locals [_, _, null] stack []
snap2 = at
    code0 @ 2 locals [_, _, null] stack []
";

fn compile(lists: bool) -> Code {
    let sb = native::superblock(TEXT);
    let mut compiler = Compiler::new(Options { checked: true, optimize: true }).expect("a compiler");
    let exits = ExitTable { base: 0x1000, stride: 64, code: 0 };
    let environment = Environment {
        layout: Some(&native::LAYOUT),
        constants: &Nothing,
        exits,
        valid: 0x2000,
        epoch: 0,
        prologue: None,
        bridge: None,
        failing: None,
        lists,
    };
    compiler.compile(&sb, &environment).expect("machine code")
}

#[test]
fn regions() {
    let code = compile(true);
    let listing = code.listing.as_ref().expect("a listing");
    let has = |region| listing.regions.iter().any(|&(_, r)| r == region);
    // Loads, guards, dropping a reference, and that it was the last one. (A check of validity that follows belongs to the latter.)
    for op in 0..=5 {
        assert!(has(Region::Hot(op)), "{op}: {:?}", listing.regions);
    }
    assert!(has(Region::Slow(5)) && !has(Region::Slow(0)));
    for exit in 0..4 {
        assert!(has(Region::Exit(ExitId::from_u32(exit))), "{exit}: {:?}", listing.regions);
    }
    assert!(has(Region::Shared));
    let numbers = listing.regions.iter().filter_map(|&(_, r)| if let Region::Hot(op) = r { Some(op) } else { None });
    assert!(numbers.max() < Some(8));
    assert!(listing.regions.is_sorted_by_key(|&(offset, _)| offset));
    assert!(listing.regions.iter().all(|&(offset, _)| offset < listing.end));
    assert!(listing.end as usize <= code.bytes().len());
    assert!(listing.ir.contains("\n@0001") && listing.ir.contains("brif"), "{}", listing.ir);
}

#[test]
fn nothing_else_changes() {
    let (with, without) = (compile(true), compile(false));
    assert_eq!((with.bytes(), with.sizes), (without.bytes(), without.sizes));
    assert!(without.listing.is_none());
}
