//! Iterators of lists and tuples, and the memory of dead ones.
//!
//! A loop over a list that is not in the same trace as what it is in makes an iterator, and for a short list that is a good part of the work. So
//! their memory is kept when they die, as that of instances is (see `instances.rs`), and the collector is told in the same way.

use super::made;
use core::cell::UnsafeCell;
use hotspur_cpython_sys::ffi::{PyObject, PyTypeObject};
use hotspur_cpython_sys::*;
use hotspur_tier1::boxes::FreeList;

struct Dead(UnsafeCell<FreeList>);
// SAFETY: only touched with the GIL of the main interpreter held.
unsafe impl Sync for Dead {}
static DEAD: Dead = Dead(UnsafeCell::new(FreeList::EMPTY));

/// What both kinds of iterators are: their layouts are the same.
type Iter = ListIterObject;
const _: () = {
    assert!(size_of::<Iter>() == size_of::<TupleIterObject>());
    assert!(core::mem::offset_of!(Iter, it_index) == core::mem::offset_of!(TupleIterObject, it_index));
    assert!(core::mem::offset_of!(Iter, it_seq) == core::mem::offset_of!(TupleIterObject, it_seq));
};

/// The type of the iterators that `iter` makes of an object, if the object is a list or tuple as far as that goes.
unsafe fn type_of_iter(iterable: *mut PyObject) -> Option<*mut PyTypeObject> {
    let make = |t: *mut PyTypeObject| (*t).tp_iter.map(|f| f as usize);
    let made_by = make(ty(iterable));
    if made_by == make(&raw mut ffi::PyList_Type) {
        return Some(&raw mut PyListIter_Type);
    }
    (made_by == make(&raw mut ffi::PyTuple_Type)).then_some(&raw mut PyTupleIter_Type)
}

/// `Helper::QuietIter`: `iter` of an object whose type's function for that runs no Python code.
pub(super) unsafe fn iterator(iterable: *mut PyObject) -> *mut PyObject {
    let dead = &mut *DEAD.0.get();
    let Some(t) = type_of_iter(iterable).filter(|_| !dead.is_empty() && gc_count_new()) else {
        return ffi::PyObject_GetIter(iterable);
    };
    let op = dead.take(t);
    let iter = op.cast::<Iter>();
    (*iter).it_index = 0;
    (*iter).it_seq = newref(iterable).cast();
    gc_track(op);
    op
}

/// An iterator of a list or tuple that has come to an index. It takes the reference to that.
pub(super) unsafe fn iterator_at(sequence: *mut PyObject, index: i64) -> super::Obj {
    let iter = made(iterator(sequence));
    (*iter.as_ptr().cast::<Iter>()).it_index = index as isize;
    decref(sequence);
    iter
}

/// Frees a dead iterator of a list or tuple, if what it iterates over does not die with it. False, and nothing is done, if it does, or
/// the object is something else.
#[inline(always)]
pub(crate) unsafe fn free_iterator(op: *mut PyObject) -> bool {
    if !is_type(op, &raw mut PyListIter_Type) && !is_type(op, &raw mut PyTupleIter_Type) {
        return false;
    }
    let sequence = (*op.cast::<Iter>()).it_seq.cast::<PyObject>();
    if !sequence.is_null() {
        if refcnt(sequence) == 1 {
            return false;
        }
        decref(sequence);
    }
    if (*DEAD.0.get()).put(op) {
        gc_forget(op);
        gc_count_gone();
    } else {
        // It leaves the collector's list as well.
        ffi::PyObject_GC_Del(op.cast());
    }
    true
}
