//! Typed ids. Each prints as its prefix and number (`v3`, `snap0`), which is also how the text format writes it.

use cranelift_entity::entity_impl;

/// An SSA value of a superblock; its type is in [`Superblock::values`](crate::Superblock::values).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Value(u32);
entity_impl!(Value, "v");

/// A snapshot of a superblock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SnapshotId(u32);
entity_impl!(SnapshotId, "snap");

/// A virtual object of a superblock: one that is described, and built only where a snapshot that names it is used.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VirtualId(u32);
entity_impl!(VirtualId, "virt");

/// A Python object that the host holds for the superblock: opaque here, kept alive as long as the superblock and its
/// executor exist. The numbering is the host's; the same number is the same object.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjRef(u32);
entity_impl!(ObjRef, "obj");

/// A code object that the host holds for the superblock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CodeRef(u32);
entity_impl!(CodeRef, "code");

/// An executor that the superblock links to; the host holds it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExecutorRef(u32);
entity_impl!(ExecutorRef, "executor");

/// An exit: the ordinal of an op among those of its superblock that may leave it, in program order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExitId(u32);
entity_impl!(ExitId, "exit");
