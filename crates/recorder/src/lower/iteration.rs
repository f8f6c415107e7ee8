//! FOR_ITER over lists, tuples, ranges and generators; over dictionaries, `enumerate` and `zip` by a helper, over all else by one that may run
//! other code.

use super::{Jump, Lowering, Outcome};
use crate::facts;
use crate::state::{Content, Frames};
use crate::trace::Keep;
use core::ptr;
use hotspur_cpython_sys::*;
use hotspur_ir::{Cond, Helper, Resume, Value};
use hotspur_tier1::shims;
use hotspur_tier1::table::{INFO, op};

pub(super) unsafe fn for_iter(l: &mut Lowering) -> Option<Outcome> {
    let real = l.real(1);
    let class = ty(real);
    if super::generators::is_generator(class) {
        return if ptr::eq(class, &raw mut PyGen_Type) { super::generators::resume(l, 1) } else { None };
    }
    let iter = l.f.peek(1)?;
    if ptr::eq(class, &raw mut PyRangeIter_Type) {
        l.f.guard_class(iter, class);
        l.f.at();
        if (*real.cast::<RangeIterObject>()).len <= 0 {
            l.f.builder.guard_range_iter_done(iter);
            return ended(l, l.oparg());
        }
        let number = l.f.builder.range_iter_next(iter);
        let item = l.box_int(number);
        l.f.push_value(item);
        return l.done();
    }
    // An exhausted iterator lets go of what it iterated over, so that it stays exhausted.
    let item = if ptr::eq(class, &raw mut PyListIter_Type) {
        let iterator = real.cast::<ListIterObject>();
        let list = (*iterator).it_seq;
        l.f.guard_class(iter, class);
        l.f.at();
        if list.is_null() || (*iterator).it_index as usize >= size(list.cast()) as usize {
            l.f.builder.guard_list_iter_done(iter);
            return finished(l, iter);
        }
        l.f.builder.list_iter_next(iter)
    } else if ptr::eq(class, &raw mut PyTupleIter_Type) {
        let iterator = real.cast::<TupleIterObject>();
        let tuple = (*iterator).it_seq;
        l.f.guard_class(iter, class);
        l.f.at();
        if tuple.is_null() || (*iterator).it_index >= size(tuple.cast()) {
            l.f.builder.guard_tuple_iter_done(iter);
            return finished(l, iter);
        }
        l.f.builder.tuple_iter_next(iter)
    } else if ptr::eq(class, &raw mut ffi::PyEnum_Type)
        && let Some(outcome) = enumerate(l, iter, real.cast())
    {
        return Some(outcome);
    } else if iterator_is_done(real) {
        l.f.guard_class(iter, class);
        l.done_unless_zero(Helper::IterDone, &[iter])?;
        return ended(l, l.oparg());
    } else if iterator_has_next(real) {
        l.f.guard_class(iter, class);
        let item = l.found(Helper::QuietNext, &[iter])?;
        let makes_tuples = [&raw mut PyDictIterItem_Type, &raw mut ffi::PyEnum_Type, &raw mut PyZip_Type];
        if makes_tuples.contains(&class) {
            l.f.of_class(item, &raw mut ffi::PyTuple_Type);
        } else if class != &raw mut ffi::PyBytesIter_Type && is_text_iter_type(class) {
            l.f.of_class(item, &raw mut ffi::PyUnicode_Type);
        }
        l.f.push_value(item);
        return l.done();
    } else {
        return super::shims::next(l).or_else(|| next(l, iter));
    };
    l.f.owned(item);
    l.f.push_value(item);
    l.done()
}

/// Whatever iterator it is, C code or what C code calls is asked. Whether it has yielded anything is seen afterwards.
unsafe fn next(l: &mut Lowering, iter: Value) -> Option<Outcome> {
    let real = l.real(1);
    let class = ty(real);
    if !facts::is_reliable(class) {
        return None;
    }
    l.guard_version(iter, real, (*class).tp_version_tag);
    l.f.flush_visible();
    let item = l.raising(Helper::Next, &[iter])?;
    l.f.push_value(item);
    let pc = l.f.top().pc;
    at_its_end(l.f, pc);
    l.f.builder.check_validity();
    let target = l.position(2 + l.oparg() + 2);
    Some(Outcome::Jump(Jump { pc, next: pc + 2, target, base: op::FOR_ITER }))
}

/// Ends a FOR_ITER that has gone on to `to`: with the item that is on the stack, or with what stands for none, so that it leaves the loop.
pub(super) unsafe fn finish_next(f: &mut Frames, jump: Jump, to: u32) {
    let Some(item) = f.peek(1) else { return };
    let exhausted = shims::exhausted();
    let id = f.object(exhausted, Keep::Immortal);
    at_its_end(f, jump.pc);
    if to == jump.next {
        f.builder.guard_is_not(item, id);
        f.drop_dead(None);
    } else {
        f.builder.guard_is(item, id);
        f.info(item).constant = exhausted;
        f.runs_code();
        f.discard();
        f.discard();
        f.drop_dead(Some(to));
    }
}

/// Exits from here on lead into the FOR_ITER at `pc`: to the instruction of ours that looks at what a method in Python has returned.
fn at_its_end(f: &mut Frames, pc: u32) {
    f.top_mut().pc = pc + 1;
    f.snapshot(Resume::At);
    f.top_mut().pc = pc;
}

/// An `enumerate` of a list or tuple, if what it yields is unpacked at once. Then nobody gets the tuple that it keeps and would change and yield
/// again, so that tuple need have only the item; the one that is unpacked is never built.
unsafe fn enumerate(l: &mut Lowering, iter: Value, real: *mut EnumObject) -> Option<Outcome> {
    let source = (*real).en_sit;
    let class = ty(source);
    let is_list = ptr::eq(class, &raw mut PyListIter_Type);
    if !is_list && !ptr::eq(class, &raw mut PyTupleIter_Type) {
        return None;
    }
    let has_next = iterator_has_next(source);
    let unpacks = INFO[usize::from((*l.s.pc.add(l.length())).op)].base == op::UNPACK_SEQUENCE;
    if has_next && (!unpacks || enumerate_number(real) < 0) {
        return None;
    }
    l.f.guard_class(iter, &raw mut ffi::PyEnum_Type);
    let source = l.f.builder.call_helper(Helper::EnumerateIter, &[iter])?;
    l.f.guard_class(source, class);
    l.f.at();
    if !has_next {
        if is_list {
            l.f.builder.guard_list_iter_done(source);
        } else {
            l.f.builder.guard_tuple_iter_done(source);
        }
        return finished(l, source);
    }
    let number = l.f.builder.call_helper(Helper::EnumerateNumber, &[iter])?;
    let zero = l.f.builder.const_i64(0);
    l.f.builder.guard_cmp_i64(Cond::Ge, number, zero);
    let item = if is_list { l.f.builder.list_iter_next(source) } else { l.f.builder.tuple_iter_next(source) };
    l.f.builder.incref(item);
    l.f.builder.call_helper(Helper::EnumerateKeep, &[iter, item])?;
    let number = l.box_int(number);
    let number = l.f.boxed(number);
    let number = l.f.take(number);
    let tuple = l.f.builder.new_tuple(&[number, item]);
    l.f.owned(tuple);
    l.f.of_class(tuple, &raw mut ffi::PyTuple_Type);
    l.f.push_value(tuple);
    l.done()
}

/// The loop over a list or tuple ends: what was iterated over is dropped, then the iterator.
unsafe fn finished(l: &mut Lowering, iter: Value) -> Option<Outcome> {
    let sequence = l.f.builder.call_helper(Helper::IterFinish, &[iter])?;
    l.f.owned(sequence);
    l.f.release(Content::Value(sequence));
    ended(l, l.oparg())
}

/// Drops the iterator of a FOR_ITER with this argument and goes on behind the END_FOR and the POP_TOP that the target holds.
pub(super) unsafe fn ended(l: &mut Lowering, oparg: usize) -> Option<Outcome> {
    let target = l.position(2 + oparg + 2);
    l.f.discard();
    l.f.drop_dead(Some(target));
    Some(Outcome::Next(target))
}
