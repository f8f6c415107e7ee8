//! Folding: one walk along the superblock that simplifies each op with what is known at that point.
//!
//! # How it works
//!
//! Ops go through a pipeline in program order. For each, operands are replaced by the values that stand for them; `simplify` says
//! whether the op can go, is another value, or becomes another op (which is simplified in turn); `Memory` says whether it was
//! computed before. What is left is appended, and its effects are noted: facts about values ([`Knowledge`], which hold
//! for ever) and about memory ([`Memory`], which forgets).
//!
//! A guard that is left teaches: behind it, what it tests is known, so the same test never happens twice. That is guard elimination.
//!
//! # Loops
//!
//! What is known where the loop begins must hold each time round. Facts about values of the prefix do, since values never
//! change. Of memory, what some op of the loop may write is forgotten before the loop is looked at. So whatever the
//! prefix has computed and the loop cannot change is used by the loop: with the first round peeled into the prefix, that moves everything
//! invariant out of the loop.
//!
//! Facts about a parameter hold if they hold for the value that the loop is entered with and for the one that it goes round with.
//! For the latter, facts are collected from the ops of the loop first, assuming nothing but what can be seen from an op alone (a box
//! of an int is an int), and parameters that are passed to parameters are solved by going round until nothing changes: assumptions begin
//! with the facts at entry and only shrink.
//!
//! # What must not go wrong
//!
//! * *Liveness.* A borrowed value that is used again instead of being loaded again must still be alive. It is: it is used
//!   only while the memory that it was loaded from is unchanged, and that owns it. (Frames: other code that changes a local makes
//!   `check_validity` leave.)
//! * *Ownership.* Only borrowed results are replaced. New references are what they are.
//! * *Identity.* `box(unbox(x))` stays a new box: `is` could tell. (Most such boxes are never built in the end: see `sink`.)
//! * *Guards for the sake of an op.* `guard_compact` is dropped for a value whose number is known, since nobody looks into the box then.
//! * *Doubles.* Nothing is rewritten that NaN, -0.0 or infinities could tell: operations on constants are executed, but not if
//!   the result is not a number, and of what was an integer it is known that it is whole.
//! * *Validity.* `check_validity` goes only if nothing since the last one can have run other code or told watchers.

mod arith;
mod header;
mod simplify;

use crate::edit::{Snapshots, Substitution, makes_object};
use crate::knowledge::{Const, Knowledge, Says, class_of};
use crate::memory::{Memory, is_repeatable};
use hotspur_ir::{Builtin, Cond, Facts, Inst, LoopBody, MemorySet, Op, Slot, SnapshotId, Superblock, Value};

/// What becomes of an op.
enum Fate {
    /// It stays.
    Stays,
    /// It goes.
    Goes,
    /// Its result is this value.
    Is(Value),
    /// It becomes this op, with the same result.
    Becomes(Op),
}

struct Fold<'a> {
    facts: &'a dyn Facts,
    sb: Superblock,
    stands_for: Substitution,
    known: Knowledge,
    memory: Memory,
    snapshots: Snapshots,
    out: Vec<Inst>,
    /// Nothing has happened that could have made the executor invalid, or changed a local.
    valid: bool,
    /// How many frames are in memory.
    depth: u32,
    /// How many ops were looked at.
    clock: u32,
}

/// Folds a superblock.
pub(crate) fn fold(mut sb: Superblock, facts: &dyn Facts) -> Superblock {
    let (prefix, body) = (std::mem::take(&mut sb.prefix), sb.body.take());
    let mut fold = Fold {
        facts,
        sb,
        stands_for: Substitution::default(),
        known: Knowledge::default(),
        memory: Memory::default(),
        snapshots: Snapshots::default(),
        out: Vec::new(),
        valid: true,
        depth: 1,
        clock: 0,
    };
    for v in fold.sb.params.clone() {
        fold.known.get_mut(v).defined = Some(0);
    }
    fold.insts(&prefix);
    let prefix = std::mem::take(&mut fold.out);
    let body = body.map(|mut body| {
        fold.header(&prefix, &mut body);
        fold.insts(&body.insts);
        LoopBody { insts: std::mem::take(&mut fold.out), ..body }
    });
    let Fold { mut sb, stands_for, .. } = fold;
    sb.prefix = prefix;
    sb.body = body;
    // Arguments for parameters that went, and what snapshots name.
    drop_replaced_params(&mut sb, &stands_for);
    stands_for.apply(&mut sb);
    sb
}

fn drop_replaced_params(sb: &mut Superblock, stands_for: &Substitution) {
    let left: Vec<_> = crate::edit::loop_params(sb).into_iter().filter(|&(p, ..)| stands_for.resolve(p) == p).collect();
    crate::edit::set_loop_params(sb, &left);
}

impl Fold<'_> {
    fn insts(&mut self, insts: &[Inst]) {
        for inst in insts {
            self.clock += 1;
            self.inst(inst);
        }
    }

    fn inst(&mut self, inst: &Inst) {
        let mut op = inst.op.clone();
        op.map_values(|v| self.stands_for.resolve(v));
        let mut snapshot = inst.snapshot;
        loop {
            let fate = self.simplify(&op);
            match fate {
                Fate::Stays => break,
                Fate::Goes => return,
                Fate::Is(v) => {
                    if let Some(result) = inst.result {
                        self.stands_for.replace(result, v);
                    }
                    return;
                }
                Fate::Becomes(new) => {
                    if let (Op::GuardTrue { value } | Op::GuardFalse { value }, Some(id)) = (&op, snapshot) {
                        let exits_with = matches!(op, Op::GuardFalse { .. });
                        snapshot = Some(self.with_truth(id, *value, exits_with));
                    }
                    op = new;
                }
            }
            if !op.effects().needs_snapshot() {
                snapshot = None;
            }
        }
        if is_repeatable(&op) {
            match (self.memory.get(&op), inst.result) {
                (Some(Some(v)), Some(result)) => {
                    self.stands_for.replace(result, v);
                    return;
                }
                (Some(_), _) => return,
                (None, _) => {}
            }
        }
        self.append(op, inst.result, snapshot);
    }

    /// Appends an op and notes what it does.
    fn append(&mut self, op: Op, result: Option<Value>, snapshot: Option<SnapshotId>) {
        self.memory.execute(&op, &self.known);
        if let Some(v) = result {
            self.known.get_mut(v).defined = Some(self.clock);
        }
        self.memory.learn(&op, result);
        self.learn(&op, result);
        if is_repeatable(&op) {
            self.memory.insert(op.clone(), result);
        }
        self.out.push(Inst { op, result, snapshot });
    }

    /// A value that is a constant.
    fn constant(&mut self, constant: Const) -> Value {
        let op = constant_op(constant);
        if let Some(Some(v)) = self.memory.get(&op) {
            return v;
        }
        let ty = op.result().ty().expect("constants have a type");
        let v = self.sb.values.push(ty);
        self.append(op, Some(v), None);
        v
    }

    /// The snapshot of an exit that is taken only if this truth value is so.
    fn with_truth(&mut self, id: SnapshotId, value: Value, is: bool) -> SnapshotId {
        let mut snapshot = self.sb.snapshots[id].clone();
        let names = |s: &Slot, this: &Self| s.value().is_some_and(|v| this.stands_for.resolve(v) == value);
        if !snapshot.slots().any(|s| names(&s, self)) {
            return id;
        }
        let constant = self.constant(Const::Bool(is));
        for slot in snapshot.frames.iter_mut().flat_map(|f| f.slots_mut()) {
            if names(slot, self) {
                *slot = Slot::Value(constant);
            }
        }
        self.snapshots.add(&mut self.sb, snapshot)
    }

    /// Notes what is known behind an op.
    fn learn(&mut self, op: &Op, result: Option<Value>) {
        if let Some(v) = result {
            self.learn_result(op, v);
        }
        if op.effects().escapes || op.effects().writes.overlaps(MemorySet::VERSION) {
            self.valid = false;
        }
        if let Op::CheckValidity {} | Op::GuardLanded { .. } = op {
            self.valid = true;
        } else if let Op::GuardType { value, class } = *op {
            let class = self.facts.builtin(class);
            let known = self.known.get_mut(value);
            known.not_null = true;
            known.class = known.class.or(class);
        } else if let Op::GuardTypeVersion { value, .. }
        | Op::GuardClassVersion { class: value, .. }
        | Op::GuardSharedKeysVersion { value, .. }
        | Op::GuardInstanceKeysVersion { class: value, .. }
        | Op::GuardKeysVersion { dict: value, .. }
        | Op::GuardFunctionVersion { function: value, .. }
        | Op::GuardInlineValues { value }
        | Op::GuardNoDict { value }
        | Op::GuardShared { value }
        | Op::GuardNotNull { value }
        | Op::GuardTypecode { array: value, .. }
        | Op::GuardWide { value }
        | Op::CheckError { value } = *op
        {
            self.known.get_mut(value).not_null = true;
        } else if let Op::GuardCompact { value } = *op {
            let known = self.known.get_mut(value);
            (known.compact, known.not_null) = (true, true);
        } else if let Op::GuardIs { value, object } = *op {
            self.known.learn_object(value, object, self.facts);
        } else if let Op::GuardNull { value } = *op {
            self.known.get_mut(value).constant = Some(Const::Null);
        } else if let Op::GuardTrue { value } = *op {
            self.known.get_mut(value).constant = Some(Const::Bool(true));
        } else if let Op::GuardFalse { value } = *op {
            self.known.get_mut(value).constant = Some(Const::Bool(false));
        } else if let Op::PushFrame { locals, .. } = op {
            self.memory.forget_frames(self.depth);
            for (i, &v) in locals.iter().enumerate() {
                self.memory.insert(Op::LoadLocal { depth: self.depth, index: i as u32 }, Some(v));
            }
            self.depth += 1;
        } else if let Op::PushGenerator { .. } = op {
            self.memory.forget_frames(self.depth);
            self.depth += 1;
        } else if let Op::SuspendGenerator { generator, code, pc, .. } = *op {
            self.memory.insert(Op::GuardSuspended { generator, code, pc }, None);
        } else if let Op::PopFrame {} | Op::PopGenerator {} = op {
            self.depth -= 1;
            self.memory.forget_frames(self.depth);
        } else if let Op::ReturnValue { .. } = op {
            // Of the frame where the superblock began, the caller takes the place.
            self.depth = (self.depth - 1).max(1);
        } else if let Op::Execute { moves, .. } = op {
            self.depth = self.depth.saturating_add_signed(moves.change());
        }
    }

    fn learn_result(&mut self, op: &Op, v: Value) {
        let facts = self.facts;
        let class =
            own_class(op).or_else(|| if let Op::ConstObj { object } = *op { class_of(object, facts) } else { None });
        // Small ints have been there all the time, and the empty tuple.
        let was_there = match op {
            Op::BoxI64 { .. } => true,
            Op::NewTuple { items } => items.is_empty(),
            _ => false,
        };
        let makes = makes_object(op);
        let fresh = makes && !was_there;
        let known = self.known.get_mut(v);
        known.class = class;
        known.fresh = fresh;
        known.not_null = class.is_some() || makes;
        if let Op::ConstObj { object } = *op {
            self.known.learn_object(v, object, facts);
        } else if let Op::ConstNull {} = op {
            known.constant = Some(Const::Null);
        } else if let Op::ConstI64 { number } = *op {
            known.constant = Some(Const::I64(number));
        } else if let Op::ConstF64 { number } = *op {
            known.constant = Some(Const::F64(number));
        } else if let Op::ConstBool { truth } = *op {
            known.constant = Some(Const::Bool(truth));
        } else if let Op::BoxI64 { value } | Op::BoxF64 { value } | Op::BoxBool { value } = *op {
            known.unboxed = Some(value);
        } else if let Op::UnboxI64 { value }
        | Op::UnboxWide { value }
        | Op::UnboxF64 { value }
        | Op::UnboxBool { value } = *op
        {
            self.known.get_mut(value).unboxed = Some(v);
        } else if let Op::I64ToF64 { .. } = op {
            // Rounded or not: doubles from 2^53 on have no fractions.
            known.whole = true;
        } else if let Op::NewTuple { items } = op {
            known.items = Some(items.clone());
        } else if let Op::CmpI64 { cond, a, b } = *op {
            known.says = Some(Says::I64(cond, a, b));
        } else if let Op::CmpF64 { cond, a, b } = *op {
            known.says = Some(Says::F64(cond, a, b));
        } else if let Op::IsNull { a } = *op {
            known.says = Some(Says::Null(a));
        } else if let Op::SameObj { a, b } = *op {
            known.says = Some(Says::Same(a, b));
        } else if let Op::NotBool { a } = *op {
            known.says = Some(Says::Not(a));
        } else if let Op::NewGenerator { code, pc, ref locals, .. } = *op {
            self.memory.insert(Op::GuardSuspended { generator: v, code, pc }, None);
            for (i, &local) in locals.iter().enumerate() {
                self.memory.insert(Op::LoadGenerator { generator: v, index: i as u32 }, Some(local));
            }
        } else if let Op::NewInstance { class } = *op {
            self.memory.insert(Op::GuardInlineValues { value: v }, None);
            self.memory.insert(Op::GuardNoDict { value: v }, None);
            // The version is watched, so it is still the class's.
            if let (true, Some(version)) = (self.valid, facts.type_version(class)) {
                self.memory.insert(Op::GuardTypeVersion { value: v, version }, None);
            }
        }
    }
}

/// The type that an op's result has whatever the operands are.
pub(crate) fn own_class(op: &Op) -> Option<Builtin> {
    if let Op::BoxI64 { .. } | Op::ReboxI64 { .. } = op {
        Some(Builtin::Int)
    } else if let Op::BoxF64 { .. } | Op::ReboxF64 { .. } = op {
        Some(Builtin::Float)
    } else if let Op::BoxBool { .. } = op {
        Some(Builtin::Bool)
    } else if let Op::NewTuple { .. } = op {
        Some(Builtin::Tuple)
    } else if let Op::NewList { .. } = op {
        Some(Builtin::List)
    } else if let Op::NewSlice { .. } = op {
        Some(Builtin::Slice)
    } else if let Op::NewRange { .. } = op {
        Some(Builtin::Range)
    } else if let Op::NewRangeIter { .. } = op {
        Some(Builtin::RangeIter)
    } else if let Op::NewBoundMethod { .. } = op {
        Some(Builtin::Method)
    } else if let Op::NewCell { .. } = op {
        Some(Builtin::Cell)
    } else {
        None
    }
}

fn constant_op(constant: Const) -> Op {
    match constant {
        Const::Null => Op::ConstNull {},
        Const::Obj(object) => Op::ConstObj { object },
        Const::I64(number) => Op::ConstI64 { number },
        Const::F64(number) => Op::ConstF64 { number },
        Const::Bool(truth) => Op::ConstBool { truth },
    }
}

/// The comparison of integers that holds exactly if this one does not.
pub(crate) fn opposite(cond: Cond) -> Cond {
    Cond::ALL[(cond as usize) ^ 1]
}

/// The comparison that holds of `b` and `a` exactly if this one holds of `a` and `b`.
pub(crate) fn mirrored(cond: Cond) -> Cond {
    match cond {
        Cond::Eq => Cond::Eq,
        Cond::Ne => Cond::Ne,
        Cond::Lt => Cond::Gt,
        Cond::Ge => Cond::Le,
        Cond::Le => Cond::Ge,
        Cond::Gt => Cond::Lt,
    }
}
