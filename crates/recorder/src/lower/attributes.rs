//! LOAD_ATTR and STORE_ATTR, as tier 1 has specialized them.
//!
//! The specialization's cache says where the attribute is; what the handler tests is tested here and guarded in the
//! superblock. (What the caches hold is described in tier 1's `ops/attributes.rs`.)

use super::{Lowering, Outcome};
use crate::facts;
use crate::state::Content;
use crate::trace::Keep;
use core::mem::offset_of;
use hotspur_cpython_sys::ffi::{PyObject, PyTypeObject};
use hotspur_cpython_sys::*;
use hotspur_ir::Value;
use hotspur_tier1::table::op;

/// Offset of the first inline value in an instance.
const INLINE_VALUES: usize = size_of::<PyObject>() + offset_of!(DictValues, values);

impl Lowering<'_> {
    /// Guards that the owner's type has this version, as it really has. Types that cannot change are guarded by identity.
    unsafe fn guard_version(&mut self, owner: Value, real: *mut PyObject, version: u32) {
        let class = ty(real);
        if facts::is_static(class) {
            self.f.guard_class(owner, class);
            return;
        }
        self.f.at();
        self.f.builder.guard_type_version(owner, version);
    }

    /// The attribute, which was loaded and may be null: guards that it is not, and takes a reference.
    unsafe fn attribute(&mut self, attr: Value) -> Value {
        self.f.info(attr).nullable = true;
        self.decide_null(attr, false);
        self.f.borrowed(attr)
    }

    /// Replaces the owner by the attribute, and says "no receiver" where a call follows.
    unsafe fn loaded(&mut self, attr: Value) -> Option<Outcome> {
        let is_call = self.oparg() & 1 != 0;
        let owner = self.f.pop();
        self.f.push_value(attr);
        if is_call {
            self.f.push(Content::Null);
        }
        self.f.release(owner);
        self.done()
    }

    /// A constant found in a type whose version is guarded.
    unsafe fn type_constant(&mut self, class: *mut PyTypeObject, object: *mut PyObject) -> Value {
        if is_immortal(object) {
            return self.f.constant(object, Keep::Immortal);
        }
        if facts::is_static(class) {
            return self.f.constant(object, Keep::Hold);
        }
        let v = self.f.constant(object, Keep::Guarded);
        self.f.borrowed(v)
    }
}

pub(super) unsafe fn load_attr(l: &mut Lowering) -> Option<Outcome> {
    let real = l.real(1);
    let class = ty(real);
    let (version, high) = l.halves();
    let number = l.op();
    if number == op::LOAD_ATTR_MODULE {
        return module_attribute(l, version, high);
    }
    // All the others: the version of the owner's type.
    if (*class).tp_version_tag != version || version == 0 {
        return unforeseen(l);
    }
    let owner = l.f.peek(1)?;
    match number {
        op::LOAD_ATTR_INSTANCE_VALUE => {
            let offset = high as usize;
            if (*inline_values(real)).valid == 0 || (*real.byte_add(offset).cast::<*mut PyObject>()).is_null() {
                return None;
            }
            instance_value(l, ((offset - INLINE_VALUES) / size_of::<*mut PyObject>()) as u32)
        }
        op::LOAD_ATTR_SLOT => {
            if (*real.byte_add(high as usize).cast::<*mut PyObject>()).is_null() {
                return None;
            }
            l.guard_version(owner, real, version);
            let attr = l.f.builder.load_slot(owner, high);
            let attr = l.attribute(attr);
            l.loaded(attr)
        }
        op::LOAD_ATTR_NONDESCRIPTOR_WITH_VALUES | op::LOAD_ATTR_METHOD_WITH_VALUES => {
            if (*inline_values(real)).valid == 0 || (*cached_keys(class)).dk_version != high {
                return None;
            }
            let attr = l.cached();
            not_in_instance(l, high)?;
            found_in_type(l, attr, number == op::LOAD_ATTR_METHOD_WITH_VALUES)
        }
        op::LOAD_ATTR_NONDESCRIPTOR_NO_DICT | op::LOAD_ATTR_METHOD_NO_DICT => {
            l.guard_version(owner, real, version);
            let attr = l.cached();
            found_in_type(l, attr, number == op::LOAD_ATTR_METHOD_NO_DICT)
        }
        _ => None,
    }
}

/// The attribute is one of the inline values, which are valid, and is there.
unsafe fn instance_value(l: &mut Lowering, index: u32) -> Option<Outcome> {
    let real = l.real(1);
    let owner = l.f.peek(1)?;
    l.guard_version(owner, real, (*ty(real)).tp_version_tag);
    l.f.at();
    l.f.builder.guard_inline_values(owner);
    let attr = l.f.builder.load_inline(owner, index);
    let attr = l.attribute(attr);
    l.loaded(attr)
}

/// Guards that the owner's inline values, which are valid, have no such attribute: their keys have this version.
unsafe fn not_in_instance(l: &mut Lowering, keys_version: u32) -> Option<()> {
    let real = l.real(1);
    let owner = l.f.peek(1)?;
    l.guard_version(owner, real, (*ty(real)).tp_version_tag);
    l.f.at();
    l.f.builder.guard_inline_values(owner);
    l.f.builder.guard_shared_keys_version(owner, keys_version);
    Some(())
}

/// The instruction is specialized for another type than the owner has this time: what it would be specialized for, if that is an attribute
/// of an instance with inline values, or one that its class has.
unsafe fn unforeseen(l: &mut Lowering) -> Option<Outcome> {
    let real = l.real(1);
    let class = ty(real);
    let name = l.s.name(l.oparg() >> 1);
    let is_call = l.oparg() & 1 != 0;
    let object = &raw const ffi::PyBaseObject_Type;
    let is_generic = (*class).tp_getattro.map(|f| f as usize) == (*object).tp_getattro.map(|f| f as usize);
    if !is_generic
        || (*class).tp_version_tag == 0
        || !has_feature(class, TPFLAGS_INLINE_VALUES)
        || (*inline_values(real)).valid == 0
    {
        return None;
    }
    let keys = cached_keys(class);
    // The type has a version, so this is a look-up in its cache or dictionaries of names, which runs no code.
    let found = _PyType_Lookup(class, name);
    if found.is_null() {
        let index = find_interned(keys, name)?;
        if (*inline_value_slot(inline_values(real), index)).is_null() {
            return None;
        }
        return instance_value(l, u32::try_from(index).ok()?);
    }
    let kind = ty(found);
    if !has_feature(kind, ffi::Py_TPFLAGS_IMMUTABLETYPE) || (*kind).tp_descr_set.is_some() {
        return None;
    }
    let is_method = (*kind).tp_descr_get.is_some();
    if is_method != is_call || is_method && !has_feature(kind, TPFLAGS_METHOD_DESCRIPTOR) {
        return None;
    }
    if !keys_lack_string(keys, name) {
        return None;
    }
    let version = keys_version(keys);
    if version == 0 {
        return None;
    }
    not_in_instance(l, version)?;
    found_in_type(l, found, is_method)
}

/// The attribute is an object (borrowed) that the type has; a method is pushed below its receiver.
unsafe fn found_in_type(l: &mut Lowering, attr: *mut PyObject, is_method: bool) -> Option<Outcome> {
    let attr = l.type_constant(ty(l.real(1)), attr);
    if !is_method {
        return l.loaded(attr);
    }
    let owner = l.f.pop();
    l.f.push_value(attr);
    l.f.push(owner);
    l.done()
}

unsafe fn module_attribute(l: &mut Lowering, version: u32, offset: u32) -> Option<Outcome> {
    let real = l.real(1);
    let class = &raw mut ffi::PyModule_Type;
    if !is_type(real, class) {
        return None;
    }
    let dict = (*real.cast::<PyModuleObject>()).md_dict.cast::<PyDictObject>();
    let keys = (*dict).ma_keys;
    if (*keys).dk_version != version || (*keys.byte_add(offset as usize).cast::<*mut PyObject>()).is_null() {
        return None;
    }
    let index = entry_index(keys, offset as usize)?;
    let owner = l.f.peek(1)?;
    l.f.at();
    // A module's `__class__` can be assigned, so its type is not remembered.
    let id = l.f.object(class.cast(), Keep::Immortal);
    l.f.builder.guard_type(owner, id);
    let dict = l.f.builder.module_dict(owner);
    l.f.builder.guard_keys_version(dict, version);
    let attr = l.f.builder.load_dict_value(dict, index);
    let attr = l.attribute(attr);
    l.loaded(attr)
}

/// Which entry of a table of strings has its value at this offset from the keys.
pub(super) unsafe fn entry_index(keys: *mut DictKeys, offset: usize) -> Option<u32> {
    let first = keys_entries_offset(keys) + offset_of!(DictUnicodeEntry, me_value);
    let index = offset.checked_sub(first)? / size_of::<DictUnicodeEntry>();
    (first + index * size_of::<DictUnicodeEntry>() == offset).then_some(index as u32)
}

pub(super) unsafe fn store_attr(l: &mut Lowering) -> Option<Outcome> {
    let real = l.real(1);
    let (version, high) = l.halves();
    let number = l.op();
    if (*ty(real)).tp_version_tag != version || version == 0 {
        return None;
    }
    let owner = l.f.peek(1)?;
    l.f.peek(2)?;
    let (old, real_old) = match number {
        op::STORE_ATTR_INSTANCE_VALUE => {
            let values = inline_values(real);
            if !managed_dict(real).is_null() || (*values).valid == 0 {
                return None;
            }
            l.guard_version(owner, real, version);
            l.f.at();
            l.f.builder.guard_inline_values(owner);
            l.f.builder.guard_no_dict(owner);
            (l.f.builder.load_inline(owner, high), *inline_value_slot(values, high as usize))
        }
        op::STORE_ATTR_SLOT => {
            l.guard_version(owner, real, version);
            (l.f.builder.load_slot(owner, high), *real.byte_add(high as usize).cast::<*mut PyObject>())
        }
        _ => return None,
    };
    l.f.info(old).nullable = true;
    l.decide_null(old, real_old.is_null());
    if !real_old.is_null() {
        l.expect_quiet(old, real_old, l.real(2));
    }
    let container = l.f.pop();
    let Content::Value(v) = l.f.pop() else { return None };
    let object = l.f.boxed(v);
    let content = l.f.take(object);
    if number == op::STORE_ATTR_SLOT {
        l.f.builder.store_slot(owner, high, content);
    } else {
        l.f.builder.store_inline(owner, high, content);
    }
    if !real_old.is_null() {
        l.f.owned(old);
        l.f.release(Content::Value(old));
    }
    l.f.release(container);
    l.done()
}
