//! FOR_ITER over lists, tuples, ranges and generators; over dictionaries, `enumerate` and `zip` by a helper.

use super::{Lowering, Outcome};
use crate::state::Content;
use core::ptr;
use hotspur_cpython_sys::*;
use hotspur_ir::{Helper, Value};

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
