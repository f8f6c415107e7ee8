//! Calls of C code by its calling convention, as CPython's specialized instructions make them (`CALL_BUILTIN_FAST` and others in
//! `Python/bytecodes.c`), where the general way looks three times which thread runs, and once more at the result.

use core::ptr;
use hotspur_cpython_sys::ffi::{
    METH_FASTCALL, METH_KEYWORDS, METH_NOARGS, METH_O, PyMethodDef, PyObject, PyTypeObject,
};
use hotspur_cpython_sys::*;

const FASTCALL_WITH_KEYWORDS: core::ffi::c_int = METH_FASTCALL | METH_KEYWORDS;

/// Calls with so many arguments, without names: as `PyObject_Vectorcall` does.
#[inline(always)]
pub(super) unsafe fn call(
    ts: *mut ThreadState,
    callable: *mut PyObject,
    args: *const *mut PyObject,
    count: usize,
) -> *mut PyObject {
    let class = ty(callable);
    if class == &raw mut ffi::PyCFunction_Type {
        let function = callable.cast::<PyCFunctionObject>();
        return with_self(ts, callable, (*function).m_ml, (*function).m_self, args, count, args, count);
    }
    if class == &raw mut PyMethodDescr_Type && count > 0 {
        let method = callable.cast::<PyMethodDescrObject>();
        let receiver = *args;
        // Instances of subclasses go the general way, which is where the type is checked.
        if ty(receiver) == (*method).d_type {
            return with_self(ts, callable, (*method).d_method, receiver, args.add(1), count - 1, args, count);
        }
    }
    if class == &raw mut ffi::PyType_Type
        && let Some(call) = (*callable.cast::<PyTypeObject>()).tp_vectorcall
    {
        return call(callable, args, count, ptr::null_mut());
    }
    ffi::PyObject_Vectorcall(callable, args, count, ptr::null_mut())
}

/// The same for a function or method that gets this `self` and these arguments. `all` are those of the call as a whole.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "it is part of `call`, in which they are registers")]
unsafe fn with_self(
    ts: *mut ThreadState,
    callable: *mut PyObject,
    definition: *mut PyMethodDef,
    receiver: *mut PyObject,
    args: *const *mut PyObject,
    count: usize,
    all: *const *mut PyObject,
    all_count: usize,
) -> *mut PyObject {
    let function = (*definition).ml_meth;
    match (*definition).ml_flags {
        METH_FASTCALL => {
            let call: FastCFunction = core::mem::transmute(function.PyCFunction);
            call(receiver, args, count as isize)
        }
        FASTCALL_WITH_KEYWORDS => {
            let call: FastKwCFunction = core::mem::transmute(function.PyCFunction);
            call(receiver, args, count as isize, ptr::null_mut())
        }
        flags @ (METH_O | METH_NOARGS) if count == usize::from(flags == METH_O) && (*ts).c_recursion_remaining > 0 => {
            (*ts).c_recursion_remaining -= 1;
            let result = (function.PyCFunction)(receiver, if count == 1 { *args } else { ptr::null_mut() });
            (*ts).c_recursion_remaining += 1;
            result
        }
        _ => ffi::PyObject_Vectorcall(callable, all, all_count, ptr::null_mut()),
    }
}
