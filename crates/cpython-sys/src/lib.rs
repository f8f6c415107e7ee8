//! The private layout of CPython 3.13: the structures and functions that its headers call internal.
//!
//! **Architecture invariant.** This is the only crate that knows CPython's private layout, and the only one that differs
//! between minor versions. What the public headers declare comes from `pyo3-ffi` and is re-exported as [`ffi`]; what stands
//! here are the fields and functions that only CPython itself normally touches. Every offset is asserted at compile time
//! against what 3.13's headers give on a 64-bit machine (the numbers are the same from 3.13.0 to 3.13.15), and again at
//! import by [`verify`] against what the running interpreter says of itself.
//!
//! Functions that CPython's headers define as `static inline` are written here in Rust, under their own names less the
//! leading `_Py`.
//!
//! # Safety
//! All functions here require that the caller holds the GIL and that every pointer is what its type says. They are
//! `unsafe fn` for that one reason; the bodies rely on nothing else unless they say so.
#![allow(unsafe_op_in_unsafe_fn, reason = "one contract for the whole crate, stated above")]
#![allow(clippy::missing_safety_doc, reason = "one contract for the whole crate, stated above")]
#![allow(non_snake_case, non_upper_case_globals, non_camel_case_types, missing_docs)]

pub use pyo3_ffi as ffi;

mod allocators;
mod array;
mod audit;
mod collector;
mod dict;
pub mod functions;
mod iterators;
pub mod layout;
mod lookup;
pub mod object;
mod type_lookup;
pub mod verify;
pub mod watch;

pub use allocators::*;
pub use array::*;
pub use audit::*;
pub use collector::*;
pub use dict::*;
pub use functions::*;
pub use iterators::*;
pub use layout::*;
pub use lookup::*;
pub use object::*;
pub use type_lookup::*;
pub use watch::*;
