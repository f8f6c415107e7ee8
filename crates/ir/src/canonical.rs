//! Canonical numbering: superblocks that differ only in ids become equal.

use crate::entities::{SnapshotId, Value, VirtualId};
use crate::ops::Op;
use crate::snapshot::Slot;
use crate::superblock::{Inst, Superblock};
use cranelift_entity::SecondaryMap;
use cranelift_entity::packed_option::PackedOption;

/// Numbers that were given, and what is copied under them.
struct Renumber<'a> {
    from: &'a Superblock,
    to: Superblock,
    values: SecondaryMap<Value, PackedOption<Value>>,
    snapshots: SecondaryMap<SnapshotId, PackedOption<SnapshotId>>,
    virtuals: SecondaryMap<VirtualId, PackedOption<VirtualId>>,
}

impl Renumber<'_> {
    fn value(&mut self, v: Value) -> Value {
        if let Some(known) = self.values[v].expand() {
            return known;
        }
        let new = self.to.values.push(self.from.values[v]);
        self.values[v] = new.into();
        new
    }

    fn slot(&mut self, slot: Slot) -> Slot {
        match slot {
            Slot::Unchanged => Slot::Unchanged,
            Slot::Null => Slot::Null,
            Slot::Value(v) => Slot::Value(self.value(v)),
            Slot::Owned(v) => Slot::Owned(self.value(v)),
            Slot::Virtual(id) => Slot::Virtual(self.virtual_object(id)),
        }
    }

    /// Objects within come first: a malformed superblock may have a cycle, which is cut where it closes.
    fn virtual_object(&mut self, id: VirtualId) -> VirtualId {
        if let Some(known) = self.virtuals[id].expand() {
            return known;
        }
        let mut object = self.from.virtuals[id].clone();
        for field in &mut object.fields {
            let inner_is_older = !matches!(field, Slot::Virtual(inner) if inner.as_u32() >= id.as_u32());
            if inner_is_older {
                *field = self.slot(*field);
            }
        }
        let new = self.to.virtuals.push(object);
        self.virtuals[id] = new.into();
        new
    }

    fn snapshot(&mut self, id: SnapshotId) -> SnapshotId {
        if let Some(known) = self.snapshots[id].expand() {
            return known;
        }
        let mut snapshot = self.from.snapshots[id].clone();
        for slot in snapshot.frames.iter_mut().flat_map(|f| f.slots_mut()) {
            *slot = self.slot(*slot);
        }
        let new = self.to.snapshots.push(snapshot);
        self.snapshots[id] = new.into();
        new
    }

    fn inst(&mut self, inst: &Inst) -> Inst {
        let mut op = inst.op.clone();
        op.map_values(|v| self.value(v));
        if let Op::Materialize { object } = &mut op {
            *object = self.virtual_object(*object);
        }
        let snapshot = inst.snapshot.map(|s| self.snapshot(s));
        Inst { op, snapshot, result: inst.result.map(|v| self.value(v)) }
    }
}

impl Superblock {
    /// The same superblock with ids numbered in the order in which they first appear, and without values, snapshots and
    /// virtual objects that nothing refers to. Whatever ops and snapshots name must exist (the verifier's rule `entity`).
    pub fn canonical(&self) -> Superblock {
        let mut r = Renumber {
            from: self,
            to: Superblock::new(self.code, self.pc),
            values: SecondaryMap::with_capacity(self.values.len()),
            snapshots: SecondaryMap::with_capacity(self.snapshots.len()),
            virtuals: SecondaryMap::with_capacity(self.virtuals.len()),
        };
        r.to.params = self.params.iter().map(|&v| r.value(v)).collect();
        r.to.prefix = self.prefix.iter().map(|i| r.inst(i)).collect();
        if let Some(body) = &self.body {
            let params = body.params.iter().map(|&v| r.value(v)).collect();
            let insts = body.insts.iter().map(|i| r.inst(i)).collect();
            r.to.body = Some(crate::superblock::LoopBody { params, insts, instructions: body.instructions });
        }
        r.to
    }
}
