//! Recording dispatch: the same handlers, with every instruction noted before it runs.
//!
//! This is the front end that traces will be recorded by. What is noted today is which instruction ran where, which
//! `hotspur._hotspur.record` gives to Python. An instruction that takes its successor along (a comparison and the conditional
//! jump behind it, the RESUME of a `yield from`) is noted once.

use crate::context::{self, Context};
use crate::dispatch::State;
use crate::handler;
use crate::table;
use hotspur_cpython_sys::*;

/// One executed instruction.
#[derive(Debug, Clone, Copy)]
pub struct Recorded {
    /// The code object: identity only, it may be gone by the time this is read.
    pub code: *mut PyCodeObject,
    /// Index of the instruction in it.
    pub index: usize,
    /// Number of the instruction, as specialized when it began.
    pub op: u16,
}

/// Instructions that a recording holds at most; recording goes on, but nothing more is noted.
pub const LIMIT: usize = 1 << 20;

handler! {
    /// Stands for every instruction in the recording table.
    record(s) {
        note(s);
        s.tail(table::NORMAL[usize::from((*s.pc).op)])
    }
}

#[inline(never)]
unsafe fn note(s: State) {
    let recorded = &mut (*s.cx).recorded;
    if recorded.len() < LIMIT {
        recorded.push(Recorded { code: (*s.cs).code, index: s.index() as usize, op: (*s.pc).op });
    }
}

/// Makes the calling thread record from its next instruction on (unless a tool is active: then frames run on stock). Begins
/// an empty recording.
///
/// # Safety
/// GIL held, tier 1 initialized.
#[inline(never)]
pub unsafe fn start_recording() {
    let cx = current();
    (*cx).recorded = Vec::new();
    (*cx).recording = true;
    Context::choose_table(cx);
}

/// Ends the calling thread's recording and returns what it noted.
///
/// # Safety
/// GIL held, tier 1 initialized.
#[inline(never)]
pub unsafe fn stop_recording() -> Vec<Recorded> {
    let cx = current();
    (*cx).recording = false;
    Context::choose_table(cx);
    core::mem::take(&mut (*cx).recorded)
}

unsafe fn current() -> *mut Context {
    context::context_of(ffi::PyThreadState_Get().cast())
}
