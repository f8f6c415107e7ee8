//! Making executors invalid.
//!
//! This runs no Python code and frees nothing: it is called from the middle of changes to dictionaries and types. An executor
//! that becomes invalid is taken from its place, forgets where its exits lead, and relies on nothing any more. What
//! is to be freed goes to the graveyard. Executors that run notice by themselves.

use crate::executor::Executor;
use crate::panics::NoPanic;
use crate::{graph, losing, observe, stats, watch};
use hotspur_ir::InvalidationReason;
use hotspur_tier1::code::CodeState;
use std::rc::Rc;

/// Makes an executor invalid, if it is valid still. The executors that its exits led to are let go, and exits that led to it lead
/// nowhere.
///
/// # Safety
/// GIL held.
pub unsafe fn invalidate(executor: &Rc<Executor>, reason: InvalidationReason) {
    if !executor.is_valid() {
        return;
    }
    // SAFETY: the GIL is held, and the executor valid still.
    unsafe {
        observe::invalidated(executor, reason);
        observe::ended(executor);
    }
    executor.mark_invalid(reason);
    let loss = losing::is_telling(reason).then(|| losing::was_worth_it(executor));
    if let (Some(was_worth_it), Some(place)) = (loss, executor.place()) {
        graph::note_loss(place, was_worth_it);
    }
    // SAFETY: the GIL is held, and the place's code is live: an executor is detached when its code goes.
    unsafe {
        stats::count(|s| s.executors_invalidated[reason as usize] += 1);
        graph::detach(executor);
    }
    watch::rely_no_more(executor.id, &executor.trace().dependencies);
    executor.cut_off(loss);
    for exit in executor.exits() {
        graph::bury_executor(exit.take_target());
    }
}

/// Makes executors invalid by number; those that are being recorded will not be made.
pub(crate) fn by_ids(ids: &[u64], reason: InvalidationReason) {
    let _guard = NoPanic;
    for &id in ids {
        if let Some(executor) = graph::find(id) {
            // SAFETY: the GIL is held by whoever changes what executors rely on.
            unsafe { invalidate(&executor, reason) };
            graph::bury_executor(Some(executor));
        } else {
            graph::lose_recording(id);
        }
    }
}

/// Makes all executors invalid.
///
/// # Safety
/// GIL held.
pub unsafe fn invalidate_all(reason: InvalidationReason) {
    for executor in graph::all() {
        // SAFETY: as the caller promises.
        unsafe { invalidate(&executor, reason) };
        graph::bury_executor(Some(executor));
    }
}

/// A code object is going, or its stream.
///
/// # Safety
/// GIL held; called before the stream is freed.
pub unsafe fn code_freed(cs: *mut CodeState) {
    let _guard = NoPanic;
    // SAFETY: as the caller promises.
    unsafe {
        observe::code_freed((*cs).code);
        for executor in graph::code_freed(cs) {
            invalidate(&executor, InvalidationReason::CodeFreed);
            graph::bury_executor(Some(executor));
        }
        let users = watch::users_of_code((*cs).code);
        if !users.is_empty() {
            hotspur_recorder::note_code_freed((*cs).code);
        }
        by_ids(&users, InvalidationReason::CodeFreed);
    }
}
