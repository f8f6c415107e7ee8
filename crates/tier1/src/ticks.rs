//! Ticks: what shows how far a program has got, whatever executes it.
//!
//! A tick is an instruction that every loop and every function contains: a back-edge, or a RESUME (but not that of an `await` or `yield from`, which are
//! resumed in chains, see [`crate::ops`]). Tier 2 knows how many there are in what its executors do, so the ticks of both tiers
//! together, per unit of time, say how fast the program is now; it compares that with and without executors.
//!
//! Tier 1 counts ticks only while it is asked to: threads dispatch through another table then, and pay nothing otherwise.

use crate::code::Word;
use crate::context::tier2;
use crate::dispatch::Handler;
use crate::handler;
use crate::table::{COUNT, INFO, NORMAL, op};
use crate::tier2::plain_handler;
use core::cell::UnsafeCell;

/// How threads dispatch back-edges and functions' entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// As ever.
    Free,
    /// As ever, counting ticks.
    Counted,
    /// Counting ticks, and neither entering executors nor becoming hot.
    Alone,
}

/// Whether an instruction is a tick.
pub fn counts(word: Word) -> bool {
    match INFO[usize::from(word.op)].base {
        op::JUMP_BACKWARD => true,
        op::RESUME => is_plain_resume(word),
        _ => false,
    }
}

#[inline(always)]
fn is_plain_resume(word: Word) -> bool {
    word.oparg & 3 < 2
}

/// Ticks so far, and at how many tier 2 wants to be told.
struct Count(UnsafeCell<(u64, u64)>);
// SAFETY: only touched with the GIL held.
unsafe impl Sync for Count {}
static TICKS: Count = Count(UnsafeCell::new((0, u64::MAX)));

/// Ticks that tier 1 has counted so far.
///
/// # Safety
/// GIL held.
#[inline(never)]
pub unsafe fn counted() -> u64 {
    (*TICKS.0.get()).0
}

/// Has [`Tier2::tick`](crate::tier2::Tier2::tick) called after so many more.
///
/// # Safety
/// GIL held.
#[inline(never)]
pub unsafe fn tell_after(ticks: u64) {
    let count = TICKS.0.get();
    (*count).1 = (*count).0 + ticks;
}

/// Counts a tick. Whether tier 2 is to be told.
#[inline(always)]
unsafe fn tick() -> bool {
    let count = TICKS.0.get();
    (*count).0 += 1;
    (*count).0 >= (*count).1
}

/// Normal dispatch, but for what may be a tick. (An executor that a RESUME enters begins with that, and counts it.)
const fn counting(resume: Handler, back_edge: Handler) -> [Handler; COUNT] {
    let mut t = NORMAL;
    t[op::RESUME as usize] = resume;
    t[op::RESUME_COUNTED as usize] = resume;
    t[op::JUMP_BACKWARD as usize] = back_edge;
    t[op::JUMP_BACKWARD_COUNTED as usize] = back_edge;
    t[op::JUMP_BACKWARD_EXECUTOR as usize] = back_edge;
    t
}

/// Dispatch at [`Pace::Counted`].
pub(crate) static COUNTED: [Handler; COUNT] = counting(resume, back_edge);

/// Dispatch at [`Pace::Alone`], where no executor is entered.
pub(crate) static ALONE: [Handler; COUNT] = {
    let mut t = counting(resume_alone, back_edge_alone);
    t[op::RESUME_EXECUTOR as usize] = resume_alone;
    t
};

handler! {
    resume(s) {
        if is_plain_resume(*s.pc) && tick() {
            return s.tail(tell);
        }
        s.tail(NORMAL[usize::from((*s.pc).op)])
    }

    resume_alone(s) {
        if is_plain_resume(*s.pc) && tick() {
            return s.tail(tell);
        }
        s.tail(crate::ops::RESUME)
    }

    back_edge(s) {
        if tick() {
            return s.tail(tell);
        }
        s.tail(NORMAL[usize::from((*s.pc).op)])
    }

    back_edge_alone(s) {
        if tick() {
            return s.tail(tell);
        }
        s.tail(crate::ops::JUMP_BACKWARD)
    }

    /// Tells tier 2, and executes the instruction.
    #[cold]
    tell(s) {
        tell_tier2();
        s.tail(plain_handler(s.pc))
    }
}

/// (As long as tier 2 does not say when to be told again, it is told at each tick.)
#[cold]
#[inline(never)]
unsafe fn tell_tier2() {
    if let Some(tier2) = tier2() {
        (tier2.tick)();
    }
}
