//! Awaitables and asynchronous iterators.

use crate::handler;
use core::ptr;
use ffi::{PyObject, PyTypeObject, unaryfunc};
use hotspur_cpython_sys::*;

#[inline(always)]
unsafe fn aiter_slot(t: *mut PyTypeObject) -> Option<unaryfunc> {
    let slots = (*t).tp_as_async;
    if slots.is_null() { None } else { (*slots).am_aiter }
}

#[inline(always)]
unsafe fn anext_slot(t: *mut PyTypeObject) -> Option<unaryfunc> {
    let slots = (*t).tp_as_async;
    if slots.is_null() { None } else { (*slots).am_anext }
}

/// `aiter(object)`; null on an error. Takes the reference.
#[inline(never)]
unsafe fn get_aiter(object: *mut PyObject) -> *mut PyObject {
    let Some(getter) = aiter_slot(ty(object)) else {
        ffi::PyErr_Format(
            ffi::PyExc_TypeError,
            c"'async for' requires an object with __aiter__ method, got %.100s".as_ptr(),
            (*ty(object)).tp_name,
        );
        decref(object);
        return ptr::null_mut();
    };
    let iter = getter(object);
    decref(object);
    if iter.is_null() || anext_slot(ty(iter)).is_some() {
        return iter;
    }
    ffi::PyErr_Format(
        ffi::PyExc_TypeError,
        c"'async for' received an object from __aiter__ that does not implement __anext__: %.100s".as_ptr(),
        (*ty(iter)).tp_name,
    );
    decref(iter);
    ptr::null_mut()
}

/// What is to be awaited for the next item of `aiter`; null on an error.
#[inline(never)]
unsafe fn get_anext(aiter: *mut PyObject) -> *mut PyObject {
    let t = ty(aiter);
    let Some(getter) = anext_slot(t) else {
        ffi::PyErr_Format(
            ffi::PyExc_TypeError,
            c"'async for' requires an iterator with __anext__ method, got %.100s".as_ptr(),
            (*t).tp_name,
        );
        return ptr::null_mut();
    };
    let next = getter(aiter);
    if next.is_null() || t == &raw mut PyAsyncGen_Type {
        return next;
    }
    let awaitable = _PyCoro_GetAwaitableIter(next);
    if awaitable.is_null() {
        _PyErr_FormatFromCause(
            ffi::PyExc_TypeError,
            c"'async for' received an invalid object from __anext__: %.100s".as_ptr(),
            (*ty(next)).tp_name,
        );
    }
    decref(next);
    awaitable
}

handler! {
    GET_AITER(s) {
        s.save_ip();
        let object = s.pop();
        let iter = get_aiter(object);
        if iter.is_null() {
            return s.error();
        }
        s.push(iter);
        s.next_escaped(1)
    }

    GET_ANEXT(s) {
        s.save_ip();
        let awaitable = get_anext(s.peek(1));
        if awaitable.is_null() {
            return s.error();
        }
        s.push(awaitable);
        s.next_escaped(1)
    }

    GET_AWAITABLE(s) {
        s.save_ip();
        let object = s.pop();
        let iter = _PyCoro_GetAwaitableIter(object);
        if iter.is_null() {
            _PyEval_FormatAwaitableError(s.tstate(), ty(object), s.oparg() as i32);
        }
        decref(object);
        if iter.is_null() {
            return s.error();
        }
        if is_type(iter, &raw mut PyCoro_Type) {
            let awaited = _PyGen_yf(iter.cast());
            if !awaited.is_null() {
                decref(awaited);
                decref(iter);
                ffi::PyErr_SetString(ffi::PyExc_RuntimeError, c"coroutine is being awaited already".as_ptr());
                return s.error();
            }
        }
        s.push(iter);
        s.next_escaped(1)
    }
}
