//! Global variables.
//!
//! LOAD_GLOBAL's caches: word 1 is about the globals, word 2 about the builtins; each holds the version of the dictionary's
//! keys in its low half and the offset of the variable's value from them in its high half. The same code may run with
//! other globals, dictionaries of a derived type included, and a copy of a dictionary has the keys' version of its
//! original: that is why the type is checked each time.

use crate::dispatch::{Ret, State};
use crate::ops::names::{name_error, optional_item};
use crate::{adapt, handler};
use core::ptr;
use ffi::PyObject;
use hotspur_cpython_sys::*;

/// The keys of a dictionary if they are those that a cache word is about, else null.
#[inline(always)]
unsafe fn keys_of_version(dict: *mut PyObject, word: u64) -> *mut DictKeys {
    if !is_type(dict, &raw mut ffi::PyDict_Type) {
        return ptr::null_mut();
    }
    let keys = (*dict.cast::<PyDictObject>()).ma_keys;
    if (*keys).dk_version == word as u32 { keys } else { ptr::null_mut() }
}

#[inline(always)]
unsafe fn value_at(keys: *mut DictKeys, word: u64) -> *mut PyObject {
    *keys.byte_add((word >> 32) as usize).cast::<*mut PyObject>()
}

/// Pushes the value (borrowed), and an empty receiver where a call follows.
#[inline(always)]
unsafe fn loaded(mut s: State, value: *mut PyObject) -> Ret {
    s.push(newref(value));
    if s.oparg() & 1 != 0 {
        s.push(ptr::null_mut());
    }
    s.next(5)
}

/// The variable's value, a new reference; null with an exception set if there is none.
#[inline(never)]
pub(super) unsafe fn load_global(s: State, name: *mut PyObject) -> *mut PyObject {
    let (globals, builtins) = ((*s.frame).f_globals, (*s.frame).f_builtins);
    let dict_type = &raw mut ffi::PyDict_Type;
    if is_type(globals, dict_type) && is_type(builtins, dict_type) {
        let value = _PyDict_LoadGlobal(globals.cast(), builtins.cast(), name);
        if value.is_null() && (*s.tstate()).current_exception.is_null() {
            name_error(s, name);
        }
        return value;
    }
    for namespace in [globals, builtins] {
        let (found, value) = optional_item(namespace, name);
        if found != 0 {
            return value;
        }
    }
    name_error(s, name);
    ptr::null_mut()
}

#[inline(never)]
unsafe fn remove(dict: *mut PyObject, name: *mut PyObject) -> i32 {
    ffi::PyDict_Pop(dict, name, ptr::null_mut())
}

handler! {
    LOAD_GLOBAL(s) {
        adapt!(s, crate::specialize::load_global::load_global);
        s.save_ip();
        let value = load_global(s, s.name(s.oparg() >> 1));
        if value.is_null() {
            return s.error();
        }
        s.push(value);
        if s.oparg() & 1 != 0 {
            s.push(ptr::null_mut());
        }
        s.next_escaped(5)
    }

    LOAD_GLOBAL_MODULE(s) {
        let word = *s.cache(1);
        let keys = keys_of_version((*s.frame).f_globals, word);
        if keys.is_null() {
            return s.tail(LOAD_GLOBAL);
        }
        let value = value_at(keys, word);
        if value.is_null() {
            return s.tail(LOAD_GLOBAL);
        }
        loaded(s, value)
    }

    /// The globals' keys lack the name.
    LOAD_GLOBAL_BUILTIN(s) {
        let word = *s.cache(2);
        let globals_keys = keys_of_version((*s.frame).f_globals, *s.cache(1));
        let keys = keys_of_version((*s.frame).f_builtins, word);
        if globals_keys.is_null() || keys.is_null() {
            return s.tail(LOAD_GLOBAL);
        }
        let value = value_at(keys, word);
        if value.is_null() {
            return s.tail(LOAD_GLOBAL);
        }
        loaded(s, value)
    }

    STORE_GLOBAL(s) {
        s.save_ip();
        let value = s.pop();
        let failed = ffi::PyDict_SetItem((*s.frame).f_globals, s.name(s.oparg()), value) != 0;
        decref(value);
        if failed {
            return s.error();
        }
        s.next_escaped(1)
    }

    DELETE_GLOBAL(s) {
        s.save_ip();
        let name = s.name(s.oparg());
        let found = remove((*s.frame).f_globals, name);
        if found <= 0 {
            if found == 0 {
                name_error(s, name);
            }
            return s.error();
        }
        s.next_escaped(1)
    }
}
