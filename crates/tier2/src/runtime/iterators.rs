//! Iterators. When there is no next item nothing is changed: the op exits, and tier 1 ends the loop.

use super::{Obj, cooked};
use core::ptr::NonNull;
use hotspur_cpython_sys::ffi::PyObject;
use hotspur_cpython_sys::*;

unsafe fn list_position(iter: *mut ListIterObject) -> Option<usize> {
    let (list, index) = ((*iter).it_seq, (*iter).it_index as usize);
    (!list.is_null() && index < size(list.cast()) as usize).then_some(index)
}

unsafe fn tuple_position(iter: *mut TupleIterObject) -> Option<usize> {
    let (tuple, index) = ((*iter).it_seq, (*iter).it_index as usize);
    (!tuple.is_null() && index < size(tuple.cast()) as usize).then_some(index)
}

/// The next item of a list iterator, a new reference.
pub(super) unsafe fn list_next(iter: Obj) -> Option<Obj> {
    let iter = iter.as_ptr().cast::<ListIterObject>();
    let index = list_position(iter)?;
    (*iter).it_index = index as isize + 1;
    cooked(newref(*list_items((*iter).it_seq.cast()).add(index)))
}

/// The next item of a tuple iterator, a new reference.
pub(super) unsafe fn tuple_next(iter: Obj) -> Option<Obj> {
    let iter = iter.as_ptr().cast::<TupleIterObject>();
    let index = tuple_position(iter)?;
    (*iter).it_index = index as isize + 1;
    cooked(newref(tuple_item((*iter).it_seq.cast(), index)))
}

/// The next number of a range iterator.
pub(super) unsafe fn range_next(iter: Obj) -> Option<i64> {
    let range = iter.as_ptr().cast::<RangeIterObject>();
    if (*range).len <= 0 {
        return None;
    }
    let number = (*range).start;
    (*range).start = number.wrapping_add((*range).step);
    (*range).len -= 1;
    Some(number)
}

/// Whether a list, tuple or range iterator has no next item.
pub(super) unsafe fn is_done(iter: Obj) -> bool {
    let op = iter.as_ptr();
    if is_type(op, &raw mut PyListIter_Type) {
        list_position(op.cast()).is_none()
    } else if is_type(op, &raw mut PyTupleIter_Type) {
        tuple_position(op.cast()).is_none()
    } else {
        (*op.cast::<RangeIterObject>()).len <= 0
    }
}

/// Whether this is a list, tuple or range iterator that has no next item.
pub(crate) unsafe fn is_exhausted(op: *mut PyObject) -> bool {
    let types = [&raw mut PyListIter_Type, &raw mut PyTupleIter_Type, &raw mut PyRangeIter_Type];
    types.iter().any(|&t| is_type(op, t)) && NonNull::new(op).is_some_and(|iter| is_done(iter))
}
