//! Calls with keywords, and with arguments in a tuple and a dict.

use super::calls::{expand_method, frame_locals_for, is_plain_function};
use crate::handler;
use crate::shims;
use core::ptr;
use ffi::PyObject;
use hotspur_cpython_sys::*;

handler! {
    CALL_KW(s) {
        s.save_ip();
        let init = shims::initialized::<true>(s);
        if !init.is_null() {
            return s.tail_with(shims::enter_initializer_with_names, init as usize);
        }
        let kwnames = s.pop();
        let n = s.oparg();
        if s.peek(n + 1).is_null() && ty(s.peek(n + 2)) == &raw mut PyMethod_Type {
            expand_method(s, n);
        }
        let operands = s.call_operands();
        let positional = operands.count - size(kwnames) as usize;
        if is_plain_function(s, operands.callable) {
            let func = operands.callable.cast::<PyFunctionObject>();
            let frame = _PyEvalFramePushAndInit(
                s.tstate(), func, frame_locals_for(func), operands.args, positional, kwnames);
            s.shrink(n + 2);
            decref(kwnames);
            if frame.is_null() {
                return s.error();
            }
            return s.enter(frame, 1);
        }
        let result = ffi::PyObject_Vectorcall(
            operands.callable, operands.args, positional | ffi::PY_VECTORCALL_ARGUMENTS_OFFSET, kwnames);
        decref(kwnames);
        decref(operands.callable);
        for i in 0..operands.count {
            decref(*operands.args.add(i));
        }
        s.shrink(n + 2);
        if result.is_null() {
            return s.error();
        }
        s.push(result);
        s.next_periodic(1)
    }

    CALL_FUNCTION_EX(s) {
        s.save_ip();
        let has_kwargs = s.oparg() & 1;
        let args_at = 1 + has_kwargs;
        let func = s.peek(args_at + 2);
        let args = s.peek(args_at);
        if ty(args) != &raw mut ffi::PyTuple_Type {
            if (*ty(args)).tp_iter.is_none() && ffi::PySequence_Check(args) == 0 {
                not_iterable(func, args);
                return s.error();
            }
            let tuple = ffi::PySequence_Tuple(args);
            if tuple.is_null() {
                return s.error();
            }
            s.put(args_at, tuple);
            decref(args);
        }
        let args = s.peek(args_at);
        let kwargs = if has_kwargs != 0 { s.peek(1) } else { ptr::null_mut() };
        // C code would do the same for a method, and have the function's frame run in an activation of its own.
        let is_method = ty(func) == &raw mut PyMethod_Type;
        let function = if is_method { (*func.cast::<PyMethodObject>()).im_func } else { func };
        if is_plain_function(s, function) {
            let mut receiver = ptr::null_mut();
            if is_method {
                receiver = newref((*func.cast::<PyMethodObject>()).im_self);
                incref(function);
                decref(func);
            }
            let frame = push_with_dict(s.tstate(), function.cast(), receiver, args, kwargs);
            s.shrink(3 + has_kwargs);
            if frame.is_null() {
                return s.error();
            }
            return s.enter(frame, 1);
        }
        let init = shims::initialized_unpacked(s);
        if !init.is_null() {
            return s.tail_with(shims::enter_initializer_unpacked, init as usize);
        }
        let result = ffi::PyObject_Call(func, args, kwargs);
        decref(func);
        decref(args);
        xdecref(kwargs);
        s.shrink(3 + has_kwargs);
        if result.is_null() {
            return s.error();
        }
        s.push(result);
        s.next_periodic(1)
    }
}

#[cold]
#[inline(never)]
unsafe fn not_iterable(func: *mut PyObject, args: *mut PyObject) {
    ffi::PyErr_Clear();
    let name = _PyObject_FunctionStr(func);
    if !name.is_null() {
        ffi::PyErr_Format(
            ffi::PyExc_TypeError,
            c"%U argument after * must be an iterable, not %.200s".as_ptr(),
            name,
            (*ty(args)).tp_name,
        );
        decref(name);
    }
}

/// A new frame for `func` from a receiver (or null), a tuple and a dict (or null) of arguments. Takes all references.
#[inline(never)]
pub(crate) unsafe fn push_with_dict(
    ts: *mut ThreadState,
    func: *mut PyFunctionObject,
    receiver: *mut PyObject,
    args: *mut PyObject,
    kwargs: *mut PyObject,
) -> *mut InterpreterFrame {
    let keywords = if kwargs.is_null() { 0 } else { ffi::PyDict_Size(kwargs) as usize };
    let mut values: Vec<*mut PyObject> = Vec::with_capacity(1 + size(args) as usize + keywords);
    if !receiver.is_null() {
        values.push(receiver);
    }
    for i in 0..size(args) as usize {
        values.push(newref(tuple_item(args, i)));
    }
    let positional = values.len();
    let mut kwnames = ptr::null_mut();
    let mut failed = false;
    if keywords != 0 {
        kwnames = ffi::PyTuple_New(keywords as isize);
        failed = kwnames.is_null();
        let mut strings = true;
        let (mut position, mut key, mut value, mut i) = (0, ptr::null_mut(), ptr::null_mut(), 0);
        while !failed && ffi::PyDict_Next(kwargs, &raw mut position, &raw mut key, &raw mut value) != 0 {
            strings &= ffi::PyUnicode_Check(key) != 0;
            ffi::PyTuple_SET_ITEM(kwnames, i, newref(key));
            values.push(newref(value));
            i += 1;
        }
        if !failed && !strings {
            ffi::PyErr_SetString(ffi::PyExc_TypeError, c"keywords must be strings".as_ptr());
            failed = true;
        }
    }
    let frame = if failed {
        values.iter().for_each(|&v| decref(v));
        decref(func.cast());
        ptr::null_mut()
    } else {
        _PyEvalFramePushAndInit(ts, func, frame_locals_for(func), values.as_ptr(), positional, kwnames)
    };
    xdecref(kwnames);
    decref(args);
    xdecref(kwargs);
    frame
}
