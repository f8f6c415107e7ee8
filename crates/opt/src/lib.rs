//! The optimizer: superblocks in, superblocks out that do the same with less.
//!
//! # What "the same" means
//!
//! An optimized superblock, started in the same state, leaves with frames and heap that Python code cannot tell from those
//! that the original leaves, with the same calls to other code in between. It leaves at the same place for the same reason, with two
//! exceptions: a guard that is there only because of how an op works may go with the op (a sum that is kept in a register need
//! not fit into one digit, so the optimized loop goes on where the original would have left), and objects that were not built have no
//! history (no address, no time of death).
//!
//! # Order
//!
//! [`SCHEDULE`] lists the passes in the order in which they run. The idea behind it:
//!
//! 1. [`fold`] simplifies what was recorded.
//! 2. [`promote`] takes slots of frames that a loop changes into registers.
//! 3. [`peel`] copies the first round in front of the loop. Folding over both finds that what the first round has
//!    looked at need not be looked at again: guards, loads and computations that do not depend on the round vanish from the loop.
//! 4. [`sink`] and [`refcount`]: objects built in vain, references taken in vain. Once tuples that were built to be taken apart are gone, it can
//!    be seen what happens to the boxes that were in them.
//! 5. [`unbox`] sees that some parameters of the loop are boxes each time round, and passes what is in them instead.
//! 6. [`refcount`] and [`sink`] again: now boxes go, and references to what was in objects that are not built.
//! 7. [`ranges`] and [`dce`] tidy up, and [`reuse`] makes boxes that are left of dying ones.
//!
//! # Who may rely on what
//!
//! Passes make no assumptions about what ran before them: each is correct on every superblock that the verifier accepts and that
//! treats references as the essay in `snapshot.rs` of the IR says. A pass that cannot prove something leaves it alone.
//! In debug builds the verifier looks at what each pass made.

#![forbid(unsafe_code)]

mod count;
mod dce;
mod edit;
mod fold;
mod knowledge;
mod memory;
mod origins;
mod passes;
mod peel;
mod promote;
mod ranges;
mod refcount;
mod reuse;
mod rules;
mod sink;
mod unbox;

pub use passes::{Pass, PassSet};
pub use rules::Rule;

use hotspur_ir::{Facts, Superblock};

/// The passes in the order in which they run.
pub const SCHEDULE: &[Pass] = &[
    Pass::Fold,
    Pass::Promote,
    Pass::Peel,
    Pass::Fold,
    Pass::Dce,
    Pass::Sink,
    Pass::Refcount,
    Pass::Unbox,
    Pass::Fold,
    Pass::Refcount,
    Pass::Dce,
    Pass::Sink,
    Pass::Refcount,
    Pass::Fold,
    Pass::Ranges,
    Pass::Reuse,
    Pass::Dce,
];

/// Optimizes a superblock, which the verifier must accept, with the passes in the set. Values, snapshots and virtual objects are
/// numbered anew.
pub fn optimize(sb: Superblock, facts: &dyn Facts, passes: PassSet) -> Superblock {
    SCHEDULE.iter().filter(|&&p| passes.contains(p)).fold(sb, |sb, &pass| run_pass(sb, facts, pass))
}

/// Runs one pass.
pub fn run_pass(sb: Superblock, facts: &dyn Facts, pass: Pass) -> Superblock {
    let done = match pass {
        Pass::Fold => fold::fold(sb, facts),
        Pass::Promote => promote::promote(sb),
        Pass::Peel => peel::peel(sb),
        Pass::Unbox => unbox::unbox(sb),
        Pass::Sink => sink::sink(sb, facts),
        Pass::Refcount => refcount::refcount(sb, facts),
        Pass::Reuse => reuse::reuse(sb, facts),
        Pass::Ranges => ranges::ranges(sb),
        Pass::Dce => dce::dce(sb),
    };
    // Numbering anew also drops snapshots and virtual objects that nothing names any more.
    let done = done.canonical();
    if cfg!(debug_assertions)
        && let Err(errors) = hotspur_ir::verify(&done)
    {
        panic!("{} made a malformed superblock: {errors:#?}\n{done}", pass.name());
    }
    done
}
