//! Helpers that run no other code: look-ups in containers, operators and calls on objects of built-in types.
//!
//! They work with the frames as they are, which are stale while a superblock runs. So nothing here may call back into Python: no
//! method of a class, no finalizer, no check for signals (which also collects garbage). The recorder has guarded the types of the operands. What is left depends on what is in the
//! containers; where that cannot be told without running code, the superblock leaves for tier 1.

use core::ptr;
use hotspur_cpython_sys::ffi::PyObject;
use hotspur_cpython_sys::*;
use hotspur_tier1::ops::{ascii, look_up_ascii};
use hotspur_tier1::shims::usable_hash;

/// `Helper::Lookup`.
pub(super) unsafe fn lookup(container: *mut PyObject, key: *mut PyObject) -> *mut PyObject {
    let t = ty(container);
    if t == &raw mut ffi::PyDict_Type {
        let value = dict_find(container, key).unwrap_or(ptr::null_mut());
        xincref(value);
        return value;
    }
    if !is_type(key, &raw mut ffi::PyLong_Type) || !long_is_compact(key) {
        return ptr::null_mut();
    }
    if t == &raw mut ffi::PyRange_Type {
        let found = ffi::PyObject_GetItem(container, key);
        if found.is_null() {
            ffi::PyErr_Clear();
        }
        return found;
    }
    if t != &raw mut ffi::PyUnicode_Type {
        return ptr::null_mut();
    }
    let mut index = long_compact_value(key);
    let length = (*container.cast::<PyASCIIObject>()).length;
    if index < 0 {
        index += length;
    }
    if index < 0 || index >= length {
        return ptr::null_mut();
    }
    let text = ascii_text(container);
    if !text.is_null() && look_up_ascii() {
        return ascii(*text.offset(index));
    }
    let found = ffi::PySequence_GetItem(container, index);
    if found.is_null() {
        ffi::PyErr_Clear();
    }
    found
}

/// `Helper::LookupHashed`.
pub(super) unsafe fn lookup_hashed(dict: *mut PyObject, key: *mut PyObject, hash: i64) -> *mut PyObject {
    let value = dict_find_hashed(dict, key, usable_hash(hash as isize)).unwrap_or(ptr::null_mut());
    xincref(value);
    value
}

/// `Helper::MemberHashed`.
pub(super) unsafe fn member_hashed(container: *mut PyObject, item: *mut PyObject, hash: i64) -> i64 {
    let hash = usable_hash(hash as isize);
    let is_member = if is_type(container, &raw mut ffi::PyDict_Type) {
        dict_find_hashed(container, item, hash).map(|value| !value.is_null())
    } else {
        set_find_hashed(container, item, hash)
    };
    is_member.map_or(-1, i64::from)
}

/// `Helper::QuietTruth`: what `bytes` and dictionaries say is read where it lies.
pub(super) unsafe fn truth(op: *mut PyObject) -> core::ffi::c_int {
    let t = ty(op);
    if t == &raw mut ffi::PyBytes_Type {
        (size(op) != 0).into()
    } else if t == &raw mut ffi::PyDict_Type {
        ((*op.cast::<PyDictObject>()).ma_used != 0).into()
    } else {
        ffi::PyObject_IsTrue(op)
    }
}

/// `Helper::LookupOr`.
pub(super) unsafe fn lookup_or(dict: *mut PyObject, key: *mut PyObject, default: *mut PyObject) -> *mut PyObject {
    match dict_find(dict, key) {
        None => ptr::null_mut(),
        Some(value) => newref(if value.is_null() { default } else { value }),
    }
}

/// `Helper::Member`.
pub(super) unsafe fn member(container: *mut PyObject, key: *mut PyObject) -> i64 {
    let mut container = container;
    if is_type(container, &raw mut ffi::PyDictProxy_Type) {
        container = proxied(container);
        // It may show any mapping.
        if !is_type(container, &raw mut ffi::PyDict_Type) {
            return -1;
        }
    }
    let t = ty(container);
    if t == &raw mut ffi::PyDict_Type {
        return dict_find(container, key).map_or(-1, |value| (!value.is_null()).into());
    }
    if t == &raw mut ffi::PySet_Type || t == &raw mut ffi::PyFrozenSet_Type {
        return set_contains(container, key).map_or(-1, i64::from);
    }
    let is_quiet = if t == &raw mut ffi::PyUnicode_Type {
        is_type(key, t)
    } else if t == &raw mut ffi::PyBytes_Type {
        is_type(key, t) || is_type(key, &raw mut ffi::PyLong_Type)
    } else {
        return sequence_find(container, key, 0).map_or(-1, |found| found.is_some().into());
    };
    if !is_quiet {
        return -1;
    }
    let found = ffi::PySequence_Contains(container, key);
    if found < 0 {
        ffi::PyErr_Clear();
    }
    found.into()
}

/// `Helper::Storable`. Watchers are told of a change: an executor that relies on the dictionary has to be left, which tier 1 does best.
pub(super) unsafe fn storable(dict: *mut PyObject, key: *mut PyObject) -> i64 {
    (!dict_is_watched(dict.cast()) && dict_find(dict, key).is_some()).into()
}

/// `Helper::DictStore`.
pub(super) unsafe fn dict_store(dict: *mut PyObject, key: *mut PyObject, value: *mut PyObject) -> *mut PyObject {
    let old = ffi::PyDict_GetItemWithError(dict, key);
    let old = newref(if old.is_null() { ffi::Py_None() } else { old });
    if ffi::PyDict_SetItem(dict, key, value) < 0 {
        // The dictionary has it still.
        decref(old);
        return ptr::null_mut();
    }
    old
}

/// `Helper::Slice`.
pub(super) unsafe fn slice(sequence: *mut PyObject, start: *mut PyObject, stop: *mut PyObject) -> *mut PyObject {
    let t = ty(sequence);
    if t == &raw mut ffi::PyList_Type
        && let Some((from, to)) = bounds(start, stop, size(sequence))
    {
        return ffi::PyList_GetSlice(sequence, from, to);
    }
    if t == &raw mut ffi::PyTuple_Type
        && let Some((from, to)) = bounds(start, stop, size(sequence))
    {
        return ffi::PyTuple_GetSlice(sequence, from, to);
    }
    if t == &raw mut ffi::PyUnicode_Type
        && let Some((from, to)) = bounds(start, stop, ffi::PyUnicode_GetLength(sequence))
    {
        return ffi::PyUnicode_Substring(sequence, from, to);
    }
    let slice = ffi::PySlice_New(start, stop, ptr::null_mut());
    if slice.is_null() {
        return slice;
    }
    let result = ffi::PyObject_GetItem(sequence, slice);
    decref(slice);
    result
}

/// Where a slice with these bounds, each None or a small int, begins and ends in a sequence of this length. None: a bound is something else.
pub(super) unsafe fn bounds(start: *mut PyObject, stop: *mut PyObject, length: isize) -> Option<(isize, isize)> {
    let index = |bound: *mut PyObject, default: isize| {
        if bound == ffi::Py_None() {
            return Some(default);
        }
        (is_type(bound, &raw mut ffi::PyLong_Type) && long_is_compact(bound)).then(|| long_compact_value(bound))
    };
    let (from, count) = super::containers::adjusted(length, index(start, 0)?, index(stop, length)?, 1);
    Some((from, from + count))
}

/// `Helper::IterFinish`.
pub(super) unsafe fn finish(iter: *mut PyObject) -> *mut PyObject {
    let sequence = if is_type(iter, &raw mut PyListIter_Type) {
        let iter = iter.cast::<ListIterObject>();
        // Without a list, its other methods go by the index.
        (*iter).it_index = -1;
        core::mem::replace(&mut (*iter).it_seq, ptr::null_mut()).cast::<PyObject>()
    } else {
        let iter = iter.cast::<TupleIterObject>();
        core::mem::replace(&mut (*iter).it_seq, ptr::null_mut()).cast::<PyObject>()
    };
    if sequence.is_null() { newref(ffi::Py_None()) } else { sequence }
}

/// `Helper::InstanceDict`, borrowed.
pub(super) unsafe fn instance_dict(instance: *mut PyObject, name: *mut PyObject, index: usize) -> *mut PyObject {
    if !has_feature(ty(instance), TPFLAGS_MANAGED_DICT) {
        return ptr::null_mut();
    }
    let dict = managed_dict(instance);
    if dict.is_null() || !is_type(dict.cast(), &raw mut ffi::PyDict_Type) {
        return ptr::null_mut();
    }
    let keys = (*dict).ma_keys;
    let is_there = (*dict).ma_values.is_null()
        && keys_are_unicode(keys)
        && keys_have_entry(keys, index)
        && (*unicode_entries(keys).add(index)).me_key == name;
    if is_there { dict.cast() } else { ptr::null_mut() }
}
