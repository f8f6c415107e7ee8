//! What is not published, found out on threads and objects of built-in types. Code is in `code.rs`.

use super::{Checked, Owned, number, same, string};
use crate::array::ByteArrayObject;
use crate::layout::*;
use crate::{dict, object};
use core::mem::offset_of;
use core::ptr::null_mut;
use pyo3_ffi::{self as ffi, PyObject};

/// What is not published, found out on live objects.
pub(super) unsafe fn live() -> Checked {
    thread()?;
    crate::collector::find_collector(ffi::PyInterpreterState_Get())?;
    crate::watch::find_function_watchers(ffi::PyInterpreterState_Get())?;
    numbers_and_sequences()?;
    bytearrays()?;
    dictionaries()?;
    super::code::code()
}

unsafe fn thread() -> Checked {
    let raw = ffi::PyThreadState_Get();
    let ts = raw.cast::<ThreadState>();
    same("interp", (*ts).interp, ffi::PyInterpreterState_Get())?;
    same("thread_id", (*ts).thread_id, ffi::PyThread_get_thread_ident())?;
    same("id", (*ts).id, ffi::PyThreadState_GetID(raw) as u64)?;
    let limit = ffi::Py_GetRecursionLimit();
    same("py_recursion_limit", (*ts).py_recursion_limit, limit)?;
    let remaining = (*ts).py_recursion_remaining;
    if remaining > limit || remaining < 0 {
        return Err(format!("py_recursion_remaining is {remaining}"));
    }
    let remaining = (*ts).c_recursion_remaining;
    if !(0..=1 << 20).contains(&remaining) {
        return Err(format!("c_recursion_remaining is {remaining}"));
    }
    // Made on demand.
    let dict = ffi::PyThreadState_GetDict();
    same("dict", (*ts).dict, dict)?;
    let chunk = (*ts).datastack_chunk;
    if !chunk.is_null() {
        let (top, limit) = ((*ts).datastack_top, (*ts).datastack_limit);
        same("datastack_limit", limit.addr(), chunk.addr() + (*chunk).size)?;
        let data = chunk.addr() + offset_of!(StackChunk, data);
        if !(data..=limit.addr()).contains(&top.addr()) {
            return Err("datastack_top lies outside of its chunk".to_string());
        }
    }

    // The exception that is being raised, and the one that is being handled.
    ffi::PyErr_SetNone(ffi::PyExc_KeyError);
    let current = (*ts).current_exception;
    let raised = Owned::new(ffi::PyErr_GetRaisedException(), "an exception")?;
    same("current_exception", current, raised.0)?;
    same("current_exception", (*ts).current_exception, null_mut())?;
    let before = ffi::PyErr_GetHandledException();
    ffi::PyErr_SetHandledException(raised.0);
    let handled = (*(*ts).exc_info).exc_value;
    ffi::PyErr_SetHandledException(before);
    ffi::Py_XDECREF(before);
    same("exc_info", handled, raised.0)?;
    let mut item = (*ts).exc_info;
    while !(*item).previous_item.is_null() {
        item = (*item).previous_item;
    }
    same("exc_state", item, &raw mut (*ts).exc_state)
}

unsafe fn numbers_and_sequences() -> Checked {
    for (value, tag, digit) in [
        (0, 1, None),
        (1, 1 << 3, Some(1)),
        (-5, 1 << 3 | 2, Some(5)),
        ((1 << 30) - 1, 1 << 3, Some((1 << 30) - 1)),
        ((1 << 40) + 7, 2 << 3, Some(7)),
        (-(1 << 40) - 7, 2 << 3 | 2, Some(7)),
    ] {
        let object = number(value)?;
        let long = object.0.cast::<PyLongObject>();
        same("lv_tag", (*long).lv_tag, tag)?;
        if let Some(digit) = digit {
            same("ob_digit", (&raw const (*long).ob_digit).cast::<u32>().read(), digit)?;
        }
        same("is compact", object::long_is_compact(object.0), tag >> 3 < 2)?;
        if object::long_is_compact(object.0) {
            same("compact value", object::long_compact_value(object.0), value as isize)?;
        }
    }
    let float = Owned::new(ffi::PyFloat_FromDouble(1.5), "a float")?;
    same("ob_fval", object::float_value(float.0), 1.5)?;

    let text = string(c"hotspur")?;
    let ascii = text.0.cast::<PyASCIIObject>();
    same("length", (*ascii).length, 7)?;
    same("hash", (*ascii).hash, ffi::PyObject_Hash(text.0))?;
    // Interned; one byte per character, compact, ASCII.
    same("interned", (*ascii).state & 3 != 0, true)?;
    same("kind, compact, ascii", (*ascii).state >> 2 & 0x1f, 1 | 1 << 3 | 1 << 4)?;
    same("text", core::slice::from_raw_parts(object::ascii_text(text.0), 7), b"hotspur".as_slice())?;

    let tuple = Owned::new(ffi::PyTuple_Pack(2, text.0, float.0), "a tuple")?;
    same("tuple size", object::size(tuple.0), 2)?;
    same("tuple item", object::tuple_item(tuple.0, 1), float.0)?;
    let list = Owned::new(ffi::PySequence_List(tuple.0), "a list")?;
    same("list size", object::size(list.0), 2)?;
    same("list item", *object::list_items(list.0).add(1), float.0)?;
    let allocated = (*list.0.cast::<PyListObject>()).allocated;
    if !(2..16).contains(&allocated) {
        return Err(format!("list.allocated is {allocated}"));
    }

    // Iterators, after one step.
    let step = |iterator: &Owned| Owned::new(ffi::PyIter_Next(iterator.0), "an item").map(drop);
    let iterator = Owned::new(ffi::PyObject_GetIter(list.0), "an iterator")?;
    step(&iterator)?;
    let raw = iterator.0.cast::<ListIterObject>();
    same("list iterator", ((*raw).it_index, (*raw).it_seq), (1, list.0.cast()))?;
    let iterator = Owned::new(ffi::PyObject_GetIter(tuple.0), "an iterator")?;
    step(&iterator)?;
    let raw = iterator.0.cast::<TupleIterObject>();
    same("tuple iterator", ((*raw).it_index, (*raw).it_seq), (1, tuple.0.cast()))?;
    let iterator = Owned::new(ffi::PyObject_GetIter(text.0), "an iterator")?;
    step(&iterator)?;
    let raw = iterator.0.cast::<IndexIterObject>();
    same("string iterator", ((*raw).it_index, (*raw).it_seq), (1, text.0))?;
    crate::iterators::set_ascii_iter_type(object::ty(iterator.0));
    let other = Owned::new(ffi::PyUnicode_FromOrdinal(0x151), "a string")?;
    let iterator = Owned::new(ffi::PyObject_GetIter(other.0), "an iterator")?;
    same("string iterator's type", object::ty(iterator.0), &raw mut ffi::PyUnicodeIter_Type)?;
    step(&iterator)?;
    let raw = iterator.0.cast::<IndexIterObject>();
    same("string iterator", ((*raw).it_index, (*raw).it_seq), (1, other.0))?;
    let bytes = Owned::new(ffi::PyBytes_FromString(c"hotspur".as_ptr()), "bytes")?;
    same("size of bytes", object::size(bytes.0), 7)?;
    let iterator = Owned::new(ffi::PyObject_GetIter(bytes.0), "an iterator")?;
    step(&iterator)?;
    let raw = iterator.0.cast::<IndexIterObject>();
    same("bytes iterator", ((*raw).it_index, (*raw).it_seq), (1, bytes.0))?;
    let iterator = Owned::new(
        ffi::PyObject_CallFunctionObjArgs((&raw mut ffi::PyReversed_Type).cast(), list.0, null_mut::<PyObject>()),
        "an iterator",
    )?;
    same("reversed list's type", object::ty(iterator.0), &raw mut ffi::PyListRevIter_Type)?;
    step(&iterator)?;
    let raw = iterator.0.cast::<IndexIterObject>();
    same("reversed list", ((*raw).it_index, (*raw).it_seq), (0, list.0))?;
    let set = Owned::new(ffi::PySet_New(tuple.0), "a set")?;
    let iterator = Owned::new(ffi::PyObject_GetIter(set.0), "an iterator")?;
    step(&iterator)?;
    let raw = iterator.0.cast::<SetIterObject>();
    same("set iterator", ((*raw).si_set, (*raw).si_used, (*raw).len), (set.0.cast(), 2, 1))?;
    let (at, raw_set) = ((*raw).si_pos as usize, set.0.cast::<ffi::PySetObject>());
    same("set iterator's position", at > 0 && !(*(*raw_set).table.add(at - 1)).key.is_null(), true)?;
    let dict = Owned::new(ffi::PyDict_New(), "a dict")?;
    for key in [number(1)?, number(2)?] {
        same("dict item", ffi::PyDict_SetItem(dict.0, key.0, float.0), 0)?;
    }
    let items = Owned::new(ffi::PyUnicode_FromString(c"items".as_ptr()), "a string")?;
    let view = Owned::new(ffi::PyObject_CallMethodNoArgs(dict.0, items.0), "a view")?;
    let iterator = Owned::new(ffi::PyObject_GetIter(view.0), "an iterator")?;
    step(&iterator)?;
    let raw = iterator.0.cast::<DictIterObject>();
    same("dict iterator", ((*raw).di_dict, (*raw).di_used, (*raw).di_pos, (*raw).len), (dict.0.cast(), 2, 1, 1))?;
    same("dict iterator's item", object::ty((*raw).di_result), &raw mut ffi::PyTuple_Type)?;
    let call = |class: *mut ffi::PyTypeObject, argument: &Owned| {
        let no_more = null_mut::<PyObject>();
        Owned::new(ffi::PyObject_CallFunctionObjArgs(class.cast(), argument.0, no_more), "an iterator")
    };
    let iterator = call(&raw mut ffi::PyEnum_Type, &list)?;
    step(&iterator)?;
    let raw = iterator.0.cast::<EnumObject>();
    same("enumerate", ((*raw).en_index, (*raw).en_longindex), (1, null_mut()))?;
    same("enumerate's iterator", object::ty((*raw).en_sit), &raw mut crate::PyListIter_Type)?;
    same("enumerate's item", object::ty((*raw).en_result), &raw mut ffi::PyTuple_Type)?;
    let iterator = call(&raw mut crate::PyZip_Type, &list)?;
    step(&iterator)?;
    let raw = iterator.0.cast::<ZipObject>();
    same("zip", ((*raw).tuplesize, (*raw).strict), (1, 0))?;
    same("zip's iterators", object::ty((*raw).ittuple), &raw mut ffi::PyTuple_Type)?;
    same("zip's item", object::ty((*raw).result), &raw mut ffi::PyTuple_Type)?;
    let (start, stop, by) = (number(10)?, number(22)?, number(3)?);
    let range = Owned::new(
        ffi::PyObject_CallFunctionObjArgs(
            (&raw mut ffi::PyRange_Type).cast(),
            start.0,
            stop.0,
            by.0,
            null_mut::<PyObject>(),
        ),
        "a range",
    )?;
    let iterator = Owned::new(ffi::PyObject_GetIter(range.0), "an iterator")?;
    step(&iterator)?;
    let raw = iterator.0.cast::<RangeIterObject>();
    same("range iterator", ((*raw).start, (*raw).step, (*raw).len), (13, 3, 3))
}

unsafe fn bytearrays() -> Checked {
    let bytes = Owned::new(ffi::PyByteArray_FromStringAndSize(c"hotspur".as_ptr(), 7), "a bytearray")?;
    let raw = bytes.0.cast::<ByteArrayObject>();
    same("bytearray", ((*raw).ob_base.ob_size, (*raw).ob_start), (7, ffi::PyByteArray_AsString(bytes.0)))
}

unsafe fn dictionaries() -> Checked {
    let (key, value) = (string(c"hotspur")?, number(1000)?);
    let dict = Owned::new(ffi::PyDict_New(), "a dict")?;
    ffi::PyDict_SetItem(dict.0, key.0, value.0);
    let raw = dict.0.cast::<PyDictObject>();
    same("ma_used", (*raw).ma_used, 1)?;
    same("ma_values", (*raw).ma_values, null_mut())?;
    let keys = (*raw).ma_keys;
    same("dk_refcnt", (*keys).dk_refcnt, 1)?;
    same("dk_kind", (*keys).dk_kind, DICT_KEYS_UNICODE)?;
    same("dk_nentries", (*keys).dk_nentries, 1)?;
    same("dk_version", (*keys).dk_version, 0)?;
    // Two thirds of the table are usable.
    let usable = (1 << (*keys).dk_log2_size) * 2 / 3;
    same("dk_usable", (*keys).dk_usable, usable - 1)?;
    let entry = dict::unicode_entries(keys);
    same("me_key", (*entry).me_key, key.0)?;
    same("me_value", (*entry).me_value, value.0)?;
    let version = (*raw).ma_version_tag;
    let other = number(2000)?;
    ffi::PyDict_SetItem(dict.0, key.0, other.0);
    if (*raw).ma_version_tag == version {
        return Err("ma_version_tag does not change".to_string());
    }
    same("no watchers", dict::dict_is_watched(raw), false)?;
    let proxy = Owned::new(ffi::PyDictProxy_New(dict.0), "a mappingproxy")?;
    same("mapping", (*proxy.0.cast::<MappingProxyObject>()).mapping, dict.0)?;

    let dict = Owned::new(ffi::PyDict_New(), "a dict")?;
    ffi::PyDict_SetItem(dict.0, value.0, key.0);
    let keys = (*dict.0.cast::<PyDictObject>()).ma_keys;
    same("dk_kind", (*keys).dk_kind, DICT_KEYS_GENERAL)?;
    let entry = dict::general_entries(keys);
    same("me_hash", (*entry).me_hash, ffi::PyObject_Hash(value.0))?;
    same("me_key", (*entry).me_key, value.0)?;
    same("me_value", (*entry).me_value, key.0)
}
