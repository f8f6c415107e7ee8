//! Superblocks into machine code, for x86-64, by Cranelift.
//!
//! A [`Compiler`] makes [`Code`] from a superblock; it needs nothing but numbers, so it can run on any thread. A
//! [`CodeSpace`] is the memory that code is installed in. What code means is what the tier 2 interpreter does
//! (`hotspur-interp`), and the tests of `hotspur-filetests` compare the two.
//!
//! # How code runs
//!
//! ```text
//! tier 1 ── enter(state, code) ──▶ executor ══▶ executor ══▶ … ──▶ cold exit stub ── side_exit(state) ──▶ host
//!                ▲                    ══▶: a tail call through the entry of an exit              │
//!                └───────────────────────────────── null: return ────────────────────────────────┘
//! ```
//!
//! Code of a superblock is a function of the [`ExecState`] that never returns by itself: it ends in tail calls, so any
//! number of executors use the C stack of one. Each exit has an entry in a table that the embedder keeps, with the
//! address of the code that it leads to: the cold exit stub at first, another executor's code once there is one.
//! Linking is a store to that entry.
//!
//! Between executors, everything is in frames. So an exit that has to write some cannot lead to another executor's code
//! directly: either it goes on leading to the cold exit stub, and `side_exit` writes the frames and answers the code to
//! go on with; or, once it is hot, it leads to a *passage* (`passages.rs`), which is machine code that does the same.
//!
//! # Exits
//!
//! There are many exits, and most are never taken, so an exit is as few bytes as possible: stores of the live values,
//! the number, a jump to a block that all exits share. Exits that need the same values share the stores. How frames are
//! made from the values is not in the code at all: the host reads the snapshot, with [`SnapshotInfo`] telling where
//! values are.
//!
//! # Reading order
//!
//! `host.rs` (the interface), `compile.rs`, `translate.rs` (the walk), `ops.rs` (an arm for each op), then what the
//! arms call: `arithmetic.rs`, `guards.rs`, `heap.rs`, `boxes.rs`, `references.rs`, `calls.rs`, `exits.rs`. `passages.rs` and `landings.rs`: what exits lead to.
//! `arena.rs`, `space.rs`:
//! memory. `unwind.rs`: the way in, and the way out for unwinders.

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
compile_error!("machine code is made for x86-64 and Linux only");

mod arena;
mod arithmetic;
mod boxes;
mod calls;
mod compile;
mod elements;
mod exits;
mod frames;
mod generators;
mod guards;
mod heap;
mod host;
mod landings;
mod layout;
mod ops;
mod passages;
mod references;
mod returns;
mod showing;
mod space;
mod translate;
mod unwind;

pub use arena::Statistics;
pub use compile::{
    Bridge, Code, Compiler, Environment, ExitInfo, Failing, Goal, Listing, Live, Location, Options, Passage, Prologue,
    Refusal, Sizes, SnapshotInfo,
};
pub use host::{Callee, Constants, ExecState, ExitTable, HostFn, HostFunctions, MAX_PARAMS, MAX_VALUES, Object};
pub use landings::Landings;
pub use layout::{Boxes, Enumerates, InlineOrder, Layout, Returns, Tables};
pub use space::{CodeSpace, Installed, Stub};
pub use translate::Region;
pub use unwind::enter;
