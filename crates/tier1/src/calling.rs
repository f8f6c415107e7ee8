//! Calls in activations of their own: what tier 2 does where it does not matter what is called.
//!
//! Tier 1 itself pushes a callee's frame and goes on in the same activation. Machine code has values in registers and on the C stack, which it would
//! have to give up for that. So the callee gets an activation, which is begun without CPython's ways to a function: its frame is made of the
//! operands themselves, as CALL makes it.

use crate::context::{Context, known};
use crate::eval::eval_frame;
use crate::frames;
use crate::ops::calls::{frame_locals_for, is_plain};
use core::ffi::c_void;
use core::ptr;
use ffi::PyObject;
use hotspur_cpython_sys::*;

/// Calls with `count` arguments, the first of which may be null and is none then. References pass to this function, whether it works or not.
///
/// # Safety
/// Inside an activation of `cx`, whose frames are as other code may see them. The arguments lie in memory that nothing else uses meanwhile.
pub unsafe fn call_any(
    cx: *mut Context,
    mut callable: *mut PyObject,
    mut args: *mut *mut PyObject,
    mut count: usize,
) -> *mut PyObject {
    if (*args).is_null() && ty(callable) == &raw mut PyMethod_Type {
        let method = callable.cast::<PyMethodObject>();
        *args = newref((*method).im_self);
        callable = newref((*method).im_func);
        decref(method.cast());
    }
    if (*args).is_null() {
        args = args.add(1);
        count -= 1;
    }
    if is_plain(callable, known()) && *(*cx).hook == eval_frame as *const c_void {
        let frame = push((*cx).tstate, callable.cast(), args, count);
        return if frame.is_null() { ptr::null_mut() } else { eval_frame((*cx).tstate, frame, 0) };
    }
    let result = ffi::PyObject_Vectorcall(callable, args, count, ptr::null_mut());
    // As CALL drops them.
    for i in 0..count {
        decref(*args.add(i));
    }
    decref(callable);
    result
}

/// A frame for the function, to which it and the arguments pass; null, with an exception set, if they are not what it takes.
unsafe fn push(
    ts: *mut ThreadState,
    func: *mut PyFunctionObject,
    args: *mut *mut PyObject,
    count: usize,
) -> *mut InterpreterFrame {
    let code = (*func).func_code.cast::<PyCodeObject>();
    let is_exact = (*code).co_flags & (CO_OPTIMIZED | CO_VARARGS | CO_VARKEYWORDS) == CO_OPTIMIZED
        && (*code).co_kwonlyargcount == 0
        && (*code).co_argcount as usize == count;
    if !is_exact || !frames::has_stack_space(ts, (*code).co_framesize) {
        return _PyEvalFramePushAndInit(ts, func, frame_locals_for(func), args, count, ptr::null_mut());
    }
    let frame = frames::push_unchecked(ts, func, count);
    frames::move_words(frame_locals(frame), args, count);
    frame
}
