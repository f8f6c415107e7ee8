//! CALL_KW of a class whose `__init__` is in Python. The instance is made as `type.__call__` would (`Objects/typeobject.c`), and `__init__` is entered on top of
//! a shim, which has the instance and returns it. CALL needs no shim for that: its cache has room for an instruction to which `__init__` returns.

use super::{Shim, shims};
use crate::context::{Known, known};
use crate::dispatch::State;
use crate::frames;
use crate::ops::calls::is_plain;
use crate::table::{LENGTH, op};
use core::ptr;
use ffi::{PyObject, PyTypeObject};
use hotspur_cpython_sys::*;

const IS_ABSTRACT: core::ffi::c_ulong = 1 << 20;

/// The plain function in Python (borrowed) that initializes the instances of a class, which `object.__new__` makes. Null if they come about otherwise.
pub unsafe fn initializer(class: *mut PyTypeObject, known: &Known) -> *mut PyFunctionObject {
    macro_rules! address {
        ($function:expr) => {
            $function.map_or(ptr::null(), |f| f as *const core::ffi::c_void)
        };
    }
    if ty(class.cast()) != &raw mut ffi::PyType_Type
        || !has_feature(class, TPFLAGS_HEAPTYPE)
        || (*class).tp_flags & IS_ABSTRACT != 0
        || address!((*class).tp_new) != known.object_new
        || address!((*class).tp_alloc) != ffi::PyType_GenericAlloc as *const core::ffi::c_void
    {
        return ptr::null_mut();
    }
    let init = _PyType_Lookup(class, known.name_init);
    if init.is_null() || !is_plain(init, known) { ptr::null_mut() } else { init.cast() }
}

/// [`initializer`] of the class that a CALL_KW calls, the names of arguments being on top of the stack; null as well if calls are not ours to make.
#[inline(always)]
pub unsafe fn initialized(s: State) -> *mut PyFunctionObject {
    let n = s.oparg();
    let callable = s.peek(n + 3);
    if ty(callable) != &raw mut ffi::PyType_Type || !s.peek(n + 2).is_null() || !s.hook_is_ours() {
        return ptr::null_mut();
    }
    of_class(callable.cast())
}

#[inline(never)]
unsafe fn of_class(class: *mut PyTypeObject) -> *mut PyFunctionObject {
    let Some(shims) = shims() else { return ptr::null_mut() };
    if (*class).tp_vectorcall.is_some() || shims.instance.function.is_null() {
        return ptr::null_mut();
    }
    initializer(class, known())
}

/// The shim on top of which `__init__` is entered; none before it is made.
pub unsafe fn instance_shim() -> Option<&'static Shim> {
    Some(&shims()?.instance)
}

crate::handler! {
    /// Makes an instance, and enters its `__init__`, the payload, with the call's arguments. The instruction is saved.
    enter_initializer(s, init: usize) {
        let n = s.oparg();
        let (names, class) = (s.peek(1), s.peek(n + 3));
        let instance = ffi::PyType_GenericAlloc(class.cast(), 0);
        if instance.is_null() {
            return s.error();
        }
        let shim: *const Shim = &raw const (*super::SHIMS.0.get()).as_ref().unwrap_unchecked().instance;
        let ts = s.tstate();
        let frame = frames::push(ts, (*shim).function, 1);
        if frame.is_null() {
            decref(instance);
            return s.error();
        }
        frame_locals(frame).write_volatile(instance);
        s.put(n + 2, newref(instance));
        incref(init as *mut PyObject);
        let positional = n + 1 - size(names) as usize;
        let callee = push_initializer(ts, init as *mut PyFunctionObject, s.sp.sub(n + 2), positional, names);
        s.shrink(n + 3);
        decref(names);
        if callee.is_null() {
            // An instance's `__del__` must find the frames that there are.
            _PyThreadState_PopFrame(ts, frame);
            decref(instance);
            decref(class);
            return s.error();
        }
        // The instance has a reference to its class.
        decref(class);
        s.enter_on_shim(shim, frame, callee, usize::from(LENGTH[usize::from(op::CALL_KW)]))
    }
}

/// The frame of `__init__`. Takes the references to arguments.
#[inline(never)]
unsafe fn push_initializer(
    ts: *mut ThreadState,
    init: *mut PyFunctionObject,
    args: *mut *mut PyObject,
    positional: usize,
    names: *mut PyObject,
) -> *mut InterpreterFrame {
    _PyEvalFramePushAndInit(ts, init, crate::ops::calls::frame_locals_for(init), args, positional, names)
}
