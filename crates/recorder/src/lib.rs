//! The recorder: from the instructions that tier 1 executes to superblocks.
//!
//! Recording dispatch shows the recorder each instruction before it runs; see [`Recorder`].
//!
//! # Safety
//! Functions that read the state of the interpreter are `unsafe fn` for one reason, tier 1's own (`hotspur_tier1::dispatch`): they run
//! inside an activation, GIL held, on registers that the interpreter set up. They read only: no reference is taken, no Python
//! object made, no Python code run.
#![allow(unsafe_op_in_unsafe_fn, reason = "one contract for the whole crate, stated above")]
#![allow(clippy::missing_safety_doc, reason = "one contract for the whole crate, stated above")]

mod check;
mod constants;
mod facts;
mod history;
mod inherit;
mod limits;
mod lower;
mod ownership;
mod recorder;
mod state;
mod trace;

pub use constants::Constants;
pub use facts::is_static;
pub use history::{has_more_kinds_than, note_code_freed, note_function_died, note_kind};
pub use inherit::{Inherited, InheritedFrame, InheritedValue};
pub use limits::Limits;
pub use recorder::{Recorder, Verdict};
pub use trace::{Dependencies, Keep, Noted, Object, Place, Trace, What};
