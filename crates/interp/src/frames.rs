//! Snapshots: leaving, and letting other code see frames.

use crate::machine::{Checked, Leave, Machine, Outcome, Register};
use crate::runtime::{Content, Frame, Runtime};
use cranelift_entity::EntityRef;
use hotspur_ir::{Exit, ExitId, Inst, Moves, Resume, Slot, SnapshotId, Value, VirtualId};
use std::collections::BTreeMap;

/// Why frames are made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// They are what there is from now on: what is `own` passes to them.
    Leave,
    /// Other code may look at them: the superblock goes on owning what it owns.
    Publish,
}

/// Frames that other code may look at, and what is to be undone.
#[derive(Debug)]
pub struct Published<O> {
    frames: Vec<Frame<O>>,
    /// References that were taken for slots: (frame, local if it is one, object).
    taken: Vec<(usize, Option<usize>, O)>,
    /// Virtual objects that were built, with a reference each, those within others first.
    built: BTreeMap<VirtualId, O>,
}

/// A local that other code has changed: frame, index, what is in it now.
pub type Changed<O> = (usize, usize, Option<O>);

impl<R: Runtime> Machine<'_, R> {
    /// The box of an unboxed value, or the object; with a new reference.
    fn boxed(&mut self, v: Value) -> Checked<Option<R::Obj>> {
        Ok(match self.get(v)? {
            Register::Obj(object) => {
                object.into_iter().for_each(|o| self.rt.incref(o));
                object
            }
            Register::I64(n) => Some(self.rt.box_i64(n)),
            Register::F64(x) => Some(self.rt.box_f64(x)),
            Register::Bool(b) => {
                let object = self.rt.box_bool(b);
                self.rt.incref(object);
                Some(object)
            }
            Register::Ptr(_) => return Err(format!("{v} cannot be boxed")),
        })
    }

    fn object(&self, v: Value) -> Checked<Option<R::Obj>> {
        match self.get(v)? {
            Register::Obj(object) => Ok(object),
            other => Err(format!("{v} is {}", other.ty())),
        }
    }

    /// A virtual object, borrowed from `built`.
    fn virtual_object(
        &mut self,
        id: VirtualId,
        purpose: Purpose,
        built: &mut BTreeMap<VirtualId, R::Obj>,
    ) -> Checked<R::Obj> {
        if let Some(&object) = built.get(&id) {
            return Ok(object);
        }
        let sb = self.sb;
        let description = &sb.virtuals[id];
        if let Some(&object) = self.kept.get(&id) {
            if purpose == Purpose::Leave {
                // It has references of its own, so those that it was to get are dropped.
                self.kept.remove(&id);
                built.insert(id, object);
                for &field in &description.fields {
                    if let Slot::Owned(v) = field {
                        self.object(v)?.into_iter().for_each(|o| self.rt.decref(o));
                    } else if let Slot::Virtual(inner) = field {
                        self.virtual_object(inner, purpose, built)?;
                    }
                }
            }
            return Ok(object);
        }
        let (kinds, _) = description.kind.fields();
        let mut fields = Vec::new();
        for (i, &field) in description.fields.iter().enumerate() {
            let number = kinds.get(i).is_some_and(|k| !k.accepts(hotspur_ir::Type::Obj));
            fields.push(match field {
                Slot::Unchanged => return Err(format!("a field of {id} is not in memory")),
                Slot::Value(v) if number => self.get(v)?,
                Slot::Null => Register::Obj(None),
                Slot::Owned(v) if purpose == Purpose::Leave => Register::Obj(self.object(v)?),
                Slot::Value(v) | Slot::Owned(v) => Register::Obj(self.boxed(v)?),
                Slot::Virtual(inner) => {
                    let object = self.virtual_object(inner, purpose, built)?;
                    self.rt.incref(object);
                    Register::Obj(Some(object))
                }
            });
        }
        let object = self.rt.build(description.kind, fields);
        built.insert(id, object);
        Ok(object)
    }

    fn frames(&mut self, id: SnapshotId, purpose: Purpose) -> Checked<Published<R::Obj>> {
        let sb = self.sb;
        let frames = std::mem::take(&mut self.spare_frames);
        let mut p = Published { frames, taken: Vec::new(), built: BTreeMap::new() };
        for (i, state) in sb.snapshots[id].frames.iter().enumerate() {
            let mut content = |m: &mut Self, local: Option<usize>, slot: Slot| {
                if let Some(&object) = local.and_then(|l| m.changed.get(&(i, l))) {
                    return Ok(Content::Set(object));
                }
                let object = match slot {
                    Slot::Unchanged => return Ok(Content::Unchanged),
                    Slot::Null => None,
                    Slot::Owned(v) => m.object(v)?,
                    Slot::Value(v) => m.boxed(v)?,
                    Slot::Virtual(id) => {
                        let object = m.virtual_object(id, purpose, &mut p.built)?;
                        m.rt.incref(object);
                        Some(object)
                    }
                };
                if purpose == Purpose::Publish && !matches!(slot, Slot::Owned(_)) {
                    p.taken.extend(object.map(|o| (i, local, o)));
                }
                Ok::<_, String>(Content::Set(object))
            };
            let function = match state.function {
                None => None,
                Some(slot) => match content(self, None, slot)? {
                    Content::Set(Some(f)) => Some(f),
                    Content::Set(None) | Content::Unchanged => return Err("a frame without a function".into()),
                },
            };
            let generator = match state.generator {
                None => None,
                Some(Slot::Value(v)) => Some(self.object(v)?.ok_or_else(|| format!("{v} is null"))?),
                Some(_) => return Err("a frame of a generator that is no value".into()),
            };
            let (mut locals, mut stack) = self.spare_slots.pop().unwrap_or_default();
            locals.reserve(state.locals.len());
            for (l, &slot) in state.locals.iter().enumerate() {
                locals.push(content(self, Some(l), slot)?);
            }
            stack.reserve(state.stack.len());
            for &slot in &state.stack {
                stack.push(content(self, None, slot)?);
            }
            p.frames.push(Frame { code: state.code, pc: state.pc, function, generator, locals, stack });
        }
        Ok(p)
    }

    /// Leaves by an exit.
    ///
    /// # Errors
    /// The superblock is malformed.
    pub fn leave(&mut self, id: ExitId, leave: Leave<R::Obj>) -> Checked<Outcome<R::Obj>> {
        let exit = self.sb.exits().nth(id.index()).ok_or_else(|| format!("there is no {id}"))?;
        self.leave_by(exit, leave)
    }

    /// As [`Machine::leave`], for who knows the exit already: finding it by its number is a walk through the superblock.
    ///
    /// # Errors
    /// The superblock is malformed.
    pub fn leave_by(&mut self, exit: Exit, leave: Leave<R::Obj>) -> Checked<Outcome<R::Obj>> {
        let resume = self.sb.snapshots[exit.snapshot].resume;
        let mut frames = Vec::new();
        let mut built = BTreeMap::new();
        if resume != Resume::Landed {
            let p = self.frames(exit.snapshot, Purpose::Leave)?;
            self.rt.write_frames(resume, &p.frames);
            (frames, built) = (p.frames, p.built);
        }
        for object in built.into_values().chain(std::mem::take(&mut self.kept).into_values()) {
            self.rt.decref(object);
        }
        std::mem::take(&mut self.deferred).into_iter().for_each(|o| self.rt.decref(o));
        Ok(Outcome { exit: exit.id, reason: exit.reason, leave, resume, frames, executed: 0, rounds: 0 })
    }

    /// Gives frames back that were made and written, so that the next ones take no new memory.
    pub fn take_back(&mut self, mut frames: Vec<Frame<R::Obj>>) {
        for Frame { mut locals, mut stack, .. } in frames.drain(..) {
            locals.clear();
            stack.clear();
            self.spare_slots.push((locals, stack));
        }
        self.spare_frames = frames;
    }

    /// Leaves by an exit that leads to a bridge.
    pub(crate) fn leave_to_bridge(&self, exit: Exit) -> Checked<Outcome<R::Obj>> {
        let resume = self.sb.snapshots[exit.snapshot].resume;
        let values = self.sb.live(exit.snapshot).into_iter().map(|v| self.get(v)).collect::<Checked<_>>()?;
        let leave = Leave::Bridge(values);
        Ok(Outcome { exit: exit.id, reason: exit.reason, leave, resume, frames: Vec::new(), executed: 0, rounds: 0 })
    }

    /// Builds a virtual object for good.
    pub(crate) fn materialize(&mut self, id: VirtualId) -> Checked<R::Obj> {
        let mut built = BTreeMap::new();
        let object = self.virtual_object(id, Purpose::Leave, &mut built)?;
        for (other, object) in built {
            if other != id {
                self.rt.decref(object);
            }
        }
        Ok(object)
    }

    /// Lets other code see the frames while `f` runs.
    pub(crate) fn escaping<T>(&mut self, inst: &Inst, f: impl FnOnce(&mut R) -> T) -> Checked<T> {
        let p = self.publish(inst.snapshot.ok_or("the op needs a snapshot")?)?;
        let result = f(self.rt);
        self.withdraw(p);
        Ok(result)
    }

    /// Has tier 1 execute an instruction. All frames are in memory, so there is nothing to withdraw.
    pub(crate) fn execute_one(&mut self, inst: &Inst, pc: u32, moves: Moves) -> Checked<()> {
        self.publish(inst.snapshot.ok_or("the op needs a snapshot")?)?;
        self.rt.execute(pc, moves);
        self.executed = Some(moves);
        Ok(())
    }

    /// Lets other code see the frames of a snapshot.
    ///
    /// # Errors
    /// The superblock is malformed.
    pub fn publish(&mut self, snapshot: SnapshotId) -> Checked<Published<R::Obj>> {
        let p = self.frames(snapshot, Purpose::Publish)?;
        self.rt.write_frames(self.sb.snapshots[snapshot].resume, &p.frames);
        Ok(p)
    }

    /// Takes back what was published, noting what other code has changed or kept.
    pub fn withdraw(&mut self, p: Published<R::Obj>) {
        let changed = self.rt.withdraw_frames(&p.frames);
        self.settle(changed, p.taken);
        self.take_back(p.frames);
        // Those within others have lower numbers: once the outer one is gone, the reference that is left is ours.
        for (id, object) in p.built.into_iter().rev() {
            // Of what is immortal there is no second copy, whoever keeps it.
            if self.rt.refcount(object) > 1 && !self.rt.is_immortal(object) {
                self.kept.insert(id, object);
            } else {
                self.rt.decref(object);
            }
        }
    }

    /// Frames were taken back that other code could see: notes what was changed, and lets go of the references that were taken for slots: (frame, local if
    /// it is one, object).
    pub fn settle(&mut self, changed: Vec<Changed<R::Obj>>, taken: Vec<(usize, Option<usize>, R::Obj)>) {
        // If this superblock is about to be left, frames may have stayed in memory, and what they refer to must live until the
        // exit writes them.
        let leaving = !changed.is_empty() || !self.rt.is_valid();
        for (frame, local, object) in taken {
            // Whoever changed a local has dropped what was in it.
            if changed.iter().any(|&(f, l, _)| f == frame && local == Some(l)) {
                continue;
            } else if leaving {
                self.deferred.push(object);
            } else {
                self.rt.decref(object);
            }
        }
        self.changed.extend(changed.into_iter().map(|(f, l, object)| ((f, l), object)));
    }

    /// Whether the superblock may go on as if no other code had run.
    pub fn is_undisturbed(&mut self) -> bool {
        self.changed.is_empty() && self.kept.is_empty() && self.rt.is_valid()
    }
}
