//! Boxes of numbers that are made of dying ones.
//!
//! `x.a -= y` makes a float, stores it, and drops the one that was there, which nobody else has as a rule. If the drop comes a little earlier, the
//! new number can be written into the old object: `rebox_f64` and `rebox_i64` do that where the reference is the last one, and else
//! what the two ops did. Nobody can tell, but by the address, which a new object might have had as well.
//!
//! # What lies between
//!
//! The box is made where it is used first, and the drop moves there. In between nothing may look at the number that dies, and no reference to it may be taken,
//! whichever value that is called by: so there are only ops that have no objects as operands, that load and store objects and do not look
//! at them, or drop other numbers. None of them leaves, so no snapshot sees either object.
//!
//! If the dying object is found again in the place where the new one is stored, then that is so: the place's reference was the superblock's, and the
//! store gives it another one.

use crate::edit::named;
use crate::origins::Origins;
use hotspur_ir::{Builtin, Facts, Inst, Op, OperandKind, Superblock, Type, Value};
use rustc_hash::FxHashMap as HashMap;
use std::collections::BTreeMap;

/// Fuses boxes with the deaths of others.
pub(crate) fn reuse(mut sb: Superblock, facts: &dyn Facts) -> Superblock {
    let origins = Origins::new(&sb, facts);
    let mut prefix = std::mem::take(&mut sb.prefix);
    let start = prefix.len();
    section(&sb, &mut prefix, 0, &origins);
    sb.prefix = prefix;
    if let Some(mut body) = sb.body.take() {
        section(&sb, &mut body.insts, start, &origins);
        sb.body = Some(body);
    }
    sb
}

/// The number that an op boxes, and the type of the box.
fn boxes(op: &Op) -> Option<Builtin> {
    if let Op::BoxF64 { .. } = op {
        Some(Builtin::Float)
    } else if let Op::BoxI64 { .. } = op {
        Some(Builtin::Int)
    } else {
        None
    }
}

/// Whether an op may come between the place of the new box and the drop of this one.
fn is_harmless(sb: &Superblock, inst: &Inst, dying: Value) -> bool {
    if inst.snapshot.is_some() || inst.op.effects().needs_snapshot() || inst.op.helper().is_some() {
        return false;
    }
    let operands = inst.op.operands();
    let is_store = matches!(
        inst.op,
        Op::StoreItem { .. }
            | Op::StoreInline { .. }
            | Op::StoreSlot { .. }
            | Op::StoreCell { .. }
            | Op::SpillLocal { .. }
            | Op::SpillStack { .. }
            | Op::DecrefNoDealloc { .. }
    );
    // What they yield may be the dying object, but nothing looks at that here, and later it is dead.
    let is_load = matches!(
        inst.op,
        Op::LoadItem { .. }
            | Op::LoadTupleItem { .. }
            | Op::LoadInline { .. }
            | Op::LoadSlot { .. }
            | Op::LoadCell { .. }
            | Op::LoadLocal { .. }
            | Op::LoadStack { .. }
    );
    let has_objects = operands.iter().any(|&(v, kind)| kind == OperandKind::Any || sb.values[v] == Type::Obj);
    operands.iter().all(|&(v, _)| v != dying) && (is_store || is_load || !has_objects)
}

/// Where values are used first, by an op or a snapshot.
fn first_uses(sb: &Superblock, insts: &[Inst]) -> HashMap<Value, usize> {
    let mut uses = HashMap::default();
    for (at, inst) in insts.iter().enumerate() {
        let seen = inst.snapshot.map(|id| named(sb, &sb.snapshots[id])).unwrap_or_default();
        for v in crate::edit::operands(sb, &inst.op).into_iter().chain(seen.into_iter().map(|(v, _)| v)) {
            uses.entry(v).or_insert(at);
        }
    }
    uses
}

fn section(sb: &Superblock, insts: &mut Vec<Inst>, start: usize, origins: &Origins) {
    let uses = first_uses(sb, insts);
    let made: Vec<(usize, Value)> = insts
        .iter()
        .enumerate()
        .filter_map(|(at, i)| Some((at, i.result.filter(|_| boxes(&i.op).is_some())?)))
        .collect();
    // Boxes that can be made of dying ones: where they are made now, where then, and of what.
    let mut fused: BTreeMap<usize, (usize, Value)> = BTreeMap::new();
    // Where those are that are boxes of this section themselves: where they are made from now on, and before where.
    let (mut moved_to, mut needed_at) = (HashMap::default(), HashMap::default());
    let mut gone = Vec::new();
    for (at, inst) in insts.iter().enumerate() {
        let Op::DecrefNoDealloc { value: dying } = inst.op else { continue };
        // From here backwards, as long as nothing is in the way.
        let first = (0..at).rev().take_while(|&i| is_harmless(sb, &insts[i], dying)).last().unwrap_or(at);
        let fits = |&(i, v): &(usize, Value)| {
            let place = uses.get(&v).map_or(at, |&u| u.min(at));
            let class = origins.class(dying, start + place);
            let is_there = match moved_to.get(&dying) {
                Some(&there) => there < place,
                None => origins.defined(dying).is_none_or(|d| d < start + place),
            };
            let is_free =
                v != dying && i < place && !fused.contains_key(&i) && needed_at.get(&v).is_none_or(|&at| place < at);
            (is_free && place >= first && is_there && class.is_some() && class == boxes(&insts[i].op))
                .then_some((i, place))
        };
        if let Some((i, place)) = made.iter().rev().find_map(fits) {
            fused.insert(i, (place, dying));
            moved_to.extend(insts[i].result.map(|v| (v, place)));
            needed_at.insert(dying, place);
            gone.push(at);
        }
    }
    if fused.is_empty() {
        return;
    }
    let mut moved: HashMap<usize, Vec<Inst>> = HashMap::default();
    for (at, (place, dying)) in fused {
        let Inst { op, result, snapshot } = insts[at].clone();
        let op = match op {
            Op::BoxF64 { value } => Op::ReboxF64 { value, dying },
            Op::BoxI64 { value } => Op::ReboxI64 { value, dying },
            other => other,
        };
        moved.entry(place).or_default().push(Inst { op, result, snapshot });
        gone.push(at);
    }
    gone.sort_unstable();
    let mut out = Vec::with_capacity(insts.len());
    for (at, inst) in std::mem::take(insts).into_iter().enumerate() {
        out.extend(moved.remove(&at).into_iter().flatten());
        if gone.binary_search(&at).is_err() {
            out.push(inst);
        }
    }
    *insts = out;
}
