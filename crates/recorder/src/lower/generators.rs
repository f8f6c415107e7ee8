//! Generators and coroutines: made, resumed, suspended and finished without their frames ever being pushed.
//!
//! What may resume one: FOR_ITER and SEND. When it yields, execution goes on behind their cache; when it returns, where they jump to.

use super::{Lowering, Outcome};
use crate::state::{Content, Suspended};
use crate::trace::Keep;
use core::ptr;
use hotspur_cpython_sys::ffi::{PyObject, PyTypeObject};
use hotspur_cpython_sys::*;
use hotspur_ir::Value;
use hotspur_tier1::code::{CodeState, known_state_of};
use hotspur_tier1::dispatch::State;
use hotspur_tier1::table::{INFO, op};

/// Words of FOR_ITER and SEND.
const LENGTH_OF_RESUMER: usize = 2;

pub(super) unsafe fn is_generator(class: *mut PyTypeObject) -> bool {
    ptr::eq(class, &raw mut PyGen_Type) || ptr::eq(class, &raw mut PyCoro_Type)
}

/// Whether a generator is suspended, and where. None as well if resuming it needs more than is done here.
pub(super) unsafe fn suspended(l: &mut Lowering, generator: *mut PyGenObject) -> Option<Suspended> {
    let real = generator_frame(generator);
    // While it handles an exception, those that are raised in it are told of that, and whoever looks at it must see it.
    if (*generator).gi_frame_state >= FRAME_EXECUTING || !(*generator).gi_exc_state.exc_value.is_null() {
        return None;
    }
    position(l, real)
}

/// Where a frame is suspended.
unsafe fn position(l: &mut Lowering, real: *mut InterpreterFrame) -> Option<Suspended> {
    let code = frame_code(real);
    let cs = known_state_of(code);
    if cs.is_null() {
        return None;
    }
    let locals = (*code).co_nlocalsplus as usize;
    let pc = CodeState::word_at(cs, (*real).instr_ptr).offset_from(CodeState::words(cs)) as u32;
    let stack = ((*real).stacktop as usize).checked_sub(locals)?;
    Some(Suspended { real, cs, code: l.f.code(code), pc, locals, stack })
}

/// The generator whose frame is the top one, and that is about to leave it. Its frame is not among those in memory any more; below it is
/// the one of whoever resumed it.
pub(super) unsafe fn leaving(l: &mut Lowering) -> Option<Value> {
    if l.f.frames.len() > 1 {
        return l.f.take_up_generator();
    }
    if !l.f.top().is_pushed_generator {
        return None;
    }
    let generator = frame_generator(l.s.frame);
    let below = (*l.s.frame).previous;
    let is_plain = is_generator(ty(generator.cast())) && (*generator).gi_exc_state.exc_value.is_null();
    if !is_plain || (*below).owner == FRAME_OWNED_BY_CSTACK {
        return None;
    }
    let resumer = position(l, below)?;
    let instruction = INFO[usize::from((*CodeState::words(resumer.cs).add(resumer.pc as usize)).op)].base;
    if !matches!(instruction, op::FOR_ITER | op::SEND) {
        return None;
    }
    Some(l.f.follow_to_resumer(&resumer))
}

/// Whether the frame below is that of another generator of the same code: see [`goes_down_a_chain`].
unsafe fn goes_up_a_chain(frame: *mut InterpreterFrame) -> bool {
    let below = (*frame).previous;
    (*below).owner == FRAME_OWNED_BY_GENERATOR && frame_code(below) == frame_code(frame)
}

/// FOR_ITER and SEND: resumes a generator, `n` from the top of the stack. Above it is what it is sent, if anything is.
pub(super) unsafe fn resume(l: &mut Lowering, n: usize) -> Option<Outcome> {
    let real = l.real(n);
    let class = ty(real);
    // A longer jump would not fit in the frame's `return_offset`.
    if !is_generator(class) || LENGTH_OF_RESUMER + l.oparg() > usize::from(u16::MAX) {
        return None;
    }
    let at = suspended(l, real.cast())?;
    let generator = l.f.peek(n)?;
    for i in 1..n {
        l.f.peek(i)?;
    }
    l.f.guard_class(generator, class);
    l.f.at();
    l.f.builder.check_stack_space();
    l.f.builder.guard_suspended(generator, at.code, at.pc);
    let sent = if n > 1 { l.f.pop() } else { Content::Value(l.f.constant(ffi::Py_None(), Keep::Immortal)) };
    l.f.resume(generator, &at, sent);
    Some(Outcome::Next(at.pc))
}

pub(super) unsafe fn send(l: &mut Lowering) -> Option<Outcome> {
    resume(l, 2)
}

/// Whether an instruction sends to a generator that is a link of a chain of generators of the same code, which wait for each other: where
/// that leads depends on how long the chain is. Tier 1 goes down all of it at once.
pub(crate) unsafe fn goes_down_a_chain(s: State, base: u16) -> bool {
    let receiver = match base {
        op::SEND => s.peek(2),
        op::FOR_ITER => s.peek(1),
        _ => return false,
    };
    let Some((code, next)) = awaited(receiver) else { return false };
    let is_link = |next: *mut PyObject| is_generator(ty(next)) && frame_code(generator_frame(next.cast())) == code;
    code == frame_code(s.frame) || is_link(next)
}

/// Whether an instruction is to resume a generator that has not begun.
pub(crate) unsafe fn begins_generator(s: State) -> bool {
    let is_resumer = INFO[usize::from((*s.pc).op)].base == op::FOR_ITER;
    is_resumer && is_generator(ty(s.peek(1))) && (*s.peek(1).cast::<PyGenObject>()).gi_frame_state == FRAME_CREATED
}

/// The code of a generator that is suspended waiting for another object, and that object.
unsafe fn awaited(receiver: *mut PyObject) -> Option<(*mut PyCodeObject, *mut PyObject)> {
    let generator = receiver.cast::<PyGenObject>();
    if !is_generator(ty(receiver)) || (*generator).gi_frame_state != FRAME_SUSPENDED_YIELD_FROM {
        return None;
    }
    let frame = generator_frame(generator);
    Some((frame_code(frame), *frame_locals(frame).offset((*frame).stacktop as isize - 1)))
}

pub(super) unsafe fn yield_value(l: &mut Lowering) -> Option<Outcome> {
    l.f.peek(1)?;
    let pc = l.position(1);
    let follows = l.f.frames.len() == 1;
    if follows && goes_up_a_chain(l.s.frame) {
        return None;
    }
    let generator = leaving(l)?;
    l.f.suspend(generator, pc, l.oparg() != 0);
    let position = l.position(LENGTH_OF_RESUMER);
    Some(if follows { Outcome::Next(position) } else { Outcome::Yielded(position) })
}

/// The generator whose frame is the top one returns what is on top of the stack.
pub(super) unsafe fn finish(l: &mut Lowering, generator: Value) -> Option<Outcome> {
    let resumer = &l.f.frames[l.f.frames.len() - 2];
    let target = resumer.pc as usize
        + LENGTH_OF_RESUMER
        + (*CodeState::words(resumer.cs).add(resumer.pc as usize)).oparg as usize;
    l.f.finish_generator(generator, target as u32);
    Some(Outcome::Next(target as u32))
}

/// A generator function was called: its frame, which was never there, goes into a generator.
pub(super) unsafe fn return_generator(l: &mut Lowering) -> Option<Outcome> {
    let function = l.f.top().function?;
    let flags = (*frame_code(l.s.frame)).co_flags;
    let class = match flags & (CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR) {
        CO_GENERATOR => &raw mut PyGen_Type,
        CO_COROUTINE => &raw mut PyCoro_Type,
        _ => return None,
    };
    if l.f.height() > 0 {
        return None;
    }
    if flags & CO_COROUTINE != 0 {
        if (*l.s.tstate()).coroutine_origin_tracking_depth != 0 {
            return None;
        }
        l.f.at();
        l.f.builder.check_untracked();
    }
    let pc = l.position(1);
    let generator = l.f.make_generator(function, pc);
    l.f.of_class(generator, class);
    Some(Outcome::Next(super::calls::goes_on(l)))
}

/// A coroutine that has not begun is awaited as it is.
pub(super) unsafe fn get_awaitable(l: &mut Lowering) -> Option<Outcome> {
    let real = l.real(1);
    let class = &raw mut PyCoro_Type;
    if !is_type(real, class) || (*real.cast::<PyGenObject>()).gi_frame_state != FRAME_CREATED {
        return None;
    }
    let at = suspended(l, real.cast())?;
    let coroutine = l.f.peek(1)?;
    l.f.guard_class(coroutine, class);
    l.f.at();
    l.f.builder.guard_suspended(coroutine, at.code, at.pc);
    l.done()
}

/// What `yield from` goes through: generators are their own iterators.
pub(super) unsafe fn get_yield_from_iter(l: &mut Lowering) -> Option<Outcome> {
    let class = ty(l.real(1));
    if !is_generator(class) {
        return super::containers::get_iter(l);
    }
    let may_await = (*frame_code(l.s.frame)).co_flags & (CO_COROUTINE | CO_ITERABLE_COROUTINE) != 0;
    if ptr::eq(class, &raw mut PyCoro_Type) && !may_await {
        return None;
    }
    let iter = l.f.peek(1)?;
    l.f.guard_class(iter, class);
    l.done()
}
