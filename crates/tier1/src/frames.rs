//! Frames: pushing, entering, leaving, clearing.

use crate::code::{self, CodeState};
use crate::context::Context;
use crate::dispatch::{Ret, State};
use crate::eval::end_activation;
use crate::handler;
use core::ffi::c_void;
use core::mem::MaybeUninit;
use core::ptr;
use ffi::PyObject;
use hotspur_cpython_sys::*;

/// `_PyThreadState_HasStackSpace`: whether a frame of `size` words fits on the current chunk of the data stack.
#[inline(always)]
pub unsafe fn has_stack_space(ts: *mut ThreadState, size: i32) -> bool {
    let top = (*ts).datastack_top;
    !top.is_null() && size < (*ts).datastack_limit.offset_from(top) as i32
}

/// [`push_unchecked`] where there may be no space: the data stack then gets another chunk. Null, with an exception set, if memory
/// ran out.
#[inline(always)]
pub unsafe fn push(ts: *mut ThreadState, func: *mut PyFunctionObject, nargs: usize) -> *mut InterpreterFrame {
    let size = (*(*func).func_code.cast::<PyCodeObject>()).co_framesize;
    if !has_stack_space(ts, size) {
        let memory = push_frame_memory(ts, size as usize);
        if memory.is_null() {
            ffi::PyErr_NoMemory();
            return ptr::null_mut();
        }
        // It is pushed once more, to be filled in.
        (*ts).datastack_top = memory.cast();
    }
    push_unchecked(ts, func, nargs)
}

/// `_PyFrame_PushUnchecked`: a new frame for `func` (whose reference it takes) with the first `nargs` locals left for the
/// caller to fill in and the others empty. There must be space ([`has_stack_space`]) and the code be optimized (no
/// `f_locals`).
#[inline(always)]
pub unsafe fn push_unchecked(ts: *mut ThreadState, func: *mut PyFunctionObject, nargs: usize) -> *mut InterpreterFrame {
    let code = (*func).func_code.cast::<PyCodeObject>();
    let frame = (*ts).datastack_top.cast::<InterpreterFrame>();
    (*ts).datastack_top = (*ts).datastack_top.offset((*code).co_framesize as isize);
    (*frame).f_executable = newref(code.cast());
    (*frame).f_funcobj = func.cast();
    (*frame).f_globals = (*func).func_globals;
    (*frame).f_builtins = (*func).func_builtins;
    (*frame).f_locals = ptr::null_mut();
    (*frame).frame_obj = ptr::null_mut();
    (*frame).instr_ptr = code_units(code);
    (*frame).stacktop = (*code).co_nlocalsplus;
    (*frame).return_offset = 0;
    (*frame).owner = FRAME_OWNED_BY_THREAD;
    let locals = frame_locals(frame);
    for i in nargs..(*code).co_nlocalsplus as usize {
        // Volatile, so that these few words do not become a call of `memset`, for which every register would be saved.
        locals.add(i).write_volatile(ptr::null_mut());
    }
    frame
}

/// Moves a few words; as above, neither a call nor a vector loop.
#[inline(always)]
pub unsafe fn move_words(to: *mut *mut PyObject, from: *mut *mut PyObject, n: usize) {
    for i in 0..n {
        to.add(i).write_volatile(*from.add(i));
    }
}

impl State {
    /// Suspends the current frame (whose stack must already be without the call's operands) and executes `callee` from
    /// where its `instr_ptr` is. When the callee returns, its value is pushed here and execution goes on `return_offset`
    /// words after the instruction at `pc`.
    #[inline(always)]
    pub unsafe fn enter(self, callee: *mut InterpreterFrame, return_offset: usize) -> Ret {
        self.save_ip();
        self.save_sp();
        (*self.frame).return_offset = return_offset as u16;
        (*callee).previous = self.frame;
        if !self.hook_is_ours() {
            return State { frame: callee, ..self }.tail(enter_by_hook);
        }
        self.enter_saved(callee)
    }

    /// [`State::enter`] for the frame of a generator that waits for another one.
    #[inline(always)]
    pub unsafe fn enter_waiting(self, callee: *mut InterpreterFrame, return_offset: usize) -> Ret {
        if !self.hook_is_ours() || (*self.tstate()).py_recursion_remaining <= 1 {
            return self.enter(callee, return_offset);
        }
        self.save_ip();
        self.save_sp();
        (*self.frame).return_offset = return_offset as u16;
        (*callee).previous = self.frame;
        let ts = self.tstate();
        (*ts).current_frame = callee;
        (*ts).py_recursion_remaining -= 1;
        State { frame: callee, ..self }.tail(crate::ops::generators::descend)
    }

    /// The rest of [`State::enter`].
    #[inline(always)]
    unsafe fn enter_saved(self, callee: *mut InterpreterFrame) -> Ret {
        let ts = self.tstate();
        (*ts).current_frame = callee;
        let remaining = (*ts).py_recursion_remaining;
        (*ts).py_recursion_remaining = remaining - 1;
        let entered = State { frame: callee, ..self };
        if remaining <= 0 {
            return entered.tail(enter_at_limit);
        }
        entered.start()
    }

    /// Whether our evaluation function is the installed one, so that pushing a frame is the same as evaluating it.
    #[inline(always)]
    pub unsafe fn hook_is_ours(self) -> bool {
        *(*self.cx).hook == crate::eval::eval_frame as *const c_void
    }

    /// Executes `frame`, the thread's current frame, from its `instr_ptr`. It must be counted in already. The other registers
    /// are not looked at.
    #[inline(always)]
    pub(crate) unsafe fn start(self) -> Ret {
        let cs = code::known_state_of(frame_code(self.frame));
        if cs.is_null() {
            return self.tail(start_undecoded);
        }
        resume_at(self.cx, cs, self.frame, CodeState::word_at(cs, (*self.frame).instr_ptr))
    }
}

handler! {
    /// The evaluation function is not ours any more: CPython would call the one that is installed for this frame, which is
    /// linked to its caller but neither current nor counted in.
    #[cold]
    enter_by_hook(s) {
        if (*(*s.cx).hook).is_null() {
            crate::context::restore_hook();
        }
        let installed = *(*s.cx).hook;
        let previous = (*s.frame).previous;
        if installed == crate::eval::eval_frame as *const c_void {
            return State { frame: previous, ..s }.enter_saved(s.frame);
        }
        let evaluate = if installed.is_null() {
            _PyEval_EvalFrameDefault as FrameEvalFunction
        } else {
            core::mem::transmute::<*const c_void, FrameEvalFunction>(installed)
        };
        crate::eval::run_by(s.cx, s.frame, evaluate)
    }

    /// The frame that was counted in is one more than the recursion limit allows, if nobody handles such an error already.
    #[cold]
    enter_at_limit(s) {
        if !check_recursion_limit(s.tstate()) {
            // The code is not the register's yet. It is no shim's.
            let previous = leave(s.tstate(), s.frame, 1);
            return crate::unwind::unwind_caller(s.cx, previous);
        }
        s.start()
    }

    /// The current frame's code is new to tier 1.
    #[cold]
    start_undecoded(s) {
        let cs = code::state_of(frame_code(s.frame));
        if cs.is_null() {
            // Memory ran out for the stream: CPython has its own.
            return crate::eval::run_on_stock(s.cx, s.frame);
        }
        resume_at(s.cx, cs, s.frame, CodeState::word_at(cs, (*s.frame).instr_ptr))
    }
}

/// Takes up the stack of a suspended frame and executes it from `pc`.
#[inline(always)]
pub unsafe fn resume_at(
    cx: *mut Context,
    cs: *mut CodeState,
    frame: *mut InterpreterFrame,
    pc: *mut crate::code::Word,
) -> Ret {
    let sp = frame_locals(frame).offset((*frame).stacktop as isize);
    (*frame).stacktop = -1;
    State { pc, sp, frame, cx, cs }.dispatch()
}

/// Goes on in `frame`, a caller that tier 1 suspended, with the value that its callee returned.
#[inline(always)]
pub unsafe fn resume_with_value(
    cx: *mut Context,
    frame: *mut InterpreterFrame,
    value: *mut PyObject,
    offset: usize,
) -> Ret {
    if (*frame).owner == FRAME_OWNED_BY_CSTACK {
        return end_activation(cx, frame, value);
    }
    let cs = code::existing_state_of(frame_code(frame));
    go_on_with_value(cx, cs, frame, CodeState::word_at(cs, (*frame).instr_ptr).add(offset), value)
}

/// Takes up the stack of a suspended frame, pushes the value and executes it from `pc`.
#[inline(always)]
pub unsafe fn go_on_with_value(
    cx: *mut Context,
    cs: *mut CodeState,
    frame: *mut InterpreterFrame,
    pc: *mut crate::code::Word,
    value: *mut PyObject,
) -> Ret {
    let sp = frame_locals(frame).offset((*frame).stacktop as isize);
    (*frame).stacktop = -1;
    *sp = value;
    State { pc, sp: sp.add(1), frame, cx, cs }.dispatch()
}

/// Goes on in `frame`, a caller that tier 1 suspended, with the exception that its callee raised.
#[inline(always)]
pub unsafe fn resume_with_error(cx: *mut Context, frame: *mut InterpreterFrame) -> Ret {
    if (*frame).owner == FRAME_OWNED_BY_CSTACK {
        return end_activation(cx, frame, ptr::null_mut());
    }
    let cs = code::existing_state_of(frame_code(frame));
    let pc = CodeState::word_at(cs, (*frame).instr_ptr);
    let sp = frame_locals(frame).offset((*frame).stacktop as isize);
    (*frame).stacktop = -1;
    // The place to look up in the exception table is the code unit before `instr_ptr`, as in CPython: a generator that
    // something is thrown into stopped behind its YIELD_VALUE, and must be unwound from there.
    let at = pc.offset_from(CodeState::words(cs)) - 1;
    crate::unwind::error_at(pc, sp, frame, cx, cs, MaybeUninit::new(at as usize))
}

/// Unlinks and clears the current frame, which counts so much ([`CodeState::counted`]), and returns the caller's. The frame's stack
/// must be saved.
#[inline(always)]
pub unsafe fn leave(ts: *mut ThreadState, frame: *mut InterpreterFrame, counted: i32) -> *mut InterpreterFrame {
    (*ts).py_recursion_remaining += counted;
    // Unlinked before it is cleared: finalizers must not see it.
    let previous = (*frame).previous;
    (*ts).current_frame = previous;
    clear_and_pop(ts, frame);
    previous
}

/// `_PyEval_FrameClearAndPop`, with the common case in line: a frame on the data stack that nobody made an object of.
#[inline(always)]
unsafe fn clear_and_pop(ts: *mut ThreadState, frame: *mut InterpreterFrame) {
    let chunk = (*ts).datastack_chunk;
    if (*frame).owner != FRAME_OWNED_BY_THREAD
        || !(*frame).frame_obj.is_null()
        || !(*frame).f_locals.is_null()
        || frame.cast() == (&raw mut (*chunk).data)
    {
        return _PyEval_FrameClearAndPop(ts, frame);
    }
    let n = (*frame).stacktop;
    (*frame).stacktop = 0;
    // As in CPython: finalizers that run now have one C call less to go.
    (*ts).c_recursion_remaining -= 1;
    let locals = frame_locals(frame);
    for i in 0..n as usize {
        xdecref(*locals.add(i));
    }
    decref((*frame).f_funcobj);
    decref((*frame).f_executable);
    (*ts).c_recursion_remaining += 1;
    (*ts).datastack_top = frame.cast();
}
