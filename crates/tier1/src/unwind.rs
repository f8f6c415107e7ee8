//! Exceptions: from the instruction that raised to its handler, or out of the frame.

use crate::dispatch::State;
use crate::frames;
use crate::handler;
use crate::tools;
use ffi::PyObject;
use hotspur_cpython_sys::*;

/// One entry of an exception table, all in code units: instructions in `start..end` are covered.
struct Handler {
    target: usize,
    /// Depth of the stack at which the handler starts.
    depth: usize,
    /// Whether the index of the raising instruction is pushed before the exception.
    lasti: bool,
}

/// Finds the handler for the instruction at `index`. The table is a sequence of (start, length, target, depth and flag),
/// sorted by start and not nested, each a big-endian number of six-bit digits (`Objects/exception_handling_notes.txt`).
unsafe fn find_handler(code: *mut PyCodeObject, index: usize) -> Option<Handler> {
    let table = (*code).co_exceptiontable;
    let mut p = bytes_data(table);
    let end = p.add(bytes_size(table));
    let read = |p: &mut *const u8| {
        let mut value = 0usize;
        loop {
            let byte = **p;
            *p = p.add(1);
            value = value << 6 | usize::from(byte & 63);
            if byte & 64 == 0 {
                return value;
            }
        }
    };
    while p < end {
        let start = read(&mut p);
        if start > index {
            return None;
        }
        let length = read(&mut p);
        let target = read(&mut p);
        let depth_lasti = read(&mut p);
        if index < start + length {
            return Some(Handler { target, depth: depth_lasti >> 1, lasti: depth_lasti & 1 != 0 });
        }
    }
    None
}

handler! {
    /// The instruction at `pc` raised.
    #[cold]
    error(s) {
        s.save_ip();
        let at = s.index();
        s.tail_with(error_at, at as usize)
    }

    /// An exception is set; the exception table is to be asked about code unit `at`. Adds the frame to the traceback.
    #[cold]
    error_at(s, at: usize) {
        add_to_traceback(s.tstate(), s.frame);
        if (*(*s.cx).thread).tools_active {
            _PyEval_MonitorRaise(s.tstate(), s.frame, (*s.frame).instr_ptr);
        }
        s.tail_with(unwind, at)
    }

    /// An exception is set and the traceback is as it should be: goes to the handler that covers code unit `at`.
    #[cold]
    unwind(s, at: usize) {
        let base = s.local((*frame_code(s.frame)).co_nlocalsplus as usize);
        let Some(handler) = find_handler(frame_code(s.frame), at) else {
            while s.sp > base {
                let op = s.pop();
                xdecref(op);
            }
            s.save_sp();
            if (*(*s.cx).thread).tools_active {
                tools::fire(PY_MONITORING_EVENT_PY_UNWIND, s.tstate(), s.frame, _PyMonitoring_FirePyUnwindEvent);
            }
            return s.tail(exit_unwind);
        };
        let top = base.add(handler.depth);
        while s.sp > top {
            let op = s.pop();
            xdecref(op);
        }
        if handler.lasti {
            let lasti = (*s.frame).instr_ptr.offset_from(code_units(frame_code(s.frame)));
            let lasti = ffi::PyLong_FromSsize_t(lasti);
            if lasti.is_null() {
                // Out of memory: looking for a handler again would end here again, so let a caller's handler have it.
                s.save_sp();
                return s.tail(exit_unwind);
            }
            s.push(lasti);
        }
        let exception = take_raised(s.tstate());
        s.push(exception);
        if (*(*s.cx).thread).tools_active && !handled(s, exception) {
            return s.tail_with(unwind, handler.target);
        }
        s.pc = crate::code::CodeState::words(s.cs).add(handler.target);
        s.dispatch()
    }

    /// Leaves the current frame, whose stack is saved, with an exception.
    #[cold]
    exit_unwind(s) {
        let previous = frames::leave(s.tstate(), s.frame, (*s.cs).counted);
        unwind_caller(s.cx, previous)
    }
}

/// Goes on with the exception in the caller of a frame that was left with it.
#[inline(always)]
pub unsafe fn unwind_caller(cx: *mut crate::context::Context, caller: *mut InterpreterFrame) -> crate::dispatch::Ret {
    (*caller).return_offset = 0;
    frames::resume_with_error(cx, caller)
}

/// Fires EXCEPTION_HANDLED.
#[cold]
#[inline(never)]
unsafe fn handled(s: State, exception: *mut PyObject) -> bool {
    // The event wants the exception as the one being raised.
    set_raised(s.tstate(), newref(exception));
    let event = PY_MONITORING_EVENT_EXCEPTION_HANDLED;
    let fine = tools::fire(event, s.tstate(), s.frame, _PyMonitoring_FireExceptionHandledEvent);
    if fine {
        decref(take_raised(s.tstate()));
    }
    fine
}

/// Takes the exception that is being raised.
#[inline(always)]
pub unsafe fn take_raised(ts: *mut ThreadState) -> *mut PyObject {
    let exception = (*ts).current_exception;
    (*ts).current_exception = core::ptr::null_mut();
    exception
}

unsafe fn add_to_traceback(ts: *mut ThreadState, frame: *mut InterpreterFrame) {
    if (*ts).current_exception.is_null() {
        ffi::PyErr_SetString(ffi::PyExc_SystemError, c"error return without exception set".as_ptr());
    }
    debug_assert!((*ts).current_frame == frame);
    if !frame_is_incomplete(frame) {
        // The frame object of the thread's current frame, which is this one; made now if need be. Borrowed.
        let object = ffi::PyEval_GetFrame();
        if object.is_null() {
            // No memory for one; the exception was cleared on the way.
            ffi::PyErr_NoMemory();
        } else {
            PyTraceBack_Here(object.cast());
        }
    }
}

/// Makes `exception` (whose reference is taken) the one being raised.
#[inline(always)]
pub unsafe fn set_raised(ts: *mut ThreadState, exception: *mut PyObject) {
    let old = (*ts).current_exception;
    (*ts).current_exception = exception;
    xdecref(old);
}
