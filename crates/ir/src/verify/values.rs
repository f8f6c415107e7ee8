//! Rules on shape and values.

use super::{Report, Rule, Step, walk};
use crate::effects::Ends;
use crate::entities::{Value, VirtualId};
use crate::ops::Op;
use crate::snapshot::Slot;
use crate::superblock::{Inst, Superblock};
use std::collections::HashSet;

/// `terminator`, `loop_args`.
pub(super) fn shape(sb: &Superblock, report: &mut Report) {
    let section = |insts: &[Inst], what: &str, expected: Ends, report: &mut Report| {
        for (i, inst) in insts.iter().enumerate() {
            let ends = inst.op.effects().ends;
            let last = i + 1 == insts.len();
            if !last && ends != Ends::Nothing {
                report.add(Rule::Terminator, inst, format!("a terminator in the middle of the {what}"));
            } else if last && ends != expected {
                report.add(Rule::Terminator, inst, format!("the {what} does not end like that"));
            }
        }
        if insts.is_empty() {
            report.add(Rule::Terminator, &"", format!("the {what} is empty"));
        }
    };
    match &sb.body {
        None => section(&sb.prefix, "superblock", Ends::Superblock, report),
        Some(body) => {
            section(&sb.prefix, "prefix", Ends::Prefix, report);
            section(&body.insts, "loop", Ends::Loop, report);
        }
    }
    for inst in sb.insts() {
        let (Op::EnterLoop { args } | Op::JumpLoop { args }) = &inst.op else { continue };
        let Some(body) = &sb.body else { continue };
        if args.len() != body.params.len() {
            let message = format!("the loop has {} parameters, not {}", body.params.len(), args.len());
            report.add(Rule::LoopArgs, inst, message);
        }
        for (&arg, &param) in args.iter().zip(&body.params) {
            let (is, wanted) = (sb.values[arg], sb.values[param]);
            if is != wanted {
                report.add(Rule::LoopArgs, inst, format!("{arg} is {is}, and {param} is {wanted}"));
            }
        }
    }
}

/// Values that are defined at a point.
struct Scope<'a> {
    sb: &'a Superblock,
    defined: HashSet<Value>,
}

impl Scope<'_> {
    fn define(&mut self, v: Value, place: &impl ToString, report: &mut Report) {
        if !self.defined.insert(v) {
            report.add(Rule::DefinedOnce, place, format!("{v} is defined already"));
        }
    }

    fn slot(&self, slot: Slot, place: &Inst, report: &mut Report) {
        match slot {
            Slot::Unchanged | Slot::Null => {}
            Slot::Value(v) | Slot::Owned(v) => {
                if !self.defined.contains(&v) {
                    report.add(Rule::Dominance, place, format!("the snapshot needs {v}, which is not defined here"));
                }
            }
            Slot::Virtual(id) => self.virtual_object(id, place, report),
        }
    }

    fn virtual_object(&self, id: VirtualId, place: &Inst, report: &mut Report) {
        for &field in &self.sb.virtuals[id].fields {
            // A cycle is another rule's business.
            if !matches!(field, Slot::Virtual(inner) if inner.as_u32() >= id.as_u32()) {
                self.slot(field, place, report);
            }
        }
    }
}

/// `defined_once`, `dominance`, `operand_type`, `result`, `helper_args`.
pub(super) fn values(sb: &Superblock, report: &mut Report) {
    let mut scope = Scope { sb, defined: HashSet::new() };
    for &v in &sb.params {
        scope.define(v, &"superblock", report);
    }
    for step in walk(sb) {
        let inst = match step {
            Step::Inst(inst) => inst,
            Step::LoopHeader => {
                for &v in sb.body.iter().flat_map(|b| &b.params) {
                    scope.define(v, &"loop", report);
                }
                continue;
            }
        };
        for (v, kind) in inst.op.operands() {
            if !scope.defined.contains(&v) {
                report.add(Rule::Dominance, inst, format!("{v} is not defined here"));
            } else if !kind.accepts(sb.values[v]) {
                report.add(Rule::OperandType, inst, format!("{v} is {}, not {kind}", sb.values[v]));
            }
        }
        if let Op::CallHelper { helper, args } = &inst.op {
            let info = helper.info();
            if args.len() < info.args.len() || args.len() > info.args.len() && info.more.is_none() {
                let least = if info.more.is_some() { "at least " } else { "" };
                let message = format!("{} takes {least}{} arguments, not {}", info.name, info.args.len(), args.len());
                report.add(Rule::HelperArgs, inst, message);
            }
        }
        if let Op::Materialize { object } = inst.op {
            scope.virtual_object(object, inst, report);
        }
        for slot in inst.snapshot.iter().flat_map(|&s| sb.snapshots[s].slots()) {
            scope.slot(slot, inst, report);
        }
        match (inst.result, inst.op.result().ty()) {
            (None, None) => {}
            (Some(v), Some(ty)) if sb.values[v] == ty => {}
            (Some(v), Some(ty)) => {
                report.add(Rule::Result, inst, format!("{v} is {}, and the op yields {ty}", sb.values[v]));
            }
            (Some(_), None) => report.add(Rule::Result, inst, "the op yields nothing".into()),
            (None, Some(ty)) => report.add(Rule::Result, inst, format!("the op yields {ty}, which needs a name")),
        }
        if let Some(v) = inst.result {
            scope.define(v, inst, report);
        }
    }
}
