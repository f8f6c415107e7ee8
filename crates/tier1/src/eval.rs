//! The evaluation function that CPython calls, and the ways out of it to the stock interpreter.
//!
//! Frames that tier 1 runs are CPython's own frames, so any of them can be given to the stock interpreter between two
//! instructions: `instr_ptr` and the stack top are put where CPython keeps them, and `_PyEval_EvalFrameDefault` goes on. That
//! is what happens when tracing, profiling or monitoring is switched on: the stock interpreter then produces the events,
//! from bytecode that it instrumented itself.

use crate::code::{self, CodeState};
use crate::context::{self, Context};
use crate::dispatch::{Ret, State};
use crate::frames;
use crate::handler;
use crate::table::op;
use core::ffi::c_int;
use core::ptr;
use hotspur_cpython_sys::*;

/// What an entry frame's `instr_ptr` points into: code that nobody executes, but that CPython can look at.
static TRAMPOLINE: [CodeUnit; 4] = [op::NOP, op::INTERPRETER_EXIT, op::INTERPRETER_EXIT, op::RESUME];

/// Tier 1 as a frame evaluation function (PEP 523).
///
/// The usual activation calls nothing on its way to the first handler. All else is a function of its own, so that no registers are saved for it.
///
/// # Safety
/// As CPython calls it: GIL held, `frame` ready to run and not linked yet.
pub unsafe extern "C-unwind" fn eval_frame(
    tstate: *mut ThreadState,
    frame: *mut InterpreterFrame,
    throwflag: c_int,
) -> Ret {
    let cx = context::last_context();
    if cx.is_null() || (*cx).tstate != tstate || throwflag != 0 {
        return eval_frame_slow(tstate, frame, throwflag);
    }
    let thread = (*cx).thread;
    let entry = (*thread).entry_frames;
    let cs = code::known_state_of(frame_code(frame));
    let is_usual = Context::is_fresh(cx)
        && !(*thread).tools_active
        && !cs.is_null()
        && !entry.is_null()
        && (*tstate).c_recursion_remaining > PY_EVAL_C_STACK_UNITS
        && (*tstate).py_recursion_remaining > 0;
    if !is_usual {
        return eval_frame_slow(tstate, frame, throwflag);
    }
    context::counters_mut().entries += 1;
    (*thread).entry_frames = (*entry).previous;
    (*entry).return_offset = 0;
    link(tstate, entry, frame);
    (*tstate).c_recursion_remaining -= PY_EVAL_C_STACK_UNITS;
    (*tstate).py_recursion_remaining -= 1;
    frames::resume_at(cx, cs, frame, CodeState::word_at(cs, (*frame).instr_ptr))
}

/// [`eval_frame`] where something has to be made first, looked at closely, or turned away.
#[inline(never)]
unsafe extern "C-unwind" fn eval_frame_slow(
    tstate: *mut ThreadState,
    frame: *mut InterpreterFrame,
    throwflag: c_int,
) -> Ret {
    let cx = context::context_of(tstate);
    Context::refresh(cx);
    let cs = code::state_of(frame_code(frame));
    if (*(*cx).thread).tools_active || cs.is_null() {
        context::counters_mut().passed_on += 1;
        return _PyEval_EvalFrameDefault(tstate, frame, throwflag);
    }
    context::counters_mut().entries += 1;

    link(tstate, take_entry_frame(cx), frame);
    (*tstate).c_recursion_remaining -= PY_EVAL_C_STACK_UNITS - 1;
    if !enter_recursive_c(tstate) {
        // Neither count was made; `exit_unwind` takes the frame's back.
        (*tstate).c_recursion_remaining -= 1;
        (*tstate).py_recursion_remaining -= 1;
        return leave_unstarted(cx, cs, frame);
    }
    if !enter_recursive_py(tstate) {
        return leave_unstarted(cx, cs, frame);
    }
    if throwflag != 0 {
        return frames::resume_with_error(cx, frame);
    }
    frames::resume_at(cx, cs, frame, CodeState::word_at(cs, (*frame).instr_ptr))
}

/// Makes a frame the current one, on top of the activation's entry frame.
#[inline(always)]
unsafe fn link(tstate: *mut ThreadState, entry: *mut InterpreterFrame, frame: *mut InterpreterFrame) {
    (*entry).previous = (*tstate).current_frame;
    (*frame).previous = entry;
    (*tstate).current_frame = frame;
}

/// An entry frame, like the one that CPython's own loop has: it ends the chain of frames that an activation runs.
///
/// CPython keeps its on the C stack. Ours come from a list of unused ones, because then nothing is left on the C stack when
/// the first handler is entered: it is entered by a jump, too, and the handler that ends the activation returns to CPython
/// directly. An activation so costs one return address; deep recursion through C would otherwise overflow the processor's
/// stack of predicted returns sooner than on stock. (A list and no stack: greenlets end activations in any order.)
#[inline(always)]
unsafe fn take_entry_frame(cx: *mut Context) -> *mut InterpreterFrame {
    let entry = (*(*cx).thread).entry_frames;
    if entry.is_null() {
        return new_entry_frame();
    }
    (*(*cx).thread).entry_frames = (*entry).previous;
    (*entry).return_offset = 0;
    entry
}

#[cold]
#[inline(never)]
unsafe fn new_entry_frame() -> *mut InterpreterFrame {
    Box::into_raw(Box::new(InterpreterFrame {
        f_executable: ffi::Py_None(),
        previous: ptr::null_mut(),
        f_funcobj: ptr::null_mut(),
        f_globals: ptr::null_mut(),
        f_builtins: ptr::null_mut(),
        f_locals: ptr::null_mut(),
        frame_obj: ptr::null_mut(),
        instr_ptr: (&raw const TRAMPOLINE).cast::<CodeUnit>().cast_mut().add(1),
        stacktop: 0,
        return_offset: 0,
        owner: FRAME_OWNED_BY_CSTACK,
        localsplus: [ptr::null_mut()],
    }))
}

/// Ends an activation: control came back to its entry frame, and the value (null: an exception is set) is what it returns.
#[inline(always)]
pub unsafe fn end_activation(cx: *mut Context, entry: *mut InterpreterFrame, value: Ret) -> Ret {
    let ts = (*cx).tstate;
    (*ts).current_frame = (*entry).previous;
    (*ts).c_recursion_remaining += PY_EVAL_C_STACK_UNITS;
    (*entry).previous = (*(*cx).thread).entry_frames;
    (*(*cx).thread).entry_frames = entry;
    value
}

#[cold]
unsafe fn leave_unstarted(cx: *mut Context, cs: *mut CodeState, frame: *mut InterpreterFrame) -> Ret {
    State { pc: CodeState::words(cs), sp: ptr::null_mut(), frame, cx, cs }.tail(crate::unwind::exit_unwind)
}

handler! {
    /// Gives the current frame to the stock interpreter, at the instruction at `pc`.
    #[cold]
    hand_over(s) {
        s.save_ip();
        s.save_sp();
        run_on_stock(s.cx, s.frame)
    }

    /// Other code ran and the thread's `eval_breaker` is not what it was when this code was decoded.
    #[cold]
    escaped_slow(s) {
        Context::refresh(s.cx);
        if !(*(*s.cx).thread).tools_active {
            (*s.cs).version = (*(*s.cx).thread).version;
        }
        s.dispatch()
    }

    /// As [`escaped_slow`], after the instruction at `pc` whose length is `words`; pending events are served.
    #[cold]
    periodic_slow(s, words: usize) {
        if (*s.tstate()).eval_breaker & EVAL_EVENTS_MASK != 0 {
            s.save_ip();
            if _Py_HandlePending(s.tstate()) != 0 {
                return s.error();
            }
        }
        s.pc = s.pc.add(words);
        s.tail(escaped_slow)
    }
}

/// Runs a frame that is linked, counted in and saved on the stock interpreter, and goes on in its caller.
#[cold]
#[inline(never)]
pub unsafe fn run_on_stock(cx: *mut Context, frame: *mut InterpreterFrame) -> Ret {
    let ts = (*cx).tstate;
    context::counters_mut().handed_over += 1;
    // The stock interpreter links the frame to an entry frame of its own, and counts it in again.
    (*ts).current_frame = (*frame).previous;
    let cs = code::known_state_of(frame_code(frame));
    (*ts).py_recursion_remaining += if cs.is_null() { 1 } else { (*cs).counted };
    run_by(cx, frame, _PyEval_EvalFrameDefault)
}

/// Runs a frame that is saved and linked to its caller, the thread's current frame, by some other evaluation function, and
/// goes on in the caller.
#[cold]
#[inline(never)]
pub unsafe fn run_by(cx: *mut Context, frame: *mut InterpreterFrame, evaluate: FrameEvalFunction) -> Ret {
    let previous = (*frame).previous;
    let generator = ((*frame).owner == FRAME_OWNED_BY_GENERATOR).then(|| frame_generator(frame));
    let value = evaluate((*cx).tstate, frame, 0);
    Context::refresh(cx);
    if (*previous).owner == FRAME_OWNED_BY_CSTACK {
        return end_activation(cx, previous, value);
    }
    if value.is_null() {
        (*previous).return_offset = 0;
        return frames::resume_with_error(cx, previous);
    }
    let offset = match generator {
        // It yielded: the caller's SEND or FOR_ITER goes on behind its cache.
        Some(generator) if (*generator).gi_frame_state < FRAME_EXECUTING => 2,
        _ => usize::from((*previous).return_offset),
    };
    frames::resume_with_value(cx, previous, value, offset)
}
