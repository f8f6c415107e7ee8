//! Deciding, on the values that an instruction sees, which specialization it becomes. One file per family.

pub mod call;
pub mod load_attr;
pub mod load_global;
pub mod load_super_attr;
pub mod operators;
pub mod store_attr;
pub mod subscript;
pub mod truth;

pub(crate) use load_attr::{Kind, analyze, loads_generically, slot_offset};
