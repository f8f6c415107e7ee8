//! Peeling: the first round of the loop is copied to the end of the prefix.
//!
//! By itself that gains nothing. But then the prefix has computed all that a round computes, and folding
//! finds in the loop what is there already: guards on what does not change, loads of what the loop does not write, computations on
//! them. This is how LuaJIT hoists; it needs no analysis of what is invariant, and guards stay where they fail at the right
//! place: in the first round, in the prefix.
//!
//! Exits of the loop then come a round later than they did: their snapshots count its instructions.
//!
//! The copy has values, snapshots and virtual objects of its own; parameters become the arguments that the loop was entered with.
//!
//! # When not
//!
//! If an instruction is left to tier 1 in the loop, or frames come and go, nothing much is known where the next round begins, so the copy would be
//! in vain. Long loops are not peeled either: the prefix runs once, and costs code. And the verifier's rule of effects is
//! about instructions by position: if the prefix ends in the middle of the instruction that the loop begins with, the copy
//! would look as if it went back.

use crate::edit::keeps_frames;
use hotspur_ir::{Inst, Op, Slot, SnapshotId, Superblock, Value, VirtualId, verify};
use rustc_hash::FxHashMap as HashMap;

/// Loops with more ops are not peeled.
const LONGEST: usize = 400;

struct Copy {
    sb: Superblock,
    values: HashMap<Value, Value>,
    snapshots: HashMap<SnapshotId, SnapshotId>,
    virtuals: HashMap<VirtualId, VirtualId>,
}

/// Peels one round.
pub(crate) fn peel(sb: Superblock) -> Superblock {
    let Some(body) = &sb.body else { return sb };
    if body.insts.len() > LONGEST || !keeps_frames(&body.insts) {
        return sb;
    }
    let Some((enter, jump)) = crate::edit::loop_args(&sb) else { return sb };
    let jump = jump.to_vec();
    let values = body.params.iter().copied().zip(enter.iter().copied()).collect();
    let mut copy = Copy { sb: sb.clone(), values, snapshots: HashMap::default(), virtuals: HashMap::default() };
    copy.sb.prefix.pop();
    for inst in &body.insts[..body.insts.len() - 1] {
        let inst = copy.inst(inst);
        copy.sb.prefix.push(inst);
    }
    let args = jump.iter().map(|&v| copy.value(v)).collect();
    copy.sb.prefix.push(Inst { op: Op::EnterLoop { args }, result: None, snapshot: None });
    a_round_later(&mut copy.sb);
    if verify(&copy.sb).is_ok() { copy.sb } else { sb }
}

/// Has the exits of the loop count the instructions of the round in front of it.
fn a_round_later(sb: &mut Superblock) {
    let Some(mut body) = sb.body.take() else { return };
    let mut later: HashMap<SnapshotId, SnapshotId> = HashMap::default();
    for id in body.insts.iter_mut().filter_map(|inst| inst.snapshot.as_mut()) {
        *id = *later.entry(*id).or_insert_with(|| {
            let mut snapshot = sb.snapshots[*id].clone();
            snapshot.instructions += body.instructions;
            sb.snapshots.push(snapshot)
        });
    }
    sb.body = Some(body);
}

impl Copy {
    fn value(&self, v: Value) -> Value {
        self.values.get(&v).copied().unwrap_or(v)
    }

    fn slot(&mut self, slot: Slot) -> Slot {
        match slot {
            Slot::Value(v) => Slot::Value(self.value(v)),
            Slot::Owned(v) => Slot::Owned(self.value(v)),
            Slot::Virtual(id) => Slot::Virtual(self.object(id)),
            Slot::Unchanged | Slot::Null => slot,
        }
    }

    /// Objects within have lower numbers, before and after.
    fn object(&mut self, id: VirtualId) -> VirtualId {
        if let Some(&copied) = self.virtuals.get(&id) {
            return copied;
        }
        let mut object = self.sb.virtuals[id].clone();
        for field in &mut object.fields {
            *field = self.slot(*field);
        }
        let copied = self.sb.virtuals.push(object);
        self.virtuals.insert(id, copied);
        copied
    }

    fn snapshot(&mut self, id: SnapshotId) -> SnapshotId {
        if let Some(&copied) = self.snapshots.get(&id) {
            return copied;
        }
        let mut snapshot = self.sb.snapshots[id].clone();
        for slot in snapshot.frames.iter_mut().flat_map(|f| f.slots_mut()) {
            *slot = self.slot(*slot);
        }
        let copied = self.sb.snapshots.push(snapshot);
        self.snapshots.insert(id, copied);
        copied
    }

    fn inst(&mut self, inst: &Inst) -> Inst {
        let mut op = inst.op.clone();
        op.map_values(|v| self.value(v));
        if let Op::Materialize { object } = &mut op {
            *object = self.object(*object);
        }
        let snapshot = inst.snapshot.map(|s| self.snapshot(s));
        let result = inst.result.map(|v| {
            let copied = self.sb.values.push(self.sb.values[v]);
            self.values.insert(v, copied);
            copied
        });
        Inst { op, result, snapshot }
    }
}
