//! Helpers for lists that die: their items are moved, where CPython takes new references to them and then drops those that the list had.
//!
//! A list that only the superblock refers to, and that it gives away, cannot be looked at by anyone. What is left of it is freed without items, which
//! runs no code.

use super::{containers, quiet};
use core::ptr;
use hotspur_cpython_sys::ffi::PyObject;
use hotspur_cpython_sys::*;

/// `Helper::ListConcat`.
pub(super) unsafe fn concat(left: *mut PyObject, right: *mut PyObject) -> *mut PyObject {
    let count = size(left) + size(right);
    let result = if refcnt(left) == 1 && count > 0 && resize(left, count) { left } else { ffi::PyList_New(count) };
    if result.is_null() {
        // Nothing may die here that could run code.
        [left, right].into_iter().filter(|&op| refcnt(op) > 1).for_each(|op| decref(op));
        return result;
    }
    let items = list_items(result);
    let right_at = items.offset(size(left));
    if result != left {
        give(left, items);
    }
    give(right, right_at);
    (*result.cast::<ffi::PyVarObject>()).ob_size = count;
    result
}

/// Gives a list as much room as it needs for so many items, and no more, as a new one would have.
unsafe fn resize(list: *mut PyObject, count: isize) -> bool {
    let object = list.cast::<PyListObject>();
    let items = ffi::PyMem_Realloc((*object).ob_item.cast(), count as usize * size_of::<*mut PyObject>());
    if items.is_null() {
        return false;
    }
    (*object).ob_item = items.cast();
    (*object).allocated = count;
    true
}

/// Writes the items of a list, with references, and drops one to the list.
unsafe fn give(list: *mut PyObject, to: *mut *mut PyObject) {
    let (items, count) = (list_items(list), size(list) as usize);
    if count > 0 {
        ptr::copy_nonoverlapping(items, to, count);
    }
    if refcnt(list) == 1 {
        (*list.cast::<ffi::PyVarObject>()).ob_size = 0;
    } else {
        (0..count).for_each(|i| incref(*to.add(i)));
    }
    // If that was the last reference, there is nothing in it any more.
    decref(list);
}

/// `Helper::ExchangeSlice`.
pub(super) unsafe fn exchange_slice(
    list: *mut PyObject,
    start: *mut PyObject,
    stop: *mut PyObject,
    items: *mut PyObject,
) -> i64 {
    if refcnt(items) == 1
        && is_type(items, &raw mut ffi::PyList_Type)
        && let Some((from, to)) = quiet::bounds(start, stop, size(list))
        && size(items) == to - from
    {
        // The list is another one, since somebody else refers to it.
        ptr::swap_nonoverlapping(list_items(list).offset(from), list_items(items), (to - from) as usize);
        return 1;
    }
    containers::store_slice(list, start, stop, items)
}
