//! Executors that lead to executors.

#[allow(dead_code, reason = "no test uses all of it")]
mod native;

use hotspur_codegen::*;
use hotspur_ir::{CodeRef, ObjRef};
use std::ptr::null_mut;

struct Nothing;

impl Constants for Nothing {
    fn object(&self, _: ObjRef) -> u64 {
        0
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

/// An exit and what it leads to, as a host might have it.
#[repr(C)]
struct Exit {
    code: *const u8,
    /// What `side_exit` leads it to when it was taken so often.
    target: *const u8,
    taken: u64,
}

/// Leads an exit to its target when it is taken for the third time.
extern "C-unwind" fn side_exit(state: *mut ExecState) -> *const u8 {
    // SAFETY: the exit is one of the table below.
    let exit = unsafe { &mut *(*state).exit.cast::<Exit>() };
    exit.taken += 1;
    if exit.taken < 3 || exit.target.is_null() {
        return std::ptr::null();
    }
    exit.code = exit.target;
    exit.target
}

const COUNTS: &str = "superblock code0 @ 0 (v0: i64, v1: f64) {
    v2 = const_i64 1
    v3 = add_i64 v0, v2
    v4 = const_i64 3000000
    guard_cmp_i64 lt, v3, v4 [snap0]
    link executor0, [v3, v1] [snap1]
}
snap0 = at
    code0 @ 0 locals [v3, v1] stack []
snap1 = at
    code0 @ 0 locals [] stack []";

/// Three million executors one after the other: none leaves anything on the C stack.
#[test]
fn links_are_tail_calls() {
    let sb = native::superblock(COUNTS);
    let functions = HostFunctions { side_exit, ..native::functions() };
    let mut compiler = Compiler::new(Options::default()).expect("a compiler");
    // SAFETY: nothing else is executed.
    let mut space = unsafe { CodeSpace::new(&mut compiler, &functions, 1 << 16) }.expect("memory");
    let entry = || Exit { code: space.cold_exit(), target: std::ptr::null(), taken: 0 };
    // Two executors that lead to each other.
    let mut exits: [[Exit; 2]; 2] = [[entry(), entry()], [entry(), entry()]];
    let table = exits.as_mut_ptr();
    let mut entries = Vec::new();
    for i in 0..2 {
        let base = table.wrapping_add(i).expose_provenance() as u64;
        let exits = ExitTable { base, stride: size_of::<Exit>() as u32, code: 0 };
        let environment = Environment {
            layout: None,
            constants: &Nothing,
            exits,
            valid: 0,
            epoch: 0,
            prologue: None,
            bridge: None,
            failing: None,
            lists: false,
        };
        let code = compiler.compile(&sb, &environment).expect("machine code");
        // SAFETY: nothing is executed now.
        entries.push(unsafe { space.install(&code) }.expect("room").entry());
    }
    // SAFETY: the table is not in use now.
    unsafe {
        (*table)[1].target = entries[1];
        (*table.add(1))[1].target = entries[0];
    }
    let mut state = ExecState {
        frame: null_mut(),
        thread: null_mut(),
        top: null_mut(),
        exit: null_mut(),
        executor: null_mut(),
        landing: null_mut(),
        result: 0,
        disturbed: 0,
        rounds: 0,
        values: [0; MAX_VALUES],
        args: [0; MAX_PARAMS],
        host: null_mut(),
    };
    state.args[1] = 1.5_f64.to_bits();
    let mut left = Vec::new();
    for _ in 0..8 {
        // SAFETY: the state and the table live on.
        unsafe { hotspur_codegen::enter(&raw mut state, entries[0]) };
        left.push((state.exit.addr() - table.addr()) / size_of::<Exit>());
        if left.last() == Some(&2) || left.last() == Some(&0) {
            break;
        }
    }
    // Twice to the host from each link, then round and round until the guard of one of them fails.
    assert_eq!(left, [1, 1, 3, 3, 2]);
    assert_eq!((state.values[0], f64::from_bits(state.values[1])), (3_000_000, 1.5));
}
