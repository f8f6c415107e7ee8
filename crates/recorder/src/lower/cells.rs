//! Closure cells.

use super::{Lowering, Outcome};
use crate::state::Content;
use core::mem::offset_of;
use hotspur_cpython_sys::*;

/// The cells of the function's closure become locals of its frame. In a frame in memory, tier 1 does it.
pub(super) unsafe fn copy_free_vars(l: &mut Lowering) -> Option<Outcome> {
    let function = l.f.top().function?;
    let n = l.oparg();
    // It cannot be assigned.
    let closure = l.f.builder.load_slot(function, offset_of!(PyFunctionObject, func_closure) as u32);
    let first = l.f.top().locals.len() - n;
    for i in 0..n {
        let index = l.f.builder.const_i64(i as i64);
        let cell = l.f.builder.load_tuple_item(closure, index);
        l.f.borrowed(cell);
        l.f.of_class(cell, &raw mut ffi::PyCell_Type);
        l.f.set_local(first + i, Content::Value(cell));
    }
    l.done()
}

pub(super) unsafe fn load_deref(l: &mut Lowering) -> Option<Outcome> {
    let i = l.oparg();
    if (*l.real_local(i).cast::<PyCellObject>()).ob_ref.is_null() {
        return None;
    }
    let cell = l.f.local(i)?;
    let v = l.f.builder.load_cell(cell);
    l.f.info(v).nullable = true;
    l.decide_null(v, false);
    l.f.borrowed(v);
    l.f.push_value(v);
    l.done()
}

pub(super) unsafe fn store_deref(l: &mut Lowering) -> Option<Outcome> {
    let i = l.oparg();
    let real_old = (*l.real_local(i).cast::<PyCellObject>()).ob_ref;
    let cell = l.f.local(i)?;
    l.f.peek(1)?;
    let old = l.f.builder.load_cell(cell);
    l.f.info(old).nullable = true;
    l.decide_null(old, real_old.is_null());
    if !real_old.is_null() {
        l.expect_quiet(old, real_old, l.real(1));
    }
    let Content::Value(v) = l.f.pop() else { return None };
    let object = l.f.boxed(v);
    let content = l.f.take(object);
    l.f.builder.store_cell(cell, content);
    if !real_old.is_null() {
        l.f.owned(old);
        l.f.release(Content::Value(old));
    }
    l.done()
}
