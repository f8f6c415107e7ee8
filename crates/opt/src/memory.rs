//! What has been computed and can be used again: pure results, contents of memory, guards that have passed.
//!
//! An op that has no effect but a result (or an exit), executed again with the same operands while nothing has written the memory that it
//! reads, has the same result (or does not exit, as it did not before). So ops themselves are the keys. A store is
//! an answer to the load of the same place.
//!
//! What a store forgets is finer than classes of memory: another attribute, another local or another index are other places,
//! in whatever object, and elements of another kind are those of another array. Of the same attribute in another object, it depends on whether the two may be one.
//!
//! # Other code
//!
//! An op that escapes changes everything, with one exception: slots of frames. Other code can change locals through `f_locals`, but
//! the `check_validity` that must follow notices that and leaves; nothing else can get at a stack. So what is known
//! of slots survives. `execute` is not of that sort: it works on the frames as tier 1 does.

use crate::knowledge::Knowledge;
use hotspur_ir::{Effects, Ends, FloatKind, Helper, MemorySet, Op, ResultKind, Value};
use rustc_hash::FxHashMap as HashMap;

#[derive(Default)]
pub(crate) struct Memory {
    /// Results that depend on operands alone.
    pure: HashMap<Op, Option<Value>>,
    /// What was read, from what memory.
    read: HashMap<Op, (MemorySet, Option<Value>)>,
}

/// Whether an op that is executed again has the same result, as long as the memory that it reads stays the same.
pub(crate) fn is_repeatable(op: &Op) -> bool {
    let Effects { writes, escapes, raises, allocates, ends, .. } = op.effects();
    let has_effects = !writes.is_empty() || escapes || raises || allocates || ends != Ends::Nothing;
    // These look at what changes by itself, or say something of the op before.
    let is_bound = matches!(
        op,
        Op::CheckPeriodic {}
            | Op::CheckValidity {}
            | Op::GuardPlainFrame {}
            | Op::CheckError { .. }
            | Op::CheckNegative { .. }
            | Op::GuardLanded { .. }
    );
    // Each execution yields a reference of its own.
    let is_new = op.result() == ResultKind::New;
    !(has_effects || is_bound || is_new)
}

/// Whether two indices are known not to be the same.
fn differ(known: &Knowledge, a: Value, b: Value) -> bool {
    matches!((known.i64(a), known.i64(b)), (Some(a), Some(b)) if a != b)
}

impl Memory {
    /// What the op yielded, if it was executed before and has the same result still.
    pub(crate) fn get(&self, op: &Op) -> Option<Option<Value>> {
        self.pure.get(op).copied().or_else(|| self.read.get(op).map(|r| r.1))
    }

    /// The op was executed.
    pub(crate) fn insert(&mut self, op: Op, result: Option<Value>) {
        let reads = op.effects().reads;
        if reads.is_empty() {
            self.pure.insert(op, result);
        } else {
            self.read.insert(op, (reads, result));
        }
    }

    fn forget(&mut self, classes: MemorySet) {
        if !classes.is_empty() {
            self.read.retain(|_, (reads, _)| !reads.overlaps(classes));
        }
    }

    fn forget_if(&mut self, mut is_stale: impl FnMut(&Op) -> bool) {
        self.read.retain(|op, _| !is_stale(op));
    }

    /// Frames from this one up are others now.
    pub(crate) fn forget_frames(&mut self, from: u32) {
        self.forget_if(|op| {
            if let Op::LoadLocal { depth, .. }
            | Op::LoadStack { depth, .. }
            | Op::LoadGlobals { depth }
            | Op::LoadBuiltins { depth } = *op
            {
                depth >= from
            } else {
                false
            }
        });
    }

    /// Forgets what the op changes.
    pub(crate) fn execute(&mut self, op: &Op, known: &Knowledge) {
        let writes = op.effects().writes;
        if let Op::Execute { .. } | Op::ReturnValue { .. } = op {
            self.forget(MemorySet::ALL);
        } else if op.effects().escapes {
            self.forget(MemorySet::ALL.without(MemorySet::FRAME));
        } else if let Op::SpillLocal { depth, index, .. } = *op {
            self.read.remove(&Op::LoadLocal { depth, index });
        } else if let Op::SpillStack { depth, index, .. } = *op {
            self.read.remove(&Op::LoadStack { depth, index });
        } else if let Op::PushFrame { .. } = op {
            // The new frame: see `forget_frames`.
            self.forget_if(|op| matches!(op, Op::CheckStackSpace {}));
        } else if let Op::StoreInline { value, index, .. } = *op {
            self.forget_if(|load| {
                matches!(*load, Op::LoadInline { value: v, index: i } if i == index && known.may_alias(v, value))
            });
        } else if let Op::StoreSlot { value, offset, .. } = *op {
            self.forget_if(|load| {
                matches!(*load, Op::LoadSlot { value: v, offset: o } if o == offset && known.may_alias(v, value))
            });
        } else if let Op::StoreGenerator { generator, index, .. } = *op {
            self.forget_if(|load| {
                matches!(*load, Op::LoadGenerator { generator: g, index: i } if i == index && known.may_alias(g, generator))
            });
        } else if let Op::ResumeGenerator { generator } | Op::SuspendGenerator { generator, .. } = *op {
            // The slots stay. (A generator that ran is suspended with those that it has stored.)
            self.forget_if(
                |guard| matches!(*guard, Op::GuardSuspended { generator: g, .. } if known.may_alias(g, generator)),
            );
        } else if let Op::StoreCell { cell, .. } = *op {
            self.forget_if(|load| matches!(*load, Op::LoadCell { cell: c } if known.may_alias(c, cell)));
        } else if let Op::StoreItem { index, .. } = *op {
            self.forget_if(|load| matches!(*load, Op::LoadItem { index: i, .. } if !differ(known, i, index)));
        } else if let Op::StoreElementI64 { index, kind, .. } = *op {
            self.forget_if(|load| {
                matches!(*load, Op::LoadElementI64 { index: i, kind: k, .. } if k == kind && !differ(known, i, index))
            });
        } else if let Op::StoreElementF64 { index, kind, .. } = *op {
            self.forget_if(|load| {
                matches!(*load, Op::LoadElementF64 { index: i, kind: k, .. } if k == kind && !differ(known, i, index))
            });
        } else if let Op::StoreDictValue { index, .. } | Op::StoreGlobal { index, .. } = *op {
            self.forget_if(|load| {
                if let Op::LoadDictValue { index: i, .. } | Op::LoadGlobal { index: i, .. } = *load {
                    i == index
                } else {
                    load.effects().reads.overlaps(writes)
                }
            });
        } else {
            debug_assert!(op.helper() != Some(Helper::ListAppend) || writes == MemorySet::LIST);
            self.forget(writes);
        }
    }

    /// The op has answers to loads.
    pub(crate) fn learn(&mut self, op: &Op, result: Option<Value>) {
        let answer = if let Op::SpillLocal { depth, index, value } = *op {
            (Op::LoadLocal { depth, index }, value)
        } else if let Op::SpillStack { depth, index, value } = *op {
            (Op::LoadStack { depth, index }, value)
        } else if let Op::StoreInline { value, index, content } = *op {
            (Op::LoadInline { value, index }, content)
        } else if let Op::StoreSlot { value, offset, content } = *op {
            (Op::LoadSlot { value, offset }, content)
        } else if let Op::StoreGenerator { generator, index, content } = *op {
            (Op::LoadGenerator { generator, index }, content)
        } else if let Op::StoreItem { items, index, content } = *op {
            (Op::LoadItem { items, index }, content)
        } else if let Op::StoreElementI64 { elements, index, kind, content } = *op {
            (Op::LoadElementI64 { elements, index, kind }, content)
        } else if let Op::StoreElementF64 { elements, index, kind: kind @ FloatKind::F64, content } = *op {
            // What is narrower rounds.
            (Op::LoadElementF64 { elements, index, kind }, content)
        } else if let Op::StoreCell { cell, content } = *op {
            (Op::LoadCell { cell }, content)
        } else if let Op::StoreDictValue { dict, index, content } = *op {
            (Op::LoadDictValue { dict, index }, content)
        } else if let Op::StoreGlobal { dict, index, content } = *op {
            (Op::LoadGlobal { dict, index }, content)
        } else if let (Op::NewCell { content }, Some(cell)) = (op, result) {
            (Op::LoadCell { cell }, *content)
        } else {
            return;
        };
        self.insert(answer.0, Some(answer.1));
    }
}
