//! Rules on snapshots, frames and virtual objects.

use super::{Report, Rule, Step, frame_change, walk};
use crate::entities::VirtualId;
use crate::fields::OperandKind;
use crate::ops::Op;
use crate::snapshot::{FrameState, Resume, Slot, Snapshot};
use crate::superblock::{Inst, Superblock};
use crate::types::{Moves, Type};
use std::collections::BTreeSet;

/// `entity`.
pub(super) fn entities(sb: &Superblock, report: &mut Report) {
    let slot = |slot: Slot, place: &str, report: &mut Report| {
        if let Slot::Virtual(id) = slot
            && !sb.virtuals.is_valid(id)
        {
            report.add(Rule::Entity, &place, format!("there is no {id}"));
        }
    };
    for inst in sb.insts() {
        if let Some(id) = inst.snapshot
            && !sb.snapshots.is_valid(id)
        {
            report.add(Rule::Entity, inst, format!("there is no {id}"));
        }
        if let Op::Materialize { object } = inst.op {
            slot(Slot::Virtual(object), &inst.to_string(), report);
        }
    }
    for (id, object) in sb.virtuals.iter() {
        object.fields.iter().for_each(|&f| slot(f, &id.to_string(), report));
    }
    for (id, snapshot) in sb.snapshots.iter() {
        snapshot.slots().for_each(|s| slot(s, &id.to_string(), report));
    }
}

/// `owned_object`, `slot_type`: a slot that takes what the operand kind says.
fn slot(sb: &Superblock, slot: Slot, kind: OperandKind, place: &impl ToString, report: &mut Report) {
    match slot {
        Slot::Unchanged | Slot::Null => {}
        Slot::Owned(v) => {
            if sb.values[v] != Type::Obj {
                report.add(Rule::OwnedObject, place, format!("{v} is {}, which nobody owns", sb.values[v]));
            }
        }
        Slot::Value(v) => {
            let ty = sb.values[v];
            if ty == Type::Ptr || !kind.accepts(ty) {
                report.add(Rule::SlotType, place, format!("{v} is {ty}, which this slot cannot hold"));
            }
        }
        Slot::Virtual(_) => {}
    }
}

/// `virtual_fields`, `virtual_order`, and the rules of slots.
pub(super) fn virtuals(sb: &Superblock, report: &mut Report) {
    for (id, object) in sb.virtuals.iter() {
        let place = format!("{id} = {object}");
        let (kinds, variadic) = object.kind.fields();
        let n = object.fields.len();
        if n < kinds.len() || n > kinds.len() && !variadic {
            let message = format!("{} has {} fields, not {n}", object.kind.name(), kinds.len());
            report.add(Rule::VirtualFields, &place, message);
        }
        let kinds = kinds.iter().copied().chain(std::iter::repeat(OperandKind::Any));
        for (&field, kind) in object.fields.iter().zip(kinds) {
            let is_number = matches!(kind, OperandKind::Unboxed(_));
            if field == Slot::Unchanged || is_number && !matches!(field, Slot::Value(_)) {
                report.add(Rule::VirtualFields, &place, format!("the field cannot be {field}"));
            }
            if let Slot::Virtual(inner) = field
                && inner.as_u32() >= id.as_u32()
            {
                report.add(Rule::VirtualOrder, &place, format!("{inner} does not come before {id}"));
            }
            slot(sb, field, kind, &place, report);
        }
    }
}

/// Virtual objects within an object, itself included.
fn within(sb: &Superblock, id: VirtualId, out: &mut BTreeSet<VirtualId>) {
    out.insert(id);
    for field in &sb.virtuals[id].fields {
        if let Slot::Virtual(inner) = *field
            && inner.as_u32() < id.as_u32()
        {
            within(sb, inner, out);
        }
    }
}

/// The walk's state.
struct State {
    /// Frames in memory.
    depth: i32,
    /// Frames in memory before an `execute` or `return_value` that the last op was.
    executed_at: Option<i32>,
    /// The last op has left a frame: a `return_value`, or an `execute` that returns.
    returned: bool,
    /// Virtual objects that are dead.
    dead: BTreeSet<VirtualId>,
}

/// `snapshot_missing`, `snapshot_unwanted`, `frames`, `virtual_dead`, `resume`, and the rules of slots.
pub(super) fn snapshots(sb: &Superblock, report: &mut Report) {
    let mut state = State { depth: 1, executed_at: None, returned: false, dead: BTreeSet::new() };
    let mut header = 1;
    for step in walk(sb) {
        let inst = match step {
            Step::Inst(inst) => inst,
            Step::LoopHeader => {
                header = state.depth;
                continue;
            }
        };
        if let (Op::LeaveLanded {}, Some(depth)) = (&inst.op, state.executed_at) {
            state.depth = depth;
        }
        if let (Op::GuardLanded { .. }, true) = (&inst.op, state.returned) {
            // The caller takes its place.
            state.depth = state.depth.max(1);
        }
        outermost(inst, &mut state, report);
        match (inst.snapshot, inst.op.effects().needs_snapshot()) {
            (None, false) => {}
            (Some(_), false) => report.add(Rule::SnapshotUnwanted, inst, "the op needs no snapshot".into()),
            (None, true) => report.add(Rule::SnapshotMissing, inst, "the op needs a snapshot".into()),
            (Some(id), true) => snapshot(sb, &sb.snapshots[id], inst, &state, report),
        }
        if let Op::LoadLocal { depth, .. }
        | Op::LoadStack { depth, .. }
        | Op::SpillLocal { depth, .. }
        | Op::SpillStack { depth, .. } = inst.op
            && i64::from(depth) >= i64::from(state.depth)
        {
            report.add(Rule::Frames, inst, format!("frames in memory: {}", state.depth));
        }
        if let (Op::GuardCaller { .. } | Op::UnlinkFirst { .. }, true) = (&inst.op, state.depth != 1) {
            report.add(Rule::Frames, inst, format!("frames in memory: {}, and the first is the top one", state.depth));
        }
        if let Op::Materialize { object } = inst.op {
            let mut objects = BTreeSet::new();
            within(sb, object, &mut objects);
            dead(&objects, inst, &state, report);
            state.dead.extend(objects);
        }
        state.returned = matches!(inst.op, Op::ReturnValue { .. } | Op::Execute { moves: Moves::Returns, .. });
        let lands = matches!(inst.op, Op::ReturnValue { .. } | Op::Execute { .. });
        state.executed_at = lands.then_some(state.depth);
        state.depth += frame_change(&inst.op);
        if !lands {
            outermost(inst, &mut state, report);
        }
        if let (Op::JumpLoop { .. }, true) = (&inst.op, state.depth != header) {
            let message = format!("frames in memory: {}, and {header} where the loop begins", state.depth);
            report.add(Rule::Frames, inst, message);
        }
    }
}

/// There is a frame left: the one where the superblock began.
fn outermost(inst: &Inst, state: &mut State, report: &mut Report) {
    if state.depth < 1 {
        report.add(Rule::Frames, inst, "the frame where the superblock began was left".into());
        state.depth = 1;
    }
}

fn dead(objects: &BTreeSet<VirtualId>, inst: &Inst, state: &State, report: &mut Report) {
    for id in objects.intersection(&state.dead) {
        report.add(Rule::VirtualDead, inst, format!("{id} was materialized before"));
    }
}

fn snapshot(sb: &Superblock, snapshot: &Snapshot, inst: &Inst, state: &State, report: &mut Report) {
    let in_memory = snapshot.in_memory();
    if in_memory as i64 != i64::from(state.depth) {
        let message = format!("the snapshot has {in_memory} frames in memory, and there are {}", state.depth);
        report.add(Rule::Frames, inst, message);
    }
    if snapshot.frames[in_memory..].iter().any(FrameState::is_in_memory) {
        report.add(Rule::Frames, inst, "a frame in memory is above a virtual one".into());
    }
    let is_made = |f: &&FrameState| f.function.is_some();
    if snapshot.frames[in_memory..].iter().filter(is_made).any(|f| f.slots().any(|s| s == Slot::Unchanged)) {
        report.add(Rule::Frames, inst, "a virtual frame has nothing in memory".into());
    }
    let generators: Vec<_> = snapshot.frames.iter().filter_map(|f| f.generator).collect();
    let is_good = |(i, s): (usize, &Slot)| matches!(s, Slot::Value(_)) && !generators[..i].contains(s);
    let both = snapshot.frames.iter().any(|f| f.function.is_some() && f.generator.is_some());
    if both
        || snapshot.frames.first().is_some_and(|f| f.generator.is_some())
        || !generators.iter().enumerate().all(is_good)
    {
        report.add(Rule::Frames, inst, "a frame is none of a generator that runs once".into());
    }
    let mut objects = BTreeSet::new();
    for frame in &snapshot.frames {
        for &s in frame.function.iter().chain(&frame.generator) {
            slot(sb, s, OperandKind::Borrowed, inst, report);
        }
        for &s in frame.locals.iter().chain(&frame.stack) {
            slot(sb, s, OperandKind::Any, inst, report);
        }
        for s in frame.slots() {
            if let Slot::Virtual(id) = s {
                within(sb, id, &mut objects);
            }
        }
    }
    dead(&objects, inst, state, report);
    resume(snapshot.resume, inst, report);
}

/// `resume`.
fn resume(is: Resume, inst: &Inst, report: &mut Report) {
    let wrong = if let Op::CheckError { .. } | Op::CheckNegative { .. } = inst.op {
        is != Resume::Raise
    } else if let Op::DynamicExit { .. } | Op::Link { .. } = inst.op {
        is != Resume::At
    } else if let Op::GuardLanded { .. } | Op::LeaveLanded {} = inst.op {
        is != Resume::Landed
    } else {
        is == Resume::Landed || is == Resume::Raise && inst.op.exit_reason().is_some()
    };
    if wrong {
        report.add(Rule::Resume, inst, format!("the op does not resume with `{}`", is.name()));
    }
}
