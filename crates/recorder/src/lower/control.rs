//! RESUME, jumps, conditional jumps.

use super::{Lowering, Outcome};
use crate::state::Frames;
use crate::trace::Keep;
use hotspur_cpython_sys::*;
use hotspur_ir::{Resume, Value};
use hotspur_tier1::table::{INFO, op};

/// RESUME's argument says where in a generator it stands; from here on (`yield from`, `await`) no events are served.
const RESUME_AFTER_YIELD_FROM: u32 = 2;

pub(super) unsafe fn nop(l: &mut Lowering) -> Option<Outcome> {
    l.done()
}

pub(super) unsafe fn resume(l: &mut Lowering) -> Option<Outcome> {
    resumed(l.f, (*l.s.pc).oparg);
    l.done()
}

/// The check of a RESUME with this argument.
pub(crate) fn resumed(f: &mut Frames, oparg: u32) {
    // CPython looks for instrumentation at each, and for events at those alone that stand at the beginning or after a plain yield.
    // `check_periodic` exits for both, and tier 1 then does what is right.
    if oparg & 3 < RESUME_AFTER_YIELD_FROM {
        f.at();
        f.builder.check_periodic();
    }
}

pub(super) unsafe fn jump_forward(l: &mut Lowering) -> Option<Outcome> {
    Some(Outcome::Next(l.position(1 + l.oparg())))
}

pub(super) unsafe fn jump_backward(l: &mut Lowering) -> Option<Outcome> {
    l.f.at();
    l.f.builder.check_periodic();
    Some(Outcome::BackEdge(l.position(2) - l.oparg() as u32))
}

pub(super) unsafe fn jump_backward_no_interrupt(l: &mut Lowering) -> Option<Outcome> {
    Some(Outcome::Next(l.position(1) - l.oparg() as u32))
}

/// A conditional jump whose direction is not known yet.
#[derive(Clone, Copy)]
pub(crate) struct Jump {
    /// Position of the instruction.
    pub pc: u32,
    /// Where it goes if it does not jump.
    pub next: u32,
    /// Where it jumps to.
    pub target: u32,
    /// The base instruction.
    pub base: u16,
}

impl Jump {
    /// The conditional jump at a position, if there is one, given its number and argument.
    pub fn at(pc: u32, number: u16, oparg: u32) -> Option<Jump> {
        let base = INFO[usize::from(number)].base;
        let is_jump = matches!(
            base,
            op::POP_JUMP_IF_FALSE | op::POP_JUMP_IF_TRUE | op::POP_JUMP_IF_NONE | op::POP_JUMP_IF_NOT_NONE
        );
        is_jump.then_some(Jump { pc, next: pc + 2, target: pc + 2 + oparg, base })
    }
}

pub(super) unsafe fn pop_jump(l: &mut Lowering) -> Option<Outcome> {
    l.f.peek(1)?;
    Jump::at(l.f.top().pc, l.op(), l.oparg() as u32).map(Outcome::Jump)
}

/// Ends a conditional jump that has gone to `to`, one of its two targets: the guard, and the operand's end.
pub(crate) unsafe fn finish_jump(f: &mut Frames, jump: Jump, to: u32) {
    if jump.base == op::FOR_ITER {
        return super::iteration::finish_next(f, jump, to);
    }
    let jumped = to == jump.target;
    let is_ambiguous = jump.target == jump.next;
    let other = if jumped { jump.next } else { jump.target };
    let Some(v) = f.peek(1) else { return };
    if jump.base == op::POP_JUMP_IF_NONE || jump.base == op::POP_JUMP_IF_NOT_NONE {
        let is_none = jumped == (jump.base == op::POP_JUMP_IF_NONE);
        if !is_ambiguous {
            guard_none(f, v, is_none);
        }
        if is_none {
            let none = ffi::Py_None();
            f.info(v).class = ty(none);
        }
        f.discard();
        f.drop_dead(Some(to));
        return;
    }
    let truth = jumped == (jump.base == op::POP_JUMP_IF_TRUE);
    // Nothing is lost by taking the operand away before the guard: if it is no unboxed truth value, it is True or False.
    f.info(v).class = &raw mut ffi::PyBool_Type;
    f.discard();
    f.drop_dead(None);
    if is_ambiguous || is_known(f, v) {
        return;
    }
    // The exit goes straight to where the other direction leads.
    f.top_mut().pc = other;
    f.snapshot(Resume::At);
    guard_truth(f, v, truth);
    f.top_mut().pc = jump.pc;
}

/// Whether it is a constant, so that the direction is no surprise.
fn is_known(f: &mut Frames, v: Value) -> bool {
    !f.info(v).constant.is_null()
}

unsafe fn guard_truth(f: &mut Frames, v: Value, truth: bool) {
    if f.is_unboxed_bool(v) {
        if truth {
            f.builder.guard_true(v)
        } else {
            f.builder.guard_false(v)
        }
        return;
    }
    let object = if truth { ffi::Py_True() } else { ffi::Py_False() };
    let id = f.object(object, Keep::Immortal);
    f.builder.guard_is(v, id);
}

unsafe fn guard_none(f: &mut Frames, v: Value, is_none: bool) {
    let none = ffi::Py_None();
    let known = *f.info(v);
    if known.constant == none || (!known.class.is_null() && known.class != ty(none)) || f.is_unboxed_bool(v) {
        return;
    }
    f.at();
    let id = f.object(none, Keep::Immortal);
    if is_none { f.builder.guard_is(v, id) } else { f.builder.guard_is_not(v, id) }
}
