//! A code object in the form that tier 1 executes: one wide word for each 16-bit code unit.
//!
//! The stream is index-preserving: word `i` stands for code unit `i`, caches included. So a position converts between our
//! program counter and CPython's `instr_ptr` by arithmetic alone (see [`CodeState::bias`]), jumps need no relocation, and
//! an inline cache that has 16 bits in CPython has 64 here: room for a pointer or a version.
//!
//! Words are decoded from the code object's *original* bytecode (what `co_code` shows: neither specialized nor
//! instrumented), with EXTENDED_ARG folded into the argument of the instruction it extends.

use crate::consumers::{self, Consumers};
use crate::context;
use crate::table::{self, op};
use core::alloc::Layout;
use core::ffi::c_void;
use core::ptr;
use ffi::PyObject;
use hotspur_cpython_sys::*;
use std::alloc;

/// Bytes of a line of the cache.
const LINE: usize = 64;

const _: () = assert!(size_of::<CodeState>() == LINE);

/// One word of the stream: an instruction, or 64 bits of inline cache (see [`Word::cache`]).
#[repr(C, align(8))]
#[derive(Debug, Clone, Copy)]
pub struct Word {
    /// Number of the instruction: what dispatch indexes its table by.
    pub op: u16,
    /// Adaptive backoff counter (see [`crate::counter`]).
    pub counter: u16,
    /// The whole argument.
    pub oparg: u32,
}

const _: () = assert!(size_of::<Word>() == 8);

impl Word {
    /// The word's 64 bits as a cache.
    ///
    /// # Safety
    /// `this` must point to a cache word of a live stream.
    #[inline(always)]
    pub unsafe fn cache(this: *mut Word) -> *mut u64 {
        this.cast()
    }
}

/// What tier 1 keeps of a code object; lives in the code object's extra data and is freed with it.
#[repr(C)]
pub struct CodeState {
    /// `instr_ptr == (pc >> 2) + bias`: words are four times as wide as code units.
    pub bias: usize,
    /// The value of the thread's `eval_breaker` at which nothing is pending and nothing is instrumented.
    pub version: usize,
    /// Constants of the code object.
    pub consts: *mut *mut PyObject,
    /// Names of the code object.
    pub names: *mut *mut PyObject,
    /// The code object (borrowed: it owns us).
    pub code: *mut PyCodeObject,
    /// Number of words.
    pub len: u32,
    /// How much a frame counts for the recursion limit: 1, or 0 for a shim's.
    pub counted: i32,
    /// Tier 2's: null, or for each word the executor that begins there.
    pub executors: *mut *mut c_void,
    /// Null, or what consumes generators that run this code.
    pub(crate) consumers: *mut Consumers,
}

/// The state of a code object, made on first use; null if memory ran out (the frame then runs on stock).
///
/// # Safety
/// `code` must be a live code object.
#[inline(always)]
pub unsafe fn state_of(code: *mut PyCodeObject) -> *mut CodeState {
    let state = known_state_of(code);
    if state.is_null() { decode(code) } else { state }
}

/// The state of a code object; null if it has none yet.
///
/// # Safety
/// `code` must be a live code object.
#[inline(always)]
pub unsafe fn known_state_of(code: *mut PyCodeObject) -> *mut CodeState {
    code_extra(code, context::extra_index()).cast::<CodeState>()
}

/// [`state_of`] for code that is known to have one: that of a frame which tier 1 has been running.
///
/// # Safety
/// As [`state_of`]; the state must exist.
#[inline(always)]
pub unsafe fn existing_state_of(code: *mut PyCodeObject) -> *mut CodeState {
    let state = *(&raw const (*(*code).co_extra).ce_extras).cast::<*mut c_void>().add(context::extra_index());
    debug_assert!(!state.is_null());
    state.cast()
}

/// How a state is laid out: itself, in one line of the cache, and the stream after it. What a program calls seldom, among much else, waits for each line.
fn layout(words: usize) -> Layout {
    let bytes = size_of::<CodeState>() + words * size_of::<Word>();
    Layout::from_size_align(bytes, LINE).expect("a code object is smaller than the address space")
}

#[cold]
#[inline(never)]
unsafe fn decode(code: *mut PyCodeObject) -> *mut CodeState {
    // `PyCode_GetCode` undoes specialization and instrumentation. It may fail only for want of memory.
    let pending = ffi::PyErr_GetRaisedException();
    let bytes = PyCode_GetCode(code);
    if bytes.is_null() {
        ffi::PyErr_Clear();
        ffi::PyErr_SetRaisedException(pending);
        return ptr::null_mut();
    }
    let len = bytes_size(bytes) / 2;
    let units = bytes_data(bytes);
    let mut words = Vec::with_capacity(len);
    let mut extended = 0u32;
    let mut i = 0;
    while i < len {
        let opcode = u16::from(*units.add(2 * i));
        let oparg = extended << 8 | u32::from(*units.add(2 * i + 1));
        extended = if opcode == op::EXTENDED_ARG { oparg } else { 0 };
        words.push(Word { op: opcode, counter: crate::counter::warmup(), oparg });
        let caches = usize::from(table::INFO[usize::from(opcode)].caches);
        // A cache word starts at zero; executing one is a bug that the handler of CACHE reports.
        words.extend(core::iter::repeat_n(Word { op: op::CACHE, counter: 0, oparg: 0 }, caches));
        // A cache word that is used for nothing else is where a method in Python returns to.
        let waiting = match opcode {
            op::STORE_SUBSCR | op::STORE_ATTR => Some(op::ASSIGNMENT_RETURN),
            op::LOAD_ATTR if oparg & 1 != 0 => Some(op::METHOD_RETURN),
            op::FOR_ITER => Some(op::NEXT_RETURN),
            _ => None,
        };
        if let Some(waiting) = waiting {
            words[i + caches] = Word { op: waiting, counter: 0, oparg: caches as u32 };
        }
        i += 1 + caches;
    }
    decref(bytes);
    // The RESUME of a `yield from` or `await` is always followed by the jump back to its SEND.
    for i in 1..len {
        let after_yield_from = words[i - 1].oparg & 3 >= 2 && words[i].op == op::JUMP_BACKWARD_NO_INTERRUPT;
        if words[i - 1].op == op::RESUME && after_yield_from {
            words[i - 1].op = op::RESUME_IN_YIELD_FROM;
        }
    }
    count_hotness(&mut words);
    let state = alloc::alloc(layout(len)).cast::<CodeState>();
    if state.is_null() {
        ffi::PyErr_SetRaisedException(pending);
        return ptr::null_mut();
    }
    let stream = CodeState::words(state);
    ptr::copy_nonoverlapping(words.as_ptr(), stream, len);
    state.write(CodeState {
        bias: (code_units(code) as usize).wrapping_sub(stream as usize >> 2),
        version: (*code)._co_instrumentation_version,
        consts: tuple_items((*code).co_consts),
        names: tuple_items((*code).co_names),
        code,
        len: len as u32,
        counted: 1,
        executors: ptr::null_mut(),
        consumers: ptr::null_mut(),
    });
    let stored = store_extra(code, state.cast());
    let state = if stored < 0 {
        ffi::PyErr_Clear();
        free_state(state.cast());
        ptr::null_mut()
    } else {
        context::count_decoded();
        state
    };
    if !pending.is_null() {
        ffi::PyErr_SetRaisedException(pending);
    }
    state
}

/// Has back-edges and function entries count, if there is a tier 2 to be told.
unsafe fn count_hotness(words: &mut [Word]) {
    let Some((back_edge, entry)) = crate::tier2::initial_counters() else { return };
    for word in words {
        match word.op {
            op::JUMP_BACKWARD => (word.op, word.counter) = (op::JUMP_BACKWARD_COUNTED, back_edge),
            op::RESUME => (word.op, word.counter) = (op::RESUME_COUNTED, entry),
            _ => {}
        }
    }
}

/// `PyUnstable_Code_SetExtra`, except that a code object without extra data gets room for ours only, not for all users'.
/// CPython calls the users' free functions for all the room there is, and not every user keeps his alive to the end.
unsafe fn store_extra(code: *mut PyCodeObject, state: *mut c_void) -> i32 {
    let index = context::extra_index();
    if (*code).co_extra.is_null() {
        let bytes = size_of::<CodeObjectExtra>() + index * size_of::<*mut c_void>();
        let extra = ffi::PyMem_Malloc(bytes).cast::<CodeObjectExtra>();
        if extra.is_null() {
            return -1;
        }
        (*extra).ce_size = index as isize + 1;
        for i in 0..index {
            *(&raw mut (*extra).ce_extras).cast::<*mut c_void>().add(i) = ptr::null_mut();
        }
        *(&raw mut (*extra).ce_extras).cast::<*mut c_void>().add(index) = state;
        (*code).co_extra = extra;
        return 0;
    }
    PyUnstable_Code_SetExtra(code.cast(), index as isize, state)
}

/// Called by CPython when a code object dies.
pub(crate) unsafe extern "C-unwind" fn free_state(state: *mut c_void) {
    if state.is_null() {
        return;
    }
    if let Some(tier2) = context::tier2() {
        (tier2.code_freed)(state.cast());
    }
    let state = state.cast::<CodeState>();
    consumers::free((*state).consumers);
    alloc::dealloc(state.cast(), layout((*state).len as usize));
}

impl CodeState {
    /// The first word of the stream, which follows the state.
    #[inline(always)]
    pub fn words(this: *mut CodeState) -> *mut Word {
        this.wrapping_add(1).cast()
    }

    /// The word that stands for a code unit.
    ///
    /// # Safety
    /// `this` must be live and `instr_ptr` point into its code object's bytecode.
    #[inline(always)]
    pub unsafe fn word_at(this: *mut CodeState, instr_ptr: *mut CodeUnit) -> *mut Word {
        ((instr_ptr as usize).wrapping_sub((*this).bias) << 2) as *mut Word
    }
}
