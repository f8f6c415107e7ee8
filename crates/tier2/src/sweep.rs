//! Sweeping: executors that are not entered any more are removed.
//!
//! An executor is warm that was entered since the last sweep: its own code, or whoever interprets it, says so. A sweep removes the
//! others, and takes place whenever so many executors were made ([`Parameter::SweepInterval`]).
//!
//! When code memory is full, what is cold goes, the oldest first, until there is room. If everything is warm, no room
//! is made: the recording has failed, and its place has to wait. A full memory brings the next sweep nearer: it comes when as many
//! recordings were turned away as half the number of executors.

use crate::executor::Executor;
use crate::invalidate::invalidate;
use crate::params::Parameter;
use crate::{graph, observe, stats};
use hotspur_ir::{AbortReason, InvalidationReason};

/// Makes those executors invalid that were not run since the last sweep, and marks the others as cold. Answers how many were
/// removed. What they hold goes to the graveyard.
///
/// # Safety
/// GIL held.
pub unsafe fn sweep() -> usize {
    let mut removed = 0;
    // SAFETY: as the caller promises.
    unsafe {
        stats::count(|s| s.sweeps += 1);
        let all = graph::all();
        let number = all.len();
        for executor in all {
            let cold = !executor.warm.replace(false);
            if cold && !executor.is_active() && executor.is_valid() {
                invalidate(&executor, InvalidationReason::Cold);
                removed += 1;
            }
            graph::bury_executor(Some(executor));
        }
        observe::swept(removed, number);
    }
    graph::let_invalid_targets_go();
    removed
}

/// Sweeps if it is time for that.
///
/// # Errors
/// There are too many executors for another one.
///
/// # Safety
/// GIL held.
pub(crate) unsafe fn make_ready() -> Result<(), AbortReason> {
    let is_full = || graph::len() >= Parameter::Executors.get() as usize;
    if graph::sweep_is_due() || is_full() {
        // SAFETY: as the caller promises.
        unsafe { sweep() };
        graph::free_executors();
    }
    if is_full() { Err(AbortReason::TooManyExecutors) } else { Ok(()) }
}

/// Removes cold executors that have machine code until `try_again` succeeds. False if it does not.
///
/// # Safety
/// GIL held.
pub(crate) unsafe fn make_room(mut try_again: impl FnMut() -> bool) -> bool {
    if graph::turned_away_too_many() {
        // SAFETY: as the caller promises.
        unsafe { sweep() };
    }
    // What was buried may do.
    graph::free_executors();
    let mut made = try_again();
    let is_cold = |e: &Executor| !e.warm.get() && !e.is_active() && e.is_valid() && e.has_code();
    let (mut cold, others): (Vec<_>, Vec<_>) = graph::all().into_iter().partition(|e| is_cold(e));
    others.into_iter().for_each(|executor| graph::bury_executor(Some(executor)));
    // Several at a time, because it takes a look at all exits to find what leads to them.
    let portion = cold.len().div_ceil(8).max(1);
    while !made && !cold.is_empty() {
        for executor in cold.drain(..portion.min(cold.len())) {
            // SAFETY: as the caller promises.
            unsafe { invalidate(&executor, InvalidationReason::CodeMemory) };
            graph::bury_executor(Some(executor));
        }
        graph::let_invalid_targets_go();
        graph::free_executors();
        made = try_again();
    }
    cold.into_iter().for_each(|executor| graph::bury_executor(Some(executor)));
    if made {
        graph::welcome();
    }
    made
}
