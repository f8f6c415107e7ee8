//! Tier 1: an adaptive, specializing interpreter of CPython 3.13's bytecode, on CPython's own frames.
//!
//! Where to start reading: [`table`] (the instructions), [`dispatch`] (how a handler is written), [`code`] (what is
//! executed), [`eval`] (how CPython gets in and out).
//!
//! # Safety
//! Nearly everything here is `unsafe fn`, for the reason that [`dispatch`] gives once: it runs inside an activation of the
//! evaluation loop, GIL held, on registers that the loop set up.
#![allow(unsafe_op_in_unsafe_fn, reason = "one contract for the whole crate, stated in `dispatch`")]
#![allow(clippy::missing_safety_doc, reason = "one contract for the whole crate, stated in `dispatch`")]

pub mod boxes;
pub mod calling;
pub mod code;
pub mod consumers;
pub mod context;
pub mod counter;
mod disassemble;
pub mod dispatch;
mod eval;
pub mod frames;
pub mod generators;
pub mod ops;
pub mod polymorphic;
mod record;
pub mod shims;
mod specialize;
pub mod table;
pub mod ticks;
pub mod tier2;
mod tools;
mod unwind;

pub use context::{
    Counters, count_instructions, counters, hook_is_found, initialize, instructions_executed, register_tier2,
    swap_tier2,
};
pub use disassemble::{Line, disassemble};
pub use eval::eval_frame;
pub use record::{Recorded, start_recording, stop_recording};
pub use tier2::stop_recording_traces;

/// How tier 1 is to work.
#[derive(Debug, Clone, Copy)]
pub struct Config {
    /// No warm-up: instructions specialize when they first run.
    pub stress: bool,
    /// Installs (true) or removes (false) the evaluation function. Called with the GIL held: tier 1 wants to be out of the
    /// way while tracing, profiling or monitoring is on.
    pub set_hook: fn(bool),
}
