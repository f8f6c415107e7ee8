//! A host whose objects are words in memory, in a layout like CPython's: for code that reads and writes them by itself.
//!
//! Every function of the host that a test does not expect to be called ends the process.

use cranelift_entity::EntityRef;
use hotspur_codegen::*;
use hotspur_ir::{CodeRef, ObjRef, Superblock, verify};
use std::cell::Cell;
use std::collections::VecDeque;
use std::ptr::null_mut;

/// An object, a type, a frame: whatever words there are. The first two of an object are its count and its type.
pub struct Words(Box<[Cell<u64>]>);

impl Words {
    /// The word at an index.
    pub fn at(&self, index: usize) -> u64 {
        self.0[index].get()
    }
}

/// Words in memory.
pub fn words(words: &[u64]) -> Words {
    Words(words.iter().copied().map(Cell::new).collect())
}

/// Where they are.
pub fn address(words: &Words) -> u64 {
    words.0.as_ptr().expose_provenance() as u64
}

/// Offsets: those of CPython 3.13 where a test cares.
pub const LAYOUT: Layout = Layout {
    managed_dict: -8,
    f_globals: 0,
    f_builtins: 8,
    ob_refcnt: 0,
    ob_type: 8,
    tp_version_tag: 16,
    ht_cached_keys: 24,
    dk_version: 12,
    ma_keys: 32,
    func_version: 24,
    lv_tag: 16,
    ob_digit: 24,
    ob_fval: 16,
    list_ob_item: 24,
    allocated: Some(32),
    ob_size: 16,
    ob_descr: 40,
    tuple_ob_item: 24,
    ob_ref: 16,
    inline_values: 24,
    inline_valid: 19,
    inline_order: Some(InlineOrder { capacity: 16, size: 17 }),
    enumerates: Some(Enumerates { en_index: 16, en_sit: 24, en_result: 32, gc_next: -16 }),
    md_dict: 16,
    tables: None,
    it_index: 16,
    it_seq: 24,
    range_start: 16,
    range_step: 24,
    range_len: 32,
    localsplus: 72,
    instr_ptr: 56,
    stacktop: 64,
    gi_frame_state: 67,
    gi_iframe: 72,
    co_code_adaptive: 200,
    coroutine_origin_tracking_depth: 40,
    previous: 8,
    eval_breaker: 24,
    current_frame: 72,
    landing_kind: 0,
    landing_pc: 8,
    landing_sp: 16,
    landing_frame: 24,
    true_object: TRUE,
    false_object: FALSE,
    boxes: None,
    returns: None,
};
pub const TRUE: u64 = 0x7777_0000_0010;
pub const FALSE: u64 = 0x7777_0000_0030;

/// What the host functions of a test write down.
#[derive(Default, Debug)]
pub struct Notes {
    /// Calls, in order: name and arguments.
    pub calls: Vec<(&'static str, Vec<u64>)>,
    /// What `dealloc_published` answers.
    pub disturbed: bool,
    /// The top frames after each instruction that is executed, in order. When there are no more, nothing has landed.
    pub tops: VecDeque<u64>,
    landed: bool,
}

fn note(state: *mut ExecState, name: &'static str, args: &[u64]) {
    // SAFETY: `run` has put the notes there.
    let notes = unsafe { &mut *(*state).host.cast::<Notes>() };
    notes.calls.push((name, args.to_vec()));
}

extern "C-unwind" fn unexpected() {
    eprintln!("a function of the host was called that should not have been");
    std::process::abort();
}

extern "C-unwind" fn dealloc_published(state: *mut ExecState, snapshot: u32, value: Object) -> bool {
    note(state, "dealloc_published", &[snapshot.into(), value.addr() as u64]);
    // SAFETY: as in `note`.
    unsafe { !(*(*state).host.cast::<Notes>()).disturbed }
}

extern "C-unwind" fn dealloc_simple(state: *mut ExecState, value: Object) {
    note(state, "dealloc_simple", &[value.addr() as u64]);
}

extern "C-unwind" fn store_inline(state: *mut ExecState, value: Object, index: u32, content: Object) {
    note(state, "store_inline", &[value.addr() as u64, index.into(), content.addr() as u64]);
}

extern "C-unwind" fn push_frame(
    state: *mut ExecState,
    code: Object,
    pc: u32,
    stack: u32,
    function: Object,
    count: u32,
) {
    let args = [code.addr() as u64, pc.into(), stack.into(), function.addr() as u64, count.into()];
    note(state, "push_frame", &args);
    // SAFETY: as in `note`; the first argument of these tests is the address of the frame to be pushed.
    unsafe { (*state).top = std::ptr::with_exposed_provenance_mut((*state).args[0] as usize) };
}

extern "C-unwind" fn execute(state: *mut ExecState, snapshot: u32, pc: u64, frame: u64, sp: u64, stream: u64) {
    // How far the top of the stack is above the frame does not depend on where that is.
    note(state, "execute", &[snapshot.into(), pc, sp - frame, stream]);
    // SAFETY: as in `note`.
    unsafe {
        let notes = &mut *(*state).host.cast::<Notes>();
        notes.landed = !notes.tops.is_empty();
        (*state).top = std::ptr::with_exposed_provenance_mut(notes.tops.pop_front().unwrap_or(0) as usize);
    }
}

extern "C-unwind" fn has_landed(state: *mut ExecState, code: Object, pc: u32, moves: u32, stack: u32) -> bool {
    note(state, "has_landed", &[code.addr() as u64, pc.into(), moves.into(), stack.into()]);
    // SAFETY: as in `note`.
    unsafe { (*(*state).host.cast::<Notes>()).landed }
}

extern "C-unwind" fn side_exit(_: *mut ExecState) -> *const u8 {
    std::ptr::null()
}

/// The functions.
pub fn functions() -> HostFunctions {
    const COUNT: usize = size_of::<HostFunctions>() / 8;
    // SAFETY: the structure consists of addresses; a function that is called with other arguments than it has ends the
    // process without looking at them.
    let all: HostFunctions = unsafe { std::mem::transmute([unexpected as *const (); COUNT]) };
    HostFunctions { dealloc_published, dealloc_simple, store_inline, push_frame, execute, has_landed, side_exit, ..all }
}

struct Known<'a>(&'a [u64]);

impl Constants for Known<'_> {
    fn object(&self, object: ObjRef) -> u64 {
        self.0[object.index()]
    }
    fn code(&self, code: CodeRef) -> u64 {
        0xc0de_0000 + u64::from(code.as_u32())
    }
    fn locals(&self, code: CodeRef) -> u32 {
        2 + code.as_u32()
    }
    fn instruction(&self, code: CodeRef, pc: u32) -> u64 {
        self.stream(code) + u64::from(pc)
    }
    fn stream(&self, code: CodeRef) -> u64 {
        0x57e0_0000 + 0x1000 * u64::from(code.as_u32())
    }
}

/// What a run came to.
#[derive(Debug)]
pub struct Ran {
    /// The number of the exit.
    pub exit: usize,
    /// Live values of its snapshot, in order.
    pub live: Vec<u64>,
    pub notes: Notes,
    pub code: Code,
}

/// What a run is given.
#[derive(Default, Debug)]
pub struct Given<'a> {
    pub args: &'a [u64],
    pub objects: &'a [u64],
    pub frame: u64,
    pub thread: u64,
    pub valid: u64,
    pub disturbed: bool,
    pub tops: &'a [u64],
}

/// Reads a superblock.
pub fn superblock(text: &str) -> Superblock {
    let sb = hotspur_reader::parse(text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    assert_eq!(verify(&sb), Ok(()), "\n{text}");
    sb
}

/// Compiles a superblock and runs it.
pub fn run(text: &str, given: &Given<'_>) -> Ran {
    run_with(&functions(), text, given)
}

/// The same with other functions.
pub fn run_with(functions: &HostFunctions, text: &str, given: &Given<'_>) -> Ran {
    let sb = superblock(text);
    let mut compiler = Compiler::new(Options { checked: true, optimize: true }).expect("a compiler");
    // SAFETY: nothing is executed but below.
    let mut space = unsafe { CodeSpace::new(&mut compiler, functions, 1 << 16) }.expect("memory");
    let mut exits: Vec<[u64; 3]> = sb.exits().map(|_| [7, space.cold_exit() as u64, 7]).collect();
    let base = exits.as_mut_ptr().expose_provenance() as u64;
    let exits_table = ExitTable { base, stride: 24, code: 8 };
    let known = Known(given.objects);
    let environment = Environment {
        layout: Some(&LAYOUT),
        constants: &known,
        exits: exits_table,
        valid: given.valid,
        epoch: 0,
        prologue: None,
        bridge: None,
        failing: None,
        lists: false,
    };
    let code = compiler.compile(&sb, &environment).expect("machine code");
    let mut notes =
        Notes { disturbed: given.disturbed, tops: given.tops.iter().copied().collect(), ..Notes::default() };
    let pointer = |bits: u64| std::ptr::with_exposed_provenance_mut(bits as usize);
    let mut state = ExecState {
        frame: pointer(given.frame),
        thread: pointer(given.thread),
        top: null_mut(),
        exit: null_mut(),
        executor: null_mut(),
        landing: null_mut(),
        result: 0,
        disturbed: 0,
        rounds: 0,
        values: [0; MAX_VALUES],
        args: [0; MAX_PARAMS],
        host: (&raw mut notes).cast(),
    };
    state.args[..given.args.len()].copy_from_slice(given.args);
    // SAFETY: what the superblock refers to is in memory.
    unsafe {
        let installed = space.install(&code).expect("room");
        hotspur_codegen::enter(&raw mut state, installed.entry());
    }
    let exit = (state.exit.addr() - base as usize) / 24;
    let value = |l: &Live| match l.location {
        Location::Values(i) => state.values[i as usize],
        Location::Constant(bits) => bits,
    };
    let live = code.snapshots[code.exits[exit].snapshot].live.iter().map(value).collect();
    Ran { exit, live, notes, code }
}
