//! Looking at iterators of built-in types without advancing them.

use crate::*;
use core::sync::atomic::{AtomicPtr, Ordering};
use pyo3_ffi::{self as ffi, PyObject};

/// Whether the type is that of iterators over the keys, values or items of a dictionary.
pub fn is_dict_iter_type(t: *mut ffi::PyTypeObject) -> bool {
    t == &raw mut PyDictIterKey_Type || t == &raw mut PyDictIterValue_Type || t == &raw mut PyDictIterItem_Type
}

/// The type of iterators over strings of ASCII, which is not exported.
static ASCII_ITER_TYPE: AtomicPtr<ffi::PyTypeObject> = AtomicPtr::new(core::ptr::null_mut());

/// Remembers that type.
pub(crate) fn set_ascii_iter_type(t: *mut ffi::PyTypeObject) {
    ASCII_ITER_TYPE.store(t, Ordering::Relaxed);
}

/// Whether the type is that of iterators over strings or bytes.
pub fn is_text_iter_type(t: *mut ffi::PyTypeObject) -> bool {
    t == &raw mut ffi::PyUnicodeIter_Type
        || t == &raw mut ffi::PyBytesIter_Type
        || t == ASCII_ITER_TYPE.load(Ordering::Relaxed)
}

/// Whether the type is that of iterators over the items of one built-in container, which they do not put into tuples.
pub fn is_item_iter_type(t: *mut ffi::PyTypeObject) -> bool {
    t == &raw mut PyListIter_Type
        || t == &raw mut PyTupleIter_Type
        || t == &raw mut PyRangeIter_Type
        || t == &raw mut ffi::PySetIter_Type
        || t == &raw mut ffi::PyListRevIter_Type
        || is_text_iter_type(t)
}

/// Whether an iterator of a list (either way), tuple, range, set, string, bytes object or dictionary, or an `enumerate` or `zip` over such, has another item, and is in order
/// (a dictionary that changed size is not). False for all others.
///
/// # Safety
/// GIL held, a live object.
pub unsafe fn iterator_has_next(iter: *mut PyObject) -> bool {
    let t = object::ty(iter);
    if t == &raw mut PyListIter_Type {
        let iter = iter.cast::<ListIterObject>();
        let list = (*iter).it_seq;
        return !list.is_null() && (*iter).it_index >= 0 && (*iter).it_index < object::size(list.cast());
    }
    if t == &raw mut PyTupleIter_Type {
        let iter = iter.cast::<TupleIterObject>();
        let tuple = (*iter).it_seq;
        return !tuple.is_null() && (*iter).it_index < object::size(tuple.cast());
    }
    if t == &raw mut PyRangeIter_Type {
        return (*iter.cast::<RangeIterObject>()).len > 0;
    }
    if is_dict_iter_type(t) {
        return dict_iter_entry(iter.cast()).is_some();
    }
    if t == &raw mut ffi::PySetIter_Type {
        let iter = iter.cast::<SetIterObject>();
        let set = (*iter).si_set;
        return !set.is_null() && (*iter).len > 0 && (*iter).si_used == (*set).used && set_iter_has_next(iter);
    }
    if t == &raw mut ffi::PyListRevIter_Type {
        let iter = iter.cast::<IndexIterObject>();
        let list = (*iter).it_seq;
        return !list.is_null() && (*iter).it_index >= 0 && (*iter).it_index < object::size(list);
    }
    if is_text_iter_type(t) {
        let iter = iter.cast::<IndexIterObject>();
        let text = (*iter).it_seq;
        // Both have the length in the same place.
        return !text.is_null() && (*iter).it_index < object::size(text);
    }
    if t == &raw mut ffi::PyEnum_Type {
        let iter = iter.cast::<EnumObject>();
        let is_ordinary = (*iter).en_longindex.is_null() && (*iter).en_index < isize::MAX;
        return is_ordinary && iterator_has_next((*iter).en_sit);
    }
    if t == &raw mut PyZip_Type {
        let iter = iter.cast::<ZipObject>();
        let n = (*iter).tuplesize;
        return n > 0 && (0..n as usize).all(|i| iterator_has_next(object::tuple_item((*iter).ittuple, i)));
    }
    false
}

unsafe fn set_iter_has_next(iter: *mut SetIterObject) -> bool {
    let set = (*iter).si_set;
    // What stands for a removed entry has the hash -1.
    let is_there = |i| {
        let entry = (*set).table.add(i);
        !(*entry).key.is_null() && (*entry).hash != -1
    };
    ((*iter).si_pos as usize..=(*set).mask as usize).any(is_there)
}

/// The number that comes with the next item of an `enumerate`; negative if that does not fit, if somebody has the tuple that it yielded last,
/// or if nobody else has the item in that.
///
/// # Safety
/// GIL held, exactly an `enumerate`.
#[inline(always)]
pub unsafe fn enumerate_number(iter: *mut EnumObject) -> isize {
    let result = (*iter).en_result;
    let is_ready = object::refcnt(result) == 1 && object::refcnt(object::tuple_item(result, 1)) != 1;
    // The largest is what it has when the next one is an object.
    if is_ready && (*iter).en_index != isize::MAX { (*iter).en_index } else { -1 }
}

/// What an `enumerate` does when its iterator has yielded this item, a reference to which passes to it, if [`enumerate_number`] was not
/// negative; but for the number in the tuple, which stays. Nobody has that tuple.
///
/// # Safety
/// As above.
#[inline(always)]
pub unsafe fn enumerate_keep(iter: *mut EnumObject, item: *mut PyObject) {
    let result = (*iter).en_result;
    let place = object::tuple_items(result).add(1);
    let old = core::mem::replace(&mut *place, item);
    (*iter).en_index += 1;
    // Not the last reference.
    object::decref(old);
    if !object::gc_is_tracked(result) {
        ffi::PyObject_GC_Track(result.cast());
    }
}

/// Whether an iterator of the items of a set, string, bytes object or dictionary, or of a list backwards, is in order and has no item left,
/// and nobody but the caller refers to it: so it does not matter whether it lets go of the container. False for all others.
///
/// # Safety
/// GIL held, a live object.
pub unsafe fn iterator_is_done(iter: *mut PyObject) -> bool {
    let t = object::ty(iter);
    if object::refcnt(iter) != 1 {
        return false;
    }
    if is_dict_iter_type(t) {
        let iter = iter.cast::<DictIterObject>();
        let dict = (*iter).di_dict;
        let is_in_order = || (*iter).di_used == (*dict).ma_used;
        return dict.is_null() || is_in_order() && dict_next_entry(dict, (*iter).di_pos as usize).is_none();
    }
    if t == &raw mut ffi::PySetIter_Type {
        let iter = iter.cast::<SetIterObject>();
        let set = (*iter).si_set;
        return set.is_null() || (*iter).si_used == (*set).used && !set_iter_has_next(iter);
    }
    let is_indexed = t == &raw mut ffi::PyListRevIter_Type || is_text_iter_type(t);
    is_indexed && !iterator_has_next(iter)
}

/// The entry that an iterator of a dictionary comes to next, if there is one and it is in order.
#[inline(always)]
unsafe fn dict_iter_entry(iter: *mut DictIterObject) -> Option<NextEntry> {
    let dict = (*iter).di_dict;
    if dict.is_null() || (*iter).len <= 0 || (*iter).di_used != (*dict).ma_used {
        return None;
    }
    // If keys were replaced, there may be none left although some were not seen yet.
    dict_next_entry(dict, (*iter).di_pos as usize)
}

struct NextEntry {
    /// Which entry of the keys.
    index: usize,
    /// Where the iterator is after it. In a split table it counts attributes in the order in which they were set, else entries.
    position: usize,
}

/// The first entry from a position on that has a value.
#[inline(always)]
unsafe fn dict_next_entry(dict: *mut PyDictObject, mut position: usize) -> Option<NextEntry> {
    let values = (*dict).ma_values;
    if !values.is_null() {
        let is_there = position < (*dict).ma_used as usize;
        return is_there
            .then(|| NextEntry { index: object::values_in_insertion_order(values, position), position: position + 1 });
    }
    while dict::keys_have_entry((*dict).ma_keys, position) {
        if !(*dict::dict_value_slot(dict, position)).is_null() {
            return Some(NextEntry { index: position, position: position + 1 });
        }
        position += 1;
    }
    None
}

/// What an iterator of a dictionary yields next, as `dictiter_iternextkey` and the other two of CPython do it. Null if it is exhausted or not in
/// order; nothing has happened then.
///
/// # Safety
/// GIL held, exactly an iterator of the keys, values or items of a dictionary.
#[inline]
pub unsafe fn dict_iter_next(iter: *mut PyObject) -> *mut PyObject {
    let t = object::ty(iter);
    let iter = iter.cast::<DictIterObject>();
    let Some(NextEntry { index, position }) = dict_iter_entry(iter) else { return core::ptr::null_mut() };
    let dict = (*iter).di_dict;
    let (key, value) = (dict::dict_key(dict, index), *dict::dict_value_slot(dict, index));
    let next = if t == &raw mut PyDictIterKey_Type {
        object::newref(key)
    } else if t == &raw mut PyDictIterValue_Type {
        object::newref(value)
    } else {
        let result = (*iter).di_result;
        if object::refcnt(result) > 1 || ffi::PyObject_GC_IsTracked(result) == 0 {
            // It makes a new tuple, or has the collector know the old one.
            let Some(next) = (*t).tp_iternext else { return core::ptr::null_mut() };
            let next = next(iter.cast());
            if next.is_null() {
                ffi::PyErr_Clear();
            }
            return next;
        }
        let items = object::tuple_items(result);
        let old = (*items, *items.add(1));
        *items = object::newref(key);
        *items.add(1) = object::newref(value);
        let result = object::newref(result);
        object::decref(old.0);
        object::decref(old.1);
        result
    };
    (*iter).di_pos = position as isize;
    (*iter).len -= 1;
    next
}
