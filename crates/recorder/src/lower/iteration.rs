//! FOR_ITER over lists, tuples, ranges and generators; over dictionaries, `enumerate` and `zip` by a helper.

use super::{Lowering, Outcome};
use crate::state::Content;
use core::ptr;
use hotspur_cpython_sys::*;
use hotspur_ir::{Cond, Helper, Value};
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
        return super::shims::next(l);
    };
    l.f.owned(item);
    l.f.push_value(item);
    l.done()
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
