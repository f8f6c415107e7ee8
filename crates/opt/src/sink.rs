//! Sinking: objects that only snapshots know are described there instead of being built.
//!
//! # Candidates
//!
//! Each op that makes an object is tried. The walk follows the superblock with the candidates *virtual*: the op that makes one goes, and what
//! the superblock does to it is done to a description of it: references are counted, attributes and cells are written and read.
//! Whatever else names a candidate needs the object itself: then it is no candidate any more, and the walk begins again
//! without it. (Those that it finds in one walk all go at once, so the number of walks is small.) When a walk meets no such use, its
//! result is the new superblock.
//!
//! A virtual object may be in another one. If the outer one turns out to be needed, so do those in it, since then the op that
//! stores them needs them; the walk after that finds them.
//!
//! # Death
//!
//! Counting is exact, since nobody else knows the object: when its last reference is dropped, it is dead, and what it owned is
//! dropped there, in the order in which CPython would do it, with the snapshot of the `decref` that it stands for. That is why classes with a finalizer are no
//! candidates.
//!
//! # Snapshots
//!
//! A slot with a candidate gets the description of what the object is at that point. Each state of an object has one
//! description, so that the check after an op that published the object names the same one as the op: that is how it finds that
//! someone kept it. Boxes of numbers can do without where a snapshot names them once and is not published: the slot takes the number. A box
//! that two slots share stays one, for `is` and containers look at identity. What frames show whenever an op is executed, and not only if the last
//! reference to something is dropped, is needed.
//!
//! # Loops
//!
//! An object from the prefix that is virtual in the loop must not change there, references included: each round would need
//! another description. One that is handed to the next round is needed, unless it is a box, which `unbox` has dealt with.
//!
//! # Attributes
//!
//! The order in which attributes are first written is the order of the instance's `__dict__`. A description has them by index, so an
//! instance whose attributes come in another order is needed.

use crate::count::counts;
use crate::edit::{Snapshots, Substitution, emit};
use hotspur_ir::{
    Builtin, Facts, Inst, MemorySet, ObjRef, Op, Slot, SnapshotId, Superblock, Value, Virtual, VirtualId, VirtualKind,
};
use rustc_hash::{FxHashMap as HashMap, FxHashSet as HashSet};
use std::collections::BTreeMap;

/// A virtual object as it is at some point.
struct Object {
    kind: VirtualKind,
    /// What its fields hold; none is null. Numbers of boxes too.
    fields: Vec<Option<Value>>,
    /// References to it, those of other virtual objects included.
    references: i32,
    in_loop: bool,
    /// Of an instance.
    class: Option<ObjRef>,
}

struct Sink<'a> {
    facts: &'a dyn Facts,
    sb: Superblock,
    candidates: &'a HashSet<Value>,
    objects: BTreeMap<Value, Object>,
    needed: HashSet<Value>,
    stands_for: Substitution,
    snapshots: Snapshots,
    descriptions: HashMap<(Value, Virtual), VirtualId>,
    in_loop: bool,
    /// Whether nothing that the superblock relies on can have changed since its validity was checked. Virtual objects that die run no code.
    valid: bool,
    out: Vec<Inst>,
}

/// Sinks allocations.
pub(crate) fn sink(sb: Superblock, facts: &dyn Facts) -> Superblock {
    let makes = |i: &Inst| if made_by(&i.op, facts).is_some() { i.result } else { None };
    let mut candidates: HashSet<Value> = sb.insts().filter_map(makes).collect();
    // Descriptions that are there already stay as they are, and need what they name.
    for slot in sb.virtuals.values().flat_map(|v| &v.fields) {
        if let Some(v) = slot.value() {
            candidates.remove(&v);
        }
    }
    while !candidates.is_empty() {
        let mut walk = Sink {
            facts,
            sb: sb.clone(),
            candidates: &candidates,
            objects: BTreeMap::new(),
            needed: HashSet::default(),
            stands_for: Substitution::default(),
            snapshots: Snapshots::default(),
            descriptions: HashMap::default(),
            in_loop: false,
            valid: true,
            out: Vec::new(),
        };
        walk.superblock();
        let Sink { needed, sb: done, stands_for, .. } = walk;
        if needed.is_empty() {
            let mut done = done;
            stands_for.apply(&mut done);
            return done;
        }
        candidates.retain(|v| !needed.contains(v));
    }
    sb
}

/// What an op makes, if that can be described.
fn made_by(op: &Op, facts: &dyn Facts) -> Option<VirtualKind> {
    if let Op::BoxI64 { .. } = op {
        Some(VirtualKind::Int)
    } else if let Op::BoxF64 { .. } = op {
        Some(VirtualKind::Float)
    } else if let Op::NewTuple { .. } = op {
        Some(VirtualKind::Tuple)
    } else if let Op::NewList { .. } = op {
        Some(VirtualKind::List)
    } else if let Op::NewSlice { .. } = op {
        Some(VirtualKind::Slice)
    } else if let Op::NewRange { .. } = op {
        Some(VirtualKind::Range)
    } else if let Op::NewRangeIter { .. } = op {
        Some(VirtualKind::RangeIter)
    } else if let Op::NewBoundMethod { .. } = op {
        Some(VirtualKind::BoundMethod)
    } else if let Op::NewCell { .. } = op {
        Some(VirtualKind::Cell)
    } else if let Op::NewInstance { class } = *op {
        facts.has_no_finalizer(class).then_some(VirtualKind::Instance)
    } else {
        None
    }
}

/// The type of what is described, if it is a built-in one.
fn builtin(kind: VirtualKind) -> Option<Builtin> {
    match kind {
        VirtualKind::Int => Some(Builtin::Int),
        VirtualKind::Float => Some(Builtin::Float),
        VirtualKind::Tuple => Some(Builtin::Tuple),
        VirtualKind::List => Some(Builtin::List),
        VirtualKind::Slice => Some(Builtin::Slice),
        VirtualKind::Range => Some(Builtin::Range),
        VirtualKind::BoundMethod => Some(Builtin::Method),
        VirtualKind::Cell => Some(Builtin::Cell),
        VirtualKind::Instance => None,
        VirtualKind::ListIter => Some(Builtin::ListIter),
        VirtualKind::TupleIter => Some(Builtin::TupleIter),
        VirtualKind::RangeIter => Some(Builtin::RangeIter),
    }
}

fn is_box(kind: VirtualKind) -> bool {
    matches!(kind, VirtualKind::Int | VirtualKind::Float)
}

/// Whether the fields are numbers and no objects.
fn holds_numbers(kind: VirtualKind) -> bool {
    is_box(kind) || matches!(kind, VirtualKind::Range | VirtualKind::RangeIter)
}

/// The fields whose references the object owns, in the order in which CPython drops them.
fn dropped(kind: VirtualKind, fields: &[Option<Value>]) -> Vec<Value> {
    let order: Vec<usize> = match kind {
        VirtualKind::Int | VirtualKind::Float | VirtualKind::Range | VirtualKind::RangeIter => Vec::new(),
        VirtualKind::Tuple | VirtualKind::List => (0..fields.len()).rev().collect(),
        VirtualKind::Slice => vec![2, 0, 1],
        VirtualKind::BoundMethod | VirtualKind::Cell => (0..fields.len()).collect(),
        // The reference to the class was never taken.
        VirtualKind::Instance => (1..fields.len()).collect(),
        VirtualKind::ListIter | VirtualKind::TupleIter => vec![0],
    };
    order.into_iter().filter_map(|i| fields[i]).collect()
}

impl Sink<'_> {
    fn superblock(&mut self) {
        let prefix = std::mem::take(&mut self.sb.prefix);
        prefix.into_iter().for_each(|inst| self.inst(inst));
        self.sb.prefix = std::mem::take(&mut self.out);
        let Some(mut body) = self.sb.body.take() else { return };
        (self.in_loop, self.valid) = (true, false);
        std::mem::take(&mut body.insts).into_iter().for_each(|inst| self.inst(inst));
        body.insts = std::mem::take(&mut self.out);
        self.sb.body = Some(body);
        // Whatever is alive where the loop goes round should have been handed on.
        let left = self.objects.iter().filter(|(_, o)| o.in_loop && o.references > 0).map(|(&v, _)| v);
        self.needed.extend(left);
    }

    fn is_virtual(&self, v: Value) -> bool {
        self.objects.contains_key(&v)
    }

    /// The object can be changed here.
    fn changes(&mut self, v: Value) -> bool {
        let may = self.objects.get(&v).is_some_and(|o| o.in_loop == self.in_loop && o.references > 0);
        if !may {
            self.needed.insert(v);
        }
        may
    }

    fn inst(&mut self, mut inst: Inst) {
        inst.op.map_values(|v| self.stands_for.resolve(v));
        if let (Some(v), Some(kind)) = (inst.result, made_by(&inst.op, self.facts))
            && self.candidates.contains(&v)
        {
            return self.make(v, kind, &inst.op);
        }
        if self.on_virtual(&inst) {
            return;
        }
        let needed: Vec<Value> = crate::edit::operands(&self.sb, &inst.op);
        self.needed.extend(needed.into_iter().filter(|v| self.objects.contains_key(v)));
        inst.snapshot = inst.snapshot.map(|s| self.snapshot(s, &inst.op));
        self.stays(inst);
    }

    /// The op is one of the new superblock.
    fn stays(&mut self, inst: Inst) {
        if inst.op.effects().escapes || inst.op.effects().writes.overlaps(MemorySet::VERSION) {
            self.valid = false;
        } else if let Op::CheckValidity {} | Op::GuardLanded { .. } = inst.op {
            self.valid = true;
        }
        self.out.push(inst);
    }

    fn make(&mut self, v: Value, kind: VirtualKind, op: &Op) {
        let mut fields = Vec::new();
        let mut of_class = None;
        if let Op::NewInstance { class } = *op {
            of_class = Some(class);
            fields.push(emit(&mut self.sb, &mut self.out, Op::ConstObj { object: class }));
        }
        op.each_value(|f| fields.push(Some(f)));
        for f in fields.iter().flatten().copied().collect::<Vec<_>>() {
            if self.is_virtual(f) {
                self.changes(f);
            }
        }
        self.objects.insert(v, Object { kind, fields, references: 1, in_loop: self.in_loop, class: of_class });
    }

    /// Does what an op does to a virtual object. Whether that was all.
    fn on_virtual(&mut self, inst: &Inst) -> bool {
        let mut first = None;
        inst.op.each_value(|v| first = first.or(Some(v)));
        let Some(v) = first.filter(|&v| self.is_virtual(v)) else { return false };
        let kind = self.objects[&v].kind;
        if counts(&inst.op, v) {
            if self.changes(v) {
                let by = if matches!(inst.op, Op::Incref { .. }) { 1 } else { -1 };
                self.count(v, by, inst);
            }
            return true;
        }
        let load = |this: &mut Self, field: usize| {
            let Some(result) = inst.result else { return };
            let content = this.objects[&v].fields.get(field).copied().flatten();
            match content {
                Some(content) => this.stands_for.replace(result, content),
                None => this.out.push(Inst { op: Op::ConstNull {}, result: Some(result), snapshot: None }),
            }
        };
        if let (Op::GuardSharedKeysVersion { version, .. }, VirtualKind::Instance) = (&inst.op, kind) {
            let Some(class) = self.objects[&v].fields[0] else { return false };
            let op = Op::GuardInstanceKeysVersion { class, version: *version };
            let snapshot = inst.snapshot.map(|s| self.snapshot(s, &op));
            self.stays(Inst { op, result: None, snapshot });
        } else if let (Op::GuardTypeVersion { version, .. }, VirtualKind::Instance) = (&inst.op, kind) {
            // That of its class is watched.
            let is = self.objects[&v].class.and_then(|class| self.facts.type_version(class));
            return self.valid && is == Some(*version);
        } else if let (Op::LoadInline { index, .. }, VirtualKind::Instance) = (&inst.op, kind) {
            load(self, *index as usize + 1);
        } else if let (Op::LoadCell { .. }, VirtualKind::Cell)
        | (Op::UnboxI64 { .. } | Op::UnboxWide { .. }, VirtualKind::Int)
        | (Op::UnboxF64 { .. }, VirtualKind::Float) = (&inst.op, kind)
        {
            load(self, 0);
        } else if let (Op::StoreInline { index, content, .. }, VirtualKind::Instance) = (&inst.op, kind) {
            self.store(v, *index as usize + 1, *content);
        } else if let (Op::StoreCell { content, .. }, VirtualKind::Cell) = (&inst.op, kind) {
            self.store(v, 0, *content);
        } else {
            // Guards that hold go. Everything else needs the object, which the caller notes.
            let wanted = if let Op::GuardType { class, .. } = inst.op { self.facts.builtin(class) } else { None };
            return wanted.is_some() && wanted == builtin(kind)
                || matches!(inst.op, Op::GuardNotNull { .. })
                || matches!(
                    (&inst.op, kind),
                    // What the superblock knows by name is another object.
                    (
                        Op::GuardInlineValues { .. } | Op::GuardNoDict { .. } | Op::GuardIsNot { .. },
                        VirtualKind::Instance
                    )
                )
                || matches!((&inst.op, kind), (Op::GuardCompact { .. } | Op::GuardWide { .. }, VirtualKind::Int));
        }
        true
    }

    fn store(&mut self, v: Value, field: usize, content: Value) {
        if !self.changes(v) {
            return;
        }
        if self.is_virtual(content) && (!self.changes(content) || self.holds(content, v)) {
            self.needed.extend([v, content]);
            return;
        }
        let Some(object) = self.objects.get_mut(&v) else { return };
        let is_in_order = field <= object.fields.len();
        if !is_in_order {
            self.needed.insert(v);
            return;
        }
        if field == object.fields.len() {
            object.fields.push(None);
        }
        object.fields[field] = Some(content);
    }

    /// Whether the outer object is the inner one or holds it.
    fn holds(&self, outer: Value, inner: Value) -> bool {
        outer == inner
            || self.objects.get(&outer).is_some_and(|o| o.fields.iter().flatten().any(|&f| self.holds(f, inner)))
    }

    /// Counts references; what dies drops what it owns.
    fn count(&mut self, v: Value, by: i32, inst: &Inst) {
        let Some(object) = self.objects.get_mut(&v) else { return };
        object.references += by;
        if object.references > 0 {
            return;
        }
        for f in dropped(object.kind, &object.fields.clone()) {
            if self.is_virtual(f) {
                self.count(f, -1, inst);
                continue;
            }
            let Some(snapshot) = inst.snapshot else {
                // The op was said not to be the last.
                self.needed.insert(v);
                return;
            };
            let op = Op::Xdecref { value: f };
            let snapshot = Some(self.snapshot(snapshot, &op));
            self.stays(Inst { op, result: None, snapshot });
        }
    }

    fn snapshot(&mut self, id: SnapshotId, op: &Op) -> SnapshotId {
        let mut snapshot = self.sb.snapshots[id].clone();
        for slot in snapshot.frames.iter_mut().flat_map(|f| f.slots_mut()) {
            *slot = self.stands_for.slot(*slot);
        }
        if !snapshot.slots().any(|s| s.value().is_some_and(|v| self.is_virtual(v))) {
            return id;
        }
        // Frames are shown each time, and objects would have to be built for that each time.
        if matches!(op, Op::CallHelper { .. }) && op.effects().escapes {
            let named: Vec<Value> =
                snapshot.slots().filter_map(|s| s.value()).filter(|&v| self.is_virtual(v)).collect();
            self.needed.extend(named);
            return id;
        }
        // Such checks may find that someone has kept what was published, so they name what was published.
        let is_published = op.effects().escapes
            || matches!(op, Op::CheckValidity {} | Op::CheckError { .. } | Op::CheckNegative { .. });
        let slots: Vec<Slot> = snapshot.slots().collect();
        let times = |v: Value| slots.iter().filter(|s| s.value() == Some(v)).count();
        for slot in snapshot.frames.iter_mut().flat_map(|f| f.slots_mut()) {
            let Some(v) = slot.value().filter(|&v| self.is_virtual(v)) else { continue };
            let object = &self.objects[&v];
            *slot = match object.fields[..] {
                [Some(number)] if is_box(object.kind) && !is_published && times(v) == 1 && !self.is_held(&slots, v) => {
                    Slot::Value(number)
                }
                _ => self.described(v),
            };
        }
        self.snapshots.add(&mut self.sb, snapshot)
    }

    /// Whether a virtual object that a slot names holds this one.
    fn is_held(&self, slots: &[Slot], v: Value) -> bool {
        slots.iter().filter_map(|s| s.value()).any(|outer| outer != v && self.holds(outer, v))
    }

    /// The description of a virtual object as it is now.
    fn described(&mut self, v: Value) -> Slot {
        let object = &self.objects[&v];
        if object.references <= 0 {
            self.needed.insert(v);
            return Slot::Null;
        }
        let kind = object.kind;
        let fields = object.fields.clone().into_iter().enumerate().map(|(i, f)| match f {
            None => Slot::Null,
            Some(f) if self.is_virtual(f) => self.described(f),
            // Numbers, and the class, are not owned.
            Some(f) if holds_numbers(kind) || kind == VirtualKind::Instance && i == 0 => Slot::Value(f),
            Some(f) => Slot::Owned(f),
        });
        let description = Virtual { kind, fields: fields.collect() };
        let sb = &mut self.sb;
        let key = (v, description);
        Slot::Virtual(*self.descriptions.entry(key).or_insert_with_key(|(_, d)| sb.virtuals.push(d.clone())))
    }
}
