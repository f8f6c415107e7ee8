//! The tier 2 interpreter: it says what a superblock means by executing it.
//!
//! [`run`] executes a superblock over a register file, one register for each value. Everything that has to do with Python
//! objects, frames and the thread goes through a [`Runtime`]. Machine code must do the same: same results, same exits, same
//! frames, same references.
//!
//! Read in this order: [`runtime`], `exec.rs` (an arm for each op, and one for all that compute), `frames.rs` (snapshots: exits, publishing). [`toy`] is a
//! runtime for tests, a small heap that counts references and finds leaks and double frees.

#![forbid(unsafe_code)]

mod exec;
mod frames;
mod machine;
pub mod runtime;
pub mod toy;

pub use frames::{Changed, Published};
pub use machine::{Checked, Leave, Machine, Outcome, Register, Violation, run, run_to_bridges};
pub use runtime::{Content, Frame, Runtime};
