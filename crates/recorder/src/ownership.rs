//! A check of finished superblocks: every reference is passed on or dropped exactly once.
//!
//! The verifier knows nothing of reference counts. This follows a superblock from its beginning to its end and keeps account of how many
//! references the superblock owns to each value: new objects and `incref` give one, stolen operands take one; a slot in memory
//! gives its own when the value that was loaded from it is no longer there in a snapshot, or is overwritten; a store into an object gives the one to what
//! was loaded from there before. At each exit, the snapshot must pass on just what is owned; where all is in memory, nothing may be.
//!
//! Nobody counts references to None, True and False. What is null has none.

use crate::state::{Content, Frame};
use hotspur_ir::{CodeRef, FrameState, Inst, Op, ResultKind, Resume, Slot, Superblock, Value};
use std::collections::{HashMap, HashSet};

/// A slot of a frame in memory.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Place {
    /// A local: depth, index.
    Local(u32, u32),
    /// A stack item: depth, index.
    Stack(u32, u32),
    /// A slot in a generator.
    Generator(Value, u32),
}

/// Whether a slot is one of the frame in memory at this depth.
fn is_in(place: Place, top: u32) -> bool {
    matches!(place, Place::Local(depth, _) | Place::Stack(depth, _) if depth == top)
}

/// A place in an object: what names it in a load and in a store.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Part {
    Inline(Value, u32),
    Slot(Value, u32),
    Item(Value, Value),
    Cell(Value),
    Dict(Value, u32),
}

struct Account<'a> {
    superblock: &'a Superblock,
    uncounted: &'a dyn Fn(Value) -> bool,
    owned: HashMap<Value, i64>,
    homes: HashMap<Place, Value>,
    loaded: HashMap<Part, Value>,
    null: HashSet<Value>,
    /// The codes of generators.
    generators: HashMap<Value, CodeRef>,
    /// How many frames are in memory.
    depth: u32,
    /// The code of the first frame.
    first: CodeRef,
}

/// What is known of generators whose frames a superblock takes over from the exit that it continues.
#[derive(Default)]
pub(crate) struct TakenOver {
    /// Their codes.
    codes: HashMap<Value, CodeRef>,
    /// The stack items that are these generators: frames in memory own the references.
    homes: HashMap<Place, Value>,
}

impl TakenOver {
    /// As the recorder's picture has it when it begins.
    pub(crate) fn of(frames: &[Frame]) -> TakenOver {
        let mut taken = TakenOver::default();
        for (depth, frame) in frames.iter().enumerate() {
            taken.codes.extend(frame.generator.map(|g| (g, frame.code)));
            for (i, slot) in frame.stack.iter().enumerate().filter(|(_, slot)| slot.home) {
                if let Content::Value(v) = slot.content {
                    taken.homes.insert(Place::Stack(depth as u32, i as u32), v);
                }
            }
        }
        taken
    }
}

/// Checks a superblock. `uncounted`: whether all objects that the value may be are such that nobody counts references to. `height`: how
/// many stack items the frame has where the superblock's loop begins.
///
/// # Errors
/// Says what is wrong and where.
pub(crate) fn check(
    superblock: &Superblock,
    uncounted: &dyn Fn(Value) -> bool,
    height: usize,
    taken: TakenOver,
) -> Result<(), String> {
    let mut account = Account {
        superblock,
        uncounted,
        owned: HashMap::new(),
        homes: taken.homes,
        loaded: HashMap::new(),
        null: HashSet::new(),
        generators: taken.codes,
        depth: 1,
        first: superblock.code,
    };
    // What is passed along with parameters.
    for inst in superblock.insts() {
        if let Op::Adopt { value } = inst.op
            && superblock.params.contains(&value)
        {
            account.give(value, 1);
        }
    }
    superblock.insts().try_for_each(|inst| account.inst(inst, height).map_err(|e| format!("{e}, in `{inst}`")))
}

impl Account<'_> {
    fn give(&mut self, v: Value, n: i64) {
        *self.owned.entry(v).or_insert(0) += n;
    }

    fn inst(&mut self, inst: &Inst, height: usize) -> Result<(), String> {
        if let Some(id) = inst.snapshot {
            let snapshot = &self.superblock.snapshots[id];
            if let Op::CheckError { value } | Op::GuardNotNull { value } = inst.op {
                // At the exit it is null.
                let was_null = !self.null.insert(value);
                self.settle(&snapshot.frames)?;
                if !was_null {
                    self.null.remove(&value);
                }
            } else if inst.op.exit_reason().is_some() && snapshot.resume != Resume::Landed {
                self.settle(&snapshot.frames)?;
            } else if let Op::Execute { .. } | Op::ReturnValue { .. } = inst.op {
                let change = if let Op::Execute { moves, .. } = inst.op { moves.change() } else { -1 };
                if let Op::ReturnValue { .. } = inst.op {
                    // What is in the frame belongs to the superblock, and passes to the op.
                    let top = snapshot.frames.len() - 1;
                    let homes = core::mem::take(&mut self.homes);
                    let (left, below) = homes.into_iter().partition(|&(place, _)| is_in(place, top as u32));
                    self.homes = below;
                    HashMap::<Place, Value>::into_values(left).for_each(|v| self.give(v, 1));
                    self.effects(inst);
                    self.settle(&snapshot.frames[..top])?;
                } else {
                    self.settle(&snapshot.frames)?;
                }
                *self = Account {
                    owned: HashMap::new(),
                    homes: HashMap::new(),
                    loaded: HashMap::new(),
                    null: HashSet::new(),
                    generators: HashMap::new(),
                    // Whoever the first frame returns to is the first one then.
                    depth: self.depth.saturating_add_signed(change).max(1),
                    ..*self
                };
                return Ok(());
            }
        }
        if let Op::JumpLoop { .. } = inst.op {
            let frame = FrameState {
                code: self.superblock.code,
                pc: self.superblock.pc,
                function: None,
                generator: None,
                locals: Vec::new(),
                stack: vec![Slot::Unchanged; height],
            };
            self.settle(&[frame])?;
        }
        self.effects(inst);
        Ok(())
    }

    /// What an op does to references.
    fn effects(&mut self, inst: &Inst) {
        match inst.op {
            Op::GuardNull { value } => _ = self.null.insert(value),
            Op::ConstNull {} => self.null.extend(inst.result),
            Op::Incref { value } => self.give(value, 1),
            Op::LoadLocal { depth, index } => _ = self.homes.insert(Place::Local(depth, index), defined(inst)),
            Op::LoadStack { depth, index } => _ = self.homes.insert(Place::Stack(depth, index), defined(inst)),
            Op::SpillLocal { depth, index, value } => self.spill(Place::Local(depth, index), value),
            Op::SpillStack { depth, index, value } => self.spill(Place::Stack(depth, index), value),
            Op::LoadGenerator { generator, index } => {
                _ = self.homes.insert(Place::Generator(generator, index), defined(inst));
            }
            Op::StoreGenerator { generator, index, content } => {
                self.spill(Place::Generator(generator, index), content);
            }
            Op::SuspendGenerator { generator, code, stack, .. } => {
                self.leave_generator(generator, self.locals(code) + stack);
            }
            Op::PushFrame { ref locals, .. } => {
                let depth = self.depth;
                self.homes.extend((0..).zip(locals).map(|(i, &v)| (Place::Local(depth, i), v)));
                self.depth += 1;
            }
            Op::PopFrame {} => self.depth -= 1,
            Op::PushGenerator { generator, code, .. } => {
                let (depth, locals) = (self.depth, self.locals(code));
                let moved = |place| match place {
                    Place::Generator(g, i) if g == generator && i < locals => Place::Local(depth, i),
                    Place::Generator(g, i) if g == generator => Place::Stack(depth, i - locals),
                    other => other,
                };
                self.homes = core::mem::take(&mut self.homes).into_iter().map(|(p, v)| (moved(p), v)).collect();
                self.depth += 1;
            }
            Op::PopGenerator {} => self.depth -= 1,
            Op::UnlinkFirst { code } => {
                let (generator, locals) = (defined(inst), self.locals(self.first));
                let moved = |place| match place {
                    Place::Local(0, i) => Place::Generator(generator, i),
                    Place::Stack(0, i) => Place::Generator(generator, locals + i),
                    other => other,
                };
                self.homes = core::mem::take(&mut self.homes).into_iter().map(|(p, v)| (moved(p), v)).collect();
                self.generators.insert(generator, core::mem::replace(&mut self.first, code));
            }
            Op::GuardLanded { code, .. } if self.depth == 1 => self.first = code,
            Op::FinishGenerator { generator } => {
                let locals = self.generators.get(&generator).map_or(0, |&code| self.locals(code));
                self.leave_generator(generator, locals);
                self.homes.retain(|place, _| !matches!(*place, Place::Generator(g, _) if g == generator));
            }
            Op::GuardSuspended { generator, code, .. } => _ = self.generators.insert(generator, code),
            Op::LoadInline { value, index } => _ = self.loaded.insert(Part::Inline(value, index), defined(inst)),
            Op::LoadSlot { value, offset } => _ = self.loaded.insert(Part::Slot(value, offset), defined(inst)),
            Op::LoadItem { items, index } => _ = self.loaded.insert(Part::Item(items, index), defined(inst)),
            Op::LoadCell { cell } => _ = self.loaded.insert(Part::Cell(cell), defined(inst)),
            Op::LoadDictValue { dict, index } => _ = self.loaded.insert(Part::Dict(dict, index), defined(inst)),
            Op::StoreDictValue { dict, index, .. } => self.store(Part::Dict(dict, index)),
            Op::StoreInline { value, index, .. } => self.store(Part::Inline(value, index)),
            Op::StoreSlot { value, offset, .. } => self.store(Part::Slot(value, offset)),
            Op::StoreItem { items, index, .. } => self.store(Part::Item(items, index)),
            Op::StoreCell { cell, .. } => self.store(Part::Cell(cell)),
            _ => {}
        }
        for (v, kind) in inst.op.operands() {
            if kind == hotspur_ir::OperandKind::Stolen {
                self.give(v, -1);
            }
        }
        if let (Some(v), ResultKind::New) = (inst.result, inst.op.result()) {
            self.give(v, 1);
        }
    }

    /// How many locals a frame for the code has, as far as snapshots say.
    fn locals(&self, code: CodeRef) -> u32 {
        let frames = self.superblock.snapshots.values().flat_map(|s| &s.frames);
        frames.filter(|f| f.code == code).map(|f| f.locals.len() as u32).next().unwrap_or(0)
    }

    /// A generator has this many slots from now on. What was on its stack above them has passed to the superblock.
    fn leave_generator(&mut self, generator: Value, slots: u32) {
        let is_gone = |place: &Place| matches!(*place, Place::Generator(g, i) if g == generator && i >= slots);
        let gone: Vec<_> = self.homes.extract_if(|place, _| is_gone(place)).collect();
        gone.into_iter().for_each(|(_, v)| self.give(v, 1));
    }

    /// A slot in memory is overwritten.
    fn spill(&mut self, place: Place, value: Value) {
        if let Some(old) = self.homes.insert(place, value) {
            self.give(old, 1);
        }
    }

    /// A place in an object is overwritten.
    fn store(&mut self, part: Part) {
        if let Some(old) = self.loaded.remove(&part) {
            self.give(old, 1);
        }
    }

    /// The frames as they are said to be: what is owned, and what memory no longer owns, must be what they get.
    fn settle(&self, frames: &[FrameState]) -> Result<(), String> {
        let mut due = self.owned.clone();
        for (&place, &v) in &self.homes {
            let slot = match place {
                // Where the loop goes round, only the stack is looked at.
                Place::Local(depth, i) => frames.get(depth as usize).and_then(|f| {
                    if f.locals.is_empty() { Some(Slot::Unchanged) } else { f.locals.get(i as usize).copied() }
                }),
                Place::Stack(depth, i) => frames.get(depth as usize).and_then(|f| f.stack.get(i as usize).copied()),
                // One that is suspended owns what is in it.
                Place::Generator(g, i) => frames
                    .iter()
                    .find(|f| f.generator == Some(Slot::Value(g)))
                    .map_or(Some(Slot::Unchanged), |f| f.locals.iter().chain(&f.stack).nth(i as usize).copied()),
            };
            if slot != Some(Slot::Unchanged) {
                *due.entry(v).or_insert(0) += 1;
            }
        }
        for slot in frames.iter().flat_map(FrameState::slots) {
            if let Slot::Owned(v) = slot {
                *due.entry(v).or_insert(0) -= 1;
            }
        }
        due.retain(|v, n| *n != 0 && !self.null.contains(v) && !(self.uncounted)(*v));
        match due.into_iter().min() {
            None => Ok(()),
            Some((v, n)) if n > 0 => Err(format!("{n} references to {v} are lost")),
            Some((v, n)) => Err(format!("{} references to {v} too many are passed on", -n)),
        }
    }
}

fn defined(inst: &Inst) -> Value {
    inst.result.expect("the op has a result")
}
