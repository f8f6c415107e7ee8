//! What passes need to change superblocks.

use cranelift_entity::SecondaryMap;
use hotspur_ir::{Inst, Op, Slot, Snapshot, SnapshotId, Superblock, Type, Value, VirtualId};
use rustc_hash::{FxHashMap as HashMap, FxHashSet as HashSet};

/// Values that stand for others from now on.
#[derive(Default)]
pub(crate) struct Substitution(SecondaryMap<Value, Option<Value>>);

impl Substitution {
    /// From now on, `new` stands for `old`. Wherever `old` was defined, `new` must be.
    pub(crate) fn replace(&mut self, old: Value, new: Value) {
        debug_assert_ne!(old, new);
        self.0[old] = Some(new);
    }

    /// What stands for the value.
    pub(crate) fn resolve(&self, mut v: Value) -> Value {
        while let Some(new) = self.0[v] {
            v = new;
        }
        v
    }

    pub(crate) fn slot(&self, slot: Slot) -> Slot {
        match slot {
            Slot::Value(v) => Slot::Value(self.resolve(v)),
            Slot::Owned(v) => Slot::Owned(self.resolve(v)),
            Slot::Unchanged | Slot::Null | Slot::Virtual(_) => slot,
        }
    }

    /// Replaces values in all snapshots and virtual objects.
    pub(crate) fn apply_to_snapshots(&self, sb: &mut Superblock) {
        for snapshot in sb.snapshots.values_mut() {
            for slot in snapshot.frames.iter_mut().flat_map(|f| f.slots_mut()) {
                *slot = self.slot(*slot);
            }
        }
        for object in sb.virtuals.values_mut() {
            for slot in &mut object.fields {
                *slot = self.slot(*slot);
            }
        }
    }

    /// Replaces values everywhere.
    pub(crate) fn apply(&self, sb: &mut Superblock) {
        self.apply_to_snapshots(sb);
        for inst in sb.insts_mut() {
            inst.op.map_values(|v| self.resolve(v));
        }
    }
}

/// New snapshots that are each there once.
#[derive(Default)]
pub(crate) struct Snapshots(HashMap<Snapshot, SnapshotId>);

impl Snapshots {
    pub(crate) fn add(&mut self, sb: &mut Superblock, snapshot: Snapshot) -> SnapshotId {
        *self.0.entry(snapshot).or_insert_with_key(|s| sb.snapshots.push(s.clone()))
    }
}

/// Values that a snapshot names, itself or through virtual objects; `true` where they are `own`.
pub(crate) fn named(sb: &Superblock, snapshot: &Snapshot) -> Vec<(Value, bool)> {
    let mut out = Vec::new();
    let mut seen = HashSet::default();
    let mut todo: Vec<Slot> = snapshot.slots().collect();
    while let Some(slot) = todo.pop() {
        match slot {
            Slot::Value(v) => out.push((v, false)),
            Slot::Owned(v) => out.push((v, true)),
            Slot::Virtual(id) => todo.extend(once(sb, id, &mut seen)),
            Slot::Unchanged | Slot::Null => {}
        }
    }
    out
}

/// The fields of a virtual object, unless it was seen before.
fn once(sb: &Superblock, id: VirtualId, seen: &mut HashSet<VirtualId>) -> Vec<Slot> {
    if seen.insert(id) { sb.virtuals[id].fields.clone() } else { Vec::new() }
}

/// Values that an op names, itself or through what it materializes.
pub(crate) fn operands(sb: &Superblock, op: &Op) -> Vec<Value> {
    let mut out = Vec::new();
    op.each_value(|v| out.push(v));
    if let Op::Materialize { object } = *op {
        let mut seen = HashSet::default();
        let mut todo = once(sb, object, &mut seen);
        while let Some(slot) = todo.pop() {
            out.extend(slot.value());
            if let Slot::Virtual(id) = slot {
                todo.extend(once(sb, id, &mut seen));
            }
        }
    }
    out
}

/// Whether the op, which is no call, makes an object. (A small int or the empty tuple has been there before; nobody counts references to these.)
/// One that is written into another is the same object as far as anyone can tell who has its address.
pub(crate) fn makes_object(op: &Op) -> bool {
    op.effects().allocates && op.helper().is_none() && !matches!(op, Op::ReboxF64 { .. } | Op::ReboxI64 { .. })
}

/// Appends an op that needs no snapshot.
pub(crate) fn emit(sb: &mut Superblock, out: &mut Vec<Inst>, op: Op) -> Option<Value> {
    let result = op.result().ty().map(|ty| sb.values.push(ty));
    out.push(Inst { op, result, snapshot: None });
    result
}

/// Whether the loop runs on frames in memory only that it neither pushes nor pops: whatever it does to slots it does itself, but for other
/// code, which `check_validity` notices.
pub(crate) fn keeps_frames(insts: &[Inst]) -> bool {
    !insts.iter().any(|i| {
        matches!(
            i.op,
            Op::Execute { .. }
                | Op::PushFrame { .. }
                | Op::PopFrame {}
                | Op::ReturnValue { .. }
                | Op::PushGenerator { .. }
                | Op::PopGenerator {}
                | Op::UnlinkFirst { .. }
        )
    })
}

/// The arguments that the loop is entered with, and those that it goes round with.
pub(crate) fn loop_args(sb: &Superblock) -> Option<(&[Value], &[Value])> {
    let (Op::EnterLoop { args: enter }, Op::JumpLoop { args: jump }) =
        (&sb.prefix.last()?.op, &sb.body.as_ref()?.insts.last()?.op)
    else {
        return None;
    };
    Some((enter, jump))
}

/// Replaces the parameters of the loop, each with the arguments that it gets.
pub(crate) fn set_loop_params(sb: &mut Superblock, params: &[(Value, Value, Value)]) {
    let Some(body) = &mut sb.body else { return };
    body.params = params.iter().map(|p| p.0).collect();
    if let Some(Inst { op: Op::JumpLoop { args }, .. }) = body.insts.last_mut() {
        *args = params.iter().map(|p| p.2).collect();
    }
    if let Some(Inst { op: Op::EnterLoop { args }, .. }) = sb.prefix.last_mut() {
        *args = params.iter().map(|p| p.1).collect();
    }
}

/// The parameters of the loop, each with the arguments that it gets.
pub(crate) fn loop_params(sb: &Superblock) -> Vec<(Value, Value, Value)> {
    let (Some(body), Some((enter, jump))) = (&sb.body, loop_args(sb)) else { return Vec::new() };
    body.params.iter().zip(enter).zip(jump).map(|((&p, &e), &j)| (p, e, j)).collect()
}

/// Whether values of this type carry references.
pub(crate) fn is_object(sb: &Superblock, v: Value) -> bool {
    sb.values[v] == Type::Obj
}
