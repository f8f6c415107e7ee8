//! GET_ITER and FOR_ITER.
//!
//! When a loop is exhausted, FOR_ITER jumps behind the END_FOR and POP_TOP that its target holds, having popped the iterator
//! itself.

use crate::adapt;
use crate::boxes::{is_one_digit, quick_int};
use crate::dispatch::State;
use crate::frames;
use crate::handler;
use crate::ops::generators::enter_generator;
use crate::shims;
use crate::table::op;
use core::ptr;
use ffi::PyObject;
use hotspur_cpython_sys::*;

handler! {
    GET_ITER(s) {
        s.save_ip();
        let iterable = s.peek(1);
        let function = shims::iter(s, iterable);
        if !function.is_null() {
            return s.tail_with(iterate, function as usize);
        }
        let found = shims::iterator(s);
        if !found.is_none() {
            return s.enter_found(found);
        }
        let iter = ffi::PyObject_GetIter(iterable);
        s.shrink(1);
        decref(iterable);
        if iter.is_null() {
            return s.error();
        }
        s.push(iter);
        s.next_escaped(1)
    }

    /// Enters the generator function that is `__iter__` of the iterable's class.
    iterate(s, function: usize) {
        let function = function as *mut PyFunctionObject;
        let frame = frames::push(s.tstate(), function, 1);
        if frame.is_null() {
            return s.error();
        }
        incref(function.cast());
        frame_locals(frame).write_volatile(s.pop());
        s.enter(frame, 1)
    }

    GET_YIELD_FROM_ITER(s) {
        s.save_ip();
        let iterable = s.peek(1);
        let t = ty(iterable);
        if t == &raw mut PyCoro_Type {
            if (*frame_code(s.frame)).co_flags & (CO_COROUTINE | CO_ITERABLE_COROUTINE) == 0 {
                ffi::PyErr_SetString(
                    ffi::PyExc_TypeError,
                    c"cannot 'yield from' a coroutine object in a non-coroutine generator".as_ptr(),
                );
                return s.error();
            }
            return s.next(1);
        }
        if t == &raw mut PyGen_Type {
            return s.next(1);
        }
        let function = shims::iter(s, iterable);
        if !function.is_null() {
            return s.tail_with(iterate, function as usize);
        }
        let found = shims::iterator(s);
        if !found.is_none() {
            return s.enter_found(found);
        }
        let iter = ffi::PyObject_GetIter(iterable);
        if iter.is_null() {
            return s.error();
        }
        s.put(1, iter);
        decref(iterable);
        s.next_escaped(1)
    }

    FOR_ITER(s) {
        adapt!(s, specialize);
        s.save_ip();
        let found = shims::next(s);
        if !found.is_none() {
            return s.enter_found(found);
        }
        let iter = s.peek(1);
        let next = ((*ty(iter)).tp_iternext.unwrap_unchecked())(iter);
        if next.is_null() {
            return s.tail(for_iter_null);
        }
        s.push(next);
        s.next_escaped(2)
    }

    /// `__next__` in Python has returned, by a shim: an item, or word that there is none.
    NEXT_RETURN(s) {
        if s.peek(1) == shims::exhausted() {
            s.shrink(1);
            // To whoever looks when the iterator dies, the FOR_ITER is being executed.
            s.pc = s.pc.sub(1);
            return s.tail(for_iter_end);
        }
        s.next(1)
    }

    /// The iterator gave nothing: it is exhausted or it raised.
    for_iter_null(s) {
        if !(*s.tstate()).current_exception.is_null() {
            if ffi::PyErr_ExceptionMatches(ffi::PyExc_StopIteration) == 0 {
                return s.error();
            }
            ffi::PyErr_Clear();
        }
        s.tail(for_iter_end)
    }

    /// Drops the iterator and leaves the loop.
    for_iter_end(s) {
        s.save_ip();
        let iter = s.pop();
        decref(iter);
        let target = 2 + s.oparg() + 2;
        s.next_escaped(target)
    }

    FOR_ITER_LIST(s) {
        let it = s.peek(1).cast::<ListIterObject>();
        if ty(it.cast()) != &raw mut PyListIter_Type {
            return s.tail(FOR_ITER);
        }
        let seq = (*it).it_seq;
        let index = (*it).it_index as usize;
        if seq.is_null() || index >= size(seq.cast()) as usize {
            return s.tail(for_iter_list_end);
        }
        (*it).it_index = (index + 1) as isize;
        s.push(newref(*list_items(seq.cast()).add(index)));
        s.next(2)
    }

    for_iter_list_end(s) {
        s.save_ip();
        let it = s.peek(1).cast::<ListIterObject>();
        // An exhausted iterator stays so, even if the list grows again.
        let seq = (*it).it_seq;
        (*it).it_index = -1;
        if !seq.is_null() {
            (*it).it_seq = ptr::null_mut();
            decref(seq.cast());
        }
        s.tail(for_iter_end)
    }

    FOR_ITER_TUPLE(s) {
        let it = s.peek(1).cast::<TupleIterObject>();
        if ty(it.cast()) != &raw mut PyTupleIter_Type {
            return s.tail(FOR_ITER);
        }
        let seq = (*it).it_seq;
        if seq.is_null() || (*it).it_index >= size(seq.cast()) {
            return s.tail(for_iter_tuple_end);
        }
        let item = tuple_item(seq.cast(), (*it).it_index as usize);
        (*it).it_index += 1;
        s.push(newref(item));
        s.next(2)
    }

    for_iter_tuple_end(s) {
        s.save_ip();
        let it = s.peek(1).cast::<TupleIterObject>();
        let seq = (*it).it_seq;
        if !seq.is_null() {
            (*it).it_seq = ptr::null_mut();
            decref(seq.cast());
        }
        s.tail(for_iter_end)
    }

    FOR_ITER_RANGE(s) {
        let r = s.peek(1).cast::<RangeIterObject>();
        if ty(r.cast()) != &raw mut PyRangeIter_Type {
            return s.tail(FOR_ITER);
        }
        if (*r).len <= 0 {
            return s.tail(for_iter_end);
        }
        let value = (*r).start;
        (*r).start = value.wrapping_add((*r).step);
        (*r).len -= 1;
        if (-5..=256).contains(&value) {
            s.push(s.known().small_ints.offset(value as isize + 5).cast());
            return s.next(2);
        }
        if is_one_digit(value) {
            let boxed = quick_int(value);
            if !boxed.is_null() {
                s.push(boxed);
                return s.next(2);
            }
        }
        s.tail_with(for_iter_range_box, value as usize)
    }

    for_iter_range_box(s, value: usize) {
        let boxed = ffi::PyLong_FromLong(value as i64);
        if boxed.is_null() {
            return s.error();
        }
        s.push(boxed);
        s.next(2)
    }

    FOR_ITER_GEN(s) {
        let generator = s.peek(1).cast::<PyGenObject>();
        if ty(generator.cast()) != &raw mut PyGen_Type || (*generator).gi_frame_state >= FRAME_EXECUTING {
            return s.tail(FOR_ITER);
        }
        let none = s.known().none;
        // When the generator returns, its value is pushed and the END_FOR and POP_TOP at the target drop both.
        let target = 2 + s.oparg();
        enter_generator(s, generator, none, target)
    }
}

#[cold]
#[inline(never)]
unsafe fn specialize(s: State) {
    let iter: *mut PyObject = s.peek(1);
    let t = ty(iter);
    if t == &raw mut PyListIter_Type {
        s.specialize(op::FOR_ITER_LIST);
    } else if t == &raw mut PyTupleIter_Type {
        s.specialize(op::FOR_ITER_TUPLE);
    } else if t == &raw mut PyRangeIter_Type {
        s.specialize(op::FOR_ITER_RANGE);
    } else if t == &raw mut PyGen_Type
        && (*iter.cast::<PyGenObject>()).gi_frame_state < FRAME_EXECUTING
        && 2 + s.oparg() <= usize::from(u16::MAX)
    {
        // A longer jump would not fit in the frame's `return_offset`.
        s.specialize(op::FOR_ITER_GEN);
    } else {
        s.give_up();
    }
}
