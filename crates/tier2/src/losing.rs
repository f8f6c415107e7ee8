//! Executors that lose: entering one from tier 1 and leaving it again costs something, which what it executes in between must be
//! worth. One that nearly always leaves for tier 1 after a few instructions is slower than tier 1. (That it is short matters
//! only there: between executors there is no such cost.)
//!
//! Every so many entries ([`Parameter::LosingInterval`]) it is looked what came of them. An executor that loses is retired: made invalid, for
//! the reason `losing`; its place counts as one where recordings have failed, so that it gets one more chance, for a
//! program may do something else by then.

use crate::executor::Executor;
use crate::graph;
use crate::invalidate::invalidate;
use crate::params::Parameter;
use core::cell::Cell;
use hotspur_ir::InvalidationReason;
use std::rc::Rc;

/// An executor's books.
#[derive(Debug, Default)]
pub(crate) struct Books {
    /// Entries from tier 1 since they were last looked at.
    entries: Cell<u32>,
    /// What there was then: runs, exits to tier 1, instructions.
    before: Cell<[u64; 3]>,
}

impl Books {
    /// Counts an entry. Whether it is time to look.
    #[inline(always)]
    fn enter(&self) -> bool {
        let entries = self.entries.get() + 1;
        self.entries.set(entries);
        entries >= Parameter::LosingInterval.get()
    }
}

/// Tier 1 is about to enter an executor. Answers whether it has been retired instead.
///
/// # Safety
/// GIL held, the executor is attached.
#[inline(always)]
pub(crate) unsafe fn retires(executor: *const Executor) -> bool {
    // SAFETY: as the caller promises.
    unsafe { (*executor).books.enter() && look(executor) }
}

#[cold]
#[inline(never)]
unsafe fn look(executor: *const Executor) -> bool {
    // SAFETY: as for `retires`; the table of places holds a reference, too.
    let executor = unsafe {
        Rc::increment_strong_count(executor);
        Rc::from_raw(executor)
    };
    executor.books.entries.set(0);
    let cold = executor.exits().iter().map(|exit| exit.cold.get()).sum();
    let now = [executor.runs.get(), cold, executor.instructions()];
    let before = executor.books.before.replace(now);
    let [runs, cold, instructions] = core::array::from_fn(|i| now[i].saturating_sub(before[i]));
    let loses = cold >= runs - runs / 8 && instructions < runs * u64::from(Parameter::LosingLength.get());
    if loses {
        if let Some(place) = executor.place() {
            let chances = Parameter::Attempts.get().div_ceil(2);
            (0..chances).for_each(|_| _ = graph::note_failure(place));
        }
        // SAFETY: the GIL is held.
        unsafe { invalidate(&executor, InvalidationReason::Losing) };
    }
    graph::bury_executor(Some(executor));
    loses
}
