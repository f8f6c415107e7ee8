//! `collections.deque`: a type of a C module, which is recognized by its name and guarded by its version.

use super::{Lowering, Outcome};
use crate::facts;
use crate::trace::Keep;
use hotspur_cpython_sys::ffi::PyObject;
use hotspur_cpython_sys::*;
use hotspur_ir::Helper;

/// Exactly a `collections.deque`.
pub(super) unsafe fn is_deque(op: *mut PyObject) -> bool {
    facts::has_version(ty(op)) && super::builtins::is_type_of(ty(op), c"_collections", c"collections.deque")
}

/// `append` or `appendleft` of a deque that is not bounded, so that nothing falls out.
pub(super) unsafe fn append(l: &mut Lowering) -> Option<Outcome> {
    let deque = l.real(2);
    if !is_deque(deque) || !deque_is_unbounded(deque) {
        return None;
    }
    l.guard_callable(1, true)?;
    let (method, item) = (l.f.peek(3)?, l.f.peek(1)?);
    let args = [method, l.receiver(2)?, l.f.boxed(item)];
    l.done_unless_zero(Helper::DequeAppend, &args)?;
    let none = l.f.constant(ffi::Py_None(), Keep::Immortal);
    l.called(1, none)
}
