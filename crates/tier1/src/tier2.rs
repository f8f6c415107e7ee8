//! The seam to tier 2: when it is told that something is hot, how executors are entered, and how it has tier 1 execute a single
//! instruction.
//!
//! # Entering
//! A loop's back-edge and a function's RESUME count down ([`crate::counter`]), if tier 2 is registered when their code is
//! decoded; their words then are `JUMP_BACKWARD_COUNTED` and `RESUME_COUNTED`. A counter that reaches zero calls
//! [`Tier2::hot`]. When tier 2 has made an executor it changes the word to `JUMP_BACKWARD_EXECUTOR` or
//! `RESUME_EXECUTOR` (CPython's ENTER_EXECUTOR), which asks [`Tier2::enter`] to run it. An executor that a back-edge enters begins at the target of
//! the jump, one that RESUME enters at the RESUME itself. How execution goes on is a [`Landing`].
//!
//! # Stepping
//! [`execute_one`] calls the handler of an instruction with the thread's *stepping context*. Every handler in that context's table
//! is [`stop`], so when the instruction goes on to the next one, wherever that is, control comes back to the
//! caller. Nothing in the handlers knows of it, and so any instruction at all can be a micro-op.

use crate::code::{CodeState, Word};
use crate::context::{Context, tier2};
use crate::dispatch::State;
use crate::handler;
use crate::table::{INFO, NORMAL, op};
use core::ptr;
use ffi::PyObject;
use hotspur_cpython_sys::*;

/// Where execution stands, as the registers of tier 1.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Landing {
    /// What happens there.
    pub kind: LandingKind,
    /// The instruction. For `Raised`: the one that raised.
    pub pc: *mut Word,
    /// One above the top of the value stack.
    pub sp: *mut *mut PyObject,
    /// The frame, which is the thread's current frame.
    pub frame: *mut InterpreterFrame,
    /// The frame's code.
    pub cs: *mut CodeState,
    /// For `Ended`: what the activation returns, with its reference; null if an exception is set.
    pub value: *mut PyObject,
}

/// What happens at a [`Landing`].
#[repr(u8)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LandingKind {
    /// Execution goes on with the instruction at `pc`.
    Running,
    /// An exception is set, and is to be unwound from the instruction at `pc`.
    Raised,
    /// The activation is over. Only `value` counts.
    Ended,
}

impl Default for Landing {
    /// The end of an activation that raised.
    fn default() -> Landing {
        Landing {
            kind: LandingKind::Ended,
            pc: ptr::null_mut(),
            sp: ptr::null_mut(),
            frame: ptr::null_mut(),
            cs: ptr::null_mut(),
            value: ptr::null_mut(),
        }
    }
}

/// What tier 1 asks of tier 2. All functions are called with the GIL held, from inside an activation; none may unwind.
#[derive(Debug)]
pub struct Tier2 {
    /// The counter in the word at `at.pc`, a back-edge or a function's entry, has triggered. The answer is the counter's new value.
    /// May begin to record ([`start_tracing`]); the instruction at `at.pc` is executed afterwards, and is not recorded.
    pub hot: unsafe fn(cx: *mut Context, at: State) -> u16,
    /// The thread is recording and is about to execute the instruction at `at.pc`. May end the recording ([`stop_tracing`]).
    pub record: unsafe fn(cx: *mut Context, at: State),
    /// The word at `at.pc` enters an executor: runs it, and leaves where that leads in the thread
    /// ([`crate::context::Thread::landing`]). For a back-edge, pending events have been served.
    pub enter: unsafe fn(cx: *mut Context, at: State),
    /// As many ticks have gone by as were to ([`crate::ticks::tell_after`]).
    pub tick: unsafe fn(),
    /// The stream dies with its code object.
    pub code_freed: unsafe fn(cs: *mut CodeState),
    /// Tools (tracing, profiling, monitoring) were switched on or off, in whatever thread. While they are on, nothing may go on
    /// running in executors.
    pub tools_changed: unsafe fn(active: bool),
    /// Backoff counters that back-edges and function entries start with.
    pub counters: unsafe fn() -> (u16, u16),
}

/// What [`stop`] returns; no object is there.
static STOPPED: u8 = 0;

handler! {
    /// Stands for every instruction in a stepping context: ends [`execute_one`].
    stop(s) {
        (*(*s.cx).thread).landing =
            Landing { kind: LandingKind::Running, pc: s.pc, sp: s.sp, frame: s.frame, cs: s.cs, value: ptr::null_mut() };
        (&raw const STOPPED).cast_mut().cast()
    }

    /// The counter of the instruction at `pc` has triggered: tells tier 2, and executes the instruction.
    #[cold]
    hot(s) {
        tell_hot(s.pc, s.sp, s.frame, s.cx, s.cs);
        // Straight to the instruction, whatever the table: a recording begins with the one that follows.
        s.tail(plain_handler(s.pc))
    }

    /// Runs the executor of the instruction at `pc`.
    enter_executor(s) {
        run_executor(s.pc, s.sp, s.frame, s.cx, s.cs);
        let landing = &raw const (*(*s.cx).thread).landing;
        match (*landing).kind {
            LandingKind::Ended => (*landing).value,
            LandingKind::Raised => landed(s, landing).tail(crate::unwind::error),
            LandingKind::Running => landed(s, landing).next_escaped(0),
        }
    }
}

#[inline(always)]
unsafe fn landed(s: State, landing: *const Landing) -> State {
    State { pc: (*landing).pc, sp: (*landing).sp, frame: (*landing).frame, cs: (*landing).cs, ..s }
}

#[cold]
#[inline(never)]
unsafe fn tell_hot(
    pc: *mut Word,
    sp: *mut *mut PyObject,
    frame: *mut InterpreterFrame,
    cx: *mut Context,
    cs: *mut CodeState,
) {
    let s = State { pc, sp, frame, cx, cs };
    if let Some(tier2) = tier2() {
        (*s.pc).counter = (tier2.hot)(s.cx, s);
    }
}

/// Landings are not copied about: what was written in words just before is slow to be read in larger pieces.
#[inline(never)]
unsafe fn run_executor(
    pc: *mut Word,
    sp: *mut *mut PyObject,
    frame: *mut InterpreterFrame,
    cx: *mut Context,
    cs: *mut CodeState,
) {
    let s = State { pc, sp, frame, cx, cs };
    if let Some(tier2) = tier2() {
        (tier2.enter)(s.cx, s);
    } else {
        (*(*s.cx).thread).landing = Landing::default();
    }
}

/// The handler of the instruction at `pc`, which neither counts nor enters an executor.
pub(crate) unsafe fn plain_handler(pc: *mut Word) -> crate::dispatch::Handler {
    let op = (*pc).op;
    let plain = match op {
        op::JUMP_BACKWARD_COUNTED | op::JUMP_BACKWARD_EXECUTOR | op::RESUME_COUNTED | op::RESUME_EXECUTOR => {
            INFO[usize::from(op)].base
        }
        _ => op,
    };
    NORMAL[usize::from(plain)]
}

/// Executes the instruction at `pc`, together with those that its handler takes along, and what it leads to up to the next
/// instruction to be executed: that of the callee, of the caller, of an exception handler.
///
/// # Safety
/// Inside an activation of `cx`, with `frame` the current frame, decoded as `cs`.
pub unsafe fn execute_one(at: State) -> Landing {
    step(at);
    (*(*at.cx).thread).landing
}

/// [`execute_one`], with the landing left in the thread ([`crate::context::Thread::landing`]).
///
/// # Safety
/// As for [`execute_one`].
#[inline(always)]
pub unsafe fn step(at: State) {
    let thread = (*at.cx).thread;
    let value = State { cx: &raw mut (*thread).stepping, ..at }.tail(plain_handler(at.pc));
    if !ptr::eq(value.cast::<u8>(), &raw const STOPPED) {
        (*thread).landing = Landing { kind: LandingKind::Ended, value, ..Landing::default() };
    }
}

/// Leaves `frame`, the thread's current frame, of which nobody has an object and whose slots do not count: drops what they held
/// (`dropped`, in that order; what is null is passed over), its function and its code. Goes on in its caller with the value: the landing is left in the thread.
///
/// # Safety
/// Inside an activation of `cx`. The references pass to this function. The frame lies on the data stack.
pub unsafe fn return_from(
    cx: *mut Context,
    frame: *mut InterpreterFrame,
    value: *mut PyObject,
    dropped: &[*mut PyObject],
) {
    let ts = (*cx).tstate;
    (*ts).py_recursion_remaining += (*crate::code::existing_state_of(frame_code(frame))).counted;
    let caller = (*frame).previous;
    (*ts).current_frame = caller;
    // As in CPython: finalizers that run now have one C call less to go.
    (*ts).c_recursion_remaining -= 1;
    for &object in dropped {
        xdecref(object);
    }
    decref((*frame).f_funcobj);
    decref((*frame).f_executable);
    (*ts).c_recursion_remaining += 1;
    _PyThreadState_PopFrame(ts, frame);
    (*(*cx).thread).landing = land_in(cx, caller, value);
}

/// Where the return of a value to this frame leads, which tier 1 suspended: behind its call, or to the end of the activation.
///
/// # Safety
/// Inside an activation of `cx`; the frame is the thread's current one. The reference passes to the frame or landing.
pub unsafe fn land_in(cx: *mut Context, frame: *mut InterpreterFrame, value: *mut PyObject) -> Landing {
    if (*frame).owner == FRAME_OWNED_BY_CSTACK {
        let value = crate::eval::end_activation(cx, frame, value);
        return Landing { kind: LandingKind::Ended, value, ..Landing::default() };
    }
    let cs = crate::code::existing_state_of(frame_code(frame));
    let pc = CodeState::word_at(cs, (*frame).instr_ptr).add(usize::from((*frame).return_offset));
    let sp = frame_locals(frame).offset((*frame).stacktop as isize);
    (*frame).stacktop = -1;
    *sp = value;
    Landing { kind: LandingKind::Running, pc, sp: sp.add(1), frame, cs, value: ptr::null_mut() }
}

/// Runs the recording hook for the instruction at `pc`, and answers which handler executes it.
#[inline(never)]
pub(crate) unsafe fn record_then(
    pc: *mut Word,
    sp: *mut *mut PyObject,
    frame: *mut InterpreterFrame,
    cx: *mut Context,
    cs: *mut CodeState,
) -> crate::dispatch::Handler {
    let s = State { pc, sp, frame, cx, cs };
    if let Some(tier2) = tier2() {
        (tier2.record)(s.cx, s);
    }
    // While a trace is recorded, executors are recorded through; once it is finished, they are entered.
    if (*(*s.cx).thread).tracing { plain_handler(s.pc) } else { NORMAL[usize::from((*s.pc).op)] }
}

/// Makes the thread record: [`Tier2::record`] is called before each instruction from the next on.
///
/// # Safety
/// GIL held, in the context's thread.
pub unsafe fn start_tracing(cx: *mut Context) {
    let thread = Context::thread(cx);
    thread.tracing = true;
    thread.choose_table();
}

/// Ends [`start_tracing`].
///
/// # Safety
/// GIL held.
pub unsafe fn stop_tracing(cx: *mut Context) {
    let thread = Context::thread(cx);
    thread.tracing = false;
    thread.choose_table();
}

/// [`stop_tracing`] for the calling thread.
///
/// # Safety
/// GIL held, tier 1 initialized.
pub unsafe fn stop_recording_traces() {
    stop_tracing(crate::context::context_of(ffi::PyThreadState_Get().cast()));
}

/// What a stream's back-edges and entries are decoded to, and the counters that they begin with; none without tier 2.
pub(crate) unsafe fn initial_counters() -> Option<(u16, u16)> {
    tier2().map(|tier2| (tier2.counters)())
}
