//! Attributes, operators and context managers that are C code's business, of which nothing else is known: other code may run, and sees frames as they are,
//! as with calls ([`c_calls`](super::c_calls)). The types of the operands are guarded, which say that no frame is pushed here.

use super::{Lowering, Outcome};
use crate::facts;
use crate::trace::Keep;
use core::ptr;
use hotspur_cpython_sys::*;
use hotspur_ir::{Helper, Value};
use hotspur_tier1::context::known;
use hotspur_tier1::shims;
use hotspur_tier1::table::op;

impl Lowering<'_> {
    /// The operand `n` from the top as an object, guarded to be of the very type that it is of. None: that cannot be guarded.
    unsafe fn typed(&mut self, n: usize) -> Option<Value> {
        let real = self.real(n);
        if !facts::is_reliable(ty(real)) {
            return None;
        }
        let v = self.f.peek(n)?;
        let v = self.f.boxed(v);
        self.guard_version(v, real, (*ty(real)).tp_version_tag);
        Some(v)
    }
}

/// LOAD_ATTR of what a function in C gets, or one that looks into the object.
pub(super) unsafe fn attribute(l: &mut Lowering) -> Option<Outcome> {
    let class = ty(l.real(1));
    let name = l.s.name(l.oparg() >> 1);
    if !facts::is_reliable(class) {
        return None;
    }
    let found = _PyType_Lookup(class, name);
    let getters = [&raw mut ffi::PyGetSetDescr_Type, &raw mut ffi::PyMemberDescr_Type];
    if found.is_null() || !getters.contains(&ty(found)) {
        return None;
    }
    let owner = l.typed(1)?;
    let name = super::attributes::name_constant(l, name);
    let attr = l.running_code(Helper::GetAttr, &[owner, name])?;
    l.loaded(attr)
}

/// BINARY_OP.
pub(super) unsafe fn operator(l: &mut Lowering) -> Option<Outcome> {
    // Tier 1 lets a string that is stored back grow in place.
    if l.op() == op::BINARY_OP_INPLACE_ADD_UNICODE || !shims::binary(l.s).is_none() {
        return None;
    }
    l.f.peek(1)?;
    let (left, right) = (l.typed(2)?, l.typed(1)?);
    let oparg = l.f.builder.const_i64(l.oparg() as i64);
    let result = l.running_code(Helper::BinaryOp, &[left, right, oparg])?;
    l.replace(2, result)
}

/// BEFORE_WITH of what has both methods in C.
pub(super) unsafe fn before_with(l: &mut Lowering) -> Option<Outcome> {
    let class = ty(l.real(1));
    if l.op() != op::BEFORE_WITH || !facts::is_reliable(class) {
        return None;
    }
    let [enter, exit] = [known().name_enter, known().name_exit].map(|name| _PyType_Lookup(class, name));
    let is_builtin = |found: *mut ffi::PyObject| !found.is_null() && ptr::eq(ty(found), &raw mut PyMethodDescr_Type);
    if !is_builtin(enter) || !is_builtin(exit) {
        return None;
    }
    let manager = l.typed(1)?;
    let [enter, exit] = [enter, exit].map(|found| l.f.constant(found, Keep::Hold));
    let exit = l.found(Helper::BindBuiltin, &[exit, manager])?;
    // If `__enter__` raises, both are dropped.
    let content = l.f.pop();
    l.f.push_value(exit);
    l.f.push(content);
    let result = l.running_code(Helper::Enter, &[enter, manager])?;
    let content = l.f.pop();
    l.f.push_value(result);
    l.f.release(content);
    l.done()
}
