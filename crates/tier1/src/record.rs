//! Recording dispatch: the same handlers, with every instruction noted before it runs.
//!
//! This is the front end that traces are recorded by ([`Tier2::record`](crate::tier2::Tier2::record)). It can also just note which
//! instruction ran where, which `hotspur._hotspur.record` gives to Python. An instruction that takes its successor along (a comparison and the conditional
//! jump behind it, the RESUME of a `yield from`) is noted once; the jump counts all the same.

use crate::context::{self, Context};
use crate::dispatch::State;
use crate::handler;
use crate::ops::compare::taken_along;
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
        let instructions = &mut (*(*s.cx).thread).instructions;
        instructions[usize::from((*s.pc).op)] += 1;
        let jump = taken_along(s.pc);
        if !jump.is_null() {
            instructions[usize::from((*jump).op)] += 1;
        }
        if (*(*s.cx).thread).noting {
            note(s);
        }
        if (*(*s.cx).thread).tracing {
            return s.tail(crate::tier2::record_then(s.pc, s.sp, s.frame, s.cx, s.cs));
        }
        s.tail(table::NORMAL[usize::from((*s.pc).op)])
    }
}

#[inline(never)]
unsafe fn note(s: State) {
    let recorded = &mut Context::thread(s.cx).recorded;
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
    let thread = current();
    thread.recorded = Vec::new();
    thread.noting = true;
    thread.choose_table();
}

/// Ends the calling thread's recording and returns what it noted.
///
/// # Safety
/// GIL held, tier 1 initialized.
#[inline(never)]
pub unsafe fn stop_recording() -> Vec<Recorded> {
    let thread = current();
    thread.noting = false;
    thread.choose_table();
    core::mem::take(&mut thread.recorded)
}

unsafe fn current<'a>() -> &'a mut context::Thread {
    Context::thread(context::context_of(ffi::PyThreadState_Get().cast()))
}
