//! LOAD_SUPER_ATTR.

use crate::dispatch::State;
use crate::table::op;
use hotspur_cpython_sys::*;

/// Specializes for the real `super`, called with a class.
#[cold]
#[inline(never)]
pub unsafe fn load_super_attr(s: State) {
    let class = s.peek(2);
    if s.peek(3) != (&raw mut PySuper_Type).cast() || !has_feature(ty(class), ffi::Py_TPFLAGS_TYPE_SUBCLASS) {
        return s.give_up();
    }
    s.specialize(if s.oparg() & 1 != 0 { op::LOAD_SUPER_ATTR_METHOD } else { op::LOAD_SUPER_ATTR_ATTR });
}
