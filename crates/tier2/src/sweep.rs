//! Sweeping: executors that are not entered any more are removed.

use crate::graph;
use crate::invalidate::invalidate;
use crate::stats;
use hotspur_ir::InvalidationReason;

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
        for executor in graph::all() {
            let cold = !executor.warm.replace(false);
            if cold && !executor.is_active() && executor.is_valid() {
                invalidate(&executor, InvalidationReason::Cold);
                removed += 1;
            }
            graph::bury_executor(Some(executor));
        }
    }
    removed
}
