//! Rules on the order of effects.

use super::{Report, Rule, Step, walk};
use crate::effects::MemorySet;
use crate::entities::{CodeRef, Value};
use crate::ops::Op;
use crate::snapshot::Resume;
use crate::superblock::{Inst, Superblock};

/// Since a snapshot of an instruction was first used in a way that counts: the side effect that happened, if one did.
type Since = Option<Option<&'static str>>;

/// The state of the walk.
#[derive(Default)]
struct State {
    /// The instruction that ops refer to: the positions of all frames.
    instruction: Vec<(CodeRef, u32)>,
    /// For each way to resume there, in the order of [`Resume::ALL`].
    since: [Since; Resume::ALL.len()],
    /// The result of an op that raises, not checked yet.
    unchecked: Option<Value>,
    /// What an op that changes nothing if it cannot has answered, which was not looked at yet.
    tried: Option<(Value, &'static str)>,
    /// The op that escaped since validity was checked.
    escaped: Option<&'static str>,
}

/// `effect_order`, `error_check`, `validity`.
pub(super) fn effects(sb: &Superblock, report: &mut Report) {
    let mut state = State::default();
    for step in walk(sb) {
        match step {
            Step::Inst(inst) => {
                error_check(inst, &mut state, report);
                validity(inst, &mut state, report);
                order(sb, inst, &mut state, report);
            }
            // An instruction of the loop is executed anew, even if it is the one that the prefix ended with.
            Step::LoopHeader => {
                state.instruction.clear();
                state.tried = None;
            }
        }
    }
}

fn error_check(inst: &Inst, state: &mut State, report: &mut Report) {
    let checks = if let Op::CheckError { value } | Op::CheckNegative { value } = inst.op { Some(value) } else { None };
    match (state.unchecked.take(), checks) {
        (None, None) => {}
        (Some(v), Some(value)) if v == value => {}
        (Some(v), _) => report.add(Rule::ErrorCheck, inst, format!("{v} was not checked for an error")),
        (None, Some(v)) => report.add(Rule::ErrorCheck, inst, format!("{v} is not what an op just raised with")),
    }
    if inst.op.effects().raises {
        state.unchecked = inst.result;
    }
}

fn validity(inst: &Inst, state: &mut State, report: &mut Report) {
    if let Op::CheckValidity {} | Op::GuardLanded { .. } = inst.op {
        state.escaped = None;
        return;
    }
    let effects = inst.op.effects();
    let touches = !effects.reads.union(effects.writes).without(MemorySet::REFCOUNT).is_empty();
    let allowed = if let Op::Decref { .. } | Op::Xdecref { .. } | Op::PopFrame {} = inst.op {
        true
    } else if let Op::Exit { .. } | Op::LeaveLanded {} = inst.op {
        true
    } else if let Op::CheckError { .. } | Op::CheckNegative { .. } = inst.op {
        true
    } else if let Op::JumpLoop { .. } | Op::EnterLoop { .. } = inst.op {
        false
    } else {
        !touches && effects.exits.is_none()
    };
    if let (Some(name), false) = (state.escaped, allowed) {
        report.add(Rule::Validity, inst, format!("validity was not checked after `{name}`"));
        state.escaped = None;
    }
    if effects.escapes {
        state.escaped = Some(name_of(inst));
    }
}

/// Whether the op of this name does nothing but bring frames to memory, as they have to be for a link.
fn is_flush(name: &str) -> bool {
    matches!(name, "spill_local" | "spill_stack" | "push_frame" | "push_generator")
}

fn name_of(inst: &Inst) -> &'static str {
    inst.op.helper().map_or(inst.op.info().name, |h| h.info().name)
}

fn order(sb: &Superblock, inst: &Inst, state: &mut State, report: &mut Report) {
    let exits = inst.op.exit_reason().is_some();
    let effects = inst.op.effects();
    let tried = state.tried.filter(|&(v, _)| exits && inst.op.operands().iter().any(|&(operand, _)| operand == v));
    if tried.is_none() && (exits || effects.is_side_effect()) {
        let name = state.tried.take().map(|(_, name)| name);
        state.happened(name);
    }
    if let Op::CheckPeriodic {} = inst.op {
        // It comes first in its instruction: a jump backward that is executed again, with all in between optimized away.
        state.instruction.clear();
    }
    if let Some(id) = inst.snapshot {
        let snapshot = &sb.snapshots[id];
        let instruction: Vec<_> = snapshot.frames.iter().map(|f| (f.code, f.pc)).collect();
        // Where tier 1 has landed, an instruction begins, even if it is the one that was executed.
        if state.instruction != instruction || snapshot.resume == Resume::Landed {
            state.instruction = instruction;
            state.since = Default::default();
        }
        let since = &mut state.since[snapshot.resume as usize];
        if let (true, Some(Some(effect))) = (exits, *since)
            && !(matches!(inst.op, Op::Link { .. }) && is_flush(effect))
        {
            report.add(
                Rule::EffectOrder,
                inst,
                format!("`{effect}` has happened since {id}'s position was first used"),
            );
        }
        if exits || snapshot.resume == Resume::At {
            since.get_or_insert(None);
        }
    }
    if let Op::ResumeGenerator { .. } | Op::SuspendGenerator { .. } | Op::UnlinkFirst { .. } = inst.op {
        // They are the last thing that an instruction does.
        state.instruction.clear();
    }
    if let Some((_, name)) = tried {
        state.tried = None;
        state.happened(Some(name));
    }
    if let (true, true, Some(v)) = (effects.tries, effects.is_side_effect(), inst.result) {
        state.tried = Some((v, name_of(inst)));
    } else if effects.is_side_effect() {
        state.happened(Some(name_of(inst)));
    }
}

impl State {
    fn happened(&mut self, name: Option<&'static str>) {
        for effect in self.since.iter_mut().flatten().filter(|effect| effect.is_none_or(is_flush)) {
            *effect = name.or(*effect);
        }
    }
}
