//! Check mode: the recorder's picture against the real frame.

use crate::state::{Content, Frames, Slot};
use hotspur_cpython_sys::ffi::PyObject;
use hotspur_cpython_sys::*;
use hotspur_tier1::dispatch::State;

/// Whether what is known of the top frame is so. `state` is between two instructions.
pub(crate) unsafe fn agrees(f: &mut Frames, state: State) -> bool {
    let locals = f.top().locals.clone();
    let stack = f.top().stack.clone();
    let first = frame_locals(state.frame);
    let base = first.add(locals.len());
    if base.add(stack.len()) != state.sp {
        return false;
    }
    let locals = locals.iter().enumerate().all(|(i, &slot)| slot_agrees(f, slot, *first.add(i)));
    locals && stack.iter().enumerate().all(|(i, &slot)| slot_agrees(f, slot, *base.add(i)))
}

unsafe fn slot_agrees(f: &mut Frames, slot: Slot, real: *mut PyObject) -> bool {
    let v = match slot.content {
        Content::Memory => return true,
        Content::Null => return real.is_null(),
        Content::Value(v) => v,
    };
    if f.is_unboxed_bool(v) {
        return real == ffi::Py_True() || real == ffi::Py_False();
    }
    let info = *f.info(v);
    if real.is_null() {
        return info.nullable;
    }
    (info.class.is_null() || ty(real) == info.class) && (info.constant.is_null() || real == info.constant)
}
