//! STORE_ATTR.

use super::load_attr::{Kind, Place, analyze, find_in_instance, is_ready, slot_offset, type_version, word};
use crate::dispatch::State;
use crate::shims;
use crate::table::op;
use hotspur_cpython_sys::*;

/// Specializes for what the owner's type says about the attribute.
#[cold]
#[inline(never)]
pub unsafe fn store_attr(s: State) {
    match choose(s) {
        Some(op) => s.specialize(op),
        None if !shims::store(s).is_none() => s.specialize(op::STORE_ATTR_FOR_METHOD),
        None => s.give_up(),
    }
}

unsafe fn choose(s: State) -> Option<u16> {
    let owner = s.peek(1);
    let name = s.name(s.oparg());
    let t = ty(owner);
    if !is_ready(t) || is_type(owner, &raw mut ffi::PyModule_Type) {
        return None;
    }
    let kind = analyze(t, name, true);
    let version = type_version(t)?;
    match kind {
        Kind::Slot(member) => {
            if (*(*member).d_member).flags & ffi::Py_READONLY != 0 {
                return None;
            }
            *s.cache(1) = word(version, slot_offset(owner, member)?);
            Some(op::STORE_ATTR_SLOT)
        }
        Kind::Absent => match find_in_instance(owner, name, true)? {
            Place::Inline(index) => {
                *s.cache(1) = word(version, index as u32);
                Some(op::STORE_ATTR_INSTANCE_VALUE)
            }
            Place::Dict(index) => {
                *s.cache(1) = word(version, u32::try_from(index).ok()?);
                Some(op::STORE_ATTR_WITH_HINT)
            }
        },
        _ => None,
    }
}
