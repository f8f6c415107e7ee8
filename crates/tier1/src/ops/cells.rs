//! Cells: variables shared between functions.

use crate::handler;
use crate::ops::names::optional_item;
use core::ffi::c_int;
use core::ptr;
use hotspur_cpython_sys::*;

handler! {
    MAKE_CELL(s) {
        s.save_ip();
        let slot = s.local(s.oparg());
        let initial = *slot;
        let cell = ffi::PyCell_New(initial);
        if cell.is_null() {
            return s.error();
        }
        *slot = cell;
        if !initial.is_null() {
            // The cell has a reference now.
            decref_no_dealloc(initial);
        }
        s.next(1)
    }

    COPY_FREE_VARS(s) {
        let n = s.oparg();
        let closure = (*(*s.frame).f_funcobj.cast::<PyFunctionObject>()).func_closure;
        let first = (*frame_code(s.frame)).co_nlocalsplus as usize - n;
        for i in 0..n {
            *s.local(first + i) = newref(tuple_item(closure, i));
        }
        s.next(1)
    }

    LOAD_DEREF(s) {
        let cell = (*s.local(s.oparg())).cast::<PyCellObject>();
        let value = (*cell).ob_ref;
        if value.is_null() {
            return s.tail(unbound_cell);
        }
        s.push(newref(value));
        s.next(1)
    }

    STORE_DEREF(s) {
        let value = s.pop();
        let cell = (*s.local(s.oparg())).cast::<PyCellObject>();
        let old = (*cell).ob_ref;
        (*cell).ob_ref = value;
        if old.is_null() {
            return s.next(1);
        }
        s.decref_then_next(old, 1)
    }

    DELETE_DEREF(s) {
        let cell = (*s.local(s.oparg())).cast::<PyCellObject>();
        let old = (*cell).ob_ref;
        if old.is_null() {
            return s.tail(unbound_cell);
        }
        (*cell).ob_ref = ptr::null_mut();
        s.decref_then_next(old, 1)
    }

    LOAD_FROM_DICT_OR_DEREF(s) {
        s.save_ip();
        let namespace = s.peek(1);
        let name = tuple_item((*frame_code(s.frame)).co_localsplusnames, s.oparg());
        let (found, mut value) = optional_item(namespace, name);
        if found < 0 {
            return s.error();
        }
        if value.is_null() {
            let cell = (*s.local(s.oparg())).cast::<PyCellObject>();
            value = (*cell).ob_ref;
            if value.is_null() {
                return s.tail(unbound_cell);
            }
            incref(value);
        }
        s.put(1, value);
        decref(namespace);
        s.next_escaped(1)
    }

    #[cold]
    unbound_cell(s) {
        s.save_ip();
        _PyEval_FormatExcUnbound(s.tstate(), frame_code(s.frame), s.oparg() as c_int);
        s.error()
    }
}
