//! The instructions' handlers, by subject. The table in [`crate::table`] refers to them by name.

mod locals;
mod shared;

pub use locals::*;
pub use shared::*;
