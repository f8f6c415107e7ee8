//! What is known where the loop begins: see the essay in `mod.rs`.

use super::{Fold, own_class};
use crate::knowledge::{Const, class_of};
use hotspur_ir::{Builtin, Inst, LoopBody, MemorySet, Op, Value};
use rustc_hash::FxHashMap as HashMap;

/// What is known of an object that a parameter may be.
#[derive(Clone, Copy, PartialEq, Default)]
struct Seen {
    class: Option<Builtin>,
    not_null: bool,
    compact: bool,
    constant: Option<Const>,
}

impl Seen {
    /// What holds of both.
    fn and(self, other: Seen) -> Seen {
        Seen {
            class: self.class.filter(|_| self.class == other.class),
            not_null: self.not_null && other.not_null,
            compact: self.compact && other.compact,
            constant: self.constant.filter(|_| self.constant == other.constant),
        }
    }

    /// What is known if both are.
    fn or(self, other: Seen) -> Seen {
        Seen {
            class: self.class.or(other.class),
            not_null: self.not_null || other.not_null,
            compact: self.compact || other.compact,
            constant: self.constant.or(other.constant),
        }
    }
}

impl Fold<'_> {
    /// Makes what is known at the end of the prefix what is known where the loop begins.
    pub(super) fn header(&mut self, prefix: &[Inst], body: &mut LoopBody) {
        let Some(Inst { op: Op::EnterLoop { args: enter }, .. }) = prefix.last() else { return };
        let Some(Inst { op: Op::JumpLoop { args: jump }, .. }) = body.insts.last() else { return };
        for inst in &body.insts {
            self.memory.execute(&inst.op, &self.known);
            let effects = inst.op.effects();
            // After an op that escapes, validity is checked in the loop; after others that tell watchers, perhaps not.
            if effects.writes.overlaps(MemorySet::VERSION) && !effects.escapes {
                self.valid = false;
            }
        }
        if !crate::edit::keeps_frames(&body.insts) {
            self.memory.forget_frames(0);
        }
        let triples: Vec<_> = body.params.iter().zip(enter).zip(jump).map(|((&p, &e), &j)| (p, e, j)).collect();
        let in_body = self.seen_in(body);
        let mut assumed: HashMap<Value, Seen> = triples.iter().map(|&(p, e, _)| (p, self.seen(e))).collect();
        loop {
            let mut changed = false;
            for &(p, _, j) in &triples {
                let known = match (assumed.get(&j), in_body.get(&j)) {
                    (Some(&a), Some(&b)) => a.or(b),
                    (Some(&one), None) | (None, Some(&one)) => one,
                    (None, None) => self.seen(self.stands_for.resolve(j)),
                };
                let new = assumed[&p].and(known);
                changed |= assumed.insert(p, new) != Some(new);
            }
            if !changed {
                break;
            }
        }
        for &(p, e, j) in &triples {
            if j == p {
                // It is the same each time round.
                self.stands_for.replace(p, e);
                continue;
            }
            let Seen { class, not_null, compact, constant } = assumed[&p];
            let known = self.known.get_mut(p);
            (known.class, known.not_null, known.compact, known.constant) = (class, not_null, compact, constant);
            known.defined = Some(self.clock);
        }
    }

    fn seen(&self, v: Value) -> Seen {
        let known = self.known.get(v);
        Seen { class: known.class, not_null: known.not_null, compact: known.compact, constant: known.constant }
    }

    /// What can be seen of values in the loop from single ops. All of it holds where the loop goes round.
    fn seen_in(&self, body: &LoopBody) -> HashMap<Value, Seen> {
        let mut seen: HashMap<Value, Seen> = HashMap::default();
        for inst in &body.insts {
            if let Some(v) = inst.result {
                let class = own_class(&inst.op);
                seen.insert(v, Seen { class, not_null: class.is_some(), ..Seen::default() });
            }
            if let (Op::ConstObj { object }, Some(v)) = (&inst.op, inst.result) {
                let (class, constant) = (class_of(*object, self.facts), Some(Const::Obj(*object)));
                seen.insert(v, Seen { class, not_null: true, compact: false, constant });
            } else if let (Op::ConstNull {}, Some(v)) = (&inst.op, inst.result) {
                seen.insert(v, Seen { constant: Some(Const::Null), ..Seen::default() });
            } else if let Op::GuardType { value, class } = inst.op {
                let entry = seen.entry(value).or_default();
                (entry.class, entry.not_null) = (entry.class.or(self.facts.builtin(class)), true);
            } else if let Op::GuardNotNull { value } = inst.op {
                seen.entry(value).or_default().not_null = true;
            } else if let Op::GuardCompact { value } = inst.op {
                let entry = seen.entry(value).or_default();
                (entry.compact, entry.not_null) = (true, true);
            }
        }
        seen
    }
}
