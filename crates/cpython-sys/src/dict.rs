//! Dictionaries: entries, key versions.

use crate::layout::*;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use pyo3_ffi::PyObject;

/// `DK_IS_UNICODE`: all keys are exact strings (entries are [`DictUnicodeEntry`]).
#[inline(always)]
pub unsafe fn keys_are_unicode(keys: *mut DictKeys) -> bool {
    (*keys).dk_kind != DICT_KEYS_GENERAL
}

/// Distance in bytes from the head of a table to its first entry.
#[inline(always)]
pub unsafe fn keys_entries_offset(keys: *mut DictKeys) -> usize {
    core::mem::offset_of!(DictKeys, dk_indices) + (1usize << (*keys).dk_log2_index_bytes)
}

/// `DK_UNICODE_ENTRIES`.
#[inline(always)]
pub unsafe fn unicode_entries(keys: *mut DictKeys) -> *mut DictUnicodeEntry {
    keys.byte_add(keys_entries_offset(keys)).cast()
}

/// `DK_ENTRIES` of a general table.
#[inline(always)]
pub unsafe fn general_entries(keys: *mut DictKeys) -> *mut DictKeyEntry {
    keys.byte_add(keys_entries_offset(keys)).cast()
}

/// Index of the entry whose key *is* `name` (an interned string), by identity alone; `None` if there is none.
///
/// CPython's own look-up by hash is not exported. Only specializers call this, so a linear scan will do; tables in which an
/// equal but different string object is the key answer `None`, which is safe for "found" and must not be read as "absent"
/// (see [`keys_lack_string`]).
pub unsafe fn find_interned(keys: *mut DictKeys, name: *mut PyObject) -> Option<usize> {
    let n = (*keys).dk_nentries as usize;
    if keys_are_unicode(keys) {
        let entries = unicode_entries(keys);
        (0..n).find(|&i| (*entries.add(i)).me_key == name)
    } else {
        let entries = general_entries(keys);
        (0..n).find(|&i| (*entries.add(i)).me_key == name)
    }
}

/// Whether a table of exact strings has no key equal to `name`. (False also when it cannot tell.)
pub unsafe fn keys_lack_string(keys: *mut DictKeys, name: *mut PyObject) -> bool {
    if !keys_are_unicode(keys) {
        return false;
    }
    let entries = unicode_entries(keys);
    (0..(*keys).dk_nentries as usize).all(|i| {
        let key = (*entries.add(i)).me_key;
        key.is_null() || (key != name && crate::_PyUnicode_Equal(key, name) == 0)
    })
}

/// `_PyDictKeys_GetVersionForCurrentState`: a number for this set of keys at these places, never zero unless numbers ran out.
///
/// CPython numbers tables upwards from a private counter, and resets a table's number whenever its keys change. We number
/// downwards from the top, so that the two can share the field without sharing the counter.
pub unsafe fn keys_version(keys: *mut DictKeys) -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(u32::MAX);
    if (*keys).dk_version != 0 {
        return (*keys).dk_version;
    }
    let version = NEXT.load(Ordering::Relaxed);
    if version < 1 << 31 {
        return 0;
    }
    NEXT.store(version - 1, Ordering::Relaxed);
    (*keys).dk_version = version;
    version
}

/// Marks a dictionary as modified (PEP 509), for a store that bypasses `PyDict_SetItem`. Watchers, if it has some, must
/// have been told. Versions come from the top half of the range: CPython counts upwards from zero.
#[inline(always)]
pub unsafe fn dict_touch(dict: *mut PyDictObject) {
    static NEXT: AtomicU64 = AtomicU64::new(1 << 63);
    const KEPT: u64 = 0xfff;
    let version = NEXT.load(Ordering::Relaxed) + KEPT + 1;
    NEXT.store(version, Ordering::Relaxed);
    (*dict).ma_version_tag = version | ((*dict).ma_version_tag & KEPT);
}

/// Whether anyone watches this dictionary.
#[inline(always)]
pub unsafe fn dict_is_watched(dict: *mut PyDictObject) -> bool {
    dict_watchers(dict) != 0
}

/// Who watches this dictionary: a bit for each watcher.
#[inline(always)]
pub unsafe fn dict_watchers(dict: *mut PyDictObject) -> u64 {
    (*dict).ma_version_tag & 0xff
}

/// Whether a table of keys has an entry with this index.
#[inline(always)]
pub unsafe fn keys_have_entry(keys: *mut DictKeys, index: usize) -> bool {
    index < (*keys).dk_nentries as usize
}

/// Where a dictionary keeps the value of the entry with this index: in the entry, or for a split table among the values.
#[inline(always)]
pub unsafe fn dict_value_slot(dict: *mut PyDictObject, index: usize) -> *mut *mut PyObject {
    if !(*dict).ma_values.is_null() {
        return crate::inline_value_slot((*dict).ma_values, index);
    }
    let keys = (*dict).ma_keys;
    if keys_are_unicode(keys) {
        &raw mut (*unicode_entries(keys).add(index)).me_value
    } else {
        &raw mut (*general_entries(keys).add(index)).me_value
    }
}

/// The key of the entry with this index.
#[inline(always)]
pub unsafe fn dict_key(dict: *mut PyDictObject, index: usize) -> *mut PyObject {
    let keys = (*dict).ma_keys;
    if keys_are_unicode(keys) {
        (*unicode_entries(keys).add(index)).me_key
    } else {
        (*general_entries(keys).add(index)).me_key
    }
}

/// Makes a dictionary known to the collector if it has not been so far and is about to hold this value.
#[inline(always)]
pub unsafe fn dict_maintain_tracking(dict: *mut PyDictObject, value: *mut PyObject) {
    if !crate::gc_is_tracked(dict.cast()) && pyo3_ffi::PyObject_IS_GC(value) != 0 {
        pyo3_ffi::PyObject_GC_Track(dict.cast());
    }
}

/// Replaces the value of an entry that holds one. The reference to the new value is taken, and what was there is not dropped.
/// Watchers are told, the version changes, and the collector learns of the dictionary if need be. Negative, with an exception
/// set, if that was not possible (memory ran out).
pub unsafe fn dict_replace_value(dict: *mut PyDictObject, index: usize, value: *mut PyObject) -> core::ffi::c_int {
    if dict_is_watched(dict) {
        // How watchers are called is not exported, so a public function does it. What it drops is given to it.
        crate::incref(*dict_value_slot(dict, index));
        let done = pyo3_ffi::PyDict_SetItem(dict.cast(), dict_key(dict, index), value);
        crate::decref(value);
        return done;
    }
    dict_put_value(dict, index, value);
    0
}

/// The same, if there are no watchers or they know already. It cannot fail.
#[inline(always)]
pub unsafe fn dict_put_value(dict: *mut PyDictObject, index: usize, value: *mut PyObject) {
    dict_maintain_tracking(dict, value);
    *dict_value_slot(dict, index) = value;
    dict_touch(dict);
}
