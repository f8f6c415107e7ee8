//! Dead code: ops without effects whose results nobody needs, and parameters of the loop that only feed themselves.
//!
//! Needed are ops that leave, write, escape, raise or terminate; references, which count; allocations, since someone owns the
//! result; and whatever a needed op or its snapshot names. What the loop goes round with is needed if the parameter is, which
//! is found by going round until nothing new is.

use crate::edit::{is_object, loop_params, named, operands, set_loop_params};
use cranelift_entity::EntitySet;
use hotspur_ir::{Ends, Inst, Op, SnapshotId, Superblock, Value};
use rustc_hash::FxHashSet as HashSet;

/// Removes dead code.
pub(crate) fn dce(mut sb: Superblock) -> Superblock {
    let mut needed = Needed { live: EntitySet::new(), snapshots: EntitySet::new(), grown: false };
    let mut params = loop_params(&sb);
    // A reference that the superblock owns may pass from parameter to parameter: only those that carry none may go.
    let invariant = invariant_params(&sb, &params);
    loop {
        needed.grown = false;
        for &(p, e, j) in &params {
            let carries = is_object(&sb, p) && !invariant.contains(&p);
            if carries || needed.live.contains(p) {
                needed.add([p, e, j]);
            }
        }
        for inst in sb.insts().collect::<Vec<_>>().into_iter().rev() {
            needed.inst(&sb, inst);
        }
        if !needed.grown {
            break;
        }
    }
    params.retain(|&(p, ..)| needed.live.contains(p));
    set_loop_params(&mut sb, &params);
    sb.prefix.retain(|i| needed.is_needed(i));
    if let Some(body) = &mut sb.body {
        body.insts.retain(|i| needed.is_needed(i));
    }
    sb
}

/// Parameters that are objects which nothing in the loop names at all, so that no reference can be theirs.
fn invariant_params(sb: &Superblock, params: &[(Value, Value, Value)]) -> HashSet<Value> {
    let mut named_somewhere = HashSet::default();
    for inst in sb.body.iter().flat_map(|b| &b.insts) {
        if inst.op.effects().ends == Ends::Nothing {
            named_somewhere.extend(operands(sb, &inst.op));
        }
        if let Some(id) = inst.snapshot {
            named_somewhere.extend(named(sb, &sb.snapshots[id]).into_iter().map(|(v, _)| v));
        }
    }
    params.iter().filter(|&&(p, _, j)| p == j && !named_somewhere.contains(&p)).map(|p| p.0).collect()
}

struct Needed {
    live: EntitySet<Value>,
    /// Those of which all that they name is live.
    snapshots: EntitySet<SnapshotId>,
    /// Whether more has become live.
    grown: bool,
}

impl Needed {
    fn add(&mut self, values: impl IntoIterator<Item = Value>) {
        for v in values {
            self.grown |= self.live.insert(v);
        }
    }

    fn is_needed(&self, inst: &Inst) -> bool {
        let effects = inst.op.effects();
        let acts = effects.exits.is_some()
            || !effects.writes.is_empty()
            || effects.escapes
            || effects.raises
            || effects.allocates
            || effects.ends != Ends::Nothing;
        acts || inst.result.is_some_and(|v| self.live.contains(v))
    }

    fn inst(&mut self, sb: &Superblock, inst: &Inst) {
        if !self.is_needed(inst) {
            return;
        }
        // Arguments of the loop are needed if its parameters are.
        if !matches!(inst.op, Op::EnterLoop { .. } | Op::JumpLoop { .. }) {
            self.add(operands(sb, &inst.op));
        }
        if let Some(id) = inst.snapshot
            && self.snapshots.insert(id)
        {
            self.add(named(sb, &sb.snapshots[id]).into_iter().map(|(v, _)| v));
        }
    }
}
