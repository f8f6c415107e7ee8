//! LOAD_GLOBAL, as tier 1 has specialized it, and STORE_GLOBAL.
//!
//! The same code may run with other globals, so the frame's dictionary is guarded: by identity (a dictionary that is watched, so that another
//! one at its address is noticed) where the value is taken for granted, else by the version of its keys.
//!
//! Taken for granted is what usually stays: functions, classes, modules, unless it has changed before. The dictionaries are watched for these
//! names then.

use super::attributes::entry_index;
use super::{Lowering, Outcome};
use crate::state::Content;
use crate::trace::Keep;
use hotspur_cpython_sys::ffi::PyObject;
use hotspur_cpython_sys::*;
use hotspur_ir::Helper;
use hotspur_tier1::code::Word;
use hotspur_tier1::table::op;

/// The value (borrowed) at an offset from the keys of a dictionary, if they have this version.
unsafe fn value(dict: *mut PyObject, word: u64) -> Option<*mut PyObject> {
    if !is_type(dict, &raw mut ffi::PyDict_Type) {
        return None;
    }
    let keys = (*dict.cast::<PyDictObject>()).ma_keys;
    if (*keys).dk_version != word as u32 {
        return None;
    }
    let value = *keys.byte_add((word >> 32) as usize).cast::<*mut PyObject>();
    (!value.is_null()).then_some(value)
}

unsafe fn has_version(dict: *mut PyObject, word: u64) -> bool {
    is_type(dict, &raw mut ffi::PyDict_Type) && (*(*dict.cast::<PyDictObject>()).ma_keys).dk_version == word as u32
}

/// What keeps a value alive that is taken for granted; none if it is better loaded each time.
unsafe fn keep(value: *mut PyObject) -> Option<Keep> {
    if is_immortal(value) {
        return Some(Keep::Immortal);
    }
    let t = ty(value);
    if t == &raw mut ffi::PyCFunction_Type {
        // Methods bound to other objects than modules are nobody's business.
        let this = (*value.cast::<PyCFunctionObject>()).m_self;
        let is_module = !this.is_null() && is_type(this, &raw mut ffi::PyModule_Type);
        return is_module.then_some(Keep::Hold);
    }
    let stays = t == &raw mut PyFunction_Type || ffi::PyType_Check(value) != 0 || t == &raw mut ffi::PyModule_Type;
    stays.then_some(Keep::Guarded)
}

pub(super) unsafe fn load_global(l: &mut Lowering) -> Option<Outcome> {
    let is_builtin = match l.op() {
        op::LOAD_GLOBAL_MODULE => false,
        op::LOAD_GLOBAL_BUILTIN => true,
        _ => return None,
    };
    let (globals, builtins) = ((*l.s.frame).f_globals, (*l.s.frame).f_builtins);
    let words = [*Word::cache(l.s.pc.add(1)), *Word::cache(l.s.pc.add(2))];
    let real = if is_builtin {
        if !has_version(globals, words[0]) {
            return None;
        }
        value(builtins, words[1])?
    } else {
        value(globals, words[0])?
    };
    let name = l.s.name(l.oparg() >> 1);
    let found_in = if is_builtin { builtins } else { globals };
    let granted = keep(real).filter(|_| crate::history::stays(found_in, name, real));
    let v = if let Some(keep) = granted {
        namespace_is(l, 0, globals, name)?;
        if is_builtin {
            namespace_is(l, 1, builtins, name)?;
        }
        let v = l.f.constant(real, keep);
        if keep == Keep::Guarded {
            l.f.borrowed(v);
            l.f.info(v).kept = true;
        }
        v
    } else {
        let (dict, word) = if is_builtin { (builtins, words[1]) } else { (globals, words[0]) };
        let index = entry_index((*dict.cast::<PyDictObject>()).ma_keys, (word >> 32) as usize)?;
        let first = keys_are(l, 0, words[0])?;
        let namespace = if is_builtin { keys_are(l, 1, words[1])? } else { first };
        let v = l.f.builder.load_dict_value(namespace, index);
        l.f.info(v).nullable = true;
        l.decide_null(v, false);
        l.f.borrowed(v)
    };
    l.f.push_value(v);
    if l.oparg() & 1 != 0 {
        l.f.push(Content::Null);
    }
    l.done()
}

/// A name that the namespace has gets another value. (A new name is left to tier 1: that changes the keys.)
pub(super) unsafe fn store_global(l: &mut Lowering) -> Option<Outcome> {
    let globals = (*l.s.frame).f_globals;
    let name = l.s.name(l.oparg());
    if !is_type(globals, &raw mut ffi::PyDict_Type)
        || !unicode_is_interned(name)
        || dict_entry(globals.cast(), name).is_none()
    {
        return None;
    }
    let value = l.f.peek(1)?;
    let value = l.f.boxed(value);
    let namespace = l.f.namespace(0)?;
    let name = super::attributes::name_constant(l, name);
    let old = l.found(Helper::NameStore, &[namespace, name, value])?;
    let content = l.f.pop();
    l.f.release(Content::Value(old));
    l.f.release(content);
    l.done()
}

/// Guards that a namespace of the frame is this dictionary, and takes for granted what it has, or has not, under this name.
unsafe fn namespace_is(l: &mut Lowering, which: usize, dict: *mut PyObject, name: *mut PyObject) -> Option<()> {
    let namespace = l.f.namespace(which)?;
    let id = l.f.object(dict, Keep::Guarded);
    l.guard_is(namespace, dict, id);
    if !l.f.values.contains(&(dict, name)) {
        l.f.values.push((dict, name));
    }
    Some(())
}

/// Guards that a namespace of the frame is a dictionary whose keys have the version in a cache word.
unsafe fn keys_are(l: &mut Lowering, which: usize, word: u64) -> Option<hotspur_ir::Value> {
    let namespace = l.f.namespace(which)?;
    if l.f.info(namespace).constant.is_null() {
        l.f.guard_class(namespace, &raw mut ffi::PyDict_Type);
    }
    l.f.at();
    l.f.builder.guard_keys_version(namespace, word as u32);
    Some(namespace)
}
