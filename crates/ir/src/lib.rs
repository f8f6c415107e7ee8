//! Superblocks: what tier 2 records, optimizes and executes.
//!
//! A [`Superblock`] is an SSA sequence of micro-ops over typed values: a straight prefix, then optionally one loop with
//! parameters of its own, then a terminator. Ops that may leave it, or may run other code, name a [`Snapshot`]: how to
//! make CPython's frames from the values at that point.
//!
//! This crate knows neither CPython nor machine code. Python objects appear as opaque handles ([`ObjRef`]), about which
//! the host answers questions ([`Facts`]).
//!
//! Where to read first:
//!
//! * [`table`]: **the table of ops**. Everything about an op that can be said in a table is said there and nowhere else:
//!   the enum [`Op`], names, operands, effects, text format, builder methods and most verifier rules derive from it; of ops that
//!   compute, what they compute as well ([`computing`]).
//! * [`snapshot`]: an essay on frames, exits, ownership and what other code sees while it runs.
//! * [`verify`](mod@verify): the rules that a superblock obeys.
//! * [`helpers`], [`reasons`]: the other closed tables.
//!
//! Text in, text out: the printer is [`print`](mod@print), the parser the crate `hotspur-reader`.

#![forbid(unsafe_code)]

pub mod arithmetic;
pub mod builder;
pub mod canonical;
pub mod computing;
pub mod effects;
pub mod elements;
pub mod entities;
pub mod facts;
pub mod fields;
pub mod helpers;
pub mod ops;
pub mod print;
pub mod reasons;
pub mod snapshot;
pub mod superblock;
pub mod table;
pub mod types;
pub mod verify;

pub use builder::Builder;
pub use computing::{Answer, Operands, Unboxed};
pub use effects::{Effects, Ends, MemorySet};
pub use elements::{ElementKind, FloatKind, IntKind};
pub use entities::{CodeRef, ExecutorRef, ExitId, ObjRef, SnapshotId, Value, VirtualId};
pub use facts::{Builtin, Facts};
pub use fields::{Field, FieldKind, Imm, OperandKind};
pub use helpers::Helper;
pub use ops::{Op, OpInfo, Opcode};
pub use reasons::{AbortReason, ExitReason, InvalidationReason};
pub use snapshot::{FrameState, Resume, Slot, Snapshot, Virtual, VirtualKind};
pub use superblock::{Exit, Inst, LoopBody, Superblock};
pub use types::{Cond, Float, Moves, ResultKind, Type};
pub use verify::{Error, Rule, verify};
