//! Locals, constants and the value stack.

use crate::handler;
use core::ptr;
use ffi::PyObject;
use hotspur_cpython_sys::*;

handler! {
    NOP(s) {
        s.next(1)
    }

    /// The argument was folded into the instruction that follows.
    EXTENDED_ARG(s) {
        s.next(1)
    }

    LOAD_FAST(s) {
        s.push(newref(*s.local(s.oparg())));
        s.next(1)
    }

    LOAD_FAST_LOAD_FAST(s) {
        let (a, b) = (s.oparg() >> 4, s.oparg() & 15);
        s.push(newref(*s.local(a)));
        s.push(newref(*s.local(b)));
        s.next(1)
    }

    LOAD_FAST_CHECK(s) {
        let value = *s.local(s.oparg());
        if value.is_null() {
            return s.tail(unbound_local);
        }
        s.push(newref(value));
        s.next(1)
    }

    LOAD_FAST_AND_CLEAR(s) {
        let slot = s.local(s.oparg());
        s.push(*slot);
        *slot = ptr::null_mut();
        s.next(1)
    }

    STORE_FAST(s) {
        let value = s.pop();
        let slot = s.local(s.oparg());
        let old = *slot;
        *slot = value;
        if old.is_null() {
            return s.next(1);
        }
        s.decref_then_next(old, 1)
    }

    STORE_FAST_LOAD_FAST(s) {
        let (a, b) = (s.oparg() >> 4, s.oparg() & 15);
        let slot = s.local(a);
        let old = *slot;
        *slot = s.peek(1);
        if !old.is_null() && decref_is_zero(old) {
            s.shrink(1);
            return s.tail_with(store_fast_load_fast_dealloc, old as usize);
        }
        s.put(1, newref(*s.local(b)));
        s.next(1)
    }

    /// The old value dies, and may look at the locals, before the second one is loaded.
    #[cold]
    store_fast_load_fast_dealloc(s, old: usize) {
        s.save_ip();
        dealloc(old as *mut PyObject);
        s.push(newref(*s.local(s.oparg() & 15)));
        s.next_escaped(1)
    }

    STORE_FAST_STORE_FAST(s) {
        let (a, b) = (s.oparg() >> 4, s.oparg() & 15);
        let slot = s.local(a);
        let old = *slot;
        *slot = s.pop();
        if !old.is_null() && decref_is_zero(old) {
            return s.tail_with(store_fast_store_fast_dealloc, old as usize);
        }
        let value = s.pop();
        let slot = s.local(b);
        let old = *slot;
        *slot = value;
        if old.is_null() {
            return s.next(1);
        }
        s.decref_then_next(old, 1)
    }

    #[cold]
    store_fast_store_fast_dealloc(s, old: usize) {
        s.save_ip();
        dealloc(old as *mut PyObject);
        let value = s.pop();
        let slot = s.local(s.oparg() & 15);
        let old = *slot;
        *slot = value;
        xdecref(old);
        s.next_escaped(1)
    }

    DELETE_FAST(s) {
        let slot = s.local(s.oparg());
        let old = *slot;
        if old.is_null() {
            return s.tail(unbound_local);
        }
        *slot = ptr::null_mut();
        s.decref_then_next(old, 1)
    }

    #[cold]
    unbound_local(s) {
        s.save_ip();
        let name = tuple_item((*frame_code(s.frame)).co_localsplusnames, s.oparg());
        _PyEval_FormatExcCheckArg(
            s.tstate(),
            ffi::PyExc_UnboundLocalError,
            c"cannot access local variable '%s' where it is not associated with a value".as_ptr(),
            name,
        );
        s.error()
    }

    LOAD_CONST(s) {
        s.push(newref(*(*s.cs).consts.add(s.oparg())));
        s.next(1)
    }

    POP_TOP(s) {
        let op = s.pop();
        s.decref_then_next(op, 1)
    }

    END_FOR(s) {
        let op = s.pop();
        s.decref_then_next(op, 1)
    }

    PUSH_NULL(s) {
        s.push(ptr::null_mut());
        s.next(1)
    }

    COPY(s) {
        s.push(newref(s.peek(s.oparg())));
        s.next(1)
    }

    SWAP(s) {
        let n = s.oparg();
        let top = s.peek(1);
        s.put(1, s.peek(n));
        s.put(n, top);
        s.next(1)
    }

    END_SEND(s) {
        let value = s.pop();
        let receiver = s.peek(1);
        s.put(1, value);
        s.decref_then_next(receiver, 1)
    }
}
