//! The superblock.

use crate::entities::{CodeRef, ExitId, SnapshotId, Value, VirtualId};
use crate::ops::Op;
use crate::reasons::ExitReason;
use crate::snapshot::{Resume, Slot, Snapshot, Virtual};
use crate::types::Type;
use cranelift_entity::{EntityRef, PrimaryMap};

/// An op in its place.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Inst {
    /// What it does.
    pub op: Op,
    /// The value that it defines.
    pub result: Option<Value>,
    /// The frames at this point, if it may exit or escape.
    pub snapshot: Option<SnapshotId>,
}

/// The loop of a superblock.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LoopBody {
    /// Values that each iteration gets from the one before, the first from `enter_loop`.
    pub params: Vec<Value>,
    /// Its ops; the last is `jump_loop`.
    pub insts: Vec<Inst>,
    /// How many instructions a round stands for; for statistics.
    pub instructions: u32,
}

/// A superblock: a straight prefix, then optionally a loop. Side exits apart, control leaves it at its last op only.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Superblock {
    /// The code of the frame where it begins.
    pub code: CodeRef,
    /// The index, in code units, of the instruction where it begins.
    pub pc: u32,
    /// Values that it gets from the executor that leads to it; none when it is entered from tier 1. Objects
    /// among them are borrowed: frames, which were written before, own them. (Where it grows from an exit whose frames are not written:
    /// something that this superblock takes over, or the parameter itself, see `adopt`.)
    pub params: Vec<Value>,
    /// Ops from the entry to the loop, or to the end.
    pub prefix: Vec<Inst>,
    /// The loop.
    pub body: Option<LoopBody>,
    /// Types of values.
    pub values: PrimaryMap<Value, Type>,
    /// Snapshots that ops name.
    pub snapshots: PrimaryMap<SnapshotId, Snapshot>,
    /// Objects that snapshots name.
    pub virtuals: PrimaryMap<VirtualId, Virtual>,
}

/// An op that may leave the superblock.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Exit {
    /// Its number.
    pub id: ExitId,
    /// The frames to be made.
    pub snapshot: SnapshotId,
    /// Why it is taken.
    pub reason: ExitReason,
}

impl Superblock {
    /// Whether it does no harm to leave at this op although its guard holds: nothing of the instruction has been done, and tier 1 executes it
    /// ([`ExitReason::is_tried_again`]).
    pub fn may_leave_at_will(&self, inst: &Inst) -> bool {
        inst.op.exit_reason().is_some_and(ExitReason::is_tried_again)
            && inst.snapshot.is_some_and(|id| self.snapshots[id].resume == Resume::At)
    }

    /// A superblock without ops.
    pub fn new(code: CodeRef, pc: u32) -> Superblock {
        Superblock {
            code,
            pc,
            params: Vec::new(),
            prefix: Vec::new(),
            body: None,
            values: PrimaryMap::new(),
            snapshots: PrimaryMap::new(),
            virtuals: PrimaryMap::new(),
        }
    }

    /// All ops in program order: the prefix, then the loop.
    pub fn insts(&self) -> impl Iterator<Item = &Inst> {
        self.prefix.iter().chain(self.body.iter().flat_map(|b| &b.insts))
    }

    /// All ops in program order, to be changed.
    pub fn insts_mut(&mut self) -> impl Iterator<Item = &mut Inst> {
        self.prefix.iter_mut().chain(self.body.iter_mut().flat_map(|b| &mut b.insts))
    }

    /// The exits in program order: the `n`th has number `n`.
    pub fn exits(&self) -> impl Iterator<Item = Exit> + '_ {
        self.insts()
            .filter_map(|inst| Some((inst.snapshot?, inst.op.exit_reason()?)))
            .enumerate()
            .map(|(i, (snapshot, reason))| Exit { id: ExitId::new(i), snapshot, reason })
    }

    /// How many instructions are done when each exit is taken, by number; see [`Snapshot::instructions`].
    pub fn instructions_at_exits(&self) -> Vec<u32> {
        self.exits().map(|exit| self.snapshots[exit.snapshot].instructions).collect()
    }

    /// The values that a snapshot needs, each once, in the order in which its slots name them: what a superblock that grows from an exit with the snapshot
    /// gets for its parameters.
    pub fn live(&self, snapshot: SnapshotId) -> Vec<Value> {
        let mut values = Vec::new();
        self.snapshots[snapshot].slots().for_each(|slot| self.collect(slot, &mut values));
        values
    }

    fn collect(&self, slot: Slot, out: &mut Vec<Value>) {
        match slot {
            Slot::Unchanged | Slot::Null => {}
            Slot::Value(v) | Slot::Owned(v) => {
                if !out.contains(&v) {
                    out.push(v);
                }
            }
            Slot::Virtual(id) => self.virtuals[id].fields.iter().for_each(|&field| self.collect(field, out)),
        }
    }

    /// The last op, if there is one.
    pub fn terminator(&self) -> Option<&Inst> {
        self.body.as_ref().map_or(&self.prefix, |b| &b.insts).last()
    }
}
