//! Locals, constants and the value stack.

use super::{Lowering, Outcome};
use crate::state::Content;
use crate::trace::Keep;
use hotspur_cpython_sys::*;

pub(super) unsafe fn load_fast(l: &mut Lowering) -> Option<Outcome> {
    let v = l.f.local(l.oparg())?;
    l.f.push_value(v);
    l.done()
}

pub(super) unsafe fn load_fast_load_fast(l: &mut Lowering) -> Option<Outcome> {
    let (a, b) = (l.f.local(l.oparg() >> 4)?, l.f.local(l.oparg() & 15)?);
    l.f.push_value(a);
    l.f.push_value(b);
    l.done()
}

pub(super) unsafe fn load_fast_check(l: &mut Lowering) -> Option<Outcome> {
    let i = l.oparg();
    if l.real_local(i).is_null() {
        return None;
    }
    let v = l.f.local_or_null(i)?;
    if l.f.info(v).nullable {
        l.decide_null(v, false);
    }
    l.f.push_value(v);
    l.done()
}

pub(super) unsafe fn load_fast_and_clear(l: &mut Lowering) -> Option<Outcome> {
    let i = l.oparg();
    if let Some(v) = l.f.local_or_null(i)
        && l.f.info(v).nullable
        && l.decide_null(v, l.real_local(i).is_null()) == Content::Null
    {
        l.f.local_stays_null(i);
    }
    let content = l.f.set_local(i, Content::Null);
    l.f.push(content);
    l.done()
}

/// What is to be dropped when a local is overwritten.
enum Old {
    /// Nothing, or something whose end runs no code.
    Quiet,
    /// Anything.
    Any,
}

/// Prepares overwriting a local by what is really `real_new`.
unsafe fn overwrite(l: &mut Lowering, i: usize, real_new: *mut ffi::PyObject) -> Old {
    let Some(old) = l.f.local_or_null(i) else { return Old::Quiet };
    let real_old = l.real_local(i);
    if real_old.is_null() {
        l.decide_null(old, true);
        l.f.local_stays_null(i);
        return Old::Quiet;
    }
    if !real_new.is_null() {
        l.expect_quiet(old, real_old, real_new);
    }
    if l.f.will_die_in(i) && l.f.may_run_code(old) { Old::Any } else { Old::Quiet }
}

/// Stores the top of the stack, which is movable, into a local that was prepared.
unsafe fn store(l: &mut Lowering, i: usize) {
    let content = l.f.pop();
    let replaced = l.f.set_local(i, content);
    l.f.release(replaced);
}

pub(super) unsafe fn store_fast(l: &mut Lowering) -> Option<Outcome> {
    // Null, where a comprehension restores a local that it hid.
    l.movable(1);
    overwrite(l, l.oparg(), l.real(1));
    store(l, l.oparg());
    l.done()
}

/// Sees to it that dropping the old value of a local runs no code: if it could, there must really be another reference to it, and is
/// expected to be one the next time. False if there is none.
unsafe fn expect_survivor(l: &mut Lowering, i: usize, old: &Old) -> bool {
    let Old::Any = old else { return true };
    let real = l.real_local(i);
    if refcnt(real) < 2 {
        return false;
    }
    let Some(v) = l.f.local_or_null(i) else { return true };
    l.f.at();
    if l.f.info(v).nullable {
        l.f.builder.guard_shared_or_null(v);
    } else {
        l.f.builder.guard_shared(v);
    }
    l.f.survives(v);
    true
}

/// CPython drops the old value before it loads the other local. If that may run code, which may change the local, it is left to tier 1.
pub(super) unsafe fn store_fast_load_fast(l: &mut Lowering) -> Option<Outcome> {
    let (a, b) = (l.oparg() >> 4, l.oparg() & 15);
    if l.movable(1) == Content::Null {
        return None;
    }
    let old = overwrite(l, a, l.real(1));
    if !expect_survivor(l, a, &old) {
        return None;
    }
    if a != b {
        l.f.local(b)?;
    }
    store(l, a);
    let v = l.f.local(b)?;
    l.f.push_value(v);
    l.done()
}

/// As above: between the two stores.
pub(super) unsafe fn store_fast_store_fast(l: &mut Lowering) -> Option<Outcome> {
    let (a, b) = (l.oparg() >> 4, l.oparg() & 15);
    if a == b || l.movable(1) == Content::Null || l.movable(2) == Content::Null {
        return None;
    }
    let old = overwrite(l, a, l.real(1));
    if !expect_survivor(l, a, &old) {
        return None;
    }
    overwrite(l, b, l.real(2));
    store(l, a);
    store(l, b);
    l.done()
}

pub(super) unsafe fn delete_fast(l: &mut Lowering) -> Option<Outcome> {
    let i = l.oparg();
    if l.real_local(i).is_null() {
        return None;
    }
    let old = l.f.local_or_null(i)?;
    if l.f.info(old).nullable {
        l.decide_null(old, false);
    }
    let replaced = l.f.set_local(i, Content::Null);
    l.f.release(replaced);
    l.done()
}

pub(super) unsafe fn load_const(l: &mut Lowering) -> Option<Outcome> {
    let object = *(*l.s.cs).consts.add(l.oparg());
    let keep = if is_immortal(object) { Keep::Immortal } else { Keep::Code(l.f.top().code) };
    let v = l.f.constant(object, keep);
    l.f.push_value(v);
    l.done()
}

pub(super) unsafe fn pop_top(l: &mut Lowering) -> Option<Outcome> {
    if l.f.content(1) == Content::Null {
        return None;
    }
    // What is found in memory is an object here, so that nothing has to be known of it but that.
    l.f.peek(1)?;
    l.f.discard();
    l.done()
}

pub(super) unsafe fn push_null(l: &mut Lowering) -> Option<Outcome> {
    l.f.push(Content::Null);
    l.done()
}

pub(super) unsafe fn copy(l: &mut Lowering) -> Option<Outcome> {
    let v = l.f.peek(l.oparg())?;
    l.f.push_value(v);
    l.done()
}

pub(super) unsafe fn swap(l: &mut Lowering) -> Option<Outcome> {
    let n = l.oparg();
    l.movable(1);
    l.movable(n);
    l.f.swap(1, n);
    l.done()
}

pub(super) unsafe fn end_send(l: &mut Lowering) -> Option<Outcome> {
    let v = l.f.peek(1)?;
    l.f.peek(2)?;
    l.f.pop();
    let receiver = l.f.pop();
    l.f.push_value(v);
    l.f.release(receiver);
    l.done()
}
