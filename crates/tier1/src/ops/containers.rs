//! Building and filling containers.

use crate::dispatch::{Ret, State};
use crate::handler;
use core::ptr;
use ffi::PyObject;
use hotspur_cpython_sys::*;

/// Drops the top `n` values, from above.
#[inline(always)]
unsafe fn drop_top(s: &mut State, n: usize) {
    for _ in 0..n {
        let op = s.pop();
        decref(op);
    }
}

/// Pushes a result, or goes to the error if it is null, after code that is not arbitrary.
#[inline(always)]
unsafe fn push_or_error(mut s: State, result: *mut PyObject) -> Ret {
    if result.is_null() {
        return s.error();
    }
    s.push(result);
    s.next(1)
}

/// [`push_or_error`] after arbitrary code.
#[inline(always)]
pub(super) unsafe fn push_escaped_or_error(mut s: State, result: *mut PyObject) -> Ret {
    if result.is_null() {
        return s.error();
    }
    s.push(result);
    s.next_escaped(1)
}

handler! {
    BUILD_LIST(s) {
        s.save_ip();
        let n = s.oparg();
        s.shrink(n);
        let list = _PyList_FromArraySteal(s.sp, n as isize);
        push_or_error(s, list)
    }

    BUILD_TUPLE(s) {
        s.save_ip();
        let n = s.oparg();
        s.shrink(n);
        let tuple = _PyTuple_FromArraySteal(s.sp, n as isize);
        push_or_error(s, tuple)
    }

    BUILD_SET(s) {
        s.save_ip();
        let set = ffi::PySet_New(ptr::null_mut());
        if set.is_null() {
            return s.error();
        }
        let n = s.oparg();
        s.shrink(n);
        // After an error the other items are dropped all the same.
        let mut err = 0;
        for i in 0..n {
            let item = *s.sp.add(i);
            if err == 0 {
                err = ffi::PySet_Add(set, item);
            }
            decref(item);
        }
        if err != 0 {
            decref(set);
            return s.error();
        }
        s.push(set);
        s.next_escaped(1)
    }

    BUILD_MAP(s) {
        s.save_ip();
        let n = s.oparg();
        let values = s.sp.sub(2 * n);
        let map = _PyDict_FromItems(values, 2, values.add(1), 2, n as isize);
        drop_top(&mut s, 2 * n);
        push_escaped_or_error(s, map)
    }

    BUILD_CONST_KEY_MAP(s) {
        s.save_ip();
        let n = s.oparg();
        let keys = s.pop();
        let map = _PyDict_FromItems(tuple_items(keys), 1, s.sp.sub(n), 1, n as isize);
        drop_top(&mut s, n);
        decref(keys);
        push_escaped_or_error(s, map)
    }

    LIST_APPEND(s) {
        let value = s.pop();
        let list = s.peek(s.oparg()).cast::<PyListObject>();
        let len = (*list).ob_base.ob_size;
        if len >= (*list).allocated {
            return s.tail_with(list_append_grow, value as usize);
        }
        *(*list).ob_item.offset(len) = value;
        (*list).ob_base.ob_size = len + 1;
        s.next(1)
    }

    /// The list has no room left for the payload.
    list_append_grow(s, value: usize) {
        s.save_ip();
        let list = s.peek(s.oparg()).cast::<PyListObject>();
        if _PyList_AppendTakeRefListResize(list, value as *mut PyObject) < 0 {
            return s.error();
        }
        s.next(1)
    }

    SET_ADD(s) {
        s.save_ip();
        let value = s.pop();
        let err = ffi::PySet_Add(s.peek(s.oparg()), value);
        decref(value);
        if err != 0 {
            return s.error();
        }
        s.next_escaped(1)
    }

    MAP_ADD(s) {
        s.save_ip();
        let value = s.pop();
        let key = s.pop();
        // Takes the references to key and value, whatever happens.
        if _PyDict_SetItem_Take2(s.peek(s.oparg()).cast(), key, value) != 0 {
            return s.error();
        }
        s.next_escaped(1)
    }

    LIST_EXTEND(s) {
        s.save_ip();
        let iterable = s.pop();
        let done = _PyList_Extend(s.peek(s.oparg()).cast(), iterable);
        if done.is_null() {
            explain_extend_error(iterable);
            decref(iterable);
            return s.error();
        }
        // `done` is None.
        decref(iterable);
        s.next_escaped(1)
    }

    SET_UPDATE(s) {
        s.save_ip();
        let iterable = s.pop();
        let err = _PySet_Update(s.peek(s.oparg()), iterable);
        decref(iterable);
        if err < 0 {
            return s.error();
        }
        s.next_escaped(1)
    }

    DICT_UPDATE(s) {
        s.save_ip();
        let update = s.pop();
        let err = ffi::PyDict_Update(s.peek(s.oparg()), update);
        if err < 0 {
            explain_update_error(update);
            decref(update);
            return s.error();
        }
        decref(update);
        s.next_escaped(1)
    }

    DICT_MERGE(s) {
        s.save_ip();
        let update = s.pop();
        let oparg = s.oparg();
        let err = _PyDict_MergeEx(s.peek(oparg), update, 2);
        if err < 0 {
            _PyEval_FormatKwargsError(s.tstate(), s.peek(oparg + 3), update);
            decref(update);
            return s.error();
        }
        decref(update);
        s.next_escaped(1)
    }
}

/// Says what was wrong with the operand of `*` if it is no iterable.
#[cold]
#[inline(never)]
unsafe fn explain_extend_error(iterable: *mut PyObject) {
    let t = ty(iterable);
    if ffi::PyErr_ExceptionMatches(ffi::PyExc_TypeError) != 0
        && (*t).tp_iter.is_none()
        && ffi::PySequence_Check(iterable) == 0
    {
        ffi::PyErr_Clear();
        ffi::PyErr_Format(
            ffi::PyExc_TypeError,
            c"Value after * must be an iterable, not %.200s".as_ptr(),
            (*t).tp_name,
        );
    }
}

/// Says what was wrong with the operand of `**` if it is no mapping.
#[cold]
#[inline(never)]
unsafe fn explain_update_error(update: *mut PyObject) {
    if ffi::PyErr_ExceptionMatches(ffi::PyExc_AttributeError) != 0 {
        ffi::PyErr_Format(ffi::PyExc_TypeError, c"'%.200s' object is not a mapping".as_ptr(), (*ty(update)).tp_name);
    }
}
