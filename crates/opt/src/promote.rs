//! Promotion: slots of the outermost frame that a loop writes become parameters of the loop.
//!
//! As recorded, a loop reads locals from memory when it first needs them, and writes those that have changed back at its end. Here, a
//! slot that the loop writes is loaded once in front of the loop, and from then on lives in values: a parameter at first,
//! after each spill what was spilled. The spills go, and so do the loads.
//!
//! # Ownership
//!
//! The slot owned a reference. In front of the loop, that passes to the superblock (loading and not writing back is no op: it is snapshots
//! that say so). So wherever a snapshot of the loop says that the slot is unchanged (`_`), it now says that it gets the superblock's
//! reference: `own p` before the first spill, `own v` after a spill of `v`. Where a snapshot says something else, the
//! loop had taken the content out of memory before (see `snapshot.rs`), and what became of that reference does not depend
//! on where it was kept. A spill passed a reference on to memory; that it stays with the superblock now is what the
//! snapshots behind it say. Each round begins with one reference per slot, the parameter's, and ends with one, that of the argument.
//!
//! The virtue of `own` for null: a slot may be empty, then the parameter is null and nothing is owned.
//!
//! # Other code
//!
//! An op that escapes publishes its snapshot, so frames are written for as long as other code looks at them; that is what
//! snapshots are for. What other code changes in a local, `check_validity` notices. Tier 1 works on memory itself: a loop with
//! `execute`, or one that pushes frames, is left alone.
//!
//! # Stacks
//!
//! The height of the stack changes along the loop. A stack slot that exists where the loop goes round is like a local. One above
//! that (an operand that was flushed before a call) carries nothing into the next round, so it needs no parameter; its
//! spill must come before its first use. Where the loop goes round is looked up in the last snapshot, which must come after the
//! last spill; else stacks are left alone.

use crate::edit::{Snapshots, keeps_frames, loop_params, set_loop_params};
use hotspur_ir::{Inst, Op, Slot, Superblock, Type, Value};
use std::collections::{BTreeMap, BTreeSet};

/// A slot of the outermost frame.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Local(u32),
    Stack(u32),
}

impl Place {
    fn load(self) -> Op {
        match self {
            Place::Local(index) => Op::LoadLocal { depth: 0, index },
            Place::Stack(index) => Op::LoadStack { depth: 0, index },
        }
    }
}

fn spilled(op: &Op) -> Option<(Place, Value)> {
    if let Op::SpillLocal { depth: 0, index, value } = *op {
        Some((Place::Local(index), value))
    } else if let Op::SpillStack { depth: 0, index, value } = *op {
        Some((Place::Stack(index), value))
    } else {
        None
    }
}

fn loaded(op: &Op) -> Option<Place> {
    if let Op::LoadLocal { depth: 0, index } = *op {
        Some(Place::Local(index))
    } else if let Op::LoadStack { depth: 0, index } = *op {
        Some(Place::Stack(index))
    } else {
        None
    }
}

/// The slots that the snapshot leaves as they are in memory.
fn unchanged(sb: &Superblock, inst: &Inst) -> Vec<Place> {
    let Some(frame) = inst.snapshot.and_then(|s| sb.snapshots[s].frames.first()) else { return Vec::new() };
    let of = |slots: &[Slot], place: fn(u32) -> Place| {
        let is = slots.iter().enumerate().filter(|&(_, &s)| s == Slot::Unchanged);
        is.map(|(i, _)| place(i as u32)).collect::<Vec<_>>()
    };
    let mut places = of(&frame.locals, Place::Local);
    places.extend(of(&frame.stack, Place::Stack));
    places
}

/// How high the stack is where the loop goes round, if that can be told.
fn height(sb: &Superblock, insts: &[Inst]) -> Option<u32> {
    let last = insts.iter().rposition(|i| i.snapshot.is_some())?;
    let is_last = !insts[last..].iter().any(|i| spilled(&i.op).is_some());
    let frame = sb.snapshots[insts[last].snapshot?].frames.first()?;
    is_last.then_some(frame.stack.len() as u32)
}

/// Whether the loop uses the slot before it writes it.
fn is_used_first(sb: &Superblock, insts: &[Inst], place: Place) -> bool {
    for inst in insts {
        if spilled(&inst.op).is_some_and(|(p, _)| p == place) {
            return false;
        }
        if loaded(&inst.op) == Some(place) || unchanged(sb, inst).contains(&place) {
            return true;
        }
    }
    false
}

/// Promotes slots.
pub(crate) fn promote(mut sb: Superblock) -> Superblock {
    let Some(body) = &sb.body else { return sb };
    if !keeps_frames(&body.insts) {
        return sb;
    }
    let height = height(&sb, &body.insts);
    let places: BTreeSet<Place> = body.insts.iter().filter_map(|i| spilled(&i.op)).map(|(p, _)| p).collect();
    let mut params = loop_params(&sb);
    let mut enter = sb.prefix.pop();
    let mut now: BTreeMap<Place, Value> = BTreeMap::new();
    let mut promoted = BTreeSet::new();
    for place in places {
        let carried = match (place, height) {
            (Place::Local(_), _) => true,
            (Place::Stack(i), Some(height)) => i < height,
            (Place::Stack(_), None) => continue,
        };
        if carried {
            let v = sb.values.push(Type::Obj);
            sb.prefix.push(Inst { op: place.load(), result: Some(v), snapshot: None });
            let param = sb.values.push(Type::Obj);
            params.push((param, v, param));
            now.insert(place, param);
        } else if sb.body.as_ref().is_some_and(|b| is_used_first(&sb, &b.insts, place)) {
            continue;
        }
        promoted.insert(place);
    }
    sb.prefix.extend(enter.take());
    let at_header = now.clone();
    let insts = sb.body.as_mut().map(|b| std::mem::take(&mut b.insts)).unwrap_or_default();
    let insts = rewrite(&mut sb, insts, &promoted, &mut now);
    if let Some(body) = &mut sb.body {
        body.insts = insts;
    }
    for (place, param) in at_header {
        if let Some(entry) = params.iter_mut().find(|p| p.0 == param) {
            entry.2 = now[&place];
        }
    }
    set_loop_params(&mut sb, &params);
    sb
}

/// Takes loads and spills of promoted slots out of the loop, and has snapshots name what is in them.
fn rewrite(
    sb: &mut Superblock,
    insts: Vec<Inst>,
    promoted: &BTreeSet<Place>,
    now: &mut BTreeMap<Place, Value>,
) -> Vec<Inst> {
    let mut stands_for = crate::edit::Substitution::default();
    let mut snapshots = Snapshots::default();
    let mut out = Vec::new();
    for mut inst in insts {
        inst.op.map_values(|v| stands_for.resolve(v));
        if let Some((place, value)) = spilled(&inst.op)
            && promoted.contains(&place)
        {
            now.insert(place, value);
            continue;
        }
        if let (Some(place), Some(result)) = (loaded(&inst.op), inst.result)
            && promoted.contains(&place)
        {
            stands_for.replace(result, now[&place]);
            continue;
        }
        if let Some(id) = inst.snapshot {
            let mut snapshot = sb.snapshots[id].clone();
            if let Some(frame) = snapshot.frames.first_mut() {
                let locals = frame.locals.iter_mut().enumerate().map(|(i, s)| (Place::Local(i as u32), s));
                let stack = frame.stack.iter_mut().enumerate().map(|(i, s)| (Place::Stack(i as u32), s));
                for (place, slot) in locals.chain(stack) {
                    if promoted.contains(&place) && *slot == Slot::Unchanged {
                        *slot = Slot::Owned(now[&place]);
                    }
                }
            }
            inst.snapshot = Some(snapshots.add(sb, snapshot));
        }
        out.push(inst);
    }
    // Where values are replaced by what slots hold.
    sb.prefix.iter_mut().for_each(|i| i.op.map_values(|v| stands_for.resolve(v)));
    stands_for.apply_to_snapshots(sb);
    out
}
