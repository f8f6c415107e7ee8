//! References that are taken and dropped again in vain.
//!
//! # The argument
//!
//! `incref v` at one point and `decref v` (of whatever sort) at a later one can both go if the object stays alive in between without that
//! reference. When the pair goes, the count in between is lower by one, so the question is whether it could reach zero.
//! It was at least one when the reference was taken, since the value was good then. It falls only when references are dropped:
//!
//! * By other code, or by freeing some object that owns a reference: then nothing can be said, and the pair stays. Only
//!   `decref_no_dealloc` is allowed in between, since it frees nothing but ints, floats and strings, which own nothing.
//! * By `decref_no_dealloc w`. If `w` cannot be the same object (another type, or one of the two was made when the other was
//!   there already), that does not matter. If it may be the same, `v` must have a *home*: it was loaded from a place on the heap that nothing
//!   has written since. The reference of that place is none that the superblock could drop, so the count stays at least one.
//!   (Slots of frames do not count as homes here: their references pass to the superblock without an op.) Of a tuple, the home is there as long
//!   as the tuple is, and a tuple does not die unless code may run: what `decref_no_dealloc` frees is no container.
//! * By a helper, which may drop a reference that it takes over, or one that was in the memory that it writes: such a pair stays.
//! * By the drop of `v` itself, which is the other half of the pair: always the next one.
//!
//! # Exits
//!
//! In between, the superblock owns one reference less. Every snapshot there said `own v` for it in some slot; it now says `v` there, so
//! that an exit takes a new reference. A snapshot that does not say so keeps the pair from going.
//!
//! # Guards of counts
//!
//! `guard_shared v` in between would count one reference less, and leave the trace although nothing is wrong. It goes with the pair: the object
//! is alive there without the pair's reference, so with it, as in the superblock before, there are two at least.
//!
//! # Drops that are not the last
//!
//! `decref v` while `v` is at home frees nothing, so it becomes `decref_no_dealloc`, which is no escape. What was unpacked from an item of a list that is
//! iterated over is dropped like that, and so pairs can be found on both sides.
//!
//! Pairs are looked for within the prefix and within the loop.

use crate::edit::Snapshots;
use crate::origins::Origins;
use hotspur_ir::{Facts, Helper, Inst, MemorySet, Op, OperandKind, Slot, SnapshotId, Superblock, Value};
use rustc_hash::{FxHashMap as HashMap, FxHashSet as HashSet};

/// Removes pairs.
pub(crate) fn refcount(mut sb: Superblock, facts: &dyn Facts) -> Superblock {
    let origins = Origins::new(&sb, facts);
    let mut snapshots = Snapshots::default();
    let mut prefix = std::mem::take(&mut sb.prefix);
    let start = prefix.len();
    section(&mut sb, &mut prefix, 0, &origins, &mut snapshots);
    sb.prefix = prefix;
    if let Some(mut body) = sb.body.take() {
        section(&mut sb, &mut body.insts, start, &origins, &mut snapshots);
        sb.body = Some(body);
    }
    sb
}

/// A part of the superblock, and what is asked about it again and again.
struct Section<'a> {
    sb: &'a Superblock,
    insts: &'a [Inst],
    /// The number of its first op.
    start: usize,
    origins: &'a Origins,
    /// Ops that go.
    gone: HashSet<usize>,
    /// The loads from the heap that values come from.
    homes: HashMap<Value, usize>,
    /// How often snapshots say that they own a value.
    owned: HashMap<SnapshotId, HashMap<Value, usize>>,
    /// For each op, values that its snapshot is to own once less.
    disowned: Vec<Vec<Value>>,
}

fn section(sb: &mut Superblock, insts: &mut Vec<Inst>, start: usize, origins: &Origins, snapshots: &mut Snapshots) {
    let homes: HashMap<Value, usize> = insts
        .iter()
        .enumerate()
        .filter(|(_, i)| is_heap_load(&i.op))
        .filter_map(|(at, i)| Some((i.result?, at)))
        .collect();
    not_the_last(insts, &homes);
    let mut section = Section {
        sb,
        insts,
        start,
        origins,
        gone: HashSet::default(),
        homes,
        owned: HashMap::default(),
        disowned: vec![Vec::new(); insts.len()],
    };
    // The last ones first, so that what lies within a pair has gone when it is looked at.
    for (i, inst) in insts.iter().enumerate().rev() {
        let Op::Incref { value } = inst.op else { continue };
        if let Some(j) = section.partner(i, value) {
            let is_proved = |inst: &Inst| matches!(inst.op, Op::GuardShared { value: v } | Op::GuardSharedOrNull { value: v } if v == value);
            let proved = (i + 1..j).filter(|&at| is_proved(&insts[at]));
            section.gone.extend(proved);
            section.gone.extend([i, j]);
            section.disowned[i + 1..j].iter_mut().for_each(|values| values.push(value));
        }
    }
    let Section { gone, disowned, .. } = section;
    for (inst, values) in insts.iter_mut().zip(disowned) {
        let Some(id) = inst.snapshot.filter(|_| !values.is_empty()) else { continue };
        let mut snapshot = sb.snapshots[id].clone();
        for value in values {
            let owned = snapshot.frames.iter_mut().flat_map(|f| f.slots_mut()).find(|s| **s == Slot::Owned(value));
            owned.into_iter().for_each(|s| *s = Slot::Value(value));
        }
        inst.snapshot = Some(snapshots.add(sb, snapshot));
    }
    let mut at = 0;
    insts.retain(|_| {
        at += 1;
        !gone.contains(&(at - 1))
    });
}

/// Drops of references that are not the last ones, since the place that the object was loaded from owns it still, are said to be so: then they are
/// no escapes any more.
fn not_the_last(insts: &mut [Inst], homes: &HashMap<Value, usize>) {
    for i in 0..insts.len() {
        let Op::Decref { value } = insts[i].op else { continue };
        if is_at_home(insts, homes, i, value) {
            insts[i] = Inst { op: Op::DecrefNoDealloc { value }, result: None, snapshot: None };
        }
    }
}

/// Whether the value was loaded from a place on the heap that owns it still when op `i` is reached.
fn is_at_home(insts: &[Inst], homes: &HashMap<Value, usize>, i: usize, v: Value) -> bool {
    let Some(&at) = homes.get(&v) else { return false };
    at < i && insts[at + 1..i].iter().all(|inst| !inst.op.effects().escapes && !may_end_home(&inst.op, &insts[at].op))
}

/// Whether the op, which does not escape, may have an object no longer be where it was loaded from.
fn may_end_home(op: &Op, load: &Op) -> bool {
    if let (Some((class, place)), Some((other_class, other))) = (place_of(load), place_of(op)) {
        return class == other_class && place == other;
    }
    let writes = op.effects().writes;
    if op.helper().is_some_and(|h| h != Helper::ListAppend) && !writes.is_empty() {
        // It may drop what it takes out of somewhere, and whatever dies with that; or write tuples, as iterators do that use theirs again.
        return true;
    }
    if let Op::ListIterNext { .. } = load {
        // Iterators that go on leave items where they are.
        return writes.overlaps(MemorySet::LIST);
    }
    writes.overlaps(load.effects().reads)
}

impl Section<'_> {
    /// The drop that the taking of a reference can go with.
    fn partner(&mut self, i: usize, v: Value) -> Option<usize> {
        let mut has_home = self.is_at_home(i, v);
        for j in i + 1..self.insts.len() {
            if self.gone.contains(&j) {
                continue;
            }
            let inst = &self.insts[j];
            if let Op::Decref { value }
            | Op::Xdecref { value }
            | Op::DecrefNoDealloc { value }
            | Op::XdecrefNoDealloc { value } = inst.op
                && value == v
            {
                return Some(j);
            }
            if inst.op.effects().escapes {
                return None;
            }
            // A helper may drop what it takes over, and what was in the memory that it writes.
            let writes =
                inst.op.helper().is_some_and(|h| h != Helper::ListAppend) && !inst.op.effects().writes.is_empty();
            if writes {
                return None;
            }
            let takes = |&(o, kind): &(Value, OperandKind)| {
                kind == OperandKind::Stolen && self.origins.may_alias(o, v, self.start + j)
            };
            if inst.op.helper().is_some() && inst.op.operands().iter().any(takes) {
                return None;
            }
            if let Op::DecrefNoDealloc { value } | Op::XdecrefNoDealloc { value } = inst.op
                && !has_home
                && self.origins.may_alias(value, v, self.start + j)
            {
                return None;
            }
            has_home = has_home && !self.may_write_home(&inst.op, v);
            if inst.snapshot.is_some_and(|id| !self.owns(id, j, v)) {
                return None;
            }
        }
        None
    }

    /// Whether the snapshot of op `j` owns a reference to the value still.
    fn owns(&mut self, id: SnapshotId, j: usize, v: Value) -> bool {
        let sb = self.sb;
        let owned = self.owned.entry(id).or_insert_with(|| {
            let mut counts: HashMap<Value, usize> = HashMap::default();
            for slot in sb.snapshots[id].slots() {
                if let Slot::Owned(v) = slot {
                    *counts.entry(v).or_default() += 1;
                }
            }
            counts
        });
        owned.get(&v).is_some_and(|&n| n > self.disowned[j].iter().filter(|&&d| d == v).count())
    }

    fn is_at_home(&self, i: usize, v: Value) -> bool {
        is_at_home(self.insts, &self.homes, i, v)
    }

    /// Whether the op may write the place that the value was loaded from.
    fn may_write_home(&self, op: &Op, v: Value) -> bool {
        self.homes.get(&v).is_none_or(|&at| may_end_home(op, &self.insts[at].op))
    }
}

/// Whether the op loads from the heap what the heap owns.
fn is_heap_load(op: &Op) -> bool {
    matches!(
        op,
        Op::LoadInline { .. }
            | Op::LoadSlot { .. }
            | Op::LoadItem { .. }
            | Op::LoadTupleItem { .. }
            | Op::ListIterNext { .. }
            | Op::LoadCell { .. }
            | Op::LoadDictValue { .. }
            | Op::LoadGlobal { .. }
            | Op::LoadGenerator { .. }
    )
}

/// Which attribute or entry an op loads or stores, of whatever object.
fn place_of(op: &Op) -> Option<(MemorySet, u32)> {
    if let Op::LoadInline { index, .. } | Op::StoreInline { index, .. } = *op {
        Some((MemorySet::INLINE, index))
    } else if let Op::LoadSlot { offset, .. } | Op::StoreSlot { offset, .. } = *op {
        Some((MemorySet::SLOT, offset))
    } else if let Op::LoadGenerator { index, .. } | Op::StoreGenerator { index, .. } = *op {
        Some((MemorySet::GENERATOR, index))
    } else if let Op::LoadDictValue { index, .. }
    | Op::LoadGlobal { index, .. }
    | Op::StoreDictValue { index, .. }
    | Op::StoreGlobal { index, .. } = *op
    {
        Some((MemorySet::DICT, index))
    } else {
        None
    }
}
