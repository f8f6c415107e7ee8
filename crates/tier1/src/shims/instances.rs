//! Calls of classes whose `__init__` is in Python, where the call has no room for an instruction to which `__init__` returns (CALL_KW), or `__init__` has other
//! parameters than positional ones. The instance is made as `type.__call__` would (`Objects/typeobject.c`), and `__init__` is entered on top of a shim, which has
//! the instance and returns it.

use super::{Shim, shims};
use crate::context::{Known, known};
use crate::dispatch::{Ret, State};
use crate::frames;
use crate::ops::calls::is_plain;
use crate::table::{LENGTH, op};
use core::ptr;
use ffi::{PyObject, PyTypeObject};
use hotspur_cpython_sys::*;

const IS_ABSTRACT: core::ffi::c_ulong = 1 << 20;

/// Whether a class is called as `type` calls classes: its metaclass has no `__call__` of its own. It may get one, of which the class's version does not tell.
#[inline(always)]
pub unsafe fn is_called_as_type(class: *mut PyTypeObject, known: &Known) -> bool {
    (*ty(class.cast())).tp_call.map_or(ptr::null(), |f| f as *const core::ffi::c_void) == known.type_call
}

/// The plain function in Python (borrowed) that initializes the instances of a class, which `object.__new__` makes. Null if they come about otherwise.
pub unsafe fn initializer(class: *mut PyTypeObject, known: &Known) -> *mut PyFunctionObject {
    macro_rules! address {
        ($function:expr) => {
            $function.map_or(ptr::null(), |f| f as *const core::ffi::c_void)
        };
    }
    if !is_called_as_type(class, known)
        || !has_feature(class, TPFLAGS_HEAPTYPE)
        || (*class).tp_flags & IS_ABSTRACT != 0
        || address!((*class).tp_new) != known.object_new
        || address!((*class).tp_alloc) != ffi::PyType_GenericAlloc as *const core::ffi::c_void
    {
        return ptr::null_mut();
    }
    let init = type_lookup(class, known.name_init);
    if init.is_null() || !is_plain(init, known) { ptr::null_mut() } else { init.cast() }
}

/// [`initializer`] of the class that CALL, or CALL_KW, calls; null as well if calls are not ours to make.
#[inline(always)]
pub unsafe fn initialized<const HAS_NAMES: bool>(s: State) -> *mut PyFunctionObject {
    let at = s.oparg() + 2 + usize::from(HAS_NAMES);
    of_callable(s, at)
}

/// The same for CALL_FUNCTION_EX.
#[inline(always)]
pub unsafe fn initialized_unpacked(s: State) -> *mut PyFunctionObject {
    of_callable(s, 3 + (s.oparg() & 1))
}

/// The same for an instruction whose callable is there, and what may be its receiver above it.
#[inline(always)]
unsafe fn of_callable(s: State, at: usize) -> *mut PyFunctionObject {
    let callable = s.peek(at);
    if ffi::PyType_Check(callable) == 0 || !s.peek(at - 1).is_null() || !s.hook_is_ours() {
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
    /// CALL_KW: makes an instance, and enters its `__init__`, the payload, with the call's arguments. The instruction is saved.
    enter_initializer_with_names(s, init: usize) {
        let names = s.pop();
        s.initialize(init as *mut PyFunctionObject, names, usize::from(LENGTH[usize::from(op::CALL_KW)]))
    }

    /// The same for CALL.
    enter_initializer(s, init: usize) {
        s.initialize(init as *mut PyFunctionObject, ptr::null_mut(), usize::from(LENGTH[usize::from(op::CALL)]))
    }

    /// The same for CALL_FUNCTION_EX, with a tuple.
    enter_initializer_unpacked(s, init: usize) {
        let init = init as *mut PyFunctionObject;
        let has_keywords = s.oparg() & 1;
        let class = s.peek(3 + has_keywords);
        let args = s.peek(1 + has_keywords);
        let keywords = if has_keywords == 0 { ptr::null_mut() } else { s.peek(1) };
        let ts = s.tstate();
        let shim: *const Shim = &raw const (*super::SHIMS.0.get()).as_ref().unwrap_unchecked().instance;
        let instance = ffi::PyType_GenericAlloc(class.cast(), 0);
        let frame = if instance.is_null() { ptr::null_mut() } else { frames::push(ts, (*shim).function, 1) };
        if frame.is_null() {
            xdecref(instance);
            return s.error();
        }
        frame_locals(frame).write_volatile(instance);
        incref(init.cast());
        let callee = crate::ops::push_with_dict(ts, init, newref(instance), args, keywords);
        s.shrink(3 + has_keywords);
        if callee.is_null() {
            return s.unmade(frame, class);
        }
        // The instance has a reference to its class.
        decref(class);
        s.enter_on_shim(shim, frame, callee, usize::from(LENGTH[usize::from(op::CALL_FUNCTION_EX)]))
    }
}

impl State {
    /// The rest of the handlers. `names` (or null) is taken; `length` is the instruction's.
    #[inline(always)]
    unsafe fn initialize(mut self, init: *mut PyFunctionObject, names: *mut PyObject, length: usize) -> Ret {
        let n = self.oparg();
        let class = self.peek(n + 2);
        let ts = self.tstate();
        let shim: *const Shim = &raw const (*super::SHIMS.0.get()).as_ref().unwrap_unchecked().instance;
        let instance = ffi::PyType_GenericAlloc(class.cast(), 0);
        let frame = if instance.is_null() { ptr::null_mut() } else { frames::push(ts, (*shim).function, 1) };
        if frame.is_null() {
            xdecref(names);
            xdecref(instance);
            return self.error();
        }
        frame_locals(frame).write_volatile(instance);
        self.put(n + 1, newref(instance));
        incref(init.cast());
        let count = n + 1 - if names.is_null() { 0 } else { size(names) as usize };
        let callee = push_initializer(ts, init, self.sp.sub(n + 1), count, names);
        self.shrink(n + 2);
        xdecref(names);
        if callee.is_null() {
            return self.unmade(frame, class);
        }
        // The instance has a reference to its class.
        decref(class);
        self.enter_on_shim(shim, frame, callee, length)
    }
}

impl State {
    /// There is no frame of `__init__`, because the arguments do not fit: the shim's is popped, and the instance is dropped.
    #[cold]
    #[inline(never)]
    unsafe fn unmade(self, frame: *mut InterpreterFrame, class: *mut PyObject) -> Ret {
        let instance = *frame_locals(frame);
        // An instance's `__del__` must find the frames that there are.
        _PyThreadState_PopFrame(self.tstate(), frame);
        decref(instance);
        decref(class);
        self.error()
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
