//! Subscripts and slices.

use super::operators::{drop_int, free_int, is_int, is_str};
use crate::shims;
use crate::{adapt, frames, handler};
use core::mem::size_of;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};
use ffi::PyObject;
use hotspur_cpython_sys::*;

/// Words of BINARY_SUBSCR and STORE_SUBSCR.
const WORDS: usize = 2;

/// What a compact subscript means in a sequence of `len` items; `None` if it is outside or not compact.
#[inline(always)]
unsafe fn index(sub: *mut PyObject, len: isize) -> Option<usize> {
    if long_is_nonneg_compact(sub) {
        let i = long_compact_value_nonneg(sub);
        return (i < len as usize).then_some(i);
    }
    if !long_is_compact(sub) {
        return None;
    }
    let i = (len + long_compact_value(sub)) as usize;
    (i < len as usize).then_some(i)
}

/// The digit of a compact integer.
#[inline(always)]
unsafe fn long_compact_value_nonneg(op: *mut PyObject) -> usize {
    (*op.cast::<PyLongObject>()).ob_digit[0] as usize
}

handler! {
    BINARY_SUBSCR(s) {
        adapt!(s, crate::specialize::subscript::binary_subscr);
        s.save_ip();
        let found = shims::hashed_item(s);
        if !found.is_none() {
            return s.enter_found(found);
        }
        let (container, sub) = (s.peek(2), s.peek(1));
        let result = ffi::PyObject_GetItem(container, sub);
        s.shrink(2);
        decref(container);
        decref(sub);
        if result.is_null() {
            return s.error();
        }
        s.push(result);
        s.next_escaped(WORDS)
    }

    BINARY_SUBSCR_LIST_INT(s) {
        let (list, sub) = (s.peek(2), s.peek(1));
        if !is_int(sub) || !is_type(list, &raw mut ffi::PyList_Type) {
            return s.tail(BINARY_SUBSCR);
        }
        let Some(i) = index(sub, size(list)) else { return s.tail(BINARY_SUBSCR) };
        s.put(2, newref(*list_items(list).add(i)));
        s.shrink(1);
        if decref_is_zero(sub) {
            return s.tail_with(subscr_free_int, list as usize);
        }
        s.decref_then_next(list, WORDS)
    }

    BINARY_SUBSCR_TUPLE_INT(s) {
        let (tuple, sub) = (s.peek(2), s.peek(1));
        if !is_int(sub) || !is_type(tuple, &raw mut ffi::PyTuple_Type) {
            return s.tail(BINARY_SUBSCR);
        }
        let Some(i) = index(sub, size(tuple)) else { return s.tail(BINARY_SUBSCR) };
        s.put(2, newref(tuple_item(tuple, i)));
        s.shrink(1);
        if decref_is_zero(sub) {
            return s.tail_with(subscr_free_int, tuple as usize);
        }
        s.decref_then_next(tuple, WORDS)
    }

    /// A character below 128, of any string.
    BINARY_SUBSCR_STR_INT(s) {
        let (string, sub) = (s.peek(2), s.peek(1));
        if !is_int(sub) || !is_str(string) {
            return s.tail(BINARY_SUBSCR);
        }
        let Some(i) = index(sub, (*string.cast::<PyASCIIObject>()).length) else { return s.tail(BINARY_SUBSCR) };
        let text = ascii_text(string);
        if text.is_null() {
            return s.tail_with(subscr_wide_str, i);
        }
        s.put(2, ascii(*text.add(i)));
        s.shrink(1);
        if decref_is_zero(sub) {
            return s.tail_with(subscr_free_int, string as usize);
        }
        s.decref_then_next(string, WORDS)
    }

    subscr_wide_str(s, i: usize) {
        let (string, sub) = (s.peek(2), s.peek(1));
        let c = ffi::PyUnicode_ReadChar(string, i as isize);
        if c >= 128 {
            return s.tail(BINARY_SUBSCR);
        }
        s.put(2, ascii(c as u8));
        s.shrink(1);
        drop_int(sub);
        s.decref_then_next(string, WORDS)
    }

    /// The subscript, which is in the slot above the stack, died; the payload is the container, which is still to drop.
    subscr_free_int(s, container: usize) {
        free_int(*s.sp);
        s.decref_then_next(container as *mut PyObject, WORDS)
    }

    BINARY_SUBSCR_DICT(s) {
        let (dict, sub) = (s.peek(2), s.peek(1));
        if !is_type(dict, &raw mut ffi::PyDict_Type) {
            return s.tail(BINARY_SUBSCR);
        }
        s.save_ip();
        let found = shims::hashed_item(s);
        if !found.is_none() {
            return s.enter_found(found);
        }
        let result = dict_get_item(dict, sub);
        s.shrink(2);
        decref(dict);
        decref(sub);
        if result.is_null() {
            return s.error();
        }
        s.push(result);
        s.next_escaped(WORDS)
    }

    /// The type's `__getitem__` is a Python function. The cache has the versions of the type (low half) and of the
    /// function (high half); the function itself is what CPython's method cache is for.
    BINARY_SUBSCR_GETITEM(s) {
        let container = s.peek(2);
        let versions = *s.cache(1);
        if (*ty(container)).tp_version_tag != versions as u32 {
            return s.tail(BINARY_SUBSCR);
        }
        let getitem = _PyType_Lookup(ty(container), s.known().name_getitem);
        // The type is as it was, so it is the same function, but the function may have changed.
        let getitem = getitem.cast::<PyFunctionObject>();
        debug_assert!(is_type(getitem.cast(), &raw mut PyFunction_Type));
        let code = (*getitem).func_code.cast::<PyCodeObject>();
        if (*getitem).func_version != (versions >> 32) as u32 || !frames::has_stack_space(s.tstate(), (*code).co_framesize) {
            return s.tail(BINARY_SUBSCR);
        }
        incref(getitem.cast());
        let frame = frames::push_unchecked(s.tstate(), getitem, 2);
        let locals = frame_locals(frame);
        *locals = container;
        *locals.add(1) = s.peek(1);
        s.shrink(2);
        s.enter(frame, WORDS)
    }

    BINARY_SLICE(s) {
        s.save_ip();
        let (container, start, stop) = (s.peek(3), s.peek(2), s.peek(1));
        s.shrink(3);
        let slice = slice_consuming(start, stop);
        let result = if slice.is_null() {
            ptr::null_mut()
        } else {
            let result = ffi::PyObject_GetItem(container, slice);
            decref(slice);
            result
        };
        decref(container);
        if result.is_null() {
            return s.error();
        }
        s.push(result);
        s.next_escaped(1)
    }

    STORE_SLICE(s) {
        s.save_ip();
        let (value, container, start, stop) = (s.peek(4), s.peek(3), s.peek(2), s.peek(1));
        s.shrink(4);
        let slice = slice_consuming(start, stop);
        let mut err = -1;
        if !slice.is_null() {
            err = ffi::PyObject_SetItem(container, slice, value);
            decref(slice);
        }
        decref(value);
        decref(container);
        if err != 0 {
            return s.error();
        }
        s.next_escaped(1)
    }

    /// A method that STORE_SUBSCR or STORE_ATTR calls has returned, by a shim: None.
    ASSIGNMENT_RETURN(s) {
        s.shrink(1);
        s.next(1)
    }

    STORE_SUBSCR(s) {
        adapt!(s, crate::specialize::subscript::store_subscr);
        s.save_ip();
        let (value, container, sub) = (s.peek(3), s.peek(2), s.peek(1));
        let found = shims::assign(s);
        if !found.is_none() {
            return s.enter_found(found);
        }
        let err = ffi::PyObject_SetItem(container, sub, value);
        s.shrink(3);
        decref(value);
        decref(container);
        decref(sub);
        if err != 0 {
            return s.error();
        }
        s.next_escaped(WORDS)
    }

    STORE_SUBSCR_LIST_INT(s) {
        let (value, list, sub) = (s.peek(3), s.peek(2), s.peek(1));
        if !is_int(sub) || !is_type(list, &raw mut ffi::PyList_Type) {
            return s.tail(STORE_SUBSCR);
        }
        let Some(i) = index(sub, size(list)) else { return s.tail(STORE_SUBSCR) };
        let slot = list_items(list).add(i);
        let old = *slot;
        *slot = value;
        s.shrink(3);
        if decref_is_zero(old) {
            return s.tail_with(store_subscr_dealloc, old as usize);
        }
        if decref_is_zero(sub) {
            return s.tail(store_subscr_free_int);
        }
        s.decref_then_next(list, WORDS)
    }

    /// The payload was the item and died. List and subscript are still to drop; they are in the second and third slot
    /// above the stack.
    store_subscr_dealloc(s, old: usize) {
        s.save_ip();
        let (list, sub) = (*s.sp.add(1), *s.sp.add(2));
        _Py_Dealloc(old as *mut PyObject);
        drop_int(sub);
        decref(list);
        s.next_escaped(WORDS)
    }

    store_subscr_free_int(s) {
        free_int(*s.sp.add(2));
        s.decref_then_next(*s.sp.add(1), WORDS)
    }

    STORE_SUBSCR_DICT(s) {
        let (value, dict, sub) = (s.peek(3), s.peek(2), s.peek(1));
        if !is_type(dict, &raw mut ffi::PyDict_Type) {
            return s.tail(STORE_SUBSCR);
        }
        s.save_ip();
        // Takes the references to key and value, whatever happens.
        let err = _PyDict_SetItem_Take2(dict.cast(), sub, value);
        s.shrink(3);
        decref(dict);
        if err != 0 {
            return s.error();
        }
        s.next_escaped(WORDS)
    }

    DELETE_SUBSCR(s) {
        s.save_ip();
        let (container, sub) = (s.peek(2), s.peek(1));
        let err = ffi::PyObject_DelItem(container, sub);
        s.shrink(2);
        decref(container);
        decref(sub);
        if err != 0 {
            return s.error();
        }
        s.next_escaped(1)
    }

    BUILD_SLICE(s) {
        s.save_ip();
        let step = if s.oparg() == 3 { s.pop() } else { ptr::null_mut() };
        let stop = s.pop();
        let start = s.pop();
        let slice = ffi::PySlice_New(start, stop, step);
        decref(start);
        decref(stop);
        xdecref(step);
        if slice.is_null() {
            return s.error();
        }
        s.push(slice);
        s.next_escaped(1)
    }
}

/// A new slice of two objects whose references are taken; null with an exception set.
#[inline(always)]
unsafe fn slice_consuming(start: *mut PyObject, stop: *mut PyObject) -> *mut PyObject {
    let slice = ffi::PySlice_New(start, stop, ptr::null_mut());
    decref(start);
    decref(stop);
    slice
}

/// The value of a key, or null with an exception set.
#[inline(never)]
unsafe fn dict_get_item(dict: *mut PyObject, key: *mut PyObject) -> *mut PyObject {
    let mut value = ptr::null_mut();
    if ffi::PyDict_GetItemRef(dict, key, &raw mut value) == 0 {
        _PyErr_SetKeyError(key);
    }
    value
}

/// The string of the character 0; those of the others below 128 follow, all immortal.
static ASCII: AtomicPtr<PyObject> = AtomicPtr::new(ptr::null_mut());

/// Distance between two of them: a head, the character, the final zero, and padding.
const ASCII_STRIDE: usize = size_of::<PyASCIIObject>() + 8;

/// The string of an ASCII character. [`look_up_ascii`] must have succeeded.
#[inline(always)]
pub unsafe fn ascii(c: u8) -> *mut PyObject {
    ASCII.load(Ordering::Relaxed).byte_add(usize::from(c) * ASCII_STRIDE)
}

/// Finds the strings of the ASCII characters; false if they are not as expected.
#[inline(always)]
pub unsafe fn look_up_ascii() -> bool {
    if !ASCII.load(Ordering::Relaxed).is_null() {
        return true;
    }
    find_ascii()
}

#[cold]
#[inline(never)]
unsafe fn find_ascii() -> bool {
    let first = ffi::PyUnicode_FromOrdinal(0);
    for c in [1, 64, 127] {
        if ffi::PyUnicode_FromOrdinal(c) != first.wrapping_byte_add(c as usize * ASCII_STRIDE) {
            return false;
        }
    }
    if !is_immortal(first) {
        return false;
    }
    ASCII.store(first, Ordering::Relaxed);
    true
}
