//! Rules on instructions that tier 1 executes.

use super::{Report, Rule};
use crate::ops::Op;
use crate::snapshot::{Resume, Slot, Snapshot};
use crate::superblock::Superblock;

/// `landing`.
pub(super) fn landings(sb: &Superblock, report: &mut Report) {
    for section in [Some(&sb.prefix), sb.body.as_ref().map(|b| &b.insts)].into_iter().flatten() {
        let mut executed = None;
        for inst in section {
            let lands = matches!(inst.op, Op::GuardLanded { .. } | Op::LeaveLanded {});
            match (executed.take(), lands) {
                (Some(_), true) | (None, false) => {}
                (Some(execute), false) => report.add(Rule::Landing, execute, "where it lands is not looked at".into()),
                (None, true) => report.add(Rule::Landing, inst, "nothing was executed before".into()),
            }
            let snapshot = inst.snapshot.map(|s| &sb.snapshots[s]);
            if let Op::Execute { pc, .. } = inst.op {
                executed = Some(inst);
                if snapshot.is_some_and(|s| s.resume != Resume::At || s.frames.last().is_none_or(|f| f.pc != pc)) {
                    report.add(Rule::Landing, inst, format!("the snapshot is not at {pc}"));
                }
            } else if let Op::ReturnValue { .. } = inst.op {
                executed = Some(inst);
            }
            if let Op::GuardLanded { code, pc, stack } = inst.op {
                let top = snapshot.and_then(|s| s.frames.last());
                if top.is_some_and(|f| (f.code, f.pc, f.stack.len()) != (code, pc, stack as usize)) {
                    report.add(Rule::Landing, inst, "the snapshot's top frame is another one".into());
                }
            }
            if (lands || executed.is_some()) && snapshot.is_some_and(|s| !is_in_memory(s)) {
                report.add(Rule::Landing, inst, "the snapshot has something that is not in memory".into());
            }
        }
        if let Some(execute) = executed {
            report.add(Rule::Landing, execute, "where it lands is not looked at".into());
        }
    }
}

/// Whether all frames are in memory with all that is in them.
fn is_in_memory(snapshot: &Snapshot) -> bool {
    snapshot.in_memory() == snapshot.frames.len() && snapshot.slots().all(|s| s == Slot::Unchanged)
}
