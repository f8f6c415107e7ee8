//! Adaptive backoff counters (PEP 659; `pycore_backoff.h`): when an instruction should try to specialize.
//!
//! 16 bits: the value counted down in the upper 12, the backoff exponent in the lower 4. A counter triggers at value zero.
//! After a failed attempt the exponent grows and the value restarts at 2^exponent - 1, so a hopeless instruction costs
//! ever less; after a success the value is a cool-down that misses of the specialized form count against.

/// Executions before an instruction first tries to specialize.
const WARMUP_VALUE: u16 = 1;
const WARMUP_BACKOFF: u16 = 1;
/// Misses that a freshly specialized instruction is allowed before it tries again.
const COOLDOWN_VALUE: u16 = 52;
const MAX_BACKOFF: u16 = 12;

const fn make(value: u16, backoff: u16) -> u16 {
    value << 4 | backoff
}

/// The counter of an instruction that has not run yet (see `HOTSPUR_STRESS`: without warm-up it triggers at once).
#[inline]
pub fn warmup() -> u16 {
    if crate::context::stress() { make(0, WARMUP_BACKOFF) } else { make(WARMUP_VALUE, WARMUP_BACKOFF) }
}

/// The counter after specializing.
pub const fn cooldown() -> u16 {
    make(COOLDOWN_VALUE, 0)
}

/// Whether it is time to try.
#[inline(always)]
pub const fn triggers(counter: u16) -> bool {
    counter < 16
}

/// One execution fewer to go.
#[inline(always)]
pub const fn advance(counter: u16) -> u16 {
    counter - 16
}

/// The counter after a failed attempt.
pub const fn back_off(counter: u16) -> u16 {
    let backoff = counter & 15;
    let backoff = if backoff < MAX_BACKOFF { backoff + 1 } else { MAX_BACKOFF };
    make((1 << backoff) - 1, backoff)
}
