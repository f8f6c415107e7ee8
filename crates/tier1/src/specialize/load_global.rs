//! LOAD_GLOBAL.

use crate::dispatch::State;
use crate::table::op;
use ffi::PyObject;
use hotspur_cpython_sys::*;

/// Specializes for a variable that is among the globals, or that is missing there and among the builtins.
#[cold]
#[inline(never)]
pub unsafe fn load_global(s: State) {
    match choose(s) {
        Some(op) => s.specialize(op),
        None => s.give_up(),
    }
}

/// The keys of a plain dictionary of strings, and whether `name` is one of them.
unsafe fn look_up(dict: *mut PyObject, name: *mut PyObject) -> Option<(*mut DictKeys, bool)> {
    if !is_type(dict, &raw mut ffi::PyDict_Type) {
        return None;
    }
    let keys = (*dict.cast::<PyDictObject>()).ma_keys;
    if (*keys).dk_kind != DICT_KEYS_UNICODE {
        return None;
    }
    // All keys are strings: this runs no other code.
    match ffi::PyDict_Contains(dict, name) {
        0 => Some((keys, false)),
        1 => Some((keys, true)),
        _ => {
            ffi::PyErr_Clear();
            None
        }
    }
}

/// The cache word for these keys, with `offset`.
pub(super) unsafe fn keys_word(keys: *mut DictKeys, offset: usize) -> Option<u64> {
    let version = keys_version(keys);
    let offset = u32::try_from(offset).ok()?;
    (version != 0).then_some(u64::from(version) | u64::from(offset) << 32)
}

/// Offset of the value that belongs to `name` from its keys.
pub(super) unsafe fn value_offset(keys: *mut DictKeys, name: *mut PyObject) -> Option<usize> {
    let index = find_interned(keys, name)?;
    let value = &raw mut (*unicode_entries(keys).add(index)).me_value;
    Some(value as usize - keys as usize)
}

unsafe fn choose(s: State) -> Option<u16> {
    let name = s.name(s.oparg() >> 1);
    let (globals_keys, present) = look_up((*s.frame).f_globals, name)?;
    if present {
        *s.cache(1) = keys_word(globals_keys, value_offset(globals_keys, name)?)?;
        return Some(op::LOAD_GLOBAL_MODULE);
    }
    let (keys, present) = look_up((*s.frame).f_builtins, name)?;
    if !present {
        return None;
    }
    let word = keys_word(keys, value_offset(keys, name)?)?;
    *s.cache(1) = keys_word(globals_keys, 0)?;
    *s.cache(2) = word;
    Some(op::LOAD_GLOBAL_BUILTIN)
}
