//! How fast places and exits become hot.
//!
//! A counter says how often something was executed since the program began. Sooner or later it runs down nearly everywhere in a program that runs for
//! long, also where there is nothing to be gained: a trace that is executed a thousand times a second saves less in a minute than it took
//! to compile, and machine code that is executed so seldom is in no cache when it is. So a counter has to run down within
//! some time ([`Parameter::HeatTime`]), or it counts anew. (PyPy has its counters decay, for the same reason.) That holds for loops as
//! well: a round that is not too long for a trace takes some microseconds, so one that needs more time for its rounds takes no great part in it all.
//!
//! It is the processor time of the process that counts, less what the compiler's thread took, so that a program that mostly waits is
//! judged by what it does.

use crate::jit;
use crate::params::Parameter;
use core::cell::Cell;
use core::sync::atomic::{AtomicU32, Ordering};

/// What [`now`] answered last.
static LAST: AtomicU32 = AtomicU32::new(0);

/// Milliseconds of processor time.
fn now() -> u32 {
    let now = (jit::background::program_time() / 1_000_000) as u32;
    LAST.store(now, Ordering::Relaxed);
    now
}

/// Whether a threshold is so low that counting down from it says nothing of speed: who sets it wants to have everything compiled.
fn is_low(threshold: Parameter) -> bool {
    threshold.get() < 100
}

/// Whether code is compiled at first sight.
pub(crate) fn is_forced() -> bool {
    is_low(Parameter::BackEdgeThreshold) || is_low(Parameter::EntryThreshold)
}

/// When a counter was started; by default, with the program.
#[derive(Debug, Default)]
pub(crate) struct Heat(Cell<u32>);

impl Heat {
    /// A counter that starts now, or not much earlier.
    pub(crate) fn started() -> Heat {
        Heat(Cell::new(LAST.load(Ordering::Relaxed)))
    }

    /// The counter, which starts with this threshold, has run down, and starts again. Whether that was fast.
    pub(crate) fn is_fast(&self, threshold: Parameter) -> bool {
        let limit = Parameter::HeatTime.get();
        if limit == 0 || is_low(threshold) {
            return true;
        }
        let now = now();
        let since = self.0.replace(now);
        // What began with the program had to wait for that.
        let limit = if since == 0 { 2 * limit } else { limit };
        now.saturating_sub(since) <= limit
    }
}
