//! Instances of classes that keep attributes in inline values, and the memory of dead ones.
//!
//! Such instances come and go in great numbers, and making one and freeing it again is most of the work of programs that
//! compute with small objects. CPython's way there leads through the allocator, thread-local variables and functions of other libraries. So
//! the memory of instances that [`free_quiet`](super::free_quiet) frees is kept in lists, by how many attributes it has room for, as `boxes.rs` of tier 1 keeps that
//! of numbers. The collector sees no difference: it is told of each birth and death, and when it is time for it to run, it is CPython that makes the instance.

use core::cell::UnsafeCell;
use core::ptr;
use hotspur_cpython_sys::ffi::{PyObject, PyTypeObject};
use hotspur_cpython_sys::*;
use hotspur_tier1::boxes::FreeList;

/// There is a list for each number of attributes below this. Classes have up to 30 at first.
const LISTS: usize = 32;

struct Lists(UnsafeCell<[FreeList; LISTS]>);
// SAFETY: only touched with the GIL of the main interpreter held.
unsafe impl Sync for Lists {}
static DEAD: Lists = Lists(UnsafeCell::new([FreeList::EMPTY; LISTS]));

/// A new instance of a class: all attributes are absent. Null with an exception if there is no memory.
pub(super) unsafe fn new_instance(class: *mut PyTypeObject) -> *mut PyObject {
    if !has_feature(class, TPFLAGS_INLINE_VALUES) {
        // Its attributes are in slots.
        return ffi::PyType_GenericAlloc(class, 0);
    }
    let keys = cached_keys(class);
    let capacity = (*keys).dk_nentries as usize + (*keys).dk_usable as usize;
    // As long as a class is new, CPython leaves less room from instance to instance.
    let list = if (*keys).dk_usable <= 1 { (*DEAD.0.get()).get_mut(capacity) } else { None };
    let Some(list) = list.filter(|list| !list.is_empty() && gc_count_new()) else {
        return ffi::PyType_GenericAlloc(class, 0);
    };
    let op = list.take(class);
    incref(class.cast());
    let values = inline_values(op);
    ((*values).capacity, (*values).size, (*values).embedded, (*values).valid) = (capacity as u8, 0, 1, 1);
    ptr::write_bytes(inline_value_slot(values, 0), 0, capacity);
    gc_track(op);
    op
}

/// Frees an instance that is nothing but its inline values, which are valid and have been dropped. Its reference to its class is left.
pub(super) unsafe fn free_instance(op: *mut PyObject) {
    let capacity = usize::from((*inline_values(op)).capacity);
    if (*DEAD.0.get()).get_mut(capacity).is_some_and(|list| list.put(op)) {
        gc_forget(op);
        gc_count_gone();
    } else {
        // It leaves the collector's list as well.
        ffi::PyObject_GC_Del(op.cast());
    }
}
