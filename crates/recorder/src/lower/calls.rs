//! Calls of well-known C functions. All others are left to tier 1.

use super::{Lowering, Outcome};
use crate::facts;
use crate::state::Content;
use crate::trace::Keep;
use core::ptr;
use hotspur_cpython_sys::ffi::PyTypeObject;
use hotspur_cpython_sys::*;
use hotspur_ir::Value;
use hotspur_tier1::context::known;

pub(super) unsafe fn call(l: &mut Lowering) -> Option<Outcome> {
    let n = l.oparg();
    let callable = l.real(n + 2);
    let has_receiver = !l.real(n + 1).is_null();
    let known = known();
    if callable == known.len && n == 1 && !has_receiver {
        return len(l);
    }
    if callable == known.isinstance && n == 2 && !has_receiver {
        return isinstance(l);
    }
    if callable == known.list_append && n == 1 && has_receiver {
        return append(l);
    }
    None
}

impl Lowering<'_> {
    /// Guards that a C function is called, without a receiver or with one.
    unsafe fn guard_callable(&mut self, n: usize, has_receiver: bool) -> Option<()> {
        let real = self.real(n + 2);
        let callable = self.f.peek(n + 2)?;
        let id = self.f.object(real, Keep::Hold);
        self.guard_is(callable, real, id);
        if !has_receiver && let Some(receiver) = self.f.peek_or_null(n + 1) {
            self.decide_null(receiver, true);
            self.f.item_stays_null(n + 1);
        }
        Some(())
    }

    /// Ends a call: operands are dropped as tier 1 does it, arguments first.
    unsafe fn called(&mut self, n: usize, result: Value) -> Option<Outcome> {
        let mut operands: Vec<_> = (0..n + 2).map(|_| self.f.pop()).collect();
        self.f.push_value(result);
        operands.reverse();
        let callable = operands.remove(0);
        for operand in operands {
            self.f.release(operand);
        }
        self.f.release(callable);
        self.done()
    }
}

unsafe fn len(l: &mut Lowering) -> Option<Outcome> {
    let real = l.real(1);
    if !super::sequences::is_list_or_tuple(real) {
        return None;
    }
    l.guard_callable(1, false)?;
    let v = l.f.peek(1)?;
    let length = l.length_of(v, ty(real));
    let result = l.box_int(length);
    l.called(1, result)
}

/// `isinstance` with a static class. Whether an instance of some exact static type is one never changes; for one of another type only
/// the answer "yes" depends on nothing but the type's version (a "no" also asks for `__class__`).
unsafe fn isinstance(l: &mut Lowering) -> Option<Outcome> {
    let (real, class) = (l.real(2), l.real(1));
    if !ptr::eq(ty(class), &raw mut ffi::PyType_Type) || !facts::is_static(class.cast()) {
        return None;
    }
    let t = ty(real);
    let truth = ffi::PyType_IsSubtype(t, class.cast::<PyTypeObject>()) != 0;
    let version = (*t).tp_version_tag;
    if !facts::is_static(t) && (!truth || version == 0) {
        return None;
    }
    l.guard_callable(2, false)?;
    let id = l.f.object(class, Keep::Immortal);
    let v = l.f.peek(1)?;
    l.guard_is(v, class, id);
    let v = l.f.peek(2)?;
    if facts::is_static(t) {
        l.f.guard_class(v, t);
    } else {
        l.f.at();
        l.f.builder.guard_type_version(v, version);
    }
    let result = l.f.constant(if truth { ffi::Py_True() } else { ffi::Py_False() }, Keep::Immortal);
    l.called(2, result)
}

/// `list.append` of exactly a list.
unsafe fn append(l: &mut Lowering) -> Option<Outcome> {
    let class = &raw mut ffi::PyList_Type;
    if !is_type(l.real(2), class) {
        return None;
    }
    l.guard_callable(1, true)?;
    let list = l.f.peek(2)?;
    l.f.peek(1)?;
    l.f.guard_class(list, class);
    let Content::Value(v) = l.f.pop() else { return None };
    l.append(list, v)?;
    let none = l.f.constant(ffi::Py_None(), Keep::Immortal);
    let receiver = l.f.pop();
    let callable = l.f.pop();
    l.f.push_value(none);
    l.f.release(receiver);
    l.f.release(callable);
    l.done()
}
