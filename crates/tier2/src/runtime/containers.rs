//! More helpers that run no other code: what changes dictionaries, sets and lists, and what iterates over them. See `quiet.rs` for what
//! they have to take care of. Nothing may die of them whose end could be noticed.

use super::dying::Death;
use core::ptr;
use hotspur_cpython_sys::ffi::PyObject;
use hotspur_cpython_sys::*;

/// `Helper::NameStore`. An executor that relies on the value, and is to be left, is the business of tier 1.
pub(super) unsafe fn name_store(dict: *mut PyObject, name: *mut PyObject, value: *mut PyObject) -> *mut PyObject {
    if !is_type(dict, &raw mut ffi::PyDict_Type) {
        return ptr::null_mut();
    }
    let dict = dict.cast::<PyDictObject>();
    let Some(index) = dict_entry(dict, name) else { return ptr::null_mut() };
    if !crate::watch::note_replaced(dict.cast(), name) {
        return ptr::null_mut();
    }
    let old = *dict_value_slot(dict, index);
    dict_put_value(dict, index, newref(value));
    old
}

/// `Helper::DictFill`: as DICT_MERGE does it.
pub(super) unsafe fn dict_fill(dict: *mut PyObject, items: *mut PyObject) -> i64 {
    let is_dict = |op| is_type(op, &raw mut ffi::PyDict_Type);
    let can = is_dict(dict)
        && is_dict(items)
        && (*dict.cast::<PyDictObject>()).ma_used == 0
        && !dict_is_watched(dict.cast())
        && keys_are_unicode((*items.cast::<PyDictObject>()).ma_keys);
    if !can {
        return 0;
    }
    // Strings are different or the same without asking, and the dict is empty.
    const RAISES_IF_TWICE: core::ffi::c_int = 2;
    if _PyDict_MergeEx(dict, items, RAISES_IF_TWICE) < 0 {
        ffi::PyErr_Clear();
        ffi::PyDict_Clear(dict);
        return 0;
    }
    1
}

/// `Helper::KeysAre`.
pub(super) unsafe fn keys_are(dict: *mut PyObject, names: &[*mut PyObject]) -> bool {
    let dict = dict.cast::<PyDictObject>();
    let keys = (*dict).ma_keys;
    keys_are_unicode(keys)
        && (*dict).ma_values.is_null()
        && (*dict).ma_used as usize == names.len()
        && (*keys).dk_nentries as usize == names.len()
        && names.iter().enumerate().all(|(i, &name)| (*unicode_entries(keys).add(i)).me_key == name)
}

/// `Helper::KeyedItem`, borrowed.
pub(super) unsafe fn keyed_item(dict: *mut PyObject, name: *mut PyObject, index: usize) -> *mut PyObject {
    let dict = dict.cast::<PyDictObject>();
    let keys = (*dict).ma_keys;
    let is_there =
        keys_are_unicode(keys) && keys_have_entry(keys, index) && (*unicode_entries(keys).add(index)).me_key == name;
    if is_there { *dict_value_slot(dict, index) } else { ptr::null_mut() }
}

/// `Helper::DictDelete`.
pub(super) unsafe fn dict_delete(dict: *mut PyObject, key: *mut PyObject) -> *mut PyObject {
    if dict_is_watched(dict.cast()) || dict_find(dict, key).is_none_or(|value| value.is_null()) {
        return ptr::null_mut();
    }
    let mut value = ptr::null_mut();
    if PyDict_Pop(dict, key, &raw mut value) < 0 {
        ffi::PyErr_Clear();
    }
    value
}

/// `Helper::BuildMap`: keys and values by turns.
pub(super) unsafe fn build_map(items: &[*mut PyObject]) -> *mut PyObject {
    let dict = ffi::PyDict_New();
    if dict.is_null() {
        return dict;
    }
    for pair in items.chunks_exact(2) {
        if ffi::PyDict_SetItem(dict, pair[0], pair[1]) < 0 {
            decref(dict);
            return ptr::null_mut();
        }
    }
    dict
}

/// `Helper::SetAdd`.
pub(super) unsafe fn set_add(set: *mut PyObject, key: *mut PyObject) -> i64 {
    set_insert(set, key).into()
}

/// `Helper::SetDiscard`.
pub(super) unsafe fn set_discard(set: *mut PyObject, key: *mut PyObject) -> i64 {
    match set_contains(set, key) {
        None => return -1,
        Some(false) => return 0,
        Some(true) => {}
    }
    let found = ffi::PySet_Discard(set, key);
    if found < 0 {
        ffi::PyErr_Clear();
    }
    found.into()
}

/// Whether a bound of a slice is None or exactly an int, so that no `__index__` is called.
unsafe fn is_plain_bound(op: *mut PyObject) -> bool {
    op == ffi::Py_None() || is_type(op, &raw mut ffi::PyLong_Type)
}

/// `Helper::SliceItem`.
pub(super) unsafe fn slice_item(sequence: *mut PyObject, slice: *mut PyObject) -> *mut PyObject {
    let parts = slice.cast::<ffi::PySliceObject>();
    if ![(*parts).start, (*parts).stop, (*parts).step].into_iter().all(|part| is_plain_bound(part)) {
        return ptr::null_mut();
    }
    let items = ffi::PyObject_GetItem(sequence, slice);
    if items.is_null() {
        // Tier 1 raises it again.
        ffi::PyErr_Clear();
    }
    items
}

/// `Helper::Search`.
pub(super) unsafe fn search(sequence: *mut PyObject, item: *mut PyObject, counts: bool) -> i64 {
    let mut from = 0;
    let mut count = 0;
    loop {
        match sequence_find(sequence, item, from) {
            None => return -1,
            Some(found) if !counts => return found.map_or(-1, |i| i as i64),
            Some(None) => return count,
            Some(Some(i)) => (from, count) = (i + 1, count + 1),
        }
    }
}

/// `Helper::ListRemove`.
pub(super) unsafe fn list_remove(list: *mut PyObject, item: *mut PyObject) -> *mut PyObject {
    let Some(Some(i)) = sequence_find(list, item, 0) else { return ptr::null_mut() };
    let removed = newref(*list_items(list).add(i));
    if ffi::PyList_SetSlice(list, i as isize, i as isize + 1, ptr::null_mut()) < 0 {
        ffi::PyErr_Clear();
        decref(removed);
        return ptr::null_mut();
    }
    removed
}

/// Where a slice of so many items begins, and how many it has (`PySlice_AdjustIndices`, which divides in any case).
pub(super) fn adjusted(length: isize, start: isize, stop: isize, step: isize) -> (isize, isize) {
    let bound = |i: isize| {
        let i = if i < 0 { i.saturating_add(length) } else { i };
        if step < 0 { i.clamp(-1, length - 1) } else { i.clamp(0, length) }
    };
    let (start, stop) = (bound(start), bound(stop));
    let (width, step) =
        if step < 0 { (start - stop, step.unsigned_abs()) } else { (stop - start, step.unsigned_abs()) };
    let count = match step {
        _ if width <= 0 => 0,
        1 => width,
        _ => ((width - 1) as usize / step) as isize + 1,
    };
    (start, count)
}

/// `Helper::SliceStep`.
pub(super) unsafe fn slice_step(list: *mut PyObject, parts: [*mut PyObject; 3]) -> *mut PyObject {
    let [start, stop, step] = parts;
    let index = |bound: *mut PyObject, default: isize| {
        let is_small = bound != ffi::Py_None() && is_type(bound, &raw mut ffi::PyLong_Type) && long_is_compact(bound);
        if is_small { Some(long_compact_value(bound)) } else { (bound == ffi::Py_None()).then_some(default) }
    };
    let Some(step) = index(step, 1).filter(|&step| step != 0) else { return ptr::null_mut() };
    let (first, last) = if step > 0 { (0, isize::MAX) } else { (isize::MAX, isize::MIN) };
    let (Some(start), Some(stop)) = (index(start, first), index(stop, last)) else { return ptr::null_mut() };
    let (start, length) = adjusted(size(list), start, stop, step);
    let result = ffi::PyList_New(length);
    if result.is_null() {
        ffi::PyErr_Clear();
        return result;
    }
    let (from, to) = (list_items(list), list_items(result));
    for i in 0..length {
        *to.offset(i) = newref(*from.offset(start + i * step));
    }
    result
}

/// `Helper::DequeAppend`.
pub(super) unsafe fn deque_append(method: *mut PyObject, deque: *mut PyObject, item: *mut PyObject) -> i64 {
    if (*deque.cast::<DequeObject>()).maxlen >= 0 {
        return 0;
    }
    let args = [deque, item];
    let none = ffi::PyObject_Vectorcall(method, args.as_ptr(), 2, ptr::null_mut());
    if none.is_null() {
        ffi::PyErr_Clear();
        return 0;
    }
    1
}

/// `Helper::TupleOfList`.
pub(super) unsafe fn tuple_of_list(list: *mut PyObject) -> *mut PyObject {
    if refcnt(list) > 1 {
        let tuple = ffi::PyList_AsTuple(list);
        // Not the last reference.
        decref(list);
        return tuple;
    }
    // If there is no memory for the tuple, the items are dropped.
    let tuple = _PyTuple_FromArraySteal(list_items(list), size(list));
    (*list.cast::<ffi::PyVarObject>()).ob_size = 0;
    dealloc(list);
    tuple
}

/// `Helper::StoreSlice`.
pub(super) unsafe fn store_slice(
    list: *mut PyObject,
    start: *mut PyObject,
    stop: *mut PyObject,
    items: *mut PyObject,
) -> i64 {
    let Some((from, to)) = super::quiet::bounds(start, stop, size(list)) else { return 0 };
    let old = from..to;
    let drops_all = |death: &mut Death| old.clone().all(|i| death.drops(*list_items(list).offset(i), Death::DEPTH));
    if !Death::is_quiet(drops_all) {
        return 0;
    }
    if (is_type(items, &raw mut ffi::PyList_Type) || is_type(items, &raw mut ffi::PyTuple_Type))
        && size(items) == to - from
    {
        // As many as before: each takes the place of one.
        let new = if is_type(items, &raw mut ffi::PyTuple_Type) { tuple_items(items) } else { list_items(items) };
        for i in 0..size(items) {
            let place = list_items(list).offset(from + i);
            let old = core::mem::replace(&mut *place, newref(*new.offset(i)));
            decref(old);
        }
        return 1;
    }
    if ffi::PyList_SetSlice(list, old.start, old.end, items) < 0 {
        ffi::PyErr_Clear();
        return 0;
    }
    1
}

/// Whether a tuple that an iterator uses again for its items can let go of what is in it.
unsafe fn is_free(result: *mut PyObject) -> bool {
    let drops_all =
        |death: &mut Death| (0..size(result) as usize).all(|i| death.drops(tuple_item(result, i), Death::DEPTH));
    result.is_null() || refcnt(result) > 1 || Death::is_quiet(drops_all)
}

/// `Helper::QuietNext`.
pub(super) unsafe fn next(iter: *mut PyObject) -> *mut PyObject {
    let t = ty(iter);
    if is_dict_iter_type(t) {
        return if is_free_within(iter) { dict_iter_next(iter) } else { ptr::null_mut() };
    }
    let is_ready = if t == &raw mut ffi::PyEnum_Type {
        let iter = iter.cast::<EnumObject>();
        is_free((*iter).en_result) && is_free_within((*iter).en_sit)
    } else if t == &raw mut PyZip_Type {
        let iter = iter.cast::<ZipObject>();
        let parts = (*iter).ittuple;
        is_free((*iter).result) && (0..size(parts) as usize).all(|i| is_free_within(tuple_item(parts, i)))
    } else {
        is_free_within(iter)
    };
    if !is_ready || !iterator_has_next(iter) {
        return ptr::null_mut();
    }
    let Some(next) = (*t).tp_iternext else { return ptr::null_mut() };
    let item = next(iter);
    if item.is_null() {
        ffi::PyErr_Clear();
    }
    item
}

/// `Helper::Next`, as FOR_ITER does it.
pub(super) unsafe fn any_next(iter: *mut PyObject) -> *mut PyObject {
    // GET_ITER lets no other objects pass.
    let item = ((*ty(iter)).tp_iternext.unwrap_unchecked())(iter);
    if !item.is_null() {
        return item;
    }
    if !ffi::PyErr_Occurred().is_null() {
        if ffi::PyErr_ExceptionMatches(ffi::PyExc_StopIteration) == 0 {
            return ptr::null_mut();
        }
        ffi::PyErr_Clear();
    }
    newref(hotspur_tier1::shims::exhausted())
}

/// The same for one that iterates over a container itself.
unsafe fn is_free_within(iter: *mut PyObject) -> bool {
    let t = ty(iter);
    if is_dict_iter_type(t) {
        return is_free((*iter.cast::<DictIterObject>()).di_result);
    }
    is_item_iter_type(t)
}

/// `Helper::BindBuiltin`: `method_get` of CPython's descriptors of methods.
pub(super) unsafe fn bind_builtin(descriptor: *mut PyObject, receiver: *mut PyObject) -> *mut PyObject {
    let Some(get) = (*ty(descriptor)).tp_descr_get else { return ptr::null_mut() };
    let method = get(descriptor, receiver, ty(receiver).cast());
    if method.is_null() {
        ffi::PyErr_Clear();
    }
    method
}

/// `Helper::BoundSelf`, borrowed.
pub(super) unsafe fn bound_self(callable: *mut PyObject, descriptor: *mut PyObject) -> *mut PyObject {
    if !is_type(callable, &raw mut ffi::PyCFunction_Type) {
        return ptr::null_mut();
    }
    let method = callable.cast::<PyCFunctionObject>();
    let is_it = ptr::eq((*method).m_ml, (*descriptor.cast::<PyMethodDescrObject>()).d_method);
    if is_it { (*method).m_self } else { ptr::null_mut() }
}

#[cfg(test)]
mod tests {
    use super::adjusted;

    #[test]
    fn slices_begin_and_end_where_stepping_does() {
        let bounds = [isize::MIN, -7, -6, -5, -4, -1, 0, 1, 3, 4, 5, 6, 7, isize::MAX];
        for length in 0..6_isize {
            for step in [isize::MIN, -7, -3, -2, -1, 1, 2, 3, 7, isize::MAX] {
                for start in bounds {
                    for stop in bounds {
                        let from_end = |i: isize| i128::from(i as i64) + if i < 0 { length as i128 } else { 0 };
                        let (least, most) = if step < 0 { (-1, length - 1) } else { (0, length) };
                        let limited = |i: isize| from_end(i).clamp(least as i128, most as i128);
                        let (first, end) = (limited(start), limited(stop));
                        let mut expected = 0;
                        let mut i = first;
                        while if step < 0 { i > end } else { i < end } {
                            expected += 1;
                            i += step as i128;
                        }
                        assert_eq!(adjusted(length, start, stop, step), (first as isize, expected));
                    }
                }
            }
        }
    }
}
